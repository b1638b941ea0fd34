//! What the tests of every crate share: to say that this machine cannot run a test, and to run a test in a child process.
//!
//! Included by each test binary: `#[path = "../../../testing/mod.rs"] mod testing;`.
#![allow(dead_code, unused_macros, unused_imports, reason = "each test binary uses its own part")]

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, ExitStatus};

/// The variable that names the file to which a skipped test appends its line.
const SKIPPED: &str = "MMARINUS_SKIPPED";

/// The variable that tells a process to be the child of the test that it runs.
const CHILD: &str = "MMARINUS_CHILD";

/// Names the test in whose body it stands, as libtest names it.
macro_rules! test_name {
    () => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here);
        let name = name.strip_suffix("::here").unwrap_or(name);
        let name = name.strip_suffix("::{{closure}}").unwrap_or(name);
        // The first part is the crate, which libtest leaves out.
        name.split_once("::").map_or(name, |(_, name)| name)
    }};
}
pub(crate) use test_name;

/// Ends a test that this machine cannot run, and reports why: `skip!("needs root")`.
macro_rules! skip {
    ($($why:tt)+) => {{
        $crate::testing::report_skip($crate::testing::test_name!(), &format!($($why)+));
        return;
    }};
}
pub(crate) use skip;

/// Runs a block in a child process and gives its `ExitStatus`: `let status = in_child!({ ... });`.
///
/// The child runs the same test up to this point, then the block, then exits with 0; so what stands before must be harmless
/// to do twice. A panic in the block makes the child exit with 101.
macro_rules! in_child {
    ($body:block) => {{
        if $crate::testing::is_child() {
            let run = || $body;
            run();
            std::process::exit(0);
        }
        $crate::testing::rerun_as_child($crate::testing::test_name!())
    }};
}
pub(crate) use in_child;

/// Appends one line, test and reason, to the file that the runner reads; without a runner prints it.
pub(crate) fn report_skip(test: &str, why: &str) {
    let binary = std::env::current_exe().expect("the path of this test binary");
    let binary = binary.file_stem().unwrap_or_default().to_string_lossy();
    // libtest binaries end in a hash that tells nobody anything.
    let binary = binary.rsplit_once('-').map_or(&*binary, |(name, _)| name);
    let line = format!("{binary}::{test}\t{why}\n");
    match std::env::var_os(SKIPPED) {
        Some(path) => OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the file of skipped tests can be written"),
        None => eprint!("skipped: {line}"),
    }
}

/// Whether this process is the child that runs one test's block.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs one test of this binary again, as a child, and waits for it.
pub(crate) fn rerun_as_child(test: &str) -> ExitStatus {
    Command::new(std::env::current_exe().expect("the path of this test binary"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .status()
        .expect("a child process can be started")
}
