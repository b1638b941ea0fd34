//! What descriptors, seals, mounts and drivers refuse to `mmap`, `mprotect`, `mremap` and `fallocate`.

use std::fs::{File, OpenOptions};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use mmarinus::{Errno, Map, Private, Shared, perms};
use rustix::fs::{Mode, OFlags, SealFlags, fcntl_add_seals};

use super::table::{By, Table};
use crate::common::{anonymous, disk_file, file_map, memory_file, page, shared};
use crate::raw;

pub(super) fn provoke(table: &mut Table) {
    permissions(table);
    descriptors(table);
    numbers(table);
    seals(table);
    mounts(table);
    devices(table);
}

/// A new file with a name that is opened for reading only.
fn read_only() -> File {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(page() as u64).unwrap();
    File::open(file.path()).unwrap()
}

fn permissions(table: &mut Table) {
    let file = read_only();
    let request = || Map::bytes(page()).from(&file, 0).with_kind(Shared);
    let error = request().with(perms::ReadWrite).unwrap_err();
    table.note(By::Kernel, "mmap", Errno::ACCESS, &error);
    let map = request().with(perms::Read).unwrap();
    let error = map.reprotect(perms::ReadWrite).unwrap_err();
    table.note(By::Kernel, "mprotect", Errno::ACCESS, &error);
    let unknown = perms::Unknown(mmarinus::ProtFlags::from_bits_retain(0x40));
    let error = anonymous(page()).reprotect(unknown).unwrap_err();
    table.note(By::Us, "mprotect", Errno::INVAL, &error);
    let path = rustix::fs::open("/proc/self/exe", OFlags::PATH, Mode::empty()).unwrap();
    let error = Map::bytes(1).from(&path, 0).with(perms::Read).unwrap_err();
    table.note(By::Kernel, "mmap", Errno::BADF, &error);
    let map = request().with(perms::Read).unwrap();
    let error = map.grow_file(&file, 2 * page()).unwrap_err();
    table.note(By::Kernel, "fallocate", Errno::BADF, &error);
}

fn descriptors(table: &mut Table) {
    let directory = File::open("/").unwrap();
    let error = Map::bytes(1)
        .from(&directory, 0)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::ISDIR, &error);
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for error in [
        Map::bytes(1)
            .from_device(&udp, 0)
            .with(perms::Read)
            .unwrap_err(),
        Map::bytes(1)
            .from_device(&directory, 0)
            .with(perms::Read)
            .unwrap_err(),
        Map::bytes(1)
            .from_device(&raw::timer(), 0)
            .with(perms::Read)
            .unwrap_err(),
    ] {
        table.note(By::Kernel, "mmap", Errno::NODEV, &error);
    }
    let tcp = OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    let request = Map::bytes(page()).from_device(&tcp, 0).with_kind(Shared);
    match request.with(perms::ReadWrite) {
        Err(error) if error.errno() == Errno::PERM => {
            table.note(By::Kernel, "mmap", Errno::PERM, &error)
        }
        other => table.skip("mmap EPERM of a socket", format!("{other:?}")),
    }
    let error = Map::bytes(1)
        .from(&File::open("/proc/self/maps").unwrap(), 0)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::OPNOTSUPP, &error);
    let error = Map::bytes(1)
        .from(&std::io::stdin(), 0)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::INVAL, &error);
    // What fails late is told as well, and the old map is given back or gone.
    let error = anonymous(page())
        .remap()
        .from_device(&udp, 0)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Kernel, "mmap", Errno::NODEV, &error);
    let error = anonymous(page())
        .remap_in_place()
        .from_device(&udp, 0)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Kernel, "mmap", Errno::NODEV, &error);
}

fn numbers(table: &mut Table) {
    let file = disk_file(page());
    let error = Map::bytes(1)
        .from(&file, u64::MAX)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::OVERFLOW, &error);
    let error = Map::bytes(1)
        .from_device(&file, 1 << 63)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Kernel, "mmap", Errno::OVERFLOW, &error);
    let error = Map::bytes(usize::MAX)
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::NOMEM, &error);
    let error = Map::bytes(isize::MAX as usize - 2 * page())
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Kernel, "mmap", Errno::NOMEM, &error);
    let taken = anonymous(page());
    let error = Map::bytes(1)
        .at(taken.addr())
        .anonymously()
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::EXIST, &error);
    let error = anonymous(page()).move_to(taken.addr()).unwrap_err();
    table.note(By::Us, "mremap", Errno::EXIST, &error);
    let error = anonymous(page()).move_to(taken.addr() + 1).unwrap_err();
    table.note(By::Us, "mremap", Errno::INVAL, &error);
    let error = anonymous(page()).resize(usize::MAX).unwrap_err();
    table.note(By::Us, "mremap", Errno::NOMEM, &error);
    let error = anonymous(page())
        .resize(isize::MAX as usize - 2 * page())
        .unwrap_err();
    table.note(By::Kernel, "mremap", error.errno(), &error);
    let map = file_map(page(), Private);
    let error = map.grow_file(&disk_file(1), 2 * page()).unwrap_err();
    table.note(By::Us, "grow_file", Errno::INVAL, &error);
    let map = Map::bytes(page()).from(&file, 0).with(perms::Read).unwrap();
    let error = map
        .grow_file(&file, isize::MAX as usize - 2 * page())
        .unwrap_err();
    table.note(By::Kernel, "fallocate", error.errno(), &error);
    let request = Map::bytes(2 * page()).from(&file, 0).populate();
    table.note(
        By::Kernel,
        "madvise",
        Errno::FAULT,
        &request.with(perms::Read).unwrap_err(),
    );
}

