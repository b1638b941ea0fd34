//! Pages that user space brings in: a userfaultfd, the maps that it answers for, and the faults that wait.
#![expect(unsafe_code, reason = "reads events of a userfaultfd")]

mod answer;
mod register;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, getpid};

use mmarinus_sys::{self as sys, Errno, Support, UffdEvent, UffdEvents, UserfaultfdFlags};

use crate::backing::Paged;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;

pub use mmarinus_sys::{UffdFeatures, UffdMsg, UffdRegisterMode};

/// A userfaultfd: threads that touch missing pages of the maps that it answers for wait until it brings them in.
///
/// A map is handed to it by [`Map::page_by`]. Some thread then reads which faults wait ([`read`](Self::read)) and answers them,
/// by [`copy`](Self::copy), [`zero`](Self::zero), [`poison`](Self::poison) and so on. All these take the map by `&`: so the pages
/// are still there, and are pages that wait for somebody; the kernel itself fills missing pages of any userfaultfd's memory.
/// A map that is shared between threads lives in an `Arc`, or in a scope of threads.
///
/// Nobody has to answer: then whoever touches the page waits for ever. Once the last descriptor of it is closed, pages that are
/// missing are zeros, or what the file holds, without an error; maps do not keep it open.
///
/// Faults of the kernel, as of `read(2)` into a map, or of [`Map::read_at`] without [`fault::install`](crate::fault), wait
/// only if the process was privileged (`CAP_SYS_PTRACE`, or `vm.unprivileged_userfaultfd` is 1) when it was made:
/// [`is_user_mode_only`](Self::is_user_mode_only) says so. Otherwise they fail with `EFAULT`.
///
/// It belongs to the process that made it; a forked child is refused.
///
/// For slices of pages that are brought in, see `Map::supply_pages` (feature `std`).
///
/// # Examples
///
/// ```
/// use mmarinus::userfault::{UffdMsg, UffdRegisterMode};
/// use mmarinus::{Map, Userfault, perms};
///
/// let Ok(uffd) = Userfault::new() else {
///     return Ok(()); // forbidden here
/// };
/// if uffd.is_user_mode_only() {
///     return Ok(()); // Copies by the kernel do not wait.
/// }
/// let map = Map::bytes(1 << 16).anywhere().anonymously().with(perms::ReadWrite)?;
/// let map = map.page_by(&uffd, UffdRegisterMode::MISSING)?;
/// let mut bytes = [0; 5];
/// std::thread::scope(|scope| {
///     let reader = scope.spawn(|| map.read_at(0, &mut bytes)); // Waits.
///     let mut events = [UffdMsg::default(); 16];
///     uffd.wait(None)?;
///     for fault in uffd.read(&mut events)? {
///         if let Some(offset) = fault.offset_in(&map) {
///             uffd.copy(&map, offset, &vec![b'x'; map.page_size()])?;
///         }
///     }
///     reader.join().unwrap().map_err(mmarinus::Error::from)
/// })?;
/// assert_eq!(&bytes, b"xxxxx");
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # References
///
/// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
#[derive(Debug)]
pub struct Userfault {
    /// A userfaultfd after its handshake. The only events that it has are faults.
    fd: OwnedFd,
    features: UffdFeatures,
    user_mode_only: bool,
    /// The process on whose memory it acts.
    process: Pid,
}

/// What is asked for of what the kernel has: all that changes no fault into a failure, and makes no other call wait.
const WANTED: UffdFeatures = UffdFeatures::PAGEFAULT_FLAG_WP
    .union(UffdFeatures::MISSING_HUGETLBFS)
    .union(UffdFeatures::MISSING_SHMEM)
    .union(UffdFeatures::THREAD_ID)
    .union(UffdFeatures::MINOR_HUGETLBFS)
    .union(UffdFeatures::MINOR_SHMEM)
    .union(UffdFeatures::WP_HUGETLBFS_SHMEM)
    .union(UffdFeatures::WP_UNPOPULATED)
    .union(UffdFeatures::POISON)
    .union(UffdFeatures::MOVE);

