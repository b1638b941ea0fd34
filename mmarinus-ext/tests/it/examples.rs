//! The examples, run as programs of their own on real input.

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
