//! At `vm.max_map_count`: calls that would need one mapping more. Only in a child.

use mmarinus::{Advice, Errno, Map, Shared, perms};

use super::table::{By, Table};
use crate::common::{anonymous, page, shared};
use crate::testing::features;

pub(super) fn provoke(table: &mut Table) {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    if limit > 1 << 20 || features::guest().is_there {
        for what in [
            "mprotect ENOMEM",
            "munmap ENOMEM",
            "munlock ENOMEM",
            "madvise EAGAIN",
            "mseal ENOMEM",
        ] {
            table.skip(
                what,
                format!("vm.max_map_count is {limit}, or the machine is slow"),
            );
        }
        return;
    }
    // Made before there is no room.
    let locked = anonymous(8 * page());
    let is_locked = locked.lock(..).is_ok();
    let (plain, advised, taken) = (
        anonymous(8 * page()),
        anonymous(8 * page()),
        anonymous(8 * page()),
    );
    let (sealed, twin, moved) = (
        anonymous(8 * page()),
        shared(8 * page()),
        anonymous(8 * page()),
    );
    let mut row = anonymous((limit + 100) * page()).forget_permissions();
    let mut parts = Vec::with_capacity(limit + 100);
    let error = loop {
        let (part, rest) = row.split(page()).unwrap();
        row = rest;
        if parts.len() % 2 == 0 {
            parts.push(part.forget_permissions());
            continue;
        }
        match part.reprotect(perms::Unknown(mmarinus::ProtFlags::READ)) {
            Ok(part) => parts.push(part),
            Err(error) => break error,
        }
    };
    table.note(By::Kernel, "mprotect", Errno::NOMEM, &error);
    drop(error);
    let middle = |map: Map<perms::ReadWrite>| {
        let (_, rest) = keep(map.split(page()).unwrap());
        keep_second(rest.split(page()).unwrap())
    };
    let mut lines = Vec::new();
    lines.push((
        "munmap",
        Errno::NOMEM,
        middle(plain).unmap().unwrap_err().into(),
    ));
    let error = advised
        .advise(page()..2 * page(), Advice::RANDOM)
        .unwrap_err();
    lines.push(("madvise", error.errno(), error));
    if is_locked {
        let error = locked.unlock(page()..2 * page()).unwrap_err();
        lines.push(("munlock", error.errno(), error));
        let error = advised.lock(page()..2 * page()).unwrap_err();
        lines.push(("mlock", Errno::NOMEM, error));
    }
    if mmarinus_sys::Support::mseal() {
        let error = middle(sealed).mseal().unwrap_err();
        lines.push(("mseal", Errno::NOMEM, error.into()));
    } else {
        table.skip("mseal ENOMEM", "mseal needs Linux 6.10");
    }
    let mut taken = taken;
    match taken.take_pages_at(page()..2 * page()) {
        Err(error) => lines.push(("mremap", Errno::NOMEM, error)),
        Ok(_) => table.skip("mremap ENOMEM of taken pages", "there was room"),
    }
    if let Err(error) = twin.duplicate() {
        lines.push(("mremap", Errno::NOMEM, error));
    }
    if let Err(error) = middle(moved).move_to(1 << 41) {
        lines.push((
            if error.operation() == "mmap" {
                "mmap"
            } else {
                "mremap"
            },
            Errno::NOMEM,
            error.into(),
        ));
    }
    let file = crate::common::memory_file(page());
    let mut more = Vec::new();
    for _ in 0..64 {
        match Map::bytes(page())
            .from(&file, 0)
            .with_kind(Shared)
            .with(perms::Read)
        {
            Ok(map) => more.push(map),
            Err(error) => {
                lines.push(("mmap", Errno::NOMEM, error));
                break;
            }
        }
    }
    drop(parts);
    drop(more);
    for (call, errno, error) in lines {
        table.note(By::Kernel, call, errno, &error);
    }
}

/// Keeps the first half mapped for ever, so that the second is the end of a larger mapping.
fn keep<M>((first, second): (Map<perms::ReadWrite>, M)) -> ((), M) {
    let _: &'static mut [u8] = first.leak();
    ((), second)
}

/// Keeps the second half mapped for ever, so that the first is the middle of a larger mapping.
fn keep_second<M>((first, second): (M, Map<perms::ReadWrite>)) -> M {
    let _: &'static mut [u8] = second.leak();
    first
}
