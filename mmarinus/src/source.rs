//! File descriptors as sources of maps: what they are, how long, and in which pages; asked once.
#![expect(
    unsafe_code,
    reason = "asks the length of a block device by ioctl, and knows whether there is a descriptor"
)]

use core::marker::PhantomData;

use mmarinus_sys::Errno;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{FileType, Stat, fstat, fstatfs};

use crate::backing::{Anonymous, Device, File};
use crate::error::{Cause, Error, Operation, Reason};
use crate::layout::{is_page_shift, page_shift};

/// A file descriptor that was looked at once: every map of it is then a single system call.
///
/// `Source::of` takes regular files and block devices, [`Source::device`] any other descriptor that can be mapped.
///
/// # Examples
///
/// ```
/// use mmarinus::{Map, Source, perms};
///
/// let file = std::fs::File::open("/etc/passwd")?;
/// let source = Source::of(&file)?;
/// let map = Map::whole(&source).with(perms::Read)?;
/// assert_eq!(map.len() as u64, source.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Source<'fd, B = File> {
    seen: Seen<'fd>,
    backing: PhantomData<B>,
}

impl Source<'static, Anonymous> {
    /// Memory of no file: zeroed pages, at every offset. Makes no system call, and has a length of 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Private, ProtFlags, Reservation, Source};
    ///
    /// let reservation = Reservation::new(1 << 40)?;
    /// let zeros = Source::anonymous();
    /// reservation.place(0..1 << 20, &zeros, 0, Private, ProtFlags::READ | ProtFlags::WRITE)?;
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            seen: Seen {
                fd: None,
                page_shift: page_shift(),
                is_file: false,
                len: 0,
                plain: 0,
            },
            backing: PhantomData,
        }
    }
}

impl<'fd> Source<'fd, File> {
    /// Looks at a regular file or a block device: `fstat`, `fstatfs`, and for a block device one `ioctl`.
    ///
    /// # Errors
    ///
    /// - `EINVAL` for the descriptors 0, 1 and 2, behind which any code may put another file at any time: duplicate them first
    ///   (`try_clone_to_owned`).
    /// - `EISDIR` for a directory; `ENODEV` for a pipe, a socket, a character device and whatever is no file.
    /// - `EOPNOTSUPP` for files that the kernel makes up (procfs, sysfs, debugfs, tracefs and their like), and for files of
    ///   `memfd_secret`.
    /// - What `fstat` says.
    pub fn of<F: AsFd + ?Sized>(fd: &'fd F) -> Result<Self, Error> {
        let fd = fd.as_fd();
        Ok(Self::seen(fd, look_at_file(fd)?))
    }
}

impl<'fd> Source<'fd, Device> {
    /// Looks at any descriptor whose driver decides what its pages are: `fstat` and `fstatfs`.
    ///
    /// # Errors
    ///
    /// - `EINVAL` for the descriptors 0, 1 and 2, as for [`of`](Source::of).
    /// - What `fstat` says.
    pub fn device<F: AsFd + ?Sized>(fd: &'fd F) -> Result<Self, Error> {
        let fd = fd.as_fd();
        Ok(Self::seen(fd, look_at_device(fd)?))
    }
}

impl<'fd, B> Source<'fd, B> {
    /// A descriptor that was looked at.
    fn seen(fd: BorrowedFd<'fd>, looked: Looked) -> Self {
        let is_ordinary = looked.page_shift == page_shift();
        Self {
            seen: Seen {
                fd: Some(fd),
                page_shift: looked.page_shift,
                is_file: looked.is_file(),
                len: looked.len,
                plain: if is_ordinary { MOST } else { 0 },
            },
            backing: PhantomData,
        }
    }

    /// The length in bytes when it was looked at; 0 for a device that has none.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.seen.len
    }

    /// Whether the length was 0 when it was looked at.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.len == 0
    }

    /// The size in bytes of the pages in which it is mapped.
    #[inline]
    #[must_use]
    pub fn page_size(&self) -> usize {
        1 << self.seen.page_shift
    }

    /// What was seen of it, with the descriptor.
    #[inline]
    pub(crate) fn as_seen(&self) -> Seen<'fd> {
        self.seen
    }

    /// The descriptor, if it is not memory of no file, and what was seen of it.
    #[inline]
    pub(crate) fn parts(&self) -> (Option<BorrowedFd<'fd>>, Looked) {
        self.seen.parts()
    }
}

