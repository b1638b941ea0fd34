//! The lines of a file of `/proc`, read through a buffer of a fixed size.

use mmarinus_sys::Errno;
use rustix::fd::{AsFd, OwnedFd};

/// How many bytes of a line are kept; the rest is passed over.
const ROOM: usize = 4096;

/// Lines of a file, without an allocation.
pub(super) struct Lines<F = OwnedFd> {
    file: F,
    buf: [u8; ROOM],
    /// Where the bytes begin that were not given out yet.
    at: usize,
    /// Where the bytes end that were read.
    end: usize,
    /// Whether the rest of a line is to be passed over.
    cut: bool,
}

impl<F: AsFd> Lines<F> {
    /// The lines from where the file stands.
    pub(super) fn new(file: F) -> Self {
        Self {
            file,
            buf: [0; ROOM],
            at: 0,
            end: 0,
            cut: false,
        }
    }

    /// The next line without its newline, or the first [`ROOM`] bytes of it; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, Errno> {
        loop {
            let newline = self.buf[self.at..self.end]
                .iter()
                .position(|&byte| byte == b'\n');
            let start = self.at;
            match newline {
                Some(len) => {
                    self.at = start + len + 1;
                    if !core::mem::take(&mut self.cut) {
                        return Ok(Some(&self.buf[start..start + len]));
                    }
                }
                // The rest of a line that was given out already.
                None if self.cut => {
                    (self.at, self.end) = (0, 0);
                    if self.fill()? == 0 {
                        return Ok(None);
                    }
                }
                None if start != 0 => {
                    self.buf.copy_within(start..self.end, 0);
                    (self.at, self.end) = (0, self.end - start);
                }
                None if self.end == ROOM => {
                    self.cut = true;
                    self.at = ROOM;
                    return Ok(Some(&self.buf));
                }
                None => {
                    if self.fill()? == 0 {
                        let rest = &self.buf[..self.end];
                        self.at = self.end;
                        return Ok((!rest.is_empty()).then_some(rest));
                    }
                }
            }
        }
    }

    /// Reads what fits behind the bytes that are there; says how many came.
    fn fill(&mut self) -> Result<usize, Errno> {
        let read = loop {
            match rustix::io::read(&self.file, &mut self.buf[self.end..]) {
                Err(Errno::INTR) => {}
                read => break read?,
            }
        };
        self.end += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// All lines of a text, as they come.
    fn lines_of(text: &[u8]) -> Vec<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file.rewind().unwrap();
        let mut lines = Lines::new(file);
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(line.to_vec());
        }
        assert!(lines.next().unwrap().is_none());
        all
    }

    #[test]
    fn lines_come_one_by_one() {
        assert_eq!(lines_of(b"a\n\nbc\nd"), [&b"a"[..], b"", b"bc", b"d"]);
        assert!(lines_of(b"").is_empty());
        assert_eq!(lines_of(b"\n"), [b""]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn long_lines_are_cut(lens in prop::collection::vec(0..3 * ROOM, 0..8)) {
            let mut text = Vec::new();
            for (index, &len) in lens.iter().enumerate() {
                text.extend(core::iter::repeat_n(b'a' + index as u8, len));
                text.push(b'\n');
            }
            let expected: Vec<usize> = lens.iter().map(|&len| len.min(ROOM)).collect();
            let lines = lines_of(&text);
            prop_assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            for (index, line) in lines.iter().enumerate() {
                prop_assert!(line.iter().all(|&byte| byte == b'a' + index as u8));
            }
        }
    }
}
