//! A log that is kept in memory and in a file: `service | cargo run --example log -- FILE WORD`.
//!
//! Lines are only ever appended. The log has addresses for more than it will ever hold and memory for what it holds, so it grows
//! without being copied, and whoever has noted where a record is finds it there for ever. A second buffer holds where each
//! record starts: any record is found at once, and so is the one before it, which tells what led to it.
//!
//! What the file has from earlier runs is loaded first, but for a last line that a crash has torn. When the input ends, what is
//! new goes to the file in one piece, and each record with the word is shown behind the record before it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Seek, SeekFrom, Write, stdin, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result};
use mmarinus_ext::grow::{Buffer, Error};

/// For how many bytes there are addresses, which cost nothing.
const LIMIT: usize = 1 << 36;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match &args[..] {
        [path, word] => run(path, word.as_bytes()),
        _ => {
            eprintln!("log: which log, and what to look for? cargo run --example log -- FILE WORD");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("log: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Loads the log, appends the input, and shows the records with the word.
fn run(path: &str, word: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false);
    let mut file = file
        .open(path)
        .with_context(|| format!("{path} cannot be opened"))?;
    let mut log = Log::load(&mut file).with_context(|| format!("{path} cannot be loaded"))?;
    let (addr, old) = (log.bytes.addr(), log.bytes.len());

    for line in stdin().lock().split(b'\n') {
        log.append(&line.context("the input cannot be read")?)?;
    }
    // Over what was torn, if anything was.
    file.set_len(old as u64)?;
    file.seek(SeekFrom::Start(old as u64))?;
    file.write_all(&log.bytes[old..])
        .and_then(|()| file.sync_data())
        .with_context(|| format!("{path} cannot be written"))?;

    let mut out = stdout().lock();
    for found in (0..log.len()).filter(|&index| contains(log.record(index), word)) {
        for index in found.saturating_sub(1)..=found {
            write!(out, "{}: ", index + 1)?;
            out.write_all(log.record(index))?;
            writeln!(out)?;
        }
    }
    assert_eq!(log.bytes.addr(), addr, "the records never move");
    let (count, new) = (log.len(), log.bytes.len() - old);
    writeln!(out, "{count} records, {new} bytes of them new")?;
    Ok(())
}

/// Records, one behind the other, each with a newline at its end.
struct Log {
    bytes: Buffer<u8>,
    /// Where each record starts.
    starts: Buffer<u64>,
}

impl Log {
    /// The whole records of a file.
    fn load(file: &mut File) -> Result<Self> {
        let mut bytes = Buffer::new(LIMIT)?;
        io::copy(file, &mut bytes)?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n');
        bytes.truncate(whole.map_or(0, |last| last + 1));
        let mut starts = Buffer::new(LIMIT / 8)?;
        let mut start = 0;
        for record in bytes.split_inclusive(|&byte| byte == b'\n') {
            starts.push(start)?;
            start += record.len() as u64;
        }
        Ok(Self { bytes, starts })
    }

    /// Puts a record to the end. If there is no memory for it, the log is as it was.
    fn append(&mut self, record: &[u8]) -> Result<(), Error> {
        self.bytes.reserve(record.len() + 1)?;
        self.starts.push(self.bytes.len() as u64)?;
        self.bytes.extend_from_slice(record)?;
        self.bytes.push(b'\n')
    }

    /// How many records there are.
    fn len(&self) -> usize {
        self.starts.len()
    }

    /// A record, without its newline.
    fn record(&self, index: usize) -> &[u8] {
        let end = match self.starts.get(index + 1) {
            Some(&next) => next as usize,
            None => self.bytes.len(),
        };
        &self.bytes[self.starts[index] as usize..end - 1]
    }
}

/// Whether a word stands somewhere in a text.
fn contains(text: &[u8], word: &[u8]) -> bool {
    word.is_empty() || text.windows(word.len()).any(|part| part == word)
}
