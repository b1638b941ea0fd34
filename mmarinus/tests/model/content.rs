//! What a page holds, in plain Rust: nothing but zeros, or bytes, which clones share.

use core::fmt;
use std::sync::Arc;

use crate::common::pattern;

/// To compare with, which is faster than to look at each byte.
static ZEROS: [u8; 4096] = [0; 4096];

/// What a page holds. Nothing was ever written to a page of zeros.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Content(Option<Arc<Vec<u8>>>);

impl Content {
    /// Zeros.
    pub(crate) const ZEROS: Self = Self(None);

    /// What the files of the tests hold at this page.
    pub(crate) fn of_file(index: usize, page: usize) -> Self {
        let bytes = (index * page..(index + 1) * page).map(pattern);
        Self(Some(Arc::new(bytes.collect())))
    }

    /// Writes this byte to `len` places from `at` on. A page has `page` bytes.
    pub(crate) fn fill(&mut self, page: usize, at: usize, len: usize, byte: u8) {
        let bytes = self.0.get_or_insert_with(|| Arc::new(vec![0; page]));
        Arc::make_mut(bytes)[at..at + len].fill(byte);
    }

    /// The first place from `at` on where `bytes` differ, if there is one.
    pub(crate) fn differs(&self, at: usize, bytes: &[u8]) -> Option<usize> {
        match &self.0 {
            Some(own) if own[at..at + bytes.len()] == *bytes => None,
            Some(own) => (0..bytes.len()).find(|&n| own[at + n] != bytes[n]),
            None => {
                let part = bytes
                    .chunks(ZEROS.len())
                    .position(|part| part != &ZEROS[..part.len()])?;
                (part * ZEROS.len()..bytes.len()).find(|&place| bytes[place] != 0)
            }
        }
    }

    /// The byte at a place.
    pub(crate) fn at(&self, place: usize) -> u8 {
        self.0.as_ref().map_or(0, |bytes| bytes[place])
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "bytes" } else { "zeros" })
    }
}
