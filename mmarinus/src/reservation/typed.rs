//! The typed face of a reservation: pieces, maps made of them, and maps that become reservations again.
#![expect(unsafe_code, reason = "says what the pages of a map are")]

use super::Reservation;
use crate::backing::Backing;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{ASKABLE, Permissions};
use crate::region::Space;

impl Reservation {
    /// Cuts the first `n` bytes off as a reservation of their own; this one keeps the rest. Makes no system call.
    ///
    /// A page starts at the cut.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Reservation, perms};
    ///
    /// let mut all = Reservation::new(1 << 30)?;
    /// let (start, piece) = (all.addr(), all.split_to(1 << 20)?);
    /// assert_eq!((piece.len(), all.addr()), (1 << 20, start + (1 << 20)));
    ///
    /// let mut map = piece.fill(perms::ReadWrite)?;
    /// map[..5].copy_from_slice(b"hello");
    ///
    /// let piece = map.decommit()?; // The memory is given back, the addresses are not.
    /// let all = piece.join(all).map_err(|error| error.without_map())?;
    /// assert_eq!((all.addr(), all.len()), (start, 1 << 30));
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `EINVAL` if no page starts there, or it is longer than the reservation.
    pub fn split_to(&mut self, n: usize) -> Result<Self, Error> {
        if n > self.len() || !n.is_multiple_of(self.page_size()) {
            let figures = [n, self.addr()];
            return Err(Cause::refused(Operation::Split, Reason::NotOnPage, figures).into());
        }
        Ok(Self {
            space: self.space.split_to(n),
        })
    }

    /// Makes one reservation of this one and the one right behind it, with all that is placed in them. Makes no system call.
    ///
    /// # Examples
    ///
    /// See [`split_to`](Self::split_to).
    ///
    /// # Errors
    ///
    /// `EINVAL` if the second does not start where this one ends; both come back.
    pub fn join(self, second: Self) -> Result<Self, Error<(Self, Self)>> {
        let figures = [self.addr().wrapping_add(self.len()), second.addr()];
        match self.space.join(second.space) {
            Ok(space) => Ok(Self { space }),
            Err((first, second)) => {
                let cause = Cause::refused(Operation::Join, Reason::NotNeighbours, figures);
                let pair = (Self { space: first }, Self { space: second });
                Err(Error::with_map(cause, pair))
            }
        }
    }

    /// Turns all of it into private memory of no file: zeroed pages, with slices and all that a [`Map`] has. `mprotect`; or, if
    /// anything was placed, protected or guarded in it before, `mmap` and `mremap` over all of that.
    ///
    /// # Examples
    ///
    /// See [`split_to`](Self::split_to).
    ///
    /// # Errors
    ///
    /// The reservation comes back as it was. Only if a move failed half way is there none in the error.
    ///
    /// - `EFAULT`: part of it was given up when something failed there before.
    /// - `EINVAL`: the permissions have unknown bits.
    /// - `ENOMEM`: commit limit, `RLIMIT_DATA`, `RLIMIT_AS`, or `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html),
    /// [mremap(2)](https://man7.org/linux/man-pages/man2/mremap.2.html)
    pub fn fill<P: Permissions>(self, perms: P) -> Result<Map<P>, Error<Self>> {
        if !ASKABLE.contains(perms.flags()) {
            let figures = [self.len(), self.addr()];
            let cause = Cause::refused(Operation::Mprotect, Reason::BadPermissions, figures);
            return Err(Error::with_map(cause, self));
        }
        match self.space.fill(perms.flags()) {
            // SAFETY: the pages have these permissions, and are private memory of no file that nobody else knows: they are new,
            // and all windows of the reservation have ended, since it came by value.
            Ok(region) => Ok(unsafe { Map::from_region(perms, region) }),
            Err((Some(space), cause)) => Err(Error::with_map(cause, Self { space })),
            Err((None, cause)) => Err(Error::lost(cause)),
        }
    }

    /// Unmaps the reservation with all that is placed in it: `munmap`. Dropping it does the same, but cannot report an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::Reservation;
    ///
    /// Reservation::new(1 << 40)?.unmap()?;
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `ENOMEM` if it is the middle of what the kernel holds as one mapping, and `vm.max_map_count` leaves no room for two. It
    /// comes back.
    ///
    /// # References
    ///
    /// [munmap(2)](https://man7.org/linux/man-pages/man2/munmap.2.html)
    pub fn unmap(self) -> Result<(), Error<Self>> {
        let figures = [self.len(), self.addr()];
        self.space.unmap().map_err(|(space, errno)| {
            let cause = Cause::kernel(Operation::Munmap, errno, figures);
            Error::with_map(cause, Self { space })
        })
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Gives the pages back and keeps the addresses: one `mmap` with `MAP_FIXED` and `PROT_NONE`.
    ///
    /// The reservation has the whole pages around the map. There is no moment at which another thread could map there.
    ///
    /// # Examples
    ///
    /// See [`Reservation::split_to`].
    ///
    /// # Errors
    ///
    /// The map comes back as it was.
    ///
    /// - `ENOMEM`: `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    pub fn decommit(self) -> Result<Reservation, Error<Self>> {
        let (perms, region) = self.into_region();
        let (address, len) = region.pages();
        match Space::instead_of(region) {
            Ok(space) => Ok(Reservation { space }),
            Err((region, errno)) => {
                let cause = Cause::kernel(Operation::Mmap, errno, [len, address]);
                let Some(region) = region else {
                    return Err(Error::lost(Cause {
                        reason: Reason::RangeLost,
                        ..cause
                    }));
                };
                // SAFETY: the region is this map's; a replacement that is refused changes nothing.
                Err(Error::with_map(cause, unsafe {
                    Self::from_region(perms, region)
                }))
            }
        }
    }
}

impl From<Error<Reservation>> for Error {
    fn from(error: Error<Reservation>) -> Self {
        error.without_map()
    }
}
