//! What `cargo test` says, read line by line, and the table made of it.

use core::fmt::{self, Display, Formatter};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// All that ran, in the order in which it ran.
#[derive(Debug)]
pub(crate) struct Report {
    root: PathBuf,
    runs: Vec<Run>,
}

/// One call of `cargo test`.
#[derive(Debug, Default)]
struct Run {
    args: String,
    /// The source file of each test binary, by the binary's file name.
    sources: HashMap<String, String>,
    targets: Vec<Target>,
    /// What is wrong with the run as a whole.
    trouble: Vec<String>,
}

/// One test binary, or the doctests of one crate.
#[derive(Debug, Default)]
struct Target {
    name: String,
    /// The file name of the binary; empty for doctests.
    binary: String,
    /// What the closing lines, `test result: ...`, say.
    counts: Counts,
    /// What the lines of single tests say. Output of others may break such a line in two, so they are only the second source.
    lines: Counts,
    /// Whether there was a closing line: a binary that died has none.
    closed: bool,
    failed: Vec<String>,
    /// Each skipped test and the reason.
    skipped: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    /// Nothing ran yet. Source files are shown relative to `root`.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            runs: Vec::new(),
        }
    }

    /// A call of `cargo test` with these arguments begins.
    pub(crate) fn begin(&mut self, args: &str) {
        self.runs.push(Run {
            args: args.to_owned(),
            ..Run::default()
        });
    }

    /// Reads one line of the call that began last; says whether it was meant for us, not for people.
    pub(crate) fn read_line(&mut self, line: &str) -> bool {
        let run = self.runs.last_mut().expect("a call has begun");
        if line.starts_with(r#"{"reason":"#) {
            run.read_message(line, &self.root);
            return true;
        }
        let header = line.trim_start();
        if let Some((_, binary)) = header
            .strip_prefix("Running ")
            .and_then(|rest| rest.strip_suffix(')')?.rsplit_once(" ("))
        {
            let binary = file_name(binary);
            let name = run
                .sources
                .get(binary)
                .cloned()
                .unwrap_or_else(|| binary.to_owned());
            run.targets.push(Target {
                name,
                binary: binary.to_owned(),
                ..Target::default()
            });
        } else if let Some(name) = header.strip_prefix("Doc-tests ") {
            run.targets.push(Target {
                name: format!("doctests of {name}"),
                ..Target::default()
            });
        } else if let Some(target) = run.targets.last_mut() {
            target.read_line(line);
        }
        false
    }

    /// The call has ended; `skipped` holds a line for each skipped test: binary, test and reason, with tabs between.
    pub(crate) fn end(&mut self, status: ExitStatus, skipped: &str) {
        let run = self.runs.last_mut().expect("a call has begun");
        for line in skipped.lines() {
            run.skip(line);
        }
        for target in &mut run.targets {
            target.finish();
        }
        if !status.success() && run.counts().failed == 0 {
            run.trouble
                .push(format!("cargo test {} ({status})", run.args));
        }
    }

    /// What there is to say when the tests could not even be started.
    pub(crate) fn of_failure(why: &str) -> Self {
        let run = Run {
            trouble: vec![why.to_owned()],
            ..Run::default()
        };
        Self {
            root: PathBuf::new(),
            runs: vec![run],
        }
    }

    /// `N passed, N failed, N skipped`.
    pub(crate) fn summary(&self) -> String {
        let Counts {
            passed,
            failed,
            skipped,
        } = self.counts();
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }

    /// Whether something ran and nothing failed.
    pub(crate) fn is_good(&self) -> bool {
        let counts = self.counts();
        counts.failed == 0 && counts.passed > 0
    }

    fn counts(&self) -> Counts {
        self.runs
            .iter()
            .map(Run::counts)
            .fold(Counts::default(), Counts::plus)
    }
}

impl Run {
    /// Learns from cargo's own messages which source file became which binary.
    fn read_message(&mut self, line: &str, root: &Path) {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
            return;
        };
        let (Some(binary), Some(source)) = (
            message["executable"].as_str(),
            message["target"]["src_path"].as_str(),
        ) else {
            return;
        };
        let source = Path::new(source);
        let source = source.strip_prefix(root).unwrap_or(source);
        self.sources
            .insert(file_name(binary).to_owned(), source.display().to_string());
    }

    fn skip(&mut self, line: &str) {
        let mut parts = line.splitn(3, '\t');
        let (Some(binary), Some(test), Some(why)) = (parts.next(), parts.next(), parts.next())
        else {
            self.trouble.push(format!(
                "a test was skipped in words that nobody understands: {line}"
            ));
            return;
        };
        match self
            .targets
            .iter_mut()
            .find(|target| target.binary == file_name(binary))
        {
            Some(target) => drop(target.skipped.insert(test.to_owned(), why.to_owned())),
            None => self.trouble.push(format!(
                "{test} of {binary}, which did not run, was skipped: {why}"
            )),
        }
    }

    fn counts(&self) -> Counts {
        let trouble = Counts {
            failed: self.trouble.len(),
            ..Counts::default()
        };
        self.targets
            .iter()
            .map(|target| target.counts)
            .fold(trouble, Counts::plus)
    }
}

impl Target {
    fn read_line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.counts = self.counts.plus(read_counts(counts));
            self.closed = true;
        } else if let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
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
            // A binary whose tests fail exits with 101 and has its closing line; one that died has none.
            if !self.closed {
                let how = how
                    .rsplit_once(" (")
                    .map_or(how, |(_, how)| how.trim_end_matches(')'));
                self.failed.push(format!("the whole binary: {how}"));
            }
        }
    }

    /// Settles the counts once all is read.
    fn finish(&mut self) {
        if !self.closed {
            if !self
                .failed
                .iter()
                .any(|name| name.starts_with("the whole binary"))
            {
                self.failed
                    .push("the whole binary: it ended before its tests did".to_owned());
            }
            self.counts = Counts {
                failed: self.failed.len(),
                ..self.lines
            };
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
}

impl Counts {
    fn plus(self, other: Self) -> Self {
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

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let targets = || {
            self.runs
                .iter()
                .flat_map(|run| &run.targets)
                .filter(|target| target.counts != Counts::default())
        };
        let width = targets().map(|target| target.name.len()).max().unwrap_or(0);
        writeln!(f, "{:width$}  passed  failed  skipped", "")?;
        for run in &self.runs {
            let ran = run
                .targets
                .iter()
                .filter(|target| target.counts != Counts::default());
            if !run.args.is_empty() {
                writeln!(f, "cargo test {}", run.args)?;
            }
            for Target { name, counts, .. } in ran {
                let Counts {
                    passed,
                    failed,
                    skipped,
                } = counts;
                writeln!(f, "{name:width$}  {passed:6}  {failed:6}  {skipped:7}")?;
            }
        }
        if targets().any(|target| !target.skipped.is_empty()) {
            writeln!(f, "\nskipped on this machine:")?;
        }
        for target in targets() {
            for (test, why) in &target.skipped {
                writeln!(f, "  {} {test}: {why}", target.name)?;
            }
        }
        if self.counts().failed > 0 {
            writeln!(f, "\nfailed:")?;
        }
        for target in targets() {
            for test in &target.failed {
                writeln!(f, "  {} {test}", target.name)?;
            }
        }
        for what in self.runs.iter().flat_map(|run| &run.trouble) {
            writeln!(f, "  {what}")?;
        }
        Ok(())
    }
}
