//! `readv`, `writev`, `preadv`, `pwritev`: between pages and descriptors.

use std::fs::File;
use std::io::pipe;
use std::os::fd::AsFd;

use mmarinus_sys::{Errno, IoVec, preadv, pwritev, readv, writev};

use crate::common::Pages;

/// Bytes of pages.
fn bytes(pages: &Pages, offset: usize, len: usize) -> IoVec {
    IoVec::new(pages.byte(offset).cast(), len)
}

#[test]
fn bytes_go_out_and_come_back() {
    let (from, to) = (Pages::new(1), Pages::new(1));
    for at in 0..10 {
        from.set(at, at as u8 + 1);
    }
    let file = tempfile::tempfile().unwrap();
    let ranges = [bytes(&from, 0, 3), bytes(&from, 5, 2)];
    // SAFETY: the ranges are the test's own, and of zeros and small numbers.
    assert_eq!(unsafe { writev(&file, &ranges) }, Ok(5));
    // SAFETY: as above.
    assert_eq!(unsafe { pwritev(&file, &ranges, 5) }, Ok(5));
    let ranges = [bytes(&to, 100, 1), bytes(&to, 200, 100)];
    // SAFETY: the ranges are the test's own, and nothing borrows from them.
    assert_eq!(unsafe { preadv(&file, &ranges, 1) }, Ok(9));
    assert_eq!(
        [100, 200, 201, 202, 203, 207, 208].map(|at| to.get(at)),
        [2, 3, 6, 7, 1, 7, 0]
    );
    // The offset of the descriptor is behind what `writev` wrote.
    // SAFETY: as above.
    assert_eq!(unsafe { readv(&file, &ranges[..1]) }, Ok(1));
    assert_eq!(to.get(100), 1);
    // SAFETY: as above.
    assert_eq!(unsafe { readv(&file, &[]) }, Ok(0));
    // SAFETY: as above.
    assert_eq!(unsafe { preadv(&file, &ranges, 1 << 40) }, Ok(0));
}

#[test]
fn offsets_have_64_bits() {
    let pages = Pages::new(1);
    pages.set(0, 7);
    let file = tempfile::tempfile().unwrap();
    let far = (1 << 33) + 5;
    // SAFETY: the range is the test's own.
    let written = unsafe { pwritev(&file, &[bytes(&pages, 0, 1)], far) };
    assert_eq!(written, Ok(1));
    assert_eq!(file.metadata().unwrap().len(), far + 1);
    // SAFETY: as above; nothing borrows from it.
    assert_eq!(unsafe { preadv(&file, &[bytes(&pages, 1, 1)], far) }, Ok(1));
    assert_eq!(pages.get(1), 7);
}

#[test]
fn what_the_kernel_refuses() {
    let pages = Pages::new(1);
    // In page 0, where no other thread maps anything.
    let bad = IoVec::new(core::ptr::without_provenance_mut(16), 8);
    let good = bytes(&pages, 0, 8);
    // SAFETY: the ranges are the test's own, and nothing borrows from them.
    let read = |fd: &dyn AsFd, ranges: &[IoVec]| unsafe { readv(fd, ranges) };
    // SAFETY: as above.
    let write = |fd: &dyn AsFd, ranges: &[IoVec]| unsafe { writev(fd, ranges) };
    // SAFETY: as above.
    let read_at = |fd: &dyn AsFd, offset| unsafe { preadv(fd, &[good], offset) };
    // SAFETY: as above.
    let write_at = |fd: &dyn AsFd, offset| unsafe { pwritev(fd, &[good], offset) };
    let zero = File::open("/dev/zero").unwrap();
    let (reader, writer) = pipe().unwrap();
    assert_eq!(read(&zero, &[bad]), Err(Errno::FAULT));
    assert_eq!(read(&zero, &[good, bad]), Ok(8));
    assert_eq!(write(&writer, &[bad]), Err(Errno::FAULT));
    assert_eq!(write(&zero, &[good]), Err(Errno::BADF));
    assert_eq!(read_at(&reader, 0), Err(Errno::SPIPE));
    assert_eq!(write_at(&writer, 0), Err(Errno::SPIPE));
    assert_eq!(read_at(&zero, u64::MAX), Err(Errno::INVAL));
    assert_eq!(read(&zero, &[good; 1025]), Err(Errno::INVAL));
}
