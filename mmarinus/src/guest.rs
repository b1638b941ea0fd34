//! Memory of a virtual machine as the traits of the crate `vm-memory` know it, backed by a map.
#![expect(
    unsafe_code,
    reason = "lends the bytes of a map to another crate, which has rules of its own"
)]

use core::fmt;

use vm_memory::bitmap::{BS, Bitmap, NewBitmap};
use vm_memory::{
    Address, GuestAddress, GuestMemoryError, GuestMemoryRegion, GuestMemoryRegionBytes,
    GuestMemoryResult, GuestUsize, MemoryRegionAddress, VolatileSlice,
};

use crate::backing::{Backing, Concurrent, Exposed};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::{Kind, Private};
use crate::map::Map;
use crate::perms::ReadWrite;

/// A region of guest memory of the crate `vm-memory`, which owns a map. Needs the feature `vm-memory`, and 64 bits.
///
/// The types decide what can be guest memory: a map that is readable and writable, whose pages never fault, and that others may
/// write ([`Concurrent`]). That is memory of no file that was [exposed](Map::expose) or is shared, a memory file whose size is
/// sealed, and what is promised to be [`Present`](crate::backing::Present). A map of a file has to be promised first, and a map
/// that lends slices has to be exposed.
///
/// The region implements [`GuestMemoryRegion`] and with it [`Bytes`](vm_memory::Bytes), so it goes into a
/// [`GuestRegionCollection`](vm_memory::GuestRegionCollection), beside regions of the same type. `M` is the bitmap of what was
/// written, such as `AtomicBitmap`; `()` is none.
///
/// While the map is in here, nobody uses it in another way: [`into_map`](Self::into_map) gives it back.
///
/// # Examples
///
/// ```
/// use mmarinus::guest::GuestRegion;
/// use mmarinus::{Map, perms};
/// use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestRegionCollection};
///
/// let mut low = Map::bytes(1 << 20).anonymously().with(perms::ReadWrite)?;
/// low[..5].copy_from_slice(b"hello"); // The image that the guest starts from.
/// let high = Map::bytes(1 << 20).anonymously().with(perms::ReadWrite)?;
///
/// // SAFETY: no thread of this program races with another one on these bytes: there is one.
/// let low = unsafe { GuestRegion::<_, _>::new(low.expose(), GuestAddress(0)) }?;
/// // SAFETY: the same.
/// let high = unsafe { GuestRegion::new(high.expose(), GuestAddress(1 << 20)) }?;
/// let memory = GuestRegionCollection::from_regions(vec![low, high])?;
///
/// memory.write_obj(0x1122_3344_u32, GuestAddress((1 << 20) - 2))?; // Half of it lies in each region.
/// assert_eq!(memory.read_obj::<u32>(GuestAddress((1 << 20) - 2))?, 0x1122_3344);
/// assert_eq!(memory.read_obj::<[u8; 5]>(GuestAddress(0))?, *b"hello");
/// assert!(memory.find_region(GuestAddress(2 << 20)).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GuestRegion<K: Kind = Private, B: Backing<K> = Exposed, M = ()> {
    /// Its bytes are lent as slices of the other crate alone. It is not empty, and `start` plus its length does not overflow.
    map: Map<ReadWrite, K, B>,
    start: GuestAddress,
    bitmap: M,
}

