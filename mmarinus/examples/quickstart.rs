//! Maps a real file in every way that its bytes allow: `cargo run --example quickstart -- FILE`.
#![expect(
    unsafe_code,
    reason = "promises once that nobody writes the file that the user named"
)]

use core::any::type_name_of_val;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use mmarinus::{Map, Private, perms};

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("quickstart: which file? cargo run --example quickstart -- FILE");
        return ExitCode::FAILURE;
    };
    match run(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {}: {error:#}", path.display());
            ExitCode::FAILURE
        }
    }
}

/// The tour: each line that it prints starts with a word and a colon.
#[expect(
    clippy::unnecessary_mut_passed,
    reason = "a file may be lent either way"
)]
fn run(path: &Path) -> Result<()> {
    // The whole file first: it tells what cannot be mapped, and why.
    let whole = Map::load(path, Private, perms::Read)?;
    let mut types = vec![type_name_of_val(&whole)];

    // Part of a file, near an address that was asked for. Whoever truncates the file now makes the copy fail, not the process.
    let mut file = File::open(path)?;
    let map = Map::bytes(32)
        .near(128 << 20)
        .from(&mut file, 0)
        .with(perms::Read)?;
    types.push(type_name_of_val(&map));
    println!(
        "mapped: {} bytes near {:#x} at {:#x}",
        map.len(),
        128 << 20,
        map.addr()
    );
    let mut first = [0; 32];
    let first = &mut first[..whole.len().min(32)];
    map.read_at(0, first)?;
    let hex: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("bytes: {hex}");

    // SAFETY: not proved, only likely: the user named this file to look at it, and nothing here writes or truncates it. Another
    // process still may, and what would happen then is undefined. A program that must not rely on that copies by `read_at`.
    let whole = unsafe { whole.assume_stable() };
    types.push(type_name_of_val(&whole));
    let lines = whole.iter().filter(|&&byte| byte == b'\n').count();
    println!("file: {} bytes, {lines} lines", whole.len());

    private(map, first, &file, &mut types)?;
    truncated(path, &mut types)?;

    println!("types: {}", types.join(", ").replace("mmarinus::", ""));
    Ok(())
}

/// Overwrites a private map of the file, and shows that the file has not changed.
fn private(
    map: Map<perms::Read, Private, mmarinus::backing::File>,
    before: &[u8],
    file: &File,
    types: &mut Vec<&'static str>,
) -> Result<()> {
    let mut map = map.reprotect(perms::ReadWrite)?;
    types.push(type_name_of_val(&map));
    let len = before.len();
    map.write_at(0, &vec![255; len])?;
    let mut bytes = vec![0; len];
    map.read_at(0, &mut bytes)?;
    ensure!(
        bytes.iter().all(|&byte| byte == 255),
        "the map does not hold what was written to it"
    );
    file.read_exact_at(&mut bytes, 0)?;
    ensure!(
        bytes == before,
        "the file changed, which a private map cannot do: somebody else wrote it"
    );
    println!("private: {len} bytes of the map overwritten with 255, the file on disk is unchanged");
    Ok(())
}

/// Truncates a mapped copy of the file behind the map's back, and reads it.
fn truncated(path: &Path, types: &mut Vec<&'static str>) -> Result<()> {
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let copy = directory.path().join("copy");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&copy)?;
    std::io::copy(&mut File::open(path)?, &mut file).context("the file cannot be copied")?;
    let len = file.metadata()?.len().max(4096);
    file.set_len(len)?;

    let map = Map::load(&copy, Private, perms::Read)?;
    types.push(type_name_of_val(&map));
    let mut byte = [0];
    map.read_at(0, &mut byte)?;
    file.set_len(0)?;
    match map.read_at(0, &mut byte) {
        Err(fault) => println!("truncated: {fault}"),
        Ok(()) => {
            anyhow::bail!("a page of a file that was truncated to nothing could still be read")
        }
    }
    Ok(())
}
