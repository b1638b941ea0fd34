//! What one test binary, or the doctests of one crate, came to.

use std::collections::{BTreeMap, HashSet};

/// One test binary, or the doctests of one crate.
#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) name: String,
    /// The binary, as cargo shows it; empty for doctests.
    pub(super) binary: String,
    /// What the closing lines, `test result: ...`, say.
    pub(super) counts: Counts,
    /// What the lines of single tests say. Output of others may break such a line in two, so they are only the second source.
    lines: Counts,
    /// The tests that came to an end.
    ended: HashSet<String>,
    /// Whether there was a closing line: a binary that died has none.
    closed: bool,
    /// How cargo says that the binary died.
    death: Option<String>,
    pub(super) failed: Vec<String>,
    /// Each skipped test and the reason.
    pub(super) skipped: BTreeMap<String, String>,
}

/// How many tests came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Target {
    /// Nothing ran yet.
    pub(super) fn new(name: String, binary: &str) -> Self {
        Self {
            name,
            binary: binary.to_owned(),
            ..Self::default()
        }
    }

    /// Reads one line of what stands below the target's header.
    pub(super) fn read_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.counts = self.counts.plus(read_counts(counts));
            self.closed = true;
        } else if let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            self.ended.insert(name.to_owned());
            match result {
                "ok" => self.lines.passed += 1,
                "FAILED" => {
                    self.lines.failed += 1;
                    self.failed.push(name.to_owned());
                }
                _ if result.starts_with("ignored") => {
                    self.lines.skipped += 1;
                    self.skipped.insert(name.to_owned(), result.to_owned());
                }
                _ => {}
            }
        } else if let Some((_, how)) = line.split_once("process didn't exit successfully: ") {
            // A binary whose tests fail has a closing line that says so; then its exit tells nothing new.
            if !self.closed || self.counts.failed == 0 {
                let how = how
                    .rsplit_once(" (")
                    .map_or(how, |(_, how)| how.trim_end_matches(')'));
                self.death = Some(how.to_owned());
            }
        }
    }

    /// Settles the counts once all is read.
    pub(super) fn finish(&mut self, list: impl Fn(&str) -> Vec<String>) {
        if !self.closed {
            self.counts = self.lines;
            self.death
                .get_or_insert_with(|| "it ended before its tests did".to_owned());
        }
        if let Some(how) = &self.death {
            self.failed
                .push(format!("the whole binary: {how}{}", self.unfinished(list)));
            self.counts.failed += 1;
        }
        if self.failed.len() < self.counts.failed {
            let lost = self.counts.failed - self.failed.len();
            self.failed.push(format!(
                "{lost} tests whose names the output above does not show in one line"
            ));
        }
        // A test that failed has not been skipped, whatever it did before.
        self.skipped.retain(|name, _| !self.failed.contains(name));
        // libtest takes a skipped test for one that passed.
        let skipped = self.skipped.len();
        self.counts.passed = (self.counts.passed + self.counts.skipped).saturating_sub(skipped);
        self.counts.skipped = skipped;
    }

    /// Names the tests that may be why the binary died: libtest starts them in the order of the list.
    fn unfinished(&self, list: impl Fn(&str) -> Vec<String>) -> String {
        let mut names = list(&self.binary);
        names.retain(|name| !self.ended.contains(name));
        match names.as_slice() {
            [] => String::new(),
            [first @ .., _] if first.len() < 4 => format!("; not finished: {}", names.join(", ")),
            [first @ .., _] => format!(
                "; not finished: {} and {} more",
                first[..4].join(", "),
                names.len() - 4
            ),
        }
    }
}

impl Counts {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// Reads `ok. 5 passed; 0 failed; 1 ignored; 0 measured; ...`.
fn read_counts(line: &str) -> Counts {
    let count = |what: &str| {
        let words: Vec<&str> = line.split([' ', ';']).collect();
        let at = words.iter().position(|word| *word == what);
        at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok())
            .unwrap_or(0)
    };
    Counts {
        passed: count("passed"),
        failed: count("failed"),
        skipped: count("ignored"),
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
