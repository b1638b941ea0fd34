//! The list of what is mapped goes on past whatever the kernel writes into it, while others map and unmap.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::fs::File;
use std::thread;

use mmarinus::{Map, maps, perms};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::common::{anonymous, page};
use crate::testing::{sound, times};

/// Names that a parser could stumble over: spaces, a newline, numbers, and what looks like another line.
const NAMES: [&str; 6] = [
    "a b  c ",
    "line\nfeed",
    "1000-2000 r--p 00000000 00:00 0",
    "(deleted)",
    "\\012",
    "\u{fffd}\t\r",
];

#[test]
fn odd_names_do_not_end_the_list() {
    sound!({
        let named = NAMES.map(|name| {
            let file = memfd_create(name, MemfdFlags::CLOEXEC).unwrap();
            let file = File::from(file);
            file.set_len(page() as u64).unwrap();
            Map::bytes(page()).from(&file, 0).with(perms::None).unwrap()
        });
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let map = anonymous(4 * page());
                    drop(map.split(page()).unwrap());
                }
            });
            for _ in 0..times(50) {
                let list: Vec<_> = maps().unwrap().map(Result::unwrap).collect();
                for map in &named {
                    let found = list.iter().filter(|vma| vma.contains(map.addr()));
                    assert_eq!(found.count(), 1, "{map:?}");
                }
                // What is behind the last of them is there as well.
                assert!(list.iter().any(|vma| vma.name() == b"[stack]"));
            }
            done.store(true, Relaxed);
        });
    });
}
