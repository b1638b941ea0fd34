//! `process_vm_readv`, `process_vm_writev`, `process_mrelease`, and the numbers of processes and threads.

use std::os::fd::{AsRawFd, OwnedFd};

use mmarinus_sys::{
    Errno, IoVec, MapFlags, PIDFD_SELF, Pid, ProtFlags, Result, gettid, page_size,
    process_mrelease, process_vm_readv, process_vm_writev,
};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::common::{Pages, RW, is_root, memfd, older_than, punch, sleeper};
use crate::privilege::without;
use crate::testing::{in_child, skip};

/// Copies from a place that need not be mapped into pages of the test's own.
fn read(local: &[IoVec], remote: &[IoVec]) -> Result<usize> {
    // SAFETY: the local ranges belong to the test, and nothing borrows from them.
    unsafe { process_vm_readv(gettid(), local, remote) }
}

/// Copies pages of the test's own to a place that need not be mapped, or be writable.
fn write(local: &[IoVec], remote: &[IoVec]) -> Result<usize> {
    // SAFETY: the remote ranges belong to the test, and nothing borrows from them.
    unsafe { process_vm_writev(gettid(), local, remote) }
}

/// Bytes of pages.
fn bytes(pages: &Pages, offset: usize, len: usize) -> IoVec {
    IoVec::new(pages.byte(offset).cast(), len)
}

#[test]
fn an_iovec_is_the_kernels() {
    assert_eq!(size_of::<IoVec>(), size_of::<libc::iovec>());
    assert_eq!(align_of::<IoVec>(), align_of::<libc::iovec>());
    let pages = Pages::new(1);
    let range = bytes(&pages, 5, 6);
    assert_eq!(
        (range.base(), range.len(), range.is_empty()),
        (pages.byte(5).cast(), 6, false)
    );
    assert!(bytes(&pages, 0, 0).is_empty());
}

#[test]
fn bytes_are_gathered_and_scattered() {
    let from = Pages::new(1);
    let to = Pages::new(1);
    for at in 0..10 {
        from.set(at, at as u8 + 1);
    }
    let remote = [bytes(&from, 0, 3), bytes(&from, 5, 5)];
    let local = [bytes(&to, 0, 1), bytes(&to, 100, 6)];
    // One byte of the source has no place any more.
    assert_eq!(read(&local, &remote), Ok(7));
    assert_eq!((to.get(0), to.get(1)), (1, 0));
    assert_eq!(
        [100, 101, 102, 103, 104, 105, 106].map(|at| to.get(at)),
        [2, 3, 6, 7, 8, 9, 0]
    );

    assert_eq!(
        write(
            &[bytes(&from, 0, 2)],
            &[bytes(&to, 200, 1), bytes(&to, 300, 5)]
        ),
        Ok(2)
    );
    assert_eq!((to.get(200), to.get(300), to.get(301)), (1, 2, 0));
    assert_eq!(read(&[], &[bytes(&from, 0, 1)]), Ok(0));
    assert_eq!(write(&[bytes(&from, 0, 1)], &[]), Ok(0));
}

#[test]
fn a_copy_ends_before_what_cannot_be_read_or_written() {
    let source = Pages::new(3);
    let status = in_child!({
        let from = Pages::new(3);
        punch(&from, 1, 1);
        let to = Pages::new(2);
        let local = [bytes(&to, 0, 2 * page_size())];
        assert_eq!(read(&local, &[bytes(&from, page_size() - 10, 20)]), Ok(10));
        assert_eq!(
            read(&local, &[bytes(&from, page_size(), 1)]),
            Err(Errno::FAULT)
        );
        assert_eq!(
            read(&local, &[bytes(&from, 0, 1), bytes(&from, page_size(), 1)]),
            Ok(1)
        );
    });
    assert!(status.success());
    let read_only = Pages::with(1, ProtFlags::READ, MapFlags::PRIVATE);
    assert_eq!(
        write(&[bytes(&source, 0, 1)], &[bytes(&read_only, 0, 1)]),
        Err(Errno::FAULT)
    );
    let none = Pages::with(1, ProtFlags::empty(), MapFlags::PRIVATE);
    assert_eq!(
        read(&[bytes(&source, 0, 1)], &[bytes(&none, 0, 1)]),
        Err(Errno::FAULT)
    );
    assert_eq!(
        write(&[bytes(&source, 0, 1)], &[bytes(&none, 0, 1)]),
        Err(Errno::FAULT)
    );
}

