//! The list of maps: held against the text, whatever names there are and whatever other threads map meanwhile.

use core::sync::atomic::{AtomicBool, Ordering};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::thread;

use mmarinus::{Errno, Map, Maps, ProtFlags, Shared, Vma, maps, perms};
use rustix::process::Resource;

use crate::common::{anonymous, disk_file, file_map, limit, memory_file, page, shared};
use crate::raw::{self, Call};
use crate::testing::{in_child, needs, skip};

/// The mapping that holds an address, if there is one.
fn vma_at(address: usize) -> Option<Vma> {
    maps()
        .expect("a list")
        .map(|vma| vma.expect("a map"))
        .find(|vma| vma.contains(address))
}

/// What must be true of a whole list.
fn assert_in_order(list: &[Vma]) {
    assert!(list.len() > 5);
    for vma in list {
        assert_eq!(vma.len(), vma.end() - vma.start());
        assert_ne!(vma.len(), 0);
    }
    assert!(list.is_sorted_by(|one, next| one.end() <= next.start()));
}

/// All maps, none of which is an error.
fn all(list: Maps) -> Vec<Vma> {
    list.map(|vma| vma.expect("a map")).collect()
}

/// Holds the list against the text, in a child, where no other test maps.
fn assert_like_the_text() {
    // Room for all before anything is listed.
    let mut list = Vec::with_capacity(4096);
    let mut text = String::with_capacity(1 << 20);
    let file = File::open("/proc/self/maps").expect("maps");
    list.extend(maps().expect("a list").map(|vma| vma.expect("a map")));
    std::io::Read::read_to_string(&mut &file, &mut text).expect("the text");
    assert_in_order(&list);
    // What all processes have is no map of this one.
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut list: Vec<String> = list.iter().map(|vma| squeeze(&vma.to_string())).collect();
    let mut lines: Vec<String> = text.lines().map(squeeze).collect();
    for lines in [&mut list, &mut lines] {
        // The names are allocated while the list is made, so the heap may grow.
        lines.retain(|line| !line.ends_with("[vsyscall]") && !line.ends_with("[heap]"));
    }
    assert_eq!(list, lines);
}

#[test]
fn the_list_is_the_text() {
    let status = in_child!({
        let _maps = (
            anonymous(3 * page()),
            shared(page()),
            file_map(page(), Shared),
        );
        assert_like_the_text();
    });
    assert!(status.success());
}

#[test]
fn without_queries_the_text_is_read() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        let _maps = (
            anonymous(3 * page()),
            shared(page()),
            file_map(page(), Shared),
        );
        raw::forbid(&[Call::Ioctl], Errno::NOTTY).unwrap();
        assert_like_the_text();
        let map = anonymous(page());
        assert_eq!(vma_at(map.addr()).unwrap().page_size(), None);
        // A list that is read by another thread than the one that opened it, which has ended.
        let list = thread::spawn(|| {
            let mut list = maps().unwrap();
            (list.next().unwrap().unwrap(), list)
        });
        let (first, list) = list.join().unwrap();
        let list: Vec<Vma> = [first].into_iter().chain(all(list)).collect();
        assert_in_order(&list);
        assert!(list.iter().any(|vma| vma.contains(map.addr())));
    });
    assert!(status.success());
}

#[test]
fn a_map_is_as_it_was_made() {
    let file = disk_file(4 * page());
    let map = Map::bytes(page())
        .from(&file, 2 * page() as u64)
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap();
    let vma = vma_at(map.addr()).unwrap();
    assert_eq!((vma.start(), vma.len()), (map.addr(), page()));
    assert_eq!(vma.permissions(), ProtFlags::READ);
    assert!(vma.is_shared());
    assert_eq!(vma.offset(), 2 * page() as u64);
    assert_eq!(vma.inode(), file.metadata().unwrap().ino());
    assert_ne!(vma.device(), (0, 0));
    assert!(vma.name().ends_with(b" (deleted)") && vma.path().is_some());
    assert!(vma.page_size().is_none_or(|size| size == page()));

    let map = anonymous(page()).reprotect(perms::None).unwrap();
    let vma = vma_at(map.addr()).unwrap();
    assert!(vma.contains(map.addr()) && !vma.contains(vma.end()));
    assert_eq!(vma.permissions(), ProtFlags::empty());
    assert!(!vma.is_shared() && vma.path().is_none());
    assert_eq!((vma.offset(), vma.device(), vma.inode()), (0, (0, 0), 0));
    drop(map);
    let code = vma_at as fn(usize) -> _ as *const () as usize;
    let vma = vma_at(code).unwrap();
    assert!(vma.permissions().contains(ProtFlags::EXEC));
    assert_eq!(vma.path(), std::env::current_exe().ok().as_deref());
    assert!(format!("{vma:?}").contains("page_size"));
}

