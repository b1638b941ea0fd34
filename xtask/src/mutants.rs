//! `cargo xtask mutants`: does a test notice if a line that carries soundness is wrong?

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

/// Where what came of each shard is kept, so that a shard can be stopped and resumed.
const FOLDER: &str = "target/mutants";

/// Runs one shard of the mutants that `.cargo/mutants.toml` chooses; what was caught before is not run again. `shard` is `k/n`,
/// with `k` from 0 on; every shard has mutants of every file.
pub(crate) fn run(sh: &Shell, shard: &str) -> Result<bool> {
    let (k, n) = shard.split_once('/').context("a shard is `k/n`")?;
    let (k, n): (u32, u32) = (k.parse()?, n.parse()?);
    ensure!(k < n, "the shards of {n} are 0 to {}", n - 1);
    let output = sh.current_dir().join(FOLDER).join(format!("{k}-of-{n}"));
    sh.create_dir(&output)?;
    // The mutants are built elsewhere, each worker for itself.
    let ran = cmd!(
        sh,
        "cargo mutants --package mmarinus --iterate --sharding round-robin --shard {shard} --output {output} --no-shuffle"
    )
    .env_remove("CARGO_TARGET_DIR")
    .run();
    let missed = lines(&output.join("mutants.out/missed.txt"))?;
    let caught = lines(&output.join("mutants.out/caught.txt"))?
        + lines(&output.join("mutants.out/previously_caught.txt"))?;
    println!(
        "shard {shard}: {missed} of {} viable mutants survive",
        missed + caught
    );
    // It fails if one survives.
    Ok(ran.is_ok())
}

/// The number of lines of a file, which may not be there.
fn lines(path: &Path) -> Result<usize> {
    if !path.exists() {
        return Ok(0);
    }
    Ok(fs::read_to_string(path)?.lines().count())
}
