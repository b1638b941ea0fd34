//! The checks of a request that need no place, and the arguments of the system call that come out of them.

use mmarinus_sys::{HugePage, MapFlags, ProtFlags, Support};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::options::Options;
use super::origin::Origin;
use super::{Builder, Fork};
use crate::error::{Cause, Operation, Reason};
use crate::kind::Kind;
use crate::layout::{Layout, is_page_shift, page_shift};
use crate::memfd::{Proof, look_at_memfd};
use crate::name::Name;
use crate::perms::ASKABLE;
use crate::region::{Behind, Reach, SYNCHRONOUS};
use crate::source::{Looked, look_at_device, look_at_file};

/// A request that passed every check which needs no place: the arguments of the system call.
pub(crate) struct Prepared<'fd> {
    /// `None` if no bytes are asked for.
    pub(crate) layout: Option<Layout>,
    pub(crate) page_shift: u8,
    /// The permissions that are asked for.
    pub(crate) asked: ProtFlags,
    /// Those to map with: reading is among them where all pages are to be read once.
    pub(crate) prot: ProtFlags,
    /// Whether all pages must be read once.
    pub(crate) fill: bool,
    pub(crate) flags: MapFlags,
    pub(crate) behind: Behind<'fd>,
    /// For what the pages are brought in by a call of its own.
    pub(crate) populate: Option<ProtFlags>,
    /// A power of two in bytes.
    pub(crate) align: usize,
    pub(crate) fork: Option<Fork>,
    pub(crate) reach: Reach,
    pub(crate) guarded: bool,
    /// A name that the kernel takes.
    pub(crate) name: Option<&'fd str>,
    /// Whether it is a secret memory file, which is still to be made.
    pub(crate) secret: bool,
}

impl Prepared<'_> {
    /// Whether more was asked for than the flags of the system call say.
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        self.fork.is_some() || self.reach != Reach::Anywhere || self.guarded
    }

    /// Makes the secret memory file, if it is to be one.
    pub(crate) fn secret(&self) -> Result<Option<OwnedFd>, Cause> {
        match self.layout {
            Some(layout) if self.secret => crate::secret::make(layout).map(Some),
            _ => Ok(None),
        }
    }

    /// The same with the secret memory file, if there is one.
    pub(crate) fn behind<'new>(self, secret: Option<&'new OwnedFd>) -> Prepared<'new>
    where
        Self: 'new,
    {
        match secret {
            None => self,
            Some(fd) => Prepared {
                behind: Some((fd.as_fd(), 0)),
                ..self
            },
        }
    }
}

