//! The judge: runs each trial in a process of its own, and says how it ended.

use core::fmt;
use core::time::Duration;
use std::env;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

use crate::subject::Subject;
use crate::trial::{End, Trial, account, trials};

/// Names the trial that a child runs.
const WHICH: &str = "MMARINUS_ORDEAL";
/// Starts the line in which a child says how it ended.
const MARK: &str = "ordeal: ";
/// So often a trial has to leave something behind to be blamed for it.
const REPEATED: usize = 4;
/// No trial takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The crate bore it.
    Held,
    /// The crate does not offer, in safe code, what the trial is about.
    NotOffered,
    /// The machine lacks what the trial needs.
    NotRun(String),
    /// The program ended by itself and found a promise broken.
    Broken(String),
    /// A signal ended it: SIGSEGV is 11, SIGBUS is 7 on most architectures.
    Died(i32),
    /// It left without a word, by a panic for example.
    Left(String),
    /// It did not end.
    Hung,
}

impl Verdict {
    /// Whether the crate is sound as far as this trial tells.
    #[must_use]
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Held | Self::NotOffered | Self::NotRun(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::NotOffered => f.write_str("not offered"),
            Self::NotRun(reason) => write!(f, "not run: {reason}"),
            Self::Broken(promise) => write!(f, "BROKEN: {promise}"),
            Self::Died(signal) => write!(f, "DIED by signal {signal}"),
            Self::Left(how) => write!(f, "LEFT: {how}"),
            Self::Hung => f.write_str("HUNG"),
        }
    }
}

/// A trial and how it ended.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The trial.
    pub trial: Trial,
    /// How it ended.
    pub verdict: Verdict,
}

/// Runs all trials, each in a child that `command` starts.
///
/// The command must come back to this very call: a child, which knows itself by a variable of its environment, runs its trial
/// here and ends. So a test names itself, as `cargo test` would (`--exact NAME --nocapture`), and a program nothing.
///
/// # Errors
///
/// What starting a child says.
pub fn judge<S: Subject>(mut command: impl FnMut() -> Command) -> io::Result<Vec<Judgement>> {
    let all = trials::<S>();
    if let Ok(which) = env::var(WHICH) {
        let trial = all.iter().find(|trial| trial.name == which);
        let verdict = trial.map_or_else(|| Verdict::Left(String::from("no such trial")), attempt);
        println!("\n{MARK}{verdict}");
        std::process::exit(0);
    }
    all.into_iter()
        .map(|trial| {
            let mut command = command();
            command.env(WHICH, trial.name);
            Ok(Judgement {
                trial,
                verdict: watch(command)?,
            })
        })
        .collect()
}

/// Runs all trials and prints a line for each: the `main` of a program that does nothing else.
#[must_use]
pub fn main<S: Subject>() -> ExitCode {
    let judged = env::current_exe().and_then(|program| judge::<S>(|| Command::new(&program)));
    let judged = match judged {
        Ok(judged) => judged,
        Err(error) => {
            eprintln!("no trial could be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut good = true;
    for Judgement { trial, verdict } in judged {
        println!("{}: {verdict}", trial.name);
        if !verdict.is_good() {
            println!("    what went wrong where it was met: {}", trial.about);
            good = false;
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// In the child: the trial, and what it left behind.
fn attempt(trial: &Trial) -> Verdict {
    let measured = || -> Result<(), End> {
        // Once before it counts, so that what a program sets up for itself is there.
        (trial.run)()?;
        let mut left = String::new();
        // An allocator takes memory for itself now and then; what the crate leaves, it leaves each time.
        for _ in 0..REPEATED {
            let before = account()?;
            (trial.run)()?;
            let after = account()?;
            left = match (
                after.0.saturating_sub(before.0),
                after.1.saturating_sub(before.1),
            ) {
                (0, 0) => return Ok(()),
                (0, bytes) => format!("{bytes} mapped bytes are left"),
                (descriptors, _) => format!("{descriptors} descriptors are left"),
            };
        }
        Err(End::Broken(left))
    };
    match measured() {
        Ok(()) => Verdict::Held,
        Err(End::NotOffered) => Verdict::NotOffered,
        Err(End::NotRun(reason)) => Verdict::NotRun(reason),
        Err(End::Broken(promise)) => Verdict::Broken(promise),
    }
}

/// In the parent: waits for a child, and reads what it said.
fn watch(mut command: Command) -> io::Result<Verdict> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                child.kill()?;
                child.wait()?;
                return Ok(Verdict::Hung);
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut said)?;
    }
    Ok(understand(status, &said))
}

/// What a child said and how it left, as a verdict.
fn understand(status: ExitStatus, said: &str) -> Verdict {
    if let Some(signal) = status.signal() {
        return Verdict::Died(signal);
    }
    let word = said.lines().rev().find_map(|line| line.strip_prefix(MARK));
    match word {
        Some("held") if status.success() => Verdict::Held,
        Some("not offered") if status.success() => Verdict::NotOffered,
        Some(word) if status.success() => match word.split_once(": ") {
            Some(("not run", reason)) => Verdict::NotRun(reason.to_owned()),
            Some(("BROKEN", promise)) => Verdict::Broken(promise.to_owned()),
            _ => Verdict::Left(word.to_owned()),
        },
        _ => Verdict::Left(status.to_string()),
    }
}
