//! How a snapshot is made: how long it may get, and its name.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek};
use std::os::fd::AsFd;
use std::path::Path;

use mmarinus_sys::{SealFlags, fcntl_get_seals};
use rustix::fs::{FileType, fstat};
use rustix::io::{pread, read};

use super::copy::{copy_file, copy_stream};
use crate::memfd::{Memfd, Sealed, file_limit};

/// How a snapshot is made, where the defaults of [`of`](super::of) do not serve.
///
/// # Examples
///
/// ```
/// use std::io::ErrorKind;
/// use mmarinus_ext::snapshot::Options;
///
/// let endless = Options::new().limit(1 << 16).load("/dev/zero");
/// assert_eq!(endless.unwrap_err().kind(), ErrorKind::FileTooLarge);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'name> {
    limit: u64,
    name: &'name str,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'name> Options<'name> {
    /// The defaults: as long as it takes, and the name `snapshot`.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            limit: u64::MAX,
            name: "snapshot",
        }
    }

    /// A source of more than this many bytes is an error. A snapshot is memory, and some sources never end.
    #[must_use]
    pub const fn limit(self, bytes: u64) -> Self {
        Self {
            limit: bytes,
            name: self.name,
        }
    }

    /// The name of the memfd, as in `/proc/PID/maps`.
    #[must_use]
    pub const fn named<'new>(self, name: &'new str) -> Options<'new> {
        Options {
            limit: self.limit,
            name,
        }
    }

    /// As [`snapshot::load`](super::load).
    ///
    /// # Errors
    ///
    /// As there; and `EFBIG` ([`FileTooLarge`](ErrorKind::FileTooLarge)) above the limit.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Memfd<Sealed>> {
        self.of(&File::open(path)?)
    }

    /// As [`snapshot::of`](super::of).
    ///
    /// # Errors
    ///
    /// As there; and `EFBIG` ([`FileTooLarge`](ErrorKind::FileTooLarge)) above the limit.
    pub fn of<F: AsFd + ?Sized>(self, fd: &F) -> Result<Memfd<Sealed>> {
        let fd = fd.as_fd();
        let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
        if fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(all)) {
            // Its size stays, so it can be looked at before all of it is.
            self.check(fstat(fd)?.st_size as u64)?;
            // Nobody changes it any more, so a second descriptor is as good as a copy, unless it has holes.
            let same = Memfd::<Sealed>::try_from(fd.try_clone_to_owned()?);
            if let Ok(same) = same
                && same.huge_pages().is_none()
            {
                self.check(same.len())?;
                return Ok(same);
            }
        }
        let stat = fstat(fd)?;
        let memfd = Memfd::create(self.name, 0)?;
        let copied = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                // A length of 0 says nothing: the kernel makes such files up while they are read.
                self.check(stat.st_size as u64)?;
                check_room(stat.st_size as u64)?;
                copy_file(fd, &memfd, self.most())?
            }
            FileType::BlockDevice => copy_file(fd, &memfd, self.most())?,
            _ => {
                let copied = copy_stream(fd, &memfd, self.most())?;
                return self.finish(memfd, copied, |byte| Ok(read(fd, byte)?));
            }
        };
        self.finish(memfd, copied, |byte| Ok(pread(fd, byte, copied)?))
    }

    /// As [`snapshot::read`](super::read).
    ///
    /// # Errors
    ///
    /// As there; and `EFBIG` ([`FileTooLarge`](ErrorKind::FileTooLarge)) above the limit.
    pub fn read(self, mut reader: impl Read) -> Result<Memfd<Sealed>> {
        let mut memfd = Memfd::create(self.name, 0)?;
        let copied = memfd.write_from(reader.by_ref().take(self.most()))?;
        self.finish(memfd, copied, |byte| reader.read(byte))
    }

    /// Seals what was copied, if it is all; `next` reads what follows.
    fn finish(
        self,
        mut memfd: Memfd,
        copied: u64,
        mut next: impl FnMut(&mut [u8]) -> Result<usize>,
    ) -> Result<Memfd<Sealed>> {
        self.check(copied)?;
        if file_limit().is_some_and(|limit| copied >= limit) {
            let more = loop {
                match next(&mut [0]) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    more => break more?,
                }
            };
            check_room(copied + more as u64)?;
        }
        memfd.rewind()?;
        Ok(memfd.seal()?)
    }

    /// As many bytes as tell whether the source has more than the limit, but no more than a file may have.
    fn most(self) -> u64 {
        let one_more = self.limit.saturating_add(1);
        file_limit().map_or(one_more, |limit| one_more.min(limit))
    }

    /// Whether a length is allowed.
    fn check(self, len: u64) -> Result<()> {
        if len <= self.limit {
            return Ok(());
        }
        let limit = self.limit;
        let text = format!(
            "the source has more than the {limit} bytes that a snapshot may have; raise the limit"
        );
        Err(Error::new(ErrorKind::FileTooLarge, text))
    }
}

/// Whether the process may write a file of this length.
fn check_room(len: u64) -> Result<()> {
    match file_limit() {
        Some(limit) if len > limit => {
            let text = format!(
                "the source has more than the {limit} bytes that a file may have here (RLIMIT_FSIZE); raise ulimit -f"
            );
            Err(Error::new(ErrorKind::FileTooLarge, text))
        }
        _ => Ok(()),
    }
}
