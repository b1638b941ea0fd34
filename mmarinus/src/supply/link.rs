//! What joins a supplied map with its suppliers: a userfaultfd that nobody else has, and whether the pages are still the map's.
#![expect(
    unsafe_code,
    reason = "registers the pages of a map, and reads the faults in them"
)]

use core::ffi::c_void;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use mmarinus_sys::{
    self as sys, Errno, UffdEvent, UffdFeatures, UffdMsg, UffdPagefaultFlags, UffdRegisterMode,
};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, getpid};

use super::supplier::Missing;
use crate::error::{Cause, Operation, Reason};
use crate::userfault;

/// The userfaultfd of a supplied map.
///
/// # Invariants
///
/// - `uffd` is a userfaultfd after its handshake, whose only events are faults and which turns none into a signal. Only this
///   struct has it, and lends it to nobody.
/// - `pages` alone were ever registered with it.
/// - As long as `alive` is true, `pages` belong to the supplied map: they are mapped, private, of no file, and not huge. It
///   turns false once, under the lock for writing, before they go or become another map's.
#[derive(Debug)]
pub(super) struct Link {
    uffd: OwnedFd,
    user_mode_only: bool,
    /// Readable once `alive` is false.
    ended: OwnedFd,
    alive: RwLock<bool>,
    pages: Pages,
    /// The process on whose memory the userfaultfd acts.
    process: Pid,
}

/// The pages of a supplied map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    pub(super) address: usize,
    /// In bytes, a multiple of the page size.
    pub(super) len: usize,
    pub(super) page_size: usize,
}

impl Pages {
    /// The address of a byte of them, as the kernel takes it.
    pub(super) fn at(self, offset: usize) -> *mut c_void {
        core::ptr::without_provenance_mut(self.address + offset)
    }

    /// All of them, as an error tells it.
    pub(super) fn figures(self) -> [usize; 2] {
        [self.len, self.address]
    }
}

/// The pages belong to the supplied map as long as this lives.
#[derive(Debug)]
pub(super) struct Alive<'link> {
    link: &'link Link,
    _lock: RwLockReadGuard<'link, bool>,
}

impl Link {
    /// Makes a userfaultfd for pages, which are not registered yet.
    pub(super) fn new(pages: Pages) -> Result<Self, Errno> {
        let (uffd, _, user_mode_only) = userfault::open(UffdFeatures::THREAD_ID)?;
        Ok(Self {
            uffd,
            user_mode_only,
            ended: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            alive: RwLock::new(true),
            pages,
            process: getpid(),
        })
    }

    pub(super) fn pages(&self) -> Pages {
        self.pages
    }

    pub(super) fn is_user_mode_only(&self) -> bool {
        self.user_mode_only
    }

    /// Whether it acts on the memory of the process that asks: a forked child has it too.
    fn is_ours(&self) -> bool {
        self.process == getpid()
    }

    /// Registers the pages: from now on a touch of one that is missing waits.
    ///
    /// # Safety
    ///
    /// The pages are those of a private map of no file, which are not huge, and nobody borrows from them.
    pub(super) unsafe fn register(&self) -> Result<(), Errno> {
        if self.pages.len == 0 {
            return Ok(());
        }
        let mode = UffdRegisterMode::MISSING;
        // SAFETY: the caller's contract; nobody relies on what missing pages hold.
        let done =
            unsafe { sys::uffdio_register(&self.uffd, self.pages.at(0), self.pages.len, mode) };
        if done == Err(Errno::NOMEM) {
            // Of several mappings some may be registered already, and none is another's, which would be `EBUSY`. To close the
            // userfaultfd would not end that if a forked child has it as well.
            // SAFETY: the caller's contract.
            let _ = unsafe { self.unregister() };
        }
        done.map(|_| ())
    }

    /// Registers the pages no longer, and wakes who waits: what is missing is zeros from now on.
    ///
    /// # Safety
    ///
    /// The pages belong to the map that they belonged to when they were registered.
    unsafe fn unregister(&self) -> Result<(), Errno> {
        if self.pages.len == 0 {
            return Ok(());
        }
        // SAFETY: the pages are the map's, and of what it is lent as, nothing says what missing pages will hold.
        unsafe { sys::uffdio_unregister(&self.uffd, self.pages.at(0), self.pages.len) }
    }