impl Userfault {
    /// Makes one that handles the kernel's faults too, or, without the privilege, one of user mode only: `userfaultfd`.
    ///
    /// # Errors
    ///
    /// - `ENOSYS`: the kernel is built without it.
    /// - `EPERM`: no privilege, and the kernel is older than Linux 5.11; or seccomp forbids it.
    /// - `EMFILE`, `ENFILE`, `ENOMEM`: too many open files, or no memory.
    ///
    /// # References
    ///
    /// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
    pub fn new() -> Result<Self, Error> {
        let (fd, features, user_mode_only) = open(WANTED).map_err(unmade)?;
        Ok(Self::of(fd, features, user_mode_only))
    }

    /// Makes one of user mode only, which needs no privilege: `userfaultfd` with `UFFD_USER_MODE_ONLY`, since Linux 5.11.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); `EINVAL` before Linux 5.11.
    pub fn of_user_mode() -> Result<Self, Error> {
        let made = open_with(UserfaultfdFlags::USER_MODE_ONLY, WANTED);
        let (fd, features) = made.map_err(unmade)?;
        Ok(Self::of(fd, features, true))
    }

    /// Makes one for which nobody waits: a copy of a missing page fails with `EFAULT`, whoever makes it. `userfaultfd` with
    /// `UFFD_FEATURE_SIGBUS`, since Linux 4.14; needs no privilege since Linux 5.11.
    ///
    /// Then there are no faults to [`read`](Self::read): who meets a page that is missing brings it in, by
    /// [`copy`](Self::copy) or [`zero`](Self::zero), and copies again.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::userfault::UffdRegisterMode;
    /// use mmarinus::{Errno, Map, Userfault, perms};
    ///
    /// let Ok(uffd) = Userfault::without_waiting() else {
    ///     return Ok(()); // forbidden here
    /// };
    /// let map = Map::bytes(1 << 16).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let map = map.page_by(&uffd, UffdRegisterMode::MISSING)?;
    /// let mut bytes = [0; 5];
    /// let fault = map.read_at(0, &mut bytes).unwrap_err();
    /// assert_eq!(fault.errno(), Errno::FAULT);
    /// uffd.copy(&map, 0, &vec![b'x'; map.page_size()])?;
    /// map.read_at(0, &mut bytes)?;
    /// assert_eq!(&bytes, b"xxxxx");
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    ///
    /// # References
    ///
    /// [UFFDIO_API(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_API.2const.html)
    pub fn without_waiting() -> Result<Self, Error> {
        let wanted = WANTED | UffdFeatures::SIGBUS;
        let made = match open_with(UserfaultfdFlags::USER_MODE_ONLY, wanted) {
            // Before Linux 5.11 there is no such mode.
            Err(Errno::INVAL) => open_with(UserfaultfdFlags::empty(), wanted),
            made => made,
        };
        let (fd, features) = made.map_err(unmade)?;
        Ok(Self::of(fd, features, true))
    }

    fn of(fd: OwnedFd, features: UffdFeatures, user_mode_only: bool) -> Self {
        Self {
            fd,
            features,
            user_mode_only,
            process: getpid(),
        }
    }

    /// Whether faults of the kernel fail instead of waiting.
    #[must_use]
    pub fn is_user_mode_only(&self) -> bool {
        self.user_mode_only
    }

    /// What the kernel can do, of what matters here.
    #[must_use]
    pub fn features(&self) -> UffdFeatures {
        self.features
    }

    /// Waits until a fault waits, or for so long: `poll`. Says whether one does.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the time is too long for the kernel.
    /// - `ENOMEM`: the kernel has no memory for the work.
    /// - `ESRCH`: in a forked child.
    pub fn wait(&self, at_most: Option<core::time::Duration>) -> Result<bool, Error> {
        self.check(Operation::UffdRead, [0, 0])?;
        let failed = |errno| Cause::kernel(Operation::UffdRead, errno, [0, 0]);
        let at_most = match at_most.map(Timespec::try_from) {
            None => None,
            Some(Ok(time)) => Some(time),
            Some(Err(_)) => return Err(failed(Errno::INVAL).into()),
        };
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        loop {
            match poll(&mut fds, at_most.as_ref()) {
                Err(Errno::INTR) if at_most.is_none() => {}
                Err(Errno::INTR) => return Ok(false),
                done => return Ok(done.map_err(failed)? != 0),
            }
        }
    }

