//! What is in memory of a map: its own pages, counted.

use core::fmt;

use mmarinus_sys::{Support, page_size};
use rustix::system::sysinfo;

use crate::backing::Backing;
use crate::error::{Cause, Error, Operation};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;
use crate::proc::{Counts, Name, Pages, count, figures, mapping_at};

/// What the pages are that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    PrivateOfNoFile,
    /// Those of a file, or nobody knows.
    Private,
    Shared,
}

/// How much of a map is in memory, and in which state: what [`Map::stats`] and `Vma::stats` return.
///
/// All figures are in bytes of whole pages. A figure that this kernel does not tell, or not of these pages alone, is `None`.
///
/// It displays as one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stats {
    len: usize,
    page_size: usize,
    resident: usize,
    huge: Option<usize>,
    zero: Option<usize>,
    dirty: Option<usize>,
    swapped: Option<usize>,
    guard: Option<usize>,
    name: Name,
}

impl Stats {
    /// Those of a map without pages.
    fn of_nothing(page_size: usize) -> Self {
        Self::new(0, page_size, Counts::NONE, Some(0), Name::NONE)
    }

    fn new(len: usize, page_size: usize, counts: Counts, dirty: Option<usize>, name: Name) -> Self {
        Self {
            len,
            page_size,
            resident: counts.resident,
            huge: counts.huge,
            zero: counts.zero,
            dirty,
            swapped: counts.swapped,
            guard: counts.guard,
            name,
        }
    }

    /// Those of whole pages of a size. There is at least one.
    fn of_pages(address: usize, len: usize, size: usize, of: Of) -> Result<Self, Error> {
        let failed = |errno| Cause::kernel(Operation::Stats, errno, [len, address]);
        let pages = match of {
            Of::PrivateOfNoFile => Pages::PrivateOfNoFile,
            Of::Private | Of::Shared => Pages::OfAnything,
        };
        let shared = of == Of::Shared;
        let range = address as u64..(address + len) as u64;
        let mut counts = count(range.clone(), pages).map_err(failed)?;
        let name = mapping_at(address).map_err(failed)?.name;
        let of_a_pool = size != page_size();

        // What the pages alone do not tell.
        if of_a_pool {
            counts.huge = Some(counts.resident);
        } else if counts.huge.is_none() && (counts.resident == 0 || Support::thp_size().is_none()) {
            counts.huge = Some(0);
        }
        let no_swap = sysinfo().totalswap == 0;
        if no_swap {
            counts.swapped = Some(0);
        }
        let mut dirty = match shared {
            false => counts.own,
            true if counts.resident == 0 => Some(0),
            true => None,
        };
        if shared && (dirty.is_none() || !no_swap) || counts.huge.is_none() {
            // That the list changes while it is read is no failure: then the figures are unknown.
            let figures = figures(range).ok();
            if shared && !no_swap {
                counts.swapped = figures.and_then(|figures| figures.swapped);
            }
            if shared && dirty.is_none() && !of_a_pool {
                dirty = figures.and_then(|figures| figures.dirty);
            }
            counts.huge = counts.huge.or(figures.and_then(|figures| figures.huge));
        }
        Ok(Self::new(len, size, counts, dirty, name))
    }

    /// The whole pages of the map, in memory or not.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a sum of figures is no container"
    )]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The size of the map's pages: [`Map::page_size`].
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// Pages that the page tables of this process have, so that touching them costs no fault.
    ///
    /// Pages of a file can be in memory without that ([`Map::residency`] tells). The page of [`zero`](Self::zero)s counts, though
    /// it takes no memory: what the kernel calls `Rss` is the difference. A device's own pages do not count.
    #[must_use]
    pub fn resident(&self) -> usize {
        self.resident
    }

    /// Resident pages that are parts of a huge page, transparent or of a pool, which one entry of the page tables stands for.
    ///
    /// `None` before Linux 6.7 if part of the map's pages and neighbours are one mapping with huge pages.
    #[must_use]
    pub fn huge(&self) -> Option<usize> {
        self.huge
    }

    /// Resident pages that are the page of zeros, which stands for all memory that was read but never written.
    ///
    /// Before Linux 6.7 it is `None` if it cannot be told from copies that forked children have as well.
    #[must_use]
    pub fn zero(&self) -> Option<usize> {
        self.zero
    }

    /// Resident pages that hold something which nothing else holds.
    ///
    /// - Of a private map: the pages that were written, and so are copies of its own. `None` if they cannot be told from the page
    ///   of zeros, before Linux 6.7, or from pages of a device; a forked child that has the same copies is the cause of both.
    /// - Of a shared map: the pages that were written and are not written back to the file yet (memory of no file never is), in
    ///   the pieces in which the page cache has the file, which may be larger than a page. The kernel counts them by mapping:
    ///   `None` if neighbours are part of the same mapping and some of its pages are dirty; and for huge pages of a pool.
    #[must_use]
    pub fn dirty(&self) -> Option<usize> {
        self.dirty
    }

    /// Pages that were moved to swap space (or are poisoned, or on their way to another place at this moment).
    ///
    /// Of a private map of a memory file, the copies of its own. `None` for a shared map of which neighbours are part of the
    /// same mapping and some pages are swapped, for pages that a userfaultfd protects, and for guards of Linux 6.13 and 6.14,
    /// which cannot be told from swapped pages; it is 0 where there is no swap space.
    #[must_use]
    pub fn swapped(&self) -> Option<usize> {
        self.swapped
    }

    /// Pages that are guards, as `MADV_GUARD_INSTALL` makes them: touching one is a fault.
    ///
    /// `None` on Linux 6.13 and 6.14, which have guards but do not show them, if some page may be one.
    #[must_use]
    pub fn guard(&self) -> Option<usize> {
        self.guard
    }

    /// The name of the mapping that holds the first page, in the kernel's words: a path, `[anon:name]`, or nothing.
    ///
    /// Of a name with more than 255 bytes the last ones are missing, and there are three dots; `maps` of the crate, which
    /// needs the feature `std`, tells all of it.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }
}

