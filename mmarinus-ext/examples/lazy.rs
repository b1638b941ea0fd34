//! A file that is decompressed where it is read: `lazy pack FILE PACKED`, and then `lazy show PACKED OFFSET LENGTH`.
//!
//! A packed file is blocks, each compressed by itself, and an index behind them. To show a part of it, a map of the whole is
//! made, of
//! which nothing is there. Whoever reads meets missing pages; the block that they are in is decompressed then, once. So what
//! is never
//! read costs nothing. A block that is damaged is an error of the read that meets it, and of no other.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::fs::{File, read, write};
use std::io::{self, Write, stdout};
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use lz4_flex::block::{compress, decompress_into};
use mmarinus::perms;
use mmarinus_ext::pager::Options;

/// How many bytes are compressed together: whole pages on every machine.
const BLOCK: usize = 1 << 16;

/// How a packed file ends, behind its length.
const MAGIC: [u8; 8] = *b"lazy lz4";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["pack", path, packed] => pack(path, packed),
        ["show", packed, offset, len] => show(packed, offset, len),
        _ => {
            eprintln!("lazy: what to do? lazy pack FILE PACKED, or lazy show PACKED OFFSET LENGTH");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lazy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes blocks, where each of them starts and the last one ends, the length of the whole, and the magic.
fn pack(path: &str, packed: &str) -> Result<()> {
    let bytes = read(path).with_context(|| format!("{path} cannot be read"))?;
    let (mut out, mut starts) = (Vec::new(), vec![0]);
    for block in bytes.chunks(BLOCK) {
        out.extend(compress(block));
        starts.push(out.len() as u64);
    }
    out.extend(starts.iter().flat_map(|start| start.to_le_bytes()));
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(MAGIC);
    write(packed, &out).with_context(|| format!("{packed} cannot be written"))?;
    println!(
        "{} bytes in {} blocks became {}",
        bytes.len(),
        starts.len() - 1,
        out.len()
    );
    Ok(())
}

/// Prints a part of what is packed, and how many blocks had to be decompressed for that.
fn show(packed: &str, offset: &str, len: &str) -> Result<()> {
    let number = |text: &str| text.parse().with_context(|| format!("{text} is no number"));
    let (offset, len): (usize, usize) = (number(offset)?, number(len)?);
    let file = File::open(packed).with_context(|| format!("{packed} cannot be opened"))?;
    let index = Index::read(&file).with_context(|| format!("{packed} is not packed by lazy"))?;
    let (whole, count) = (index.len, index.starts.len() - 1);
    ensure!(
        offset.checked_add(len).is_some_and(|end| end <= whole),
        "{packed} holds {whole} bytes only"
    );

    let unpacked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unpacked);
    let unpack = move |offset: usize, bytes: &mut [u8]| {
        counter.fetch_add(1, Ordering::Relaxed);
        index.unpack(&file, offset / BLOCK, bytes)
    };
    let map = Options::new()
        .step(BLOCK)
        .paged(whole, perms::Read, unpack)?;
    let mut bytes = vec![0; len];
    map.read_at(offset, &mut bytes)?;

    let mut out = stdout().lock();
    out.write_all(&bytes)?;
    let unpacked = unpacked.load(Ordering::Relaxed);
    writeln!(out, "\n{unpacked} of {count} blocks were decompressed")?;
    Ok(())
}

/// Where the blocks of a packed file are.
struct Index {
    /// The length of what is packed.
    len: usize,
    /// One more than there are blocks.
    starts: Vec<u64>,
}

impl Index {
    /// Reads it, and believes nothing that does not fit the file.
    fn read(file: &File) -> Result<Self> {
        let size = file.metadata()?.len();
        let end = size.checked_sub(16).context("it is too short")?;
        let mut tail = [[0; 8]; 2];
        file.read_exact_at(tail.as_flattened_mut(), end)?;
        ensure!(tail[1] == MAGIC, "it ends otherwise");
        let len = usize::try_from(u64::from_le_bytes(tail[0]))?;
        let count = len.div_ceil(BLOCK) as u64 + 1;
        let blocks = end.checked_sub(8 * count).context("its index is cut off")?;
        let mut starts = vec![[0; 8]; usize::try_from(count)?];
        file.read_exact_at(starts.as_flattened_mut(), blocks)?;
        let starts: Vec<u64> = starts.into_iter().map(u64::from_le_bytes).collect();
        let fits = |pair: &[u64]| pair[0] <= pair[1] && pair[1] - pair[0] <= 2 * BLOCK as u64;
        ensure!(
            starts.windows(2).all(fits) && starts.last() == Some(&blocks),
            "its index is damaged"
        );
        Ok(Self { len, starts })
    }

    /// Decompresses a block to where it belongs.
    fn unpack(&self, file: &File, nth: usize, bytes: &mut [u8]) -> io::Result<()> {
        let damaged = |why: &dyn core::fmt::Display| {
            io::Error::other(format!("block {nth} is damaged: {why}"))
        };
        let (start, end) = (self.starts[nth], self.starts[nth + 1]);
        let mut packed = vec![0; (end - start) as usize];
        file.read_exact_at(&mut packed, start)?;
        match decompress_into(&packed, bytes) {
            Ok(len) if len == bytes.len() => Ok(()),
            Ok(_) => Err(damaged(&"it is too short")),
            Err(error) => Err(damaged(&error)),
        }
    }
}