impl<'fd, K: Kind, B, A> Builder<'fd, K, B, A> {
    /// Checks the request and works out the arguments of the system call; looks at the descriptor if nobody has yet.
    pub(crate) fn prepare(&self, prot: ProtFlags) -> Result<Prepared<'fd>, Cause> {
        let memory = self.origin.memory();
        let anonymous = memory.is_some();
        let droppable = memory.is_some_and(|memory| memory.droppable);
        if droppable && self.options.flags.contains(MapFlags::LOCKED) {
            return Err(self.refused(Reason::DroppableLocked));
        }
        let name = memory.and_then(|memory| memory.name);
        if name.is_some_and(|name| Name::new(name).is_none()) {
            return Err(self.refused(Reason::BadName));
        }
        let secret = matches!(self.origin, Origin::Secret);
        if !ASKABLE.contains(prot) {
            return Err(self.refused(Reason::BadPermissions));
        }
        if K::SHARED && anonymous && self.options.flags.contains(MapFlags::NORESERVE) {
            return Err(self.refused(Reason::UnreservedShared));
        }
        if secret {
            self.check_secret()?;
        }
        if self.options.populate && !prot.intersects(ProtFlags::READ.union(ProtFlags::WRITE)) {
            return Err(self.refused(Reason::NothingToPopulate));
        }
        if !self.options.align.is_power_of_two() {
            return Err(self.refused(Reason::NoAlignment));
        }
        if self.options.fork == Some(Fork::Zeros) && (K::SHARED || !anonymous) {
            return Err(self.refused(Reason::NotWiped));
        }
        let (
            fd,
            Looked {
                page_shift, last, ..
            },
        ) = self.look()?;
        let (page_shift, huge) = match self.options.huge {
            None => (page_shift, MapFlags::empty()),
            Some(size) => self.huge_pages(size, fd.map(|_| page_shift))?,
        };
        let is_huge = page_shift != self::page_shift();
        if is_huge && self.options.flags.contains(MapFlags::NORESERVE) {
            return Err(self.refused(Reason::UnreservedHuge));
        }
        if is_huge && droppable {
            return Err(self.refused(Reason::DroppableHuge));
        }
        if is_huge && self.options.fork == Some(Fork::Zeros) {
            return Err(self.refused(Reason::NotWiped));
        }
        let head = (self.offset & ((1 << page_shift) - 1)) as usize;
        let start = self.offset - head as u64;
        let layout = match self.size {
            0 => None,
            size => Some(
                Layout::of_pages(head, size, page_shift)
                    .ok_or_else(|| self.refused(Reason::TooLong))?,
            ),
        };
        let end = start.checked_add(layout.map_or(0, Layout::len) as u64);
        if end.is_none_or(|end| end > last) {
            return Err(self.refused(Reason::OffsetTooFar));
        }
        let kind = if self.options.synchronous {
            let of_file = match self.origin {
                Origin::File(_) => true,
                Origin::Seen(seen) => seen.parts().1.is_file(),
                _ => false,
            };
            match SYNCHRONOUS {
                Some(kind) if K::SHARED && of_file => kind,
                _ => return Err(self.refused(Reason::NotSynchronous)),
            }
        } else if droppable {
            MapFlags::DROPPABLE
        } else if K::SHARED {
            MapFlags::SHARED
        } else {
            MapFlags::PRIVATE
        };
        // For private anonymous memory the kernel can do it in the same call: nothing but running out of memory can go wrong. But
        // guards come first.
        let guards_first = self.options.guarded && Support::populate();
        let at_once = self.options.populate && anonymous && !K::SHARED && !is_huge && !guards_first;
        let populate = if at_once {
            MapFlags::POPULATE
        } else {
            MapFlags::empty()
        };
        let fork = if secret {
            Some(Fork::Nothing)
        } else {
            self.options.fork
        };
        let fill = secret || matches!(self.origin, Origin::Memfd(_, Proof::Sealed));
        Ok(Prepared {
            layout,
            page_shift,
            asked: prot,
            prot: if fill {
                prot.union(ProtFlags::READ)
            } else {
                prot
            },
            fill,
            flags: self.options.flags.union(kind).union(populate).union(huge),
            behind: fd.map(|fd| (fd, start)),
            populate: if is_huge {
                populated::<K>(prot)
            } else if self.options.populate && !at_once && !secret {
                Some(prot)
            } else {
                None
            },
            align: self.options.align,
            fork,
            reach: self.options.reach,
            guarded: self.options.guarded,
            name,
            secret,
        })
    }

    /// Refuses options that secret memory does not have.
    #[cold]
    fn check_secret(&self) -> Result<(), Cause> {
        let Options {
            flags, huge, fork, ..
        } = self.options;
        if flags.contains(MapFlags::NORESERVE) {
            return Err(self.refused(Reason::UnreservedShared));
        }
        if fork == Some(Fork::Zeros) {
            return Err(self.refused(Reason::NotWiped));
        }
        match huge {
            Some(_) => Err(self.refused(Reason::OtherHugePages)),
            None => Ok(()),
        }
    }

    /// The log2 of the size in bytes of huge pages, and the flags to ask for them; none for a file, which was looked at.
    #[cold]
    fn huge_pages(&self, size: HugePage, file: Option<u8>) -> Result<(u8, MapFlags), Cause> {
        let size = match size {
            HugePage::DEFAULT => Support::default_huge_page(),
            size => Some(size),
        };
        let shift = size.map_or(0, HugePage::log2) as u8;
        let fits = page_shift() < shift && is_page_shift(shift);
        match (size, file) {
            (Some(size), None) if fits => Ok((shift, size.map_flags())),
            (_, None) => Err(self.refused(Reason::NoSuchHugePages)),
            (_, Some(_)) if self.size == 0 && fits => Ok((shift, MapFlags::empty())),
            (_, Some(file)) if file == shift => Ok((shift, MapFlags::empty())),
            (_, Some(_)) => Err(self.refused(Reason::OtherHugePages)),
        }
    }

    /// The descriptor, and what is seen of it. Makes no system call for an empty map.
    fn look(&self) -> Result<(Option<BorrowedFd<'fd>>, Looked), Cause> {
        match self.origin {
            Origin::Anonymous(_) | Origin::Secret => Ok((None, Looked::nothing())),
            Origin::Seen(seen) => Ok(seen.parts()),
            Origin::File(fd) | Origin::Device(fd) | Origin::Memfd(fd, _) if self.size == 0 => {
                Ok((Some(fd), Looked::nothing()))
            }
            Origin::File(fd) => Ok((Some(fd), look_at_file(fd)?)),
            Origin::Device(fd) => Ok((Some(fd), look_at_device(fd)?)),
            Origin::Memfd(fd, proof) => {
                let end = self.offset.checked_add(self.size as u64);
                Ok((Some(fd), look_at_memfd(fd, proof, end)?))
            }
        }
    }

    /// A refusal of this request.
    #[cold]
    pub(crate) fn refused(&self, reason: Reason) -> Cause {
        Cause::refused(Operation::Mmap, reason, [self.size, 0])
    }
}

/// For what huge pages have to be brought in, so that no access of a map with these permissions faults; `None` if there is none.
///
/// A page of a shared object that was read is there, and writing it needs no other. A private one may have to be copied.
pub(crate) fn populated<K: Kind>(prot: ProtFlags) -> Option<ProtFlags> {
    if K::SHARED && prot.contains(ProtFlags::READ) {
        return Some(ProtFlags::READ);
    }
    prot.intersects(ProtFlags::READ.union(ProtFlags::WRITE))
        .then_some(prot)
}
