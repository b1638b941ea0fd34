//! What was tried and why it was refused, as two small enums that an error carries.

use core::fmt;

use mmarinus_sys::{Errno, HugePage, Support};

/// What was tried: the system call, or our own operation where no call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Looking at a descriptor before it is mapped.
    Look,
    Mmap,
    /// `mmap` in huge pages: the figures are the length in bytes and the log2 of the size of a page.
    MmapHuge,
    MmapInPlace,
    MemfdSecret,
    TouchSecret,
    Publish,
    ProcessMadvise,
    PkeyAlloc,
    PkeyMprotect,
    Munmap,
    Mprotect,
    Mremap,
    Resize,
    Move,
    Take,
    Duplicate,
    Join,
    Mseal,
    Madvise,
    Mlock,
    Munlock,
    Msync,
    Populate,
    Maps,
    Stats,
    Fallocate,
    Grow,
    PopulateHuge,
    Name,
    Preallocate,
    Mincore,
    PageCache,
    Mbind,
    HomeNode,
    GetMempolicy,
    MovePages,
    /// Making a policy.
    Numa,
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "only `Map::load` opens files")
    )]
    Open,
    /// `pread` of a file: the figures are its length in bytes, and how many were read.
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "only `Contents` reads files")
    )]
    Pread,
    Fstat,
    Fstatfs,
    BlockSize,
    Split,
    Mirror,
    View,
    Atomics,
    IntoShared,
    Read,
    Write,
    /// From a descriptor into a map.
    ReadFrom,
    /// From a map to a descriptor.
    WriteTo,
    #[allow(dead_code, reason = "only where there is a handler to install")]
    Sigaction,
    /// Looking at pages: `PAGEMAP_SCAN`.
    Scan,
    Track,
    TakeDirty,
    /// Making guest memory of a map.
    #[allow(dead_code, reason = "only with the feature `vm-memory`")]
    GuestRegion,
    Userfault,
    PageBy,
    UffdRead,
    UffdCopy,
    UffdZero,
    UffdContinue,
    UffdPoison,
    UffdProtect,
    UffdWake,
    UffdMove,
}

