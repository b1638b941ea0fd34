//! The rules that read a file line by line.

use super::{File, Rule};

/// As many columns as a line of Rust may have.
const COLUMNS: usize = 130;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "file-header",
        why: "A Rust file has one subject, and its first line, which starts with `//!`, names it.",
        check: file_header,
    },
    Rule {
        name: "line-width",
        why: "A line of Rust has at most 130 columns, so that two files fit side by side.",
        check: |file| when(file.is_rust(), file, |line| line.chars().count() > COLUMNS),
    },
    Rule {
        name: "trailing-space",
        why: "A line ends where its text ends, so that changes show only what has changed.",
        // Expected messages of the compiler are taken as they are.
        check: |file| {
            when(!file.path.ends_with(".stderr"), file, |line| {
                line.trim_end() != line
            })
        },
    },
    Rule {
        name: "final-newline",
        why: "A file ends with a newline, so that the next line can be added without changing the last.",
        check: final_newline,
    },
    Rule {
        name: "no-markers",
        why: "What is to be done stands in an issue; a marker in the code is forgotten.",
        check: |file| when(true, file, has_marker),
    },
    Rule {
        name: "machine-path",
        why: "A path outside of the clone exists on one machine only.",
        check: |file| when(true, file, has_machine_path),
    },
];

/// The numbers of the lines that are bad, if the rule is for this file at all.
fn when(applies: bool, file: &File, bad: impl Fn(&str) -> bool) -> Vec<usize> {
    let lines = file.text.split('\n').enumerate();
    let bad = lines.filter(|(_, line)| applies && bad(line));
    bad.map(|(index, _)| index + 1).collect()
}

fn file_header(file: &File) -> Vec<usize> {
    let named = file
        .text
        .lines()
        .next()
        .is_some_and(|line| line.starts_with("//! "));
    if file.is_rust() && !named {
        vec![1]
    } else {
        Vec::new()
    }
}

fn final_newline(file: &File) -> Vec<usize> {
    let ends = file.text.is_empty() || file.text.ends_with('\n');
    if ends {
        Vec::new()
    } else {
        vec![file.text.lines().count()]
    }
}

/// Written in halves, here and in the tests, so that this file keeps its own rule.
fn has_marker(line: &str) -> bool {
    let markers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|word| markers.contains(&word))
}

fn has_machine_path(line: &str) -> bool {
    let outside = line.contains(concat!("../", "shared"));
    outside
        || ["work", "root", "home"]
            .iter()
            .any(|folder| has_absolute(line, &format!("/{folder}/")))
}

/// Whether the path stands in the line, and is not the tail of a longer one or of an address in the web.
fn has_absolute(line: &str, path: &str) -> bool {
    let before = |at: usize| line[..at].chars().next_back();
    let is_tail = |c: char| c.is_alphanumeric() || "_-.~}/$".contains(c);
    line.match_indices(path)
        .any(|(at, _)| !before(at).is_some_and(is_tail))
}

#[cfg(test)]
mod tests {
    use crate::tidy::tests::assert_lines;

    #[test]
    fn file_header() {
        assert_lines("file-header", "a.rs", "//! A.\n", &[]);
        assert_lines("file-header", "a.md", "# A\n", &[]);
        assert_lines("file-header", "a.rs", "use a;\n//! A.\n", &[1]);
        assert_lines("file-header", "a.rs", "// A.\n", &[1]);
        assert_lines("file-header", "a.rs", "//!\n", &[1]);
        assert_lines("file-header", "a.rs", "", &[1]);
    }

    #[test]
    fn line_width() {
        let (fits, wide) = ("é".repeat(130), "é".repeat(131));
        assert_lines("line-width", "a.rs", &format!("{fits}\n"), &[]);
        assert_lines("line-width", "a.md", &format!("{wide}\n"), &[]);
        assert_lines("line-width", "a.rs", &format!("{fits}\n{wide}\n"), &[2]);
    }

    #[test]
    fn trailing_space() {
        assert_lines("trailing-space", "a.md", "a\n\n b\n", &[]);
        assert_lines("trailing-space", "a.stderr", "a \n", &[]);
        assert_lines("trailing-space", "a.md", "a\nb \nc\t\nd\r\n", &[2, 3, 4]);
    }

    #[test]
    fn final_newline() {
        assert_lines("final-newline", "a", "", &[]);
        assert_lines("final-newline", "a", "a\n", &[]);
        assert_lines("final-newline", "a", "a\nb", &[2]);
    }

    #[test]
    fn no_markers() {
        let bad = [
            concat!("// TO", "DO: later\n"),
            concat!("# FIX", "ME\n"),
            concat!("/* XX", "X */\n"),
        ];
        assert_lines("no-markers", "a.rs", &bad.concat(), &[1, 2, 3]);
        assert_lines(
            "no-markers",
            "a.rs",
            "// mkstemp(\"XXXXXX\"), todos, TODOS\n",
            &[],
        );
    }

    #[test]
    fn machine_path() {
        let bad = [
            "(/work",
            "/a)\n\"/root",
            "/.cargo\"\n/home",
            "/me\n../sha",
            "red/a\n",
        ]
        .concat();
        assert_lines("machine-path", "a.md", &bad, &[1, 2, 3, 4]);
        let good = "target/work/a, https://a.org/home/b, $HOME/root/x, /proc/self/maps, /rooted\n";
        assert_lines("machine-path", "a.md", good, &[]);
    }
}
