//! Questions about sizes, counts and modes, which the kernel answers in files of `/sys` and `/proc`.

use core::ffi::CStr;
use core::fmt::{self, Write};
use core::mem::MaybeUninit;

use rustix::fs::{Mode, OFlags, RawDir};

use super::Support;
use super::cached::Cached;
use super::probe::open;
use crate::{Errno, HugePage, Result, page_size};

/// The pool of huge pages of one size, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HugePages {
    /// Pages in the pool, used or not.
    pub total: u64,
    /// Pages that nobody has touched yet, those that are reserved among them.
    pub free: u64,
    /// Pages that are promised to maps but not touched yet.
    pub reserved: u64,
    /// Pages beyond what the administrator asked for.
    pub surplus: u64,
    /// How many pages beyond that there may be.
    pub overcommit: u64,
}

/// Who gets transparent huge pages, as `/sys/kernel/mm/transparent_hugepage/enabled` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThpMode {
    /// `always`: all memory, unless advised against.
    Always,
    /// `madvise`: memory with `MADV_HUGEPAGE`.
    Madvise,
    /// `never`: none.
    Never,
}

/// How much memory may be promised, as `/proc/sys/vm/overcommit_memory` says.
///
/// The kernel may add modes, so any number can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Overcommit(pub u64);

impl Overcommit {
    /// `0`: more than there is, but nothing absurd.
    pub const HEURISTIC: Self = Self(0);
    /// `1`: anything.
    pub const ALWAYS: Self = Self(1);
    /// `2`: no more than there is, by an account.
    pub const NEVER: Self = Self(2);
}

/// A path in `/sys` that is put together without allocation.
struct Path {
    bytes: [u8; 96],
    len: usize,
}

impl Path {
    /// Formats a path.
    fn new(args: fmt::Arguments<'_>) -> Result<Self> {
        let mut path = Self {
            bytes: [0; 96],
            len: 0,
        };
        path.write_fmt(args)
            .map_err(|fmt::Error| Errno::NAMETOOLONG)?;
        Ok(path)
    }

    /// The path with its zero byte.
    fn as_c_str(&self) -> Result<&CStr> {
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_| Errno::INVAL)
    }
}

impl Write for Path {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        // The last byte stays zero.
        if end >= self.bytes.len() {
            return Err(fmt::Error);
        }
        self.bytes[self.len..end].copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Reads the start of a file, up to the length of the buffer.
fn read<'b>(path: &CStr, buf: &'b mut [u8]) -> Result<&'b str> {
    let file = open(path)?;
    let len = rustix::io::read(file, &mut *buf)?;
    core::str::from_utf8(&buf[..len]).map_err(|_| Errno::INVAL)
}

/// Reads a file that holds one number.
fn number(path: &CStr) -> Result<u64> {
    read(path, &mut [0; 32])?
        .trim_ascii()
        .parse()
        .map_err(|_| Errno::INVAL)
}

/// Reads one figure of the pool of huge pages of `kilobytes`.
fn huge_pages_figure(kilobytes: u64, name: &str) -> Result<u64> {
    number(
        Path::new(format_args!(
            "/sys/kernel/mm/hugepages/hugepages-{kilobytes}kB/{name}"
        ))?
        .as_c_str()?,
    )
}

/// Returns a set of the huge page sizes that have a pool: bit n is for 2 to the power of n bytes.
fn list_huge_page_sizes() -> Result<u64> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(c"/sys/kernel/mm/hugepages", flags, Mode::empty())?;
    let mut buf = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(dir, &mut buf);
    let mut sizes = 0;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_str().ok();
        let kilobytes = name.and_then(|name| {
            name.strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse::<u64>()
                .ok()
        });
        if let Some(bytes) = kilobytes.and_then(|kilobytes| kilobytes.checked_mul(1024))
            && bytes.is_power_of_two()
        {
            sizes |= bytes;
        }
    }
    Ok(sizes)
}

