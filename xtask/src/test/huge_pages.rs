//! Huge pages for the tests: reserved before they run and given back after, under one lock, so that two runs do not meet.
//!
//! A process of its own keeps them, and gives them back once its input ends: also when the run that asked for them was killed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// The kernel's pool of pages of 2 MiB.
const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

/// How many pages shall be free.
const WANTED: u64 = 32;

/// The size of a page, in KiB.
const PAGE_KIB: u64 = 2048;

/// Huge pages that are reserved as long as this lives.
#[derive(Debug)]
pub(crate) struct HugePages(Option<Child>);

impl HugePages {
    /// Reserves them, and says what came of it. Without them the tests that need some are skipped.
    pub(crate) fn reserve() -> Self {
        if !rustix::process::geteuid().is_root() {
            println!("not root: no huge pages are reserved, and tests that need some are skipped");
            return Self(None);
        }
        match start() {
            Ok((keeper, said)) => {
                println!("{said}");
                Self(Some(keeper))
            }
            Err(error) => {
                println!("no huge pages are reserved: {error:#}");
                Self(None)
            }
        }
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        if let Some(keeper) = &mut self.0 {
            // Its input ends; it gives the pages back and ends as well.
            drop(keeper.stdin.take());
            if !keeper.wait().is_ok_and(|status| status.success()) {
                println!("the huge pages could not be given back, see {POOL}/nr_hugepages");
            }
        }
    }
}

/// Starts the process that keeps the pages, and waits until it has them.
fn start() -> Result<(Child, String)> {
    let mut keeper = Command::new(std::env::current_exe()?)
        .args(["keep-huge-pages", POOL])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A signal from the keyboard ends the run, not the keeper.
        .process_group(0)
        .spawn()?;
    let output = keeper.stdout.take().context("its output is a pipe")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next().transpose()? {
        match line.strip_prefix("kept: ") {
            Some(said) => return Ok((keeper, said.to_owned())),
            None => println!("{line}"),
        }
    }
    keeper.wait()?;
    anyhow::bail!("see above")
}

/// Keeps pages of the pool in `folder` until the input ends: `cargo xtask keep-huge-pages`.
pub(crate) fn keep(folder: &Path) -> Result<()> {
    let path = folder.join("nr_hugepages");
    let number = File::open(&path).context("there is no such pool of huge pages")?;
    // Any run on this machine finds the same file, whatever clone it is of.
    if flock(&number, FlockOperation::NonBlockingLockExclusive).is_err() {
        println!("waiting for the huge pages, which another run of the tests has");
        flock(&number, FlockOperation::LockExclusive)?;
    }
    let read = |name: &str| -> Result<u64> {
        let text = fs::read_to_string(folder.join(name))?;
        Ok(text.trim().parse()?)
    };
    let (before, free) = (read("nr_hugepages")?, read("free_hugepages")?);
    let more = WANTED.saturating_sub(free).min(affordable());
    if more > 0 {
        fs::write(&path, (before + more).to_string())?;
    }
    let got = read("nr_hugepages")?.saturating_sub(before);
    println!(
        "kept: {} huge pages of 2 MiB are free, {got} of them reserved for this run",
        free + got
    );
    // The run may be gone without a word; that ends the input as well.
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    if got > 0 {
        // Somebody else may have changed the number meanwhile.
        let now = read("nr_hugepages")?;
        fs::write(&path, now.saturating_sub(got).to_string())?;
    }
    Ok(())
}

/// How many pages a quarter of the memory that is available makes.
fn affordable() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    available.unwrap_or(0) / 4 / PAGE_KIB
}
