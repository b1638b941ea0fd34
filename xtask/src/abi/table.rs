//! The table of the kernel's names: what covers each, and on which architectures it is there.
//!
//! One row a line, with tabs between the columns:
//!
//! - `group`: the call or the family.
//! - `name`: as in the headers; with `syscall ` or `struct ` in front, or with words that tell two rows of one name apart.
//! - `how`: see [`How`].
//! - `by`: what covers it, as paths and expressions of Rust. Names are those of `mmarinus_sys`; `raw` is `linux_raw_sys`.
//! - `where`: `all`, `on` some architectures, or `not` on some; `*` stands for the rest of a name.
//! - `x86_64`: the value there, so that it is tested without any header. What is not there has none.
//! - `note`: why it is absent, also where the kernel has it and `where` does not, or what else there is to say.

use anyhow::{Context, Result, bail, ensure};

use super::arch::Arch;

/// Relative to the root of the workspace.
pub(super) const PATH: &str = "xtask/abi.tsv";

const HEADER: &str = "group\tname\thow\tby\twhere\tx86_64\tnote";

/// How a name of the kernel is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// `call`: a function makes the system call.
    Call,
    /// `inside`: a function passes the value; `by` is the function, a space, and where it has the value from.
    Inside,
    /// `value`: an expression has the value.
    Value,
    /// `size`: a type has the size of the struct.
    Size,
    /// `words`: as `size`, in words, for a struct of pointers and lengths.
    Words,
    /// `unwritten`: there is an item for it, but no header has the value.
    Unwritten,
    /// `absent`: not covered, and the note says why.
    Absent,
    /// `aside`: the headers have it, but it is neither a call nor a flag for one. It does not count as a row.
    Aside,
}

/// One name of the kernel.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) how: How,
    by: String,
    place: Place,
    /// The value that the table states for x86_64.
    pub(super) x86_64: Option<u64>,
    pub(super) note: Option<String>,
}

/// The architectures where a name is there.
#[derive(Debug)]
enum Place {
    On(Vec<String>),
    Not(Vec<String>),
}

impl Row {
    /// The name alone, as the headers have it.
    pub(super) fn kernel_name(&self) -> String {
        let (rest, word) = self.name.rsplit_once(' ').unwrap_or(("", &self.name));
        match (rest, self.how) {
            ("syscall", How::Call) => format!("__NR_{word}"),
            _ => word.to_owned(),
        }
    }

    /// The value as an expression of C.
    pub(super) fn in_c(&self) -> String {
        match self.how {
            How::Size => format!("sizeof(struct {})", self.kernel_name()),
            How::Words => format!("sizeof(struct {}) / sizeof(void *)", self.kernel_name()),
            _ => self.kernel_name(),
        }
    }

    /// The function that covers it, if one does.
    pub(super) fn function(&self) -> Option<&str> {
        match self.how {
            How::Call => Some(&self.by),
            How::Inside => self.by.split_once(' ').map(|(function, _)| function),
            _ => None,
        }
    }

    /// Our value as an expression of Rust, if it has one that the headers have too.
    pub(super) fn in_rust(&self) -> Option<String> {
        match self.how {
            How::Call => Some(format!("raw::general::{}", self.kernel_name())),
            How::Inside => self.by.split_once(' ').map(|(_, value)| value.to_owned()),
            How::Value => Some(self.by.clone()),
            How::Size => Some(format!("size_of::<{}>()", self.by)),
            How::Words => Some(format!("size_of::<{}>() / size_of::<usize>()", self.by)),
            How::Unwritten | How::Absent | How::Aside => None,
        }
    }

    /// The item that covers it, if no header has its value.
    pub(super) fn unwritten(&self) -> Option<&str> {
        (self.how == How::Unwritten).then_some(self.by.as_str())
    }

    /// Whether it is a row of its own, and not only a name that is known.
    pub(super) fn counts(&self) -> bool {
        self.how != How::Aside
    }

    /// Whether the name is there on this architecture.
    pub(super) fn is_on(&self, arch: &Arch) -> bool {
        let listed = |names: &[String]| {
            names.iter().any(|name| match name.strip_suffix('*') {
                Some(start) => arch.name.starts_with(start),
                None => arch.name == name,
            })
        };
        match &self.place {
            Place::On(names) => listed(names),
            Place::Not(names) => !listed(names),
        }
    }
}

/// Reads the table, and refuses one that says nothing about a row.
pub(super) fn parse(text: &str) -> Result<Vec<Row>> {
    let mut lines = text.lines();
    ensure!(lines.next() == Some(HEADER), "{PATH} has other columns");
    let rows = lines.zip(2..).map(|(line, number)| {
        parse_row(line).with_context(|| format!("{PATH}:{number} is no row"))
    });
    let rows: Vec<Row> = rows.collect::<Result<_>>()?;
    for (index, row) in rows.iter().enumerate() {
        let again = rows[..index].iter().any(|earlier| earlier.name == row.name);
        ensure!(!again, "{PATH} has two rows for {}", row.name);
    }
    Ok(rows)
}

