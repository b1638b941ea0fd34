//! `cargo xtask semver`: what of the public names of the published crates was lost or changed since the baseline.

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use crate::package::PUBLISHED;

/// The commit whose public names are promised, alone in its file: that of 0.5.0. Until that is released it is the newest one that
/// was looked at.
const BASELINE: &str = "xtask/semver-baseline";

/// Compares the crates as they are with the baseline, by cargo-semver-checks; says whether an update breaks nobody.
pub(crate) fn run(sh: &Shell) -> Result<bool> {
    let there = cmd!(sh, "cargo semver-checks --version").quiet();
    ensure!(
        there.ignore_stdout().ignore_stderr().run().is_ok(),
        "cargo-semver-checks is not here: cargo install cargo-semver-checks --locked"
    );
    let baseline = sh.read_file(BASELINE)?;
    let baseline = baseline.trim();
    let packages = PUBLISHED.iter().flat_map(|krate| ["--package", krate]);
    // A commit is a version of its own here: what breaks in it is told, whatever number it has.
    let checked = cmd!(
        sh,
        "cargo semver-checks --baseline-rev {baseline} --release-type minor {packages...}"
    );
    Ok(checked.run().is_ok())
}
