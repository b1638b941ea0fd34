//! Changing what the pages of a map allow, and its type with it.
#![expect(unsafe_code, reason = "changes permissions and says so in the type")]

use mmarinus_sys::ProtFlags;

use crate::backing::Backing;
use crate::build::unpopulated;
use crate::builder::populated;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{ASKABLE, Permissions};

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Changes what the pages allow: `mprotect`. The type follows.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[0] = 1;
    /// let map = map.reprotect(perms::Read)?;
    /// assert_eq!(map[0], 1);
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map comes back as it was. `mprotect` can stop half way; then what it changed is changed back, and only if the kernel
    /// refuses that as well is there no map in the error: it has been unmapped.
    ///
    /// - `EACCES`: the map is shared and its file was not open for writing, or a policy forbids executable pages.
    /// - `EINVAL`: the permissions have bits other than reading, writing and executing.
    /// - `EFAULT`: the pages are huge, and one of them could not be had.
    /// - `ENOMEM`: `vm.max_map_count`, or the commit limit.
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)
    #[inline]
    pub fn reprotect<Q: Permissions>(self, perms: Q) -> Result<Map<Q, K, B>, Error<Self>> {
        let prot = perms.flags();
        if !ASKABLE.contains(prot) {
            let cause = Cause::refused(
                Operation::Mprotect,
                Reason::BadPermissions,
                [self.len(), self.addr()],
            );
            return Err(Error::with_map(cause, self));
        }
        // SAFETY: the map came by value, so nobody borrows from it, and the permissions are remembered in the type below.
        if let Err(errno) = unsafe { self.region().protect(prot) } {
            let (address, len) = self.pages();
            return Err(self.roll_back(Cause::kernel(Operation::Mprotect, errno, [len, address])));
        }
        if self.region().is_huge() {
            // Pages that become accessible must be there, or touching them would be SIGBUS.
            if let Err(cause) = self.populate_huge(prot) {
                return Err(self.roll_back(cause));
            }
        }
        let (_, region) = self.into_region();
        // SAFETY: the pages have just got these permissions; kind and backing stay.
        Ok(unsafe { Map::from_region(perms, region) })
    }

    /// Brings huge pages in, for all that these permissions allow.
    #[cold]
    fn populate_huge(&self, prot: ProtFlags) -> Result<(), Cause> {
        let region = self.region();
        match populated::<K>(prot) {
            Some(prot) if !self.is_empty() => region
                .populate(prot)
                .map_err(|errno| unpopulated(region, errno)),
            _ => Ok(()),
        }
    }

    /// Gives all pages the permissions that the type says, after a change of them failed.
    #[cold]
    pub(crate) fn roll_back(self, cause: Cause) -> Error<Self> {
        // SAFETY: the map came by value, so nobody borrows from it; these are the permissions that it remembers.
        match unsafe { self.region().protect(self.permissions()) } {
            Ok(()) => Error::with_map(cause, self),
            // The type would be a lie: the map is dropped, which unmaps it.
            Err(_) => Error::lost(Cause {
                reason: Reason::PermissionsLost,
                ..cause
            }),
        }
    }
}
