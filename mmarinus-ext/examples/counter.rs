//! Counts lines, words and bytes with several processes at once: `cargo run --example counter -- PROCESSES FILE...`.
//!
//! All of them count in one struct of atomics, in a file in memory that each gets as its standard input and verifies. Nobody
//! hands out work: who has time takes the next file, by adding 1 to a counter that gives each of them another number. The parent
//! sleeps on a second counter, and wakes up when all is done, or now and then to see whether anybody is left to do it.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;
use std::fs::File;
use std::io::{self, BufRead, BufReader, stdin};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitCode};

use anyhow::{Context, Result, ensure};
use mmarinus_ext::memfd::{Memfd, SizeSealed};
use mmarinus_ext::shared::{self, Counter};

mmarinus::shared_layout! {
    /// What all processes count in. It is zeros at first.
    struct Tally {
        /// How many files were taken, and some more: whoever finds none left has added 1 as well.
        taken: Counter,
        /// How many files were counted.
        done: Counter,
        /// Their lines, words and bytes.
        sums: [AtomicU64; 3],
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match &args[..] {
        // How the parent starts its children, with the tally as their standard input.
        [work, files @ ..] if work == "--work" => work_off(files),
        [processes, files @ ..] if !files.is_empty() => match processes.parse() {
            Ok(processes @ 1..=1000) => start(processes, files),
            _ => Err(anyhow::anyhow!("{processes} is no number of processes")),
        },
        _ => Err(anyhow::anyhow!(
            "what to count? cargo run --example counter -- PROCESSES FILE..."
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counter: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the processes, waits until all files are counted, and prints the sums.
fn start(processes: usize, files: &[String]) -> Result<()> {
    let (memfd, tally) = shared::file::<Tally>("tally")?;
    let program = std::env::current_exe()?;
    let worker = |_| {
        let mut command = Command::new(&program);
        command.arg("--work").args(files);
        command.stdin(memfd.as_fd().try_clone_to_owned()?).spawn()
    };
    let mut workers: Vec<Child> = (0..processes).map(worker).collect::<io::Result<_>>()?;

    let all = files.len() as u64;
    let now_and_then = Duration::from_millis(100);
    while tally.done.wait_within(all, now_and_then).is_err() {
        let is_alive = |worker: &mut Child| matches!(worker.try_wait(), Ok(None));
        if !workers.iter_mut().any(is_alive) {
            break; // All have done what they could, or died.
        }
    }
    for worker in &mut workers {
        worker.wait()?;
    }

    let [lines, words, bytes] = tally.sums.each_ref().map(|sum| sum.load(Relaxed));
    let done = tally.done.get();
    println!("{lines} lines, {words} words, {bytes} bytes in {done} files");
    ensure!(done == all, "{} of {all} files are missing", all - done);
    Ok(())
}

/// Counts files as long as there are some that nobody has taken.
fn work_off(files: &[String]) -> Result<()> {
    let memfd = Memfd::<SizeSealed>::try_from(stdin().as_fd().try_clone_to_owned()?)?;
    let tally = shared::of::<Tally>(&memfd)?;
    while let Some(path) = files.get(tally.taken.add(1) as usize) {
        match count(path).with_context(|| format!("{path} cannot be read")) {
            Ok(counts) => {
                for (sum, count) in tally.sums.iter().zip(counts) {
                    sum.fetch_add(count, Relaxed);
                }
                tally.done.add(1); // Who sees this sees the sums.
            }
            Err(error) => eprintln!("counter: {error:#}"),
        }
    }
    Ok(())
}

/// The lines, words and bytes of a file.
fn count(path: &str) -> io::Result<[u64; 3]> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut counts, mut line) = ([0; 3], Vec::new());
    while file.read_until(b'\n', &mut line)? != 0 {
        counts[0] += u64::from(line.ends_with(b"\n"));
        let words = line.split(u8::is_ascii_whitespace);
        counts[1] += words.filter(|word| !word.is_empty()).count() as u64;
        counts[2] += line.len() as u64;
        line.clear();
    }
    Ok(counts)
}
