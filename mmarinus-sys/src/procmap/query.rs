//! `PROCMAP_QUERY`: the one map at an address, without reading the others.
#![expect(unsafe_code, reason = "an ioctl has no safe form")]

use core::ffi::c_void;

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use linux_raw_sys::general::procmap_query_flags as flags;
use rustix::fd::AsFd;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use super::GROUP;
use crate::Result;

/// `PROCMAP_QUERY`: the number of the ioctl of [`procmap_query`], as a `seccomp` filter sees it.
pub const PROCMAP_QUERY: u32 = opcode::read_write::<raw::procmap_query>(GROUP, 17) as u32;

bitflags! {
    /// `PROCMAP_QUERY_*`: which map is asked for, and what an answer says of it (since Linux 6.11).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct ProcmapFlags: u64 {
        /// `PROCMAP_QUERY_VMA_READABLE`: may be read; in a question: only such maps.
        const VMA_READABLE = flags::PROCMAP_QUERY_VMA_READABLE as u64;
        /// `PROCMAP_QUERY_VMA_WRITABLE`: may be written; in a question: only such maps.
        const VMA_WRITABLE = flags::PROCMAP_QUERY_VMA_WRITABLE as u64;
        /// `PROCMAP_QUERY_VMA_EXECUTABLE`: may be executed; in a question: only such maps.
        const VMA_EXECUTABLE = flags::PROCMAP_QUERY_VMA_EXECUTABLE as u64;
        /// `PROCMAP_QUERY_VMA_SHARED`: is shared; in a question: only such maps.
        const VMA_SHARED = flags::PROCMAP_QUERY_VMA_SHARED as u64;
        /// `PROCMAP_QUERY_COVERING_OR_NEXT_VMA`: in a question: if no map has the address, the next one above.
        const COVERING_OR_NEXT_VMA = flags::PROCMAP_QUERY_COVERING_OR_NEXT_VMA as u64;
        /// `PROCMAP_QUERY_FILE_BACKED_VMA`: in a question: only maps of files.
        const FILE_BACKED_VMA = flags::PROCMAP_QUERY_FILE_BACKED_VMA as u64;
        const _ = !0;
    }
}

/// One map of a process, as [`procmap_query`] found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcmapVma {
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
    /// `VMA_*`: what the map allows, and whether it is shared.
    pub flags: ProcmapFlags,
    /// The size of its pages in bytes: that of huge pages on a huge page map.
    pub page_size: u64,
    /// Where in the file the map starts, in bytes; 0 if there is no file.
    pub offset: u64,
    /// The inode of the file; 0 if there is no file.
    pub inode: u64,
    /// The major number of the file's device.
    pub dev_major: u32,
    /// The minor number of the file's device.
    pub dev_minor: u32,
}

/// `ioctl(maps, PROCMAP_QUERY, &query)`—Returns the map at an address (since Linux 6.11).
///
/// `maps` is an open `/proc/PID/maps`. `addr` needs no alignment.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{ProcmapFlags, procmap_query};
///
/// let maps = std::fs::File::open("/proc/self/maps").unwrap();
/// let local = 0u8;
/// if let Ok(vma) = procmap_query(&maps, (&raw const local).cast(), ProcmapFlags::empty()) {
///     assert!(vma.flags.contains(ProcmapFlags::VMA_READABLE | ProcmapFlags::VMA_WRITABLE));
///     assert!(vma.start < vma.end);
/// }
/// ```
///
/// # Errors
///
/// - `EINVAL`: a flag that the kernel does not know.
/// - `ENOENT`: no map has the address and the flags that are asked for.
/// - `ENOTTY`: the kernel is older than 6.11, or `maps` is another file.
/// - `ESRCH`: the process is gone.
///
/// # References
///
/// [proc_pid_maps(5)](https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html),
/// [/proc/PID/maps](https://docs.kernel.org/filesystems/proc.html)
#[doc(alias = "PROCMAP_QUERY")]
pub fn procmap_query(
    maps: impl AsFd,
    addr: *const c_void,
    flags: ProcmapFlags,
) -> Result<ProcmapVma> {
    let (vma, _, _) = procmap_query_named(maps, addr, flags, &mut [], &mut [])?;
    Ok(vma)
}

