//! `cargo xtask ci`: everything that must hold before a change lands, in one command.

use std::time::Instant;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::features::{self, Features};
use crate::{no_std, package, test, tidy};

type Section = fn(&Shell) -> Result<()>;

/// Runs all sections, also those after a failed one; says which failed, and whether all is well.
pub(crate) fn run(sh: &Shell) -> Result<bool> {
    let sections: [(&str, Section); 6] = [
        ("fmt", fmt),
        ("clippy", clippy),
        ("docs", docs),
        ("tidy", tidy::run),
        ("no_std", no_std::run),
        ("package", package::run),
    ];
    let mut failed = Vec::new();
    for (name, section) in sections {
        if let Err(error) = timed(name, || section(sh)) {
            println!("{name} failed: {error:#}");
            failed.push(name);
        }
    }
    let report = timed("tests", || test::run_all(sh, None))
        .unwrap_or_else(|error| test::Report::of_failure(&format!("{error:#}")));
    if !report.is_good() {
        failed.push("tests");
    }

    println!("\n{report}");
    match failed.is_empty() {
        true => println!("all sections passed"),
        false => println!("failed sections: {}", failed.join(", ")),
    }
    // The last line, alone: it is what other programs read.
    println!("\n{}", report.summary());
    Ok(failed.is_empty())
}

/// Runs one section under a heading, and says how long it took.
fn timed<T>(name: &str, section: impl FnOnce() -> T) -> T {
    println!("\n=== {name} ===");
    let start = Instant::now();
    let done = section();
    println!("=== {name}: {:.1} s ===", start.elapsed().as_secs_f32());
    done
}

fn fmt(sh: &Shell) -> Result<()> {
    Ok(cmd!(sh, "cargo fmt --all --check").run()?)
}

/// Clippy over everything; then over each crate that has features, without any and with each alone, and over its tests without.
fn clippy(sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo clippy --workspace --all-targets -- -D warnings").run()?;
    for Features { krate, names } in features::of_all(sh)? {
        // No feature at all stands first; a crate that has none is done already.
        let none = names.first().map(|_| String::new());
        if none.is_some() {
            cmd!(
                sh,
                "cargo clippy -p {krate} --no-default-features --all-targets -- -D warnings"
            )
            .run()?;
        }
        for feature in none.into_iter().chain(names) {
            cmd!(
                sh,
                "cargo clippy -p {krate} --no-default-features --features {feature} -- -D warnings"
            )
            .run()?;
        }
    }
    Ok(())
}

/// The docs of all crates together; [`package`] builds those of each with all its features, as readers get them.
fn docs(sh: &Shell) -> Result<()> {
    Ok(cmd!(sh, "cargo doc --workspace --no-deps")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?)
}