fn parse_row(line: &str) -> Result<Row> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [_, name, how, by, place, x86_64, note] = columns[..] else {
        bail!("it has {} columns", columns.len());
    };
    let how = match how {
        "call" => How::Call,
        "inside" => How::Inside,
        "value" => How::Value,
        "size" => How::Size,
        "words" => How::Words,
        "unwritten" => How::Unwritten,
        "absent" => How::Absent,
        "aside" => How::Aside,
        _ => bail!("nothing is covered by `{how}`"),
    };
    let left_out = matches!(how, How::Absent | How::Aside);
    ensure!(left_out == (by == "-"), "{name} is covered by `{by}`");
    ensure!(
        note != "-" || !(left_out || how == How::Unwritten),
        "the note of {name} has to say why"
    );
    Ok(Row {
        name: name.to_owned(),
        how,
        by: by.to_owned(),
        place: parse_place(place)?,
        x86_64: parse_number(x86_64)?,
        note: (note != "-").then(|| note.to_owned()),
    })
}

fn parse_place(place: &str) -> Result<Place> {
    let names = |names: &str| names.split(',').map(String::from).collect();
    match place.split_once(' ') {
        None if place == "all" || place == "-" => Ok(Place::Not(Vec::new())),
        Some(("on", list)) => Ok(Place::On(names(list))),
        Some(("not", list)) => Ok(Place::Not(names(list))),
        _ => bail!("`{place}` is no list of architectures"),
    }
}

fn parse_number(number: &str) -> Result<Option<u64>> {
    let value = match number.strip_prefix("0x") {
        _ if number == "-" => return Ok(None),
        Some(hex) => u64::from_str_radix(hex, 16),
        None => number.parse(),
    };
    value
        .map(Some)
        .with_context(|| format!("`{number}` is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::arch::ARCHES;

    fn row(line: &str) -> Row {
        parse_row(&line.replace(' ', "\t").replace('_', " ")).expect("a row")
    }

    fn arch(name: &str) -> &'static Arch {
        ARCHES
            .iter()
            .find(|arch| arch.name == name)
            .expect("an architecture of that name")
    }

    #[test]
    fn rows_are_read() {
        let call = row("g syscall_mmap call mmap not_arm 9 -");
        assert_eq!(call.in_c(), "__NR_mmap");
        assert_eq!(call.function(), Some("mmap"));
        assert_eq!(call.in_rust().as_deref(), Some("raw::general::__NR_mmap"));
        assert_eq!(call.x86_64, Some(9));

        let size = row("g struct_iovec size IoVec all - -");
        assert_eq!(size.in_c(), "sizeof(struct iovec)");
        assert_eq!(size.in_rust().as_deref(), Some("size_of::<IoVec>()"));
        assert_eq!(size.x86_64, None);

        let inside = row("g PRCTL inside f_raw::PRCTL all 0x10 -");
        assert_eq!(inside.function(), Some("f"));
        assert_eq!(inside.in_rust().as_deref(), Some("raw::PRCTL"));
        assert_eq!(inside.x86_64, Some(16));

        let absent = row("g LAZY absent - all 8 refused");
        assert_eq!((absent.function(), absent.in_rust()), (None, None));
        assert!(absent.counts());
    }

    #[test]
    fn places_are_read() {
        let all = row("g A value A all 1 -");
        let some = row("g A value A on_mips*,arm 1 -");
        let others = row("g A value A not_mips64,x86 1 -");
        let on = |name: &str| [&all, &some, &others].map(|row| row.is_on(arch(name)));
        assert_eq!(on("arm"), [true, true, true]);
        assert_eq!(on("mips64"), [true, true, false]);
        assert_eq!(on("mips64r6"), [true, true, true]);
        assert_eq!(on("x86_64"), [true, false, true]);
    }

    #[test]
    fn every_name_stands_on_the_page_of_safe_forms_and_no_other() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).expect(path);
        let rows = parse(&read(PATH)).expect("the table");
        let page = read("docs/COVERAGE.md");
        // The first column of each row is a list of names, each between backquotes.
        let cells = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        let listed: Vec<&str> = cells
            .flat_map(|cell| cell.split(", "))
            .map(|name| name.trim_matches('`'))
            .collect();
        let expected = rows.iter().filter(|row| row.counts());
        let missing: Vec<&str> = expected
            .map(|row| row.name.as_str())
            .filter(|name| !listed.contains(name))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/COVERAGE.md does not say where these are: {missing:?}"
        );
        for (index, name) in listed.iter().enumerate() {
            let known = rows.iter().any(|row| row.counts() && row.name == *name);
            assert!(
                known,
                "docs/COVERAGE.md names {name}, which is not in {PATH}"
            );
            assert!(
                !listed[..index].contains(name),
                "docs/COVERAGE.md names {name} twice"
            );
        }
        // And each line says something of them.
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            let said = line
                .trim_end_matches(" |")
                .split(" | ")
                .nth(1)
                .unwrap_or_default();
            assert!(said.len() > 5, "{line}");
        }
    }

    #[test]
    fn half_a_row_is_refused() {
        for line in [
            "g\tA\tvalue\tA\tall\t1",
            "g\tA\tguess\tA\tall\t1\t-",
            "g\tA\tvalue\t-\tall\t1\t-",
            "g\tA\tvalue\tA\tsome\t1\t-",
            "g\tA\tvalue\tA\tall\tone\t-",
            "g\tA\tabsent\t-\tall\t1\t-",
            "g\tA\tunwritten\tA\tall\t1\t-",
        ] {
            assert!(parse_row(line).is_err(), "{line}");
        }
        let row = "g\tA\tvalue\tA\tall\t1\t-";
        assert!(parse(row).is_err());
        assert!(parse(&format!("{HEADER}\n{row}\n{row}\n")).is_err());
        assert_eq!(
            parse(&format!("{HEADER}\n{row}\n")).expect("a table").len(),
            1
        );
    }
}
