//! The map itself: its three type parameters, and what every map can say of itself.
#![expect(
    unsafe_code,
    reason = "the parameters of a map are a proof about its pages, which only unsafe code can give"
)]

use core::fmt;
use core::marker::PhantomData;

use mmarinus_sys::ProtFlags;

use crate::backing::{Anonymous, Backing};
use crate::kind::{Kind, Private};
use crate::perms::{Known, Permissions, Unknown};
use crate::region::Region;
use crate::view::View;

/// Mapped memory whose type says which pages may be touched, and who else may touch them.
///
/// - `P`, a type of [`perms`](crate::perms), says what the page tables allow.
/// - `K`, [`Private`] or [`Shared`](crate::Shared), says where writes go.
/// - `B`, a type of [`backing`](crate::backing), says what stands behind the pages, so who else can change or remove them.
///
/// From the three follows what safe code may do with the bytes: [the ladder](crate#the-ladder). Dropping a map unmaps it; since
/// dropping cannot report, [`unmap`](Self::unmap) does the same and returns the error.
///
/// A map is three words long for every known `P`, and so is an `Option` of it.
///
/// # Examples
///
/// ```
/// use mmarinus::{Map, perms};
///
/// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
/// map[..5].copy_from_slice(b"hello");
/// let map = map.reprotect(perms::Read)?;
/// assert_eq!(&map[..5], b"hello");
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # References
///
/// [mmap(2)](https://man7.org/linux/man-pages/man2/mmap.2.html)
#[must_use = "a map that is dropped is unmapped"]
pub struct Map<P, K: Kind = Private, B: Backing<K> = Anonymous> {
    /// What the pages of `region` allow: as a type, or as remembered flags.
    perms: P,
    /// The owner of the pages, which are of kind `K` and have `B` behind them.
    region: Region,
    parameters: PhantomData<(K, B)>,
}

impl<P, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// A map of a region.
    ///
    /// # Safety
    ///
    /// - The pages of `region` have the permissions `perms` and are of kind `K`.
    /// - What stands behind them is `B`, with all that the traits of [`backing`](crate::backing) say about the pair.
    #[inline]
    pub(crate) unsafe fn from_region(perms: P, region: Region) -> Self {
        Self {
            perms,
            region,
            parameters: PhantomData,
        }
    }

    /// Takes the map apart.
    #[inline]
    pub(crate) fn into_region(self) -> (P, Region) {
        (self.perms, self.region)
    }

    /// The owner of the pages.
    #[inline]
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// The owner of the pages, borrowed mutably as the map is.
    #[inline]
    pub(crate) fn region_mut(&mut self) -> &mut Region {
        &mut self.region
    }

    /// The length in bytes, as it was asked for.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// The length in bytes, as it was asked for: the same as [`len`](Self::len).
    #[inline]
    #[must_use]
    pub fn size(&self) -> usize {
        self.region.len()
    }

    /// Whether the length is 0. An empty map owns no page.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.region.len() == 0
    }

    /// The address of the first byte that was asked for.
    ///
    /// For an empty map it is dangling.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.region.as_ptr().addr()
    }

    /// The first byte as a pointer to read from. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.as_ptr()
    }

    /// The first byte as a pointer to write to. Making it touches nothing.
    #[inline]
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.as_ptr()
    }

    /// The size in bytes of the pages that the map is made of.
    #[inline]
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.region.page_size()
    }

    /// The address and the length in bytes of the whole pages that hold the map, for interfaces that take pages, such as those of
    /// KVM and SGX. The length is 0 for an empty map.
    #[inline]
    #[must_use]
    pub fn pages(&self) -> (usize, usize) {
        self.region.pages()
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// What the pages allow.
    #[inline]
    #[must_use]
    pub fn permissions(&self) -> ProtFlags {
        self.perms.flags()
    }

    /// The permissions.
    #[inline]
    pub(crate) fn perms(&self) -> P {
        self.perms
    }

    /// All of the map as a view.
    #[inline]
    pub(crate) fn whole_view(&self) -> View<'_, P, K, B> {
        // SAFETY: the extent is that of this map, and the view borrows the map.
        unsafe { View::new(self.region.extent(), self.perms) }
    }

    /// Forgets what the type says of the permissions; from then on they are remembered at run time and checked before each copy.
    ///
    /// Makes no system call. The same as `From` for known permissions.
    #[inline]
    pub fn forget_permissions(self) -> Map<Unknown, K, B> {
        let (perms, region) = self.into_region();
        // SAFETY: the pages keep the permissions, which are remembered; kind and backing stay.
        unsafe { Map::from_region(Unknown(perms.flags()), region) }
    }
}

impl<P: Known, K: Kind, B: Backing<K>> From<Map<P, K, B>> for Map<Unknown, K, B> {
    #[inline]
    fn from(map: Map<P, K, B>) -> Self {
        map.forget_permissions()
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> fmt::Debug for Map<P, K, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("addr", &format_args!("{:#x}", self.addr()))
            .field("len", &self.len())
            .field("page_size", &self.page_size())
            .field("permissions", &self.perms)
            .field("kind", &K::default())
            .field("backing", &B::default())
            .finish()
    }
}
