//! Calls on any ranges of a map that lies between two others: the others keep every byte.

use core::sync::atomic::{AtomicU8, AtomicU64};
use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::numa::{Existing, Policy};
use mmarinus::{Advice, Error, Map, Shared, perms};
use rustix::fs::{MemfdFlags, memfd_create};

use super::bytes::Bytes;

const ADVICE: [Advice; 8] = [
    Advice::NORMAL,
    Advice::WILLNEED,
    Advice::COLD,
    Advice::PAGEOUT,
    Advice::DONTDUMP,
    Advice::DODUMP,
    Advice::POPULATE_READ,
    Advice::POPULATE_WRITE,
];

/// Makes calls on the middle one of three maps, as the bytes say.
pub(crate) fn run(data: &[u8]) {
    let bytes = &mut Bytes(data);
    let page = mmarinus_sys::page_size();
    let whole = Map::bytes(9 * page)
        .anonymously()
        .with(perms::ReadWrite)
        .expect("memory");
    let (mut before, rest) = whole.split(3 * page).expect("a page's start");
    let (middle, mut behind) = rest.split(3 * page).expect("a page's start");
    before.fill(1);
    behind.fill(3);
    if bytes.coin() {
        memory(middle, bytes);
    } else {
        file(middle, bytes);
    }
    assert!(before.iter().all(|&byte| byte == 1));
    assert!(behind.iter().all(|&byte| byte == 3));
}

fn memory(mut map: Map<perms::ReadWrite>, bytes: &mut Bytes<'_>) {
    while !bytes.0.is_empty() {
        let (call, number, range) = (bytes.byte(), bytes.number(), bytes.range(map.len()));
        let mut buf = [7; 100];
        match call % 15 {
            0 => drop(map.advise(range, ADVICE[number % ADVICE.len()])),
            1 => drop(map.lock(range)),
            2 => drop(map.unlock(range)),
            3 => drop(map.residency(range).map(Iterator::count)),
            4 => drop(map.discard(range)),
            5 => drop(map.take_pages_at(range)),
            6 => drop(map.set_policy(range, &Policy::DEFAULT, Existing::Stay)),
            7 => drop(map.read_at(number, &mut buf)),
            8 => drop(map.write_at(number, &buf)),
            9 => drop(
                map.view(range)
                    .and_then(|view| view.sub(range).map(|view| view.len())),
            ),
            10 => drop(
                map.atomics_mut::<AtomicU64>(range)
                    .map(|atomics| atomics.len()),
            ),
            11 => {
                let len = map.len();
                let parts = map.split(number);
                map = match parts {
                    Ok((one, two)) => one
                        .join(two)
                        .map_err(Error::without_map)
                        .expect("two halves"),
                    Err(error) => error.into_map().expect("the map comes back"),
                };
                assert_eq!(map.len(), len);
            }
            // It never becomes longer than three pages, behind which another map lies.
            12 => {
                map = map
                    .resize_in_place(number)
                    .unwrap_or_else(|error| error.into_map().expect("a map"))
            }
            13 => drop(map.lock_on_fault(range)),
            _ => drop(map.page_nodes(range).map(Iterator::count)),
        }
    }
}

fn file(map: Map<perms::ReadWrite>, bytes: &mut Bytes<'_>) {
    let page = mmarinus_sys::page_size();
    let file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).expect("a memfd"));
    file.write_all_at(&vec![7; 3 * page], 0).expect("room");
    let over = map.remap().from(&file, 0).with_kind(Shared);
    let mut map = over
        .with(perms::ReadWrite)
        .map_err(Error::without_map)
        .expect("a map of the file");
    while !bytes.0.is_empty() {
        let (call, number, range) = (bytes.byte(), bytes.number(), bytes.range(map.len()));
        let mut buf = [7; 100];
        match call % 10 {
            0 => drop(map.sync(range)),
            1 => drop(map.sync_async(range)),
            2 => drop(map.invalidate(range)),
            3 => drop(map.punch_hole(range)),
            4 => drop(map.preallocate(range)),
            5 => drop(map.read_at(number, &mut buf)),
            6 => drop(map.write_at(number, &buf)),
            7 => drop(file.set_len((number % (4 * page)) as u64)),
            8 => drop(map.view(range).map(|view| view.read_at(number, &mut buf))),
            _ => drop(map.advise(range, ADVICE[number % ADVICE.len()])),
        }
    }
    let exposed = Map::bytes(page)
        .anonymously()
        .with_kind(Shared)
        .with(perms::ReadWrite);
    let exposed = exposed.expect("memory").expose();
    let _ = exposed
        .atomics::<AtomicU8>(bytes.range(page))
        .map(<[_]>::len);
}
