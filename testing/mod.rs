//! What the tests of every crate share: to say that this machine cannot run a test, and to run a test in a child process.
//!
//! Included by each test binary: `#[path = "../../../testing/mod.rs"] mod testing;`. Its crate needs `mmarinus-sys`.
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test binary uses its own part"
)]

pub(crate) mod account;
pub(crate) mod example;
pub(crate) mod features;
pub(crate) mod machine;
pub(crate) mod sound;

use core::time::Duration;
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

pub(crate) use sound::sound;

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

/// Starts a child process that runs a block beside its parent, with a file as its standard input, and gives it as [`Beside`]:
/// `let child = start_child!(socket, { ... });`.
///
/// As with [`in_child!`], the child runs the same test up to this point first. It ends with the parent's hold on it.
macro_rules! start_child {
    ($stdin:expr, $body:block) => {{
        let place = concat!(file!(), ":", line!(), ":", column!());
        if $crate::testing::is_child(place) {
            let run = || $body;
            run();
            std::process::exit(0);
        }
        $crate::testing::start_as_child($crate::testing::test_name!(), place, $stdin.into())
    }};
}
pub(crate) use start_child;

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

/// Whether this process is the child that runs some block.
pub(crate) fn is_any_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// How often a test does what it repeats: less often in a guest, whose CPU is emulated.
pub(crate) fn times(full: usize) -> usize {
    if features::guest().is_there {
        full.div_ceil(10)
    } else {
        full
    }
}

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Whether it ended by itself.
    pub(crate) in_time: bool,
    /// What it printed, line by line.
    pub(crate) said: Vec<String>,
}

/// How long a child may run. An emulated CPU is slow, and the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// For how long random programs shall run, if someone says so: `cargo xtask soak` does.
pub(crate) fn soak_time() -> Option<Duration> {
    let seconds = std::env::var("MMARINUS_SOAK_SECONDS").ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// Runs one test of this binary again, as the child of the block at this place, and waits for it.
///
/// # Panics
///
/// If the child did not run that test: its status would say nothing about the block.
pub(crate) fn rerun_as_child(test: &str, place: &str) -> ExitStatus {
    let ended = rerun(test, place, &[]);
    assert!(ended.in_time, "the child hung");
    ended.status
}

/// The same, with more variables, and with what the child said.
pub(crate) fn rerun(test: &str, place: &str, variables: &[(&str, &str)]) -> Ended {
    let (output, input) = io::pipe().expect("a pipe");
    let mut command = Command::new(std::env::current_exe().expect("the path of this test binary"));
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, place)
        .envs(variables.iter().copied())
        .stdout(input.try_clone().expect("a descriptor"))
        .stderr(input);
    let mut child = command.spawn().expect("a child process can be started");
    // It holds the writing ends of the pipe.
    drop(command);
    let (sender, lines) = mpsc::channel();
    // Its own thread, and nobody waits for it: a process that the child left may hold the pipe open.
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output
            .read_until(b'\n', &mut line)
            .is_ok_and(|len| len != 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    let until = Instant::now() + LIMIT + soak_time().unwrap_or_default() * 2;
    let mut said = Vec::new();
    let in_time = loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            // Printed from here, libtest shows it under this test and only if this test fails.
            Ok(line) => {
                println!("child: {line}");
                said.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    if !in_time {
        child.kill().expect("a child can be killed");
    }
    let status = child.wait().expect("a child can be waited for");
    assert!(
        said.iter().any(|line| line == "running 1 test"),
        "the child did not find the test {test}"
    );
    Ended {
        status,
        in_time,
        said,
    }
}

/// A child process that runs beside its parent, and is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Beside(Child);

impl Beside {
    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.0.wait().expect("a child can be waited for")
    }

    /// Kills it, wherever it is, and waits for its end.
    pub(crate) fn kill(mut self) -> ExitStatus {
        self.0.kill().expect("a child can be killed");
        self.0.wait().expect("a child can be waited for")
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts one test of this binary again, as the child of the block at this place, with a file as its standard input.
pub(crate) fn start_as_child(test: &str, place: &str, stdin: OwnedFd) -> Beside {
    let child = Command::new(std::env::current_exe().expect("the path of this test binary"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, place)
        .stdin(stdin)
        .stdout(Stdio::null())
        .spawn();
    Beside(child.expect("a child process can be started"))
}
