//! `memfd_create`, `memfd_secret`, seals, `fallocate`.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use mmarinus_sys::{
    Errno, FallocateFlags, HugePage, IoVec, MapFlags, MemfdFlags, MemfdSecretFlags, ProtFlags,
    Result, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, gettid, memfd_create,
    memfd_secret, mmap, page_size, process_vm_readv,
};
use rustix::io::{FdFlags, fcntl_getfd};

use crate::common::{
    Pages, RW, Vma, disk_file, drop_capabilities, full_file, is_root, limit_locked, memfd, path_fd,
};
use crate::testing::{in_child, needs, skip};

/// Maps a page of a file for as long as the result lives.
fn map(prot: ProtFlags, flags: MapFlags, fd: impl AsFd) -> Result<Pages> {
    // SAFETY: no address is asked for, so nothing is replaced.
    let addr = unsafe { mmap(core::ptr::null_mut(), page_size(), prot, flags, fd, 0) }?;
    Ok(Pages::from_raw(addr.as_ptr(), page_size()))
}

/// Makes a memfd that may be sealed, empty.
fn sealable() -> OwnedFd {
    memfd_create(c"test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("a memfd")
}

/// The name that the kernel shows for an fd.
fn name(fd: &OwnedFd) -> String {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).expect("a link");
    link.to_string_lossy().into_owned()
}

#[test]
fn a_memfd_has_the_name_and_the_flags_asked_for() {
    let fd = memfd_create(c"a name", MemfdFlags::CLOEXEC).unwrap();
    assert_eq!(name(&fd), "/memfd:a name (deleted)");
    assert_eq!(fcntl_getfd(&fd), Ok(FdFlags::CLOEXEC));
    // Without ALLOW_SEALING it is sealed against seals.
    assert_eq!(fcntl_get_seals(&fd), Ok(SealFlags::SEAL));
    assert_eq!(fcntl_add_seals(&fd, SealFlags::GROW), Err(Errno::PERM));
    let fd = memfd_create(c"", MemfdFlags::ALLOW_SEALING).unwrap();
    assert_eq!(fcntl_getfd(&fd), Ok(FdFlags::empty()));
    assert_eq!(fcntl_get_seals(&fd), Ok(SealFlags::empty()));
}

#[test]
fn names_and_flags_are_checked() {
    let create = |len, flags| memfd_create(&CString::new(vec![b'x'; len]).unwrap(), flags);
    assert_eq!(create(250, MemfdFlags::CLOEXEC).err(), Some(Errno::INVAL));
    assert!(name(&create(249, MemfdFlags::CLOEXEC).unwrap()).contains("xxx"));
    for flags in [1 << 10, 1 << 26, u32::MAX] {
        let flags = MemfdFlags::from_bits_retain(flags);
        assert_eq!(create(1, flags).err(), Some(Errno::INVAL), "{flags:?}");
    }
}

#[test]
fn a_memfd_may_be_executed_or_not() {
    let noexec = match memfd_create(c"data", MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => skip!("MFD_NOEXEC_SEAL needs Linux 6.3"),
        fd => fd.unwrap(),
    };
    assert_eq!(fcntl_get_seals(&noexec), Ok(SealFlags::EXEC));
    assert_eq!(rustix::fs::fstat(&noexec).unwrap().st_mode & 0o777, 0o666);
    let both = MemfdFlags::EXEC | MemfdFlags::NOEXEC_SEAL;
    assert_eq!(memfd_create(c"both", both).err(), Some(Errno::INVAL));
    match memfd_create(c"program", MemfdFlags::EXEC | MemfdFlags::ALLOW_SEALING) {
        // vm.memfd_noexec is 2.
        Err(error) => assert_eq!(error, Errno::ACCESS),
        Ok(exec) => {
            assert_eq!(rustix::fs::fstat(&exec).unwrap().st_mode & 0o777, 0o777);
            fcntl_add_seals(&exec, SealFlags::EXEC).unwrap();
            let with =
                SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::FUTURE_WRITE;
            assert_eq!(fcntl_get_seals(&exec), Ok(SealFlags::EXEC | with));
        }
    }
}