/// `ioctl(maps, PROCMAP_QUERY, &query)`—Returns the map at an address, its name and its build id (since Linux 6.11).
///
/// As [`procmap_query`]. The name is the path of the file, or a word such as `[stack]`; it is empty if there is none. The
/// build id is that of an ELF file; it is empty if there is none. What an empty buffer is handed in for is not asked for.
/// Finding the build id can read the file.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{ProcmapFlags, procmap_query_named};
///
/// let maps = std::fs::File::open("/proc/self/maps").unwrap();
/// let code = std::process::id as fn() -> u32 as *const core::ffi::c_void;
/// let mut buf = [0; 4096];
/// if let Ok((_, name, _)) = procmap_query_named(&maps, code, ProcmapFlags::empty(), &mut buf, &mut []) {
///     println!("{}", String::from_utf8_lossy(name)); // the path of this program
/// }
/// ```
///
/// # Errors
///
/// As [`procmap_query`], and:
///
/// - `ENAMETOOLONG`: the name with its final zero byte, or the build id, is longer than its buffer.
/// - `ENOENT` can also be a file whose name cannot be found.
///
/// # References
///
/// [proc_pid_maps(5)](https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html),
/// [/proc/PID/maps](https://docs.kernel.org/filesystems/proc.html)
#[doc(alias = "PROCMAP_QUERY")]
pub fn procmap_query_named<'n, 'b>(
    maps: impl AsFd,
    addr: *const c_void,
    flags: ProcmapFlags,
    name: &'n mut [u8],
    build_id: &'b mut [u8],
) -> Result<(ProcmapVma, &'n [u8], &'b [u8])> {
    let mut query = raw::procmap_query {
        size: size_of::<raw::procmap_query>() as u64,
        query_flags: flags.bits(),
        query_addr: addr.addr() as u64,
        vma_start: 0,
        vma_end: 0,
        vma_flags: 0,
        vma_page_size: 0,
        vma_offset: 0,
        inode: 0,
        dev_major: 0,
        dev_minor: 0,
        vma_name_size: saturating_u32(name.len()),
        build_id_size: saturating_u32(build_id.len()),
        vma_name_addr: address_of(name),
        build_id_addr: address_of(build_id),
    };
    // SAFETY: `PROCMAP_QUERY` takes a `procmap_query`.
    let update = unsafe { Updater::<{ PROCMAP_QUERY as Opcode }, _>::new(&mut query) };
    // SAFETY: the kernel writes into the struct and, within their lengths, into the two buffers.
    unsafe { ioctl(maps, update)? };
    let vma = ProcmapVma {
        start: query.vma_start,
        end: query.vma_end,
        flags: ProcmapFlags::from_bits_retain(query.vma_flags),
        page_size: query.vma_page_size,
        offset: query.vma_offset,
        inode: query.inode,
        dev_major: query.dev_major,
        dev_minor: query.dev_minor,
    };
    // The size of the name counts the zero byte behind it.
    let name_len = (query.vma_name_size as usize).saturating_sub(1);
    let name = name.get(..name_len).unwrap_or_default();
    let build_id = build_id
        .get(..query.build_id_size as usize)
        .unwrap_or_default();
    Ok((vma, name, build_id))
}

/// The kernel reads lengths as `u32`; a longer buffer is used up to there.
fn saturating_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The address of a buffer for the kernel, which must be 0 if there is none.
fn address_of(buf: &mut [u8]) -> u64 {
    match buf {
        [] => 0,
        _ => buf.as_mut_ptr().expose_provenance() as u64,
    }
}
