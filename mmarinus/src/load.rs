//! Mapping a whole file by its path.

use std::path::Path;

use mmarinus_sys::ProtFlags;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use crate::backing::File;
use crate::error::{Cause, Error, Operation};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{self, Permissions};
use crate::source::Source;

impl Map<perms::None> {
    /// Maps a whole file. An empty file is an empty map. Needs the feature `std`.
    ///
    /// The file is opened for reading, and for writing as well where the map is [`Shared`](crate::Shared) and the
    /// permissions include writing. It is closed again once it is mapped; the map keeps it alive.
    ///
    /// A file that is read once from start to end may be faster to read than to map: see [`Contents`](crate::Contents).
    ///
    /// The map has the length that the file had. Others may change the file at any moment: see [`File`].
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, Private, perms};
    ///
    /// let map = Map::load("/etc/passwd", Private, perms::Read)?;
    /// let mut first = [0; 4];
    /// map.read_at(0, &mut first)?;
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EACCES`: this user may not open the file. `ENOENT`, `ENOTDIR`: it does not exist.
    /// - `EISDIR`: it is a directory. `ENODEV`, `ENXIO`, `EOPNOTSUPP`: it is not a file that can be mapped.
    /// - What the `with` of [`Builder`](crate::Builder) says.
    pub fn load<K: Kind, P: Permissions>(
        path: impl AsRef<Path>,
        kind: K,
        perms: P,
    ) -> Result<Map<P, K, File>, Error> {
        let writes = K::SHARED && perms.flags().contains(ProtFlags::WRITE);
        let access = if writes { OFlags::RDWR } else { OFlags::RDONLY };
        let file = open(path.as_ref(), access)?;
        let source = Source::of(&file)?;
        Map::whole(&source).with_kind(kind).with(perms)
    }
}

/// Opens a file, and waits for nobody.
pub(crate) fn open(path: &Path, access: OFlags) -> Result<OwnedFd, Cause> {
    // Without `NONBLOCK`, opening a FIFO would wait for somebody at its other end.
    let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| Cause::kernel(Operation::Open, errno, [0, 0]))
}