#[test]
fn a_memfd_of_huge_pages_has_their_size() {
    let sizes = std::fs::read_dir("/sys/kernel/mm/hugepages").map_or(0, Iterator::count);
    if sizes == 0 {
        skip!("the kernel has no huge pages");
    }
    let fd = memfd_create(
        c"huge",
        HugePage::DEFAULT.memfd_flags() | MemfdFlags::CLOEXEC,
    )
    .unwrap();
    let default = rustix::fs::fstat(&fd).unwrap().st_blksize as u64;
    assert!(default > page_size() as u64);
    let size = HugePage::from_log2(default.ilog2()).unwrap();
    let fd = memfd_create(c"huge", size.memfd_flags() | MemfdFlags::CLOEXEC).unwrap();
    assert_eq!(rustix::fs::fstat(&fd).unwrap().st_blksize as u64, default);
    let absent = HugePage::from_log2(13).unwrap();
    assert_eq!(
        memfd_create(c"huge", absent.memfd_flags()).err(),
        Some(Errno::NODEV)
    );
}

#[test]
fn seals_forbid_what_they_say() {
    let file = File::from(sealable());
    file.set_len(2 * page_size() as u64).unwrap();
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    assert_eq!(
        file.set_len(1).unwrap_err().raw_os_error(),
        Some(libc::EPERM)
    );
    file.set_len(3 * page_size() as u64).unwrap();
    fcntl_add_seals(&file, SealFlags::GROW).unwrap();
    assert_eq!(
        file.set_len(4 * page_size() as u64)
            .unwrap_err()
            .raw_os_error(),
        Some(libc::EPERM)
    );
    // A hole can still be punched.
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(fallocate(&file, hole, 0, page_size() as u64), Ok(()));
    fcntl_add_seals(&file, SealFlags::WRITE).unwrap();
    assert_eq!(
        file.write_at(&[1], 0).unwrap_err().raw_os_error(),
        Some(libc::EPERM)
    );
    assert_eq!(
        fallocate(&file, hole, 0, page_size() as u64),
        Err(Errno::PERM)
    );
    fcntl_add_seals(&file, SealFlags::SEAL).unwrap();
    assert_eq!(
        fcntl_add_seals(&file, SealFlags::FUTURE_WRITE),
        Err(Errno::PERM)
    );
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    assert_eq!(fcntl_get_seals(&file), Ok(all));
}

#[test]
fn a_writable_map_keeps_the_file_from_being_sealed() {
    let file = memfd(1);
    let writer = map(RW, MapFlags::SHARED, &file).unwrap();
    assert_eq!(fcntl_add_seals(&file, SealFlags::WRITE), Err(Errno::BUSY));
    // It goes on writing under the seal that looks ahead.
    assert_eq!(fcntl_add_seals(&file, SealFlags::FUTURE_WRITE), Ok(()));
    assert_eq!(map(RW, MapFlags::SHARED, &file).err(), Some(Errno::PERM));
    writer.set(0, 9);
    assert_eq!(
        map(ProtFlags::READ, MapFlags::SHARED, &file)
            .unwrap()
            .get(0),
        9
    );
    drop(writer);
    assert_eq!(fcntl_add_seals(&file, SealFlags::WRITE), Ok(()));
    // A private map of it may be written.
    let private = map(RW, MapFlags::PRIVATE, &file).unwrap();
    private.set(0, 10);
    assert_eq!(
        map(ProtFlags::READ, MapFlags::SHARED, &file)
            .unwrap()
            .get(0),
        9
    );
}

#[test]
fn files_without_seals_say_so() {
    assert_eq!(
        fcntl_get_seals(File::open("/proc/self/exe").unwrap()),
        Err(Errno::INVAL)
    );
    assert_eq!(
        fcntl_add_seals(disk_pipe(), SealFlags::SEAL),
        Err(Errno::INVAL)
    );
    assert_eq!(fcntl_get_seals(path_fd()), Err(Errno::BADF));
    let unknown = SealFlags::from_bits_retain(1 << 20);
    assert_eq!(fcntl_add_seals(sealable(), unknown), Err(Errno::INVAL));
    let read_only = File::open(format!("/proc/self/fd/{}", sealable_kept().as_raw_fd()));
    assert_eq!(
        fcntl_add_seals(read_only.unwrap(), SealFlags::SEAL),
        Err(Errno::PERM)
    );
}

