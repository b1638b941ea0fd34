//! What is refused of parts of maps: advice, locks, cuts, atomics.

use core::sync::atomic::{AtomicU32, AtomicU64};

use mmarinus::{Advice, Errno, Private, Shared, perms};

use super::table::{By, Table};
use crate::common::{anonymous, file_map, page, shared};

pub(super) fn provoke(table: &mut Table) {
    let map = anonymous(4 * page());
    let error = map.advise(5 * page().., Advice::NORMAL).unwrap_err();
    table.note(By::Us, "range", Errno::INVAL, &error);
    table.note(By::Us, "split", Errno::INVAL, &map.split(1).unwrap_err());
    let error = anonymous(page()).join(anonymous(page())).unwrap_err();
    table.note(By::Us, "join", Errno::INVAL, &error);
    let words = shared(page());
    words.atomics::<AtomicU32>(..4).unwrap();
    for range in [0..12, 4..12, 0..8] {
        let error = words.atomics::<AtomicU64>(range).unwrap_err();
        table.note(By::Us, "atomics", Errno::INVAL, &error);
    }
    let error = words.into_shared::<AtomicU32>().unwrap_err();
    table.note(By::Us, "into_shared", Errno::INVAL, &error);

    let mut map = anonymous(4 * page());
    table.note(
        By::Us,
        "madvise",
        Errno::INVAL,
        &map.discard(..7).unwrap_err(),
    );
    let error = map.take_pages_at(1..page()).unwrap_err();
    table.note(By::Us, "mremap", Errno::INVAL, &error);
    let mut read = shared(page()).reprotect(perms::Read).unwrap();
    table.note(
        By::Us,
        "madvise",
        Errno::ACCESS,
        &read.discard(..).unwrap_err(),
    );
    // A disk file is not made of huge pages, and nothing is brought in where nothing is permitted.
    let none = anonymous(page()).reprotect(perms::None).unwrap();
    match none.advise(.., Advice::POPULATE_READ) {
        Err(error) => table.note(By::Kernel, "madvise", error.errno(), &error),
        Ok(()) => table.skip("madvise EINVAL", "pages without permissions are brought in"),
    }
    // Past the end of a file nothing is locked.
    let short = {
        let file = crate::common::disk_file(page());
        let map = mmarinus::Map::bytes(3 * page()).from(&file, 0);
        map.with(perms::Read).unwrap()
    };
    table.note(
        By::Kernel,
        "mlock",
        Errno::NOMEM,
        &short.lock(..).unwrap_err(),
    );

    let map = file_map(2 * page(), Shared);
    match map.lock(..page()) {
        Ok(()) => {
            let error = map.invalidate(..).unwrap_err();
            table.note(By::Kernel, "msync", Errno::BUSY, &error);
            let mut map = map;
            let error = map.punch_hole(..page()).unwrap_err();
            table.note(By::Kernel, "madvise", Errno::INVAL, &error);
            let error = map.resize(8 * page()).unwrap_err();
            table.note(By::Kernel, "mremap", Errno::FAULT, &error);
        }
        Err(error) => table.skip("msync EBUSY", error),
    }
    let map = file_map(page(), Private);
    let error = map.resize(0).unwrap().resize(page()).unwrap_err();
    table.note(By::Us, "mremap", Errno::INVAL, &error);
    let map = anonymous(2 * page());
    if map.lock(..page()).is_ok() {
        let error = map.move_to(1 << 40).unwrap_err();
        table.note(By::Us, "mremap", Errno::FAULT, &error);
    }
}
