//! Changing what the pages of a map allow, and its type with it.
#![expect(unsafe_code, reason = "changes permissions and says so in the type")]

use mmarinus_sys::{Errno, ProtFlags};

use crate::backing::Backing;
use crate::build::unpopulated;
use crate::builder::populated;
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{ASKABLE, Permissions};
use crate::region::Region;

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
    /// The map comes back as it was. If the kernel may hold it as several mappings (parts of it were locked, advised or joined),
    /// `mprotect` can stop half way; then what it changed is changed back, and only if the kernel refuses that as well is there
    /// no map in the error: it has been unmapped.
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
        let (old, region) = self.into_region();
        let mut failed = None;
        if region.is_plain() && ASKABLE.contains(prot) {
            // SAFETY: the map came by value, so nobody borrows from it, and the permissions are remembered in the type.
            match unsafe { region.protect(prot) } {
                // SAFETY: the pages have just got these permissions; kind and backing stay.
                Ok(()) => return Ok(unsafe { Map::from_region(perms, region) }),
                Err(errno) => failed = Some(errno),
            }
        }
        match reprotect_any::<K>(region, old.flags(), prot, failed) {
            // SAFETY: as above.
            Ok(region) => Ok(unsafe { Map::from_region(perms, region) }),
            Err(Unchanged {
                region: Some(region),
                cause,
            }) => {
                // SAFETY: the pages have the permissions that they had; kind and backing stay.
                let map = unsafe { Self::from_region(old, region) };
                Err(Error::with_map(cause, map))
            }
            Err(Unchanged { cause, .. }) => Err(Error::lost(cause)),
        }
    }

    /// Gives all pages the permissions that the type says, after `mprotect` failed.
    #[cold]
    pub(crate) fn roll_back(self, cause: Cause) -> Error<Self> {
        let (perms, region) = self.into_region();
        let Unchanged { region, cause } = unchanged(region, perms.flags(), cause);
        match region {
            // SAFETY: the pages have the permissions that they had; kind and backing stay.
            Some(region) => Error::with_map(cause, unsafe { Self::from_region(perms, region) }),
            None => Error::lost(cause),
        }
    }
}

/// What is left of a region whose permissions could not be changed: all of it, as it was, or nothing.
struct Unchanged {
    region: Option<Region>,
    cause: Cause,
}

/// Changes the permissions of any region, from `old` to `prot`; or sees to one where that has just failed.
#[cold]
fn reprotect_any<K: Kind>(
    region: Region,
    old: ProtFlags,
    prot: ProtFlags,
    failed: Option<Errno>,
) -> Result<Region, Unchanged> {
    if !ASKABLE.contains(prot) {
        let figures = [region.len(), region.as_ptr().addr()];
        return Err(Unchanged {
            region: Some(region),
            cause: Cause::refused(Operation::Mprotect, Reason::BadPermissions, figures),
        });
    }
    let changed = match failed {
        // SAFETY: the region came by value, so nobody borrows from it; the caller says in a type what it is given.
        None => unsafe { region.protect(prot) },
        Some(errno) => Err(errno),
    };
    if let Err(errno) = changed {
        let (address, len) = region.pages();
        let cause = Cause::kernel(Operation::Mprotect, errno, [len, address]);
        return Err(unchanged(region, old, cause));
    }
    if !region.is_huge() || region.len() == 0 {
        return Ok(region);
    }
    // Pages that become accessible must be there, or touching them would be SIGBUS.
    match populated::<K>(prot).map(|prot| region.populate(prot)) {
        Some(Err(errno)) => {
            let cause = unpopulated(&region, errno);
            Err(roll_back(region, old, cause))
        }
        _ => Ok(region),
    }
}

/// What is left after `mprotect` failed. One mapping it changes as a whole or not at all: it refuses, and cuts the mapping out of
/// what it is part of, before it changes anything.
#[cold]
fn unchanged(region: Region, old: ProtFlags, cause: Cause) -> Unchanged {
    if region.is_whole() {
        // Raw calls may have made several mappings of it all the same: what has changed before a part refused changes back.
        // SAFETY: the region came by value, so nobody borrows from it; these are the permissions that are remembered of it.
        let _ = unsafe { region.protect(old) };
        return Unchanged {
            region: Some(region),
            cause,
        };
    }
    roll_back(region, old, cause)
}

/// Gives all pages the permissions back that they had, after a change of them failed.
#[cold]
fn roll_back(region: Region, old: ProtFlags, cause: Cause) -> Unchanged {
    // SAFETY: the region came by value, so nobody borrows from it; these are the permissions that are remembered of it.
    match unsafe { region.protect(old) } {
        Ok(()) => Unchanged {
            region: Some(region),
            cause,
        },
        // The type would be a lie: the region is dropped, which unmaps it.
        Err(_) => Unchanged {
            region: None,
            cause: Cause {
                reason: Reason::PermissionsLost,
                ..cause
            },
        },
    }
}
