//! The serial line to the host, one line for each thing that happened.

use core::fmt::Arguments;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The serial line to the host.
#[derive(Debug)]
pub(crate) struct Report(Mutex<Line>);

#[derive(Debug)]
struct Line {
    file: File,
    /// How many lines were written since the count began.
    count: usize,
}

impl Report {
    /// Opens the line that the host names: not the kernel's own.
    pub(crate) fn open() -> io::Result<Self> {
        let name = fs::read_to_string("/vm/line")?;
        let line = OpenOptions::new().write(true).open(name)?;
        Ok(Self(Mutex::new(Line {
            file: line,
            count: 0,
        })))
    }

    /// The next line is the first that counts.
    pub(crate) fn count_from_here(&self) {
        self.lock().count = 0;
    }

    /// How many lines were written since.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what begins with a word of ours.
    pub(crate) fn line(&self, text: Arguments<'_>) -> io::Result<()> {
        self.write(&format!("guest: {text}\n"))
    }

    /// Writes a line of a program, which cannot be taken for one of ours.
    pub(crate) fn output(&self, line: &[u8]) -> io::Result<()> {
        self.write(&format!("| {}\n", String::from_utf8_lossy(line).trim_end()))
    }

    fn write(&self, line: &str) -> io::Result<()> {
        let mut to = self.lock();
        to.count += 1;
        to.file.write_all(line.as_bytes())
    }
}
