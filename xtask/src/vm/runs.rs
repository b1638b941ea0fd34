//! The runs of all guests: as many at a time as there are cores for, each reported under its name.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::arch::Arch;
use super::guest::Guest;
use super::kernel::{Kernel, Kernels};
use super::outcome::{Came, Outcome};
use super::plan::Wish;
use super::programs::{self, Programs};
use super::qemu::{End, Qemu, Run};
use super::{Done, Lost, Options, disk, guests, toolchain};

/// How long a guest may run unless the caller says less.
const LIMIT: Duration = Duration::from_secs(1200);

/// After how long without a word a guest hangs. It says when each test ends, and none takes as long.
const PATIENCE: Duration = Duration::from_secs(150);

/// How many guests run at a time at most: each has two CPUs, one of which is often idle.
const AT_ONCE: usize = 2;

/// What a kernel says of itself when it is broken, whoever broke it.
const COMPLAINTS: [&str; 4] = ["BUG: ", "Oops: ", "Kernel panic", "Out of memory: "];

/// An emulator and what runs in its guests.
struct Emulated {
    qemu: Qemu,
    programs: Programs,
}

/// A guest that is ready to run.
struct Ready<'a> {
    /// Its place among all that are wanted.
    place: usize,
    name: String,
    guest: &'static Guest,
    kernel: Kernel,
    emulated: &'a Emulated,
}

/// Fetches and builds what the guests need, and runs all that are wanted. What the caller allows is for the runs alone.
pub(super) fn run(sh: &Shell, folder: &Path, options: &Options, wishes: &[Wish]) -> Done {
    let mut done = Done::default();
    let disk = match find_tools(sh).and_then(|()| disk::make(sh, folder, guests::DISK)) {
        Ok(disk) => disk,
        Err(error) => {
            done.not_run = wishes
                .iter()
                .map(|wish| (wish.name(), Lost::missing(&error)))
                .collect();
            return done;
        }
    };
    let mut emulated = BTreeMap::new();
    for wish in wishes {
        let arch = wish.flavour.arch;
        emulated
            .entry(arch.target)
            .or_insert_with(|| emulate(sh, folder, options, arch));
    }
    let mut shelf = Kernels::new(sh, folder);
    let mut ready = Vec::new();
    for (place, wish) in wishes.iter().enumerate() {
        let emulated = match &emulated[wish.flavour.arch.target] {
            Ok(emulated) => Ok(emulated),
            Err(Lost::Missing(why)) => Err(Lost::Missing(why.clone())),
            Err(lost) => Err(Lost::Broken(lost.why().to_owned())),
        };
        let found = emulated.and_then(|emulated| {
            let kernel = shelf.fetch(&wish.wanted, wish.flavour);
            Ok((emulated, kernel.map_err(|error| Lost::missing(&error))?))
        });
        match found {
            Ok((emulated, kernel)) => ready.push(Ready {
                place,
                name: format!("{} {}", kernel.release, wish.guest.name),
                guest: wish.guest,
                kernel,
                emulated,
            }),
            Err(lost) => done.not_run.push((wish.name(), lost)),
        }
    }
    let until = options
        .within
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    run_ready(folder, &disk, &ready, until, &mut done);
    done
}

/// What the machine has to have installed: kernels pack their modules by it.
fn find_tools(sh: &Shell) -> Result<()> {
    let xz = cmd!(sh, "xz --version").quiet().ignore_stdout().run();
    xz.context("there is no xz here, which unpacks the modules of kernels")
}

/// An emulator for an architecture, and the programs that run in it.
fn emulate(
    sh: &Shell,
    folder: &Path,
    options: &Options,
    arch: &'static Arch,
) -> Result<Emulated, Lost> {
    let qemu = Qemu::find(sh, folder, arch).context("qemu cannot be had");
    let qemu = qemu.map_err(|error| Lost::missing(&error))?;
    println!("{}", qemu.version);
    let toolchain = toolchain::find(sh, folder, arch).map_err(|error| Lost::missing(&error))?;
    let programs = programs::build(sh, arch, &toolchain, options.package.as_deref());
    let programs = programs.map_err(|error| Lost::broken(&error))?;
    Ok(Emulated { qemu, programs })
}

