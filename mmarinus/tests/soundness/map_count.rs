//! At `vm.max_map_count` nearly every call fails: maps come back and work, and dropping one does not break another.
#![forbid(unsafe_code)]

use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, ProtFlags, Shared};

use crate::common::{Vma, anonymous, disk_file, is_free, limit, page};
use crate::testing::machine::Machine;
use crate::testing::sound::Leak;
use crate::testing::{features, skip, sound};

const READ: Unknown = Unknown(ProtFlags::READ);
const BOTH: Unknown = Unknown(ProtFlags::READ.union(ProtFlags::WRITE));

/// How many mappings the process may have.
fn max_map_count() -> usize {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("the limit");
    text.trim().parse().expect("a number")
}

/// Whether mappings can be made until there are none left; where not, why.
///
/// In a guest so many would take minutes: there these tests belong to the target `machine`, which changes the limit.
fn crowded() -> Result<Option<Machine>, String> {
    let changes_the_limit = env!("CARGO_CRATE_NAME") == "machine";
    if changes_the_limit != features::guest().is_there {
        return Err(
            "elsewhere: in a guest with a low vm.max_map_count, else with that of the machine"
                .into(),
        );
    }
    if changes_the_limit {
        let mut machine = Machine::alone();
        machine.set("vm/max_map_count", 3000);
        return Ok(Some(machine));
    }
    match max_map_count() {
        ..=0x10_0000 => Ok(None),
        limit => Err(format!(
            "vm.max_map_count is {limit}: too many mappings to make"
        )),
    }
}

/// The byte that is the first of the page with this number.
fn number(index: usize) -> [u8; 4] {
    (index as u32).to_ne_bytes()
}

/// Pages in one row, of which every other is read-only, until the kernel has no mapping left.
///
/// The answer is the parts, the index of the one whose change failed, and what is left of the row.
fn crowd() -> (Vec<Map<Unknown>>, usize, Map<Unknown>) {
    let pages = max_map_count() + 100;
    let mut row = anonymous(pages * page());
    for (index, page) in row.chunks_mut(page()).enumerate() {
        page[..4].copy_from_slice(&number(index));
    }
    let mut rest = row.forget_permissions();
    let mut parts = Vec::with_capacity(pages);
    loop {
        let (one, tail) = rest.split(page()).expect("a page");
        rest = tail;
        if parts.len() % 2 == 0 {
            parts.push(one);
            continue;
        }
        match one.reprotect(READ) {
            Ok(one) => parts.push(one),
            Err(error) => {
                assert_eq!(error.errno(), Errno::NOMEM);
                assert!(error.to_string().contains("vm.max_map_count"), "{error}");
                let one = error.into_map().expect("what was not changed comes back");
                assert_eq!(one.permissions(), BOTH.0);
                let failed = parts.len();
                parts.push(one);
                return (parts, failed, rest);
            }
        }
    }
}

/// Asserts that a page is where and what it was, and may be written if it says so.
fn assert_works(part: &mut Map<Unknown>, index: usize) {
    let mut bytes = [0; 4];
    part.read_at(0, &mut bytes).expect("readable");
    assert_eq!(bytes, number(index), "page {index}");
    let written = part.write_at(8, &bytes).is_ok();
    assert_eq!(
        written,
        part.permissions().contains(ProtFlags::WRITE),
        "page {index}"
    );
}

#[test]
fn what_cannot_be_changed_comes_back_and_works() {
    let _machine = match crowded() {
        Ok(machine) => machine,
        Err(why) => skip!("{why}"),
    };
    sound!({
        let (mut parts, failed, rest) = crowd();
        // The map that came back is what it was: written by plain code, and changed again when there is room.
        assert_works(&mut parts[failed], failed);
        let map = parts.remove(failed);
        let error = map.reprotect(perms::None).unwrap_err();
        let map = error.into_map().unwrap();
        let map = map
            .reprotect(perms::ReadWrite)
            .expect("that changes nothing");
        assert_eq!(map[..4], number(failed));

        // The middle of a mapping is not unmapped either, and comes back.
        let (one, two) = rest.split(10 * page()).unwrap();
        let (two, three) = two.split(page()).unwrap();
        let error = two.unmap().unwrap_err();
        assert_eq!((error.errno(), error.operation()), (Errno::NOMEM, "munmap"));
        assert!(error.to_string().contains("vm.max_map_count"), "{error}");
        let mut two = error.into_map().unwrap();
        assert_works(&mut two, failed + 11);
        for (index, part) in parts.iter_mut().enumerate().step_by(997) {
            assert_works(part, index);
        }
        // With room, all of it works again.
        parts.truncate(failed - 100);
        let map = map.reprotect(perms::Read).unwrap();
        assert_eq!(map[..4], number(failed));
        two.unmap().unwrap();
        assert_eq!(three.reprotect(READ).unwrap().permissions(), READ.0);
        drop(one);
    });
}

