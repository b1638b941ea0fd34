//! A trial: its name, what it is about, and the program; and the list of all of them.

use std::fs;
use std::io;

use crate::subject::{No, Offer, Subject};
use crate::{files, huge, memory};

/// A program that a crate has to bear.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Its name, which never changes.
    pub name: &'static str,
    /// What went wrong where it was met.
    pub about: &'static str,
    pub(crate) run: fn() -> Outcome,
}

/// How a trial ends that ends by itself.
pub(crate) type Outcome = Result<(), End>;

/// Why a trial did not hold, or was none.
#[derive(Debug)]
pub(crate) enum End {
    /// The crate lacks what the trial is about.
    NotOffered,
    /// The machine lacks what the trial needs.
    NotRun(String),
    /// The promise that was broken.
    Broken(String),
}

impl From<No> for End {
    /// A refusal where the trial needs a map to go on.
    fn from(no: No) -> Self {
        match no {
            No::NotOffered => Self::NotOffered,
            No::Refused => {
                Self::NotRun(String::from("the crate refused what the trial starts with"))
            }
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::NotRun(error.to_string())
    }
}

impl From<rustix::io::Errno> for End {
    fn from(errno: rustix::io::Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// The promise that was broken.
pub(crate) fn broken<T>(what: impl Into<String>) -> Result<T, End> {
    Err(End::Broken(what.into()))
}

/// Holds if the answer is no, for whatever reason; a yes breaks `promise`.
pub(crate) fn must_refuse<T>(offer: Offer<T>, promise: &str) -> Outcome {
    match offer {
        Ok(_) => broken(promise),
        Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

/// A number of bytes of the map, which the trial counts on.
pub(crate) fn read<S: Subject>(map: &S::Map, offset: usize, len: usize) -> Result<Vec<u8>, End> {
    let mut bytes = vec![0; len];
    match S::read(map, offset, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(No::NotOffered) => Err(End::NotOffered),
        Err(No::Refused) => broken(format!("{len} bytes at {offset} of a map are not readable")),
    }
}

/// The number of open descriptors, and of mapped bytes: what a trial gives back when it ends.
pub(crate) fn account() -> Result<(usize, usize), End> {
    let descriptors = fs::read_dir("/proc/self/fd")?.count();
    let mut bytes = 0;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        // What the program's own heap and stack take is no business of the crate's.
        if line.ends_with("[heap]") || line.ends_with("[stack]") {
            continue;
        }
        if let Some((start, end)) = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'))
        {
            let address = |text| usize::from_str_radix(text, 16).unwrap_or(0);
            bytes += address(end) - address(start);
        }
    }
    Ok((descriptors, bytes))
}

/// All trials, in the order in which they run.
#[must_use]
pub fn trials<S: Subject>() -> Vec<Trial> {
    let mut all = memory::trials::<S>();
    all.extend(files::trials::<S>());
    all.extend(huge::trials::<S>());
    all
}
