//! Calls on a whole process: batches of advice, advice for others, and settings of all maps.

use std::process::{Command, Stdio};

use mmarinus::process::{self, MdweFlags, ThpDisable};
use mmarinus::{Advice, Errno, Private, perms};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use crate::common::{Vma, anonymous, bytes_of, file_map, page, patterned};
use crate::testing::{in_child, needs};

#[test]
fn many_ranges_are_advised_about_at_once() {
    let maps: Vec<_> = (0..70).map(|_| anonymous(3 * page())).collect();
    let file = file_map(3 * page(), Private);
    let mut parts: Vec<_> = maps
        .iter()
        .map(|map| map.part(page()..page() + 1).unwrap())
        .collect();
    parts.push(file.part(..).unwrap());
    parts.push(file.part(5..5).unwrap());
    process::advise(&parts, Advice::COLD).unwrap();
    process::advise(&parts, Advice::WILLNEED).unwrap();
    process::advise(&parts, Advice::DONTDUMP).unwrap();
    process::advise(&[], Advice::COLD).unwrap();
    for map in &maps {
        let has = |offset| Vma::at(map.addr() + offset).unwrap().has("dd");
        assert_eq!(
            [0, page(), 2 * page()].map(has),
            [false, true, false],
            "a neighbour"
        );
    }
    assert_eq!(bytes_of(&file), patterned(0, 3 * page()));
    let error = maps[0].part(..=3 * page()).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    // The maps know that they may be several mappings now.
    let mut first = maps.into_iter().next().unwrap();
    assert_eq!(first.take_pages().unwrap_err().errno(), Errno::FAULT);
}

#[test]
fn a_batch_that_fails_says_where() {
    let good = anonymous(page());
    let locked = anonymous(page());
    if let Err(error) = locked.lock(..) {
        assert!([Errno::NOMEM, Errno::PERM].contains(&error.errno()));
        return;
    }
    let parts = [good.part(..).unwrap(), locked.part(..).unwrap()];
    let error = process::advise(&parts, Advice::PAGEOUT).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert!(
        error.to_string().contains(&format!("{:#x}", locked.addr())),
        "{error}"
    );
}

#[test]
fn another_process_is_advised() {
    needs!(linux = "6.1");
    let mut child = Command::new("/proc/self/exe")
        .args(["--exact", "process::never", "--nocapture", "--list"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let fd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let low = page()..2 * page();
    let error = process::advise_other(&fd, core::slice::from_ref(&low), Advice::COLD).unwrap_err();
    let expected = [Errno::NOMEM, Errno::PERM, Errno::SRCH, Errno::INVAL];
    assert!(
        expected.contains(&error.errno()),
        "nothing is mapped there: {error}"
    );
    drop(child.stdin.take());
    child.wait().unwrap();

    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let map = anonymous(4 * page());
    let all = map.addr()..map.addr() + map.len();
    match process::advise_other(&own, core::slice::from_ref(&all), Advice::COLD) {
        Ok(advised) => assert_eq!(advised, map.len()),
        Err(error) => assert_eq!(error.errno(), Errno::PERM, "{error}"),
    }
}

#[test]
fn what_could_harm_others_is_refused() {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    let range = 0..page();
    for advice in [
        Advice::DODUMP,
        Advice::MERGEABLE,
        Advice::DONTDUMP,
        Advice::HUGEPAGE,
    ] {
        let error = process::advise_other(&own, core::slice::from_ref(&range), advice).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL, "{error}");
        assert!(error.hint().contains("another process"), "{error}");
    }
    let reversed = core::ops::Range { start: 2, end: 1 };
    let error = process::advise_other(&own, &[reversed], Advice::COLD).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let many = vec![0..page(); 65];
    let error = process::advise_other(&own, &many, Advice::COLD).unwrap_err();
    assert!(error.hint().contains("64"), "{error}");
    let file = tempfile::tempfile().unwrap();
    let error =
        process::advise_other(&file, core::slice::from_ref(&range), Advice::COLD).unwrap_err();
    assert_eq!(error.errno(), Errno::BADF, "{error}");
}

#[test]
fn settings_are_those_of_the_process() {
    let status = in_child!({
        process::set_thp_disable(ThpDisable::DISABLED).unwrap();
        assert!(
            process::get_thp_disable()
                .unwrap()
                .contains(ThpDisable::DISABLED)
        );
        if process::set_mdwe(MdweFlags::REFUSE_EXEC_GAIN).is_ok() {
            let map = anonymous(page());
            let error = map.reprotect(perms::ReadExecute).unwrap_err();
            assert_eq!(error.errno(), Errno::ACCESS, "{error}");
            assert_eq!(error.into_map().unwrap()[0], 0);
        }
    });
    assert!(status.success());
}
