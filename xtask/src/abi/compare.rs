//! What the headers say against what we say, row by row, and the report of it.

use core::fmt::{self, Display, Formatter};
use std::collections::{BTreeMap, BTreeSet};

use super::arch::Arch;
use super::kernel::Kernel;
use super::ours::Ours;
use super::table::{How, Row};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: usize,
    /// A row, and why it is in the list; a row stands in it once for each architecture.
    uncovered: Vec<(usize, String)>,
    wrong: Vec<(usize, String)>,
    unchecked: Vec<(usize, String)>,
    /// What the kernel has and we have not, with the reason from the table.
    absent: Vec<(usize, String)>,
    /// How many values were equal, by architecture.
    equal: BTreeMap<&'static str, usize>,
    /// Names that the headers have and the table has not, with the architectures.
    unknown: BTreeMap<String, Vec<&'static str>>,
}

impl Report {
    pub(super) fn new(rows: &[Row]) -> Self {
        let mut report = Self {
            rows: rows.iter().filter(|row| row.counts()).count(),
            ..Self::default()
        };
        for (index, row) in rows.iter().enumerate() {
            let list = match row.how {
                How::Unwritten => &mut report.unchecked,
                How::Absent => &mut report.absent,
                _ => continue,
            };
            list.push((
                index,
                format!("{}: {}", row.name, row.note.as_deref().unwrap_or_default()),
            ));
        }
        report
    }

    /// Adds an architecture. Without headers only what is missing of ours can be seen.
    pub(super) fn add(
        &mut self,
        arch: &'static Arch,
        rows: &[Row],
        kernel: Option<&Kernel>,
        ours: &Ours,
    ) {
        for (index, row) in rows.iter().enumerate().filter(|(_, row)| row.counts()) {
            let of = format!("{}: {}", arch.name, row.name);
            if ours.missing.contains(&index) {
                self.uncovered
                    .push((index, format!("{of}: mmarinus-sys has nothing for it")));
                continue;
            }
            if matches!(row.how, How::Unwritten | How::Absent) {
                continue;
            }
            let Some(kernel) = kernel else {
                self.unchecked
                    .push((index, format!("{of}: the package has no headers for it")));
                continue;
            };
            let (theirs, mine) = (kernel.values.get(&index), ours.values.get(&index));
            let said = row.x86_64.as_ref().filter(|_| arch.is_host());
            match (theirs, mine) {
                (Some(theirs), Some(mine)) if theirs != mine => {
                    self.wrong.push((
                        index,
                        format!("{of}: the kernel has {theirs:#x}, we have {mine:#x}"),
                    ));
                }
                (Some(theirs), Some(_)) if said.is_some_and(|said| said != theirs) => {
                    self.wrong.push((
                        index,
                        format!("{of}: the kernel has {theirs:#x}, the table another value"),
                    ));
                }
                (Some(_), Some(_)) => *self.equal.entry(arch.name).or_default() += 1,
                (Some(_), None) if row.note.is_some() => {
                    self.absent.push((
                        index,
                        format!("{of}: {}", row.note.as_deref().unwrap_or_default()),
                    ));
                }
                (Some(_), None) => {
                    self.uncovered.push((
                        index,
                        format!("{of}: the kernel has it, and the table says it is not there"),
                    ));
                }
                (None, Some(_)) => self
                    .wrong
                    .push((index, format!("{of}: we have it, and the kernel has not"))),
                (None, None) => {}
            }
        }
        let known: BTreeSet<String> = rows.iter().map(Row::kernel_name).collect();
        for name in kernel.iter().flat_map(|kernel| &kernel.names) {
            if !known.contains(name) {
                self.unknown
                    .entry(name.clone())
                    .or_default()
                    .push(arch.name);
            }
        }
    }

    /// Whether every row is covered, and no value wrong.
    pub(super) fn is_good(&self) -> bool {
        self.uncovered.is_empty() && self.wrong.is_empty()
    }

