//! The examples, run as programs of their own on real input.

use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::testing::skip;

/// An example as it was built beside this test; none if only the tests were built.
fn built(name: &str) -> Option<PathBuf> {
    let test = std::env::current_exe().expect("the path of this test binary");
    let example = test.parent()?.parent()?.join("examples").join(name);
    example.exists().then_some(example)
}

/// Runs an example to its end.
fn run(example: &PathBuf, args: &[&str]) -> Output {
    let output = Command::new(example).args(args).output();
    output.expect("an example can be started")
}

#[test]
fn share() {
    let Some(share) = built("share") else {
        skip!("the examples are not built here");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    // More than the ring holds comes back.
    let lines = (0..20_000).map(|line| match line % 3 {
        0 => format!("line {line} has a needle in it\n"),
        _ => format!("line {line} is hay\n"),
    });
    let text: String = lines.collect();
    std::fs::write(&path, &text).unwrap();
    let needles = text.lines().filter(|line| line.contains("needle"));
    let expected: String = needles.map(|line| format!("{line}\n")).collect();
    assert!(expected.len() > 1 << 16);

    let output = run(&share, &[path.to_str().unwrap(), "needle"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rest = said
        .strip_prefix(&expected)
        .expect("the lines with the word");
    let told = format!("6667 lines of {} bytes, searched by process ", text.len());
    assert!(rest.starts_with(&told), "{rest}");

    let none = run(&share, &[path.to_str().unwrap(), "absent"]);
    assert!(none.status.success() && none.stdout.starts_with(b"0 lines"));
    for args in [&["/nonexistent", "word"][..], &["one"]] {
        let failed = run(&share, args);
        assert!(!failed.status.success() && failed.stderr.starts_with(b"share: "));
    }
}

/// Runs an example to its end, with the bytes of a file as its input.
fn run_with_input(example: &PathBuf, args: &[&str], input: &[u8]) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    let mut command = Command::new(example);
    let output = command.args(args).stdin(file).output();
    output.expect("an example can be started")
}

#[test]
fn log() {
    let Some(log) = built("log") else {
        skip!("the examples are not built here");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let path = path.to_str().unwrap();
    // More than the steps in which memory is committed.
    let lines: Vec<String> = (0..100_000).map(|line| format!("event {line}")).collect();
    let text = lines.join("\n") + "\n";
    let first = run_with_input(&log, &[path, "event 77777"], text.as_bytes());
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );
    let told = format!("100000 records, {} bytes of them new\n", text.len());
    let expected = format!("77777: event 77776\n77778: event 77777\n{told}");
    assert_eq!(String::from_utf8_lossy(&first.stdout), expected);
    assert_eq!(std::fs::read(path).unwrap(), text.as_bytes());

    // A crash tore the last record: it is gone, and the next one stands in its place.
    let torn = format!("{text}half of a rec");
    std::fs::write(path, &torn).unwrap();
    let second = run_with_input(&log, &[path, "over"], b"\nstarted over");
    let expected = "100001: \n100002: started over\n100002 records, 14 bytes of them new\n";
    assert_eq!(String::from_utf8_lossy(&second.stdout), expected);
    let whole = format!("{text}\nstarted over\n");
    assert_eq!(std::fs::read(path).unwrap(), whole.as_bytes());

    // Nothing new; the first record has none before it.
    let third = run_with_input(&log, &[path, "event 0"], b"");
    let expected = "1: event 0\n100002 records, 0 bytes of them new\n";
    assert_eq!(String::from_utf8_lossy(&third.stdout), expected);

    let folder = folder.path().to_str().unwrap();
    for args in [&[folder, "word"][..], &["one"]] {
        let failed = run_with_input(&log, args, b"");
        assert!(!failed.status.success() && failed.stderr.starts_with(b"log: "));
    }
}
