//! Maps whose pages may fail to be made: copies from and to them, which call the closure.

use core::fmt;
use core::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

use mmarinus::perms::{Readable, Writable};
use mmarinus::userfault::UffdRegisterMode;
use mmarinus::{Errno, Map, Private, Userfault, backing, perms};
use rustix::process::{Pid, getpid};
use rustix::thread::gettid;

use super::error::{Cause, Error, Fault};
use super::steps::{Draft, Steps, nothing};

/// A map whose pages are made by a closure that can fail, when they are first copied: rung 1.
///
/// [`paged`](super::paged) and [`Options::paged`](super::Options::paged) make it. No thread serves it: whoever meets a missing
/// page runs the closure, while others who meet one wait for their turn. Pages that are there are copied by all at once. A
/// page is there whole or not at all.
///
/// If the closure fails, its error is the [`Fault`] of the copy, and what came before it was copied. Nothing is remembered: the
/// next copy calls it again. If it panics, so does the copy, and the next one calls it again, too.
///
/// # Examples
///
/// ```
/// use mmarinus_ext::pager::{self, Cause};
///
/// let page = mmarinus_sys::page_size();
/// let made = pager::paged(4 * page, move |offset, bytes| {
///     bytes.fill((offset / page) as u8);
///     if offset < 2 * page { Ok(()) } else { Err("the source ends here") }
/// });
/// let Ok(map) = made else {
///     return; // forbidden here
/// };
/// let mut bytes = vec![9; 3 * page];
/// let fault = map.read_at(0, &mut bytes).unwrap_err();
/// assert_eq!(fault.copied(), 2 * page);
/// assert!(matches!(fault.cause(), Cause::Closure("the source ends here")));
/// assert_eq!((bytes[0], bytes[page], bytes[2 * page]), (0, 1, 9));
/// ```
pub struct Paged<E, P = perms::Read> {
    map: Map<P, Private, backing::Paged>,
    /// It alone answers for the pages of the map; no copy waits for it.
    uffd: Userfault,
    steps: Steps,
    maker: Mutex<Maker<E>>,
    /// The id of the thread that runs the closure; 0 if none does.
    running: AtomicI32,
    /// The process that has the map.
    process: Pid,
}

/// What makes the pages of an offset.
type Make<E> = Box<dyn FnMut(usize, &mut [u8]) -> Result<(), E> + Send>;

/// The closure, and where it writes.
struct Maker<E> {
    make: Make<E>,
    draft: Draft,
}

/// Says, while it lives, that this thread runs the closure.
struct Running<'paged>(&'paged AtomicI32);

