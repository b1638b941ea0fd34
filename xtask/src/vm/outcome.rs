//! What a guest reported, read line by line, and whether all of it is well.

use std::collections::{BTreeMap, BTreeSet};

use super::qemu::End;

/// How many tests are named, but one, where many did not come to an end. libtest starts them in the order of their names.
const SHOWN: usize = 5;

/// What came of one guest.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The kernel's release, as the guest itself says.
    pub(super) release: String,
    /// What is wrong with the guest as a whole.
    pub(super) trouble: Vec<String>,
    /// Each feature: whether it is there, and whether it was to be there.
    pub(super) features: BTreeMap<String, (String, String)>,
    pub(super) programs: Vec<Program>,
    /// By this the guest shows that it speaks of this run.
    code: String,
    /// What the guest says at its end: whether all was well.
    done: Option<bool>,
}

/// What came of one test program.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) tests: BTreeMap<String, Came>,
    /// The tests that need a feature, by its name.
    needs: BTreeMap<String, BTreeSet<String>>,
    pub(super) output: Vec<String>,
    /// Its tests, as the guest lists them before it begins.
    listed: BTreeSet<String>,
    /// How many tests there are, as the program says at its beginning.
    announced: Option<usize>,
    pub(super) seconds: u64,
    /// What is wrong with the program as a whole.
    pub(super) trouble: Option<String>,
    /// How many lines there were since it began; the guest says at its end how many it has written.
    lines: usize,
    ended: bool,
}

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Passed,
    Failed,
    Skipped(String),
}

/// How many tests came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) skipped: usize,
    pub(super) failed: usize,
}

impl Outcome {
    /// Nothing is read yet; the guest ends by saying this code.
    pub(super) fn new(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            ..Self::default()
        }
    }

    /// Reads a line of the guest.
    pub(super) fn read_line(&mut self, line: &str) {
        if let Some(program) = self.programs.last_mut() {
            program.lines += 1;
        }
        if let Some(output) = line
            .strip_prefix("| ")
            .or_else(|| (line == "|").then_some(""))
        {
            match self.programs.last_mut().filter(|program| !program.ended) {
                Some(program) => program.read_output(output),
                None => self.trouble.push(format!("nobody has said: {output}")),
            }
        } else if let Some(event) = line.strip_prefix("guest: ") {
            let (word, rest) = event.split_once(' ').unwrap_or((event, ""));
            if !self.read_event(word, rest) {
                self.trouble.push(format!(
                    "the guest speaks in words that nobody understands: {line}"
                ));
            }
        } else {
            self.trouble
                .push(format!("the line of the guest is broken: {line}"));
        }
    }

    fn read_event(&mut self, word: &str, rest: &str) -> bool {
        let words: Vec<&str> = rest.split(' ').collect();
        match (word, &words[..]) {
            ("release", [release]) => self.release = (*release).to_owned(),
            ("trouble", _) => self.trouble.push(rest.to_owned()),
            ("feature", [name, found, wanted]) => {
                let pair = ((*found).to_owned(), (*wanted).to_owned());
                drop(self.features.insert((*name).to_owned(), pair));
            }
            ("begin", [name]) => self.programs.push(Program {
                name: (*name).to_owned(),
                ..Program::default()
            }),
            ("test", [test]) => {
                let Some(program) = self.programs.last_mut() else {
                    return false;
                };
                program.listed.insert((*test).to_owned());
            }
            ("skip" | "need", _) => return self.read_note(word, rest),
            ("end", [name, seconds, lines, how @ ..]) => {
                let program = self
                    .programs
                    .last_mut()
                    .filter(|program| program.name == *name);
                let Some(program) = program else { return false };
                let (Ok(seconds), Ok(lines)) = (seconds.parse(), lines.parse::<usize>()) else {
                    return false;
                };
                program.seconds = seconds;
                // This line does not count itself.
                let came = program.lines.saturating_sub(1);
                program.end(&how.join(" "));
                if came != lines {
                    self.trouble.push(format!(
                        "{name} had {lines} lines, of which {came} came through"
                    ));
                }
            }
            ("done", [word, code]) if *code == self.code => self.done = Some(*word == "well"),
            _ => return false,
        }
        true
    }

    /// A test says that it is skipped, or what it needs.
    fn read_note(&mut self, word: &str, rest: &str) -> bool {
        let Some(((test, what), program)) = rest.split_once('\t').zip(self.programs.last_mut())
        else {
            return false;
        };
        match word {
            // A name that no test has would leave the one that was meant among those that passed.
            "skip" if !program.tests.contains_key(test) => return false,
            "skip" => drop(program.skips(test, what)),
            _ => drop(
                program
                    .needs
                    .entry(what.to_owned())
                    .or_default()
                    .insert(test.to_owned()),
            ),
        }
        true
    }

    /// The guest has ended; these programs were to run in it, and these features to be there or to be missing.
    pub(super) fn end(&mut self, end: &End, programs: &[&str], wanted: &[(&str, &str)]) {
        if self.release.is_empty() {
            self.trouble
                .push("the guest does not say which kernel it has".to_owned());
        }
        for (name, how) in wanted {
            if self
                .features
                .get(*name)
                .is_none_or(|(_, wanted)| wanted != how)
            {
                self.trouble.push(format!(
                    "the guest does not say whether it has the feature {name}"
                ));
            }
        }
        for (name, (found, wanted)) in &self.features {
            if found != wanted && wanted != "any" {
                self.trouble.push(format!(
                    "the feature {name} was to be there: {wanted}, and is: {found}"
                ));
            }
        }
        for name in programs {
            if !self.programs.iter().any(|program| program.name == *name) {
                let trouble = Some("it did not even begin".to_owned());
                self.programs.push(Program {
                    name: (*name).to_owned(),
                    trouble,
                    ended: true,
                    ..Program::default()
                });
            }
        }
        for program in &mut self.programs {
            if !program.ended {
                program.end("no line that says so");
            }
            program.name_the_lost();
        }
        match end {
            End::Off => {}
            // Whoever gave it its time says so.
            End::Cut => {}
            End::Not(how) => self.trouble.push(how.clone()),
        }
        match self.done {
            None => self
                .trouble
                .push("the guest did not come to its end".to_owned()),
            Some(false) if !self.has_failed() => {
                self.trouble
                    .push("the guest says that not all was well, and not what".to_owned());
            }
            Some(_) => {}
        }
    }

    /// Whether something has failed so far.
    pub(super) fn has_failed(&self) -> bool {
        !self.trouble.is_empty() || self.counts().failed > 0
    }

    /// Whether the guest and all that ran in it did well.
    pub(super) fn is_good(&self) -> bool {
        let Counts { passed, failed, .. } = self.counts();
        self.done == Some(true) && self.trouble.is_empty() && failed == 0 && passed > 0
    }

    /// All tests of all programs.
    pub(super) fn counts(&self) -> Counts {
        self.programs
            .iter()
            .map(Program::counts)
            .fold(Counts::default(), Counts::plus)
    }

    /// The tests that need a feature.
    pub(super) fn counts_of(&self, feature: &str) -> Counts {
        let counts = self
            .programs
            .iter()
            .map(|program| program.counts_of(feature));
        counts.fold(Counts::default(), Counts::plus)
    }

    /// The names of features that tests need.
    pub(super) fn needs(&self) -> impl Iterator<Item = &String> {
        self.programs
            .iter()
            .flat_map(|program| program.needs.keys())
    }
}

