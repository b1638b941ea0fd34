//! The machine of the guest: file systems, modules, disks, and the way out.

use core::time::Duration;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use rustix::mount::{MountFlags, mount};
use rustix::system::{RebootCommand, finit_module, reboot};

use crate::report::Report;

/// A module takes its time to find its devices.
const PATIENCE: Duration = Duration::from_secs(20);

/// Mounts what programs expect.
pub(crate) fn mount_what_the_kernel_offers() -> io::Result<()> {
    for (kind, folder) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
        ("tmpfs", "/dev/shm"),
        ("devpts", "/dev/pts"),
    ] {
        fs::create_dir_all(folder)?;
        mount(kind, folder, kind, MountFlags::empty(), None)?;
    }
    Ok(())
}

/// Loads the modules in the order in which the host put them.
pub(crate) fn load_modules(report: &Report) -> io::Result<()> {
    let list = fs::read_to_string("/vm/modules")?;
    for line in list.lines() {
        let (name, settings) = line.split_once('\t').unwrap_or((line, ""));
        let module = File::open(Path::new("/vm/modules.d").join(name))?;
        let settings = CString::new(settings)?;
        if let Err(error) = finit_module(&module, &settings, 0) {
            report.line(format_args!(
                "trouble the module {name} is refused: {error}"
            ))?;
        }
    }
    Ok(())
}

/// Fills the disks and mounts them.
///
/// The host lists them in `/vm/disks`: the device, the folder, the options, with tabs between.
pub(crate) fn prepare_disks(report: &Report) -> io::Result<()> {
    for line in fs::read_to_string("/vm/disks")?.lines() {
        let mut parts = line.split('\t');
        let (Some(device), Some(folder), Some(options)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(io::Error::other(format!("no disk: {line}")));
        };
        let filled = open_patiently(device).and_then(|disk| fill(&disk, "/vm/disk"));
        fs::create_dir_all(folder)?;
        let options = CString::new(options)?;
        let mounted = filled.and_then(|()| {
            let options = (!options.is_empty()).then_some(&*options);
            Ok(mount(device, folder, "ext4", MountFlags::empty(), options)?)
        });
        if let Err(error) = mounted {
            report.line(format_args!("trouble no {folder}: {error}"))?;
        }
    }
    Ok(())
}

/// Opens a device once it is there; the node comes before the device can be opened.
fn open_patiently(device: &str) -> io::Result<File> {
    let begin = Instant::now();
    loop {
        match OpenOptions::new().write(true).open(device) {
            Err(_) if begin.elapsed() < PATIENCE => sleep(Duration::from_millis(20)),
            opened => return opened,
        }
    }
}

/// Writes an image: for each of its blocks the offset, the length, and the bytes.
fn fill(disk: &File, image: &str) -> io::Result<()> {
    let mut image = io::BufReader::new(File::open(image)?);
    let mut head = [0; 16];
    while image.read_exact(&mut head).is_ok() {
        let [offset, len] =
            [0, 8].map(|at| u64::from_le_bytes(head[at..at + 8].try_into().unwrap_or_default()));
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        image.read_exact(&mut bytes)?;
        disk.write_all_at(&bytes, offset)?;
    }
    disk.sync_all()
}

/// Ends the guest.
pub(crate) fn leave() -> io::Result<()> {
    // What was written to a serial line may still be on its way.
    sleep(Duration::from_millis(100));
    Ok(reboot(RebootCommand::PowerOff)?)
}