/// The writing end of a pipe.
fn disk_pipe() -> OwnedFd {
    rustix::pipe::pipe().expect("a pipe").1
}

/// A memfd that stays open until the process ends, so that its number can be used in a path.
fn sealable_kept() -> &'static OwnedFd {
    static KEPT: std::sync::LazyLock<OwnedFd> = std::sync::LazyLock::new(sealable);
    &KEPT
}

#[test]
fn fallocate_gives_room_and_takes_it() {
    let file = File::from(sealable());
    let page = page_size() as u64;
    let blocks = || rustix::fs::fstat(&file).unwrap().st_blocks as u64 * 512;
    fallocate(&file, FallocateFlags::empty(), page, 2 * page).unwrap();
    assert_eq!(
        (file.metadata().unwrap().len(), blocks()),
        (3 * page, 2 * page)
    );
    fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 5 * page).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 3 * page);
    file.write_all_at(&[7; 16], 8).unwrap();
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let before = blocks();
    // Less than a page is cleared, a page is given back.
    fallocate(&file, hole, 0, 16).unwrap();
    let mut bytes = [1; 17];
    file.read_exact_at(&mut bytes, 8).unwrap();
    assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
    assert_eq!(blocks(), before);
    fallocate(&file, hole, 0, page).unwrap();
    assert_eq!(blocks(), before - page);
    file.read_exact_at(&mut bytes, 8).unwrap();
    assert_eq!(bytes, [0; 17]);
}

#[test]
fn a_hole_shows_in_shared_maps_but_not_in_written_private_pages() {
    let file = memfd(1);
    let shared = map(ProtFlags::READ, MapFlags::SHARED, &file).unwrap();
    let clean = map(RW, MapFlags::PRIVATE, &file).unwrap();
    let written = map(RW, MapFlags::PRIVATE, &file).unwrap();
    assert_eq!(clean.get(0), 1);
    written.set(0, 9);
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, hole, 0, page_size() as u64).unwrap();
    assert_eq!(
        (shared.get(0), clean.get(0), written.get(0), written.get(1)),
        (0, 0, 9, 1)
    );
}

#[test]
fn fallocate_checks_its_arguments() {
    let file = memfd(1);
    let none = FallocateFlags::empty();
    let hole = FallocateFlags::PUNCH_HOLE;
    assert_eq!(fallocate(&file, none, 0, 0), Err(Errno::INVAL));
    assert_eq!(fallocate(&file, none, 1 << 63, 1), Err(Errno::INVAL));
    assert_eq!(fallocate(&file, none, 0, u64::MAX), Err(Errno::INVAL));
    assert_eq!(fallocate(&file, none, (1 << 63) - 1, 1), Err(Errno::FBIG));
    assert_eq!(fallocate(&file, hole, 0, 1), Err(Errno::OPNOTSUPP));
    assert_eq!(
        fallocate(&file, FallocateFlags::ZERO_RANGE, 0, 1),
        Err(Errno::OPNOTSUPP)
    );
    assert_eq!(
        fallocate(&file, FallocateFlags::from_bits_retain(1 << 20), 0, 1),
        Err(Errno::OPNOTSUPP)
    );
    assert_eq!(
        fallocate(File::open("/proc/self/exe").unwrap(), none, 0, 1),
        Err(Errno::BADF)
    );
    assert_eq!(fallocate(disk_pipe(), none, 0, 1), Err(Errno::SPIPE));
    let null = File::options().write(true).open("/dev/null").unwrap();
    assert_eq!(fallocate(&null, none, 0, 1), Err(Errno::NODEV));
}

