//! Settings of the machine, which a test program may change and has to put back.

use std::fs;
use std::io;

use crate::report::Report;

/// Those that tests change, below `/proc/sys/vm`.
const NAMES: [&str; 3] = ["overcommit_memory", "max_map_count", "nr_hugepages"];

/// What they were.
pub(crate) struct Settings(Vec<(String, String)>);

impl Settings {
    /// Reads them before a program runs.
    pub(crate) fn read() -> io::Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/sys/vm/{name}");
            let value = fs::read_to_string(&path)?;
            Ok((path, value))
        };
        NAMES
            .into_iter()
            .map(read)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Puts back what a program has left otherwise, and reports it.
    pub(crate) fn put_back(&self, report: &Report, program: &str) -> io::Result<()> {
        for (path, before) in &self.0 {
            let now = fs::read_to_string(path)?;
            if now != *before {
                fs::write(path, before)?;
                report.line(format_args!(
                    "trouble {program} left {path} at {}",
                    now.trim()
                ))?;
            }
        }
        Ok(())
    }
}