impl Program {
    /// Reads a line that libtest may have written.
    fn read_output(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test ")
            && let Some((name, came)) = rest.rsplit_once(" ... ")
        {
            let came = match came {
                "ok" => Some(Came::Passed),
                "FAILED" => Some(Came::Failed),
                _ => came
                    .starts_with("ignored")
                    .then(|| Came::Skipped(came.to_owned())),
            };
            if let Some(came) = came {
                drop(self.tests.insert(name.to_owned(), came));
            }
        } else if let Some(count) = line
            .strip_prefix("running ")
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
        {
            self.announced.get_or_insert(count);
        }
        self.output.push(line.to_owned());
    }

    /// libtest takes a skipped test for one that passed; one that failed was not skipped, whatever it did before.
    fn skips(&mut self, test: &str, why: &str) -> Option<Came> {
        match self.tests.get(test) {
            Some(Came::Passed) => self
                .tests
                .insert(test.to_owned(), Came::Skipped(why.to_owned())),
            _ => None,
        }
    }

    fn end(&mut self, how: &str) {
        self.ended = true;
        let failed = self
            .tests
            .values()
            .filter(|came| **came == Came::Failed)
            .count();
        let (seen, announced) = (self.tests.len(), self.announced.unwrap_or(0));
        let lost = announced.saturating_sub(seen);
        let is_listed = self.listed.len() == announced;
        let as_expected = if failed > 0 { "code 101" } else { "code 0" };
        if self.announced.is_none() || lost > 0 || !is_listed || how != as_expected {
            self.trouble = Some(format!(
                "it ended with {how}; {seen} of {announced} tests came to an end"
            ));
        }
    }

