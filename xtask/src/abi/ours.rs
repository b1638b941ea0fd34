//! What `mmarinus-sys` says: its own source, evaluated for each architecture by the compiler of this machine.
//!
//! No other architecture's standard library is needed. For each there is a copy of `mmarinus-sys` in which every question
//! about the architecture is answered already. It is built for this machine, over the constants of linux-raw-sys for that
//! architecture, and over a copy of rustix in which the question for the encoding of ioctl numbers is answered likewise. A
//! program prints what covers each row.
//!
//! Pointers stay as wide as those of this machine, and assembly is left out: neither matters to a constant.

mod crates;
mod questions;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::arch::{ARCHES, Arch};
use super::table::Row;
use crates::{Crates, write};

/// What covers the rows on one architecture.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// By the index of the row.
    pub(super) values: HashMap<usize, u64>,
    /// The rows whose item is not there.
    pub(super) missing: BTreeSet<usize>,
}

/// Generates the workspace below `folder`, builds it and runs its program; one answer for each architecture.
pub(super) fn read(sh: &Shell, folder: &Path, rows: &[Row]) -> Result<Vec<Ours>> {
    let source = folder.join("source");
    Crates::of(sh)?.generate(&source)?;
    fs::copy(
        sh.current_dir().join("Cargo.lock"),
        source.join("Cargo.lock"),
    )?;

    let mut all: Vec<Ours> = ARCHES.iter().map(|_| Ours::default()).collect();
    let _there = sh.push_dir(&source);
    let target = folder.join("build");
    loop {
        for (arch, ours) in ARCHES.iter().zip(&all) {
            let module = module(rows, arch, &ours.missing);
            write(
                &source.join("rows").join(format!("{}.rs", arch.name)),
                &module,
            )?;
        }
        let errors = build(sh, &target)?;
        if errors.is_empty() {
            break;
        }
        // The lines are those of the program as it was built, so no row is taken out before all are found.
        let mut found = Vec::new();
        for (name, line) in errors {
            let at = ARCHES.iter().position(|arch| arch.name == name);
            let row = at.and_then(|at| row_of_line(rows, &ARCHES[at], &all[at].missing, line));
            match (at, row) {
                (Some(at), Some(row)) => found.push((at, row)),
                _ => bail!("line {line} of the program for {name} does not compile"),
            }
        }
        for (at, row) in found {
            all[at].missing.insert(row);
        }
    }
    let binary = target.join("debug/rows");
    let printed = cmd!(sh, "{binary}").quiet().read()?;
    for (arch, ours) in ARCHES.iter().zip(&mut all) {
        ours.values = values(&printed, arch)?;
    }
    Ok(all)
}

