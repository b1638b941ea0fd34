//! The page size.

/// The size of a page where there is but one, else 0.
const ONLY_SIZE: usize = if cfg!(target_os = "android") {
    // Android on x86_64 can imitate pages of 16 KiB.
    0
} else if cfg!(any(
    target_arch = "x86",
    target_arch = "x86_64",
    target_arch = "arm",
    target_arch = "riscv32",
    target_arch = "riscv64",
    target_arch = "s390x",
)) {
    4096
} else if cfg!(target_arch = "sparc64") {
    8192
} else {
    0
};

/// `sysconf(_SC_PAGESIZE)`—Returns the size of a page, in bytes.
///
/// A constant where the architecture has but one size, so that the compiler divides by shifting. Elsewhere it is what the
/// kernel told the process at its start, read once.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::page_size;
///
/// assert!(page_size().is_power_of_two());
/// assert!(page_size() >= 4096);
/// ```
///
/// # References
///
/// [sysconf(3)](https://man7.org/linux/man-pages/man3/sysconf.3.html)
#[doc(alias = "getpagesize")]
#[doc(alias = "sysconf")]
#[doc(alias = "PAGE_SIZE")]
#[inline]
#[must_use]
pub fn page_size() -> usize {
    match ONLY_SIZE {
        0 => rustix::param::page_size(),
        size => size,
    }
}
