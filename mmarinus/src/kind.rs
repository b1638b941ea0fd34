//! Kinds of maps: whether writes stay in this process or reach everybody who maps the same pages.

use core::fmt::Debug;

use crate::leak::FromLeaked;

/// `MAP_PRIVATE`: writes stay in this map; other maps of the same file do not see them.
///
/// A private map is no snapshot: until a page has been written, what others write to the file shows through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Private;

/// `MAP_SHARED`: writes reach every map of the same pages, in forked children too, and the file if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shared;

/// [`Private`] or [`Shared`], decided by type.
///
/// Sealed: there is no third kind.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a kind of map",
    label = "neither `Private` nor `Shared`",
    note = "the kinds are `Private` and `Shared`; in `Map<P, K, B>` the kind comes before the backing"
)]
pub trait Kind:
    sealed::Sealed + Copy + Default + Debug + Eq + Send + Sync + Unpin + 'static
{
    /// Whether this is [`Shared`].
    const SHARED: bool;
}

impl Kind for Private {
    const SHARED: bool = false;
}

impl Kind for Shared {
    const SHARED: bool = true;
}

mod sealed {
    use super::{FromLeaked, Private, Shared};

    #[expect(unnameable_types, reason = "the seal of `Kind`")]
    pub trait Sealed {
        /// The first type for `Private`, the second for `Shared`.
        type Choose<P: FromLeaked, S: FromLeaked>: FromLeaked;
    }

    impl Sealed for Private {
        type Choose<P: FromLeaked, S: FromLeaked> = P;
    }

    impl Sealed for Shared {
        type Choose<P: FromLeaked, S: FromLeaked> = S;
    }
}
