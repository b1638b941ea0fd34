//! No byte that was read at one address of a mirror is remembered when it is written at the other, however much is optimized.

use mmarinus::Mirror;

/// Reads a byte at the start, writes it behind the end, and reads it again.
#[inline(always)]
fn round(mirror: &mut Mirror, byte: u8) -> (u8, u8) {
    let last = mirror.capacity() - 1;
    let before = mirror.slice(0, 1).unwrap()[0];
    mirror.slice_mut(last, 2).unwrap()[1] = byte;
    (before, mirror.slice(0, 1).unwrap()[0])
}

#[test]
fn a_byte_is_one_byte_at_both_addresses() {
    let mut mirror = Mirror::anonymous(4096).unwrap();
    let mut last = 0;
    for byte in 1..=255 {
        let (before, after) = round(&mut mirror, byte);
        assert_eq!((before, after), (last, byte));
        last = byte;
    }
}

#[test]
fn what_is_written_in_one_slice_is_read_in_the_next() {
    let mut mirror = Mirror::anonymous(4096).unwrap();
    let len = mirror.capacity();
    for start in [1, 17, len / 2, len - 1] {
        let whole = mirror.slice_mut(start, len).unwrap();
        for (at, byte) in whole.iter_mut().enumerate() {
            *byte = (at % 251) as u8;
        }
        let whole = mirror.slice(0, len).unwrap();
        let right = |(at, byte): (usize, &u8)| *byte == ((at + len - start) % len % 251) as u8;
        assert!(whole.iter().enumerate().all(right), "{start}");
    }
}
