//! The test programs of the workspace, and the first process of a guest, built so that they need no library.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::arch::Arch;
use super::toolchain::{self, Toolchain};

/// Test targets that run the compiler, which a guest does not have.
const WITH_COMPILER: [&str; 1] = ["ui"];

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
    folder: &Path,
    arch: &Arch,
    package: Option<&str>,
) -> Result<Programs> {
    let toolchain = toolchain::find(sh, folder, arch)?;
    let select = match package {
        Some(package) => vec!["--package", package],
        None => vec!["--workspace", "--exclude", "xtask"],
    };
    let faster = FASTER.map(|name| format!("--config=profile.dev.package.{name}.opt-level=1"));
    println!(
        "building the tests for {}, without shared libraries",
        arch.target
    );
    let tests = compile(
        sh,
        arch,
        &toolchain,
        cmd!(
            sh,
            "cargo test --no-run --lib --tests {select...} {faster...}"
        ),
    )?;
    let init = compile(
        sh,
        arch,
        &toolchain,
        cmd!(sh, "cargo build --package xtask --bin vm-init"),
    )?;
    let init = init
        .into_iter()
        .next()
        .context("cargo says nothing of the first process of a guest")?;
    ensure!(!tests.is_empty(), "there are no tests");
    Ok(Programs { init, tests })
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
        if (is_test || is_program) && !WITH_COMPILER.iter().any(|name| target["name"] == *name) {
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
    })
}
