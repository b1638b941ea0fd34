//! Requests with any arguments and options: a map that works, or an error.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::backing::{Backing, Written};
use mmarinus::kind::Kind;
use mmarinus::{Builder, Error, HugePage, Map, Shared, perms};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::bytes::Bytes;

/// More is not brought in at once.
const MOST: usize = 1 << 20;

/// A memory file of so many bytes with these seals.
fn file(len: usize, seals: SealFlags) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("fuzz", flags).expect("a memfd"));
    file.write_all_at(&vec![7; len], 0).expect("room");
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

/// Adds options as the bytes say.
fn options<'fd, K, B>(
    mut builder: Builder<'fd, K, B>,
    len: usize,
    bytes: &mut Bytes<'_>,
) -> Builder<'fd, K, B> {
    for _ in 0..bytes.byte() % 5 {
        builder = match bytes.byte() % 13 {
            0 if len <= MOST => builder.populate(),
            1 if len <= MOST => builder.locked(),
            2 => builder.no_reserve(),
            3 if len <= MOST => match HugePage::from_log2(u32::from(bytes.byte())) {
                Some(size) if size.bytes().is_some_and(|bytes| bytes <= 2 << 20) => {
                    builder.with_huge_pages(size)
                }
                _ => builder.with_huge_pages(HugePage::DEFAULT).no_reserve(),
            },
            4 => builder.stack(),
            5 => builder.aligned_to(bytes.number()),
            6 => builder.below_2gib(),
            7 => builder.above_47_bits(),
            8 => builder.dont_fork(),
            9 => builder.wipe_on_fork(),
            10 => builder.guarded(),
            11 => builder.near(bytes.number()),
            12 => builder.at(bytes.number()),
            _ => builder.anywhere(),
        };
    }
    builder
}

/// What a map of any type bears.
fn read<K: Kind, B: Backing<K>>(map: Result<Map<perms::ReadWrite, K, B>, Error>) {
    let Ok(map) = map else { return };
    let mut byte = [0];
    let last = map.len().wrapping_sub(1);
    for offset in [0, last] {
        // Past the end of a file it is an error, and outside of the map always.
        let _ = map.read_at(offset, &mut byte);
    }
    assert!(map.read_at(map.len(), &mut byte).is_err());
    assert!(map.addr().checked_add(map.len()).is_some());
    let (start, len) = map.pages();
    assert!(start <= map.addr() && map.addr() + map.len() <= start + len);
    let half = map.len() / 2;
    match map.split(half) {
        Ok((one, two)) => assert_eq!(one.len(), half, "{two:?}"),
        Err(error) => {
            let map = error.into_map().expect("the map comes back");
            let _ = map.reprotect(perms::Read);
        }
    }
}

/// The same, after it was written.
fn write<K: Kind, B: Backing<K> + Written<K>>(map: Result<Map<perms::ReadWrite, K, B>, Error>) {
    let map = map.map(|mut map| {
        let last = map.len().wrapping_sub(1);
        let _ = map.write_at(0, b"x");
        let _ = map.write_at(last, b"x");
        map
    });
    read(map);
}

/// Builds one map as the bytes say.
pub(crate) fn run(data: &[u8]) {
    let bytes = &mut Bytes(data);
    let (len, offset) = (bytes.number(), bytes.number() as u64);
    let page = mmarinus_sys::page_size();
    let builder = Map::bytes(len);
    let grown = SealFlags::SHRINK | SealFlags::GROW;
    match bytes.byte() % 11 {
        0 => write(options(builder.anonymously(), len, bytes).with(perms::ReadWrite)),
        1 => write(
            options(builder.anonymously().with_kind(Shared), len, bytes).with(perms::ReadWrite),
        ),
        2 => write(options(builder.droppable(), len, bytes).with(perms::ReadWrite)),
        3 if len <= MOST => write(options(builder.secret(), len, bytes).with(perms::ReadWrite)),
        4 => {
            let file = file(3 * page + 10, SealFlags::empty());
            write(options(builder.from(&file, offset), len, bytes).with(perms::ReadWrite));
        }
        5 => {
            let file = file(3 * page + 10, SealFlags::empty());
            write(
                options(builder.from(&file, offset).with_kind(Shared), len, bytes)
                    .with(perms::ReadWrite),
            );
        }
        6 => {
            let file = file(3 * page + 10, grown | SealFlags::WRITE);
            write(options(builder.from_sealed(&file, offset), len, bytes).with(perms::ReadWrite));
        }
        7 => {
            let file = file(3 * page, grown);
            write(
                options(builder.from_size_sealed(&file, offset), len, bytes).with(perms::ReadWrite),
            );
        }
        8 => {
            let file = File::options()
                .read(true)
                .write(true)
                .open("/dev/zero")
                .expect("a device");
            read(options(builder.from_device(&file, offset), len, bytes).with(perms::ReadWrite));
        }
        9 => {
            let file = File::open("/proc/self/status").expect("a file of procfs");
            read(options(builder.from_device(&file, offset), len, bytes).with(perms::ReadWrite));
        }
        _ => {
            let name: String = data.iter().take(90).copied().map(char::from).collect();
            let named = options(builder.anonymously().named(&name), len, bytes);
            write(named.with(perms::ReadWrite));
        }
    }
}
