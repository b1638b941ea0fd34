//! Replacing the pages of a map by those of a device that is tied to the address: what fails is lost.
#![expect(unsafe_code, reason = "replaces pages, and says what the new ones are")]

use crate::backing::{Backing, Device};
use crate::build::finish;
use crate::builder::{Builder, Prepared, Unset};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::{Kind, Private};
use crate::layout::Layout;
use crate::map::Map;
use crate::perms::Permissions;
use crate::region::Region;

/// The place of a map, which is lost if it cannot be replaced.
#[derive(Debug)]
pub struct InPlace<M> {
    old: M,
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Asks for pages of a device directly over this map's, which are gone then: `mmap` with `MAP_FIXED`.
    ///
    /// For drivers that tie their pages to the address at which they are first mapped, so that they cannot be moved there as
    /// [`remap`](Self::remap) does: enclaves of SGX, say. For everything else use `remap`: such a call is not transactional, and
    /// **a failure of the kernel loses the map**. Then there is no map in the error, and the range is never touched again,
    /// since another thread may own it by now.
    ///
    /// The source is one of `.from_device(&fd, offset)`. Length and address stay. Page sizes must be the same, and the offset
    /// must agree with the address modulo the page size; so nothing beside the map is reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let device = std::fs::File::open("/dev/zero")?;
    /// let place = Map::bytes(1 << 16).anywhere().anonymously().with(perms::None)?;
    /// let addr = place.addr();
    /// let map = place.remap_in_place().from_device(&device, 0).with(perms::Read).map_err(|error| error.without_map())?;
    /// assert_eq!(map.addr(), addr);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # References
    ///
    /// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
    #[inline]
    pub fn remap_in_place(self) -> Builder<'static, Private, Unset, InPlace<Self>> {
        Builder::new(self.len(), InPlace { old: self })
    }
}

impl<K: Kind, P0: Permissions, K0: Kind, B0: Backing<K0>>
    Builder<'_, K, Device, InPlace<Map<P0, K0, B0>>>
{
    /// Maps the device over the old map, with these permissions.
    ///
    /// # Errors
    ///
    /// What is refused before the call gives the old map back:
    ///
    /// - `EINVAL`: the device is in pages of another size, its offset does not agree with the address, or the place is not where
    ///   it was asked to be.
    /// - `EOVERFLOW`, and what [`Source::device`](crate::Source::device) says.
    ///
    /// What the kernel refuses loses it, as the error says: there is no map in it, and the errno is that of `mmap`, or of what
    /// was asked for besides.
    #[expect(
        clippy::type_complexity,
        reason = "the new map or the old one: both are said in full"
    )]
    pub fn with<P: Permissions>(
        self,
        perms: P,
    ) -> Result<Map<P, K, Device>, Error<Map<P0, K0, B0>>> {
        let checked = self
            .prepare(perms.flags())
            .and_then(|prepared| Ok((self.checked(&prepared)?, prepared)));
        let (layout, prepared) = match checked {
            Ok(checked) => checked,
            Err(cause) => return Err(Error::with_map(cause, self.place.old)),
        };
        let (_, old) = self.place.old.into_region();
        let Prepared {
            page_shift,
            prot,
            flags,
            behind,
            ..
        } = prepared;
        let region = match layout {
            None => Region::empty(page_shift).asked_with(flags, prepared.is_special()),
            Some(layout) => {
                // Never dropped: the pages are the new region's, or anybody's.
                let (before, old, after) = old.guards_alone();
                let (address, len) = old.pages();
                // SAFETY: the pages were owned by `old`, which came by value, so nobody borrows from them; the layout has as many
                // pages of the same size (`checked`), and `old` is never dropped.
                let mapped = unsafe { Region::map_onto(layout, address, prot, flags, behind) };
                let new = finish(&prepared, mapped, [len, address]).map_err(|cause| {
                    Error::lost(Cause {
                        operation: Operation::MmapInPlace,
                        reason: Reason::PlaceLost,
                        figures: [len, address],
                        ..cause
                    })
                })?;
                new.between(before, after)
            }
        };
        // SAFETY: the region was just mapped with the flags of `perms`, of kind `K`, from a device (`prepare`).
        Ok(unsafe { Map::from_region(perms, region) })
    }

    /// The layout of the new pages, if they are exactly those of the old map.
    fn checked(&self, prepared: &Prepared<'_>) -> Result<Option<Layout>, Cause> {
        let old = self.place.old.region();
        let Some(layout) = prepared.layout else {
            return Ok(None);
        };
        let (address, len) = old.pages();
        if prepared.page_shift != old.page_shift() {
            return Err(self.refused(Reason::OtherPages));
        }
        if layout.head() != old.head() || layout.len() != len {
            return Err(self.refused(Reason::OtherHead));
        }
        if !address.is_multiple_of(prepared.align) {
            return Err(self.refused(Reason::Unaligned));
        }
        if !prepared.reach.holds(old.pages()) {
            return Err(self.refused(Reason::OutOfReach));
        }
        Ok(Some(layout))
    }
}
