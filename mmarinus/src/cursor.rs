//! Reading, writing and seeking in a map as in a file, by the traits of the standard library.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::backing::{Backing, Unsliced, Written};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{MayRead, MayWrite, Permissions};
use crate::reservation::Window;
use crate::view::View;

/// A position in a map: [`Read`], [`Seek`] and, where bytes may be written, [`Write`], on any rung.
///
/// Made by [`View::cursor`], [`Window::cursor`], [`Map::cursor`], and [`Map::cursor_mut`], which writes all maps that safe code
/// writes. Bytes are copied as [`read_at`](Map::read_at) and [`write_at`](Map::write_at) do. Where a page is gone, a call gives
/// the bytes before it, and the next call the error, so that nothing is lost; the position is always that of the next byte.
///
/// Reading at the end gives 0 bytes, and so does writing: a map does not grow. The position may lie behind the end.
///
/// # Examples
///
/// ```
/// use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
/// use mmarinus::{Map, perms};
///
/// let mut file = tempfile::tempfile()?;
/// file.write_all(b"one\ntwo\nthree\n")?;
/// let map = Map::bytes(14).anywhere().from(&file, 0).with(perms::Read)?;
///
/// let mut cursor = map.cursor();
/// cursor.seek(SeekFrom::Start(4))?;
/// let lines: Vec<String> = BufReader::new(cursor).lines().collect::<Result<_, _>>()?;
/// assert_eq!(lines, ["two", "three"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cursor<M> {
    of: M,
    position: u64,
}

impl<M> Cursor<M> {
    fn new(of: M) -> Self {
        Self { of, position: 0 }
    }

    /// The offset in bytes of the next byte.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Moves to an offset in bytes, which may lie behind the end.
    pub fn set_position(&mut self, position: u64) {
        self.position = position;
    }

    /// The view, the window or the borrowed map.
    #[must_use]
    pub fn into_inner(self) -> M {
        self.of
    }

    /// Moves on by what a copy of `len` bytes did.
    fn advance(&mut self, copy: Result<(), Fault>, len: usize) -> io::Result<usize> {
        let copied = match copy {
            Ok(()) => len,
            Err(fault) if fault.copied() != 0 => fault.copied(),
            Err(fault) => return Err(fault.into()),
        };
        self.position += copied as u64;
        Ok(copied)
    }

    /// Where in `len` bytes the position is, and how many of `wanted` bytes follow it.
    fn place(&self, len: usize, wanted: usize) -> (usize, usize) {
        let offset = usize::try_from(self.position).map_or(len, |position| position.min(len));
        (offset, wanted.min(len - offset))
    }

    /// Moves in `len` bytes.
    fn seek_in(&mut self, len: usize, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => (len as u64).checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the position would lie before byte 0 or behind 2^64 - 1",
            )
        })?;
        Ok(self.position)
    }
}

impl<P: MayRead, K: Kind, B: Backing<K>> Read for Cursor<View<'_, P, K, B>> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (offset, len) = self.place(self.of.len(), buf.len());
        let copy = self.of.read_at(offset, &mut buf[..len]);
        self.advance(copy, len)
    }
}

impl<P: MayWrite, K: Kind, B: Unsliced<K> + Written<K>> Write for Cursor<View<'_, P, K, B>> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (offset, len) = self.place(self.of.len(), buf.len());
        let copy = self.of.write_at(offset, &buf[..len]);
        self.advance(copy, len)
    }

    /// Does nothing: what was written is in the map. To make a file durable is for [`sync`](Map::sync).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Seek for Cursor<View<'_, P, K, B>> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seek_in(self.of.len(), to)
    }
}

impl Read for Cursor<Window<'_>> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (offset, len) = self.place(self.of.len(), buf.len());
        let copy = self.of.read_at(offset, &mut buf[..len]);
        self.advance(copy, len)
    }
}

impl Write for Cursor<Window<'_>> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (offset, len) = self.place(self.of.len(), buf.len());
        let copy = self.of.write_at(offset, &buf[..len]);
        self.advance(copy, len)
    }

    /// Does nothing: what was written is there.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Cursor<Window<'_>> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seek_in(self.of.len(), to)
    }
}

impl<P: MayRead, K: Kind, B: Backing<K>> Read for Cursor<&mut Map<P, K, B>> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (offset, len) = self.place(self.of.len(), buf.len());
        let copy = self.of.read_at(offset, &mut buf[..len]);
        self.advance(copy, len)
    }
}

impl<P: MayWrite, K: Kind, B: Written<K>> Write for Cursor<&mut Map<P, K, B>> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (offset, len) = self.place(self.of.len(), buf.len());
        let copy = self.of.write_at(offset, &buf[..len]);
        self.advance(copy, len)
    }

    /// Does nothing: what was written is in the map. To make a file durable is for [`sync`](Map::sync).
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Seek for Cursor<&mut Map<P, K, B>> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seek_in(self.of.len(), to)
    }
}

impl<'map, P: Permissions, K: Kind, B: Backing<K>> View<'map, P, K, B> {
    /// A [`Cursor`] at the first byte of the view. Needs the feature `std`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Map, Shared, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with_kind(Shared).with(perms::ReadWrite)?;
    /// write!(map.view(10..)?.cursor(), "{} maps", 3)?;
    /// let mut bytes = [0; 6];
    /// map.read_at(10, &mut bytes)?;
    /// assert_eq!(&bytes, b"3 maps");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cursor(&self) -> Cursor<View<'map, P, K, B>> {
        Cursor::new(*self)
    }
}

impl<'res> Window<'res> {
    /// A [`Cursor`] at the first byte of the window. Needs the feature `std`.
    ///
    /// Where nothing is placed, reading and writing are errors, and seeking passes over it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Seek, SeekFrom, Write};
    /// use mmarinus::{ProtFlags, Reservation};
    ///
    /// let reservation = Reservation::new(1 << 30)?;
    /// reservation.protect(0..1 << 16, ProtFlags::READ | ProtFlags::WRITE)?;
    /// let mut cursor = reservation.view(4096..)?.cursor();
    /// cursor.write_all(b"hello")?;
    /// cursor.seek(SeekFrom::Current(-4))?;
    /// let mut bytes = [0; 4];
    /// cursor.read_exact(&mut bytes)?;
    /// assert_eq!(&bytes, b"ello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cursor(&self) -> Cursor<Self> {
        Cursor::new(*self)
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// A [`Cursor`] at the first byte, which reads, and writes maps that have no slices. Needs the feature `std`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use mmarinus::{Map, perms};
    ///
    /// let map = Map::bytes(100).anywhere().anonymously().with(perms::Read)?;
    /// let mut bytes = Vec::new();
    /// map.cursor().read_to_end(&mut bytes)?;
    /// assert_eq!(bytes, [0; 100]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cursor(&self) -> Cursor<View<'_, P, K, B>> {
        Cursor::new(self.whole_view())
    }

    /// A [`Cursor`] at the first byte, which reads and writes. Needs the feature `std`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use mmarinus::{Map, perms};
    ///
    /// let mut map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// map.cursor_mut().write_all(b"hello")?;
    /// assert_eq!(&map[..5], b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cursor_mut(&mut self) -> Cursor<&mut Self> {
        Cursor::new(self)
    }
}
