//! The examples, run as programs of their own on real input.

use crate::testing::example::{run, run_with_input};
use crate::testing::{needs, skip};

#[test]
fn share() {
    needs!(cargo);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    // More than the ring holds comes back.
    let lines = (0..20_000).map(|line| match line % 3 {
        0 => format!("line {line} has a needle in it\n"),
        _ => format!("line {line} is hay\n"),
    });
    let text: String = lines.collect();
    std::fs::write(&path, &text).unwrap();
    let path = path.to_str().unwrap();
    let needles = text.lines().filter(|line| line.contains("needle"));
    let expected: String = needles.map(|line| format!("{line}\n")).collect();
    assert!(expected.len() > 1 << 16);

    let said = run("share", &[path, "needle"]).printed();
    let rest = said
        .strip_prefix(&expected)
        .expect("the lines with the word");
    let told = format!("6667 lines of {} bytes, searched by process ", text.len());
    assert!(rest.starts_with(&told), "{rest}");

    let none = run("share", &[path, "absent"]).printed();
    assert!(none.starts_with("0 lines"));
    run("share", &["/nonexistent", "word"]).complained("/nonexistent cannot be copied");
    run("share", &["one"]).complained("what to search?");
}

#[test]
fn log() {
    needs!(cargo);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let path = path.to_str().unwrap();
    // More than the steps in which memory is committed.
    let lines: Vec<String> = (0..100_000).map(|line| format!("event {line}")).collect();
    let text = lines.join("\n") + "\n";
    let first = run_with_input("log", &[path, "event 77777"], text.as_bytes()).printed();
    let told = format!("100000 records, {} bytes of them new\n", text.len());
    let expected = format!("77777: event 77776\n77778: event 77777\n{told}");
    assert_eq!(first, expected);
    assert_eq!(std::fs::read(path).unwrap(), text.as_bytes());

    // A crash tore the last record: it is gone, and the next one stands in its place.
    let torn = format!("{text}half of a rec");
    std::fs::write(path, &torn).unwrap();
    let second = run_with_input("log", &[path, "over"], b"\nstarted over").printed();
    let expected = "100001: \n100002: started over\n100002 records, 14 bytes of them new\n";
    assert_eq!(second, expected);
    let whole = format!("{text}\nstarted over\n");
    assert_eq!(std::fs::read(path).unwrap(), whole.as_bytes());

    // Nothing new; the first record has none before it.
    let third = run_with_input("log", &[path, "event 0"], b"").printed();
    let expected = "1: event 0\n100002 records, 0 bytes of them new\n";
    assert_eq!(third, expected);

    let folder = folder.path().to_str().unwrap();
    run("log", &[folder, "word"]).complained("cannot be opened");
    run("log", &["one"]).complained("which log");
}

#[test]
fn counter() {
    needs!(cargo);
    if crate::common::never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    let mut expected = [0; 3];
    for file in 0..40 {
        let path = folder.path().join(format!("file {file}"));
        let text = format!("one  two\tthree {file}\n\n").repeat(file * 31) + "no newline";
        expected[0] += text.lines().count() - 1;
        expected[1] += text.split_whitespace().count();
        expected[2] += text.len();
        std::fs::write(&path, text).unwrap();
        paths.push(path.to_str().unwrap().to_owned());
    }
    let [lines, words, bytes] = expected;
    let expected = format!("{lines} lines, {words} words, {bytes} bytes in 40 files\n");
    for processes in ["1", "2", "9"] {
        let args = [processes]
            .into_iter()
            .chain(paths.iter().map(String::as_str));
        assert_eq!(
            run("counter", &args.collect::<Vec<_>>()).printed(),
            expected
        );
    }

    let said = run("counter", &["3", &paths[1], "/nonexistent", &paths[1]]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.ends_with(" bytes in 2 files\n"), "{}", said.out);
    let mut complaints: Vec<&str> = said.err.lines().collect();
    complaints.sort_unstable();
    assert!(complaints[0].starts_with("counter: /nonexistent cannot be read: "));
    assert_eq!(complaints[1..], ["counter: 1 of 3 files are missing"]);
    run("counter", &[]).complained("what to count?");
    run("counter", &["1"]).complained("what to count?");
    for number in ["0", "many", "1001"] {
        run("counter", &[number, &paths[0]]).complained("is no number of processes");
    }
    // Its standard input is no tally.
    run("counter", &["--work", &paths[0]]).complained("");
}

