//! Reading the events of a userfaultfd.
#![expect(unsafe_code, reason = "an event of a fork carries an fd by number")]

use core::mem;

use bitflags::bitflags;
use linux_raw_sys::general as raw;
use rustix::fd::{AsFd, FromRawFd, OwnedFd, RawFd};

use crate::Result;

/// `UFFD_EVENT_*`: what an event is about.
///
/// The kernel may add kinds, so any number can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct UffdEventKind(pub u8);

impl UffdEventKind {
    /// `UFFD_EVENT_PAGEFAULT`: a thread faulted, and waits.
    pub const PAGEFAULT: Self = Self(raw::UFFD_EVENT_PAGEFAULT as u8);
    /// `UFFD_EVENT_FORK`: the process was forked (since Linux 4.11).
    pub const FORK: Self = Self(raw::UFFD_EVENT_FORK as u8);
    /// `UFFD_EVENT_REMAP`: a registered range was moved (since Linux 4.11).
    pub const REMAP: Self = Self(raw::UFFD_EVENT_REMAP as u8);
    /// `UFFD_EVENT_REMOVE`: pages of a registered range were freed (since Linux 4.11).
    pub const REMOVE: Self = Self(raw::UFFD_EVENT_REMOVE as u8);
    /// `UFFD_EVENT_UNMAP`: a registered range was unmapped (since Linux 4.11).
    pub const UNMAP: Self = Self(raw::UFFD_EVENT_UNMAP as u8);
}

bitflags! {
    /// `UFFD_PAGEFAULT_FLAG_*`: why a thread faulted.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[repr(transparent)]
    pub struct UffdPagefaultFlags: u64 {
        /// `UFFD_PAGEFAULT_FLAG_WRITE`: it was writing.
        const WRITE = raw::UFFD_PAGEFAULT_FLAG_WRITE as u64;
        /// `UFFD_PAGEFAULT_FLAG_WP`: the page is write-protected (since Linux 5.7).
        const WP = raw::UFFD_PAGEFAULT_FLAG_WP as u64;
        /// `UFFD_PAGEFAULT_FLAG_MINOR`: the object has the page, this map has not (since Linux 5.13).
        const MINOR = raw::UFFD_PAGEFAULT_FLAG_MINOR as u64;
        const _ = !0;
    }
}

/// `struct uffd_msg`: room for one event, as the kernel writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct UffdMsg {
    event: u8,
    reserved1: u8,
    reserved2: u16,
    reserved3: u32,
    arg: [u64; 3],
}

const _: () = assert!(size_of::<UffdMsg>() == size_of::<raw::uffd_msg>());

impl UffdMsg {
    /// Returns what the event is about.
    #[must_use]
    pub const fn kind(&self) -> UffdEventKind {
        UffdEventKind(self.event)
    }

    /// Returns the three numbers that come with the event; their meaning depends on its kind.
    #[must_use]
    pub const fn args(&self) -> [u64; 3] {
        self.arg
    }
}

/// One event of a userfaultfd. Addresses are addresses in the process that made it.
#[derive(Debug)]
#[non_exhaustive]
pub enum UffdEvent {
    /// `UFFD_EVENT_PAGEFAULT`: a thread faulted, and waits until the range of the address is woken.
    Pagefault {
        /// Why it faulted.
        flags: UffdPagefaultFlags,
        /// The address of the page, or with the feature `EXACT_ADDRESS` the address that was touched.
        address: u64,
        /// The id of the thread, with the feature `THREAD_ID`; else 0.
        thread: u32,
    },
    /// `UFFD_EVENT_FORK`: the process was forked, and this is the userfaultfd of the child. The handshake is done already.
    Fork(OwnedFd),
    /// `UFFD_EVENT_REMAP`: a range was moved by `mremap`, and is registered at its new place.
    Remap {
        /// The old address.
        from: u64,
        /// The new address.
        to: u64,
        /// The old length in bytes.
        len: u64,
    },
    /// `UFFD_EVENT_REMOVE`: the pages of a range were freed, and fault again.
    Remove {
        /// The first address.
        start: u64,
        /// The address behind the last.
        end: u64,
    },
    /// `UFFD_EVENT_UNMAP`: a range was unmapped.
    Unmap {
        /// The first address.
        start: u64,
        /// The address behind the last.
        end: u64,
    },
    /// An event of a kind that did not exist when this was written.
    Unknown(UffdMsg),
}

