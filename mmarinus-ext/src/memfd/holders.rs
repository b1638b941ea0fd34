//! Who maps a file: what `/proc` shows of the maps that keep it from being sealed.

use std::fs;
use std::os::fd::AsFd;

use rustix::fs::{fstat, major, minor};

/// At most this many maps are named.
const NAMED: usize = 4;

/// A shared map of the file.
struct Holder {
    pid: u32,
    start: String,
    writable: bool,
}

/// Says who maps a file so that it could be written, as far as this process may know.
///
/// Our own maps come first; other processes are looked at only if there are none.
pub(super) fn holders(fd: impl AsFd) -> String {
    let Ok(stat) = fstat(fd) else {
        return String::new();
    };
    let device = format!("{:02x}:{:02x}", major(stat.st_dev), minor(stat.st_dev));
    let inode = stat.st_ino.to_string();
    let own = std::process::id();
    let mut found = maps_of(own, &device, &inode);
    if found.is_empty() {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        for pid in pids {
            found.extend(maps_of(pid, &device, &inode));
        }
    }
    // A map that can only be read is in the way as well if its descriptor was open for writing; who writes is named first.
    found.sort_by_key(|holder| !holder.writable);
    let more = found.len().saturating_sub(NAMED);
    let named: Vec<String> = found
        .iter()
        .take(NAMED)
        .map(|holder| tell(holder, own))
        .collect();
    match more {
        0 => named.join(", "),
        more => format!("{}, and {more} more", named.join(", ")),
    }
}

/// A map in words.
fn tell(holder: &Holder, own: u32) -> String {
    let Holder {
        pid,
        start,
        writable,
    } = holder;
    let how = if *writable {
        "for writing"
    } else {
        "for reading"
    };
    if *pid == own {
        return format!("this process maps it {how} at 0x{start}");
    }
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // A process chooses its own name: only what is printed as such is shown.
    format!(
        "process {pid} ({:?}) maps it {how} at 0x{start}",
        name.trim_end()
    )
}

/// The shared maps of a file in a process, whose list we may not be allowed to read.
fn maps_of(pid: u32, device: &str, inode: &str) -> Vec<Holder> {
    // Names in the list need not be UTF-8.
    let list = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let list = String::from_utf8_lossy(&list);
    let holders = list.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let start = words.next()?.split('-').next()?.to_owned();
        let permissions = words.next()?;
        let is_it = words.nth(1)? == device && words.next()? == inode;
        (is_it && permissions.ends_with('s')).then(|| Holder {
            pid,
            start,
            writable: permissions.contains('w'),
        })
    });
    holders.collect()
}
