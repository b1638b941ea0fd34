//! What works under Miri: private anonymous memory, as slices, as atomics and as copies; cut, joined and grown.
//!
//! Miri knows `mmap`, `mremap` and `munmap` of private anonymous memory that may be read and written, and no other call on
//! maps. So programs that use such maps can be run with it.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mmarinus::{Errno, Map, perms};

fn memory(len: usize) -> Map<perms::ReadWrite> {
    Map::bytes(len)
        .anonymously()
        .with(perms::ReadWrite)
        .expect("memory")
}

#[test]
fn memory_is_a_slice() {
    let mut map = memory(10_000);
    assert!(map.iter().all(|&byte| byte == 0));
    map.fill(7);
    map[..5].copy_from_slice(b"miri!");
    assert_eq!(&map[3..7], b"i!\x07\x07");
    let text = core::str::from_utf8(&map[..4]).expect("text");
    assert_eq!(text, "miri");
}

#[test]
fn memory_is_copied() {
    let mut map = memory(5000);
    map.write_at(4990, b"0123456789").expect("inside");
    let mut bytes = [0; 4];
    map.read_at(4996, &mut bytes).expect("inside");
    assert_eq!(&bytes, b"6789");
    let error = map.read_at(4997, &mut bytes).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    let view = map.view(4990..).expect("inside");
    assert_eq!(view.as_slice(), b"0123456789");
}

#[test]
fn memory_is_atomics() {
    let mut map = memory(4096);
    let words = map.atomics_mut::<AtomicU32>(..).expect("words");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| words[3].fetch_add(5, Relaxed));
        }
    });
    assert_eq!(words[3].load(Relaxed), 10);
}

#[test]
fn what_others_write_is_copied_and_counted() {
    let map = memory(4096).expose();
    let view = map.view(..).expect("all of it");
    view.write_at(8, &5_u32.to_ne_bytes()).expect("inside");
    let words = map.atomics::<AtomicU32>(..).expect("words");
    words[2].fetch_add(1, Relaxed);
    let mut bytes = [0; 4];
    map.read_at(8, &mut bytes).expect("inside");
    assert_eq!(u32::from_ne_bytes(bytes), 6);
}

#[test]
fn empty_maps_make_no_call() {
    let map = memory(0);
    assert_eq!(&map[..], b"");
    let map = map.reprotect(perms::Read).expect("nothing to change");
    assert!(map.is_empty());
}
