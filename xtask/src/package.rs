//! What would be published: each crate packed, and the packages built and documented by themselves, away from the workspace.
//!
//! Cargo's own verification keeps what it unpacks beside the registry's sources, by name and version, and so may build with what
//! an earlier run has left there. Here the packages are unpacked below the target folder, into a workspace of their own, and take
//! each other from there.

use core::fmt::Write;
use std::env;
use std::fs;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// The crates that are published, in the order of their dependencies.
pub(crate) const PUBLISHED: [&str; 4] = [
    "mmarinus-sys",
    "mmarinus",
    "mmarinus-ext",
    "mmarinus-ordeal",
];

/// Packs all crates, and builds what was packed.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    let packages = PUBLISHED.iter().flat_map(|krate| ["--package", krate]);
    // The tree need not be clean: this says whether it can be published, and publishes nothing.
    cmd!(sh, "cargo package --no-verify --allow-dirty {packages...}").run()?;

    let root = sh.current_dir();
    let target = root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = "))
        .context("the workspace states no version")?
        .trim_matches('"');

    let folder = target.join("unpacked");
    sh.remove_path(&folder)?;
    sh.create_dir(&folder)?;
    let mut workspace = String::from(
        "[workspace]\nresolver = \"3\"\nmembers = [\"*-*.*.*\"]\n\n[patch.crates-io]\n",
    );
    for krate in PUBLISHED {
        let name = format!("{krate}-{version}");
        let packed = target.join("package").join(format!("{name}.crate"));
        cmd!(
            sh,
            "tar --extract --gzip --file {packed} --directory {folder}"
        )
        .run()?;
        writeln!(workspace, "{krate} = {{ path = \"{name}\" }}")?;
    }
    sh.write_file(folder.join("Cargo.toml"), workspace)?;
    sh.copy_file(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;

    let _there = sh.push_dir(&folder);
    let _deny = sh.push_env("RUSTFLAGS", "-D warnings");
    let _deny_docs = sh.push_env("RUSTDOCFLAGS", "-D warnings");
    let target = folder.join("target");
    cmd!(
        sh,
        "cargo check --workspace --all-features --target-dir {target}"
    )
    .run()?;
    cmd!(
        sh,
        "cargo doc --workspace --no-deps --all-features --target-dir {target}"
    )
    .run()?;
    Ok(())
}
