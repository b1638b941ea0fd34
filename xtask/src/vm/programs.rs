//! The test programs of the workspace, and the first process of a guest, built so that they need no library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::arch::Arch;
use super::toolchain::Toolchain;

/// Test targets that say nothing of a kernel: they run the compiler or the examples that it builds, which a guest does not have,
/// or a model alone.
const NO_KERNEL: [&str; 3] = ["ui", "examples", "interleavings"];

/// What a test asks a machine by, before it runs.
const QUESTIONS: [&str; 2] = ["needs!(", "Support::"];

/// What is compiled with some care, since emulation is slow; what debug builds check stays checked.
const FASTER: [&str; 4] = ["mmarinus", "mmarinus-sys", "mmarinus-ext", "rustix"];

/// A program that runs in guests.
#[derive(Debug)]
pub(super) struct Program {
    /// The source file, relative to the root; it names the program.
    pub(super) name: String,
    /// The folder of its package, in which cargo starts tests.
    pub(super) folder: PathBuf,
    pub(super) bytes: Vec<u8>,
    /// The modules in which tests ask what the machine has.
    pub(super) asking: Vec<String>,
}

/// What goes into guests of one architecture.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) init: Program,
    pub(super) tests: Vec<Program>,
}

/// Builds the tests of one package or of all, and the first process.
pub(super) fn build(
    sh: &Shell,
    arch: &Arch,
    toolchain: &Toolchain,
    package: Option<&str>,
) -> Result<Programs> {
    let select = select(sh, package)?;
    let faster = FASTER.map(|name| format!("--config=profile.dev.package.{name}.opt-level=1"));
    println!(
        "building the tests for {}, without shared libraries",
        arch.target
    );
    let tests = compile(
        sh,
        arch,
        toolchain,
        cmd!(sh, "cargo test --no-run --lib {select...} {faster...}"),
    )?;
    let init = compile(
        sh,
        arch,
        toolchain,
        cmd!(sh, "cargo build --package xtask --bin vm-init"),
    )?;
    let init = init
        .into_iter()
        .next()
        .context("cargo says nothing of the first process of a guest")?;
    ensure!(!tests.is_empty(), "there are no tests");
    Ok(Programs { init, tests })
}

/// The packages that are published, or one of them, and their test targets, as cargo is told.
fn select(sh: &Shell, package: Option<&str>) -> Result<Vec<String>> {
    let text = cmd!(sh, "cargo metadata --no-deps --format-version 1")
        .quiet()
        .read()?;
    let known: Value = serde_json::from_str(&text).context("cargo speaks no JSON")?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut select = Vec::new();
    let mut tests = BTreeSet::new();
    for known in list(&known["packages"]) {
        // An empty list of registries: it stays here.
        let is_published = known["publish"] != serde_json::json!([]);
        let Some(name) = known["name"].as_str() else {
            bail!("cargo names no package");
        };
        if !is_published || package.is_some_and(|package| package != name) {
            continue;
        }
        select.extend(["--package".to_owned(), name.to_owned()]);
        for target in list(&known["targets"]) {
            if let (Some("test"), Some(name)) =
                (target["kind"][0].as_str(), target["name"].as_str())
                && !NO_KERNEL.contains(&name)
            {
                tests.insert(name.to_owned());
            }
        }
    }
    ensure!(!select.is_empty(), "no such package is published");
    select.extend(
        tests
            .into_iter()
            .flat_map(|name| ["--test".to_owned(), name]),
    );
    Ok(select)
}

/// Runs cargo, and reads what it has built.
fn compile(
    sh: &Shell,
    arch: &Arch,
    toolchain: &Toolchain,
    cargo: xshell::Cmd<'_>,
) -> Result<Vec<Program>> {
    // With a target named, the flags are for it alone, not for build scripts. A guest has no debugger, and every byte is
    // unpacked anew at each start.
    let messages = cargo
        .args(["--target", arch.target])
        .args(["--message-format", "json-render-diagnostics"])
        .args(&toolchain.arguments)
        .envs(
            toolchain
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .env(
            "RUSTFLAGS",
            "-Ctarget-feature=+crt-static -Cstrip=debuginfo",
        )
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .quiet()
        .read()
        .context("the programs for the guests do not build")?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo speaks no JSON")?;
        let target = &message["target"];
        let is_test = message["profile"]["test"] == true;
        let is_program = target["kind"][0] == "bin" && !is_test;
        let Some(built) = message["executable"].as_str() else {
            continue;
        };
        if is_test || is_program {
            programs.push(program(sh, built, &message)?);
        }
    }
    Ok(programs)
}

fn program(sh: &Shell, built: &str, message: &Value) -> Result<Program> {
    let (Some(source), Some(manifest)) = (
        message["target"]["src_path"].as_str(),
        message["manifest_path"].as_str(),
    ) else {
        bail!("cargo does not say what {built} is made of");
    };
    let source = Path::new(source);
    let name = source
        .strip_prefix(sh.current_dir())
        .unwrap_or(source)
        .display()
        .to_string();
    let folder = Path::new(manifest)
        .parent()
        .context("a manifest stands in a folder")?
        .to_owned();
    Ok(Program {
        name,
        folder,
        bytes: sh.read_binary_file(built)?,
        asking: asking(source),
    })
}

/// The names of the files below the root of a test target that ask what the machine has.
fn asking(root: &Path) -> Vec<String> {
    let folder = match root.file_name().and_then(|name| name.to_str()) {
        Some("main.rs" | "lib.rs") => root.parent().unwrap_or(root).to_owned(),
        _ => root.with_extension(""),
    };
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path)
                .is_ok_and(|text| QUESTIONS.iter().any(|question| text.contains(question)))
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                found.push(name.to_owned());
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_asks_is_found() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mmarinus/tests");
        let asking_here = asking(&root.join("it/main.rs"));
        assert!(asking_here.contains(&"pkey".to_owned()), "{asking_here:?}");
        assert!(!asking_here.contains(&"join".to_owned()), "{asking_here:?}");
        assert!(asking(&root.join("soundness.rs")).contains(&"secret".to_owned()));
    }
}
