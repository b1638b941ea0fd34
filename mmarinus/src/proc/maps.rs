//! The maps of the process, one by one.

use core::fmt;
use core::iter::FusedIterator;
use core::ptr;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::string::String;
use std::vec::Vec;

use mmarinus_sys::{
    Errno, ProcmapFlags, ProcmapVma, ProtFlags, procmap_query, procmap_query_named,
};

use super::line::{Line, unescape};
use super::lookup::LONGEST;
use super::{MAPS, open};
use crate::error::{Cause, Error, Operation, Reason};

/// One mapping of the process, as the kernel holds it.
///
/// The kernel makes one of neighbours that agree in everything, and several of a map whose parts differ: so a `Vma` can be
/// several [`Map`](crate::Map)s, part of one, or memory that no map of this crate knows, such as code and stacks.
/// [`stats`](Self::stats) tells what of it is in memory, and [`Map::stats`](crate::Map::stats) that of a map alone.
///
/// It displays as a line of `/proc/self/maps`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Vma {
    start: usize,
    end: usize,
    permissions: ProtFlags,
    shared: bool,
    offset: u64,
    device: (u32, u32),
    inode: u64,
    page_size: Option<usize>,
    name: Vec<u8>,
}

impl Vma {
    /// The first address.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// The address behind the last.
    #[must_use]
    pub fn end(&self) -> usize {
        self.end
    }

    /// The length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// What the pages allow.
    #[must_use]
    pub fn permissions(&self) -> ProtFlags {
        self.permissions
    }

    /// Whether it is `MAP_SHARED`, and not `MAP_PRIVATE`.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Where in the file it starts, in bytes; 0 if there is none.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The major and the minor number of the device that the file is on; 0 and 0 if there is none.
    ///
    /// Some file systems tell another number here than by `stat`.
    #[must_use]
    pub fn device(&self) -> (u32, u32) {
        self.device
    }

    /// The number of the file on its device; 0 if there is none.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// The size of its pages in bytes; `None` before Linux 6.11.
    #[must_use]
    pub fn page_size(&self) -> Option<usize> {
        self.page_size
    }

    /// The name, in the kernel's words: the path of the file, a word such as `[stack]`, `[heap]` or `[anon:name]`, or nothing.
    ///
    /// A file that has no name any more has ` (deleted)` behind its path. Before Linux 6.11 the kernel writes a newline as
    /// `\012`; it comes as a newline then, as these four letters do if a path really has them.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The name, if it is a path: of a file, or of a memory file, such as `/memfd:name (deleted)`.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self.name[..] {
            [b'/', ..] => Some(Path::new(OsStr::from_bytes(&self.name))),
            _ => None,
        }
    }

    /// Made of a line of text; `None` for addresses that no pointer of this process has.
    fn of_line(line: Line<'_>) -> Option<Self> {
        Some(Self {
            start: line.start.try_into().ok()?,
            end: line.end.try_into().ok()?,
            permissions: line.prot,
            shared: line.shared,
            offset: line.offset,
            device: line.device,
            inode: line.inode,
            page_size: None,
            name: unescape(line.name).collect(),
        })
    }

    /// Made of the answer to a query, and a name.
    fn of_query(vma: ProcmapVma, name: Vec<u8>) -> Option<Self> {
        let mut permissions = ProtFlags::empty();
        for (flag, permission) in [
            (ProcmapFlags::VMA_READABLE, ProtFlags::READ),
            (ProcmapFlags::VMA_WRITABLE, ProtFlags::WRITE),
            (ProcmapFlags::VMA_EXECUTABLE, ProtFlags::EXEC),
        ] {
            permissions.set(permission, vma.flags.contains(flag));
        }
        Some(Self {
            start: vma.start.try_into().ok()?,
            end: vma.end.try_into().ok()?,
            permissions,
            shared: vma.flags.contains(ProcmapFlags::VMA_SHARED),
            offset: vma.offset,
            device: (vma.dev_major, vma.dev_minor),
            inode: vma.inode,
            page_size: vma.page_size.try_into().ok(),
            name,
        })
    }

    /// What of it lies at `address` or above.
    fn from(mut self, address: usize) -> Option<Self> {
        if self.end <= address {
            return None;
        }
        if self.start < address {
            if (self.device, self.inode, self.offset) != ((0, 0), 0, 0) {
                self.offset = self.offset.saturating_add((address - self.start) as u64);
            }
            self.start = address;
        }
        Some(self)
    }
}

impl fmt::Display for Vma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |flag, letter| match self.permissions.contains(flag) {
            true => letter,
            false => '-',
        };
        write!(
            f,
            "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} {}",
            self.start,
            self.end,
            letter(ProtFlags::READ, 'r'),
            letter(ProtFlags::WRITE, 'w'),
            letter(ProtFlags::EXEC, 'x'),
            if self.shared { 's' } else { 'p' },
            self.offset,
            self.device.0,
            self.device.1,
            self.inode,
            String::from_utf8_lossy(&self.name).escape_debug()
        )
    }
}

impl fmt::Debug for Vma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vma")
            .field("start", &format_args!("{:#x}", self.start))
            .field("end", &format_args!("{:#x}", self.end))
            .field("permissions", &self.permissions)
            .field("shared", &self.shared)
            .field("offset", &self.offset)
            .field("device", &self.device)
            .field("inode", &self.inode)
            .field("page_size", &self.page_size)
            .field("name", &String::from_utf8_lossy(&self.name))
            .finish()
    }
}

