//! The table of classes of holes in `SAFETY.md`: each class has its number, and each test that it names exists.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn};

use super::File;

/// Where the table is.
pub(super) const TABLE: &str = "SAFETY.md";

/// How many classes there are; a new one gets the next number, and none is ever taken out.
const CLASSES: usize = 64;

/// The heading above the table.
const HEADING: &str = "## Classes of holes and their tests";

/// Programs that a signal or the compiler would end: at least one test of each class is such a one.
const PROGRAMS: [&str; 3] = ["soundness/", "ui/", "machine/"];

/// The lines of the table that are wrong: a number out of order or missing, and a test that is nowhere.
pub(super) fn broken(files: &[File]) -> Vec<usize> {
    let Some(safety) = files.iter().find(|file| file.path == TABLE) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let mut number = 0;
    let mut last = 1;
    let rows = safety.text.lines().enumerate();
    for (index, line) in rows.skip_while(|(_, line)| *line != HEADING) {
        let Some((count, tests)) = row(line) else {
            continue;
        };
        number += 1;
        last = index + 1;
        let is_whole = count == number
            && tests
                .iter()
                .any(|test| PROGRAMS.iter().any(|kind| test.starts_with(kind)))
            && tests.iter().all(|test| exists(test, files));
        if !is_whole {
            lines.push(index + 1);
        }
    }
    if number != CLASSES {
        lines.push(last);
    }
    lines
}

/// The number of a class, and the names in backticks in the last column.
fn row(line: &str) -> Option<(usize, Vec<&str>)> {
    let (count, cells) = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split_once(" | ")?;
    let (_, tests) = cells.rsplit_once(" | ")?;
    let count = count.parse().ok()?;
    let tests = tests.split('`').skip(1).step_by(2).collect();
    Some((count, tests))
}

/// Whether a test is there: `folder/file.rs::name`, or a file that must not compile; below `mmarinus/tests`, or below the root.
fn exists(test: &str, files: &[File]) -> bool {
    let (path, name) = match test.split_once("::") {
        Some((path, name)) => (path, Some(name)),
        None => (test, None),
    };
    let below = format!("mmarinus/tests/{path}");
    let Some(file) = files
        .iter()
        .find(|file| file.path == path || file.path == below)
    else {
        return false;
    };
    match name {
        Some(name) => tests_of(file).contains(name),
        // A program that must not compile has the compiler's words beside it.
        None => {
            let words = file.path.replace(".rs", ".stderr");
            path.starts_with("ui/") && files.iter().any(|file| file.path == words)
        }
    }
}

/// The names of all tests in a file.
fn tests_of(file: &File) -> BTreeSet<String> {
    let mut tests = Tests::default();
    if let Ok(rust) = syn::parse_file(&file.text) {
        tests.visit_file(&rust);
    }
    tests.0
}

#[derive(Default)]
struct Tests(BTreeSet<String>);

impl<'a> Visit<'a> for Tests {
    fn visit_item_fn(&mut self, item: &'a ItemFn) {
        let is_test = |attr: &Attribute| attr.path().is_ident("test");
        if item.attrs.iter().any(is_test) {
            self.0.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        let (path, text) = (path.to_owned(), text.to_owned());
        File { path, text }
    }

    #[test]
    fn what_is_named_exists() {
        let files = [
            file(
                "mmarinus/tests/soundness/a.rs",
                "#[test]\nfn one() {}\nfn two() {}\n",
            ),
            file("mmarinus/tests/ui/b.rs", ""),
            file("mmarinus/tests/ui/b.stderr", ""),
            file("mmarinus/tests/ui/c.rs", ""),
            file(
                "mmarinus/src/d.rs",
                "mod tests {\n#[test]\nfn three() {}\n}\n",
            ),
        ];
        for test in ["soundness/a.rs::one", "ui/b.rs", "mmarinus/src/d.rs::three"] {
            assert!(exists(test, &files), "{test}");
        }
        for test in [
            "soundness/a.rs::two",
            "soundness/a.rs",
            "ui/c.rs",
            "a.rs::one",
            "ui/e.rs",
            "",
        ] {
            assert!(!exists(test, &files), "{test}");
        }
    }

    #[test]
    fn each_class_has_its_number() {
        let rows = |numbers: &mut dyn Iterator<Item = usize>| {
            let mut text = format!("{HEADING}\n\n| no. | class | tests |\n| --- | --- | --- |\n");
            for number in numbers {
                text += &format!("| {number} | A class. | `soundness/a.rs::one`, `d.rs` |\n");
            }
            [
                file(TABLE, &text),
                file("mmarinus/tests/soundness/a.rs", "#[test]\nfn one() {}\n"),
                file("d.rs", ""),
            ]
        };
        // The second name is no test.
        assert_eq!(broken(&rows(&mut (1..=CLASSES))).len(), CLASSES);
        let good = |files: [File; 3]| {
            files.map(|file| File {
                text: file.text.replace(", `d.rs`", ""),
                ..file
            })
        };
        assert!(broken(&good(rows(&mut (1..=CLASSES)))).is_empty());
        assert_eq!(broken(&good(rows(&mut (1..CLASSES)))), [CLASSES + 3]);
        assert_eq!(broken(&good(rows(&mut (2..CLASSES + 1)))).len(), CLASSES);
        // Without the table there is no class at all.
        assert_eq!(broken(&[file(TABLE, "# Safety\n")]), [1]);
    }
}
