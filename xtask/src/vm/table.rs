//! The table of all guests: a row for each feature and each program, a column for each guest.

use core::fmt::Write;
use std::collections::BTreeSet;

use super::Lost;
use super::outcome::{Came, Counts, Outcome};

/// A column: the short name of the guest, and what came of it.
pub(super) struct Column<'a> {
    pub(super) name: String,
    pub(super) outcome: &'a Outcome,
}

/// A row: what it is of, and a cell for each guest.
fn row(columns: &[Column<'_>], name: &str, cell: impl Fn(&Outcome) -> String) -> Vec<String> {
    let cells = columns.iter().map(|column| cell(column.outcome));
    [name.to_owned()].into_iter().chain(cells).collect()
}

/// The names of the guests.
fn head(columns: &[Column<'_>]) -> Vec<String> {
    let names = columns.iter().map(|column| column.name.clone());
    ["passed/skipped/failed".to_owned()]
        .into_iter()
        .chain(names)
        .collect()
}

/// A row for each feature.
fn features(columns: &[Column<'_>]) -> Vec<Vec<String>> {
    let names = columns
        .iter()
        .flat_map(|column| column.outcome.features.keys().chain(column.outcome.needs()));
    let names: BTreeSet<&String> = names.collect();
    let row = |name| row(columns, name, |outcome| feature(outcome, name));
    names.into_iter().map(|name| row(name)).collect()
}

/// A row for each program.
fn programs(columns: &[Column<'_>]) -> Vec<Vec<String>> {
    let mut names = Vec::new();
    for program in columns.iter().flat_map(|column| &column.outcome.programs) {
        if !names.contains(&&program.name) {
            names.push(&program.name);
        }
    }
    let cell = |outcome: &Outcome, name: &String| {
        let mut programs = outcome.programs.iter();
        let program = programs.find(|program| program.name == *name);
        program.map_or_else(|| "not run".to_owned(), |program| show(program.counts()))
    };
    names
        .into_iter()
        .map(|name| row(columns, name, |outcome| cell(outcome, name)))
        .collect()
}

/// What it all comes to.
fn sums(columns: &[Column<'_>]) -> Vec<Vec<String>> {
    let verdict = |outcome: &Outcome| match outcome.is_good() {
        true => "passed".to_owned(),
        false => "FAILED".to_owned(),
    };
    vec![
        row(columns, "all tests", |outcome| show(outcome.counts())),
        row(columns, "the guest", verdict),
    ]
}

/// A feature in one guest: whether the machine has it, and what came of the tests that need it.
fn feature(outcome: &Outcome, name: &str) -> String {
    let counts = outcome.counts_of(name);
    let tests = if counts == Counts::default() {
        String::new()
    } else {
        format!(" {}", show(counts))
    };
    let there = match outcome.features.get(name) {
        Some((found, wanted)) if found == wanted || wanted == "any" => found.as_str(),
        Some(_) => "WRONG",
        None => "",
    };
    match format!("{there}{tests}").trim() {
        "" => "-".to_owned(),
        cell => cell.to_owned(),
    }
}

fn show(counts: Counts) -> String {
    let Counts {
        passed,
        skipped,
        failed,
    } = counts;
    format!("{passed}/{skipped}/{failed}")
}

/// The table for a terminal.
pub(super) fn plain(columns: &[Column<'_>]) -> String {
    let parts = [
        vec![head(columns)],
        features(columns),
        programs(columns),
        sums(columns),
    ];
    let rows = parts.concat();
    let width = |index: usize| rows.iter().map(|row| row[index].len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        for (index, cell) in row.iter().enumerate() {
            let _ = write!(text, "{cell:width$}  ", width = width(index));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// The table for a page, without the programs.
pub(super) fn markdown(columns: &[Column<'_>]) -> String {
    let rows = [vec![head(columns)], features(columns), sums(columns)].concat();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    text
}

/// The heading of the section that holds the table, and of the one that it comes before.
const HEADING: &str = "## Tested on\n";
const NEXT: &str = "## Licence\n";

/// The section of the README: the table, and what did not run and why.
pub(super) fn section(columns: &[Column<'_>], not_run: &[(String, Lost)], date: &str) -> String {
    let mut text = format!(
        "{HEADING}\nTests that passed, were skipped and failed in emulated machines on {date}: of each feature those that \
         need it, and all. A *rich* guest has what Linux knows of this hardware, a *poor* one has none of it, and \
         runs those tests that ask for something and a sample of the others. `cargo xtask vm --markdown` writes \
         this section, with `--all` also for the oldest kernel, the newest, and aarch64.\n\n{}",
        markdown(columns)
    );
    for (what, why) in not_run {
        let _ = write!(
            text,
            "\nNot run: {what}: {}.\n",
            why.why().replace('\n', " ")
        );
    }
    text
}

/// The page with this section in the place of the old one, or before the last.
pub(super) fn with_section(page: &str, section: &str) -> String {
    let next = page.find(NEXT).unwrap_or(page.len());
    let begin = page[..next].find(HEADING).unwrap_or(next);
    // It reaches to the heading that follows it.
    let end = match page[begin..].strip_prefix(HEADING) {
        Some(rest) => page.len() - rest.len() + rest.find("\n## ").map_or(rest.len(), |at| at + 1),
        None => begin,
    };
    format!("{}{section}\n{}", &page[..begin], &page[end..])
}

/// What failed and what was skipped, by name.
pub(super) fn details(columns: &[Column<'_>]) -> String {
    let mut text = String::new();
    for Column { name, outcome } in columns {
        for trouble in &outcome.trouble {
            let _ = writeln!(text, "FAILED {name}: {trouble}");
        }
        for program in &outcome.programs {
            if let Some(trouble) = &program.trouble {
                let _ = writeln!(text, "FAILED {name} {}: {trouble}", program.name);
            }
            for (test, came) in &program.tests {
                match came {
                    Came::Passed => {}
                    Came::Failed => {
                        let _ = writeln!(text, "FAILED {name} {} {test}", program.name);
                    }
                    Came::Skipped(why) => {
                        let _ = writeln!(text, "skipped {name} {} {test}: {why}", program.name);
                    }
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::qemu::End;

    fn outcome() -> Outcome {
        let text = "guest: release 6.12.1\nguest: feature pkeys yes yes\nguest: feature dax no yes\nguest: begin a.rs\n\
            guest: test a\nguest: test b\n| running 2 tests\n| test a ... ok\n| test b ... ok\n\
            guest: skip b\tno root\nguest: need a\tpkeys\n\
            guest: need b\tmseal\nguest: end a.rs 3 8 code 0\nguest: done well 7";
        let mut outcome = Outcome::new("7");
        text.lines().for_each(|line| outcome.read_line(line));
        outcome.end(&End::Off, &["a.rs", "b.rs"], &[]);
        outcome
    }

    #[test]
    fn the_section_is_written_once() {
        let outcome = outcome();
        let columns = [Column {
            name: "6.12 rich".to_owned(),
            outcome: &outcome,
        }];
        let lost = [("aarch64".to_owned(), Lost::Missing("no library".to_owned()))];
        let section = section(&columns, &lost, "2026-01-02");
        assert!(section.contains("on 2026-01-02: ") && section.contains("| mseal | 0/1/0 |\n"));
        assert!(section.ends_with("\nNot run: aarch64: no library.\n"));
        let page = "# a\n\n## b\n\n## Licence\n\nfree\n";
        let once = with_section(page, &section);
        assert_eq!(
            once,
            format!("# a\n\n## b\n\n{section}\n## Licence\n\nfree\n")
        );
        assert_eq!(with_section(&once, &section), once);
    }

    #[test]
    fn every_guest_has_a_column() {
        let outcome = outcome();
        let columns = [Column {
            name: "6.12 rich".to_owned(),
            outcome: &outcome,
        }];
        let table = plain(&columns);
        for row in [
            "passed/skipped/failed  6.12 rich\n",
            "dax                    WRONG\n",
            "mseal                  0/1/0\n",
            "pkeys                  yes 1/0/0\n",
            "a.rs                   1/1/0\n",
            "b.rs                   0/0/1\n",
            "all tests              1/1/1\n",
            "the guest              FAILED\n",
        ] {
            assert!(table.contains(row), "{row}{table}");
        }
        assert!(
            markdown(&columns)
                .starts_with("| passed/skipped/failed | 6.12 rich |\n| --- | --- |\n")
        );
        let details = details(&columns);
        assert!(
            details.contains("skipped 6.12 rich a.rs b: no root\n"),
            "{details}"
        );
        assert!(
            details.contains("FAILED 6.12 rich b.rs: it did not even begin\n"),
            "{details}"
        );
    }
}
