//! `vm.overcommit_memory` is 2: the kernel promises no more memory than there is, and refuses what programs are used to get.
#![forbid(unsafe_code)]

use std::fs::File;

use mmarinus::{Advice, Errno, Map, Private, Shared, perms};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::common::{Vma, anonymous, disk_file, page, patterned};
use crate::testing::machine::Machine;
use crate::testing::{needs, sound};

/// What is not taken by [`exhaust`], for the test's own few bytes.
const SLACK: usize = 256 << 10;

/// A machine that promises no more than it has.
fn strict() -> Machine {
    let mut machine = Machine::alone();
    machine.set("vm/overcommit_memory", 2);
    machine
}

/// Takes what the kernel may still promise, but for the slack. It is never written, so the machine's memory stays free.
fn exhaust() -> Vec<Map<perms::ReadWrite>> {
    let mut held = Vec::with_capacity(4096);
    let slack = anonymous(SLACK);
    let mut len = 256 << 20;
    while len >= page() {
        match Map::bytes(len).anonymously().with(perms::ReadWrite) {
            Ok(map) => held.push(map),
            Err(error) => {
                assert_eq!(error.errno(), Errno::NOMEM);
                assert!(
                    error.to_string().contains("vm.overcommit_memory"),
                    "{error}"
                );
                len /= 2;
            }
        }
    }
    drop(slack);
    held
}

/// A memory file of holes with all seals that stop changes.
fn holes(len: usize) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("holes", flags).expect("a memfd"));
    file.set_len(len as u64).expect("a length");
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

#[test]
fn a_file_that_only_keeps_its_size_is_refused() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = File::from(memfd_create("sized", flags).unwrap());
        file.set_len(page() as u64).unwrap();
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
        for seals in [SealFlags::GROW, SealFlags::WRITE] {
            let error = Map::bytes(page())
                .from_size_sealed(&file, 0)
                .with_kind(Shared)
                .with(perms::Read)
                .unwrap_err();
            assert!(
                error.to_string().contains("vm.overcommit_memory is 2"),
                "{error}"
            );
            fcntl_add_seals(&file, seals).unwrap();
        }
    });
}

#[test]
fn holes_of_a_sealed_file_are_filled_or_refused() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let len = 4 << 20;
        let (early, late) = (holes(len), holes(len));
        let map = Map::bytes(len)
            .from_sealed(&early, 0)
            .with_kind(Private)
            .with(perms::Read)
            .unwrap();
        let held = exhaust();
        // What was mapped has its pages, now that there are no others; also after the kernel looked for some to drop.
        map.advise(.., Advice::PAGEOUT).unwrap();
        assert!(map.iter().all(|&byte| byte == 0));
        let error = Map::bytes(len)
            .from_sealed(&late, 0)
            .with(perms::Read)
            .unwrap_err();
        assert!(
            [Errno::FAULT, Errno::NOMEM, Errno::NOSPC].contains(&error.errno()),
            "{error}"
        );
        drop(held);
        let late = Map::bytes(len)
            .from_sealed(&late, 0)
            .with(perms::Read)
            .unwrap();
        assert!(late.iter().all(|&byte| byte == 0));
    });
}

#[test]
fn what_is_refused_leaves_the_map_as_it_was() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let len = 4 << 20;
        let file = disk_file(page());
        let (mut map, reader) = (
            anonymous(len),
            Map::bytes(len).anonymously().with(perms::Read).unwrap(),
        );
        map.fill(7);
        let of_file = Map::bytes(page())
            .from(&file, 0)
            .with(perms::Read)
            .unwrap()
            .resize(len)
            .unwrap();
        let held = exhaust();
        let addr = map.addr();
        let error = map.resize(3 * len).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        assert!(
            error.to_string().contains("vm.overcommit_memory"),
            "{error}"
        );
        let map = error.into_map().unwrap();
        let error = map.resize_in_place(2 * len).unwrap_err();
        let mut map = error.into_map().unwrap();
        assert_eq!(map.take_pages().unwrap_err().errno(), Errno::NOMEM);
        assert_eq!((map.addr(), map.len()), (addr, len));
        assert!(map.iter().all(|&byte| byte == 7));
        assert_eq!(Vma::of(&map).perms, "rw-p");
        map.fill(8);
        let error = map.remap().anonymously().with(perms::ReadWrite);
        let map = error.unwrap_err().into_map().unwrap();
        assert!(map.iter().all(|&byte| byte == 8));

        let error = reader.reprotect(perms::ReadWrite).unwrap_err();
        assert_eq!(error.errno(), Errno::NOMEM);
        assert!(
            error.to_string().contains("vm.overcommit_memory"),
            "{error}"
        );
        let reader = error.into_map().unwrap();
        assert_eq!(Vma::of(&reader).perms, "r--p");
        let of_file = of_file
            .reprotect(perms::ReadWrite)
            .unwrap_err()
            .into_map()
            .unwrap();
        let mut bytes = vec![0; page()];
        of_file.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, patterned(0, page()));
        // With room, all of it works.
        drop(held);
        let mut reader = reader.reprotect(perms::ReadWrite).unwrap();
        reader.fill(1);
        let map = map.resize(3 * len).unwrap();
        assert_eq!((map[len - 1], map[len]), (8, 0));
        drop(of_file.reprotect(perms::ReadWrite).unwrap());
    });
}

#[test]
fn shared_memory_is_promised_whole_or_refused() {
    needs!(guest);
    let _machine = strict();
    sound!({
        let request = |len: usize| {
            let map = Map::bytes(len).anonymously().with_kind(Shared);
            map.with(perms::ReadWrite)
        };
        let early = request(4 << 20).unwrap();
        let held = exhaust();
        assert_eq!(request(4 << 20).unwrap_err().errno(), Errno::NOMEM);
        // Its pages were promised when it was made.
        let view = early.view(..).unwrap();
        for at in (0..early.len()).step_by(page()) {
            view.write_at(at, &[9]).unwrap();
        }
        let mut byte = [0];
        early.read_at(early.len() - page(), &mut byte).unwrap();
        assert_eq!(byte, [9]);
        drop(held);
    });
}
