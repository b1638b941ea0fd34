//! Copies by the kernel where they are hard: without a main thread, forbidden by seccomp, between signals, without rights.
#![forbid(unsafe_code)]

use std::thread;

use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Shared};

use crate::common::{
    anonymous, bytes_of, disk_file, file_map, page, patterned, shared, without_privileges,
};
use crate::raw::{self, Call};
use crate::testing::{in_child, skip, sound, times};

#[test]
fn copies_do_not_need_the_main_thread() {
    // It ends its process itself: with the main thread, the account of the process is gone.
    let status = in_child!({
        let file = disk_file(2 * page());
        let thread = thread::spawn(move || {
            if let Err(why) = raw::end_main_thread() {
                eprintln!("{why}");
                std::process::exit(2);
            }
            let result = std::panic::catch_unwind(|| {
                let mut map = Map::bytes(2 * page())
                    .from(&file, 0)
                    .with(perms::ReadWrite)
                    .unwrap();
                assert_eq!(bytes_of(&map), patterned(0, 2 * page()));
                map.write_at(0, b"still here").unwrap();
                assert_eq!(&bytes_of(&map)[..10], b"still here");
                file.set_len(0).unwrap();
                assert_eq!(map.read_at(0, &mut [0]).unwrap_err().errno(), Errno::FAULT);
            });
            std::process::exit(if result.is_ok() { 0 } else { 3 });
        });
        // This may be the main thread itself, which then never comes back.
        let _ = thread.join();
        std::process::exit(4);
    });
    if status.code() == Some(2) {
        skip!("the main thread cannot be ended on this architecture");
    }
    assert_eq!(status.code(), Some(0));
}

/// Asserts that a copy which seccomp forbids is an error that says so, and that nothing else needs such copies.
fn assert_forbidden(errno: Errno) {
    let mut map = file_map(page(), Private);
    let mut other = file_map(page(), Shared);
    raw::forbid(&[Call::ProcessVmReadv, Call::ProcessVmWritev], errno).unwrap();
    let faults = [
        map.read_at(0, &mut [0]).unwrap_err(),
        map.write_at(0, &[0]).unwrap_err(),
        other.read_at(5, &mut [0]).unwrap_err(),
        other.write_at(5, &[0]).unwrap_err(),
        other.view(..).unwrap().write_at(5, &[0]).unwrap_err(),
    ];
    for fault in faults {
        assert_eq!((fault.errno(), fault.copied()), (errno, 0));
        let text = fault.to_string();
        assert!(
            text.contains("seccomp") && text.contains("process_vm_readv"),
            "{text}"
        );
        let text = Error::from(fault).to_string();
        assert!(text.contains("seccomp"), "{text}");
    }
    // Copying nothing asks nobody, and what cannot fault is copied without the kernel.
    map.read_at(0, &mut []).unwrap();
    let mut memory = anonymous(page());
    memory.write_at(0, b"hello").unwrap();
    assert_eq!(&bytes_of(&memory)[..5], b"hello");
    let memory = shared(page());
    memory.view(..).unwrap().write_at(0, b"hello").unwrap();
    assert_eq!(&bytes_of(&memory)[..5], b"hello");
}

#[test]
fn forbidden_with_eperm_the_error_says_so() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    sound!({ assert_forbidden(Errno::PERM) });
}

#[test]
fn forbidden_with_enosys_the_error_says_so() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    sound!({ assert_forbidden(Errno::NOSYS) });
}

#[test]
fn signals_interrupt_nothing() {
    sound!({
        let file = disk_file(256 * page());
        let signals = raw::between_signals(move || {
            for _ in 0..times(30) {
                let map = Map::bytes(256 * page())
                    .from(&file, 0)
                    .with_kind(Shared)
                    .populate()
                    .with(perms::ReadWrite);
                let mut map = map.unwrap();
                let bytes = bytes_of(&map);
                assert_eq!(bytes, patterned(0, 256 * page()));
                map.write_at(0, &bytes).unwrap();
                let map = map.reprotect(perms::Read).unwrap();
                let map = map
                    .remap()
                    .from(&file, 0)
                    .populate()
                    .with(perms::ReadWrite)
                    .unwrap();
                map.unmap().unwrap();
                let map = Map::bytes(1 << 24)
                    .anonymously()
                    .with_kind(Shared)
                    .populate()
                    .with(perms::ReadWrite)
                    .unwrap();
                assert_eq!(
                    map.view(1 << 23..).unwrap().copy_to(&mut [1; 10]).unwrap(),
                    10
                );
            }
        });
        assert!(signals > times(100), "{signals} signals came meanwhile");
    });
}

#[test]
fn a_process_may_always_copy_from_itself() {
    sound!({
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).unwrap();
        let map = file_map(page(), Private);
        assert_eq!(bytes_of(&map), patterned(0, page()));
        without_privileges(|| assert_eq!(bytes_of(&map), patterned(0, page())));
    });
}

#[test]
fn permissions_are_asked_before_each_copy() {
    sound!({
        use ProtFlags as P;
        let file = disk_file(page());
        let mut memory = anonymous(page()).forget_permissions();
        let mut shared = shared(page()).forget_permissions();
        let mut mapped = Map::bytes(page())
            .from(&file, 0)
            .with(perms::ReadWrite)
            .unwrap()
            .forget_permissions();
        for prot in [P::empty(), P::WRITE, P::EXEC, P::READ, P::READ | P::WRITE] {
            memory = memory.reprotect(Unknown(prot)).unwrap();
            shared = shared.reprotect(Unknown(prot)).unwrap();
            mapped = mapped.reprotect(Unknown(prot)).unwrap();
            let mut byte = [0];
            let reads = prot.contains(P::READ);
            let writes = prot.contains(P::WRITE);
            for read in [
                memory.read_at(0, &mut byte),
                shared.read_at(0, &mut byte),
                mapped.read_at(0, &mut byte),
                memory.view(..).unwrap().read_at(0, &mut byte),
            ] {
                assert_eq!(read.is_ok(), reads, "{prot:?}");
            }
            for write in [
                memory.write_at(0, &byte),
                shared.write_at(0, &byte),
                mapped.write_at(0, &byte),
                shared.view(..).unwrap().write_at(0, &byte),
            ] {
                assert_eq!(write.is_ok(), writes, "{prot:?}");
            }
        }
        // Of pages that may not be read, also the library's own looks are none.
        let none = memory.reprotect(perms::None).unwrap();
        none.stats().unwrap();
        none.residency(..).unwrap();
        drop(none.reprotect(perms::Read).unwrap());
    });
}