impl Operation {
    /// The name of the system call or of the operation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Look | Self::Mmap | Self::MmapHuge | Self::MmapInPlace => "mmap",
            Self::MemfdSecret => "memfd_secret",
            Self::TouchSecret => "process_vm_writev",
            Self::Publish => "membarrier",
            Self::ProcessMadvise => "process_madvise",
            Self::PkeyAlloc => "pkey_alloc",
            Self::PkeyMprotect => "pkey_mprotect",
            Self::Munmap => "munmap",
            Self::Mprotect => "mprotect",
            Self::Mremap | Self::Resize | Self::Move | Self::Take | Self::Duplicate => "mremap",
            Self::Join => "join",
            Self::Mseal => "mseal",
            Self::Madvise => "madvise",
            Self::Mlock => "mlock",
            Self::Munlock => "munlock",
            Self::Msync => "msync",
            Self::Maps => "maps",
            Self::Stats => "stats",
            Self::Fallocate => "fallocate",
            Self::Grow => "grow_file",
            Self::Populate | Self::PopulateHuge | Self::Preallocate => "madvise",
            Self::Name => "prctl",
            Self::Mincore => "mincore",
            Self::PageCache => "cachestat",
            Self::Mbind => "mbind",
            Self::HomeNode => "set_mempolicy_home_node",
            Self::GetMempolicy => "get_mempolicy",
            Self::MovePages => "move_pages",
            Self::Numa => "numa",
            Self::Open => "open",
            Self::Pread => "pread",
            Self::Fstat => "fstat",
            Self::Fstatfs => "fstatfs",
            Self::BlockSize => "ioctl",
            Self::Split => "split",
            Self::Mirror => "mirror",
            Self::View => "view",
            Self::Atomics => "atomics",
            Self::IntoShared => "into_shared",
            Self::Read => "process_vm_readv",
            Self::Write => "process_vm_writev",
            Self::ReadFrom => "readv",
            Self::WriteTo => "writev",
            Self::Sigaction => "sigaction",
            Self::Scan => "scan",
            Self::GuestRegion => "guest_region",
            Self::Track => "track_writes",
            Self::TakeDirty => "take_dirty",
            Self::Userfault => "userfaultfd",
            Self::PageBy => "UFFDIO_REGISTER",
            Self::UffdRead => "read",
            Self::UffdCopy => "UFFDIO_COPY",
            Self::UffdZero => "UFFDIO_ZEROPAGE",
            Self::UffdContinue => "UFFDIO_CONTINUE",
            Self::UffdPoison => "UFFDIO_POISON",
            Self::UffdProtect => "UFFDIO_WRITEPROTECT",
            Self::UffdWake => "UFFDIO_WAKE",
            Self::UffdMove => "UFFDIO_MOVE",
        }
    }

    /// The call with its figures.
    pub(crate) fn describe(
        self,
        reason: Reason,
        [a, b]: [usize; 2],
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        match self {
            Self::Look => f.write_str("mapping this descriptor (mmap)"),
            Self::Mmap
            | Self::Mremap
            | Self::Munmap
            | Self::Mprotect
            | Self::Mseal
            | Self::Madvise
            | Self::Mlock
            | Self::Munlock
            | Self::MemfdSecret
            | Self::PkeyMprotect
            | Self::Msync
            | Self::Mincore
            | Self::Mbind
            | Self::HomeNode
            | Self::MovePages => {
                write!(f, "{} of {a} bytes", self.name())?;
                if b == 0 {
                    Ok(())
                } else {
                    write!(f, " at {b:#x}")
                }
            }
            Self::MmapHuge => {
                write!(f, "mmap of {a} bytes in pages of {}", Size(b))
            }
            Self::TouchSecret => {
                write!(
                    f,
                    "bringing in {a} bytes of secret memory at {b:#x} (process_vm_writev)"
                )
            }
            Self::PopulateHuge => {
                write!(f, "bringing in {a} bytes of huge pages at {b:#x} (madvise)")
            }
            Self::MmapInPlace => write!(f, "mmap of a device over {a} bytes at {b:#x} (MAP_FIXED)"),
            Self::Populate => write!(f, "populating {a} bytes at {b:#x} (madvise)"),
            Self::Maps => f.write_str("listing the maps of this process (/proc/thread-self/maps)"),
            Self::Stats => {
                write!(
                    f,
                    "counting the pages of {a} bytes at {b:#x} (/proc/thread-self/pagemap)"
                )
            }
            Self::PageCache => write!(f, "cachestat of the bytes {a}..{b}"),
            Self::GetMempolicy if b == 0 => f.write_str(self.name()),
            Self::GetMempolicy => write!(f, "get_mempolicy at {b:#x}"),
            Self::Numa => write!(f, "taking {a} for a NUMA node"),
            Self::Fallocate => write!(f, "fallocate of {a} bytes from offset {b}"),
            Self::Grow => write!(
                f,
                "growing the map at {b:#x} to {a} bytes with its file (grow_file)"
            ),
            Self::Name => write!(f, "naming {a} bytes at {b:#x} (prctl)"),
            Self::Preallocate => write!(f, "preallocating {a} bytes at {b:#x} (madvise)"),
            Self::Resize => write!(f, "resizing the map at {b:#x} to {a} bytes (mremap)"),
            Self::Move => write!(f, "moving {a} bytes to {b:#x} (mremap)"),
            Self::Take => write!(f, "taking {a} bytes from {b:#x} (mremap)"),
            Self::Duplicate => write!(f, "mapping the {a} bytes at {b:#x} a second time (mremap)"),
            Self::Join => write!(f, "joining a map that ends at {a:#x} with one at {b:#x}"),
            Self::Split => write!(f, "split at byte {a} of a map at {b:#x}"),
            Self::Mirror => write!(f, "the part of {b} bytes at position {a} of a mirror"),
            Self::View => write!(f, "the range of bytes {a}..{b}"),
            Self::Atomics => match reason {
                Reason::Misaligned => {
                    write!(f, "taking {b:#x} for an atomic of {a} bytes (atomics)")
                }
                Reason::Ragged => write!(f, "taking {b} bytes for atomics of {a}"),
                _ => write!(
                    f,
                    "taking a map whose atomics have {b} bytes for atomics of {a}"
                ),
            },
            Self::IntoShared => match reason {
                Reason::MisalignedBlock => {
                    write!(
                        f,
                        "taking {b:#x} for a struct (into_shared) that is aligned to {a} bytes"
                    )
                }
                Reason::ShortOfBlock => {
                    write!(
                        f,
                        "taking a map of {b} bytes for a struct of {a} (into_shared)"
                    )
                }
                _ => write!(
                    f,
                    "taking a map whose atomics have {b} bytes for a struct of {a} (into_shared)"
                ),
            },
            Self::Read => write!(
                f,
                "reading from a map at byte {a}, after {b} bytes (process_vm_readv)"
            ),
            Self::Write => write!(
                f,
                "writing to a map at byte {a}, after {b} bytes (process_vm_writev)"
            ),
            Self::Publish => write!(f, "publishing {a} bytes of code at {b:#x} (membarrier)"),
            Self::ProcessMadvise => write!(f, "process_madvise of {a} ranges"),
            Self::ReadFrom => write!(
                f,
                "reading a file into a map at byte {a}, after {b} bytes (readv)"
            ),
            Self::WriteTo => write!(
                f,
                "writing a map to a file from byte {a} on, after {b} bytes (writev)"
            ),
            Self::Pread => write!(f, "reading a file of {a} bytes, after {b} (pread)"),
            Self::BlockSize => f.write_str("ioctl(BLKGETSIZE64)"),
            Self::PageBy
            | Self::UffdCopy
            | Self::UffdZero
            | Self::UffdContinue
            | Self::UffdPoison
            | Self::UffdProtect
            | Self::UffdWake
            | Self::UffdMove => {
                write!(f, "ioctl({}) of {a} bytes at {b:#x}", self.name())
            }
            Self::Userfault => f.write_str(self.name()),
            Self::UffdRead => f.write_str("reading faults (read of a userfaultfd)"),
            Self::Scan => write!(f, "scanning {a} bytes at {b:#x} (PAGEMAP_SCAN)"),
            Self::GuestRegion => write!(
                f,
                "taking the {a} bytes at {b:#x} for guest memory (guest_region)"
            ),
            Self::Track => write!(f, "tracking writes to {a} bytes at {b:#x} (userfaultfd)"),
            Self::TakeDirty => write!(
                f,
                "taking what was written of {a} bytes at {b:#x} (PAGEMAP_SCAN)"
            ),
            Self::PkeyAlloc | Self::Open | Self::Fstat | Self::Fstatfs | Self::Sigaction => {
                f.write_str(self.name())
            }
        }
    }
}