impl<K: Kind, B: Concurrent<K>, M: Bitmap> GuestRegion<K, B, M> {
    /// A region at `start` in the guest, with a bitmap that was made for as many bytes as the map has.
    ///
    /// # Errors
    ///
    /// The map comes back.
    ///
    /// - `EINVAL`: the map is empty, or the region would end behind the largest guest address.
    ///
    /// # Safety
    ///
    /// `vm-memory` copies bytes by volatile accesses and by `memcpy`, and lends atomics of every size. So as long as the region
    /// lives:
    ///
    /// - Where two threads of this process use the same bytes through it at the same time, and one of them writes, both do so by
    ///   atomics of one size. A guest can name the same bytes to two of them: whoever serves it from several threads orders them.
    /// - What others write at any moment (the guest, a device, another process, another map of the same pages) may be in what is
    ///   copied, in any mix of old and new. The caller answers for relying on `vm-memory` that it is nothing worse than that.
    pub unsafe fn with_bitmap(
        map: Map<ReadWrite, K, B>,
        start: GuestAddress,
        bitmap: M,
    ) -> Result<Self, Error<Map<ReadWrite, K, B>>> {
        let figures = [map.len(), map.addr()];
        let refused = |reason| Cause::refused(Operation::GuestRegion, reason, figures);
        if map.is_empty() {
            return Err(Error::with_map(refused(Reason::NoGuestMemory), map));
        }
        if start.raw_value().checked_add(map.len() as u64).is_none() {
            return Err(Error::with_map(refused(Reason::PastGuestAddresses), map));
        }
        Ok(Self { map, start, bitmap })
    }

    /// A region at `start` in the guest, with a new bitmap.
    ///
    /// # Errors
    ///
    /// As for [`with_bitmap`](Self::with_bitmap).
    ///
    /// # Safety
    ///
    /// As for [`with_bitmap`](Self::with_bitmap).
    pub unsafe fn new(
        map: Map<ReadWrite, K, B>,
        start: GuestAddress,
    ) -> Result<Self, Error<Map<ReadWrite, K, B>>>
    where
        M: NewBitmap,
    {
        let bitmap = M::with_len(map.len());
        // SAFETY: the caller's promise.
        unsafe { Self::with_bitmap(map, start, bitmap) }
    }

    /// The address and the length in bytes of the whole pages that hold the region, for KVM: see [`Map::pages`].
    #[must_use]
    pub fn pages(&self) -> (usize, usize) {
        self.map.pages()
    }

    /// The map. All that was lent has ended.
    pub fn into_map(self) -> Map<ReadWrite, K, B> {
        self.map
    }
}

impl<K: Kind, B: Concurrent<K>, M: Bitmap> GuestMemoryRegion for GuestRegion<K, B, M> {
    type B = M;

    fn len(&self) -> GuestUsize {
        self.map.len() as GuestUsize
    }

    fn start_addr(&self) -> GuestAddress {
        self.start
    }

    fn bitmap(&self) -> BS<'_, M> {
        self.bitmap.slice_at(0)
    }

    fn get_host_address(&self, address: MemoryRegionAddress) -> GuestMemoryResult<*mut u8> {
        let address = self
            .check_address(address)
            .ok_or(GuestMemoryError::InvalidBackendAddress)?;
        Ok(self
            .map
            .as_mut_ptr()
            .wrapping_add(address.raw_value() as usize))
    }

    fn get_slice(
        &self,
        offset: MemoryRegionAddress,
        count: usize,
    ) -> GuestMemoryResult<VolatileSlice<'_, BS<'_, M>>> {
        let len = self.map.len();
        let offset = usize::try_from(offset.raw_value())
            .ok()
            .filter(|&offset| offset <= len && count <= len - offset)
            .ok_or(GuestMemoryError::InvalidBackendAddress)?;
        let first = self.map.as_mut_ptr().wrapping_add(offset);
        let bitmap = self.bitmap.slice_at(offset);
        // SAFETY:
        // - The bytes lie in the map, which lives as long as it is borrowed, are readable and writable (`ReadWrite`), and do not
        //   fault (`Concurrent`).
        // - The map is lent in no other way, and what others write meanwhile is the promise of whoever made the region.
        Ok(unsafe { VolatileSlice::with_bitmap(first, count, bitmap, None) })
    }

    fn is_hugetlbfs(&self) -> Option<bool> {
        Some(self.map.page_size() != mmarinus_sys::page_size())
    }
}

impl<K: Kind, B: Concurrent<K>, M: Bitmap> GuestMemoryRegionBytes for GuestRegion<K, B, M> {}

impl<K: Kind, B: Backing<K>, M> fmt::Debug for GuestRegion<K, B, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestRegion")
            .field("start", &format_args!("{:#x}", self.start.raw_value()))
            .field("map", &self.map)
            .finish_non_exhaustive()
    }
}
