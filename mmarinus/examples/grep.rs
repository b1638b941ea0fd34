//! Searches files and folders: `cargo run --example grep -- [-F] PATTERN PATH...`, with the output of `grep -arn`.
//!
//! Files are mapped, so nothing is copied but a buffer at a time, and copied from, so that whoever truncates one while it is
//! searched makes that file an error and nothing else: the other files are searched as ever. Safe code throughout.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, StdoutLock, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use mmarinus::{Map, Source, perms};
use regex::bytes::{Regex, RegexBuilder};

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is_fixed = args.first().is_some_and(|arg| arg == "-F");
    args.drain(..usize::from(is_fixed));
    let [pattern, paths @ ..] = &args[..] else {
        return usage();
    };
    if paths.is_empty() {
        return usage();
    }
    let pattern = match compile(pattern, is_fixed) {
        Ok(pattern) => pattern,
        Err(error) => {
            eprintln!("grep: {error:#}");
            return ExitCode::from(2);
        }
    };

    let mut search = Search {
        pattern,
        out: io::stdout().lock(),
        line: Vec::new(),
        found: false,
        failed: false,
    };
    for path in paths {
        search.all_below(Path::new(path));
    }
    // As grep says it.
    match (search.failed, search.found) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(1),
    }
}

fn usage() -> ExitCode {
    eprintln!("grep: what, and where? cargo run --example grep -- [-F] PATTERN PATH...");
    ExitCode::from(2)
}

/// A pattern of bytes; fixed strings are one as well, and the crate finds those by a search for bytes.
fn compile(pattern: &OsStr, is_fixed: bool) -> Result<Regex> {
    let pattern = pattern.to_str().context("the pattern is not UTF-8")?;
    let pattern = match is_fixed {
        true => regex::escape(pattern),
        false => pattern.to_owned(),
    };
    Ok(RegexBuilder::new(&pattern).unicode(false).build()?)
}

struct Search {
    pattern: Regex,
    out: StdoutLock<'static>,
    /// One line, to which the bytes are copied that are looked at.
    line: Vec<u8>,
    found: bool,
    failed: bool,
}

impl Search {
    /// Searches a file, or all files below a folder. What goes wrong is said, and the search goes on.
    fn all_below(&mut self, path: &Path) {
        let done = match path.is_dir() {
            true => self.folder(path),
            false => self.file(path),
        };
        if let Err(error) = done {
            // Nobody reads any more: there is nothing left to do.
            if matches!(error.downcast_ref::<io::Error>(), Some(error) if error.kind() == io::ErrorKind::BrokenPipe)
            {
                std::process::exit(2);
            }
            eprintln!("grep: {}: {error:#}", path.display());
            self.failed = true;
        }
    }

    fn folder(&mut self, path: &Path) -> Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let file_type = entry.file_type()?;
            // No symbolic links, which may lead in circles; and no pipes or devices.
            if file_type.is_dir() || file_type.is_file() {
                self.all_below(&entry.path());
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path)?;
        let source = Source::of(&file)?;
        let map = Map::whole(&source).with(perms::Read)?;
        let mut text = BufReader::with_capacity(64 << 10, map.cursor());
        let mut number = 0_u64;
        loop {
            self.line.clear();
            let len = text
                .read_until(b'\n', &mut self.line)
                .context("it was truncated while it was searched")?;
            if len == 0 {
                break;
            }
            number += 1;
            let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            if self.pattern.is_match(line) {
                self.found = true;
                let name = path.as_os_str().as_bytes();
                self.out.write_all(&[name, b":"].concat())?;
                write!(self.out, "{number}:")?;
                self.out.write_all(line)?;
                self.out.write_all(b"\n")?;
            }
        }
        // What was cut off within the last page reads as zeros, and is no fault.
        ensure!(
            file.metadata()?.len() >= source.len(),
            "it was truncated while it was searched"
        );
        Ok(())
    }
}
