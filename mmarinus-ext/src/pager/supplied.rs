//! Maps whose pages cannot fail to be made: slices.

use core::fmt;
use core::ops::Deref;

use mmarinus::perms::{self, Permissions, Readable, Writable};
use mmarinus::supply::Supply;

use super::error::Error;
use super::steps::{Steps, nothing};
use super::worker::Threads;

/// A map whose pages are made by a closure that cannot fail, when they are first touched: rung 3, a slice.
///
/// [`supplied`](super::supplied) and [`Options::supplied`](super::Options::supplied) make it. It derefs to the [`Supply`]
/// that lends the map, and so to a slice.
///
/// A thread runs the closure, and another one waits for faults. When the map is dropped both end, and are waited for: and
/// so is a closure that is running, however long that takes. (A closure that drops its own map is not waited for.)
///
/// # Aborts
///
/// The process is aborted if the closure panics, or touches a missing page of this map, or if the kernel has no memory for a
/// page: see [the module](super).
///
/// # Examples
///
/// See [the module](super) and [`Options`](super::Options).
#[must_use = "a map that is dropped is unmapped"]
pub struct Supplied<P = perms::Read> {
    /// Dropped first: that ends the threads.
    supply: Supply<P>,
    threads: Threads,
}

impl<P: Permissions> Supplied<P> {
    /// A map of such steps, all of which are missing, and the threads that serve it.
    pub(super) fn new(
        steps: Steps,
        perms: P,
        make: impl FnMut(usize, &mut [u8]) + Send + 'static,
    ) -> Result<Self, Error> {
        let map = nothing(steps.len(), perms)?;
        let (supply, supplier) = map.supply_pages().map_err(mmarinus::Error::from)?;
        let threads = Threads::start(steps, supplier, make)?;
        Ok(Self { supply, threads })
    }

    /// The bytes as a mutable slice. To write to a missing page has it made first. The closure is not told of what is written.
    ///
    /// # Examples
    ///
    /// See [`Options`](super::Options).
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8]
    where
        P: Readable + Writable,
    {
        self.supply.as_mut_slice()
    }
}

impl<P> Deref for Supplied<P> {
    type Target = Supply<P>;

    #[inline]
    fn deref(&self) -> &Supply<P> {
        &self.supply
    }
}

impl<P: Readable> AsRef<[u8]> for Supplied<P> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.supply.as_ref()
    }
}

impl<P: Readable + Writable> AsMut<[u8]> for Supplied<P> {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self.supply.as_mut_slice()
    }
}

impl<P: Permissions> fmt::Debug for Supplied<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supplied")
            .field("supply", &self.supply)
            .field("threads", &self.threads)
            .finish()
    }
}