#[test]
fn dropping_what_cannot_be_unmapped_breaks_nobody() {
    let _machine = match crowded() {
        Ok(machine) => machine,
        Err(why) => skip!("{why}"),
    };
    // What could not be unmapped stays, since nobody knows of it any more.
    sound!(Leak::mapped(4 * page()), {
        let (mut parts, failed, rest) = crowd();
        let (mut one, two) = rest.split(10 * page()).unwrap();
        let (two, mut three) = two.split(4 * page()).unwrap();
        let addr = two.addr();
        assert!(two.unmap().map_err(|error| drop(error.into_map())).is_err());
        assert_works(&mut one, failed + 1);
        assert_works(&mut three, failed + 15);
        let last = one.len() - page();
        one.write_at(last, b"last").unwrap();
        three.write_at(0, &number(failed + 15)).unwrap();
        for (index, part) in parts.iter_mut().enumerate().step_by(997) {
            assert_works(part, index);
        }
        // The addresses stay taken, so nobody else gets them.
        parts.clear();
        let error = Map::bytes(page())
            .at(addr)
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::EXIST);
        assert_works(&mut three, failed + 15);
        drop(one);
        drop(three);
    });
}

#[test]
fn replacing_without_room_harms_nobody() {
    let _machine = match crowded() {
        Ok(machine) => machine,
        Err(why) => skip!("{why}"),
    };
    sound!({
        let file = disk_file(page());
        let (mut parts, failed, rest) = crowd();
        let (mut one, two) = rest.split(10 * page()).unwrap();
        let (two, mut three) = two.split(page()).unwrap();
        let addr = two.addr();
        let request = two.remap().from(&file, 0).with_kind(Shared);
        let error = request
            .with(perms::Read)
            .expect_err("there was no room for it");
        assert_eq!(error.errno(), Errno::NOMEM);
        let mut two = error.into_map().expect("nothing was moved");
        assert_eq!(two.addr(), addr);
        assert_works(&mut two, failed + 11);
        assert_works(&mut one, failed + 1);
        assert_works(&mut three, failed + 12);
        for (index, part) in parts.iter_mut().enumerate().step_by(997) {
            assert_works(part, index);
        }
        // In the middle of its neighbours it could not be unmapped before.
        drop(parts);
        drop(two);
    });
}

#[test]
fn maps_until_none_can_be_had_all_work() {
    let _machine = match crowded() {
        Ok(machine) => machine,
        Err(why) => skip!("{why}"),
    };
    sound!({
        limit(rustix::process::Resource::As, 1 << 30);
        let file = disk_file(4 * page());
        let mut maps = Vec::new();
        let error = loop {
            match Map::bytes(16 << 20).anonymously().with(perms::ReadWrite) {
                Ok(mut map) => {
                    let value = maps.len() as u8;
                    map[0] = value;
                    map[(16 << 20) - 1] = value;
                    maps.push(map);
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.errno(), Errno::NOMEM);
        assert!(error.to_string().contains("RLIMIT_AS"), "{error}");
        assert!(maps.len() > 10, "{} maps", maps.len());
        // A replacement needs room beside what it replaces.
        let last = maps.pop().unwrap();
        let (addr, value) = (last.addr(), last[0]);
        let error = last.remap().anonymously().with(perms::Read).unwrap_err();
        let last = error
            .into_map()
            .expect("it was refused before anything moved");
        assert_eq!((last.addr(), last[0]), (addr, value));
        drop(last);
        assert!(is_free(addr, page()));
        for (index, map) in maps.iter().enumerate() {
            assert_eq!(
                (usize::from(map[0]), usize::from(map[(16 << 20) - 1])),
                (index, index)
            );
        }
        assert!(Map::bytes(page()).from(&file, 0).with(perms::Read).is_ok());
        assert_eq!(Vma::of(&maps[0]).perms, "rw-p");
    });
}

#[cfg(feature = "std")]
#[test]
fn pages_are_supplied_at_the_limit_or_come_back() {
    let _machine = match crowded() {
        Ok(machine) => machine,
        Err(why) => skip!("{why}"),
    };
    sound!({
        let (parts, failed, rest) = crowd();
        // A part of a mapping, which would have to become one of its own.
        let (first, rest) = rest.split(page()).unwrap();
        let error = match first.supply_pages() {
            Ok(_) => panic!("there was no room"),
            Err(error) => error,
        };
        if error.errno() == Errno::NOMEM {
            assert!(error.to_string().contains("vm.max_map_count"), "{error}");
        } else {
            // Forbidden here.
            assert!([Errno::PERM, Errno::NOSYS].contains(&error.errno()));
        }
        let mut first = error.into_map().expect("it comes back");
        assert_works(&mut first, failed + 1);
        // With room, it is supplied: what was written is there.
        drop(parts);
        if let Ok((first, _)) = first.supply_pages() {
            let mut bytes = [0; 4];
            first.read_at(0, &mut bytes).unwrap();
            assert_eq!(bytes, number(failed + 1));
        }
        drop(rest);
    });
}
