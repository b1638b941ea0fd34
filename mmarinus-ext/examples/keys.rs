//! Shows who gets at a key in memory: `cargo run --example keys`, or `… keys locked` for a kernel without `memfd_secret`.
//!
//! A process of its own keeps a password in a vector, as programs do, and a key in a `Secret`. Then three look for both: another
//! process, a child that it forks, and, since it crashes while it uses the key, its core dump. All of them find the password;
//! so they would have found the key.
#![expect(unsafe_code, reason = "safe code has no `fork`")]

use core::ffi::c_int;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, ExitCode, Stdio, abort, exit};

use anyhow::{Context, Result, ensure};
use mmarinus_ext::secret::Secret;
use rustix::process::{Resource, WaitOptions, getrlimit, setrlimit, wait};

/// The bytes of the password, and of the key.
const LEN: usize = 32;

unsafe extern "C" {
    fn fork() -> c_int;
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [] => prove("hidden"),
        ["locked"] => prove("locked"),
        // How the parent starts the process that it attacks.
        ["--keep", kind] => keep(kind),
        _ => Err(anyhow::anyhow!("only `locked` can be asked for")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("keys: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a process that keeps a password and a key, and looks for both.
fn prove(kind: &str) -> Result<()> {
    let mut both = [[0; LEN]; 2];
    File::open("/dev/urandom")?.read_exact(both.as_flattened_mut())?;
    let mut limit = getrlimit(Resource::Core);
    limit.current = limit.maximum;
    setrlimit(Resource::Core, limit)?;
    let folder = tempfile::tempdir()?; // Where the dump falls.
    let mut keeper = Command::new(std::env::current_exe()?)
        .args(["--keep", kind])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = keeper.stdin.take().context("a pipe")?;
    input.write_all(both.as_flattened())?;

    let mut addresses = [0; 2];
    let mut is_hidden = false;
    for line in BufReader::new(keeper.stdout.take().context("a pipe")?).lines() {
        let line = line?;
        let mut words = line.split(' ');
        if words.next() == Some("at") {
            is_hidden = words.next() == Some("hidden");
            addresses =
                [(); 2].map(|()| words.next().and_then(|word| word.parse().ok()).unwrap_or(0));
            continue;
        }
        println!("{line}"); // What its child has found.
        break;
    }
    let has_key = look("another process", &keeper.id().to_string(), addresses)?;
    ensure!(!(is_hidden && has_key), "another process has the key");
    drop(input); // It may crash now.
    let status = keeper.wait()?;
    println!("it crashes: {status}");

    let Some(dump) = fs::read_dir(&folder)?.next() else {
        let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
        println!(
            "its core dump: not in a file here, but `{}`",
            pattern.trim()
        );
        return Ok(());
    };
    let dump = fs::read(dump?.path())?;
    let [passwords, keys] =
        both.map(|bytes| dump.windows(LEN).filter(|part| **part == bytes).count());
    let len = dump.len();
    println!("its core dump of {len} bytes: the password {passwords} times, the key {keys} times");
    ensure!(
        passwords != 0,
        "the core dump lacks the password, so it says nothing of the key"
    );
    ensure!(keys == 0, "the core dump has the key");
    Ok(())
}

/// Keeps a password and a key, and crashes while it uses the key.
fn keep(kind: &str) -> Result<()> {
    // Not `stdin()` itself, in whose buffer the key would stay.
    let mut input = File::from(stdin().as_fd().try_clone_to_owned()?);
    let mut password = vec![0; LEN];
    input.read_exact(&mut password)?;
    let mut key = match kind {
        "locked" => Secret::locked(LEN)?,
        _ => Secret::new(LEN)?,
    };
    input.read_exact(&mut key.write()?)?; // Straight to its place.
    let kind = if key.is_hidden() { "hidden" } else { "locked" };
    let bytes = key.read()?;

    let addresses = [&password[..], &bytes[..]].map(|bytes| bytes.as_ptr().addr() as u64);
    println!("at {kind} {} {}", addresses[0], addresses[1]);
    // SAFETY: this is the only thread, so that nothing is locked in the child, which then ends.
    if unsafe { fork() } == 0 {
        let has_key = look("a forked child", "self", addresses)?;
        exit(i32::from(has_key));
    }
    let (_, child) = wait(WaitOptions::empty())?.context("a child")?;
    ensure!(child.exit_status() == Some(0), "a forked child has the key");
    let _ = input.read(&mut [0])?; // Until the others have looked.
    core::hint::black_box((&password, &bytes));
    abort()
}

/// Reads the memory of a process at both addresses, and says what comes of it. Whether the key can be read.
fn look(who: &str, process: &str, addresses: [u64; 2]) -> Result<bool> {
    let memory = match File::open(format!("/proc/{process}/mem")) {
        Ok(memory) => memory,
        Err(error) => {
            println!("{who}: may not look at all: {error}"); // Where ptrace is restricted.
            return Ok(false);
        }
    };
    let [password, key] = addresses.map(|address| memory.read_exact_at(&mut [0; LEN], address));
    let said = |read: &std::io::Result<()>| match read {
        Ok(()) => "is read".to_owned(),
        Err(error) => error.to_string(),
    };
    println!(
        "{who}: the password {}, the key: {}",
        said(&password),
        said(&key)
    );
    password.context("nothing can be read here, so that says nothing of the key")?;
    Ok(key.is_ok())
}
