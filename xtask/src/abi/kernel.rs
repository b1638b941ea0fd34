//! What the kernel's headers say: a C program for each architecture, compiled by the C compiler of this machine.
//!
//! The program is never run, so it needs nothing of the other architecture: the compiler writes each value into its
//! assembly, where we read it. The architecture's own headers come first in the search, and the macros of its compiler stand
//! in place of ours. What remains ours is how types are laid out, which for the structs in question is the same everywhere.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use super::arch::Arch;
use super::table::Row;

/// The headers that have the names of the table.
const INCLUDES: &str = "\
#include <linux/mman.h>
#include <linux/memfd.h>
#include <linux/userfaultfd.h>
#include <linux/mempolicy.h>
#include <linux/prctl.h>
#include <linux/fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/uio.h>
#include <asm/unistd.h>
";

/// No headers of this machine, and none of the macros that say which machine it is.
const FLAGS: [&str; 5] = [
    "-nostdinc",
    "-w",
    "-U__x86_64__",
    "-U__amd64__",
    "-U__i386__",
];

/// Families that are ours as a whole: whatever has such a name belongs into the table.
const FAMILIES: [&str; 11] = [
    "MADV_",
    "MAP_",
    "MREMAP_",
    "MFD_",
    "UFFD_",
    "UFFDIO_",
    "MPOL_",
    "MLOCK_",
    "PAGE_IS_",
    "PM_SCAN_",
    "PROCMAP_QUERY",
];

/// What the headers of one architecture say.
#[derive(Debug)]
pub(super) struct Kernel {
    /// By the index of the row; a name that the headers lack has none.
    pub(super) values: HashMap<usize, u64>,
    /// The names of our families.
    pub(super) names: BTreeSet<String>,
}

/// Compiles the program. None if there are no headers of this architecture.
pub(super) fn read(
    sh: &Shell,
    include: &Path,
    folder: &Path,
    arch: &Arch,
    rows: &[Row],
) -> Result<Option<Kernel>> {
    let own = include.join(arch.headers);
    if !own.join("asm").is_dir() {
        return Ok(None);
    }
    let compile = |program: &str, args: &[&str]| -> Result<String> {
        let file = folder.join(format!("{}.c", arch.name));
        sh.write_file(&file, program)?;
        let model = arch.model;
        let macros = arch.macros.iter().map(|name| format!("-D{name}"));
        let flags = FLAGS.into_iter().map(String::from).chain(macros);
        cmd!(
            sh,
            "gcc {flags...} {model} -isystem {own} -isystem {include} {args...} -o - {file}"
        )
        .quiet()
        .read()
        .with_context(|| format!("the headers of {} do not compile", arch.name))
    };
    let defined = names(&compile(INCLUDES, &["-E", "-dD", "-P"])?);
    let asked: Vec<usize> = (0..rows.len())
        .filter(|&index| {
            rows[index].counts() && defined.contains(rows[index].kernel_name().as_str())
        })
        .collect();
    let assembly = compile(&program(rows, &asked), &["-S"])?;
    let values = values(&assembly)?;
    ensure!(
        values.len() == asked.len(),
        "the compiler wrote {} values of {}",
        values.len(),
        asked.len()
    );
    let names = defined
        .into_iter()
        .filter(|name| FAMILIES.iter().any(|family| name.starts_with(family)))
        .collect();
    Ok(Some(Kernel { values, names }))
}

/// A program whose assembly has a line for each of these rows.
fn program(rows: &[Row], asked: &[usize]) -> String {
    let mut program = String::from(INCLUDES);
    // Not every operand of more than 31 bits fits everywhere, so a value is four of 16.
    program.push_str(
        "#define PART(value, at) \"i\"((int)((unsigned long long)(value) >> at & 0xffff))\n\
         #define ROW(index, value) __asm__ volatile (\"\\n-> %c0 %c1 %c2 %c3 %c4\" :: \"i\"(index), \\\n    \
         PART(value, 48), PART(value, 32), PART(value, 16), PART(value, 0))\n\
         void rows(void) {\n",
    );
    for &index in asked {
        program.push_str(&format!("    ROW({index}, {});\n", rows[index].in_c()));
    }
    program.push_str("}\n");
    program
}

/// The values in the assembly of such a program.
fn values(assembly: &str) -> Result<HashMap<usize, u64>> {
    let lines = assembly.lines().filter_map(|line| line.strip_prefix("-> "));
    lines
        .map(|line| {
            let numbers: Vec<u64> = line
                .split(' ')
                .map(str::parse)
                .collect::<Result<_, _>>()
                .with_context(|| format!("`{line}` is no value"))?;
            let [index, a, b, c, d] = numbers[..] else {
                bail!("`{line}` is no value");
            };
            Ok((index as usize, a << 48 | b << 32 | c << 16 | d))
        })
        .collect()
}

/// The names of what preprocessed headers define: macros, and all that stands in the code, such as names of enums.
fn names(preprocessed: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in preprocessed.lines() {
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .filter(|word| !word.is_empty())
                .map(String::from)
                .collect()
        };
        match line.strip_prefix("#define ") {
            Some(definition) => names.extend(words(definition).into_iter().next()),
            None if line.starts_with('#') => {}
            None => names.extend(words(line)),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        let text = "#define MAP_A 1\n#define MAP_B(x) MAP_C\n#undef MAP_D\nenum { MPOL_A, MPOL_B = MAP_E };\n";
        let found = names(text);
        for name in ["MAP_A", "MAP_B", "MPOL_A", "MPOL_B", "MAP_E"] {
            assert!(found.contains(name), "{name}");
        }
        for name in ["MAP_C", "MAP_D"] {
            assert!(!found.contains(name), "{name}");
        }
    }

    #[test]
    fn values_are_read() {
        let assembly = "\tnop\n-> 3 0 0 65535 65535\n# 4\n-> 4 32768 0 0 16\n";
        let values = values(assembly).expect("values");
        assert_eq!(values.len(), 2);
        assert_eq!(values[&3], 0xffff_ffff);
        assert_eq!(values[&4], 0x8000_0000_0000_0010);
        assert!(super::values("-> 1 2 3 4\n").is_err());
        assert!(super::values("-> 1 2 3 4 x\n").is_err());
    }
}
