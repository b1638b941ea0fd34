//! What copies by the kernel say, and what calls say that seccomp forbids.

use mmarinus::{Errno, Map, Shared, perms};

use super::table::{By, Table};
use crate::common::{anonymous, disk_file, file_map, page};
use crate::raw::{Call, can_forbid, forbid};

pub(super) fn provoke(table: &mut Table) {
    let file = disk_file(2 * page());
    let request = Map::bytes(2 * page()).from(&file, 0).with_kind(Shared);
    let mut map = request.with(perms::ReadWrite).unwrap();
    file.set_len(page() as u64).unwrap();
    let fault = map.read_at(page() - 1, &mut [0; 2]).unwrap_err();
    table.note_fault("process_vm_readv", Errno::FAULT, fault);
    let fault = map.write_at(page() - 1, &[0; 2]).unwrap_err();
    table.note_fault("process_vm_writev", Errno::FAULT, fault);

    if let Err(why) = can_forbid() {
        for what in [
            "process_vm_readv ENOSYS",
            "process_vm_writev EPERM",
            "mprotect EPERM",
            "munmap EPERM",
            "mremap EPERM",
            "mseal ENOSYS",
        ] {
            table.skip(what, &why);
        }
        return;
    }
    let calls = [Call::ProcessVmReadv, Call::ProcessVmWritev];
    for errno in [Errno::NOSYS, Errno::PERM] {
        // A filter is its thread's alone.
        let faults = std::thread::scope(|scope| {
            let copies = scope.spawn(|| {
                forbid(&calls, errno).unwrap();
                let mut map = file_map(page(), Shared);
                let read = map.read_at(0, &mut [0]).unwrap_err();
                (read, map.write_at(0, &[0]).unwrap_err())
            });
            copies.join().unwrap()
        });
        table.note_fault("process_vm_readv", errno, faults.0);
        table.note_fault("process_vm_writev", errno, faults.1);
    }
    let refused = std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let calls = [Call::Mprotect, Call::Munmap, Call::Mremap];
            forbid(&calls, Errno::PERM).unwrap();
            let protect = anonymous(page()).reprotect(perms::Read).unwrap_err();
            let unmap = anonymous(page()).unmap().unwrap_err();
            let resize = anonymous(page()).resize(2 * page()).unwrap_err();
            forbid(&[Call::Mseal], Errno::NOSYS).unwrap();
            let seal = anonymous(page()).mseal().unwrap_err();
            (protect, unmap, resize, seal)
        });
        changes.join().unwrap()
    });
    table.note(By::Kernel, "mprotect", Errno::PERM, &refused.0);
    table.note(By::Kernel, "munmap", Errno::PERM, &refused.1);
    table.note(By::Kernel, "mremap", Errno::PERM, &refused.2);
    table.note(By::Kernel, "mseal", Errno::NOSYS, &refused.3);
}