/// The maps of the process, from the lowest address up: what [`maps`] returns.
#[derive(Debug)]
pub struct Maps {
    way: Way,
    /// The address behind the last map that was given out.
    next: usize,
}

/// How the kernel is asked.
#[derive(Debug)]
enum Way {
    /// Address by address, since Linux 6.11.
    Query(File),
    /// Line by line.
    Text(BufReader<File>),
    /// No more: the last map was told, or the kernel failed.
    Done,
}

/// `ioctl(PROCMAP_QUERY)` or `/proc/thread-self/maps`—Iterates over all mappings of this process.
///
/// As with a folder that is read, what other threads map and unmap meanwhile may be told or not. Whatever happens, addresses
/// only go up, no two [`Vma`]s overlap, and what is mapped all the time is told. Each step allocates the name.
///
/// Since Linux 6.11 each step is one system call, and leaves out the pages that the kernel shows to all processes
/// (`[vsyscall]`). Before, the text is read.
///
/// # Examples
///
/// ```
/// use mmarinus::{Map, maps, perms};
///
/// let map = Map::bytes(4096).anywhere().anonymously().with(perms::Read)?;
/// for vma in maps()? {
///     let vma = vma?;
///     if vma.contains(map.addr()) {
///         assert!(!vma.is_shared() && vma.path().is_none());
///         println!("{vma}");
///     }
/// }
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # Errors
///
/// - `ENOENT`: no `/proc` is mounted.
/// - `EACCES`: the process may not be looked into (`PR_SET_DUMPABLE`, a security module).
/// - `EMFILE`, `ENFILE`: too many open files.
///
/// An item is an error where a line is not understood (`EINVAL`), after which others follow, or if the kernel fails (`ENOMEM`,
/// as a rule), after which none does.
///
/// # References
///
/// [proc_pid_maps(5)](https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html)
pub fn maps() -> Result<Maps, Error> {
    let file = open_maps()?;
    // A question without flags, which fails only where there are no such questions.
    let anything = ProcmapFlags::COVERING_OR_NEXT_VMA;
    let way = match procmap_query(&file, ptr::null(), anything) {
        Ok(_) => Way::Query(file),
        Err(_) => Way::Text(BufReader::new(file)),
    };
    Ok(Maps { way, next: 0 })
}

/// Opens the list.
fn open_maps() -> Result<File, Cause> {
    open(MAPS)
        .map(File::from)
        .map_err(|errno| Cause::kernel(Operation::Maps, errno, [0, 0]))
}

impl Iterator for Maps {
    type Item = Result<Vma, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match &mut self.way {
            Way::Query(file) => ask(file, self.next),
            Way::Text(text) => read(text, self.next),
            Way::Done => return None,
        };
        match next {
            Ok(Some(vma)) => {
                self.next = vma.end;
                Some(Ok(vma))
            }
            Err(cause) if cause.reason == Reason::OddLine => Some(Err(cause.into())),
            end => {
                self.way = Way::Done;
                end.err().map(|cause| Err(cause.into()))
            }
        }
    }
}

impl FusedIterator for Maps {}

/// The first map that ends above `next`, by queries.
fn ask(file: &File, next: usize) -> Result<Option<Vma>, Cause> {
    let mut buf = [0; LONGEST];
    let address = ptr::without_provenance(next);
    let flags = ProcmapFlags::COVERING_OR_NEXT_VMA;
    let vma = match procmap_query_named(file, address, flags, &mut buf, &mut []) {
        Ok((vma, name, _)) => Vma::of_query(vma, name.to_vec()),
        // The last map was told, or there is one whose name is not.
        Err(_) => match procmap_query(file, address, flags) {
            Ok(vma) => Vma::of_query(vma, long_name(vma.start)?),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(Cause::kernel(Operation::Maps, errno, [0, 0])),
        },
    };
    Ok(vma.and_then(|vma| vma.from(next)))
}

/// The name of the map that starts at an address, from the text, which tells names of any length.
fn long_name(start: u64) -> Result<Vec<u8>, Cause> {
    let mut text = BufReader::new(open_maps()?);
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    match read(&mut text, start) {
        Ok(Some(vma)) if vma.start == start => Ok(vma.name),
        Err(cause) if cause.reason != Reason::OddLine => Err(cause),
        // It is gone meanwhile.
        _ => Ok(Vec::new()),
    }
}

/// The first map that ends above `next`, from the text.
fn read(text: &mut BufReader<File>, next: usize) -> Result<Option<Vma>, Cause> {
    let mut line = Vec::new();
    let mut reopened = false;
    loop {
        line.clear();
        match text.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            // The thread that opened the list has ended. Another list has the same maps.
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) && !reopened => {
                reopened = true;
                *text = BufReader::new(open_maps()?);
                continue;
            }
            Err(error) => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                return Err(Cause::kernel(Operation::Maps, errno, [0, 0]));
            }
        }
        let vma = Line::parse(line.strip_suffix(b"\n").unwrap_or(&line)).and_then(Vma::of_line);
        match vma {
            None => return Err(Cause::refused(Operation::Maps, Reason::OddLine, [0, 0])),
            Some(vma) => {
                if let Some(vma) = vma.from(next) {
                    return Ok(Some(vma));
                }
            }
        }
    }
}