    /// Makes sure that the pages stay the map's for a while.
    pub(super) fn hold(
        &self,
        operation: Operation,
        figures: [usize; 2],
    ) -> Result<Alive<'_>, Cause> {
        // First, since in a forked child the lock may be held by a thread that is not there.
        if !self.is_ours() {
            return Err(Cause::refused(operation, Reason::OtherProcess, figures));
        }
        let lock = self.alive.read().unwrap_or_else(PoisonError::into_inner);
        match *lock {
            true => Ok(Alive {
                link: self,
                _lock: lock,
            }),
            false => Err(Cause::refused(operation, Reason::SupplyEnded, figures)),
        }
    }

    /// Says that the pages are not the map's any more, and waits until nobody brings one in. The userfaultfd answers for them
    /// until they are unmapped.
    pub(super) fn end(&self) {
        self.alone(|_| (false, ()));
    }

    /// The same, and registers them no longer; or leaves all as it was. A forked child has pages that are not registered.
    pub(super) fn release(&self) -> Result<(), Errno> {
        self.alone(|link| {
            // SAFETY: the pages are the map's (`alone`).
            let done = link.map_or(Ok(()), |link| unsafe { link.unregister() });
            (done.is_err(), done)
        })
    }

    /// Changes something while nobody brings pages in. The closure gets this while the pages are the map's, and says whether
    /// they still are afterwards; in a forked child, whose pages are not registered, it gets nothing.
    pub(super) fn alone<T>(&self, change: impl FnOnce(Option<&Self>) -> (bool, T)) -> T {
        // Before the lock, which a thread may hold that is not there in a forked child.
        if !self.is_ours() {
            return change(None).1;
        }
        let mut alive = self.alive.write().unwrap_or_else(PoisonError::into_inner);
        let (still, done) = change(alive.then_some(self));
        if *alive && !still {
            *alive = false;
            // The number is 0 before, so this cannot be refused.
            let _ = rustix::io::write(&self.ended, &1_u64.to_ne_bytes());
        }
        done
    }

    /// Has the kernel make what is missing, of zeros, since nobody is left to bring it in.
    pub(super) fn give_up(&self) {
        if let Ok(alive) = self.hold(Operation::PageBy, self.pages.figures()) {
            // SAFETY: the pages are the map's (`Alive`). A refusal leaves them registered, and who touches them waits.
            let _ = unsafe { alive.link.unregister() };
        }
    }

    /// Waits for a fault, or for the end: `None`.
    pub(super) fn wait(&self) -> Result<Option<Missing>, Cause> {
        loop {
            if !self.is_ours() {
                let operation = Operation::UffdRead;
                return Err(Cause::refused(operation, Reason::OtherProcess, [0, 0]));
            }
            let mut fds = [
                PollFd::new(&self.ended, PollFlags::IN),
                PollFd::new(&self.uffd, PollFlags::IN),
            ];
            let polled = poll(&mut fds, None);
            if fds[0].revents().contains(PollFlags::IN) {
                return Ok(None);
            }
            match polled.and_then(|_| self.read()) {
                Ok(Some(missing)) => return Ok(Some(missing)),
                // A signal came, or another supplier was faster.
                Ok(None) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(Cause::kernel(Operation::UffdRead, errno, [0, 0])),
            }
        }
    }

    /// Reads a fault, if one waits.
    fn read(&self) -> Result<Option<Missing>, Errno> {
        let mut room = [UffdMsg::default()];
        // SAFETY: it is a userfaultfd (invariant).
        let mut events = unsafe { sys::uffd_read(&self.uffd, &mut room) }?;
        Ok(events.find_map(|event| match event {
            UffdEvent::Pagefault {
                flags,
                address,
                thread,
            } => {
                let offset = (address as usize).wrapping_sub(self.pages.address);
                Some(Missing {
                    offset: offset & !(self.pages.page_size - 1),
                    thread,
                    write: flags.contains(UffdPagefaultFlags::WRITE),
                })
            }
            // None was asked for.
            _ => None,
        }))
    }
}

impl Alive<'_> {
    /// The userfaultfd, to bring in pages that are missing.
    pub(super) fn uffd(&self) -> &OwnedFd {
        &self.link.uffd
    }
}
