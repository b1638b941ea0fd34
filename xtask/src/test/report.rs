//! What `cargo test` says, read line by line, and the table made of it.

use core::fmt::{self, Display, Formatter};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::target::{Counts, Target, file_name};

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
        let running = header
            .strip_prefix("Running ")
            .and_then(|rest| rest.strip_suffix(')')?.rsplit_once(" ("));
        if let Some((_, binary)) = running
            && let Some(source) = run.sources.get(file_name(binary))
        {
            run.targets.push(Target::new(source.clone(), binary));
        } else if let Some(name) = header.strip_prefix("Doc-tests ") {
            run.targets
                .push(Target::new(format!("doctests of {name}"), ""));
        } else if let Some(target) = run.targets.last_mut() {
            target.read_line(line);
        }
        false
    }

    /// The call has ended; `skipped` holds a line for each skipped test: binary, test and reason, with tabs between.
    ///
    /// `list` asks a test binary for the names of its tests.
    pub(crate) fn end(
        &mut self,
        status: ExitStatus,
        skipped: &str,
        list: impl Fn(&str) -> Vec<String>,
    ) {
        let run = self.runs.last_mut().expect("a call has begun");
        for line in skipped.lines() {
            run.skip(line);
        }
        for target in &mut run.targets {
            target.finish(&list);
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
            .find(|target| file_name(&target.binary) == file_name(binary))
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// What one call of cargo comes to that builds `a/tests/it.rs` and `b.rs`, prints these lines and ends with this code.
    fn read(code: i32, skipped: &str, lines: &str) -> Report {
        let mut report = Report::new("/clone".into());
        report.begin("--workspace");
        for (source, binary) in [("a/tests/it.rs", "it-1"), ("b.rs", "b-2")] {
            let target = format!(r#"{{"src_path":"/clone/{source}"}}"#);
            let message = format!(
                r#"{{"reason":"compiler-artifact","target":{target},"executable":"/clone/t/{binary}"}}"#
            );
            assert!(report.read_line(&message));
        }
        for line in lines.lines() {
            assert!(!report.read_line(line));
        }
        let list = |_: &str| ["a", "b", "c"].map(String::from).to_vec();
        report.end(ExitStatus::from_raw(code << 8), skipped, list);
        report
    }

    const PASSED: &str = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
    const FAILED: &str = "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";

    #[test]
    fn what_passed_is_named_by_its_source() {
        let lines =
            format!("     Running tests/it.rs (t/it-1)\ntest a ... ok\ntest b ... ok\n{PASSED}");
        let report = read(0, "", &lines);
        assert_eq!(report.summary(), "2 passed, 0 failed, 0 skipped");
        assert!(report.is_good());
        assert!(
            report
                .to_string()
                .contains("a/tests/it.rs       2       0        0\n"),
            "{report}"
        );
    }

    #[test]
    fn what_was_skipped_has_not_passed() {
        let lines =
            format!("     Running tests/it.rs (t/it-1)\ntest a ... ok\ntest b ... ok\n{PASSED}");
        let report = read(
            0,
            "/clone/t/it-1\ta\tno root\n/clone/t/it-1\ta\tno root\n",
            &lines,
        );
        assert_eq!(report.summary(), "1 passed, 0 failed, 1 skipped");
        assert!(
            report.to_string().contains("a/tests/it.rs a: no root\n"),
            "{report}"
        );
        // Nor has it been skipped if it failed.
        let lines = format!(
            "     Running tests/it.rs (t/it-1)\ntest a ... FAILED\ntest b ... ok\n{FAILED}"
        );
        assert_eq!(
            read(101, "t/it-1\ta\tno root\n", &lines).summary(),
            "1 passed, 1 failed, 0 skipped"
        );
        // A skip by nobody knows whom is not lost.
        assert_eq!(
            read(0, "t/it-2\ta\tno root\n", "").summary(),
            "0 passed, 1 failed, 0 skipped"
        );
    }

    #[test]
    fn an_ignored_example_is_skipped() {
        let lines = "   Doc-tests a\ntest a.rs - f (line 1) ... ignored\n\
            test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test a.rs - f (line 9) - compile fail ... FAILED\n";
        let report = read(101, "", &format!("{lines}{FAILED}"));
        assert_eq!(report.summary(), "1 passed, 1 failed, 1 skipped");
        assert!(
            report
                .to_string()
                .contains("doctests of a a.rs - f (line 9) - compile fail\n"),
            "{report}"
        );
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        let died = "error: test failed, to rerun pass `-p a`\n\nCaused by:\n  \
            process didn't exit successfully: `t/it-1` (signal: 11, SIGSEGV: invalid memory reference)\n";
        let lines = format!(
            "     Running tests/it.rs (t/it-1)\ntest a ... ok\n{died}     Running b.rs (t/b-2)\n{PASSED}"
        );
        let report = read(101, "", &lines);
        assert_eq!(report.summary(), "3 passed, 1 failed, 0 skipped");
        let said = "a/tests/it.rs the whole binary: signal: 11, SIGSEGV: invalid memory reference; not finished: b, c\n";
        assert!(report.to_string().contains(said), "{report}");
        // So is one that dies after its tests.
        let lines = format!(
            "     Running tests/it.rs (t/it-1)\ntest a ... ok\ntest b ... ok\n{PASSED}\n{died}"
        );
        assert_eq!(
            read(101, "", &lines).summary(),
            "2 passed, 1 failed, 0 skipped"
        );
        // One that leaves early looks well to cargo.
        assert_eq!(
            read(0, "", "     Running tests/it.rs (t/it-1)\n").summary(),
            "0 passed, 1 failed, 0 skipped"
        );
    }

    #[test]
    fn a_broken_line_does_not_hide_a_failure() {
        let lines = format!(
            "     Running tests/it.rs (t/it-1)\ntest a ... noise\nFAILED\ntest b ... ok\n{FAILED}"
        );
        let report = read(101, "", &lines);
        assert_eq!(report.summary(), "1 passed, 1 failed, 0 skipped");
        assert!(
            report.to_string().contains("1 tests whose names"),
            "{report}"
        );
    }

    #[test]
    fn no_tests_are_no_success() {
        assert!(!read(0, "", "").is_good());
        let report = read(
            101,
            "",
            "error[E0432]: unresolved import\nerror: could not compile `a`",
        );
        assert_eq!(report.summary(), "0 passed, 1 failed, 0 skipped");
        assert!(!report.is_good());
    }
}
