//! The sentence for people: the likely cause of a failure on Linux and what to do about it.

use mmarinus_sys::Errno;

use super::{Cause, Operation, Reason};

/// The likely cause of a failure, and the remedy.
pub(crate) fn hint(cause: Cause) -> &'static str {
    let Cause {
        operation,
        reason,
        errno,
        ..
    } = cause;
    match reason {
        Reason::Kernel => kernel(operation, errno),
        Reason::TooLong => "no object in Rust has more than isize::MAX bytes; ask for fewer",
        Reason::OffsetTooFar => {
            "the map would end past the largest offset in a file, 2^63 - 1; ask for a smaller offset"
        }
        Reason::Misplaced => {
            "the address and the offset in the file must agree modulo the page size, since pages are mapped whole; move one \
             of them, or let the kernel choose with `.anywhere()` or `.near(address)`"
        }
        Reason::MisplacedMove => {
            "pages are moved whole, so the new address must agree with the old one modulo the page size; choose one that \
             does"
        }
        Reason::NothingToGrow => {
            "an empty map knows no file and no options (locked, no_reserve, stack, dont_fork, wipe_on_fork) to make new \
             pages with; map anew"
        }
        Reason::NeverGrows => {
            "this map was split from one whose file was promised to be stable, and could grow over the rest; map the file anew, \
             or use `grow_file`"
        }
        Reason::OddLine => {
            "this line is not as Linux writes it; go on with the next one, and look whether something else is mounted on /proc"
        }
        Reason::Reversed => "the range must start before it ends",
        Reason::NoSuchNode => {
            "no kernel has so many nodes; /sys/devices/system/node/online lists those that are there"
        }
        Reason::UnknownPolicy => {
            "the policy there is newer than this crate; mmarinus_sys::get_mempolicy_at tells its number"
        }
        Reason::OnlyGrows => "the map has more bytes already; `resize` makes it shorter",
        Reason::OtherFile => {
            "this is not the file that is mapped: its device or its number is another one; hand in the descriptor that the map \
             was made of, or one of the same file"
        }
        Reason::LosesOptions => {
            "a shared map of a file that was promised to be stable is mapped anew to grow, and this one is locked or was asked \
             for with options (locked, no_reserve, stack, dont_fork) that the new one would lack; map the file anew by the \
             builder"
        }
        Reason::PartlySealed => {
            "the kernel held this map as several mappings and may have sealed some of them before it failed; they stay as \
             they are for ever, so there is no map any more; the usual cause is vm.max_map_count"
        }
        Reason::NotWholePages => {
            "this changes whole pages, so the range must start and end where pages do, or where the map does; round it"
        }
        Reason::InPieces => {
            "the kernel may hold this map as several mappings, since parts of it were locked, advised or joined, and could \
             stop half way; split it where they meet"
        }
        Reason::NotAnonymous => {
            "this map was made of a file before it was exposed, and giving its pages back would not zero them; write zeros \
             instead"
        }
        Reason::NoSeals => {
            "this file cannot be sealed; only a file of memfd_create with MFD_ALLOW_SEALING can, so copy the bytes into one"
        }
        Reason::NoSealWrite => {
            "the file lacks the seal F_SEAL_WRITE, so its bytes could change; add it"
        }
        Reason::NoSealShrink => {
            "the file lacks the seal F_SEAL_SHRINK, so its pages could go; add it"
        }
        Reason::NoSealGrow => {
            "the file lacks the seal F_SEAL_GROW, so its end could change; add it"
        }
        Reason::PastTheEnd => {
            "the map would reach past the end of the file, where touching it is SIGBUS; ask for fewer bytes"
        }
        Reason::NoWholePages => {
            "a mirror shows whole pages of a file, so where it starts and how long it is must both be a whole number of pages; \
             round them, and set the length of a file that is mirrored whole before its size is sealed"
        }
        Reason::NoOvercommit => {
            "memory may not be overcommitted here (vm.overcommit_memory is 2, or cannot be read), so touching a hole that \
             somebody punches into the file would be SIGBUS; seal it against writing as well, or map it by `.from` and copy"
        }
        Reason::OnlyRead => {
            "memory may not be overcommitted here (vm.overcommit_memory is 2), so the holes of the file must be given memory, \
             which a descriptor for reading only cannot do; open it for writing as well, or map it by `.from` and copy"
        }
        Reason::NotNeighbours => {
            "the second map must start right where the first one ends, at a page of the same size, and atomics of both must \
             have the same size; give the parts of a split in their order"
        }
        Reason::OtherHead => {
            "pages are replaced whole, so the new first byte must lie as far into its page as the old one; give an offset \
             that agrees with the address modulo the page size (0 for anonymous memory)"
        }
        Reason::AddressZero => {
            "nothing in Rust may live in page 0; ask for another address, or for `.anywhere()`"
        }
        Reason::NoAlignment => "an alignment is a power of two; round it up to one",
        Reason::Unaligned => {
            "the place and the alignment that were asked for do not agree; leave one of them out"
        }
        Reason::NotWiped => {
            "only private anonymous memory is zeroed in a forked child; use `.dont_fork()` for other maps"
        }
        Reason::BadPermissions => "permissions are READ, WRITE and EXEC; take away the other bits",
        Reason::UnreservedShared => {
            "shared anonymous memory without a reservation raises SIGBUS when memory runs out; leave out `.no_reserve()`, or \
             map it `Private`"
        }
        Reason::NoPublish => {
            "code is published on x86, x86_64 and aarch64 only; on other architectures, flush the instruction cache by their own \
             means"
        }
        Reason::NoBranchProtection => {
            "only aarch64 marks pages whose indirect jumps need landing pads (PROT_BTI); use the map as it is"
        }
        Reason::NotForOthers => {
            "another process is only advised COLD, PAGEOUT, WILLNEED or COLLAPSE; advise about maps of this one by Map::advise"
        }
        Reason::BadRanges => "at most 64 ranges are taken, and each starts before it ends",
        Reason::NoKeys => {
            "protection keys are supported on x86 only; reprotect to perms::None between uses instead"
        }
        Reason::OtherKey => "this map was attached to another key; open a scope of that one",
        Reason::UnreservedHuge => {
            "huge pages without a reservation raise SIGBUS when the pool is empty; leave out `.no_reserve()`"
        }
        Reason::NoSuchHugePages => {
            "this is no size of huge pages; /sys/kernel/mm/hugepages lists those of this machine"
        }
        Reason::OtherHugePages => {
            "a file says itself in which pages it is, and this one is in others; leave out `.with_huge_pages(size)`"
        }
        Reason::HugeKept => {
            "huge pages are not given back one by one: touching them again is SIGBUS if the pool is empty by then; write \
             zeros, or drop the map"
        }
        Reason::HugeTwice => {
            "the kernel neither takes huge pages out of a map nor maps them a second time so; map the file again, or copy"
        }
        Reason::HugeBounded => "huge pages do not grow in place; map as many as needed, and copy",
        Reason::HugeCut => {
            "these huge pages were split from others, and to move one part would take pages away from the other; move before \
             splitting"
        }
        Reason::HugeStays => "moving huge pages needs Linux 5.16; map them anew, elsewhere",
        Reason::NothingToPopulate => {
            "pages come in by reading or writing, and these permissions allow neither; leave out `.populate()`, or map with \
             perms::Read and reprotect afterwards"
        }
        Reason::StandardFd => {
            "behind 0, 1 and 2 any code may put another file at any time; duplicate the descriptor (`try_clone_to_owned`) \
             and map the duplicate"
        }
        Reason::Directory => {
            "this is a directory, and only files have bytes to map; name a file in it"
        }
        Reason::Pipe => "this is a pipe, and only files have pages to map; read from it instead",
        Reason::Socket => {
            "this is a socket, and only files have pages to map; read from it, or map it with `.from_device`"
        }
        Reason::CharacterDevice => {
            "this is a character device, whose driver decides what its pages are; map it with `.from_device`"
        }
        Reason::ControlFd => {
            "this descriptor belongs to no file: what it maps controls the kernel; map it with `.from_device`"
        }
        Reason::KernelFile => {
            "the kernel makes this file up (procfs, sysfs and their like): its pages are no page cache; read it, or map it \
             with `.from_device`"
        }
        Reason::SecretFile => {
            "files of memfd_secret cannot be copied from by the kernel, so no checked copy exists; map it `Shared` with \
             `.from_device`, and promise that it stays (`assume_present`)"
        }
        Reason::HugeFile => {
            "this file is in huge pages: whoever punches a hole into it can leave no page to fill it, which is SIGBUS; seal it \
             against writing as well, or map it by `.from` and copy"
        }
        Reason::Forbidden => "the permissions of the map do not allow this; reprotect it first",
        Reason::OutOfRange if operation == Operation::View => {
            "the range must start before it ends and lie in the map; check both of its ends"
        }
        Reason::OutOfRange if operation == Operation::Mirror => {
            "a position is below the capacity, and a part is at most as long as that, so that it holds no byte twice"
        }
        Reason::OutOfRange => "the bytes must lie in the map",
        Reason::NotOnPage => {
            "a map can only be cut where a page starts; round the offset to a multiple of `page_size()`"
        }
        Reason::Misaligned => "an atomic lies at a multiple of its size; move the range",
        Reason::Ragged => "only a whole number of them is lent; cut the range to one",
        Reason::OtherWidth => {
            "atomics of different sizes must not race, so a map has one size of them from the first use on; use that one"
        }
        Reason::MisalignedBlock => {
            "a struct lies at a multiple of its alignment; map it from an offset that is one, or start the map at a page"
        }
        Reason::ShortOfBlock => "all of the struct must lie in the map; map more bytes",
        Reason::WidthFixed => {
            "atomics of one size were made of this map, and a twin of it may still use them; make the struct of a map that has \
             lent none"
        }
        Reason::OtherPages => "what replaces pages must have the same length and page size as they",
        Reason::RangeLost => {
            "the kernel may have unmapped the range before it failed, and another thread may own it by now, so the old map \
             is gone; the usual cause is vm.max_map_count (raise it, or hold fewer maps), or a driver whose pages do not \
             move"
        }
        Reason::PlaceLost => {
            "the driver or the kernel refused, and may have unmapped the range before, so the old map is gone (`remap` keeps it, \
             where pages can be moved); check that the device maps this length and offset with these permissions"
        }
        Reason::RangeAbandoned => {
            "a replacement of these pages failed, now or before, after the kernel may have unmapped them, and another thread may \
             own the range by now; so it is never touched again; use another range"
        }
        Reason::RangeEmptied => {
            "what was in the range is gone, and it is reserved again, inaccessible; the errno is what the kernel said to the new \
             pages, mostly that their driver takes no such address, offset, length or permissions"
        }
        Reason::DeviceInside => {
            "a device was placed in this reservation, and what is written to a device may make the kernel or the hardware write \
             anywhere; `unsafe { view.write_device_at(offset, bytes) }` writes where that is known to be harmless"
        }
        Reason::NoPagesYet => {
            "a reservation has no pages yet, only addresses; leave out the options for pages, and name them for what is put \
             into it"
        }
        Reason::NearStack => {
            "the main thread's stack may grow down to this address, and would do so without a fault once memory is there; ask \
             for an address further down, or for `.anywhere()`"
        }
        Reason::PermissionsLost => {
            "some pages were changed before the failure and could not be changed back, so the map was unmapped; the usual \
             cause is vm.max_map_count (raise it, or hold fewer maps), or that a part was sealed by mseal or seccomp forbids \
             mprotect; map anew"
        }
        Reason::DroppableLocked => {
            "memory that may be dropped cannot be kept; leave out `.locked()` or `.droppable()`"
        }
        Reason::DroppableHuge => {
            "huge pages from the pool are never dropped; leave out `.with_huge_pages(size)` or `.droppable()`"
        }
        Reason::NoDroppable => {
            "memory that may be dropped (MAP_DROPPABLE) needs Linux 6.11 and a 64-bit kernel; leave out `.droppable()`, and give \
             pages back by `discard`"
        }
        Reason::NotSynchronous => {
            "only shared maps of files on persistent memory are synchronous, and not on every architecture; say \
             `.synchronous()` after `.from(&file, offset)` and `.with_kind(Shared)`, or leave it out"
        }
        Reason::NoDirectAccess => {
            "the file is not on persistent memory with direct access (DAX), so that what is written is durable only after \
             `sync`; mount such a file system with -o dax, or leave out `.synchronous()`"
        }
        Reason::Guarded => {
            "a guarded map keeps its length, since a guard stands where it would end; map anew, or leave out `.guarded()`"
        }
        Reason::GuardedOnto => {
            "guards would lie beside the place that `.onto(address)` gives away; leave out `.guarded()`, or use \
             `.at(address)`"
        }
        Reason::OutOfReach => {
            "the address that was asked for does not lie in the part of the address space that was asked for \
             (`.below_2gib()`, `.above_47_bits()`); leave one of them out"
        }
        Reason::NoRoomBelow => {
            "there is no room below 2 GiB (or vm.max_map_count, RLIMIT_AS or the commit limit leaves none); ask for fewer \
             bytes, or leave out `.below_2gib()`"
        }
        Reason::NoRoomAbove => {
            "there is no room at 2^47 and above: addresses go that far only where CPU and kernel have more bits of them (la57 in \
             /proc/cpuinfo of x86_64); leave out `.above_47_bits()`"
        }
        Reason::NoMode => "the modes are MISSING, WP and MINOR; name one of them, or several",
        Reason::StartsInPage => {
            "pages are brought in whole, so the map must start at one: give an offset in the file that is a multiple of the \
             page size"
        }
        Reason::NoTracking => {
            "tracking writes needs a userfaultfd with WP_ASYNC: Linux 6.7, built with CONFIG_PTE_MARKER_UFFD_WP, on x86_64 or \
             arm64; compare copies, or write through a layer of your own"
        }
        Reason::NoScan => {
            "looking at pages one by one needs PAGEMAP_SCAN, Linux 6.7; `stats` counts them on older kernels"
        }
        Reason::GuardsUnseen => {
            "before Linux 6.15 the kernel does not show which pages are guards; ask without `GUARD`"
        }
        Reason::OtherProcess => {
            "this was made before the process forked, and acts on the memory of the parent; make a new one in the child"
        }
        Reason::HugeThere => {
            "huge pages of a pool are all there as soon as they are mapped, so nothing is left to supply; map ordinary pages"
        }
        Reason::SupplyEnded => {
            "the map of these pages was dropped or taken back, so nobody waits for them any more; stop supplying"
        }
        Reason::OwnPages => {
            "the bytes lie in the map that is supplied, and to read a page of it that is missing would be to wait for oneself; \
             copy them elsewhere first"
        }
        Reason::NoGuestMemory => {
            "a region of guest memory has at least one byte; leave an empty map out"
        }
        Reason::PastGuestAddresses => {
            "the region would end behind the largest guest address, 2^64 - 1; place it lower"
        }
        Reason::BadName => {
            "a name has at most 79 bytes, all of them printable ASCII, and none of \\ ` $ [ ]; shorten it or replace them"
        }
    }
}