/// Runs what is ready, from the first on.
fn run_ready(
    folder: &Path,
    disk: &[u8],
    ready: &[Ready<'_>],
    until: Option<Instant>,
    done: &mut Done,
) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let queue = Mutex::new(ready.iter());
    let came = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..cores.min(AT_ONCE) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(ready) = next else { return };
                    let left = until.map_or(LIMIT, |until| {
                        until.saturating_duration_since(Instant::now()).min(LIMIT)
                    });
                    let outcome = ready.run(folder, disk, left);
                    came.lock().unwrap_or_else(PoisonError::into_inner).push((
                        ready.place,
                        ready.name.clone(),
                        outcome,
                    ));
                }
            });
        }
    });
    let mut came = came.into_inner().unwrap_or_else(PoisonError::into_inner);
    came.sort_by_key(|(place, ..)| *place);
    for (_, name, outcome) in came {
        match outcome {
            Ok(outcome) => {
                if !outcome.is_good() {
                    show(folder, &name, &outcome);
                }
                done.ran.push((name, outcome));
            }
            Err(lost) => done.not_run.push((name, lost)),
        }
    }
}

impl Ready<'_> {
    /// Runs the guest, if there is time left to begin.
    fn run(&self, folder: &Path, disk: &[u8], limit: Duration) -> Result<Outcome, Lost> {
        if limit.is_zero() {
            return Err(Lost::Late);
        }
        let came = self
            .run_for(folder, disk, limit)
            .map_err(|error| Lost::broken(&error))?;
        came.ok_or(Lost::Late)
    }

    /// Runs the guest; fails if it cannot be made. That it hangs is part of what came of it; nothing came of one that was cut off
    /// while it still spoke.
    fn run_for(&self, folder: &Path, disk: &[u8], limit: Duration) -> Result<Option<Outcome>> {
        println!("=== {}: it begins ===", self.name);
        if let Some(remark) = &self.kernel.remark {
            println!("{}: {remark}", self.name);
        }
        let begin = Instant::now();
        let (archive, console) = (
            file(folder, &self.name, "cpio"),
            console(folder, &self.name),
        );
        let code = code(self.place);
        // Each thread has a shell of its own.
        let sh = Shell::new()?;
        let Emulated { qemu, programs } = self.emulated;
        let bytes = self
            .guest
            .archive(&sh, &self.kernel, programs, disk, &code)?;
        sh.write_file(&archive, bytes)?;
        let run = Run {
            machine: self.guest.machine,
            kernel: &self.kernel.image()?,
            command_line: &self.guest.command_line(&self.kernel),
            archive: &archive,
            console: &console,
        };
        let mut outcome = Outcome::new(&code);
        let mut heard = Instant::now();
        let end = qemu.run(&run, limit, |line| {
            let event = line.strip_prefix("guest: ").unwrap_or_default();
            if ["release ", "trouble ", "end ", "done "]
                .iter()
                .any(|word| event.starts_with(word))
            {
                println!("{}: {event}", self.name);
            }
            outcome.read_line(line);
            heard = Instant::now();
        })?;
        sh.remove_path(&archive)?;
        println!(
            "=== {}: {:.1} s ===",
            self.name,
            begin.elapsed().as_secs_f32()
        );
        if end == End::Cut && limit < LIMIT && heard.elapsed() < PATIENCE && !outcome.has_failed() {
            return Ok(None);
        }
        if end == End::Cut {
            let seconds = limit.as_secs();
            outcome.trouble.push(format!(
                "it did not come to its end in the {seconds} s that it had"
            ));
        }
        let said = sh.read_file(&console).unwrap_or_default();
        let complaints = said
            .lines()
            .filter(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
        outcome.trouble.extend(
            complaints
                .take(3)
                .map(|line| format!("the kernel says: {line}")),
        );
        let names: Vec<&str> = programs
            .tests
            .iter()
            .map(|program| &*program.name)
            .collect();
        outcome.end(&end, &names, &self.guest.wanted(&self.kernel));
        Ok(Some(outcome))
    }
}

/// Where files of one guest lie.
fn file(folder: &Path, name: &str, what: &str) -> PathBuf {
    folder.join(format!("{}.{what}", name.replace(' ', "-")))
}

/// Where the kernel's own words go.
fn console(folder: &Path, name: &str) -> PathBuf {
    file(folder, name, "console")
}

/// A code that no other run has.
fn code(place: usize) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    format!("{:x}-{place}", now.unwrap_or_default().as_nanos())
}

/// Shows what failed programs printed, and the kernel's last words.
fn show(folder: &Path, name: &str, outcome: &Outcome) {
    println!("\n=== {name} ===");
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
    let said = std::fs::read(console(folder, name)).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    println!("--- the kernel's last words ---");
    for line in &lines[lines.len().saturating_sub(40)..] {
        println!("{line}");
    }
}
