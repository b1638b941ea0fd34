//! What the tests of every crate share: to say that this machine cannot run a test, and to run a test in a child process.
//!
//! Included by each test binary: `#[path = "../../../testing/mod.rs"] mod testing;`. Its crate needs `mmarinus-sys`.
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test binary uses its own part"
)]

pub(crate) mod features;

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// The variable that names the file to which a skipped test appends its line.
const SKIPPED: &str = "MMARINUS_SKIPPED";

/// The variable that names the file to which a test that needs a feature appends its line.
const NEEDED: &str = "MMARINUS_NEEDED";

/// The variable that tells a process to be the child that runs the block at this place.
const CHILD: &str = "MMARINUS_CHILD";

/// Names the test in whose body it stands, as libtest names it.
macro_rules! test_name {
    () => {{
        fn here() {}
        $crate::testing::libtest_name(core::any::type_name_of_val(&here))
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

/// Skips the test unless the machine has all these features: `needs!(pkeys, linux = "6.13");`.
///
/// The names are those of the functions in [`features`]. Where `MMARINUS_REQUIRED` says that a feature is there, the test
/// fails instead. It stands first in the test; a child of [`in_child!`] comes by again, and finds the same.
macro_rules! needs {
    ($($feature:ident $(= $value:literal)?),+ $(,)?) => {{
        let name = $crate::testing::test_name!();
        $(
            let feature = $crate::testing::features::$feature($($value)?);
            if let Some(why) = $crate::testing::lacks(name, &feature) {
                $crate::testing::report_skip(name, &why);
                return;
            }
        )+
    }};
}
pub(crate) use needs;

/// Runs a block in a child process and gives its `ExitStatus`: `let status = in_child!({ ... });`.
///
/// The child runs the same test up to this point, then the block, then exits with 0; so what stands before must be harmless
/// to do twice. A panic in the block makes the child exit with 101. What the child prints is shown if the test fails.
macro_rules! in_child {
    ($body:block) => {{
        let place = concat!(file!(), ":", line!(), ":", column!());
        if $crate::testing::is_child(place) {
            let run = || $body;
            run();
            std::process::exit(0);
        }
        $crate::testing::rerun_as_child($crate::testing::test_name!(), place)
    }};
}
pub(crate) use in_child;

/// Turns the type name of a function inside a test, `crate::module::test::{{closure}}::here`, into `module::test`.
pub(crate) fn libtest_name(here: &'static str) -> &'static str {
    let mut name = here.strip_suffix("::here").unwrap_or(here);
    while let Some(outer) = name.strip_suffix("::{{closure}}") {
        name = outer;
    }
    // The first part is the crate, which libtest leaves out.
    name.split_once("::").map_or(name, |(_, name)| name)
}

/// Notes that a test needs a feature, and gives the reason for which it has to be skipped.
///
/// # Panics
///
/// If the feature is required: then to skip the test would hide what is wrong.
pub(crate) fn lacks(test: &str, feature: &features::Feature) -> Option<String> {
    if let Some(path) = std::env::var_os(NEEDED) {
        append_skip(path.as_ref(), test, feature.name);
    }
    if feature.is_there {
        return None;
    }
    assert!(
        !feature.is_required(),
        "{}, but MMARINUS_REQUIRED says that {} is there",
        feature.why,
        feature.name
    );
    Some(feature.why.clone())
}

/// Tells the runner that a test was skipped; without a runner, prints it.
pub(crate) fn report_skip(test: &str, why: &str) {
    match std::env::var_os(SKIPPED) {
        Some(path) => append_skip(path.as_ref(), test, why),
        None => eprintln!("skipped: {test}: {why}"),
    }
}

/// Appends one line to the file that the runner reads: binary, test and reason, with tabs between.
pub(crate) fn append_skip(path: &Path, test: &str, why: &str) {
    let binary = std::env::current_exe().expect("the path of this test binary");
    let why = why.replace('\n', " ");
    // One write, so that tests which are skipped at the same time do not mix their lines.
    let line = format!("{}\t{test}\t{why}\n", binary.display());
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the file of skipped tests can be written");
}

/// Whether this process is the child that runs the block at this place.
pub(crate) fn is_child(place: &str) -> bool {
    std::env::var_os(CHILD).is_some_and(|asked| asked == OsStr::new(place))
}

/// Runs one test of this binary again, as the child of the block at this place, and waits for it.
///
/// # Panics
///
/// If the child did not run that test: its status would say nothing about the block.
pub(crate) fn rerun_as_child(test: &str, place: &str) -> ExitStatus {
    let output = Command::new(std::env::current_exe().expect("the path of this test binary"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, place)
        .output()
        .expect("a child process can be started");
    let stdout = String::from_utf8_lossy(&output.stdout);
    // Printed from here, libtest shows it under this test and only if this test fails.
    for line in stdout
        .lines()
        .chain(String::from_utf8_lossy(&output.stderr).lines())
    {
        println!("child: {line}");
    }
    assert!(
        stdout.contains("running 1 test\n"),
        "the child did not find the test {test}"
    );
    output.status
}
