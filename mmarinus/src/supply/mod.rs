//! Maps whose pages are brought in when they are first touched, and that are slices nevertheless: rung 3.
//!
//! [`Map::supply_pages`](crate::Map::supply_pages) gives private memory away, together with a userfaultfd of its own. What comes
//! back is in two halves: a [`Supply`], which lends the map, and a [`Supplier`], which some thread uses to bring pages in. A
//! page that was not touched before the map was given away is missing: who touches it waits until a supplier brings it in. From
//! then on it is as any other page of memory.
//!
//! That is a slice since nothing can go wrong with it: a supplier may only bring in what is missing, once, and cannot fail or
//! take anything back; it may be slow, and it may end. When the last supplier is dropped, what is missing is zeros. Pages
//! whose making can fail are for [`page_by`](crate::Map::page_by), whose maps are copied from.
//!
//! # What is different without a privilege
//!
//! A userfaultfd for faults of the kernel needs `CAP_SYS_PTRACE`, or `vm.unprivileged_userfaultfd` = 1. Without that
//! ([`Supply::is_user_mode_only`]; since Linux 5.11) only the program's own accesses wait. A system call that is handed a
//! page that is missing, as `write(2)` of the slice, fails with `EFAULT`, which is an error and no signal; so do `mlock` and
//! populating. Touch the pages first.
//!
//! # Forks
//!
//! A forked child has a copy of the pages that were there; what was missing is zeros for it, and suppliers are refused there.
//!
//! # Examples
//!
//! ```
//! use mmarinus::{Map, perms};
//!
//! let map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::Read)?;
//! let Ok((map, supplier)) = map.supply_pages() else {
//!     return Ok(()); // forbidden here
//! };
//! let thread = std::thread::spawn(move || -> Result<usize, mmarinus::Error> {
//!     let size = supplier.page_size();
//!     let mut count = 0;
//!     while let Some(missing) = supplier.next()? {
//!         let page = vec![(missing.offset() / size) as u8; size];
//!         count += supplier.copy(missing.offset(), &page)? / size;
//!     }
//!     Ok(count) // The map is gone.
//! });
//! assert_eq!(map[5 * map.page_size() + 17], 5); // Waits for the other thread, and is a slice.
//! drop(map);
//! assert_eq!(thread.join().unwrap()?, 1);
//! # Ok::<(), mmarinus::Error>(())
//! ```
//!
//! # References
//!
//! [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html)
#![expect(unsafe_code, reason = "says in the type that pages are brought in")]

mod link;
mod supplier;

use core::fmt;
use core::ops::Deref;
use std::sync::Arc;

use crate::backing::{Anonymous, Supplied};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Private;
use crate::map::Map;
use crate::perms::{Permissions, Readable, Writable};
use link::{Link, Pages};

pub use supplier::{Missing, Supplier};

/// A map whose pages a [`Supplier`] brings in; it owns both the map and its end of the userfaultfd.
///
/// It lends the map by `&` alone, and the bytes also by `&mut`. So the map is never moved, split or given back behind the
/// back of those who supply it: that is done here, or not at all.
///
/// # Examples
///
/// See [the module](self).
#[must_use = "a map that is dropped is unmapped"]
pub struct Supply<P> {
    /// Dropped first: nobody brings pages in that are not the map's any more.
    claim: Claim,
    map: Map<P, Private, Supplied>,
}

