//! What `open` refuses to `Map::load`.

use super::table::Table;

#[cfg(feature = "std")]
pub(super) fn provoke(table: &mut Table) {
    use super::table::By;
    use crate::common::{is_root, without_privileges};
    use mmarinus::{Errno, Map, Private, Shared, perms};
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let read = |path: &std::path::Path| Map::load(path, Private, perms::Read).unwrap_err();
    let mut note = |errno, error| table.note(By::Kernel, "open", errno, &error);
    note(Errno::NOENT, read(&at("missing")));
    note(Errno::NOTDIR, read("/dev/null/x".as_ref()));
    note(Errno::INVAL, read("a\0b".as_ref()));
    note(Errno::NAMETOOLONG, read(&at(&"x".repeat(300))));
    std::os::unix::fs::symlink(at("circle"), at("circle")).unwrap();
    note(Errno::LOOP, read(&at("circle")));
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    note(Errno::NXIO, read(&at("socket")));
    let write = |path: &std::path::Path| Map::load(path, Shared, perms::ReadWrite).unwrap_err();
    note(Errno::ISDIR, write(folder.path()));
    let own = std::env::current_exe().unwrap();
    let busy = write(&own);
    note(busy.errno(), busy);
    if is_root() {
        let locked = at("locked");
        std::fs::write(&locked, "x").unwrap();
        std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
        let error = without_privileges(|| read(&locked));
        if error.errno() == Errno::ACCESS {
            note(Errno::ACCESS, error);
        } else {
            table.skip(
                "open EACCES",
                "the folder of temporary files may be read by anybody",
            );
        }
    } else {
        note(Errno::ACCESS, read("/etc/shadow".as_ref()));
    }
    // The last: from here on no file is opened any more in this thread's process, so the limit is put back.
    let before = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let soft = rustix::process::Rlimit {
        current: Some(0),
        maximum: before.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, soft).unwrap();
    let error = read("/etc/passwd".as_ref());
    rustix::process::setrlimit(rustix::process::Resource::Nofile, before).unwrap();
    table.note(By::Kernel, "open", Errno::MFILE, &error);
}

#[cfg(not(feature = "std"))]
pub(super) fn provoke(table: &mut Table) {
    for errno in [
        "ENOENT",
        "ENOTDIR",
        "EINVAL",
        "ENAMETOOLONG",
        "ELOOP",
        "ENXIO",
        "EISDIR",
        "ETXTBSY",
        "EACCES",
        "EMFILE",
    ] {
        table.skip(
            &format!("open {errno}"),
            "`Map::load` needs the feature `std`",
        );
    }
}