/// A size of a page by its log2, for people.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, below) = match self.0 {
            0..20 => ("KiB", 10),
            20..30 => ("MiB", 20),
            _ => ("GiB", 30),
        };
        let number = 1_u64.checked_shl((self.0 - below.min(self.0)) as u32);
        write!(f, "{} {unit}", number.unwrap_or(0))
    }
}

/// Writes how many huge pages there are, as the kernel counts them now.
pub(crate) fn describe_pool(log2: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = HugePage::from_log2(log2 as u32).unwrap_or_default();
    match Support::huge_pages(size) {
        Ok(pool) => write!(
            f,
            "{} of {} pages of {} are free and {} of those reserved for other maps \
             (/sys/kernel/mm/hugepages/hugepages-{}kB/); ",
            pool.free,
            pool.total,
            Size(log2),
            pool.reserved,
            size.bytes().unwrap_or(0) >> 10,
        ),
        Err(_) => {
            write!(f, "this machine has no pages of {}, but these:", Size(log2))?;
            let mut sizes = Support::huge_page_sizes().peekable();
            if sizes.peek().is_none() {
                f.write_str(" none")?;
            }
            for size in sizes {
                write!(f, " {}", Size(size.log2() as usize))?;
            }
            f.write_str("; ")
        }
    }
}

