//! Whether the machine has what the host wanted it to have, and lacks what it was to lack, by the kernel's own files.

use std::fs;
use std::io;
use std::path::Path;

use crate::report::Report;

/// Reports each feature, and says whether all are as the host wants them.
///
/// The host lists them in `/vm/features`: a name, and `yes`, `no` or `any`.
pub(crate) fn report(report: &Report) -> io::Result<bool> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    report.line(format_args!("release {}", release.trim()))?;
    let mut complete = true;
    for line in fs::read_to_string("/vm/features")?.lines() {
        let (name, wanted) = line.split_once(' ').ok_or(io::ErrorKind::InvalidData)?;
        let found = if has(name)? { "yes" } else { "no" };
        complete &= wanted == "any" || wanted == found;
        report.line(format_args!("feature {name} {found} {wanted}"))?;
    }
    Ok(complete)
}

/// Whether the machine has a feature.
fn has(name: &str) -> io::Result<bool> {
    let pages = |size: &str| {
        let path = format!("/sys/kernel/mm/hugepages/hugepages-{size}/nr_hugepages");
        fs::read_to_string(path).is_ok_and(|count| count.trim() != "0")
    };
    Ok(match name {
        "pkeys" => cpu_has("ospke")?,
        "address57" => cpu_has("la57")?,
        "two_nodes" => Path::new("/sys/devices/system/node/node1").exists(),
        "huge_2mb" => pages("2048kB"),
        "huge_1gb" => pages("1048576kB"),
        "dax" => is_mounted("/dax")?,
        "disk" => is_mounted("/disk")?,
        // Only a call can tell; the tests make it.
        "memfd_secret" => fs::read_to_string("/sys/module/secretmem/parameters/enable")
            .is_ok_and(|on| on.trim() == "Y"),
        _ => return Err(io::Error::other(format!("nobody knows the feature {name}"))),
    })
}

/// Whether the first CPU has a flag.
fn cpu_has(flag: &str) -> io::Result<bool> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let flags = cpus
        .lines()
        .find_map(|line| line.strip_prefix("flags"))
        .unwrap_or_default();
    Ok(flags.split_whitespace().any(|word| word == flag))
}

/// Whether a file system is mounted there.
fn is_mounted(folder: &str) -> io::Result<bool> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    Ok(mounts
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(folder)))
}
