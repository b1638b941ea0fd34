//! `cargo xtask vm`: the test programs of the workspace in emulated machines, on other kernels and with other hardware.
//!
//! Kernels and the emulator come from Debian, and are kept below the target folder; nothing is installed. What cannot be had
//! is reported as not run. A guest counts as passed only if it says so itself, by the code of its run, and if no line of it is
//! missing.

mod cpio;
mod debian;
mod disk;
mod guest;
mod kernel;
mod modules;
mod outcome;
mod programs;
mod qemu;
mod table;

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use guest::{GUESTS, Guest};
use kernel::{Kernel, Kernels, Wanted};
use outcome::{Came, Outcome};
use programs::Programs;
use qemu::{End, Qemu, Run};
use table::Column;

/// The architecture whose kernels run, and the one that would too.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const OTHER_TARGET: &str = "aarch64-unknown-linux-gnu";

/// What runs by default, and what more there is.
const DEFAULT: [&str; 2] = ["6.12", "6.1"];
const OLDEST: &str = "5.10";

/// How long a guest may run unless the caller says less.
const LIMIT: Duration = Duration::from_secs(1200);

/// What a kernel says of itself when it is broken, whoever broke it.
const COMPLAINTS: [&str; 4] = ["BUG: ", "Oops: ", "Kernel panic", "Out of memory: "];

/// What the caller wants.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Also the oldest and the newest kernel, and the other architecture.
    pub(crate) all: bool,
    /// Only this kernel: a series such as 6.12, or `newest`.
    pub(crate) kernel: Option<String>,
    /// Only the tests of this crate.
    pub(crate) package: Option<String>,
    /// The table goes into the README, with its date.
    pub(crate) markdown: bool,
    /// That nothing can be had is no failure.
    pub(crate) if_possible: bool,
    /// No guest runs after so many seconds.
    pub(crate) within: Option<u64>,
}

impl From<crate::flags::Vm> for Options {
    fn from(flags: crate::flags::Vm) -> Self {
        Self {
            all: flags.all,
            kernel: flags.kernel,
            package: flags.package,
            markdown: flags.markdown,
            if_possible: flags.if_possible,
            within: flags.within,
        }
    }
}

/// What ran, and what did not and why.
#[derive(Debug, Default)]
struct Done {
    ran: Vec<(String, Outcome)>,
    not_run: Vec<(String, String)>,
}

/// Runs the guests, prints the table, and says whether all is well.
pub(crate) fn run(sh: &Shell, options: &Options) -> Result<bool> {
    let begin = Instant::now();
    let until = options
        .within
        .map(|seconds| begin + Duration::from_secs(seconds));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folder = sh.current_dir().join(target).join("vm");
    sh.create_dir(&folder)?;

    let mut done = Done::default();
    if options.all {
        done.not_run.push((
            format!("{OTHER_TARGET}, pages of 4 KiB and 16 KiB"),
            no_other_target(sh),
        ));
    }
    match Machine::new(sh, &folder, options) {
        Ok(machine) => machine.run_all(&wanted(options), until, &mut done),
        Err(error) => {
            for kernel in wanted(options) {
                done.not_run
                    .push((format!("kernel {}", kernel.name()), format!("{error:#}")));
            }
        }
    }
    done.print(sh, options)?;
    println!("cargo xtask vm took {} s", begin.elapsed().as_secs());
    Ok(done.is_good(options.if_possible))
}

/// The kernels that the caller wants.
fn wanted(options: &Options) -> Vec<Wanted> {
    let series = |name: &str| Wanted::Series(name.to_owned());
    match &options.kernel {
        Some(name) if name == Wanted::Newest.name() => vec![Wanted::Newest],
        Some(name) => vec![series(name)],
        None => {
            let mut kernels = DEFAULT.map(series).to_vec();
            if options.all {
                kernels.extend([series(OLDEST), Wanted::Newest]);
            }
            kernels
        }
    }
}

/// Why no guest of the other architecture runs.
fn no_other_target(sh: &Shell) -> String {
    let libdir = cmd!(sh, "rustc --print target-libdir --target {OTHER_TARGET}")
        .quiet()
        .ignore_stderr()
        .read();
    match libdir.is_ok_and(|libdir| Path::new(&libdir).is_dir()) {
        true => "a standard library is there, but guests of this architecture are not built yet"
            .to_owned(),
        false => "no standard library for it is installed here, so no test can be built for it"
            .to_owned(),
    }
}

/// All that the guests have in common.
struct Machine<'a> {
    sh: &'a Shell,
    folder: &'a Path,
    qemu: Qemu,
    programs: Programs,
    disk: Vec<u8>,
}

impl<'a> Machine<'a> {
    fn new(sh: &'a Shell, folder: &'a Path, options: &Options) -> Result<Self> {
        let qemu = Qemu::find(sh, folder).context("qemu cannot be had")?;
        println!("{}", qemu.version);
        let disk = disk::make(sh, folder, guest::DISK)?;
        let programs = programs::build(sh, TARGET, options.package.as_deref())?;
        Ok(Self {
            sh,
            folder,
            qemu,
            programs,
            disk,
        })
    }