#[test]
fn since_queries_the_page_size_is_known() {
    needs!(procmap_query);
    let map = anonymous(page());
    assert_eq!(vma_at(map.addr()).unwrap().page_size(), Some(page()));
}

#[test]
fn names_come_as_they_are() {
    let status = in_child!({
        let folder = tempfile::tempdir().unwrap();
        let names: [&[u8]; 5] = [
            b"two  words ",
            b"new\nline",
            b"[stack]",
            b"\xff\xfe\x80",
            b"1000-2000 rwxp 00000000 00:00 0",
        ];
        let map_of = |name: &[u8]| {
            let path = folder.path().join(OsStr::from_bytes(name));
            fs::write(&path, b"x").unwrap();
            let map = Map::load(&path, Shared, perms::Read).unwrap();
            (path.canonicalize().unwrap(), map)
        };
        let maps = names.map(map_of);
        let assert_names = || {
            for (path, map) in &maps {
                let vma = vma_at(map.addr()).unwrap();
                assert_eq!(
                    vma.name().escape_ascii().to_string(),
                    path.as_os_str().as_bytes().escape_ascii().to_string()
                );
                assert_eq!(vma.path(), Some(path.as_path()));
            }
        };
        assert_names();
        let memory = memory_file(page());
        let memory = Map::bytes(page())
            .from(&memory, 0)
            .with(perms::Read)
            .unwrap();
        assert_eq!(
            vma_at(memory.addr()).unwrap().name(),
            b"/memfd:test (deleted)"
        );
        if raw::can_forbid().is_ok() {
            raw::forbid(&[Call::Ioctl], Errno::NOTTY).unwrap();
            assert_names();
        }
        drop(folder);
        for (_, map) in &maps {
            assert!(vma_at(map.addr()).unwrap().name().ends_with(b" (deleted)"));
        }
    });
    assert!(status.success());
}

#[test]
fn paths_longer_than_a_path_can_be() {
    let status = in_child!({
        let folder = tempfile::tempdir().unwrap();
        std::env::set_current_dir(folder.path()).unwrap();
        let name = "x".repeat(250);
        for _ in 0..20 {
            fs::create_dir(&name).unwrap();
            std::env::set_current_dir(&name).unwrap();
        }
        fs::write("end", b"x").unwrap();
        let map = Map::load("end", Shared, perms::Read).unwrap();
        let vma = vma_at(map.addr()).unwrap();
        let list = all(maps().unwrap());
        assert!(vma.name().len() > 20 * 250, "{}", vma.name().len());
        assert!(vma.name().starts_with(b"/") && vma.name().ends_with(b"x/end"));
        assert_in_order(&list);
        // What knows but the first bytes of a name says so.
        let stats = map.stats().unwrap();
        assert!(stats.name().ends_with(b"xx..."));
        std::env::set_current_dir("/").unwrap();
    });
    assert!(status.success());
}

#[test]
fn other_threads_map_and_unmap_meanwhile() {
    let stop = AtomicBool::new(false);
    let map = anonymous(5 * page()).reprotect(perms::Execute).unwrap();
    thread::scope(|scope| {
        for index in 1..3 {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let map = anonymous(index * 4 * page());
                    let (one, two) = map.split(index * 2 * page()).unwrap();
                    let two = two.reprotect(perms::Read).unwrap();
                    drop((one, two));
                }
            });
        }
        for _ in 0..30 {
            let list = all(maps().unwrap());
            assert_in_order(&list);
            assert!(list.iter().any(|vma| vma.contains(map.addr())));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_main_thread_may_have_ended() {
    let status = in_child!({
        if let Err(why) = raw::end_main_thread() {
            skip!("{why}");
        }
        let mut map = anonymous(3 * page());
        map[0] = 1;
        assert!(vma_at(map.addr()).is_some());
        assert_eq!(map.stats().unwrap().dirty(), Some(page()));
        std::process::exit(0);
    });
    assert!(status.success());
}

#[test]
fn an_error_says_why_there_is_no_list() {
    let status = in_child!({
        limit(Resource::Nofile, 0);
        let error = maps().unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::MFILE, "maps"));
        assert!(error.to_string().contains("too many files"), "{error}");
    });
    assert!(status.success());
}
