//! Bytes that a fuzzer chose, read as the numbers that calls take.
#![allow(dead_code, reason = "each program reads its own part")]

use core::ops::Bound::{self, Excluded, Included, Unbounded};

/// What is left of the bytes; past their end all is zero.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    /// One byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        first
    }

    /// Yes or no.
    pub(crate) fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below a limit, which is small and not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % limit
    }

    /// Any number; those where arithmetic goes wrong are as likely as small ones.
    pub(crate) fn number(&mut self) -> usize {
        let page = mmarinus_sys::page_size();
        let near = usize::from(self.byte() % 7).wrapping_sub(3);
        let base = match self.byte() % 8 {
            0 => 0,
            1 => usize::MAX,
            2 => isize::MAX as usize,
            3 => page,
            4 => page * self.below(64),
            5 => 1 << (self.byte() % usize::BITS as u8),
            6 => usize::MAX - page * self.below(64),
            _ => core::array::from_fn::<u8, 8, _>(|_| self.byte())
                .iter()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
        };
        base.wrapping_add(near)
    }

    /// Any range, as likely inside of `len` as not.
    pub(crate) fn range(&mut self, len: usize) -> (Bound<usize>, Bound<usize>) {
        let mut bound = || {
            let number = if self.coin() {
                self.below(len + 2)
            } else {
                self.number()
            };
            match self.byte() % 5 {
                0 => Unbounded,
                1 | 2 => Included(number),
                _ => Excluded(number),
            }
        };
        (bound(), bound())
    }
}