impl UffdEvent {
    /// Takes a message apart.
    ///
    /// # Safety
    ///
    /// The message comes from a userfaultfd, and is taken apart but once: a fork carries the fd that the kernel made for it.
    unsafe fn from_msg(msg: UffdMsg) -> Self {
        let [first, second, third] = msg.arg;
        match msg.kind() {
            UffdEventKind::PAGEFAULT => Self::Pagefault {
                flags: UffdPagefaultFlags::from_bits_retain(first),
                address: second,
                thread: leading_u32(third),
            },
            UffdEventKind::FORK => {
                // SAFETY: the kernel made this fd for whoever reads the event, and nobody else has it.
                let child = unsafe { OwnedFd::from_raw_fd(leading_u32(first) as RawFd) };
                Self::Fork(child)
            }
            UffdEventKind::REMAP => Self::Remap {
                from: first,
                to: second,
                len: third,
            },
            UffdEventKind::REMOVE => Self::Remove {
                start: first,
                end: second,
            },
            UffdEventKind::UNMAP => Self::Unmap {
                start: first,
                end: second,
            },
            _ => Self::Unknown(msg),
        }
    }
}

/// Reads the `u32` that stands at the start of an 8-byte field, in either byte order.
fn leading_u32(field: u64) -> u32 {
    let [a, b, c, d, ..] = field.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// The events that one [`uffd_read`] found. Those that are not taken out are dropped with it, and their fds closed.
#[derive(Debug)]
pub struct UffdEvents<'a> {
    /// Messages that the kernel wrote and nobody took out yet.
    msgs: &'a [UffdMsg],
}

impl Iterator for UffdEvents<'_> {
    type Item = UffdEvent;

    fn next(&mut self) -> Option<UffdEvent> {
        let (&msg, rest) = self.msgs.split_first()?;
        self.msgs = rest;
        // SAFETY: `uffd_read` had this message from a userfaultfd, and it is no longer in the list.
        Some(unsafe { UffdEvent::from_msg(msg) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.msgs.len(), Some(self.msgs.len()))
    }
}

impl ExactSizeIterator for UffdEvents<'_> {}

impl Drop for UffdEvents<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// `read(uffd, msgs, sizeof msgs)`—Reads as many events as there are and fit, and waits for the first.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{Errno, UffdFeatures, UffdMsg, UserfaultfdFlags, uffd_read, uffdio_api, userfaultfd};
///
/// let Ok(uffd) = userfaultfd(UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK) else {
///     return Ok(()); // no privilege
/// };
/// uffdio_api(&uffd, UffdFeatures::empty())?;
/// let mut msgs = [UffdMsg::default(); 16];
/// // SAFETY: this is a userfaultfd.
/// match unsafe { uffd_read(&uffd, &mut msgs) } {
///     Ok(events) => events.for_each(|event| println!("{event:?}")),
///     Err(errno) => assert_eq!(errno, Errno::AGAIN),
/// };
/// # Ok::<(), Errno>(())
/// ```
///
/// # Errors
///
/// - `EAGAIN`: no event is there, and the fd is [`NONBLOCK`](crate::UserfaultfdFlags::NONBLOCK).
/// - `EINTR`: a signal came first.
/// - `EINVAL`: `msgs` is empty, or there was no handshake.
/// - `EMFILE`, `ENFILE`: too many open files for the fd that comes with a fork.
///
/// # Safety
///
/// `uffd` must be a userfaultfd: what another file says of a fork could name an fd that somebody else owns.
///
/// # References
///
/// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
#[doc(alias = "uffd_msg")]
#[doc(alias = "read")]
pub unsafe fn uffd_read(uffd: impl AsFd, msgs: &mut [UffdMsg]) -> Result<UffdEvents<'_>> {
    let bytes = mem::size_of_val(msgs);
    // SAFETY:
    // - The bytes are those of `msgs`, which is borrowed for as long as they are.
    // - A message has no padding, and any bytes are a valid one.
    let buf = unsafe { core::slice::from_raw_parts_mut(msgs.as_mut_ptr().cast::<u8>(), bytes) };
    let read = rustix::io::read(uffd, buf)?;
    Ok(UffdEvents {
        msgs: &msgs[..read / size_of::<UffdMsg>()],
    })
}