/// A figure in bytes that displays in the largest unit that it is a multiple of.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
        let unit = units
            .into_iter()
            .find(|&(shift, _)| self.0 != 0 && (self.0 as u64).is_multiple_of(1 << shift));
        match unit {
            Some((shift, unit)) => write!(f, "{} {unit}", self.0 as u64 >> shift),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} resident",
            Bytes(self.resident),
            Bytes(self.len)
        )?;
        for (name, figure) in [
            ("huge", self.huge),
            ("zero", self.zero),
            ("dirty", self.dirty),
            ("swapped", self.swapped),
            ("guard", self.guard),
        ] {
            match figure {
                Some(bytes) => write!(f, ", {} {name}", Bytes(bytes))?,
                None => write!(f, ", {name} unknown")?,
            }
        }
        write!(f, ", in pages of {}", Bytes(self.page_size))?;
        match self.name() {
            [] => Ok(()),
            name => write!(f, ": {}", name.escape_ascii()),
        }
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Counts the map's pages by the state that they are in: `ioctl(PAGEMAP_SCAN)` on `/proc/thread-self/pagemap`.
    ///
    /// Exactly the pages of this map, though the kernel may hold it and its neighbours as one mapping. Others may be changing
    /// them while they are counted. Nothing is allocated; for an empty map no system call is made.
    ///
    /// Before Linux 6.7 the entries of all pages are read. For shared maps of which pages are resident, and before Linux 6.7
    /// where there are transparent huge pages, `/proc/thread-self/smaps` is read as well, for which the kernel walks through all
    /// memory of the process below the map: that can take milliseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[..10].fill(1);
    /// let stats = map.stats()?;
    /// assert!(stats.resident() >= map.page_size());
    /// assert_eq!(stats.dirty(), Some(stats.resident()));
    /// println!("{stats}"); // 4 KiB of 1 MiB resident, 0 B huge, 0 B zero, 4 KiB dirty, ...
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `ENOENT`: no `/proc` is mounted.
    /// - `EACCES`: the process may not be looked into (`PR_SET_DUMPABLE`, a security module).
    /// - `EMFILE`, `ENFILE`: too many open files.
    /// - `ENOMEM`: the kernel has no memory for the work.
    ///
    /// # References
    ///
    /// [PAGEMAP_SCAN(2const)](https://man7.org/linux/man-pages/man2/PAGEMAP_SCAN.2const.html),
    /// [proc_pid_pagemap(5)](https://man7.org/linux/man-pages/man5/proc_pid_pagemap.5.html),
    /// [proc_pid_smaps(5)](https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html)
    pub fn stats(&self) -> Result<Stats, Error> {
        let (address, len) = self.pages();
        if len == 0 {
            return Ok(Stats::of_nothing(self.page_size()));
        }
        let anonymous = self.region().extent().is_anonymous();
        let of = match (K::SHARED, anonymous) {
            (true, _) => Of::Shared,
            (false, true) => Of::PrivateOfNoFile,
            (false, false) => Of::Private,
        };
        Stats::of_pages(address, len, self.page_size(), of)
    }
}

#[cfg(feature = "std")]
impl crate::proc::Vma {
    /// Counts the pages of the mapping by the state that they are in, as [`Map::stats`] does those of a map:
    /// `ioctl(PAGEMAP_SCAN)` on `/proc/thread-self/pagemap`.
    ///
    /// Another thread may have unmapped it since it was listed: what is counted is what is at its addresses now. Before Linux
    /// 6.11, huge pages of a pool are told as ordinary ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::maps;
    ///
    /// for vma in maps()? {
    ///     let vma = vma?;
    ///     if vma.name() == b"[stack]" {
    ///         let stats = vma.stats()?;
    ///         assert!(stats.resident() > 0 && stats.resident() <= vma.len());
    ///         println!("{stats}");
    ///     }
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`Map::stats`]; and what the kernel says where nothing is mapped any more, or pages that it shows to all processes
    /// (`[vsyscall]`).
    ///
    /// # References
    ///
    /// [PAGEMAP_SCAN(2const)](https://man7.org/linux/man-pages/man2/PAGEMAP_SCAN.2const.html),
    /// [proc_pid_pagemap(5)](https://man7.org/linux/man-pages/man5/proc_pid_pagemap.5.html),
    /// [proc_pid_smaps(5)](https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html)
    pub fn stats(&self) -> Result<Stats, Error> {
        // Special pages, such as `[vdso]`, belong to no file either, but are nobody's own.
        let is_ordinary = matches!(self.name(), [] | b"[heap]" | b"[stack]")
            || self.name().starts_with(b"[anon:");
        let of = match self.is_shared() {
            true => Of::Shared,
            false if self.inode() == 0 && is_ordinary => Of::PrivateOfNoFile,
            false => Of::Private,
        };
        let page_size = self.page_size().unwrap_or(page_size());
        Stats::of_pages(self.start(), self.len(), page_size, of)
    }
}
