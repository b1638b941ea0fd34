//! The test programs, one after the other, each with a time limit.

use core::time::Duration;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, sleep};
use std::time::Instant;

use crate::report::Report;
use crate::settings::Settings;

/// Where a skipped test appends its line, and where one that needs a feature does.
const SKIPPED: &str = "/tmp/skipped";
const NEEDED: &str = "/tmp/needed";

/// One program: a line of `/vm/programs`, with tabs between.
struct Program<'a> {
    /// The path in the guest.
    path: &'a str,
    /// What the host calls it.
    name: &'a str,
    /// The folder it starts in.
    folder: &'a str,
    /// `*` if all of its tests run, else the modules all of whose tests do.
    modules: &'a str,
}

/// Tests that ask nothing of a kernel: what a checker tries in all orders would take minutes here.
const NOT_HERE: &str = "interleavings";

/// Of the tests of other modules, one of so many runs.
const SAMPLE: usize = 8;

/// Runs all programs, and says whether all of them passed.
pub(crate) fn run(report: &Report) -> io::Result<bool> {
    let list = fs::read_to_string("/vm/programs")?;
    let limit = fs::read_to_string("/vm/limit")?;
    let limit = Duration::from_secs(limit.trim().parse().map_err(io::Error::other)?);
    let mut passed = true;
    for line in list.lines() {
        let mut parts = line.split('\t');
        let (Some(path), Some(name), Some(folder), Some(modules)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(io::Error::other(format!("no program: {line}")));
        };
        let program = Program {
            path,
            name,
            folder,
            modules,
        };
        passed &= run_one(report, &program, limit)?;
    }
    Ok(passed)
}

fn run_one(report: &Report, program: &Program<'_>, limit: Duration) -> io::Result<bool> {
    report.line(format_args!("begin {}", program.name))?;
    report.count_from_here();
    let tests = program.chosen(list(report, program)?);
    for test in &tests {
        report.line(format_args!("test {test}"))?;
    }
    let begin = Instant::now();
    let settings = Settings::read()?;
    fs::write(SKIPPED, "")?;
    fs::write(NEEDED, "")?;
    // It may lie where the first process has mounted something.
    fs::create_dir_all(program.folder)?;
    let (output, input) = io::pipe()?;
    let mut command = Command::new(program.path);
    command
        .args(["--test-threads=2", "--exact"])
        .args(&tests)
        .current_dir(program.folder)
        .env("PATH", "/bin")
        .env("MMARINUS_SKIPPED", SKIPPED)
        .env("MMARINUS_NEEDED", NEEDED)
        .env("PROPTEST_CASES", "4")
        .stdin(Stdio::null())
        .stdout(input.try_clone()?)
        .stderr(input);
    for line in fs::read_to_string("/vm/environment")?.lines() {
        let (name, value) = line.split_once('=').ok_or(io::ErrorKind::InvalidData)?;
        command.env(name, value);
    }
    // A plain disk, where there is one, so that a temporary file is a file on a disk.
    let disk = if fs::read_to_string("/proc/mounts")?.contains(" /disk ") {
        "/disk"
    } else {
        "/tmp"
    };
    command.env("TMPDIR", disk);
    if Path::new("/dax").exists() {
        command.env("MMARINUS_DAX", "/dax");
    }
    let mut child = command.spawn()?;
    // It holds the writing ends of the pipe.
    drop(command);
    // A grandchild that lives on may hold the pipe open, so nobody waits for its end.
    let (status, ended) = thread::scope(|scope| {
        scope.spawn(|| pass_on(report, output));
        let ended = wait(&mut child, limit);
        let status = ended
            .as_ref()
            .map_or_else(|_| "lost".to_owned(), |ended| describe(*ended));
        end_stragglers(&child);
        (status, ended)
    });
    settings.put_back(report, program.name)?;
    for (word, file) in [("skip", SKIPPED), ("need", NEEDED)] {
        for line in fs::read_to_string(file)?.lines() {
            let (_, what) = line.split_once('\t').ok_or(io::ErrorKind::InvalidData)?;
            report.line(format_args!("{word} {what}"))?;
        }
    }
    let (seconds, lines) = (begin.elapsed().as_secs(), report.count());
    report.line(format_args!(
        "end {} {seconds} {lines} {status}",
        program.name
    ))?;
    Ok(ended?.is_some_and(|ended| ended.success()))
}

impl Program<'_> {
    /// The tests that run, of all that there are. They are reported, so that it is known which did not come to an end.
    fn chosen(&self, mut tests: Vec<String>) -> Vec<String> {
        tests.retain(|test| test.split("::").all(|part| part != NOT_HERE));
        if self.modules != "*" {
            let modules: Vec<&str> = self.modules.split(' ').collect();
            let mut others = 0;
            tests.retain(|test| {
                let is_asking = test.split("::").any(|part| modules.contains(&part));
                others += usize::from(!is_asking);
                is_asking || others % SAMPLE == 1
            });
        }
        tests
    }
}

/// The names of a program's tests.
fn list(report: &Report, program: &Program<'_>) -> io::Result<Vec<String>> {
    let listed = Command::new(program.path)
        .args(["--list", "--format", "terse"])
        .stdin(Stdio::null())
        .output()?;
    if !listed.status.success() {
        report.line(format_args!(
            "trouble {} does not tell its tests: {}",
            program.name, listed.status
        ))?;
    }
    let listed = String::from_utf8_lossy(&listed.stdout);
    let tests = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// Passes a program's output on, line by line.
fn pass_on(report: &Report, output: io::PipeReader) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output
        .read_until(b'\n', &mut line)
        .is_ok_and(|len| len != 0)
    {
        if report.output(&line).is_err() {
            return;
        }
        line.clear();
    }
}

/// Waits for a program, and kills it once its time is over.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(20));
    }
}

fn describe(ended: Option<ExitStatus>) -> String {
    match ended.map(|status| (status.code(), status.signal())) {
        None => "killed after its time was over".to_owned(),
        Some((Some(code), _)) => format!("code {code}"),
        Some((None, signal)) => format!("signal {}", signal.unwrap_or(0)),
    }
}

/// Kills what a program left behind: every process of this machine but the first and the kernel's own.
fn end_stragglers(child: &Child) {
    let Ok(entries) = fs::read_dir("/proc") else {
        return;
    };
    for entry in entries.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok());
        let is_program = entry.path().join("exe").read_link().is_ok();
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw)
            && pid.as_raw_nonzero().get() != 1
            && pid.as_raw_nonzero().get().unsigned_abs() != child.id()
            && is_program
        {
            // One that has just ended needs no signal.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