/// Where a map in plain words ends at the latest, in bytes: far from where numbers end, so that nothing else is to be checked.
const MOST: u64 = isize::MAX as u64 / 2;

/// A descriptor, or memory of no file, and what was seen of it.
///
/// # Invariants
///
/// - `page_shift` [is known](is_page_shift) to be the log2 of a size of pages.
/// - `plain` is 0 unless there is a descriptor, and its pages are ordinary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'fd> {
    fd: Option<BorrowedFd<'fd>>,
    page_shift: u8,
    is_file: bool,
    /// Its length in bytes.
    len: u64,
    /// Where a map in plain words ends at the latest, which is all that such a one has to ask.
    plain: u64,
}

impl<'fd> Seen<'fd> {
    /// The descriptor, if it is not memory of no file, and what was seen of it.
    #[inline]
    pub(crate) fn parts(self) -> (Option<BorrowedFd<'fd>>, Looked) {
        let looked = Looked {
            len: self.len,
            page_shift: self.page_shift,
            last: if self.is_file { LAST } else { u64::MAX },
        };
        (self.fd, looked)
    }

    /// Whether it is memory of no file.
    #[inline]
    pub(crate) fn is_anonymous(self) -> bool {
        self.fd.is_none()
    }

    /// The descriptor, if its pages are ordinary and the end of these bytes is far from where numbers end.
    #[inline(always)]
    pub(crate) fn plain(self, offset: u64, size: usize) -> Option<BorrowedFd<'fd>> {
        if offset > self.plain || size as u64 > self.plain - offset {
            return None;
        }
        if size == 0 {
            return None;
        }
        // SAFETY: a byte ends at `plain` or before it; so that is not 0, and there is a descriptor (invariant).
        Some(unsafe { self.fd.unwrap_unchecked() })
    }
}

/// The largest offset of a file in bytes.
const LAST: u64 = i64::MAX as u64;

/// What was seen of a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked {
    /// Its length in bytes.
    len: u64,
    /// The log2 of the size in bytes of its pages, which [is known](is_page_shift) to be one.
    pub(crate) page_shift: u8,
    /// The largest offset in bytes at which a map of it may end.
    pub(crate) last: u64,
}

impl Looked {
    /// What is seen of a file of `len` bytes.
    fn file(len: u64) -> Self {
        Self {
            len,
            page_shift: page_shift(),
            last: LAST,
        }
    }

    /// What is seen of a device of `len` bytes, for which an offset may mean anything.
    fn device(len: u64) -> Self {
        Self {
            last: u64::MAX,
            ..Self::file(len)
        }
    }

    /// The same on a file system, which alone tells whether a file is in huge pages: a block size of 2 MiB says nothing, and a
    /// length in other pages would cover the neighbours of a map.
    fn on(mut self, file_system: FileSystem) -> Result<Self, Cause> {
        if file_system.magic == magic::HUGETLBFS {
            self.page_shift = file_system.block_size.trailing_zeros() as u8;
            // On 32 bits, pages of 16 GiB cannot be mapped.
            if !is_page_shift(self.page_shift) {
                return Err(refused(Reason::NoSuchHugePages));
            }
        }
        Ok(self)
    }

    /// Whether it was looked at as a file: the offsets of others end elsewhere.
    pub(crate) fn is_file(self) -> bool {
        self.last == LAST
    }

    /// Its length in bytes.
    pub(crate) fn len(self) -> u64 {
        self.len
    }

    /// What a descriptor is taken for of which no byte is mapped, so that nobody needs to look at it.
    #[inline]
    pub(crate) fn nothing() -> Self {
        Self::device(0)
    }
}

/// Looks at a descriptor that must be a regular file or a block device.
pub(crate) fn look_at_file(fd: BorrowedFd<'_>) -> Result<Looked, Cause> {
    refuse_standard(fd)?;
    let stat = stat(fd)?;
    let reason = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let file_system = file_system(fd)?;
            refuse_control_file(file_system.magic).map_err(refused)?;
            return Looked::file(stat.st_size as u64).on(file_system);
        }
        FileType::BlockDevice => return Ok(Looked::file(block_device_len(fd)?)),
        FileType::Directory => Reason::Directory,
        FileType::Fifo => Reason::Pipe,
        FileType::Socket => Reason::Socket,
        FileType::CharacterDevice => Reason::CharacterDevice,
        FileType::Symlink | FileType::Unknown => Reason::ControlFd,
    };
    Err(refused(reason))
}

