//! Reserved addresses whose front is committed: bytes that come and go at the end, and never move.

use core::hint::black_box;
use core::mem;

use mmarinus::{Advice, Errno, Map, Reservation, perms};

use super::options::{Options, Pages, Touch};

/// Memory from the start of a range of addresses on, and the addresses behind it.
///
/// # Invariants
///
/// - `rest`, if it is there, starts right where `committed` ends.
/// - Both are whole units long ([`Options::unit`]), but for the end of `rest`.
#[derive(Debug)]
pub(super) struct Space {
    /// What may be used. `None` if it is nothing, and for the length of a change.
    committed: Option<Map<perms::ReadWrite>>,
    /// What can be committed. `None` for the length of a change; and for ever once the kernel lost part of it.
    rest: Option<Reservation>,
    addr: usize,
    options: Options,
}

/// Why not all could be committed.
#[derive(Debug)]
pub(super) enum Uncommitted {
    /// There are addresses for so many bytes and no more.
    Full(usize),
    /// The kernel refuses.
    Refused(mmarinus::Error),
}

impl From<mmarinus::Error> for Uncommitted {
    fn from(error: mmarinus::Error) -> Self {
        Self::Refused(error)
    }
}

impl Space {
    /// Reserves addresses for `len` bytes.
    pub(super) fn new(len: usize, options: Options) -> Result<Self, mmarinus::Error> {
        // Lengths near the end of all numbers are left to the reservation to refuse.
        let whole = len.checked_next_multiple_of(options.unit()).unwrap_or(len);
        let rest = match options.pages() {
            Pages::Ordinary => Reservation::new(whole)?,
            Pages::Huge => Reservation::aligned(whole, options.unit())?,
        };
        Ok(Self {
            committed: None,
            addr: rest.addr(),
            rest: Some(rest),
            options,
        })
    }

    /// The address of the first byte.
    pub(super) fn addr(&self) -> usize {
        self.addr
    }

    /// The bytes that are committed.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.committed.as_deref().unwrap_or_default()
    }

    /// The bytes that are committed, to be written.
    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.committed.as_deref_mut().unwrap_or_default()
    }

    /// Commits memory until there are `need` bytes at least. After an error all that was there is there.
    #[cold]
    pub(super) fn commit(&mut self, need: usize) -> Result<(), Uncommitted> {
        let have = self.bytes().len();
        if need <= have {
            return Ok(());
        }
        let limit = have + self.rest.as_ref().map_or(0, Reservation::len);
        if need > limit {
            return Err(Uncommitted::Full(limit));
        }
        let [best, enough] = self.options.aim(have, need).map(|len| len.min(limit));
        match self.add(best - have) {
            Err(_) if enough < best => self.add(enough - have),
            done => done,
        }
    }

    /// Commits the first `n` bytes of the rest, which has them; not 0.
    fn add(&mut self, n: usize) -> Result<(), Uncommitted> {
        let Some(mut rest) = self.rest.take() else {
            return Err(Uncommitted::Full(self.bytes().len()));
        };
        let piece = match rest.split_to(n) {
            Ok(piece) => piece,
            Err(error) => {
                self.rest = Some(rest);
                return Err(error.into());
            }
        };
        let mut new = match piece.fill(perms::ReadWrite) {
            Ok(new) => new,
            Err(error) => {
                let (error, piece) = error.into_parts();
                // Without the piece there is a gap, and what lies behind it is of no use.
                self.rest = piece.and_then(|piece| joined(piece, rest));
                return Err(error.into());
            }
        };
        let prepared = self.prepare(&mut new);
        let Err(error) = prepared else {
            self.rest = Some(rest);
            self.append(new)?;
            return Ok(());
        };
        match new.decommit() {
            Ok(piece) => self.rest = joined(piece, rest),
            Err(kept) => {
                // It stays committed, which does no harm.
                self.rest = Some(rest);
                if let Some(new) = kept.into_map() {
                    self.append(new)?;
                }
            }
        }
        Err(error.into())
    }

    /// Makes new memory as it was asked for.
    fn prepare(&self, new: &mut Map<perms::ReadWrite>) -> Result<(), mmarinus::Error> {
        if self.options.pages() == Pages::Huge {
            new.advise(.., Advice::HUGEPAGE)?;
        }
        match self.options.touch() {
            Touch::Later => Ok(()),
            Touch::AtOnce => match new.advise(.., Advice::POPULATE_WRITE) {
                // Before Linux 5.14 there is no such advice.
                Err(error) if error.errno() == Errno::INVAL => {
                    let page = new.page_size();
                    for page in new.chunks_mut(page) {
                        *black_box(&mut page[0]) = 0;
                    }
                    Ok(())
                }
                done => done,
            },
        }
    }

    /// Puts memory that starts right behind it to what is committed.
    fn append(&mut self, new: Map<perms::ReadWrite>) -> Result<(), mmarinus::Error> {
        let Some(old) = self.committed.take() else {
            self.committed = Some(new);
            return Ok(());
        };
        match old.join(new) {
            Ok(both) => self.committed = Some(both),
            // Neighbours join, by the invariant; were they none, what was there would stay.
            Err(error) => {
                let (error, pair) = error.into_parts();
                self.committed = pair.map(|(old, _)| old);
                self.rest = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives memory back until there are no more bytes than `keep`, rounded up to whole units. After an error all is there.
    pub(super) fn release(&mut self, keep: usize) -> Result<(), mmarinus::Error> {
        let have = self.bytes().len();
        let keep = keep
            .checked_next_multiple_of(self.options.unit())
            .unwrap_or(have);
        let Some(old) = self.committed.take_if(|_| keep < have) else {
            return Ok(());
        };
        let (kept, tail) = if keep == 0 {
            (None, old)
        } else {
            match old.split(keep) {
                Ok((kept, tail)) => (Some(kept), tail),
                Err(error) => {
                    let (error, old) = error.into_parts();
                    self.committed = old;
                    return Err(error);
                }
            }
        };
        self.committed = kept;
        match tail.decommit() {
            Ok(piece) => {
                self.rest = match mem::take(&mut self.rest) {
                    Some(rest) => joined(piece, rest),
                    None => Some(piece),
                };
                Ok(())
            }
            Err(error) => {
                let (error, tail) = error.into_parts();
                if let Some(tail) = tail {
                    self.append(tail)?;
                }
                Err(error)
            }
        }
    }
}

/// Two neighbours as one reservation; were they none, the first.
///
/// As one mapping, which `mprotect` commits where it is: what would have to be moved in from elsewhere stays a mapping of its own
/// if it was part of another there.
fn joined(first: Reservation, second: Reservation) -> Option<Reservation> {
    let first = match first.fill(perms::None) {
        Ok(first) => first,
        Err(error) => return joined_as_they_are(error.into_map()?, second),
    };
    let second = match second.fill(perms::None) {
        Ok(second) => second,
        Err(error) => {
            let first = first.decommit().ok()?;
            return match error.into_map() {
                Some(second) => joined_as_they_are(first, second),
                None => Some(first),
            };
        }
    };
    match first.join(second) {
        Ok(both) => both.decommit().ok(),
        Err(error) => error.into_map()?.0.decommit().ok(),
    }
}

/// The same, whatever the mappings are.
fn joined_as_they_are(first: Reservation, second: Reservation) -> Option<Reservation> {
    match first.join(second) {
        Ok(both) => Some(both),
        Err(error) => error.into_map().map(|(first, _)| first),
    }
}