/// What an errno of a call usually means on Linux, and what to do.
fn kernel(operation: Operation, errno: Errno) -> &'static str {
    use Operation as O;
    match (operation, errno) {
        (O::Mmap, Errno::ACCESS) => {
            "the file must be open for reading; to write to a shared map it must be open for writing as well (O_RDWR), and \
             not sealed; open it so, or map it `Private`"
        }
        (O::Mmap, Errno::AGAIN) => {
            "locked memory would pass RLIMIT_MEMLOCK; raise the limit (ulimit -l), or leave out `.locked()`"
        }
        (O::Mmap, Errno::BADF) => {
            "the descriptor was opened with O_PATH; open the file for reading"
        }
        (O::Mmap, Errno::EXIST) => {
            "something is mapped there, or the main thread's stack ends just above it, or it is below vm.mmap_min_addr; \
             choose another address, or use `.near(address)`"
        }
        (O::Mmap, Errno::INVAL) => {
            "this driver takes no such map: of another kind (a secret is only mapped `Shared`), length or offset than it knows; \
             ask for those that its documentation names, for a packet socket or a performance event after it was set up"
        }
        (O::Mmap, Errno::NFILE | Errno::MFILE) => "too many files are open; close some",
        (O::Mmap, Errno::NODEV) => {
            "the driver or file system behind this descriptor has nothing to map; read it instead"
        }
        (O::Mmap, Errno::NOMEM) => {
            "no room: the address space, RLIMIT_AS (ulimit -v), the commit limit (vm.overcommit_memory) or vm.max_map_count \
             is used up, or the addresses lie outside of it; ask for fewer bytes, hold fewer maps, or use `.no_reserve()`"
        }
        (O::Mremap, Errno::NOMEM) => {
            "moving pages needs room for a few more mappings than vm.max_map_count leaves, and nothing was moved; raise it, or \
             hold fewer maps"
        }
        (O::Mmap, Errno::OVERFLOW) => {
            "the map would end past the largest offset that the file can have; ask for a smaller offset or fewer bytes"
        }
        (O::Mmap, Errno::OPNOTSUPP) => {
            "the file system or driver lacks what was asked for, such as direct access (MAP_SYNC needs DAX); leave it out"
        }
        (O::Mmap, Errno::PERM) => {
            "a seal (F_SEAL_WRITE, F_SEAL_FUTURE_WRITE), the mount (noexec), the driver or a security module forbids it, \
             RLIMIT_MEMLOCK is 0 and `.locked()` was asked for, or the address is below vm.mmap_min_addr; map it `Private` \
             or with fewer permissions, or raise the limit (ulimit -l)"
        }
        (O::Mmap, Errno::TXTBSY) => {
            "the file is used as swap space; name another, or switch that off (swapoff)"
        }
        (O::Mprotect, Errno::ACCESS) => {
            "the file was not opened for writing and the map is shared, or a policy forbids pages that are executable; open \
             it for reading and writing, or map it `Private`"
        }
        (O::Mprotect, Errno::NOMEM) => {
            "a part with other permissions is a mapping of its own, and there are vm.max_map_count of them; raise it or hold \
             fewer maps; or the commit limit (vm.overcommit_memory) has no room for private pages that become writable"
        }
        (O::Mprotect, Errno::PERM) => {
            "a part is sealed by mseal, and sealed pages keep their permissions for ever, or seccomp or a security module \
             forbids the call; map other pages, or allow it"
        }
        (O::MmapHuge, Errno::NOMEM) => {
            "reserve more of them (as root, write a number to nr_hugepages there, best soon after boot), or map ordinary pages \
             and use transparent huge pages with Advice::HUGEPAGE; the address space, RLIMIT_AS or vm.max_map_count may be \
             used up as well"
        }
        (O::MmapHuge, Errno::INVAL) => {
            "ask for a size that the machine has, or HugePage::DEFAULT; a file in huge pages ends, and offsets lie, at whole \
             ones; and moving huge pages to an aligned or fixed address needs Linux 5.16"
        }
        (O::MmapHuge, Errno::EXIST) => {
            "something is mapped there; choose another address, or use `.near(address)`"
        }
        (O::MmapHuge, errno) => kernel(O::Mmap, errno),
        (O::PopulateHuge, Errno::FAULT) => {
            "a huge page could not be had though it was reserved: a limit of the cgroup (hugetlb), a NUMA policy or the \
             cpuset allow none, or the file ends before the map does; raise the limit, or map less"
        }
        (O::PopulateHuge, Errno::OPNOTSUPP) => {
            "private maps of files in huge pages that may be written need Linux 5.14; ask for perms::Read, or map `Shared`"
        }
        (O::PopulateHuge, Errno::NOMEM) => "memory ran out; ask for fewer huge pages",
        (O::MemfdSecret, Errno::NOSYS) => {
            "secret memory needs Linux 5.14 and CONFIG_SECRETMEM, before Linux 6.5 also the boot parameter secretmem.enable=1; \
             or lock anonymous memory, and use Advice::DONTDUMP and `.dont_fork()`"
        }
        (O::MemfdSecret, Errno::NFILE | Errno::MFILE) => "too many files are open; close some",
        (O::TouchSecret, Errno::FAULT) => {
            "a page of it could not be had: some kernels count secret memory by RLIMIT_MEMLOCK (ulimit -l) only when it is \
             touched, for root as well; raise the limit, ask for less, or memory ran out"
        }
        (O::TouchSecret, errno) => copy_hint(O::Write, errno),
        (O::MemfdSecret, Errno::FBIG) => {
            "secret memory is a file to the kernel, and RLIMIT_FSIZE (ulimit -f) allows none of this size; raise it, or ask \
             for less"
        }
        (O::MemfdSecret, Errno::NOMEM) => "no memory is left; free some",
        (O::PkeyAlloc, Errno::INVAL | Errno::NOSPC | Errno::NOSYS) => {
            "this CPU or kernel has no protection keys (see pku and ospke in /proc/cpuinfo), or all 15 of the process are taken; \
             drop one, or reprotect to perms::None between uses instead"
        }
        (O::Publish, Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
            "the kernel was built without membarrier (CONFIG_MEMBARRIER), or seccomp forbids it; allow it for this process"
        }
        (O::ProcessMadvise, Errno::PERM) => {
            "advising another process needs CAP_SYS_NICE and the right to look into it (as for ptrace)"
        }
        (O::ProcessMadvise, Errno::NOMEM) => {
            "nothing is mapped at one of the addresses; they are those of the other process, as its /proc/PID/maps tells"
        }
        (O::ProcessMadvise, Errno::INVAL) => {
            "this kernel does not give other processes such advice (COLLAPSE needs Linux 6.1), the pages do not take it, or a \
             range does not start where a page does"
        }
        (O::ProcessMadvise, Errno::BADF) => "the descriptor is no pidfd; open one by pidfd_open",
        (O::ProcessMadvise, Errno::SRCH) => "the process has ended",
        (O::PkeyMprotect, errno) => kernel(O::Mprotect, errno),
        (O::Munmap, Errno::NOMEM) => {
            "unmapping the middle of a mapping makes two of it, and there are vm.max_map_count of them; raise it, or unmap \
             other maps first"
        }
        (O::Munmap, Errno::PERM) => {
            "a part is sealed by mseal, and sealed pages stay mapped for ever, or seccomp forbids munmap; leak the map, or \
             allow the call"
        }
        (O::Populate, Errno::FAULT) => {
            "some page could not be brought in: the file ends before the map does, its storage is full or failed, or the \
             device has no page there; map less, or extend the file first"
        }
        (O::Populate, Errno::OPNOTSUPP) => {
            "bringing in pages that may only be written needs Linux 5.14; ask for perms::ReadWrite, or leave out `.populate()`"
        }
        (O::Name, Errno::INVAL) => {
            "this kernel has no names: it is older than 5.17, or was built without CONFIG_ANON_VMA_NAME; do without"
        }
        (O::Name, Errno::BADF) => {
            "only memory of no file has a name, and shared memory only since Linux 6.2; do without"
        }
        (O::Name, Errno::NOMEM) => {
            "a part with another name is a mapping of its own, and there are vm.max_map_count of them; raise it or hold fewer \
             maps"
        }
        (O::Populate, Errno::NOMEM) => "memory ran out; ask for fewer bytes",
        (O::Preallocate, Errno::FAULT) => {
            "there is no room for some page: the storage is full or failed, a quota is used up, or the file ends before the \
             range does; make room, or extend the file (`set_len`) first"
        }
        (O::Preallocate, Errno::INVAL) => {
            "making room through a map (MADV_POPULATE_WRITE) needs Linux 5.14 and pages of a file, not of a device; use \
             fallocate on the file instead"
        }
        (O::Preallocate, Errno::NOMEM) => "memory ran out; preallocate fewer bytes at a time",
        (O::Resize, Errno::AGAIN) => {
            "the map is locked, and would pass RLIMIT_MEMLOCK; raise the limit (ulimit -l), or unlock it"
        }
        (O::Resize | O::Move | O::Take | O::Duplicate, Errno::FAULT) => {
            "the kernel holds this map as several mappings, since parts of it were locked, advised or joined, and works on \
             one only (split it where they meet); or the driver of a device does not let its pages grow or be mapped twice \
             (map its descriptor again)"
        }
        (O::Resize, Errno::INVAL) => {
            "no room of this length exists in the address space; ask for fewer bytes"
        }
        (O::Resize | O::Move | O::Take | O::Duplicate, Errno::NOMEM) => {
            "no room: what follows the map is taken (if it is to stay where it is), or the address space, RLIMIT_AS, the \
             commit limit (vm.overcommit_memory) or vm.max_map_count is used up; hold fewer maps, or ask for fewer bytes"
        }
        (O::Move, Errno::EXIST) => "something is mapped there; choose another address",
        (O::Take, Errno::INVAL) => "emptying pages of files by moving them needs Linux 5.13",
        (O::Move | O::Mremap, Errno::INVAL) => {
            "the driver behind these pages ties them to their address; map its descriptor anew at the other one"
        }
        (O::Duplicate, Errno::INVAL) => {
            "the driver behind this map does not let it be mapped twice so; map the descriptor again"
        }
        (O::Resize | O::Move | O::Take | O::Duplicate, Errno::PERM) => {
            "a part is sealed by mseal, and sealed pages stay where they are for ever, or seccomp forbids mremap; map anew \
             and copy, or allow the call"
        }
        (O::Mseal, Errno::NOMEM) => {
            "a part that is sealed is a mapping of its own, and there are vm.max_map_count of them; raise it, hold fewer maps, \
             or seal maps that are not parts of others"
        }
        (O::Mseal, Errno::NOSYS) => {
            "mseal needs Linux 6.10 and a 64-bit kernel; do without, or use `leak` for a map that lives for ever"
        }
        (O::Madvise, Errno::AGAIN | Errno::NOMEM) => {
            "advice for a part makes a mapping of its own, and there are vm.max_map_count of them (raise it, or hold fewer \
             maps); or memory ran out (try again with fewer bytes)"
        }
        (O::Madvise, Errno::OPNOTSUPP) => {
            "the file system behind these pages has no holes; write zeros instead"
        }
        (O::Madvise, Errno::PERM) => {
            "the file is sealed against new writes (F_SEAL_FUTURE_WRITE), which holes are too, and only maps from before write \
             it; write zeros through the map instead"
        }
        (O::Madvise, Errno::BUSY) => {
            "the pages are in use elsewhere, as by a transfer that is still going on; try again"
        }
        (O::Madvise, Errno::TXTBSY) => {
            "the file is used as swap space; leave its blocks alone, or switch that off (swapoff)"
        }
        (O::Madvise, Errno::INVAL) => {
            "this kernel, or these pages (of a device, of a secret, huge, locked, or without permission to read and write), do \
             not know the advice: each constant of Advice says since when it exists; unlock the pages first, or leave it out"
        }
        (O::Madvise, Errno::FAULT) => {
            "some page could not be brought in: the file ends before the map does, or its storage is full or failed; name \
             fewer bytes, or extend the file"
        }
        (O::Mlock, Errno::PERM) => {
            "RLIMIT_MEMLOCK is 0, so nothing may be locked; raise it (ulimit -l)"
        }
        (O::Mlock, Errno::NOMEM) => {
            "locked memory would pass RLIMIT_MEMLOCK (raise it: ulimit -l); or a page could not be brought in, past the end of a \
             file or without permission to read or write it (lock fewer bytes); or the locked part would be one mapping more \
             than vm.max_map_count (lock the whole map)"
        }
        (O::Munlock, Errno::NOMEM) => {
            "a part that is not locked is a mapping of its own, and there are vm.max_map_count of them; raise it, or unlock \
             the whole map"
        }
        (O::Mlock, Errno::AGAIN) => "some pages could not be brought in now; try again",
        (O::Msync, Errno::BUSY) => "pages that are locked are not invalidated; unlock them first",
        (O::Msync, Errno::IO | Errno::NOSPC | Errno::DQUOT) => {
            "the storage failed or is full, and what was written may be lost; check it, and write again"
        }
        (O::Open, Errno::ACCESS) => {
            "this user may not open the file; check its mode and those of the directories above it"
        }
        (O::Open, Errno::AGAIN) => "another process holds a lease on the file; try again",
        (O::Open, Errno::ISDIR) => {
            "this is a directory, and only files have bytes to map; name a file in it"
        }
        (O::Maps | O::Stats, Errno::NOENT | Errno::NOTDIR) => {
            "no /proc is mounted here; mount it: the kernel tells of maps and pages there alone"
        }
        (O::Maps | O::Stats, Errno::ACCESS | Errno::PERM) => {
            "this process may not be looked into, not even by itself: it is not dumpable (PR_SET_DUMPABLE, a set-user-id \
             program), or a security module forbids it"
        }
        (O::Maps | O::Stats, Errno::MFILE | Errno::NFILE) => {
            "too many files are open, and this opens one; close some"
        }
        (O::Maps | O::Stats, Errno::NOMEM) => "the kernel had no memory for the work; try again",
        (O::Mincore, Errno::AGAIN) => "the kernel has no memory for the answer; try again",
        (O::PageCache, Errno::NOSYS) => {
            "cachestat needs Linux 6.5; use `residency` of a map instead"
        }
        (O::PageCache, Errno::PERM) => {
            "what is in the page cache is told only to who owns the file or may write it"
        }
        (O::Mbind | O::HomeNode | O::GetMempolicy | O::MovePages, Errno::NOSYS) => {
            "this kernel is built without NUMA (CONFIG_NUMA), or, for the home node, is older than Linux 5.17; leave memory \
             where it is"
        }
        (O::Mbind, Errno::INVAL) => {
            "the policy names no node that is there and allowed (`numa::allowed()` tells them), or its mode or a flag needs a \
             newer kernel: preferred_many and balancing Linux 5.15, weighted_interleave Linux 6.9"
        }
        (O::Mbind, Errno::IO) => {
            "a page that is there does not follow the policy: it is in use by others, pinned, or its node is full; use \
             `Existing::Stay`, or `Existing::MoveAll` as root"
        }
        (O::HomeNode, Errno::INVAL) => {
            "this node is not there; /sys/devices/system/node/online lists those that are"
        }
        (O::HomeNode, Errno::NOENT | Errno::OPNOTSUPP) => {
            "a home node belongs to a policy of bind or preferred_many; set that for all of the range before"
        }
        (O::Mbind | O::MovePages, Errno::PERM) => {
            "moving pages that other processes map needs CAP_SYS_NICE; use `Existing::Move`, or `migrate`"
        }
        (O::Mbind | O::HomeNode, Errno::NOMEM) => {
            "a part with a policy of its own is a mapping of its own, and there are vm.max_map_count of them; or memory ran out"
        }
        (O::MovePages, Errno::ACCESS | Errno::NODEV) => {
            "this node is not there, or not one that the process may use (a cpuset); `numa::allowed()` tells those that are"
        }
        (O::Fallocate, Errno::BADF) => {
            "the descriptor is not open for writing; open the file for reading and writing"
        }
        (O::Fallocate, Errno::DQUOT | Errno::NOSPC) => {
            "the storage has no room for so many blocks, or the quota forbids them; free some, or grow by less"
        }
        (O::Fallocate, Errno::FBIG) => {
            "the file would be larger than its file system or RLIMIT_FSIZE allows; grow by less, or raise the limit (ulimit -f)"
        }
        (O::Fallocate, Errno::NODEV | Errno::OPNOTSUPP | Errno::NOSYS) => {
            "the file system (or block device) cannot allocate blocks beforehand; make the file longer with `set_len` and the \
             map with `resize`, and expect errors of copies when the storage is full"
        }
        (O::Fallocate, Errno::PERM) => {
            "the file is sealed against growing or writing, immutable (chattr +i), or open for appending only; use a file \
             without that"
        }
        (O::Fallocate, Errno::TXTBSY) => "the file is used as swap space; name another",
        (O::Open, Errno::INVAL) => {
            "a path has no zero byte, and this one has; or the flags are not for such a file; check the path"
        }
        (O::Open, Errno::LOOP) => {
            "too many symbolic links stand in the path, or they lead in a circle; check the path"
        }
        (O::Open, Errno::NAMETOOLONG) => {
            "the path has more than 4095 bytes, or a part of it more than 255; use a shorter one, from a nearer directory"
        }
        (O::Open, Errno::ROFS) => {
            "the file system is mounted read-only; map it `Private` or with perms::Read, or mount it anew"
        }
        (O::Open, Errno::PERM) => {
            "the file is immutable or may only be appended to (chattr), or is a memory file sealed against writing; open it \
             for reading only: map it `Private`, or with perms::Read"
        }
        (O::Open, Errno::NOENT) => "there is no such file; check the path",
        (O::Open, Errno::NOTDIR) => "a part of the path is no directory; check the path",
        (O::Open, Errno::NXIO) => {
            "this is a socket, or a FIFO or device with nobody at the other end; name a file"
        }
        (O::Open, Errno::TXTBSY) => "the file is being executed; open it for reading only",
        (O::Open, Errno::MFILE | Errno::NFILE) => "too many files are open; close some",
        (O::Pread, Errno::BADF) => {
            "the descriptor is not open for reading; open the file for reading"
        }
        (O::Pread, Errno::IO) => "the storage failed; check it, or take another copy of the file",
        (O::Pread, Errno::NOMEM) => {
            "there is no memory for a copy of the file; map it instead (`Map::load`)"
        }
        (O::Fstatfs | O::Fstat, Errno::BADF) => {
            "the descriptor is closed; keep it open until the map is made"
        }
        (O::Userfault, Errno::PERM) => {
            "userfaultfd needs CAP_SYS_PTRACE, vm.unprivileged_userfaultfd = 1, or Linux 5.11, which has a mode for user space \
             only; or seccomp forbids it"
        }
        (O::Userfault, Errno::NOSYS) => {
            "this kernel was built without userfaultfd (CONFIG_USERFAULTFD); bring all pages in beforehand"
        }
        (O::Userfault, Errno::INVAL) => {
            "a userfaultfd for user space only needs Linux 5.11; `Userfault::new` needs a privilege instead"
        }
        (O::Userfault, Errno::MFILE | Errno::NFILE) => "too many files are open; close some",
        (O::PageBy, Errno::BUSY) => {
            "another userfaultfd answers for these pages already: they are tracked or paged; take them back from that one first"
        }
        (O::PageBy, Errno::INVAL) => {
            "this kernel brings in pages of such memory not in this way: `MISSING` is for anonymous memory, memory files, tmpfs \
             and huge pages, `MINOR` for shared ones of those (Linux 5.14), `WP` since Linux 5.7 and 5.19"
        }
        (O::PageBy, Errno::PERM) => {
            "the map is shared and can never be written, as its file was opened for reading only or is sealed; map it `Private`"
        }
        (O::PageBy, Errno::NOMEM) => {
            "a mapping of its own is needed, and there are vm.max_map_count of them; raise it, or hold fewer maps"
        }
        (O::UffdRead, Errno::AGAIN) => "no fault waits; `wait` until one does",
        (
            O::UffdCopy | O::UffdZero | O::UffdContinue | O::UffdPoison | O::UffdMove,
            Errno::EXIST,
        ) => {
            "the first page is there already: another thread answered, or nobody needed to; wake who waits, if need be"
        }
        (O::UffdMove, Errno::NOENT) => {
            "the first page to move was never written, or no userfaultfd answers for the target any more, as the map was moved"
        }
        (
            O::UffdCopy | O::UffdZero | O::UffdContinue | O::UffdPoison | O::UffdProtect,
            Errno::NOENT,
        ) => {
            "no userfaultfd answers for these pages in this way: the map was moved, or handed over with other modes"
        }
        (O::UffdMove, Errno::BUSY) => {
            "a page is shared with a forked child, or the kernel works with it; copy it instead"
        }
        (O::UffdMove, Errno::INVAL) => {
            "pages move (since Linux 6.8) between private anonymous maps with the same permissions and locks, and not huge ones \
             of a pool; copy them instead"
        }
        (O::UffdPoison, Errno::INVAL) => {
            "poisoning pages needs Linux 6.6; do not answer, or answer with zeros"
        }
        (O::UffdZero, Errno::INVAL) => "huge pages are not brought in as zeros; copy zeros",
        (O::UffdContinue, Errno::FAULT) => {
            "the file has no page there; write it to the file first, or copy it here"
        }
        (O::UffdCopy | O::UffdZero, Errno::NOMEM | Errno::NOSPC) => {
            "there is no memory for the page; free some"
        }
        (O::Track, Errno::BUSY) => {
            "the pages belong to another userfaultfd already: they are tracked, or paged; take the map back from that one first"
        }
        (O::Track, Errno::PERM) => {
            "the map is shared and its file was opened for reading only, or is sealed: nobody can write it, so there is nothing \
             to track; or seccomp forbids userfaultfd"
        }
        (O::Track, Errno::INVAL) => {
            "the kernel does not track this memory (it is droppable, or a shadow stack)"
        }
        (O::Track, Errno::NOMEM) => {
            "a mapping of its own is needed, and there are vm.max_map_count of them; or memory for page tables ran out: they are \
             a 512th of the map"
        }
        (O::Track, Errno::NOSYS) => "this kernel was built without userfaultfd; compare copies",
        (O::TakeDirty, Errno::PERM) => {
            "this map is not tracked: it was exchanged (mem::swap) or moved since `track_writes`; take it out by `into_map` and \
             track it anew"
        }
        (O::TakeDirty | O::Scan, errno)
        | (O::Track, errno @ (Errno::MFILE | Errno::NFILE | Errno::NOENT | Errno::ACCESS)) => {
            kernel(O::Stats, errno)
        }
        (O::Sigaction, Errno::PERM | Errno::ACCESS | Errno::NOSYS) => {
            "seccomp forbids rt_sigaction; install the handler before the sandbox, or copy without it"
        }
        (O::Read | O::Write | O::ReadFrom | O::WriteTo, errno) => copy_hint(operation, errno),
        (_, Errno::NOSYS) => {
            "this kernel lacks the call, or a sandbox (seccomp) hides it; allow it there, or do without"
        }
        (_, Errno::PERM) => {
            "a sandbox (seccomp) or a security module forbids the call, or it needs a privilege; allow it there, or do without"
        }
        _ => "the man page of the call tells when the kernel says so",
    }
}

