//! Where shared structs lie: memory of no file for threads and forked children, a file in memory for whoever gets it.

use std::io;

use mmarinus::backing::{Anonymous, SizeSealed};
use mmarinus::{Map, Shared, SharedBlock, SharedLayout, perms};

use crate::memfd::{self, Memfd};

/// A file in memory whose size is sealed.
type File = Memfd<memfd::SizeSealed>;

/// Shared memory that is used as a `T`, by `Deref`.
pub type Block<T, B = Anonymous> = SharedBlock<T, perms::ReadWrite, Shared, B>;

/// Makes a `T` of zeros, which this process, its threads, and the children that it forks from now on share:
/// `mmap` with `MAP_SHARED` and `MAP_ANONYMOUS`.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use mmarinus_ext::shared;
///
/// let cell = shared::anonymous::<AtomicU64>()?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| cell.store(7, Ordering::Relaxed));
/// });
/// assert_eq!(cell.load(Ordering::Relaxed), 7);
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # Errors
///
/// `ENOMEM`: no room: address space, `RLIMIT_AS`, `vm.max_map_count`, or the commit limit.
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
pub fn anonymous<T: SharedLayout>() -> Result<Block<T>, mmarinus::Error> {
    let map = Map::bytes(size_of::<T>())
        .anonymously()
        .with_kind(Shared)
        .with(perms::ReadWrite)?;
    Ok(map.into_shared()?)
}

/// As [`anonymous`], a row of `len`.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use mmarinus_ext::shared;
///
/// let row = shared::anonymous_slice::<AtomicU32>(1000)?;
/// row[999].fetch_add(1, Ordering::Relaxed);
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # Errors
///
/// As for [`anonymous`]; `ENOMEM` as well for more than `isize::MAX` bytes.
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
pub fn anonymous_slice<T: SharedLayout>(len: usize) -> Result<Block<[T]>, mmarinus::Error> {
    // More than there can be is refused as such.
    let map = Map::bytes(len.saturating_mul(size_of::<T>()))
        .anonymously()
        .with_kind(Shared)
        .with(perms::ReadWrite)?;
    Ok(map.into_shared_slice()?)
}

/// Makes a `T` of zeros in a file in memory, whose size is sealed: `memfd_create`. Whoever gets the file shares it, by [`of`].
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use mmarinus_ext::shared;
///
/// let (memfd, ours) = shared::file::<AtomicU64>("clock")?;
/// let theirs = shared::of::<AtomicU64>(&memfd)?; // In another process.
/// ours.store(7, Ordering::Release);
/// assert_eq!(theirs.load(Ordering::Acquire), 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// - `EFBIG`: `RLIMIT_FSIZE` allows no file of this size.
/// - `EMFILE`, `ENFILE`, `ENOMEM`, `ENOSPC`: descriptors or memory ran out.
/// - `EINVAL`: a name that is too long or has a zero byte; or memory may not be overcommitted, where the pages of such a
///   file can vanish.
///
/// # References
///
/// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
pub fn file<T: SharedLayout>(name: &str) -> io::Result<(File, Block<T, SizeSealed>)> {
    let memfd = sized(name, size_of::<T>())?;
    let block = of(&memfd)?;
    Ok((memfd, block))
}

/// As [`file()`], a row of `len`, by [`slice_of`].
///
/// # Errors
///
/// As for [`file()`].
///
/// # References
///
/// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
pub fn file_slice<T: SharedLayout>(
    name: &str,
    len: usize,
) -> io::Result<(File, Block<[T], SizeSealed>)> {
    let memfd = sized(name, len.saturating_mul(size_of::<T>()))?;
    let block = slice_of(&memfd)?;
    Ok((memfd, block))
}

/// Maps a file that somebody else made, from its start, as a `T`.
///
/// # Examples
///
/// See [`file()`].
///
/// # Errors
///
/// `EINVAL`: the file is shorter than `T`; or memory may not be overcommitted, where the pages of such a file can vanish. Else as
/// [`Memfd::map`].
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
pub fn of<T: SharedLayout>(memfd: &File) -> Result<Block<T, SizeSealed>, mmarinus::Error> {
    let map = memfd.map_range(0, size_of::<T>()).with_kind(Shared);
    Ok(map.with(perms::ReadWrite)?.into_shared()?)
}

/// Maps all of a file that somebody else made, as a row.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::AtomicU16;
/// use mmarinus_ext::shared;
///
/// let (memfd, _ours) = shared::file_slice::<AtomicU16>("table", 80)?;
/// let theirs = shared::slice_of::<AtomicU16>(&memfd)?;
/// assert_eq!(theirs.len(), 80);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// `EINVAL`: the length of the file is no multiple of the size of `T`; or memory may not be overcommitted, where the pages of
/// such a file can vanish. Else as [`Memfd::map`].
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
pub fn slice_of<T: SharedLayout>(memfd: &File) -> Result<Block<[T], SizeSealed>, mmarinus::Error> {
    let map = memfd.map().with_kind(Shared).with(perms::ReadWrite)?;
    Ok(map.into_shared_slice()?)
}

/// A new file of so many bytes.
fn sized(name: &str, len: usize) -> Result<File, memfd::Error> {
    Ok(Memfd::create(name, len as u64)?.seal_size()?)
}
