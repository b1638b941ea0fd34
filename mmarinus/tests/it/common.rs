//! What the subjects share: files, what the kernel says about an address, and running without privileges.
#![allow(dead_code, reason = "each test binary uses its own part")]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use mmarinus::kind::Kind;
use mmarinus::{Map, Private, Shared, backing, perms};
use rustix::fs::MemfdFlags;

/// The page size in bytes.
pub(crate) fn page() -> usize {
    mmarinus_sys::page_size()
}

/// The byte that every test file has at an offset.
pub(crate) fn pattern(offset: usize) -> u8 {
    (offset % 251) as u8
}

/// The bytes of a test file from `offset` on.
pub(crate) fn patterned(offset: usize, len: usize) -> Vec<u8> {
    (offset..offset + len).map(pattern).collect()
}

/// A file without a name on a file system with a disk, whose bytes are the [`pattern`].
pub(crate) fn disk_file(len: usize) -> File {
    let file = tempfile::tempfile().expect("a temporary file");
    file.write_all_at(&patterned(0, len), 0).expect("room");
    file
}

/// A file in memory, whose bytes are the [`pattern`].
pub(crate) fn memory_file(len: usize) -> File {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(rustix::fs::memfd_create("test", flags).expect("a memfd"));
    file.write_all_at(&patterned(0, len), 0).expect("room");
    file
}

/// Private anonymous memory.
pub(crate) fn anonymous(len: usize) -> Map<perms::ReadWrite> {
    Map::bytes(len)
        .anywhere()
        .anonymously()
        .with(perms::ReadWrite)
        .expect("memory")
}

/// Shared anonymous memory.
pub(crate) fn shared(len: usize) -> Map<perms::ReadWrite, Shared> {
    Map::bytes(len)
        .anywhere()
        .anonymously()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .expect("memory")
}

/// Private anonymous memory that was exposed.
pub(crate) fn exposed(len: usize) -> Map<perms::ReadWrite, Private, backing::Exposed> {
    anonymous(len).expose()
}

/// A map of all of a new test file.
pub(crate) fn file_map<K: Kind>(len: usize, kind: K) -> Map<perms::ReadWrite, K, backing::File> {
    Map::bytes(len)
        .anywhere()
        .from(&disk_file(len), 0)
        .with_kind(kind)
        .with(perms::ReadWrite)
        .expect("a map of a file")
}

/// All bytes of a map, as `read_at` copies them.
pub(crate) fn bytes_of<P: perms::MayRead, K: Kind, B: backing::Backing<K>>(
    map: &Map<P, K, B>,
) -> Vec<u8> {
    let mut bytes = vec![0xee; map.len()];
    map.read_at(0, &mut bytes).expect("readable bytes");
    bytes
}

/// Lends a descriptor, and counts how often.
pub(crate) struct Counted<F> {
    pub(crate) fd: F,
    pub(crate) asked: AtomicUsize,
}

impl<F> Counted<F> {
    pub(crate) fn new(fd: F) -> Self {
        let asked = AtomicUsize::new(0);
        Self { fd, asked }
    }
}

impl<F: AsFd> AsFd for Counted<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.fd.as_fd()
    }
}

/// What the kernel says about one mapping, in `/proc/self/maps`.
#[derive(Debug)]
pub(crate) struct Vma {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// As in `rw-p`.
    pub(crate) perms: String,
    /// The offset in the file.
    pub(crate) offset: u64,
    /// The address that was asked about: where the mapping starts may change, as its neighbours come and go.
    asked: usize,
}

impl Vma {
    /// Reads the line of a mapping, `start-end perms offset ...`; a line of details is none.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        Some(Self {
            start,
            asked: start,
            end: usize::from_str_radix(end, 16).ok()?,
            perms: words.next()?.to_owned(),
            offset: u64::from_str_radix(words.next()?, 16).ok()?,
        })
    }

    /// The mapping that holds an address, if there is one.
    pub(crate) fn at(addr: usize) -> Option<Self> {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let mut mappings = maps.lines().filter_map(Self::read);
        let vma = mappings.find(|vma| (vma.start..vma.end).contains(&addr))?;
        Some(Self { asked: addr, ..vma })
    }

    /// The mapping that holds the first byte of a map.
    pub(crate) fn of<P, K: Kind, B: backing::Backing<K>>(map: &Map<P, K, B>) -> Self {
        Self::at(map.addr()).expect("a map that lives is mapped")
    }

    /// What stands behind a name in the details of this mapping, in `/proc/self/smaps`. To count them takes the kernel long.
    fn detail(&self, name: &str) -> String {
        let smaps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
        let mut lines = smaps.lines();
        let found = lines.find(|line| {
            Self::read(line).is_some_and(|vma| (vma.start..vma.end).contains(&self.asked))
        });
        assert!(found.is_some(), "{self:?} is still mapped");
        let mut details = lines.take_while(|line| Self::read(line).is_none());
        let detail = details.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        detail.unwrap_or_default().trim().to_owned()
    }

    /// Whether the kernel lists this two-letter flag.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.detail("VmFlags")
            .split_whitespace()
            .any(|word| word == flag)
    }

    /// A figure in bytes, such as `Rss`.
    pub(crate) fn bytes(&self, name: &str) -> usize {
        let detail = self.detail(name);
        let figure = detail.split_whitespace().next().expect("a figure");
        figure.parse::<usize>().expect("a number") << 10
    }
}

/// Whether nothing is mapped in a range. Only meaningful in a child, where no other test maps.
pub(crate) fn is_free(addr: usize, len: usize) -> bool {
    (addr..addr + len)
        .step_by(page())
        .all(|addr| Vma::at(addr).is_none())
}

/// The number of open descriptors. Only meaningful in a child.
pub(crate) fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("the list of descriptors")
        .count()
}

/// The number of mappings of the process. Only meaningful in a child.
pub(crate) fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    maps.lines().count()
}

/// Whether the running kernel is older than this version.
pub(crate) fn older_than(major: u32, minor: u32) -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("the release");
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version < (major, minor)
}

/// Whether the process may do what root may.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a closure in a thread of its own that has no capability; the other threads keep theirs.
pub(crate) fn without_privileges<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_capabilities(None, none).expect("anybody may give up what they have");
            run()
        });
        thread.join().expect("the thread ends well")
    })
}

/// Limits a resource of the process. Only in a child.
pub(crate) fn limit(resource: rustix::process::Resource, value: u64) {
    let limit = rustix::process::Rlimit {
        current: Some(value),
        maximum: Some(value),
    };
    rustix::process::setrlimit(resource, limit).expect("limits can be lowered");
}
