//! Examples as processes: built if need be, run with arguments, and what came of them.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::SystemTime;

/// An example of the crate whose test this is, as a process to be started. The test says `needs!(cargo)`.
///
/// `cargo test` builds examples before it runs tests, unless it is asked for certain tests only. So one that is older than the
/// sources is built here.
///
/// # Panics
///
/// If it cannot be built.
pub(crate) fn example(name: &str) -> Command {
    // One at a time: the others then find it built.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock();
    let own = std::env::current_exe().expect("the path of this test binary");
    let target = own
        .parent()
        .and_then(Path::parent)
        .expect("`deps` lies in a folder");
    let path = target.join("examples").join(name);
    if !is_fresh(&path) {
        let cargo = std::env::var_os("CARGO").expect("the test needs cargo");
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--package",
            env!("CARGO_PKG_NAME"),
            "--example",
            name,
        ]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.output().expect("cargo can be started");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        assert!(path.exists(), "{} is built elsewhere", path.display());
    }
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}

/// Whether a program is not older than any source that it may be made of.
fn is_fresh(program: &Path) -> bool {
    let Ok(built) = fs::metadata(program).and_then(|meta| meta.modified()) else {
        return false;
    };
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.parent().expect("the crate lies in the workspace");
    let mut folders = vec![package.join("examples")];
    for member in fs::read_dir(workspace).into_iter().flatten().flatten() {
        folders.extend(Some(member.path().join("src")).filter(|src| src.is_dir()));
    }
    folders.iter().all(|folder| newest_below(folder) <= built)
}

/// When the last change was made below a folder.
fn newest_below(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let times = entries.filter_map(|entry| {
        let path: PathBuf = entry.path();
        match path.is_dir() {
            true => Some(newest_below(&path)),
            false => entry.metadata().ok()?.modified().ok(),
        }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// How an example ended, and what it said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// That it ended well and complained of nothing; gives what it printed.
    pub(crate) fn printed(self) -> String {
        assert_eq!(
            (self.code, self.err.as_str()),
            (Some(0), ""),
            "{}",
            self.out
        );
        self.out
    }

    /// That it ended with a failure and one sentence for people, in which these words stand.
    pub(crate) fn complained(&self, words: &str) {
        assert!(self.code.is_some_and(|code| code != 0), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        assert!(self.err.contains(words), "no `{words}` in: {}", self.err);
        for debug in ["Error(", "Os {", "Err(", "panicked", "errno:", "Some("] {
            assert!(
                !self.err.contains(debug),
                "that is for programmers: {}",
                self.err
            );
        }
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs an example to its end.
pub(crate) fn run(name: &str, args: &[&str]) -> Said {
    example(name)
        .args(args)
        .output()
        .expect("the example can be started")
        .into()
}

/// Runs an example to its end, with an input that it need not read.
pub(crate) fn run_with_input(name: &str, args: &[&str], input: &[u8]) -> Said {
    let mut command = example(name);
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the example can be started");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // Its own thread: the example may wait for its output to be read. It may also end first, which is a broken pipe.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let said = child.wait_with_output().expect("an end").into();
    writer.join().expect("the input is written");
    said
}
