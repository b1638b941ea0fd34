//! qemu: where it is, and one run of it.

use core::time::Duration;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::arch::{Arch, HOST};
use super::debian::{self, Debian, Installed};

/// An emulator that runs here.
#[derive(Debug)]
pub(super) struct Qemu {
    arch: &'static Arch,
    program: PathBuf,
    /// The folder it is unpacked in; none if it is installed.
    unpacked: Option<PathBuf>,
    /// As it calls itself.
    pub(super) version: String,
}

/// How a run of qemu ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The guest switched itself off, or its kernel panicked.
    Off,
    /// Its time was over.
    Cut,
    /// Anything else, in words.
    Not(String),
}

impl Qemu {
    /// Takes the one that is installed, or fetches Debian's into `folder`; installs nothing.
    pub(super) fn find(sh: &Shell, folder: &Path, arch: &'static Arch) -> Result<Self> {
        let name = arch.qemu;
        let installed = cmd!(sh, "{name} --version").quiet().ignore_stderr().read();
        if let Ok(version) = installed {
            return Ok(Self {
                arch,
                program: name.into(),
                unpacked: None,
                version: first_line(&version),
            });
        }
        let unpacked = folder.join(arch.qemu_package);
        if !unpacked.exists() {
            let suites = debian::suites_of_this_machine(sh)?;
            let debian = Debian::update(
                sh,
                &folder.join("apt-tools"),
                &suites.each_ref().map(String::as_str),
                HOST,
                Installed::OfThisMachine,
            )?;
            let packages = debian.needs(sh, &[arch.qemu_package])?;
            debian.unpack(sh, &packages, &unpacked)?;
        }
        let mut qemu = Self {
            arch,
            program: unpacked.join("usr/bin").join(name),
            unpacked: Some(unpacked),
            version: String::new(),
        };
        let output = qemu.command().arg("--version").output();
        let output =
            output.with_context(|| format!("{} does not start", qemu.program.display()))?;
        anyhow::ensure!(
            output.status.success(),
            "{} does not run: {}",
            qemu.program.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        qemu.version = first_line(&String::from_utf8_lossy(&output.stdout));
        Ok(qemu)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(unpacked) = &self.unpacked {
            let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
                .map(|part| unpacked.join(part));
            command.env(
                "LD_LIBRARY_PATH",
                std::env::join_paths(libraries).unwrap_or_default(),
            );
            for part in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
                command.arg("-L").arg(unpacked.join(part));
            }
        }
        command
    }

    /// Runs a guest, hands each line that it reports to `report`, and ends it after `limit`.
    ///
    /// What the kernel itself has to say goes to the file `console`.
    pub(super) fn run(
        &self,
        run: &Run<'_>,
        limit: Duration,
        mut report: impl FnMut(&str),
    ) -> Result<End> {
        File::create(run.console)?;
        let mut command = self.command();
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none"])
            // Never KVM: it may be there, and hang.
            .args(["-accel", "tcg,thread=multi", "-smp", "2"])
            .arg("-chardev")
            .arg(format!("file,id=console,path={}", run.console.display()))
            .args(["-chardev", "stdio,id=report"])
            .args(self.arch.board)
            .args(run.machine)
            .args(["-append", run.command_line])
            .arg("-kernel")
            .arg(run.kernel)
            .arg("-initrd")
            .arg(run.archive)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut qemu = command.spawn().context("qemu does not start")?;
        let output = qemu.stdout.take().context("qemu has an output")?;
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output
                .read_until(b'\n', &mut line)
                .is_ok_and(|len| len != 0)
            {
                if sender
                    .send(String::from_utf8_lossy(&line).trim_end().to_owned())
                    .is_err()
                {
                    return;
                }
                line.clear();
            }
        });
        let until = Instant::now() + limit;
        let in_time = loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => report(&line),
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        let end = finish(&mut qemu, in_time);
        drop(lines);
        drop(reader.join());
        end
    }
}

/// One run: the machine and its software.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) machine: &'a [&'a str],
    pub(super) kernel: &'a Path,
    pub(super) command_line: &'a str,
    pub(super) archive: &'a Path,
    pub(super) console: &'a Path,
}

/// Waits for qemu, or ends it if its time is over.
fn finish(qemu: &mut Child, in_time: bool) -> Result<End> {
    if !in_time {
        qemu.kill()?;
    }
    let status = qemu.wait()?;
    Ok(match status.code() {
        _ if !in_time => End::Cut,
        Some(0) => End::Off,
        _ => End::Not(format!("qemu ended with {status}")),
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