    /// The last line.
    pub(super) fn summary(&self) -> String {
        let count = |list: &[(usize, String)]| {
            list.iter()
                .map(|(row, _)| row)
                .collect::<BTreeSet<_>>()
                .len()
        };
        format!(
            "{} of {} rows covered, {} wrong, {} unchecked",
            self.rows - count(&self.uncovered),
            self.rows,
            count(&self.wrong),
            count(&self.unchecked)
        )
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (arch, count) in &self.equal {
            writeln!(f, "{arch}: {count} values are the kernel's")?;
        }
        for (title, list) in [
            ("absent", &self.absent),
            ("unchecked", &self.unchecked),
            ("wrong", &self.wrong),
            ("uncovered", &self.uncovered),
        ] {
            for (_, line) in list {
                writeln!(f, "{title}: {line}")?;
            }
        }
        if !self.unknown.is_empty() {
            let names: Vec<&str> = self.unknown.keys().map(String::as_str).collect();
            writeln!(
                f,
                "warning: the headers have names that the table has not: {}",
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::abi::arch::ARCHES;
    use crate::abi::table;

    const TABLE: &str = "group\tname\thow\tby\twhere\tx86_64\tnote\n\
                         g\tMAP_A\tvalue\tA\tall\t1\t-\n\
                         g\tMAP_B\tvalue\tB\tall\t2\t-\n\
                         g\tMAP_C\tunwritten\tC\tall\t-\tno header\n\
                         g\tMAP_D\tabsent\t-\tall\t-\trefused\n\
                         g\tMAP_F\tvalue\tF\ton arm\t-\tno number\n\
                         g\tMAP_E\taside\t-\tall\t-\ta mask\n";

    fn report(kernel: Option<&[(usize, u64)]>, ours: &[(usize, u64)], missing: &[usize]) -> Report {
        let rows = table::parse(TABLE).expect("a table");
        let names = ["MAP_A", "MAP_E", "MAP_NEW"].map(String::from).into();
        let kernel = kernel.map(|values| Kernel {
            values: values.iter().copied().collect(),
            names,
        });
        let ours = Ours {
            values: HashMap::from_iter(ours.iter().copied()),
            missing: missing.iter().copied().collect(),
        };
        let mut report = Report::new(&rows);
        report.add(&ARCHES[0], &rows, kernel.as_ref(), &ours);
        report
    }

    #[test]
    fn all_is_well() {
        let report = report(Some(&[(0, 1), (1, 2)]), &[(0, 1), (1, 2)], &[]);
        assert!(report.is_good());
        assert_eq!(
            report.summary(),
            "5 of 5 rows covered, 0 wrong, 1 unchecked"
        );
        let text = report.to_string();
        assert!(text.contains("x86_64: 2 values are the kernel's"), "{text}");
        assert!(text.contains("absent: MAP_D: refused"), "{text}");
        assert!(
            text.contains("MAP_NEW") && !text.contains("MAP_E"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_value_is_seen() {
        for (kernel, ours) in [
            (&[(0, 3), (1, 2)][..], &[(0, 1), (1, 2)][..]),
            (&[(0, 3), (1, 2)], &[(0, 3), (1, 2)]),
            (&[(1, 2)], &[(0, 1), (1, 2)]),
        ] {
            let report = report(Some(kernel), ours, &[]);
            assert!(!report.is_good());
            assert_eq!(
                report.summary(),
                "5 of 5 rows covered, 1 wrong, 1 unchecked"
            );
        }
    }

    #[test]
    fn a_row_without_an_item_is_seen() {
        let equal = [(0, 1), (1, 2)];
        for (ours, missing) in [(&equal[..1], &[1][..]), (&equal[1..], &[]), (&equal, &[2])] {
            let report = report(Some(&equal), ours, missing);
            assert!(!report.is_good());
            assert_eq!(
                report.summary(),
                "4 of 5 rows covered, 0 wrong, 1 unchecked"
            );
        }
    }

    #[test]
    fn what_is_left_out_needs_a_reason() {
        let report = report(Some(&[(0, 1), (1, 2), (4, 3)]), &[(0, 1), (1, 2)], &[]);
        assert!(report.is_good());
        assert!(
            report
                .to_string()
                .contains("absent: x86_64: MAP_F: no number")
        );
    }

    #[test]
    fn without_headers_nothing_is_checked() {
        let report = report(None, &[(0, 1), (1, 2)], &[]);
        assert!(report.is_good());
        assert_eq!(
            report.summary(),
            "5 of 5 rows covered, 0 wrong, 4 unchecked"
        );
    }
}
