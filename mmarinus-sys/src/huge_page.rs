//! The sizes of huge pages, as the kernel encodes them in flags.

use linux_raw_sys::general as raw;

use crate::{MapFlags, MemfdFlags};

/// The size of a huge page: the logarithm to base 2 of its bytes, or the system's default.
///
/// The constants are the sizes that some machine has; which sizes this machine has is for the kernel to say.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::HugePage;
///
/// assert_eq!(HugePage::SIZE_2MB.log2(), 21);
/// assert_eq!(HugePage::SIZE_2MB.bytes(), Some(2 << 20));
/// assert_eq!(HugePage::from_log2(30), Some(HugePage::SIZE_1GB));
/// assert_eq!(HugePage::DEFAULT.bytes(), None);
/// ```
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html),
/// [hugetlbpage](https://docs.kernel.org/admin-guide/mm/hugetlbpage.html)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct HugePage {
    /// Below 64, which is what the flags have room for; 0 is the default size.
    log2: u8,
}

impl HugePage {
    /// The system's default size, see `Hugepagesize` in `/proc/meminfo`.
    pub const DEFAULT: Self = Self { log2: 0 };
    /// `MAP_HUGE_16KB`: 16 KiB.
    pub const SIZE_16KB: Self = Self::of_flag(raw::MAP_HUGE_16KB);
    /// `MAP_HUGE_64KB`: 64 KiB.
    pub const SIZE_64KB: Self = Self::of_flag(raw::MAP_HUGE_64KB);
    /// `MAP_HUGE_512KB`: 512 KiB.
    pub const SIZE_512KB: Self = Self::of_flag(raw::MAP_HUGE_512KB);
    /// `MAP_HUGE_1MB`: 1 MiB.
    pub const SIZE_1MB: Self = Self::of_flag(raw::MAP_HUGE_1MB);
    /// `MAP_HUGE_2MB`: 2 MiB, the smaller one on x86_64.
    pub const SIZE_2MB: Self = Self::of_flag(raw::MAP_HUGE_2MB);
    /// `MAP_HUGE_8MB`: 8 MiB.
    pub const SIZE_8MB: Self = Self::of_flag(raw::MAP_HUGE_8MB);
    /// `MAP_HUGE_16MB`: 16 MiB.
    pub const SIZE_16MB: Self = Self::of_flag(raw::MAP_HUGE_16MB);
    /// `MAP_HUGE_32MB`: 32 MiB.
    pub const SIZE_32MB: Self = Self::of_flag(raw::MAP_HUGE_32MB);
    /// `MAP_HUGE_256MB`: 256 MiB.
    pub const SIZE_256MB: Self = Self::of_flag(raw::MAP_HUGE_256MB);
    /// `MAP_HUGE_512MB`: 512 MiB.
    pub const SIZE_512MB: Self = Self::of_flag(raw::MAP_HUGE_512MB);
    /// `MAP_HUGE_1GB`: 1 GiB, the larger one on x86_64.
    pub const SIZE_1GB: Self = Self::of_flag(raw::MAP_HUGE_1GB);
    /// `MAP_HUGE_2GB`: 2 GiB.
    pub const SIZE_2GB: Self = Self::of_flag(raw::MAP_HUGE_2GB);
    /// `MAP_HUGE_16GB`: 16 GiB.
    pub const SIZE_16GB: Self = Self::of_flag(raw::MAP_HUGE_16GB);

    /// Returns the size of 2 to the power of `log2` bytes, or `None` unless that is between 1 and 63.
    ///
    /// The kernel refuses a size that the machine lacks when a map of it is made.
    #[inline]
    #[must_use]
    pub const fn from_log2(log2: u32) -> Option<Self> {
        match log2 {
            1..=raw::MAP_HUGE_MASK => Some(Self { log2: log2 as u8 }),
            _ => None,
        }
    }

    /// Returns the logarithm to base 2 of the size in bytes; 0 for [`DEFAULT`](Self::DEFAULT).
    #[inline]
    #[must_use]
    pub const fn log2(self) -> u32 {
        self.log2 as u32
    }

    /// Returns the size in bytes; `None` for [`DEFAULT`](Self::DEFAULT), which only the system knows.
    #[inline]
    #[must_use]
    pub const fn bytes(self) -> Option<u64> {
        match self.log2 {
            0 => None,
            log2 => Some(1 << log2),
        }
    }

    /// Returns the flags of [`mmap`](crate::mmap) for pages of this size: `MAP_HUGETLB | log2 << MAP_HUGE_SHIFT`.
    #[inline]
    #[must_use]
    pub const fn map_flags(self) -> MapFlags {
        let size = self.log2() << raw::MAP_HUGE_SHIFT;
        MapFlags::from_bits_retain(raw::MAP_HUGETLB | size)
    }

    /// Returns the flags of [`memfd_create`](crate::memfd_create) for pages of this size: `MFD_HUGETLB | log2 << MFD_HUGE_SHIFT`.
    #[inline]
    #[must_use]
    pub const fn memfd_flags(self) -> MemfdFlags {
        let size = self.log2() << raw::MFD_HUGE_SHIFT;
        MemfdFlags::from_bits_retain(raw::MFD_HUGETLB | size)
    }

    /// The size that a `MAP_HUGE_*` constant encodes.
    const fn of_flag(flag: u32) -> Self {
        let log2 = (flag >> raw::MAP_HUGE_SHIFT) & raw::MAP_HUGE_MASK;
        Self { log2: log2 as u8 }
    }
}