/// Finds the default huge page size in bytes.
fn find_default_huge_page() -> Result<u64> {
    let mut buf = [0; 4096];
    let meminfo = read(c"/proc/meminfo", &mut buf)?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"));
    let kilobytes =
        line.and_then(|line| line.trim_ascii().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes
        .and_then(|kilobytes| kilobytes.checked_mul(1024))
        .ok_or(Errno::NOENT)
}

/// Makes the type from a number of bytes.
fn huge_page(bytes: u64) -> Option<HugePage> {
    match bytes.is_power_of_two() {
        true => HugePage::from_log2(bytes.trailing_zeros()),
        false => None,
    }
}

impl Support {
    /// The size of a page in bytes: [`page_size`].
    #[must_use]
    pub fn page_size() -> usize {
        page_size()
    }

    /// The sizes of huge pages that the kernel has pools for, smallest first; a pool may be empty.
    pub fn huge_page_sizes() -> impl Iterator<Item = HugePage> + Clone {
        static ANSWER: Cached = Cached::new();
        let sizes = ANSWER.number(list_huge_page_sizes);
        (0..u64::BITS)
            .filter(move |log2| sizes >> log2 & 1 != 0)
            .filter_map(HugePage::from_log2)
    }

    /// The size that [`HugePage::DEFAULT`] stands for, as `/proc/meminfo` says; `None` without huge pages.
    #[must_use]
    pub fn default_huge_page() -> Option<HugePage> {
        static ANSWER: Cached = Cached::new();
        huge_page(ANSWER.number(find_default_huge_page))
    }

    /// Counts the huge pages of one size, now. All that matters for a map can change at any moment.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the kernel has no pages of this size, or no `/sys` is mounted.
    /// - What opening and reading a file says.
    pub fn huge_pages(size: HugePage) -> Result<HugePages> {
        let bytes = match size.bytes() {
            None => Self::default_huge_page().and_then(HugePage::bytes),
            bytes => bytes,
        };
        let kilobytes = bytes.ok_or(Errno::NOENT)? / 1024;
        Ok(HugePages {
            total: huge_pages_figure(kilobytes, "nr_hugepages")?,
            free: huge_pages_figure(kilobytes, "free_hugepages")?,
            reserved: huge_pages_figure(kilobytes, "resv_hugepages")?,
            surplus: huge_pages_figure(kilobytes, "surplus_hugepages")?,
            overcommit: huge_pages_figure(kilobytes, "nr_overcommit_hugepages")?,
        })
    }

    /// Who gets transparent huge pages, now; `None` if the kernel has none.
    #[must_use]
    pub fn thp() -> Option<ThpMode> {
        let mut buf = [0; 64];
        let modes = read(c"/sys/kernel/mm/transparent_hugepage/enabled", &mut buf).ok()?;
        let (_, mode) = modes.split_once('[')?;
        match mode.split_once(']')?.0 {
            "always" => Some(ThpMode::Always),
            "madvise" => Some(ThpMode::Madvise),
            "never" => Some(ThpMode::Never),
            _ => None,
        }
    }

    /// The size of a transparent huge page in bytes; `None` if the kernel has none.
    #[must_use]
    pub fn thp_size() -> Option<usize> {
        static ANSWER: Cached = Cached::new();
        let size = ANSWER.number(|| number(c"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"));
        usize::try_from(size).ok().filter(|&size| size != 0)
    }

    /// How much memory may be promised, now.
    ///
    /// # Errors
    ///
    /// What opening and reading a file says.
    pub fn overcommit() -> Result<Overcommit> {
        number(c"/proc/sys/vm/overcommit_memory").map(Overcommit)
    }

    /// How many maps a process may have, now: `vm.max_map_count`.
    ///
    /// # Errors
    ///
    /// What opening and reading a file says.
    pub fn max_map_count() -> Result<u64> {
        number(c"/proc/sys/vm/max_map_count")
    }

    /// The lowest address that a map may have without privilege, now: `vm.mmap_min_addr`, in bytes.
    ///
    /// # Errors
    ///
    /// What opening and reading a file says.
    pub fn mmap_min_addr() -> Result<u64> {
        number(c"/proc/sys/vm/mmap_min_addr")
    }
}
