//! Requests in plain words: the system call is all that there is to do, and nothing is left to check.

use mmarinus_sys::{MapFlags, ProtFlags};

use super::options::Options;
use super::origin::{Memory, Origin};
use super::{Builder, New};
use crate::error::Cause;
use crate::kind::Kind;
use crate::layout::page_shift;
use crate::perms::ASKABLE;
use crate::region::Region;

/// More bytes than any plain request has, of memory of no file.
const MOST: usize = isize::MAX as usize / 2;

impl<K: Kind, B> Builder<'_, K, B, New> {
    /// Maps what was asked for, if the request is plain: at least one byte, of memory of no file or of ordinary pages of a
    /// descriptor that was looked at, from where a page starts, wherever the kernel likes, and without any option.
    ///
    /// Such a request passes every check of [`prepare`](Self::prepare). Where words are constants, nothing is asked when it runs.
    #[inline(always)]
    pub(crate) fn map_if_plain(&self, prot: ProtFlags) -> Option<Result<Region, Cause>> {
        let mask = (1 << page_shift()) - 1;
        let starts_a_page = self.offset & mask == 0;
        let anywhere = !self.place.exactly;
        if !(starts_a_page && anywhere && self.options.is_none() && ASKABLE.contains(prot)) {
            return None;
        }
        let (size, hint) = (self.size, self.place.address);
        let kind = if K::SHARED {
            MapFlags::SHARED
        } else {
            MapFlags::PRIVATE
        };
        match self.origin {
            Origin::Anonymous(Memory {
                droppable: false,
                name: None,
            }) if size.wrapping_sub(1) < MOST => {
                Some(Region::map_plain_anonymous(size, hint, prot, kind))
            }
            Origin::Seen(seen) => {
                let fd = seen.plain(self.offset, size)?;
                Some(Region::map_plain(size, hint, prot, kind, (fd, self.offset)))
            }
            _ => None,
        }
    }
}

impl Options {
    /// Whether nothing is asked for.
    #[inline(always)]
    fn is_none(&self) -> bool {
        let Self {
            flags,
            populate,
            align,
            fork,
            huge,
            reach,
            synchronous,
            guarded,
        } = *self;
        flags.is_empty()
            && !populate
            && align == Self::NONE.align
            && fork.is_none()
            && huge.is_none()
            && reach == Self::NONE.reach
            && !synchronous
            && !guarded
    }
}
