//! `cargo xtask sanitize`: the tests under AddressSanitizer and under Miri, and what could not be run, and why.

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// A way to look at tests while they run.
struct Look {
    name: &'static str,
    run: fn(&Shell) -> Result<Done>,
}

/// How it went.
enum Done {
    Clean(String),
    NotRun(String),
}

const LOOKS: [Look; 4] = [
    Look {
        name: "AddressSanitizer",
        run: address,
    },
    Look {
        name: "fuzz targets",
        run: fuzz,
    },
    Look {
        name: "cfg(miri)",
        run: as_for_miri,
    },
    Look {
        name: "Miri",
        run: miri,
    },
];

/// Runs all of it; says whether nothing was found. What was not run is no failure, and is said.
pub(crate) fn run(sh: &Shell) -> Result<bool> {
    let mut said = Vec::new();
    let mut clean = true;
    for Look { name, run } in LOOKS {
        println!("\n=== {name} ===");
        said.push(match run(sh) {
            Ok(Done::Clean(what)) => format!("{name}: clean: {what}"),
            Ok(Done::NotRun(why)) => format!("{name}: NOT RUN: {why}"),
            Err(error) => {
                clean = false;
                format!("{name}: FAILED: {error:#}")
            }
        });
    }
    println!("\n{}", said.join("\n"));
    Ok(clean)
}

/// The line that the nightly compiler says of itself, or why there is none.
fn nightly(sh: &Shell) -> Result<String, String> {
    cmd!(sh, "rustc +nightly -V")
        .quiet()
        .ignore_stderr()
        .read()
        .map_err(|_| "no nightly compiler: `rustup toolchain install nightly`".to_owned())
}

/// The architecture, which a build with a sanitizer must name, so that programs of the build itself have none.
fn host(sh: &Shell) -> Result<String> {
    let version = cmd!(sh, "rustc +nightly -vV").quiet().read()?;
    match version.lines().find_map(|line| line.strip_prefix("host: ")) {
        Some(host) => Ok(host.to_owned()),
        None => bail!("the compiler does not say for what it is"),
    }
}

/// The target `soundness` keeps accounts of the whole process, in which the sanitizer's own memory would stand; so it is not run.
fn address(sh: &Shell) -> Result<Done> {
    let rustc = match nightly(sh) {
        Ok(rustc) => rustc,
        Err(why) => return Ok(Done::NotRun(why)),
    };
    let host = host(sh)?;
    let target = sh.current_dir().join("target/sanitize");
    let skip = ADDRESS_SKIPS.iter().flat_map(|name| ["--skip", name]);
    cmd!(
        sh,
        "cargo +nightly test -p mmarinus --target {host} --lib --test it -- --test-threads=2 {skip...}"
    )
    .env("RUSTFLAGS", "-Zsanitizer=address")
    .env("CARGO_TARGET_DIR", target)
    // Leaks are found by the tests themselves; some maps stay on purpose.
    .env("ASAN_OPTIONS", "detect_leaks=0")
    .run()?;
    Ok(Done::Clean(format!(
        "the unit tests and `it` of mmarinus, by {rustc}"
    )))
}

/// Tests that take away what the sanitizer needs for itself (address space, mappings, calls, `/proc`, the main thread), that
/// count the mappings of the whole process, or that die of a signal on purpose.
const ADDRESS_SKIPS: [&str; 33] = [
    "builder::an_empty_map_owns_nothing",
    "builder::limits_of_the_address_space_are_errors",
    "builder::populate_sees_pages_that_are_not_there",
    "contents::a_file_that_changes_its_length_is_read_as_it_is",
    "contents::others_may_write_and_truncate",
    "contents::without_memory_there_is_an_error",
    "duplicate::without_room_there_is_no_twin",
    "error_table::forty_pairs_name_call_errno_cause_and_remedy",
    "guarded::it_moves_with_its_guards",
    "guarded::whoever_touches_a_guard_dies_of_it",
    "hints::populating_brings_pages_in_and_says_if_not",
    "maps::an_error_says_why_there_is_no_list",
    "maps::the_main_thread_may_have_ended",
    "maps::without_queries_the_text_is_read",
    "moves::what_is_taken_is_not_taken_over",
    "reach::without_such_addresses_there_is_an_error_and_no_map",
    "remap::a_move_that_fails_loses_the_range_and_nothing_else",
    "remap::descriptors_that_fail_late_give_the_map_back",
    "remap::no_room_gives_the_map_back",
    "remap::pages_that_cannot_be_populated_give_the_map_back",
    "reprotect::a_change_that_cannot_be_taken_back_loses_the_map",
    "reprotect::one_mapping_that_is_kept_as_it_is_comes_back",
    "reprotect::the_commit_limit_is_an_error_that_gives_the_map_back",
    "reservation::the_place_can_be_named",
    "resize::in_place_only_where_there_is_room",
    "resize::limits_give_the_map_back",
    "stats::an_empty_map_asks_nobody",
    "take::without_room_the_map_stays",
    "track::tracking_needs_no_privilege_and_leaks_nothing",
    "unmap::a_refusal_gives_the_map_back",
    "unmap::nothing_is_given_back_of_nothing",
    "unmap::ten_thousand_maps_leave_nothing",
    "unmap::what_cannot_be_unmapped_is_emptied",
];

/// The targets of the fuzzer are built, so that they do not rot; who has `cargo-fuzz` runs them for as long as they like.
fn fuzz(sh: &Shell) -> Result<Done> {
    let target = sh.current_dir().join("target/fuzz");
    cmd!(sh, "cargo check --manifest-path fuzz/Cargo.toml --bins")
        .env("CARGO_TARGET_DIR", target)
        .run()?;
    Ok(Done::Clean(
        "all are built; `cargo fuzz run NAME` runs one".to_owned(),
    ))
}

/// The paths for Miri, compiled as Miri would and run on the kernel.
fn as_for_miri(sh: &Shell) -> Result<Done> {
    let target = sh.current_dir().join("target/as-for-miri");
    cmd!(sh, "cargo test --package mmarinus --test miri")
        .env("RUSTFLAGS", "--cfg miri")
        .env("CARGO_TARGET_DIR", target)
        .run()?;
    Ok(Done::Clean(
        "the target `miri` with the paths for Miri, on the kernel".to_owned(),
    ))
}

fn miri(sh: &Shell) -> Result<Done> {
    if let Err(why) = nightly(sh) {
        return Ok(Done::NotRun(why));
    }
    if cmd!(sh, "cargo +nightly miri --version")
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run()
        .is_err()
    {
        let why = "no Miri: `rustup component add --toolchain nightly miri rust-src`";
        return Ok(Done::NotRun(why.to_owned()));
    }
    let target = sh.current_dir().join("target/miri");
    cmd!(
        sh,
        "cargo +nightly miri test --package mmarinus --test miri"
    )
    .env(
        "MIRIFLAGS",
        "-Zmiri-permissive-provenance -Zmiri-disable-isolation",
    )
    .env("CARGO_TARGET_DIR", target)
    .run()?;
    Ok(Done::Clean("the target `miri`".to_owned()))
}