#[test]
fn beyond_the_end_of_a_file_is_an_error_and_no_signal() {
    let len = 2 * page_size();
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe {
        mmarinus_sys::mmap(
            core::ptr::null_mut(),
            len,
            RW,
            MapFlags::SHARED,
            memfd(1),
            0,
        )
    };
    let map = Pages::from_raw(map.unwrap().as_ptr(), len);
    let to = Pages::new(2);
    assert_eq!(
        read(&[bytes(&to, 0, len)], &[bytes(&map, 0, len)]),
        Ok(page_size())
    );
    assert_eq!(to.get(page_size() - 1), 1);
    assert_eq!(
        read(&[bytes(&to, 0, 1)], &[bytes(&map, page_size(), 1)]),
        Err(Errno::FAULT)
    );
    assert_eq!(
        write(&[bytes(&to, 0, 1)], &[bytes(&map, page_size(), 1)]),
        Err(Errno::FAULT)
    );
}

#[test]
fn lists_and_numbers_are_checked() {
    let pages = Pages::new(1);
    let one = bytes(&pages, 0, 1);
    let list = vec![one; 1025];
    assert_eq!(read(&list[..1024], &list[..1024]), Ok(1024));
    assert_eq!(read(&list, &[one]), Err(Errno::INVAL));
    assert_eq!(read(&[one], &list), Err(Errno::INVAL));
    let endless = IoVec::new(pages.addr(), usize::MAX);
    assert_eq!(read(&[endless], &[one]), Err(Errno::INVAL));
    let nobody = Pid::from_raw(i32::MAX).unwrap();
    // SAFETY: the local range belongs to the test, and nothing borrows from it.
    let answer = unsafe { process_vm_readv(nobody, &[one], &[one]) };
    assert_eq!(answer, Err(Errno::SRCH));
    // SAFETY: as above.
    let answer = unsafe { process_vm_writev(nobody, &[one], &[one]) };
    assert_eq!(answer, Err(Errno::SRCH));
}

#[test]
fn the_number_of_a_thread_reaches_the_memory_of_the_process() {
    let pages = Pages::new(1);
    pages.set(0, 42);
    let address = pages.addr().addr();
    let byte = std::thread::spawn(move || {
        let mut byte = 0_u8;
        let local = [IoVec::new((&raw mut byte).cast(), 1)];
        let remote = [IoVec::new(core::ptr::without_provenance_mut(address), 1)];
        assert_eq!(read(&local, &remote), Ok(1));
        assert_ne!(gettid(), getpid());
        byte
    });
    assert_eq!(byte.join().unwrap(), 42);
}

#[test]
fn a_live_process_is_not_released() {
    let myself = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
    match process_mrelease(&myself) {
        Err(Errno::NOSYS) => skip!("process_mrelease needs Linux 5.15"),
        answer => assert_eq!(answer, Err(Errno::INVAL)),
    }
    assert_eq!(process_mrelease(memfd(1)), Err(Errno::BADF));
    assert_eq!(PIDFD_SELF.as_raw_fd(), -10_000);
    let expected = if older_than(6, 15) {
        Errno::BADF
    } else {
        Errno::INVAL
    };
    assert_eq!(process_mrelease(PIDFD_SELF), Err(expected));
}

/// Starts a process, kills it, and asks for its memory before and after it was waited for.
fn release_killed() -> [Result<()>; 2] {
    let mut child = sleeper();
    let pidfd: OwnedFd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("a pidfd");
    child.kill().expect("the child can be killed");
    let dying = process_mrelease(&pidfd);
    child.wait().expect("the child ends");
    [dying, process_mrelease(&pidfd)]
}

#[test]
fn a_dying_process_is_released() {
    // It may be faster than the call, then there is nothing left.
    for _ in 0..200 {
        let [dying, dead] = release_killed();
        if dead == Err(Errno::NOSYS) {
            skip!("process_mrelease needs Linux 5.15");
        }
        assert_eq!(dead, Err(Errno::SRCH));
        if dying == Ok(()) {
            return;
        }
        assert!(
            matches!(dying, Err(Errno::SRCH | Errno::AGAIN)),
            "{dying:?}"
        );
    }
    skip!("every process had ended before its memory could be released");
}

#[test]
fn the_memory_of_the_privileged_is_out_of_reach() {
    if !is_root() {
        skip!("needs root, whose memory others may not read");
    }
    let mut child = sleeper();
    let pid = Pid::from_child(&child);
    let refused = without(|| {
        let mut byte = 0_u8;
        let somewhere = [IoVec::new(
            core::ptr::without_provenance_mut(page_size()),
            1,
        )];
        let local = [IoVec::new((&raw mut byte).cast(), 1)];
        // SAFETY: the local range is the test's own byte.
        let read = unsafe { process_vm_readv(pid, &local, &somewhere) };
        // SAFETY: the remote range is the child's, which does nothing with it.
        (read, unsafe { process_vm_writev(pid, &local, &somewhere) })
    });
    child.kill().expect("the child can be killed");
    child.wait().expect("the child ends");
    assert_eq!(refused, (Err(Errno::PERM), Err(Errno::PERM)));
}
