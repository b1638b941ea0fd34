//! The test of `mmarinus-sys` that is written from the table: it needs no headers, so it runs with all others.

use super::table::{self, Row};

/// Relative to the root of the workspace.
pub(super) const PATH: &str = "mmarinus-sys/tests/abi.rs";

const HEADER: &str = r#"//! The kernel's names: what covers each is there and, on x86_64, has the kernel's value.
//!
//! Written by `cargo xtask abi --write` from `xtask/abi.tsv`. `cargo xtask abi` compares that with the kernel's headers, and
//! for other architectures too.
#![cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]

use linux_raw_sys as raw;
use mmarinus_sys::*;

"#;

const TEST: &str = r#"
#[test]
fn values_are_those_of_the_kernel() {
    for (name, ours, kernels) in VALUES {
        assert_eq!(ours, kernels, "{name}");
    }
}
"#;

/// The text of the test.
pub(super) fn write(rows: &[Row]) -> String {
    let mut functions: Vec<&str> = rows.iter().filter_map(Row::function).collect();
    functions.sort_unstable();
    functions.dedup();

    let mut text = String::from(HEADER);
    text.push_str("/// The functions that make the calls; they are named here, and the compiler finds them.\n");
    text.push_str("#[rustfmt::skip]\n");
    text.push_str("#[allow(unused_imports, reason = \"to name them is the test\")]\n");
    text.push_str("mod functions {\n");
    for function in functions {
        text.push_str(&format!("    use mmarinus_sys::{function} as _;\n"));
    }
    text.push_str("}\n\n");
    text.push_str(
        "/// What covers names whose value no header has.\n#[rustfmt::skip]\nconst _: () = {\n",
    );
    for item in rows.iter().filter_map(Row::unwritten) {
        text.push_str(&format!("    let _ = {item};\n"));
    }
    text.push_str("};\n\n");
    text.push_str("/// A name, our value, and the kernel's.\n#[rustfmt::skip]\n");
    text.push_str("#[allow(clippy::unnecessary_cast, reason = \"flags are of several widths\")]\n");
    text.push_str("const VALUES: &[(&str, u64, u64)] = &[\n");
    for row in rows {
        if let (Some(ours), Some(kernels)) = (row.in_rust(), row.x86_64) {
            let name = &row.name;
            text.push_str(&format!("    ({name:?}, ({ours}) as u64, {kernels:#x}),\n"));
        }
    }
    text.push_str("];\n");
    text.push_str(TEST);
    text
}

/// Writes it to its file.
pub(super) fn update(sh: &xshell::Shell) -> anyhow::Result<()> {
    let rows = table::parse(&sh.read_file(table::PATH)?)?;
    Ok(sh.write_file(PATH, write(&rows))?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_test_of_sys_is_as_the_table_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("the root");
        let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
        let rows = table::parse(&read(table::PATH)).expect("the table");
        assert!(
            write(&rows) == read(PATH),
            "`cargo xtask abi --write` writes {PATH} anew"
        );
    }
}
