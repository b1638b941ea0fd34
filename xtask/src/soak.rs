//! `cargo xtask soak`: random programs against the model for as long as one likes.

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use crate::test::HugePages;

/// The variable that says for how many seconds programs run; `testing/mod.rs` reads it.
const SECONDS: &str = "MMARINUS_SOAK_SECONDS";

/// Test targets of `mmarinus` whose programs are random.
const TARGETS: [&str; 1] = ["model"];

/// Runs random programs for so many minutes, and says how many there were. A failing one was made as short as possible.
pub(crate) fn run(sh: &Shell, minutes: u64) -> Result<()> {
    ensure!(minutes > 0, "no time to soak");
    let _huge_pages = HugePages::reserve();
    // Tests of huge pages run one after the other.
    let targets = TARGETS.iter().flat_map(|target| ["--test", target]);
    let seconds = (minutes * 60 / TESTS).to_string();
    cmd!(
        sh,
        "cargo test --package mmarinus {targets...} -- --nocapture --test-threads=1"
    )
    .env(SECONDS, seconds)
    .run()?;
    Ok(())
}

/// How many tests take that time.
const TESTS: u64 = 2;