#[test]
fn keys() {
    needs!(cargo);
    let dumps = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core).maximum;
    let has_dumps =
        !dumps.starts_with(['|', '/', '@']) && limit.is_none_or(|limit| limit > 1 << 24);
    // Yama, for who has no privileges: 2 and more.
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let is_restricted = scope.trim() >= "2" && !crate::testing::features::root().is_there;
    for args in [&[][..], &["locked"]] {
        let is_hidden = args.is_empty() && crate::testing::features::memfd_secret().is_there;
        let said = run("keys", args).printed();
        let lines: Vec<&str> = said.lines().collect();
        let [child, other, crash, dump] = lines[..] else {
            panic!("{said}");
        };
        let unreadable = "the password is read, the key: Input/output error (os error 5)";
        assert_eq!(child, format!("a forked child: {unreadable}"));
        // Locked memory is as any other to who may read it.
        let end = if is_hidden {
            unreadable
        } else {
            "the password is read, the key: is read"
        };
        if is_restricted {
            assert!(other.contains("may not look at all"), "{other}");
        } else {
            assert_eq!(other, format!("another process: {end}"));
        }
        assert!(crash.starts_with("it crashes: signal: 6 "), "{crash}");
        if has_dumps {
            assert!(dump.starts_with("its core dump of "), "{dump}");
            assert!(dump.ends_with(" times, the key 0 times"), "{dump}");
        } else {
            assert!(
                dump.starts_with("its core dump: not in a file here"),
                "{dump}"
            );
        }
    }
    run("keys", &["else"]).complained("only `locked` can be asked for");
    if !has_dumps {
        skip!("core dumps do not fall in the folder of the process here");
    }
}

#[test]
fn lazy() {
    needs!(cargo, userfaultfd_user_mode_only);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (plain, packed, cut) = (path("plain"), path("packed"), path("cut"));
    let lines = (0..60_000).map(|line| format!("line {line} of a text\n"));
    let text: String = lines.collect();
    let count = text.len().div_ceil(1 << 16);
    std::fs::write(&plain, &text).unwrap();
    let said = run("lazy", &["pack", &plain, &packed]).printed();
    let told = format!("{} bytes in {count} blocks became ", text.len());
    assert!(said.starts_with(&told), "{said}");
    let bytes = std::fs::read(&packed).unwrap();
    assert!(bytes.len() < text.len() / 2);

    let show = |offset: usize, len: usize| {
        let (offset, len) = (offset.to_string(), len.to_string());
        run("lazy", &["show", &packed, &offset, &len])
    };
    let expect = |offset: usize, len: usize, blocks: usize| {
        let part = &text[offset..offset + len];
        let expected = format!("{part}\n{blocks} of {count} blocks were decompressed\n");
        assert_eq!(show(offset, len).printed(), expected);
    };
    expect(0, 0, 0);
    expect(70_000, 100, 1);
    expect((1 << 16) - 1, 2, 2);
    expect(text.len() - 9, 9, 1);
    expect(0, text.len(), count);
    show(text.len(), 1).complained("bytes only");
    show(usize::MAX, usize::MAX).complained("bytes only");

    // A damaged block is an error of who reads it only.
    let mut damaged = bytes.clone();
    damaged[..64].fill(0xff);
    std::fs::write(&packed, &damaged).unwrap();
    expect(70_000, 100, 1);
    show(10, 10).complained("block 0 is damaged");

    for len in [0, 15, 16, 24, bytes.len() - 1] {
        std::fs::write(&cut, &bytes[..len]).unwrap();
        run("lazy", &["show", &cut, "0", "1"]).complained("is not packed by lazy");
    }
    // A length that is a lie.
    for lie in [u64::MAX, 1 << 62, text.len() as u64 + (1 << 16)] {
        let mut lying = bytes.clone();
        let end = lying.len() - 16;
        lying[end..end + 8].copy_from_slice(&lie.to_le_bytes());
        std::fs::write(&cut, &lying).unwrap();
        run("lazy", &["show", &cut, "0", "1"]).complained("is not packed by lazy");
    }
    run("lazy", &["show", &packed, "one", "1"]).complained("one is no number");
    run("lazy", &["unpack"]).complained("what to do?");
}
