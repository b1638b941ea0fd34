//! Handing a map to a userfaultfd.
#![expect(
    unsafe_code,
    reason = "registers pages of maps, and says so in the type"
)]

use mmarinus_sys::{self as sys, Errno, UffdRegisterMode};

use super::Userfault;
use crate::backing::{Backing, Paged, Written};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Written<K> + Backing<K>> Map<P, K, B> {
    /// Lets whoever has the userfaultfd bring in the pages of this map: `ioctl(UFFDIO_REGISTER)`.
    ///
    /// With `MISSING`, a touch of a page that is not there waits; pages that are there stay. With `WP`, so does a write to a
    /// page that is [protected](Userfault::protect); since Linux 5.7 for private anonymous memory, since 5.19 for shared memory
    /// and huge pages. With `MINOR`, a touch of a page that the memory file has and this map has not (since Linux 5.13 and 5.14).
    /// Anonymous memory, memory files and files of tmpfs can be handed over; and huge pages, which are all there already,
    /// for `WP`.
    ///
    /// Since whoever touches a page may wait for ever or meet a poisoned one, the map is copied from and to by checked copies
    /// alone. When it is moved (`move_to`), or its userfaultfd is closed, missing pages are zeros, or what the file holds.
    /// `discard` of anonymous memory makes pages missing again. A forked child has the map without the userfaultfd.
    ///
    /// # Examples
    ///
    /// See [`Userfault`].
    ///
    /// # Errors
    ///
    /// The map comes back as it was.
    ///
    /// - `EBUSY`: another userfaultfd answers for the pages.
    /// - `EINVAL`: the kernel does not do that for such memory; no mode, or an unknown one; or the map starts within a page.
    /// - `EPERM`: a shared map that can never be written.
    /// - `ENOMEM`: `vm.max_map_count`.
    /// - `ESRCH`: in a forked child.
    ///
    /// # References
    ///
    /// [UFFDIO_REGISTER(2const)](https://man7.org/linux/man-pages/man2/UFFDIO_REGISTER.2const.html)
    pub fn page_by(
        self,
        uffd: &Userfault,
        modes: UffdRegisterMode,
    ) -> Result<Map<P, K, Paged>, Error<Self>> {
        match self.register(uffd, modes) {
            Err(cause) => Err(Error::with_map(cause, self)),
            Ok(()) => {
                let (perms, region) = self.into_region();
                // SAFETY: of `Paged` nothing is said but that safe code may write it, which it might before (`Written`).
                Ok(unsafe { Map::from_region(perms, region) })
            }
        }
    }

    fn register(&self, uffd: &Userfault, modes: UffdRegisterMode) -> Result<(), Cause> {
        let (address, len) = self.pages();
        let figures = [len, address];
        let known = UffdRegisterMode::MISSING | UffdRegisterMode::WP | UffdRegisterMode::MINOR;
        if !known.contains(modes) || modes.is_empty() {
            return Err(Cause::refused(Operation::PageBy, Reason::NoMode, figures));
        }
        if self.addr() != address && len != 0 {
            return Err(Cause::refused(
                Operation::PageBy,
                Reason::StartsInPage,
                figures,
            ));
        }
        uffd.check(Operation::PageBy, figures)?;
        if len == 0 {
            return Ok(());
        }
        let start = self.as_mut_ptr().cast();
        // SAFETY: the pages are the map's, which came by value to `page_by`, so nobody borrows from them.
        let Err(errno) = (unsafe { sys::uffdio_register(&uffd.fd, start, len, modes) }) else {
            return Ok(());
        };
        if errno == Errno::NOMEM {
            // Of several mappings some may be registered already. None was another's: that is `EBUSY` before any is.
            // SAFETY: as above; the pages are as they were before.
            let _ = unsafe { sys::uffdio_unregister(&uffd.fd, start, len) };
        }
        Err(Cause::kernel(Operation::PageBy, errno, figures))
    }
}