    /// Reads which faults wait, as many as fit, without waiting for any: `read`.
    ///
    /// A fault is read once. Many threads may read.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: no fault waits.
    /// - `EINVAL`: there is no room for any.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
    pub fn read<'buf>(&self, room: &'buf mut [UffdMsg]) -> Result<Faults<'buf>, Error> {
        self.check(Operation::UffdRead, [0, 0])?;
        // SAFETY: it is a userfaultfd (field `fd`).
        let events = unsafe { sys::uffd_read(&self.fd, room) };
        let events = events.map_err(|errno| Cause::kernel(Operation::UffdRead, errno, [0, 0]))?;
        Ok(Faults { events })
    }

    /// Refuses in another process than the one on whose memory it acts.
    fn check(&self, operation: Operation, figures: [usize; 2]) -> Result<(), Cause> {
        match self.process == getpid() {
            true => Ok(()),
            false => Err(Cause::refused(operation, Reason::OtherProcess, figures)),
        }
    }
}

/// A userfaultfd after its handshake, with what the kernel has of these features, and whether it is of user mode only: which it
/// is without a privilege.
pub(crate) fn open(wanted: UffdFeatures) -> Result<(OwnedFd, UffdFeatures, bool), Errno> {
    match open_with(UserfaultfdFlags::empty(), wanted) {
        Err(Errno::PERM) => match open_with(UserfaultfdFlags::USER_MODE_ONLY, wanted) {
            // Before Linux 5.11 there is no such mode.
            Err(Errno::INVAL) => Err(Errno::PERM),
            made => made.map(|(fd, features)| (fd, features, true)),
        },
        made => made.map(|(fd, features)| (fd, features, false)),
    }
}

fn open_with(
    more: UserfaultfdFlags,
    wanted: UffdFeatures,
) -> Result<(OwnedFd, UffdFeatures), Errno> {
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK | more;
    let fd = sys::userfaultfd(flags)?;
    // These two are in every kernel that is supported. To know the others takes a descriptor more, which may not be there.
    let always = UffdFeatures::SIGBUS | UffdFeatures::THREAD_ID;
    let features = (Support::userfaultfd_features() | always) & wanted;
    sys::uffdio_api(&fd, features)?;
    Ok((fd, features))
}

/// Why none could be made.
#[cold]
fn unmade(errno: Errno) -> Error {
    Cause::kernel(Operation::Userfault, errno, [0, 0]).into()
}

impl AsFd for Userfault {
    /// To wait for it among others.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Userfault> for OwnedFd {
    /// To send it to another process, which answers from there.
    fn from(uffd: Userfault) -> Self {
        uffd.fd
    }
}

/// The faults that were read: what [`Userfault::read`] returns.
#[derive(Debug)]
pub struct Faults<'buf> {
    events: UffdEvents<'buf>,
}

impl Iterator for Faults<'_> {
    type Item = PageFault;

    fn next(&mut self) -> Option<PageFault> {
        self.events.find_map(|event| match event {
            UffdEvent::Pagefault {
                flags,
                address,
                thread,
            } => Some(PageFault {
                flags,
                address: address as usize,
                thread,
            }),
            // None was asked for.
            _ => None,
        })
    }
}

/// A thread that touched a page, and waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault {
    flags: sys::UffdPagefaultFlags,
    address: usize,
    thread: u32,
}

impl PageFault {
    /// The address of the page.
    #[must_use]
    pub fn addr(&self) -> usize {
        self.address
    }

    /// Where the page starts in a map, in bytes; `None` if it is another's.
    #[must_use]
    pub fn offset_in<P, K: Kind>(&self, map: &Map<P, K, Paged>) -> Option<usize> {
        let (start, len) = map.pages();
        let offset = self.address.checked_sub(start)?;
        (offset < len).then_some(offset & !(map.page_size() - 1))
    }

    /// Whether the thread was writing.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.flags.contains(sys::UffdPagefaultFlags::WRITE)
    }

    /// Whether the page is there, and protected: [`Userfault::unprotect`] answers.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.flags.contains(sys::UffdPagefaultFlags::WP)
    }

    /// Whether the file has the page, and this map has not: [`Userfault::resume`] answers.
    #[must_use]
    pub fn is_minor(&self) -> bool {
        self.flags.contains(sys::UffdPagefaultFlags::MINOR)
    }

    /// The id of the thread that waits.
    #[must_use]
    pub fn thread(&self) -> u32 {
        self.thread
    }
}
