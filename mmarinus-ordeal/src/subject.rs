//! What a crate of memory maps offers in safe code: the trait that stands between it and the trials.

use core::ops::Range;
use std::fs::File;

/// Why something did not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// The crate does not have it, or only as `unsafe`.
    NotOffered,
    /// The crate has it and said no, by an error or a panic that it documents.
    Refused,
}

/// What was asked for, or why there is none.
pub type Offer<T> = Result<T, No>;

/// What became of a map that was to be replaced.
#[derive(Debug)]
pub enum Replaced<M> {
    /// It was replaced.
    Done(M),
    /// It was refused, and the old map given back.
    GivenBack(M),
    /// It was refused, and there is no map any more.
    Lost,
}

/// A crate of memory maps.
///
/// Implement what the crate offers *without `unsafe`*, best under `#![forbid(unsafe_code)]`; the rest keeps its default, which
/// says that it is not offered. Lengths and offsets are in bytes.
#[expect(
    clippy::missing_errors_doc,
    reason = "`No` says once for all what an error means"
)]
pub trait Subject {
    /// Its map, of whatever kind; an enum if it has several.
    type Map: 'static;

    /// Private memory of no file, zeroed, that may be read and written.
    fn anonymous(len: usize) -> Offer<Self::Map>;

    /// The number of bytes that the map says it has.
    fn len(map: &Self::Map) -> usize;

    /// Copies bytes out of a map, as its safe code would: by a slice, a method, a view. A fault that it turns into an error, and
    /// a range that is not in the map, are refusals.
    fn read(map: &Self::Map, offset: usize, buf: &mut [u8]) -> Offer<()>;

    /// Copies bytes into a map. The default offers nothing.
    fn write(map: &mut Self::Map, offset: usize, bytes: &[u8]) -> Offer<()> {
        let _ = (map, offset, bytes);
        Err(No::NotOffered)
    }

    /// All bytes as a slice. The default offers nothing.
    fn slice(map: &Self::Map) -> Offer<&[u8]> {
        let _ = map;
        Err(No::NotOffered)
    }

    /// Part of a file, private and for reading. The default offers nothing.
    fn file(file: &File, offset: u64, len: usize) -> Offer<Self::Map> {
        let _ = (file, offset, len);
        Err(No::NotOffered)
    }

    /// Part of a file, shared, for reading and writing. The default offers nothing.
    fn shared_file(file: &File, offset: u64, len: usize) -> Offer<Self::Map> {
        let _ = (file, offset, len);
        Err(No::NotOffered)
    }

    /// A file that is sealed against all changes, with a slice of it. The default offers nothing.
    fn sealed(file: &File, len: usize) -> Offer<Self::Map> {
        let _ = (file, len);
        Err(No::NotOffered)
    }

    /// Memory that is shared with children, for reading and writing. The default offers nothing.
    fn shared(len: usize) -> Offer<Self::Map> {
        let _ = len;
        Err(No::NotOffered)
    }

    /// Memory at exactly this address, where nothing else may be. The default offers nothing.
    fn at(address: usize, len: usize) -> Offer<Self::Map> {
        let _ = (address, len);
        Err(No::NotOffered)
    }

    /// Private memory in pages of 2 MiB out of the pool. The default offers nothing.
    fn huge(len: usize) -> Offer<Self::Map> {
        let _ = len;
        Err(No::NotOffered)
    }

    /// The same without a reservation (`MAP_NORESERVE`). The default offers nothing.
    fn huge_unreserved(len: usize) -> Offer<Self::Map> {
        let _ = len;
        Err(No::NotOffered)
    }

    /// Cuts a map in two at `offset`. The default offers nothing.
    fn split(map: Self::Map, offset: usize) -> Offer<(Self::Map, Self::Map)> {
        let _ = (map, offset);
        Err(No::NotOffered)
    }

    /// Changes the length of a map. The default offers nothing.
    fn resize(map: Self::Map, len: usize) -> Offer<Self::Map> {
        let _ = (map, len);
        Err(No::NotOffered)
    }

    /// Takes the permission to write away. The default offers nothing.
    fn read_only(map: Self::Map) -> Offer<Self::Map> {
        let _ = map;
        Err(No::NotOffered)
    }

    /// Replaces what is behind the addresses of a map by a file. The default offers nothing.
    fn replace(map: Self::Map, file: &File) -> Offer<Replaced<Self::Map>> {
        let _ = (map, file);
        Err(No::NotOffered)
    }

    /// Gives memory back, so that it reads as zeros (`MADV_DONTNEED`). The default offers nothing.
    fn discard(map: &mut Self::Map, range: Range<usize>) -> Offer<()> {
        let _ = (map, range);
        Err(No::NotOffered)
    }

    /// Advises the kernel that a range will be needed (`MADV_WILLNEED`), through a shared borrow. The default offers nothing.
    fn advise(map: &Self::Map, range: Range<usize>) -> Offer<()> {
        let _ = (map, range);
        Err(No::NotOffered)
    }

    /// Leaves a range out of core dumps (`MADV_DONTDUMP`), through a shared borrow. The default offers nothing.
    fn dont_dump(map: &Self::Map, range: Range<usize>) -> Offer<()> {
        let _ = (map, range);
        Err(No::NotOffered)
    }

    /// Writes a range back to its file (`msync`). The default offers nothing.
    fn sync(map: &Self::Map, range: Range<usize>) -> Offer<()> {
        let _ = (map, range);
        Err(No::NotOffered)
    }

    /// The address of the first byte. The default offers nothing.
    fn address(map: &Self::Map) -> Offer<usize> {
        let _ = map;
        Err(No::NotOffered)
    }

    /// Memory that nobody may touch (`PROT_NONE`). The default offers nothing.
    fn inaccessible(len: usize) -> Offer<Self::Map> {
        let _ = len;
        Err(No::NotOffered)
    }

    /// The file behind a number, private and for reading, where safe code may name a descriptor by its number. The default
    /// offers nothing.
    fn numbered(descriptor: i32, len: usize) -> Offer<Self::Map> {
        let _ = (descriptor, len);
        Err(No::NotOffered)
    }

    /// Whether the crate's own list of what is mapped in this process has this address. The default offers nothing.
    fn is_listed(address: usize) -> Offer<bool> {
        let _ = address;
        Err(No::NotOffered)
    }
}