/// Why it failed: the kernel said so, or we did before asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The kernel's answer; the errno tells more.
    Kernel,
    /// More bytes than one object may have in Rust.
    TooLong,
    /// The offset in the file, or the end of the map in it, is past what the kernel counts.
    OffsetTooFar,
    /// Address and offset do not agree modulo the page size.
    Misplaced,
    /// A map cannot start there: its first byte would lie elsewhere in its page.
    MisplacedMove,
    /// An empty map of something that has no more pages to give.
    NothingToGrow,
    /// A map that does not grow, since what lies behind it may be promised to another.
    NeverGrows,
    /// A line of the list of maps that is not as the kernel writes them.
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "the list of maps allocates")
    )]
    OddLine,
    /// A range that ends before it starts.
    Reversed,
    /// A number that no NUMA node has.
    NoSuchNode,
    /// A memory policy that is newer than this crate.
    UnknownPolicy,
    /// Fewer bytes than there are, for a call that only adds some.
    OnlyGrows,
    /// Another file than the one that is mapped.
    OtherFile,
    /// A map that would have to be made anew, without the options that it was asked for with.
    LosesOptions,
    /// Parts of the map were sealed before the rest could not be.
    PartlySealed,
    /// What is to be changed does not start and end where pages do.
    NotWholePages,
    /// The kernel may hold the map as several mappings.
    InPieces,
    /// The map is exposed, and was made of a file.
    NotAnonymous,
    /// A file that cannot be sealed.
    NoSeals,
    /// The seal against writing is missing.
    NoSealWrite,
    /// The seal against shrinking is missing.
    NoSealShrink,
    /// The seal against growing is missing.
    NoSealGrow,
    /// More is asked for than the file has.
    PastTheEnd,
    /// A file that ends within a page.
    NoWholePages,
    /// Memory may not be overcommitted, and the descriptor is for reading only.
    OnlyRead,
    /// Memory may not be overcommitted.
    NoOvercommit,
    /// Two maps that do not make one.
    NotNeighbours,
    /// The source would start at another place in its first page than the map it replaces.
    OtherHead,
    /// A fixed placement at address 0, or so low that the first page would be there.
    AddressZero,
    /// An alignment that is no power of two.
    NoAlignment,
    /// A place that is not aligned as it was asked.
    Unaligned,
    /// Zeros for a forked child, of memory that is shared or of a file.
    NotWiped,
    /// Permissions with bits that are not read, write or execute.
    BadPermissions,
    /// How to make cores see new instructions is not known for this architecture.
    NoPublish,
    /// This architecture has no landing pads.
    NoBranchProtection,
    /// Advice that is not for another process.
    NotForOthers,
    /// Too many ranges, or one that ends before it starts.
    BadRanges,
    /// Protection keys of this architecture are not supported.
    NoKeys,
    /// A map with another protection key.
    OtherKey,
    /// Huge pages without a reservation.
    UnreservedHuge,
    /// A size that is no size of huge pages.
    NoSuchHugePages,
    /// A file in pages of another size than was asked for.
    OtherHugePages,
    /// Huge pages are not given back before they are unmapped.
    HugeKept,
    /// Huge pages are neither taken out of a map nor mapped twice.
    HugeTwice,
    /// A map of huge pages does not grow.
    HugeBounded,
    /// Huge pages that were split from others do not move.
    HugeCut,
    /// This kernel does not move huge pages.
    HugeStays,
    /// Shared anonymous memory without a reservation.
    UnreservedShared,
    /// Nothing can be brought in without permission to read or write.
    NothingToPopulate,
    /// One of the descriptors 0, 1 and 2.
    StandardFd,
    /// A directory.
    Directory,
    /// A pipe or FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A descriptor of no file: epoll, a timer, a ring, a virtual machine.
    ControlFd,
    /// A file that the kernel makes up, such as those of procfs and sysfs.
    KernelFile,
    /// A file of `memfd_secret`.
    SecretFile,
    /// A file in huge pages.
    HugeFile,
    /// The remembered permissions do not allow the copy.
    Forbidden,
    /// A range that does not lie in the map.
    OutOfRange,
    /// No page starts at the cut.
    NotOnPage,
    /// The first byte is not aligned for the atomics.
    Misaligned,
    /// The length is no multiple of the atomics' size.
    Ragged,
    /// Atomics of another size are in use.
    OtherWidth,
    /// The first byte is not aligned for a struct.
    MisalignedBlock,
    /// The map is shorter than a struct.
    ShortOfBlock,
    /// Atomics of one size are in use.
    WidthFixed,
    /// The new pages have another length or page size than those to be replaced.
    OtherPages,
    /// What was to be replaced may be gone.
    RangeLost,
    /// What was to be replaced in place is gone.
    PlaceLost,
    /// A range of a reservation that may be another's since a replacement failed.
    RangeAbandoned,
    /// A replacement in a reservation failed after what was there had been unmapped, and the range is reserved again.
    RangeEmptied,
    /// A view of a reservation in which a device was placed.
    DeviceInside,
    /// An option for pages, of which a reservation has none.
    NoPagesYet,
    /// So near below the main thread's stack that it could grow there.
    NearStack,
    /// Permissions changed half way and could not be restored.
    PermissionsLost,
    /// Droppable memory that is to be kept.
    DroppableLocked,
    /// Droppable memory in huge pages.
    DroppableHuge,
    /// The kernel has no droppable memory.
    NoDroppable,
    /// A synchronous map of what is no file, or private.
    NotSynchronous,
    /// The file system has no direct access.
    NoDirectAccess,
    /// A guarded map that was to have another length.
    Guarded,
    /// Guards beside a place that is given away.
    GuardedOnto,
    /// The place lies in another part of the address space than was asked for.
    OutOfReach,
    /// There is no room below 2 GiB.
    NoRoomBelow,
    /// There is no room at 2^47 and above.
    NoRoomAbove,
    /// A name that the kernel does not take.
    BadName,
    /// No byte that could be guest memory.
    #[allow(dead_code, reason = "only with the feature `vm-memory`")]
    NoGuestMemory,
    /// Guest memory that ends behind the largest guest address.
    #[allow(dead_code, reason = "only with the feature `vm-memory`")]
    PastGuestAddresses,
    /// No way of paging, or an unknown one.
    NoMode,
    /// The map starts within a page.
    StartsInPage,
    /// The kernel does not track writes.
    NoTracking,
    /// The kernel does not scan pages.
    NoScan,
    /// The kernel does not show guards.
    GuardsUnseen,
    /// What was made by another process, before it forked.
    OtherProcess,
    /// Huge pages, which are all there.
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "supplying pages allocates")
    )]
    HugeThere,
    /// A map whose pages were supplied is gone, or was taken back.
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "supplying pages allocates")
    )]
    SupplyEnded,
    /// Pages of a map that would be filled with bytes of the same map.
    #[cfg_attr(
        not(feature = "std"),
        expect(dead_code, reason = "supplying pages allocates")
    )]
    OwnPages,
}

