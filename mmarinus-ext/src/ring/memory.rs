//! The memory of a ring whose two halves may be anywhere: the words of both, and the bytes, mapped twice.

use core::sync::atomic::AtomicUsize;

use mmarinus::backing::Exposed;
use mmarinus::{Fault, Map, Mirror, Shared, SharedBlock, perms};
use mmarinus_sys::page_size;

use super::error::{Error, SetupError};
use super::header::Header;
use super::protocol::MAX_CAPACITY;
use crate::memfd::{Memfd, SizeSealed};

/// The memory of a ring. Others write it at any time: there are atomics and copies alone.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) header: SharedBlock<Header, perms::ReadWrite, Shared, Exposed>,
    bytes: Mirror<Exposed>,
}

impl Memory {
    /// Words for a ring whose bytes are this process's alone.
    pub(super) fn header()
    -> Result<SharedBlock<Header, perms::ReadWrite, Shared, Exposed>, mmarinus::Error> {
        let map = Map::bytes(size_of::<Header>())
            .anonymously()
            .with_kind(Shared)
            .with(perms::ReadWrite)?;
        Ok(map.expose().into_shared()?)
    }

    /// Words and bytes.
    pub(super) fn new(
        header: SharedBlock<Header, perms::ReadWrite, Shared, Exposed>,
        bytes: Mirror<Exposed>,
    ) -> Self {
        // Where there is no copy in assembly, this lets copies be made of atomics; the kernel would make them else.
        let _ = bytes.atomics::<AtomicUsize>(0, size_of::<usize>());
        Self { header, bytes }
    }

    /// A new file for a ring of at least `capacity` bytes, mapped.
    pub(super) fn create(capacity: usize) -> Result<(Self, Memfd<SizeSealed>), SetupError> {
        let page = page_size();
        let capacity = match capacity.max(1).checked_next_multiple_of(page) {
            Some(capacity) if capacity <= MAX_CAPACITY => capacity,
            _ => return Err(SetupError::TooLarge { capacity }),
        };
        let memfd = Memfd::create("ring", (page + capacity) as u64)?.seal_size()?;
        let memory = Self::of(&memfd, capacity)?;
        memory.header.declare(capacity);
        Ok((memory, memfd))
    }

    /// The file of a ring that somebody else has made, mapped once it is verified.
    pub(super) fn attach(memfd: &Memfd<SizeSealed>) -> Result<Self, SetupError> {
        // Its size is fixed, and is the one thing that is believed; the header has to agree with it.
        let page = page_size();
        let capacity = usize::try_from(memfd.len())
            .ok()
            .and_then(|len| len.checked_sub(page))
            .filter(|capacity| *capacity != 0 && capacity.is_multiple_of(page))
            .ok_or(SetupError::NoRing)?;
        if capacity > MAX_CAPACITY {
            return Err(SetupError::TooLarge { capacity });
        }
        let memory = Self::of(memfd, capacity)?;
        memory.header.verify(capacity)?;
        Ok(memory)
    }

    /// Maps a file: its first page, and all that follows, twice.
    fn of(memfd: &Memfd<SizeSealed>, capacity: usize) -> Result<Self, mmarinus::Error> {
        let map = memfd.map_range(0, size_of::<Header>()).with_kind(Shared);
        let header = map.with(perms::ReadWrite)?.expose().into_shared()?;
        let bytes = Mirror::part(memfd, page_size() as u64, capacity)?;
        Ok(Self::new(header, bytes.expose()))
    }

    /// How many bytes the ring holds.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Copies bytes out, from `place` on, across the end where they reach so far.
    #[inline]
    pub(super) fn read(&self, place: usize, bytes: &mut [u8]) -> Result<(), Error> {
        let view = self.bytes.view(place, bytes.len());
        let copied = view
            .map_err(|error| error.errno())
            .and_then(|view| view.read_at(0, bytes).map_err(|fault: Fault| fault.errno()));
        copied.map_err(Error::Uncopied)
    }

    /// Copies bytes in, from `place` on, across the end where they reach so far.
    #[inline]
    pub(super) fn write(&self, place: usize, bytes: &[u8]) -> Result<(), Error> {
        let view = self.bytes.view(place, bytes.len());
        let copied = view.map_err(|error| error.errno()).and_then(|view| {
            view.write_at(0, bytes)
                .map_err(|fault: Fault| fault.errno())
        });
        copied.map_err(Error::Uncopied)
    }
}
