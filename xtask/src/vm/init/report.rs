//! The serial line to the host, one line for each thing that happened.

use core::fmt::Arguments;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// The serial line to the host.
#[derive(Debug)]
pub(crate) struct Report(Mutex<File>);

impl Report {
    /// Opens the line that the host names: not the kernel's own.
    pub(crate) fn open() -> io::Result<Self> {
        let name = fs::read_to_string("/vm/line")?;
        let line = OpenOptions::new().write(true).open(name)?;
        Ok(Self(Mutex::new(line)))
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
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes())
    }
}