    fn run_all(&self, kernels: &[Wanted], until: Option<Instant>, done: &mut Done) {
        let mut found = Vec::new();
        let mut shelf = Kernels::new(self.sh, self.folder);
        for wanted in kernels {
            match shelf.fetch(wanted) {
                Ok(kernel) => found.push(kernel),
                Err(error) => done
                    .not_run
                    .push((format!("kernel {}", wanted.name()), format!("{error:#}"))),
            }
        }
        // First what matters most: the kernels with everything.
        for guest in &GUESTS {
            for kernel in &found {
                let name = format!("{} {}", kernel.release, guest.name);
                let left = until.map_or(LIMIT, |until| {
                    until.saturating_duration_since(Instant::now()).min(LIMIT)
                });
                if left.is_zero() {
                    done.not_run
                        .push((name, "the time for all guests was over".to_owned()));
                    continue;
                }
                println!("\n=== {name} ===");
                if let Some(remark) = &kernel.remark {
                    println!("{remark}");
                }
                let begin = Instant::now();
                let outcome = self.run_one(guest, kernel, left);
                println!("=== {name}: {:.1} s ===", begin.elapsed().as_secs_f32());
                match outcome {
                    Ok(outcome) => done.ran.push((name, outcome)),
                    Err(error) => done.not_run.push((name, format!("{error:#}"))),
                }
            }
        }
    }

    /// Runs one guest; fails if it cannot be made, or was cut off before it could tell anything.
    fn run_one(&self, guest: &Guest, kernel: &Kernel, limit: Duration) -> Result<Outcome> {
        let file = |what: &str| -> PathBuf {
            self.folder
                .join(format!("{}-{}.{what}", kernel.release, guest.name))
        };
        let (archive, console) = (file("cpio"), file("console"));
        let code = code();
        let bytes = guest.archive(self.sh, kernel, &self.programs, &self.disk, &code)?;
        self.sh.write_file(&archive, bytes)?;
        let run = Run {
            machine: guest.machine(),
            kernel: &kernel.image()?,
            command_line: &guest.command_line(),
            archive: &archive,
            console: &console,
        };
        let mut outcome = Outcome::new(&code);
        let end = self.qemu.run(&run, limit, |line| {
            if line.starts_with("guest: ") && !line.starts_with("guest: need") {
                println!("{line}");
            }
            outcome.read_line(line);
        })?;
        self.sh.remove_path(&archive)?;
        // It did not hang for as long as a guest may: there was less time left.
        ensure!(
            end != End::Cut || limit == LIMIT || outcome.has_failed(),
            "the time for all guests was over before it came to its end"
        );
        let console_text = self.sh.read_file(&console).unwrap_or_default();
        let complaints = console_text
            .lines()
            .filter(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
        outcome.trouble.extend(
            complaints
                .take(3)
                .map(|line| format!("the kernel says: {line}")),
        );
        let programs = self.programs.tests.iter();
        let names: Vec<(&str, &[String])> = programs
            .map(|program| (&*program.name, &*program.tests))
            .collect();
        outcome.end(&end, &names);
        if !outcome.is_good() {
            show(&outcome, &console_text);
        }
        Ok(outcome)
    }
}

/// A code that no other run has.
fn code() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{:x}", now.unwrap_or_default().as_nanos())
}

/// Shows what failed programs printed, and the kernel's last words.
fn show(outcome: &Outcome, console: &str) {
    for program in &outcome.programs {
        if program.trouble.is_some() || program.tests.values().any(|came| *came == Came::Failed) {
            println!("--- {} ---", program.name);
            for line in program
                .output
                .iter()
                .filter(|line| !(line.starts_with("test ") && line.ends_with("... ok")))
            {
                println!("{line}");
            }
        }
    }
    let lines: Vec<&str> = console.lines().collect();
    println!("--- the kernel's last words ---");
    for line in &lines[lines.len().saturating_sub(40)..] {
        println!("{line}");
    }
}

impl Done {
    fn print(&self, sh: &Shell, options: &Options) -> Result<()> {
        let ran = self.ran.iter();
        let columns: Vec<Column<'_>> = ran
            .map(|(name, outcome)| Column {
                name: name.clone(),
                outcome,
            })
            .collect();
        if !columns.is_empty() {
            println!("\n{}\n{}", table::details(&columns), table::plain(&columns));
        }
        if options.markdown && !columns.is_empty() {
            let date = cmd!(sh, "date --utc +%F").quiet().read()?;
            let section = table::section(&columns, &self.not_run, &date);
            let readme = sh.read_file("README.md")?;
            sh.write_file("README.md", table::with_section(&readme, &section))?;
            println!("{section}\nThis is a section of README.md now.");
        }
        for (what, why) in &self.not_run {
            println!("NOT RUN: {what}: {why}");
        }
        Ok(())
    }

    /// Nothing failed, and something ran.
    fn is_good(&self, if_possible: bool) -> bool {
        let good = self.ran.iter().all(|(_, outcome)| outcome.is_good());
        good && (if_possible || !self.ran.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_success() {
        let done = Done::default();
        assert!(!done.is_good(false));
        assert!(done.is_good(true));
        let failed = Done {
            ran: vec![("6.12 rich".to_owned(), Outcome::default())],
            not_run: Vec::new(),
        };
        assert!(!failed.is_good(true));
    }

    #[test]
    fn kernels_are_as_wanted() {
        let names = |options: &Options| {
            wanted(options)
                .iter()
                .map(|wanted| wanted.name().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&Options::default()), ["6.12", "6.1"]);
        assert_eq!(
            names(&Options {
                all: true,
                ..Options::default()
            }),
            ["6.12", "6.1", "5.10", "newest"]
        );
        assert_eq!(
            names(&Options {
                kernel: Some("6.16".to_owned()),
                ..Options::default()
            }),
            ["6.16"]
        );
    }
}