impl<'paged> Running<'paged> {
    fn here(thread: &'paged AtomicI32) -> Self {
        thread.store(gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        Self(thread)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl<E, P: Readable> Paged<E, P> {
    /// A map of such steps, all of which are missing.
    pub(super) fn new(steps: Steps, perms: P, make: Make<E>) -> Result<Self, Error> {
        let map = nothing(steps.len(), perms)?;
        let draft = Draft::new(steps)?;
        let uffd = Userfault::without_waiting()?;
        let map = map.page_by(&uffd, UffdRegisterMode::MISSING);
        Ok(Self {
            map: map.map_err(mmarinus::Error::from)?,
            uffd,
            steps,
            maker: Mutex::new(Maker { make, draft }),
            running: AtomicI32::new(0),
            process: getpid(),
        })
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes at an offset, and has those made that are missing: as [`Map::read_at`], with `ioctl(UFFDIO_COPY)`.
    ///
    /// # Examples
    ///
    /// See [`Paged`].
    ///
    /// # Errors
    ///
    /// A [`Fault`], which says how many bytes were copied before. [`Cause::Closure`]: the closure failed.
    /// [`Cause::OwnPage`]: it is the closure that copies. [`Cause::OtherProcess`]: in a forked child.
    ///
    /// [`Cause::Memory`] with `ENOMEM`: no memory for the pages.
    ///
    /// [`Cause::Copy`] with `EINVAL`: the bytes do not lie in the map; and what else [`Map::read_at`] says.
    ///
    /// # Panics
    ///
    /// If the closure does.
    ///
    /// # References
    ///
    /// [process_vm_readv(2)](https://man7.org/linux/man-pages/man2/process_vm_readv.2.html),
    /// [UFFDIO_COPY(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_COPY.2const.html)
    pub fn read_at(&self, offset: usize, buf: &mut [u8]) -> Result<(), Fault<E>> {
        self.copy(offset, |done| {
            self.map.read_at(offset + done, &mut buf[done..])
        })
    }

    /// Copies bytes to an offset, and has the pages made first that are missing: as `write_at` of a
    /// [`View`](mmarinus::View::write_at), with `ioctl(UFFDIO_COPY)`. The closure is not told of what is written.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::perms;
    /// use mmarinus_ext::pager::Options;
    ///
    /// let zeros = |_: usize, _: &mut [u8]| Ok::<(), std::io::Error>(());
    /// let Ok(map) = Options::new().paged(1 << 20, perms::ReadWrite, zeros) else {
    ///     return Ok(()); // forbidden here
    /// };
    /// map.write_at(1000, b"written")?;
    /// let mut bytes = [1; 9];
    /// map.read_at(999, &mut bytes)?;
    /// assert_eq!(&bytes, b"\0written\0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at).
    ///
    /// # Panics
    ///
    /// If the closure does.
    ///
    /// # References
    ///
    /// [process_vm_writev(2)](https://man7.org/linux/man-pages/man2/process_vm_readv.2.html),
    /// [UFFDIO_COPY(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_COPY.2const.html)
    pub fn write_at(&self, offset: usize, buf: &[u8]) -> Result<(), Fault<E>>
    where
        P: Writable,
    {
        let all = self.map.view(..);
        let all = all.map_err(|error| Fault::stopped(offset, 0, Cause::Memory(error)))?;
        self.copy(offset, |done| all.write_at(offset + done, &buf[done..]))
    }

    /// Goes on with a copy, which takes how many bytes are done, until all are, or no page can be made.
    fn copy(
        &self,
        offset: usize,
        mut copy: impl FnMut(usize) -> Result<(), mmarinus::Fault>,
    ) -> Result<(), Fault<E>> {
        // First, since a forked child finds zeros, and a lock that a thread may hold which is not there.
        if self.process != getpid() {
            return Err(Fault::stopped(offset, 0, Cause::OtherProcess));
        }
        let (mut done, mut made_at) = (0, None);
        while let Err(fault) = copy(done) {
            done += fault.copied();
            let made = match fault.errno() {
                // If it is there, the fault is none of this map: the buffer lies in missing pages of another, say.
                Errno::FAULT if made_at != Some(done) => self.bring_in(offset + done, fault),
                _ => Err(Cause::Copy(fault)),
            };
            made_at = Some(done);
            made.map_err(|cause| Fault::stopped(offset, done, cause))?;
        }
        Ok(())
    }

    /// Makes the step that has a byte of the map, unless another thread did meanwhile. `fault` says that it is missing.
    fn bring_in(&self, offset: usize, fault: mmarinus::Fault) -> Result<(), Cause<E>> {
        if self.running.load(Ordering::Relaxed) == gettid().as_raw_nonzero().get() {
            return Err(Cause::OwnPage);
        }
        // A closure that panicked has brought nothing in.
        let mut maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner);
        if self.map.read_at(offset, &mut [0]).is_ok() {
            return Ok(());
        }
        let Maker { make, draft } = &mut *maker;
        let running = Running::here(&self.running);
        let step = self.steps.at(offset);
        draft.make(step, make).map_err(Cause::Closure)?;
        drop(running);
        let mut came = false;
        let brought = draft.bring_in(step, |at, bytes| {
            match self.uffd.copy(&self.map, at, bytes) {
                Ok(len) => {
                    came |= (at..at + len).contains(&offset);
                    Ok(len)
                }
                Err(error) if error.errno() == Errno::EXIST => Ok(0),
                Err(error) => Err(error),
            }
        });
        match (came, brought) {
            (true, _) => Ok(()),
            (false, Err(error)) => Err(Cause::Memory(error)),
            // It was there, and is not readable: poisoned memory.
            (false, Ok(())) => Err(Cause::Copy(fault)),
        }
    }
}

impl<E, P> fmt::Debug for Paged<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paged")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