#[test]
fn a_range_of_a_disk_file_becomes_zeros() {
    let file = disk_file(2);
    file.write_all_at(&[7; 100], 0).unwrap();
    match fallocate(&file, FallocateFlags::ZERO_RANGE, 10, 20) {
        Err(Errno::OPNOTSUPP) => skip!("the file system of temporary files has no ZERO_RANGE"),
        done => done.unwrap(),
    }
    let mut bytes = [1; 40];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let zeros = |at: usize| (10..30).contains(&at);
    assert!(
        bytes
            .iter()
            .enumerate()
            .all(|(at, &byte)| byte == if zeros(at) { 0 } else { 7 })
    );
}

/// A secret memfd of one page.
fn secret() -> OwnedFd {
    let fd = memfd_secret(MemfdSecretFlags::CLOEXEC).expect("a secret memfd");
    rustix::fs::ftruncate(&fd, page_size() as u64).expect("a size");
    fd
}

#[test]
fn a_secret_is_shared_locked_and_out_of_reach() {
    needs!(memfd_secret);
    let fd = secret();
    let pages = match map(RW, MapFlags::SHARED, &fd) {
        Err(Errno::AGAIN) => skip!("no right to lock a page"),
        pages => pages.unwrap(),
    };
    pages.set(0, 42);
    assert_eq!(pages.get(0), 42);
    // Whether it counts as locked depends on the kernel; that it is in no core dump does not.
    let vma = Vma::at(pages.addr()).unwrap();
    assert!(vma.has("dd"), "{vma:?}");
    let mut copy = 0_u8;
    let local = [IoVec::new((&raw mut copy).cast(), 1)];
    // SAFETY: the local range is `copy`, which nobody else uses.
    let read = unsafe { process_vm_readv(gettid(), &local, &[IoVec::new(pages.addr(), 1)]) };
    assert_eq!((read, copy), (Err(Errno::FAULT), 0));
    assert_eq!(rustix::io::write(&fd, &[1]), Err(Errno::INVAL));
    assert_eq!(fcntl_getfd(&fd), Ok(FdFlags::CLOEXEC));
    assert_eq!(fcntl_get_seals(&fd), Err(Errno::INVAL));
}

#[test]
fn a_secret_is_never_private_and_has_one_size() {
    needs!(memfd_secret);
    let fd = secret();
    assert_eq!(map(RW, MapFlags::PRIVATE, &fd).err(), Some(Errno::INVAL));
    assert_eq!(
        rustix::fs::ftruncate(&fd, 2 * page_size() as u64),
        Err(Errno::INVAL)
    );
    for flags in [1, u32::MAX] {
        let flags = MemfdSecretFlags::from_bits_retain(flags);
        assert_eq!(memfd_secret(flags).err(), Some(Errno::INVAL), "{flags:?}");
    }
    let open = memfd_secret(MemfdSecretFlags::empty()).unwrap();
    assert_eq!(fcntl_getfd(&open), Ok(FdFlags::empty()));
}

#[test]
fn secrets_count_as_locked_memory() {
    needs!(memfd_secret);
    let locked = map(RW, MapFlags::SHARED, secret()).is_ok_and(|pages| {
        let vma = Vma::at(pages.addr());
        vma.is_some_and(|vma| vma.has("lo"))
    });
    if !locked {
        skip!("this kernel does not count secrets as locked memory");
    }
    let status = in_child!({
        let fd = secret();
        drop_capabilities();
        limit_locked(0);
        assert_eq!(map(RW, MapFlags::SHARED, &fd).err(), Some(Errno::AGAIN));
    });
    assert!(status.success());
}

#[test]
fn a_full_file_system_has_no_room() {
    if !is_root() {
        skip!("needs the right to mount a small file system");
    }
    let status = in_child!({
        let (file, page) = (full_file(), page_size() as u64);
        let none = FallocateFlags::empty();
        assert_eq!(fallocate(&file, none, page, page), Err(Errno::NOSPC));
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, hole, 0, page).unwrap();
        assert_eq!(fallocate(&file, none, page, page), Ok(()));
    });
    assert!(status.success(), "{status}");
}