/// The pages are the map's as long as this lives.
struct Claim(Arc<Link>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<P: Permissions> Map<P, Private, Anonymous> {
    /// Gives the map away to have its pages brought in when they are first touched: `userfaultfd`, and
    /// `ioctl(UFFDIO_REGISTER)` with `UFFDIO_REGISTER_MODE_MISSING`.
    ///
    /// What was read or written before is there, and stays; all else is missing. See [`supply`](crate::supply).
    ///
    /// # Examples
    ///
    /// See [`supply`](crate::supply).
    ///
    /// # Errors
    ///
    /// The map comes back as it was.
    ///
    /// - `EBUSY`: another userfaultfd answers for the pages.
    /// - `EINVAL`: huge pages of a pool, which are all there.
    /// - `EMFILE`, `ENFILE`: too many open files; it takes two.
    /// - `ENOMEM`: `vm.max_map_count`, or no memory.
    /// - `ENOSYS`: the kernel is built without userfaultfd.
    /// - `EPERM`: no privilege, and the kernel is older than Linux 5.11; or seccomp forbids it.
    ///
    /// # References
    ///
    /// [userfaultfd(2)](https://man7.org/linux/man-pages/man2/userfaultfd.2.html),
    /// [UFFDIO_REGISTER(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_REGISTER.2const.html)
    pub fn supply_pages(self) -> Result<(Supply<P>, Supplier), Error<Self>> {
        match self.hand_over() {
            Err(cause) => Err(Error::with_map(cause, self)),
            Ok(link) => {
                let link = Arc::new(link);
                let supplier = Supplier::new(Arc::clone(&link));
                let (perms, region) = self.into_region();
                // SAFETY: permissions and kind stay. The pages are private, of no file and not huge; those that are missing are
                // brought in by `link`, or by the kernel once that is gone; and the map goes nowhere but into a `Supply`,
                // which lends it by `&` (see the proofs at `Supplied`).
                let map = unsafe { Map::from_region(perms, region) };
                let claim = Claim(link);
                Ok((Supply { claim, map }, supplier))
            }
        }
    }

    /// Registers the pages with a userfaultfd of their own.
    fn hand_over(&self) -> Result<Link, Cause> {
        let (address, len) = self.pages();
        let pages = Pages {
            address,
            len,
            page_size: self.page_size(),
        };
        let refused = |reason| Err(Cause::refused(Operation::PageBy, reason, pages.figures()));
        if self.region().is_huge() {
            return refused(Reason::HugeThere);
        }
        if self.addr() != address && len != 0 {
            return refused(Reason::StartsInPage);
        }
        let link =
            Link::new(pages).map_err(|errno| Cause::kernel(Operation::Userfault, errno, [0, 0]))?;
        // SAFETY: the pages are the map's, which came by value to `supply_pages`, so nobody borrows from them.
        unsafe { link.register() }
            .map_err(|errno| Cause::kernel(Operation::PageBy, errno, pages.figures()))?;
        Ok(link)
    }
}

impl<P: Permissions> Supply<P> {
    /// Whether a system call that meets a missing page fails with `EFAULT` instead of waiting: see [the module](self).
    #[must_use]
    pub fn is_user_mode_only(&self) -> bool {
        self.claim.0.is_user_mode_only()
    }

    /// The bytes as a mutable slice: rung 3 of [the ladder](crate#the-ladder). To write to a missing page brings it in first.
    #[inline]
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8]
    where
        P: Readable + Writable,
    {
        self.map.as_mut_slice()
    }

    /// Changes what the pages allow, as [`Map::reprotect`]. Pages go on to be brought in.
    ///
    /// # Errors
    ///
    /// As for [`Map::reprotect`].
    pub fn reprotect<Q: Permissions>(self, perms: Q) -> Result<Supply<Q>, Error<Self>> {
        let Self { claim, map } = self;
        // Where it fails half way the pages may go.
        let changed = claim.0.alone(|_| {
            let changed = map.reprotect(perms);
            (changed.as_ref().err().is_none_or(Error::has_map), changed)
        });
        match changed {
            Ok(map) => Ok(Supply { claim, map }),
            Err(error) => Err(error.map_map(|map| Self { claim, map })),
        }
    }

    /// Ends the supply and gives the map back: `ioctl(UFFDIO_UNREGISTER)`. What is still missing is zeros.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let map = Map::bytes(1 << 20).anywhere().anonymously().with(perms::ReadWrite)?;
    /// let Ok((map, supplier)) = map.supply_pages() else {
    ///     return Ok(()); // forbidden here
    /// };
    /// supplier.copy(0, &vec![7; supplier.page_size()])?; // Nobody has to wait for it.
    /// let map = map.into_map()?; // A map like any other.
    /// assert_eq!((map[0], map[1 << 19]), (7, 0));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map comes back as it was, supplied.
    ///
    /// `ENOMEM`: `vm.max_map_count`, or no memory.
    ///
    /// # References
    ///
    /// [UFFDIO_UNREGISTER(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_UNREGISTER.2const.html)
    pub fn into_map(self) -> Result<Map<P, Private, Anonymous>, Error<Self>> {
        if let Err(errno) = self.claim.0.release() {
            let figures = self.claim.0.pages().figures();
            let cause = Cause::kernel(Operation::PageBy, errno, figures);
            return Err(Error::with_map(cause, self));
        }
        let (perms, region) = self.map.into_region();
        // SAFETY: permissions and kind stay. The pages were those of such a map, no userfaultfd answers for them any more, and
        // suppliers are refused (`release`).
        Ok(unsafe { Map::from_region(perms, region) })
    }
}

impl<P> Deref for Supply<P> {
    type Target = Map<P, Private, Supplied>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

impl<P: Readable> AsRef<[u8]> for Supply<P> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.map.as_slice()
    }
}

impl<P: Readable + Writable> AsMut<[u8]> for Supply<P> {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self.map.as_mut_slice()
    }
}

impl<P> From<Error<Supply<P>>> for Error {
    fn from(error: Error<Supply<P>>) -> Self {
        error.without_map()
    }
}

impl<P: Permissions> fmt::Debug for Supply<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supply")
            .field("map", &self.map)
            .field("is_user_mode_only", &self.is_user_mode_only())
            .finish()
    }
}
