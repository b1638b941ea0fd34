//! The one mapping at an address, found without an allocation.

use core::fmt;
use core::ptr;

use mmarinus_sys::{Errno, ProcmapFlags, procmap_query_named};
use rustix::fd::{AsFd, OwnedFd};

use super::line::{Line, unescape};
use super::lines::Lines;
use super::{MAPS, open};

/// How many bytes of a name are kept.
const ROOM: usize = 255;

/// The longest name that the kernel tells by `PROCMAP_QUERY`, with its zero byte.
pub(super) const LONGEST: usize = 4096;

/// A mapping, as the kernel holds it: it may be more than one map of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    /// The offset of `start` in the file in bytes.
    pub(crate) offset: u64,
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    pub(crate) name: Name,
}

/// A name, or its first bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    bytes: [u8; ROOM],
    len: u8,
}

impl Name {
    /// No name.
    pub(crate) const NONE: Self = Self {
        bytes: [0; ROOM],
        len: 0,
    };

    /// As many of the bytes as there is room for; if there are more, the last three are dots.
    fn of(name: impl Iterator<Item = u8>) -> Self {
        let mut kept = Self::NONE;
        for byte in name {
            if usize::from(kept.len) == ROOM {
                kept.bytes[ROOM - 3..].fill(b'.');
                break;
            }
            kept.bytes[usize::from(kept.len)] = byte;
            kept.len += 1;
        }
        kept
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// The mapping at an address: by `PROCMAP_QUERY` where the kernel has it, else from the text.
///
/// `ENOENT` if there is none, or no `/proc`.
pub(crate) fn mapping_at(address: usize) -> Result<Mapping, Errno> {
    let maps = open(MAPS)?;
    // It fails if the kernel is older than 6.11, seccomp refuses it, or the name is longer than it tells.
    query(&maps, address).or_else(|_| search(maps, address))
}

/// Asks by `PROCMAP_QUERY`.
fn query(maps: impl AsFd, address: usize) -> Result<Mapping, Errno> {
    let mut buf = [0; LONGEST];
    let address = ptr::without_provenance(address);
    let (vma, name, _) =
        procmap_query_named(maps, address, ProcmapFlags::empty(), &mut buf, &mut [])?;
    Ok(Mapping {
        start: vma.start,
        offset: vma.offset,
        device: (vma.dev_major, vma.dev_minor),
        inode: vma.inode,
        name: Name::of(name.iter().copied()),
    })
}

/// Searches the text. Lines that are not understood are passed over.
fn search(maps: OwnedFd, address: usize) -> Result<Mapping, Errno> {
    let mut lines = Lines::new(maps);
    while let Some(line) = lines.next()? {
        if let Some(line) = Line::parse(line)
            && (line.start..line.end).contains(&(address as u64))
        {
            return Ok(Mapping {
                start: line.start,
                offset: line.offset,
                device: line.device,
                inode: line.inode,
                name: Name::of(unescape(line.name)),
            });
        }
    }
    Err(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_find_the_same() {
        let code = mapping_at as fn(usize) -> _ as *const () as usize;
        let searched = search(open(MAPS).unwrap(), code).unwrap();
        assert!(searched.inode != 0 && searched.name.as_bytes().starts_with(b"/"));
        let found = mapping_at(code).unwrap();
        assert_eq!(
            (
                found.start,
                found.offset,
                found.device,
                found.inode,
                found.name
            ),
            (
                searched.start,
                searched.offset,
                searched.device,
                searched.inode,
                searched.name
            )
        );
    }

    #[test]
    fn where_nothing_is_nothing_is_found() {
        assert_eq!(mapping_at(0).unwrap_err(), Errno::NOENT);
        assert_eq!(search(open(MAPS).unwrap(), 1).unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn long_names_end_in_dots() {
        let name = Name::of([b'x'; ROOM].into_iter());
        assert_eq!(name.as_bytes(), [b'x'; ROOM]);
        let name = Name::of([b'x'; ROOM + 1].into_iter());
        assert_eq!(name.as_bytes().len(), ROOM);
        assert!(name.as_bytes().ends_with(b"x..."));
    }
}
