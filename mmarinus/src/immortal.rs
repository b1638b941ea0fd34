//! Maps that are sealed: never unmapped, moved or reprotected again.
#![expect(unsafe_code, reason = "a sealed map is lent for ever")]

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::Deref;

use mmarinus_sys::Errno;

use crate::backing::{Backing, NoRace};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::{Kind, Private};
use crate::map::Map;
use crate::perms::{Permissions, Readable};

/// A map that was sealed by `mseal`: it stays as it is as long as the process lives.
///
/// It lends the map by reference, and its bytes as a slice that never ends; dropping it does nothing.
pub struct Immortal<P, K: Kind = Private, B: Backing<K> = crate::backing::Anonymous> {
    /// Sealed, so that it must never be dropped.
    map: ManuallyDrop<Map<P, K, B>>,
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Seals the map (since Linux 6.10): nobody unmaps, moves or reprotects its pages as long as the process lives, not even
    /// `unsafe` code.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map[..5].copy_from_slice(b"hello");
    /// match map.reprotect(perms::Read)?.mseal() {
    ///     Ok(sealed) => {
    ///         let bytes: &'static [u8] = sealed.as_static();
    ///         assert!(bytes.starts_with(b"hello"));
    ///     }
    ///     Err(error) => assert_eq!(error.errno(), Errno::NOSYS), // An older kernel.
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The map comes back as it was; but if the kernel may hold it as several mappings (parts of it were locked, advised or
    /// joined), some may have been sealed, and there is no map in the error.
    ///
    /// - `ENOMEM`: sealing a part of what the kernel holds as one mapping makes more of it than `vm.max_map_count` allows.
    /// - `ENOSYS`: before Linux 6.10, and on 32-bit kernels. The map always comes back.
    ///
    /// # References
    ///
    /// [mseal(2)](https://man7.org/linux/man-pages/man2/mseal.2.html)
    pub fn mseal(self) -> Result<Immortal<P, K, B>, Error<Self>> {
        match self.region().seal() {
            Ok(()) => Ok(Immortal {
                map: ManuallyDrop::new(self),
            }),
            Err(errno) => {
                let (address, len) = self.pages();
                let cause = Cause::kernel(Operation::Mseal, errno, [len, address]);
                // A kernel without the call sealed nothing.
                if self.region().is_whole() || errno == Errno::NOSYS {
                    return Err(Error::with_map(cause, self));
                }
                // Some of several mappings may be sealed. What the type says is still true, but nobody can unmap them.
                core::mem::forget(self);
                Err(Error::lost(Cause {
                    reason: Reason::PartlySealed,
                    ..cause
                }))
            }
        }
    }
}

impl<P, K: Kind, B: Backing<K>> Immortal<P, K, B> {
    /// The bytes, for ever.
    #[inline]
    #[must_use]
    pub fn as_static(&self) -> &'static [u8]
    where
        P: Readable,
        B: NoRace<K>,
    {
        let region = self.map.region();
        // SAFETY: as for `Map::as_slice`; the pages are sealed and the map is never dropped, so both last for ever. Nobody
        // can write through the map, which is only lent by shared reference.
        unsafe { core::slice::from_raw_parts(region.as_ptr(), region.len()) }
    }
}

impl<P, K: Kind, B: Backing<K>> Deref for Immortal<P, K, B> {
    type Target = Map<P, K, B>;

    #[inline]
    fn deref(&self) -> &Map<P, K, B> {
        &self.map
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> fmt::Debug for Immortal<P, K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Immortal").field(&**self).finish()
    }
}