impl Reason {
    /// The errno of a refusal before the system call: what the kernel would have said.
    pub(crate) fn errno(self) -> Errno {
        match self {
            Self::TooLong | Self::NoRoomBelow | Self::NoRoomAbove => Errno::NOMEM,
            Self::OffsetTooFar => Errno::OVERFLOW,
            Self::Directory => Errno::ISDIR,
            Self::Pipe | Self::Socket | Self::CharacterDevice | Self::ControlFd => Errno::NODEV,
            Self::NotSynchronous | Self::NoDirectAccess => Errno::OPNOTSUPP,
            Self::KernelFile
            | Self::SecretFile
            | Self::HugeFile
            | Self::UnreservedShared
            | Self::NoKeys
            | Self::NoTracking
            | Self::NoScan
            | Self::GuardsUnseen
            | Self::NoPublish
            | Self::NoBranchProtection
            | Self::UnreservedHuge => Errno::OPNOTSUPP,
            Self::UnknownPolicy => Errno::OPNOTSUPP,
            Self::Forbidden | Self::DeviceInside => Errno::ACCESS,
            Self::RangeAbandoned => Errno::FAULT,
            Self::NearStack => Errno::EXIST,
            Self::OtherProcess => Errno::SRCH,
            Self::SupplyEnded => Errno::NOENT,
            Self::OwnPages => Errno::DEADLK,
            _ => Errno::INVAL,
        }
    }
}
