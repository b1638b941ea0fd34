//! `cargo xtask test`: runs every test of every crate, and accounts for each of them.

mod huge_pages;
mod report;
mod target;

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

pub(crate) use huge_pages::{HugePages, keep as keep_huge_pages};
pub(crate) use report::Report;

/// The variable that names the file to which a skipped test appends its line; `testing/mod.rs` reads it.
const SKIPPED: &str = "MMARINUS_SKIPPED";

/// Runs the tests, prints the table, and says whether all is well.
pub(crate) fn run(sh: &Shell, package: Option<&str>) -> Result<bool> {
    let report = run_all(sh, package)?;
    println!("\n{report}\n{}", report.summary());
    Ok(report.is_good())
}

/// Runs the tests of the workspace, or of one crate, and what `mmarinus` can do without its default features.
pub(crate) fn run_all(sh: &Shell, package: Option<&str>) -> Result<Report> {
    let mut report = Report::new(sh.current_dir());
    let _huge_pages = HugePages::reserve();
    let all = match package {
        Some(package) => vec!["--package", package],
        None => vec!["--workspace"],
    };
    run_cargo(sh, &mut report, &all)?;
    if package.is_none_or(|package| package == "mmarinus") {
        // No doctests: they show the crate as people get it, with its default features.
        run_cargo(
            sh,
            &mut report,
            &[
                "--package",
                "mmarinus",
                "--no-default-features",
                "--lib",
                "--tests",
            ],
        )?;
    }
    if package.is_none() {
        // What the compiler makes of maps when it optimizes.
        run_cargo(
            sh,
            &mut report,
            &["--package", "mmarinus-code", "--release"],
        )?;
    }
    Ok(report)
}

/// Runs `cargo test` once: shows what it prints while it prints it, and reads along.
fn run_cargo(sh: &Shell, report: &mut Report, args: &[&str]) -> Result<()> {
    let skipped =
        tempfile::NamedTempFile::new().context("a file for the names of skipped tests")?;
    // One pipe for both, so that the headers, which cargo writes to standard error, come before what they stand above.
    let (output, input) = io::pipe()?;
    let mut command: Command = cmd!(
        sh,
        "cargo test {args...} --no-fail-fast --color never --message-format json-render-diagnostics"
    )
    .env(SKIPPED, skipped.path())
    .into();
    println!("\n$ cargo test {}", args.join(" "));
    let mut cargo = command
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input)
        .spawn()
        .context("cargo cannot be started")?;
    // It holds the writing ends; with it gone, the pipe ends when cargo does.
    drop(command);

    report.begin(&args.join(" "));
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? != 0 {
        let text = String::from_utf8_lossy(&line);
        if !report.read_line(text.trim_end()) {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&line)?;
            stdout.flush()?;
        }
        line.clear();
    }
    let status = cargo.wait()?;
    let skipped = std::fs::read_to_string(skipped.path()).context("the names of skipped tests")?;
    report.end(status, &skipped, |binary| list(sh, binary));
    Ok(())
}

/// The names of the tests of a binary; none if it cannot say.
fn list(sh: &Shell, binary: &str) -> Vec<String> {
    let listed = cmd!(sh, "{binary} --list --format terse")
        .quiet()
        .ignore_stderr()
        .read();
    listed
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(String::from)
        .collect()
}
