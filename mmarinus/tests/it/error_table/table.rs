//! The table itself: what was provoked, and what the words of an error must have.

use core::fmt::Display;
use std::collections::BTreeSet;

use mmarinus::{Errno, Error, Fault};

/// Words with which remedies begin.
const REMEDIES: &[&str] = &[
    "add",
    "allow",
    "ask",
    "check",
    "choose",
    "close",
    "copy",
    "cut",
    "do without",
    "duplicate",
    "extend",
    "free",
    "give",
    "grow",
    "hand",
    "hold",
    "leave",
    "lock",
    "make",
    "map",
    "move",
    "name",
    "open",
    "raise",
    "read",
    "reprotect",
    "reserve",
    "round",
    "seal",
    "split",
    "take",
    "try",
    "unlock",
    "unmap",
    "use",
    "write",
    "agree",
    "start",
];

/// Whether some part of a sentence begins with what to do.
fn begins_a_clause_with_a_remedy(hint: &str) -> bool {
    let words: Vec<&str> = hint.split(' ').collect();
    words.windows(2).any(|pair| {
        let [before, word] = [pair[0], pair[1]];
        let begins = before.ends_with([';', ',', ':'])
            || word.starts_with('(')
            || ["and", "agree", "start", "or", "so"].contains(&before);
        let word = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
        begins && REMEDIES.contains(&word)
    })
}

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By {
    /// The kernel answered so.
    Kernel,
    /// We did before asking it.
    Us,
}

/// What was provoked in this run.
#[derive(Debug, Default)]
pub(super) struct Table {
    pairs: BTreeSet<(&'static str, String, By)>,
    skipped: Vec<String>,
    /// What teaches nothing.
    wrong: Vec<String>,
}

impl Table {
    /// Notes an error and asserts that it teaches.
    pub(super) fn note<M>(&mut self, by: By, call: &'static str, errno: Errno, error: &Error<M>) {
        let hint = error.hint();
        assert!(error.to_string().ends_with(hint), "{error}");
        self.check(by, call, errno, error.errno(), error, hint);
    }

    /// The same of a copy.
    pub(super) fn note_fault(&mut self, call: &'static str, errno: Errno, fault: Fault) {
        let said = fault.to_string();
        let hint = said.split_once(": ").map_or("", |(_, hint)| hint);
        self.check(By::Kernel, call, errno, fault.errno(), &fault, hint);
        let error = Error::from(fault);
        self.note(By::Kernel, call, errno, &error);
    }

    /// Asserts that the text names the call, the errno and a remedy.
    fn check(
        &mut self,
        by: By,
        call: &'static str,
        expected: Errno,
        errno: Errno,
        text: &impl Display,
        hint: &str,
    ) {
        let text = text.to_string();
        println!("{by:?}: {text}");
        let mut find = |is_so: bool, what: &str| {
            if is_so {
                self.wrong.push(format!("{call}: {text:?} {what}"));
            }
        };
        find(errno != expected, &format!("is not {expected:?}"));
        find(!text.contains(call), "does not name the call");
        find(text.contains("man page"), "sends away");
        let does = begins_a_clause_with_a_remedy(hint);
        find(!does || hint.len() <= 25, "has no remedy");
        let name = text.split([' ', '(', ':']).find(|word| {
            let capitals = word.bytes().all(|byte| byte.is_ascii_uppercase());
            word.len() > 2 && word.starts_with('E') && capitals
        });
        find(name.is_none(), "does not name the errno");
        let name = name.unwrap_or("?").to_owned();
        self.pairs.insert((call, name, by));
    }

    /// Names what this machine cannot provoke.
    pub(super) fn skip(&mut self, what: &str, why: impl Display) {
        self.skipped.push(format!("{what}: {why}"));
    }

    /// Prints what came of it, and gives the numbers of pairs and of those that were skipped.
    pub(super) fn finish(self) -> (usize, usize) {
        let distinct: BTreeSet<_> = self
            .pairs
            .iter()
            .map(|(call, errno, _)| (call, errno))
            .collect();
        let by_kernel = self
            .pairs
            .iter()
            .filter(|(_, _, by)| *by == By::Kernel)
            .count();
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
        for line in &self.skipped {
            println!("skipped: {line}");
        }
        println!(
            "{} pairs of call and errno were provoked, {by_kernel} of them by the kernel; {} were skipped",
            distinct.len(),
            self.skipped.len()
        );
        (by_kernel, self.skipped.len())
    }
}