/// Builds the program. The errors in it, by architecture and line; an error in a crate is one of ours.
fn build(sh: &Shell, target: &Path) -> Result<BTreeSet<(String, usize)>> {
    let output = cmd!(
        sh,
        "cargo build --quiet --keep-going --message-format json --target-dir {target}"
    )
    .env("RUSTFLAGS", "-Awarnings")
    .env("CARGO_PROFILE_DEV_DEBUG", "false")
    .ignore_status()
    .quiet()
    .output()?;
    let mut errors = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line)?;
        let (level, krate) = (&message["message"]["level"], &message["target"]["name"]);
        if level == "error" && krate != "rows" {
            bail!(
                "{}: {}",
                krate,
                message["message"]["rendered"].as_str().unwrap_or_default()
            );
        }
        let spans = message["message"]["spans"].as_array().into_iter().flatten();
        for span in spans.filter(|span| level == "error" && span["is_primary"] == true) {
            let file = Path::new(span["file_name"].as_str().unwrap_or_default()).file_stem();
            let line = span["line_start"].as_u64().unwrap_or_default();
            errors.insert((
                file.unwrap_or_default().display().to_string(),
                line as usize,
            ));
        }
    }
    if errors.is_empty() && !output.status.success() {
        bail!(
            "cargo fails: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(errors)
}

/// The first lines of the part of the program for one architecture.
fn head(arch: &Arch) -> String {
    let name = arch.name;
    format!("use raw_{name} as raw;\nuse sys_{name}::*;\n")
}

/// A line of a program, and the row that it is for.
fn lines(rows: &[Row], arch: &Arch, missing: &BTreeSet<usize>) -> Vec<(usize, String)> {
    let asked =
        (0..rows.len()).filter(|index| !missing.contains(index) && rows[*index].is_on(arch));
    let asked: Vec<usize> = asked.collect();
    let functions = asked.iter().filter_map(|&index| {
        Some((
            index,
            format!("use sys_{}::{} as _;", arch.name, rows[index].function()?),
        ))
    });
    let items = asked.iter().filter_map(|&index| {
        Some((
            index,
            format!("const _: () = {{ let _ = {}; }};", rows[index].unwritten()?),
        ))
    });
    let values = asked.iter().filter_map(|&index| {
        let value = rows[index].in_rust()?;
        Some((
            index,
            format!(
                "fn row{index}() {{ println!(\"{} {index} {{}}\", ({value}) as u64) }}",
                arch.name
            ),
        ))
    });
    functions.chain(items).chain(values).collect()
}

/// The part of the program that prints the values of the rows on this architecture. After the first lines come `lines`.
fn module(rows: &[Row], arch: &Arch, missing: &BTreeSet<usize>) -> String {
    let mut module = head(arch);
    let mut calls = String::new();
    for (index, line) in lines(rows, arch, missing) {
        module.push_str(&line);
        module.push('\n');
        if line.starts_with("fn ") {
            calls.push_str(&format!("    row{index}();\n"));
        }
    }
    module.push_str(&format!("pub fn print() {{\n{calls}}}\n"));
    module
}

/// The row whose line this is.
fn row_of_line(rows: &[Row], arch: &Arch, missing: &BTreeSet<usize>, line: usize) -> Option<usize> {
    let first = head(arch).lines().count() + 1;
    let lines = lines(rows, arch, missing);
    lines.get(line.checked_sub(first)?).map(|(index, _)| *index)
}

/// Reads what the program printed for one architecture.
fn values(printed: &str, arch: &Arch) -> Result<HashMap<usize, u64>> {
    let lines = printed.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(name, _)| *name == arch.name)
        .map(|(_, line)| {
            let (index, value) = line.split_once(' ').context("a line without a value")?;
            Ok((index.parse()?, value.parse()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_belong_to_rows() {
        let table = "group\tname\thow\tby\twhere\tx86_64\tnote\n\
                     g\tA\tvalue\tA\tall\t1\t-\n\
                     g\tsyscall b\tcall\tb\tall\t2\t-\n\
                     g\tC\tvalue\tC\ton arm\t-\t-\n";
        let rows = super::super::table::parse(table).expect("a table");
        let none = BTreeSet::new();
        let program = module(&rows, &ARCHES[0], &none);
        let at = |text: &str| {
            program
                .lines()
                .position(|line| line.contains(text))
                .expect(text)
                + 1
        };
        assert_eq!(row_of_line(&rows, &ARCHES[0], &none, at("(A)")), Some(0));
        assert_eq!(row_of_line(&rows, &ARCHES[0], &none, at("b as _")), Some(1));
        assert_eq!(row_of_line(&rows, &ARCHES[0], &none, 1), None);
        assert!(!program.contains("(C)"));
        let without = BTreeSet::from([0]);
        assert!(!module(&rows, &ARCHES[0], &without).contains("(A)"));
    }

    #[test]
    fn values_are_read() {
        let printed = "x86_64 1 2\narm 1 3\nx86_64 4 5\n";
        let read = values(printed, &ARCHES[0]).expect("values");
        assert_eq!(read, HashMap::from([(1, 2), (4, 5)]));
        assert!(values("x86_64 1", &ARCHES[0]).is_err());
    }
}