/// Looks at a descriptor that may be anything.
pub(crate) fn look_at_device(fd: BorrowedFd<'_>) -> Result<Looked, Cause> {
    refuse_standard(fd)?;
    let stat = stat(fd)?;
    let file_system = file_system(fd)?;
    let len = match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => block_device_len(fd)?,
        _ => stat.st_size as u64,
    };
    Looked::device(len).on(file_system)
}

/// Refuses the standard descriptors: safe code may put another file behind their numbers (`dup2_stdin` and its like) after
/// they were looked at. Behind any other number, a borrowed descriptor stays what it is.
fn refuse_standard(fd: BorrowedFd<'_>) -> Result<(), Cause> {
    match fd.as_raw_fd() {
        0..=2 => Err(refused(Reason::StandardFd)),
        _ => Ok(()),
    }
}

/// The refusal of a descriptor.
#[cold]
fn refused(reason: Reason) -> Cause {
    Cause::refused(Operation::Look, reason, [0, 0])
}

/// `fstat`, as the step of a map.
fn stat(fd: BorrowedFd<'_>) -> Result<Stat, Cause> {
    fstat(fd).map_err(|errno| Cause::kernel(Operation::Fstat, errno, [0, 0]))
}

/// What is seen of the file system that a descriptor is on.
#[derive(Clone, Copy, Debug)]
struct FileSystem {
    /// Its magic number.
    magic: u32,
    /// The size of its blocks in bytes; on hugetlbfs that of its pages.
    block_size: u64,
}

/// Looks at the file system that a descriptor is on.
fn file_system(fd: BorrowedFd<'_>) -> Result<FileSystem, Cause> {
    match fstatfs(fd) {
        // The types of the fields differ between architectures; the numbers have 32 bits.
        Ok(statfs) => Ok(FileSystem {
            magic: statfs.f_type as u32,
            block_size: statfs.f_bsize as u64,
        }),
        // Descriptors that are on no file system at all say so.
        Err(Errno::NOSYS) => Ok(FileSystem {
            magic: magic::NONE,
            block_size: 0,
        }),
        Err(errno) => Err(Cause::kernel(Operation::Fstatfs, errno, [0, 0])),
    }
}

/// The magic numbers of file systems, from the kernel's `linux/magic.h`; the same on every architecture.
mod magic {
    pub(super) const NONE: u32 = 0;
    pub(super) const HUGETLBFS: u32 = 0x9584_58f6;
    pub(super) const SECRETMEM: u32 = 0x5345_434d;
    /// Those whose regular files are windows to the kernel or to devices.
    pub(super) const CONTROL: [u32; 18] = [
        0x0000_9fa0, // procfs
        0x6265_6572, // sysfs
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x0904_1934, // anonymous inodes: io_uring, perf, KVM
        0x444d_4142, // dma-buf
        0xf97c_ff8c, // selinuxfs
        0x7363_6673, // securityfs
        0x6265_6570, // configfs
        0xcafe_4a11, // bpffs
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0xde5e_81e4, // efivarfs
        0x0765_5821, // resctrl
        0x6165_676c, // pstore
        0xabba_1974, // xenfs
        0x23c9_b64e, // spufs
        0x474d_454d, // guest_memfd
    ];
}

/// Refuses the regular files whose pages are no page cache.
fn refuse_control_file(file_system: u32) -> Result<(), Reason> {
    match file_system {
        magic::SECRETMEM => Err(Reason::SecretFile),
        other if magic::CONTROL.contains(&other) => Err(Reason::KernelFile),
        _ => Ok(()),
    }
}

/// `BLKGETSIZE64`: the length of a block device in bytes, which `fstat` does not tell.
fn block_device_len(fd: BorrowedFd<'_>) -> Result<u64, Cause> {
    use rustix::ioctl::{Getter, ioctl, opcode};
    const BLKGETSIZE64: rustix::ioctl::Opcode = opcode::read::<usize>(0x12, 114);
    // SAFETY: `BLKGETSIZE64` of `linux/fs.h` writes one `u64`, though its number says `size_t`.
    let getter = unsafe { Getter::<BLKGETSIZE64, u64>::new() };
    // SAFETY: the descriptor is a block device, and all of those know this call.
    let len = unsafe { ioctl(fd, getter) };
    len.map_err(|errno| Cause::kernel(Operation::BlockSize, errno, [0, 0]))
}