    /// Says which tests of the list did not come to an end.
    fn name_the_lost(&mut self) {
        let lost = self.listed.iter();
        let lost = lost.filter(|name| !self.tests.contains_key(*name));
        let lost: Vec<&str> = lost.map(String::as_str).collect();
        if let [first, rest @ ..] = &lost[..] {
            let more = if rest.len() > SHOWN { " and more" } else { "" };
            let shown = rest
                .iter()
                .take(SHOWN)
                .fold((*first).to_owned(), |shown, name| shown + ", " + name);
            let trouble = self
                .trouble
                .take()
                .unwrap_or_else(|| "it says too little".to_owned());
            self.trouble = Some(format!("{trouble}; not {shown}{more}"));
        }
    }

    /// A program that is wrong as a whole counts as one more failure.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::of(self.tests.values());
        counts.failed += usize::from(self.trouble.is_some());
        counts
    }

    fn counts_of(&self, feature: &str) -> Counts {
        let tests = self.needs.get(feature).into_iter().flatten();
        Counts::of(tests.filter_map(|test| self.tests.get(test)))
    }
}

impl Counts {
    fn of<'a>(tests: impl Iterator<Item = &'a Came>) -> Self {
        let mut counts = Self::default();
        for came in tests {
            match came {
                Came::Passed => counts.passed += 1,
                Came::Failed => counts.failed += 1,
                Came::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            skipped: self.skipped + other.skipped,
            failed: self.failed + other.failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "guest: release 6.12.1\nguest: feature pkeys yes yes\nguest: begin a.rs\n\
        guest: test a\nguest: test b\n| running 2 tests\n\
        | test a ... ok\n| test b ... ok\n|\n| test result: ok.\nguest: skip b\tno root\nguest: need a\tpkeys\n\
        guest: end a.rs 3 9 code 0\nguest: done well 7";

    fn read(text: &str, end: End) -> Outcome {
        let mut outcome = Outcome::new("7");
        text.lines().for_each(|line| outcome.read_line(line));
        outcome.end(&end, &["a.rs"], &[("pkeys", "yes")]);
        outcome
    }

    #[test]
    fn a_good_guest_is_good() {
        let outcome = read(GOOD, End::Off);
        assert!(outcome.is_good(), "{outcome:?}");
        assert_eq!(
            outcome.counts(),
            Counts {
                passed: 1,
                skipped: 1,
                failed: 0
            }
        );
        assert_eq!(
            outcome.counts_of("pkeys"),
            Counts {
                passed: 1,
                ..Counts::default()
            }
        );
        assert_eq!(outcome.programs[0].seconds, 3);
    }

    #[test]
    fn every_missing_line_is_a_failure() {
        let lines: Vec<&str> = GOOD.lines().collect();
        for missing in 0..lines.len() {
            let mut rest = lines.clone();
            let line = rest.remove(missing);
            assert!(!read(&rest.join("\n"), End::Off).is_good(), "{line}");
        }
    }

    #[test]
    fn every_bad_end_is_a_failure() {
        assert!(!read(GOOD, End::Not("it hung".to_owned())).is_good());
        for (good, bad) in [
            ("code 0", "signal 11"),
            ("code 0", "killed after its time was over"),
            ("code 0", "code 1"),
            ("a ... ok", "a ... FAILED"),
            ("pkeys yes yes", "pkeys no yes"),
            ("pkeys yes yes", "pkeys yes no"),
            (
                "guest: done well 7",
                "guest: trouble no disk\nguest: done well 7",
            ),
            ("guest: done well 7", "noise\nguest: done well 7"),
            ("a.rs", "b.rs"),
            ("3 9", "3 8"),
            ("3 9", "3 10"),
            ("3 9", "3"),
            ("skip b", "skip c"),
            ("feature pkeys", "feature dax"),
            ("yes yes", "no no"),
            ("yes yes", "yes any"),
        ] {
            assert!(!read(&GOOD.replace(good, bad), End::Off).is_good(), "{bad}");
        }
        assert!(!read("", End::Off).is_good());
        let lost = read(&GOOD.replace("| test a ... ok", "|"), End::Off);
        let trouble = lost.programs[0].trouble.as_deref().unwrap_or_default();
        assert_eq!(
            trouble,
            "it ended with code 0; 1 of 2 tests came to an end; not a"
        );
    }

    #[test]
    fn a_failed_test_explains_the_code() {
        let text = GOOD
            .replace("a ... ok", "a ... FAILED")
            .replace("code 0", "code 101")
            .replace("well", "not-well");
        let outcome = read(&text, End::Off);
        assert!(!outcome.is_good());
        assert!(outcome.trouble.is_empty(), "{:?}", outcome.trouble);
        assert_eq!(
            outcome.counts(),
            Counts {
                passed: 0,
                skipped: 1,
                failed: 1
            }
        );
    }
}