fn seals(table: &mut Table) {
    let file = memory_file(2 * page());
    let mut map = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    fcntl_add_seals(&file, SealFlags::FUTURE_WRITE | SealFlags::GROW).unwrap();
    let error = Map::bytes(page())
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap_err();
    table.note(By::Kernel, "mmap", Errno::PERM, &error);
    let error = map.punch_hole(..page()).unwrap_err();
    table.note(By::Kernel, "madvise", Errno::PERM, &error);
    let error = map.grow_file(&file, 4 * page()).unwrap_err();
    table.note(By::Kernel, "fallocate", Errno::PERM, &error);
    let error = Map::bytes(1)
        .from_sealed(&file, 0)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::INVAL, &error);
    let error = Map::bytes(1)
        .from_sealed(&disk_file(1), 0)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::INVAL, &error);
    let error = Map::bytes(1)
        .anonymously()
        .no_reserve()
        .with_kind(Shared)
        .with(perms::Read)
        .unwrap_err();
    table.note(By::Us, "mmap", Errno::OPNOTSUPP, &error);
}

/// What file systems refuse: each is mounted for a thread of its own.
fn mounts(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mounted =
        |kind: &core::ffi::CStr, flags, options: &str| raw::mount_over(at, kind, flags, options);
    std::thread::scope(|scope| {
        let full = || -> Result<_, String> {
            mounted(c"tmpfs", 0, &format!("size={}", 4 * page()))?;
            let file = tempfile::tempfile_in(at).unwrap();
            file.set_len(8 * page() as u64).unwrap();
            let map = Map::bytes(8 * page())
                .from(&file, 0)
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap();
            let room = map.preallocate(..).unwrap_err();
            let grown = map.grow_file(&file, 9 * page()).unwrap_err();
            Ok((room, grown))
        };
        match scope.spawn(full).join().unwrap() {
            Ok((room, grown)) => {
                table.note(By::Kernel, "madvise", room.errno(), &room);
                table.note(By::Kernel, "fallocate", Errno::NOSPC, &grown);
            }
            Err(why) => table.skip("fallocate ENOSPC", why),
        }
        let without_holes = || -> Result<_, String> {
            mounted(c"ramfs", 0, "")?;
            let file = tempfile::tempfile_in(at).unwrap();
            file.set_len(page() as u64).unwrap();
            let mut map = Map::bytes(page())
                .from(&file, 0)
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap();
            let hole = map.punch_hole(..).unwrap_err();
            Ok((hole, map.grow_file(&file, 2 * page()).unwrap_err()))
        };
        match scope.spawn(without_holes).join().unwrap() {
            Ok((hole, grown)) => {
                table.note(By::Kernel, "madvise", Errno::OPNOTSUPP, &hole);
                table.note(By::Kernel, "fallocate", Errno::OPNOTSUPP, &grown);
            }
            Err(why) => {
                table.skip("madvise EOPNOTSUPP", &why);
                table.skip("fallocate EOPNOTSUPP", why);
            }
        }
        let not_executed = || -> Result<_, String> {
            mounted(c"tmpfs", raw::NOEXEC, "size=64k")?;
            let file = tempfile::tempfile_in(at).unwrap();
            file.set_len(page() as u64).unwrap();
            let request = || Map::bytes(page()).from(&file, 0);
            let mapped = request().with(perms::ReadExecute).unwrap_err();
            let map = request().with(perms::Read).unwrap();
            Ok((mapped, map.reprotect(perms::ReadExecute).unwrap_err()))
        };
        match scope.spawn(not_executed).join().unwrap() {
            Ok((mapped, reprotected)) => {
                table.note(By::Kernel, "mmap", Errno::PERM, &mapped);
                table.note(By::Kernel, "mprotect", Errno::ACCESS, &reprotected);
            }
            Err(why) => table.skip("mprotect EACCES on a noexec mount", why),
        }
    });
}

/// What drivers refuse.
fn devices(table: &mut Table) {
    match mmarinus_sys::memfd_secret(Default::default()) {
        Ok(secret) => {
            let error = Map::bytes(page())
                .from_device(&secret, 0)
                .with(perms::Read)
                .unwrap_err();
            table.note(By::Kernel, "mmap", Errno::INVAL, &error);
            let error = Map::bytes(page())
                .from(&secret, 0)
                .with(perms::Read)
                .unwrap_err();
            table.note(By::Us, "mmap", Errno::OPNOTSUPP, &error);
        }
        Err(errno) => table.skip("mmap EINVAL of a secret", errno),
    }
    match raw::io_uring() {
        Ok(ring) => {
            let request = || Map::bytes(page()).from_device(&ring, 0).with_kind(Shared);
            let map = request().with(perms::Read).unwrap();
            match map.duplicate() {
                Err(error) => table.note(By::Kernel, "mremap", error.errno(), &error),
                Ok(_) => table.skip("mremap of a ring", "this kernel maps it twice"),
            }
        }
        Err(error) => table.skip("mremap of a ring", error),
    }
    // A program that runs is not written.
    let own = std::env::current_exe().unwrap();
    match OpenOptions::new().write(true).open(own) {
        Err(error) => println!("the program that runs: {error}"),
        Ok(_) => table.skip(
            "open ETXTBSY",
            "this kernel lets programs that run be written",
        ),
    }
    let map = shared(page());
    let error = map
        .into_shared::<[core::sync::atomic::AtomicU64; 1 << 20]>()
        .unwrap_err();
    table.note(By::Us, "into_shared", Errno::INVAL, &error);
}
