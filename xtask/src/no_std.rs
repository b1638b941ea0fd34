//! The proof that `mmarinus-sys` and `mmarinus` do without std: a static library of each that only links without it.
//!
//! A check build with `--no-default-features` proves little: a crate that is `no_std` itself still takes std in by one
//! feature of one dependency, and builds. So here stands a crate that has its own `#[panic_handler]`. std has one too, and
//! of lang items there is only one: as soon as anything below takes std in, the compiler ends with E0152, "found duplicate
//! lang item `panic_impl`". It has no `#[global_allocator]` either, so that a dependency on `alloc` fails too. Seen to fail as
//! it should: with the feature `std` of `mmarinus`, and with `std` or `alloc` of rustix below `mmarinus-sys`.
//!
//! The crate is generated below the target folder, with a workspace of its own, so that no dev-dependency of ours turns a
//! feature on. It takes our `Cargo.lock` along, and so resolves to the same versions.

use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use crate::features;

/// A crate, and a use of it.
struct Proof {
    krate: &'static str,
    /// An expression that calls the crate and gives a `usize`.
    call: &'static str,
}

const PROOFS: &[Proof] = &[
    Proof {
        krate: "mmarinus-sys",
        call: "mmarinus_sys::page_size()",
    },
    Proof {
        krate: "mmarinus",
        call: "mmarinus::Map::bytes(1).anywhere().anonymously().with(mmarinus::perms::Read).map_or(0, |map| map.len())",
    },
];

/// The features that take std in: by name, or by a dependency that needs it.
const WITH_STD: [&str; 2] = ["std", "vm-memory"];

/// Builds a static library of each crate, with all its features that do without std.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = sh.current_dir().join(target);
    for proof in PROOFS {
        let features = features::of_all(sh)?
            .into_iter()
            .find(|features| features.krate == proof.krate);
        let mut features = features.context("it is not in the workspace")?.names;
        features.retain(|name| !WITH_STD.contains(&name.as_str()));
        build(sh, &target, proof, &features)
            .with_context(|| format!("{} does not build without std", proof.krate))?;
        println!(
            "{} builds and links without std and without an allocator",
            proof.krate
        );
    }
    Ok(())
}

fn build(sh: &Shell, target: &Path, proof: &Proof, features: &[String]) -> Result<()> {
    let root = sh.current_dir();
    let folder = target.join("no-std").join(proof.krate);
    sh.write_file(
        folder.join("Cargo.toml"),
        manifest(&root, proof.krate, features),
    )?;
    sh.write_file(folder.join("src/lib.rs"), source(proof))?;
    sh.copy_file(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let _there = sh.push_dir(&folder);
    // Not `cargo check`: that there is no allocator is only seen when a library is made.
    Ok(cmd!(sh, "cargo build --target-dir {target}").run()?)
}

fn manifest(root: &Path, krate: &str, features: &[String]) -> String {
    let path = root.join(krate);
    format!(
        r#"[package]
name = "{krate}-without-std"
edition = "2024"

[lib]
crate-type = ["staticlib"]

[dependencies]
{krate} = {{ path = {path:?}, default-features = false, features = {features:?} }}

[profile.dev]
panic = "abort"

[workspace]
"#
    )
}

fn source(proof: &Proof) -> String {
    let call = proof.call;
    format!(
        r#"//! Calls the crate, without std.
#![no_std]

#[unsafe(no_mangle)]
pub extern "C" fn call() -> usize {{
    {call}
}}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {{
    loop {{}}
}}
"#
    )
}