/// Why the kernel does not copy, and what to do.
pub(crate) fn copy_hint(operation: Operation, errno: Errno) -> &'static str {
    if matches!(operation, Operation::ReadFrom | Operation::WriteTo) {
        return transfer_hint(errno);
    }
    match errno {
        Errno::FAULT => {
            "the page there is gone or not accessible: the file was truncated, its storage is full or failed, or these are a \
             device's own or secret pages; copy less, or extend the file"
        }
        Errno::NOSYS => {
            "this kernel was built without process_vm_readv and process_vm_writev (CONFIG_CROSS_MEMORY_ATTACH), or seccomp \
             hides them; allow them for this process, or use memory whose pages stay, which is copied without them"
        }
        Errno::PERM | Errno::ACCESS => {
            "seccomp or a security module forbids process_vm_readv and process_vm_writev; allow them for this process"
        }
        Errno::NOMEM => "the kernel had no memory for the copy; try again",
        _ => "process_vm_readv does not usually fail so; its man page tells when",
    }
}

/// Why the kernel does not move bytes between a map and a descriptor, and what to do.
fn transfer_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::FAULT => {
            "the page of the map there is gone or not accessible: the file behind it was truncated, or its storage is full or \
             failed; transfer less, or extend the file"
        }
        Errno::AGAIN => {
            "the descriptor is non-blocking and not ready; wait until it is (poll) and go on after the bytes that were done"
        }
        Errno::BADF => {
            "the descriptor is not open in this direction; open it for reading, or for writing"
        }
        Errno::DQUOT | Errno::NOSPC => "the device or the user's quota is full; free some of it",
        Errno::FBIG => {
            "the file would pass RLIMIT_FSIZE (ulimit -f), or the largest size of its file system"
        }
        Errno::INVAL => {
            "the descriptor cannot be read or written so; for O_DIRECT the address, the length and the offset must be multiples \
             of its block size; an offset is at most 2^63 - 1"
        }
        Errno::IO => "the storage failed",
        Errno::ISDIR => "this is a directory, and only files have bytes; name a file in it",
        Errno::PERM => "a seal of the file forbids it",
        Errno::PIPE => "nobody reads the other end any more",
        Errno::SPIPE => "a pipe or socket has no offsets; use `read_from_fd` and `write_to_fd`",
        _ => "readv(2) and writev(2) tell when the kernel says so",
    }
}
