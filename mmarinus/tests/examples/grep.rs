//! `grep`: the answers of `grep` itself, on real files; and files that are truncated while they are searched.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::testing::example::{Said, example, run};
use crate::testing::{needs, skip};

/// What an example or `grep` printed, line by line in some order, and its code.
fn sorted(output: Output) -> (Option<i32>, Vec<Vec<u8>>) {
    let mut lines: Vec<Vec<u8>> = output
        .stdout
        .split(|&byte| byte == b'\n')
        .map(Vec::from)
        .collect();
    lines.sort();
    (output.status.code(), lines)
}

/// Compares with what `grep` says.
fn compare(kind: &str, pattern: &str, path: &str) -> usize {
    let theirs = Command::new("grep")
        .args(["-arnH", kind, "-e", pattern, path])
        .env("LC_ALL", "C")
        .output()
        .expect("grep can be started");
    let mut ours = example("grep");
    if kind == "-F" {
        ours.arg("-F");
    }
    let ours = ours
        .args([pattern, path])
        .output()
        .expect("the example can be started");
    assert_eq!(String::from_utf8_lossy(&ours.stderr), "");
    let (ours, theirs) = (sorted(ours), sorted(theirs));
    assert_eq!(ours.1.len(), theirs.1.len(), "{kind} {pattern} in {path}");
    assert!(ours == theirs, "{kind} {pattern} in {path}: other lines");
    ours.1.len() - 1
}

#[test]
fn it_finds_what_grep_finds() {
    needs!(cargo);
    if Command::new("grep").arg("-V").output().is_err() {
        skip!("there is no grep here");
    }
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    assert!(compare("-F", "unsafe", sources) > 100);
    assert!(compare("-F", "fn ", tests) > 100);
    assert!(compare("-F", "", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")) > 10);
    assert!(compare("-F", ".*[", sources) < 10);
    assert!(compare("-E", "^(pub )?(unsafe )?fn [a-z_]+\\(", sources) > 10);
    assert!(compare("-E", "0x[0-9a-f]+", tests) > 10);
    assert_eq!(
        compare("-F", "no such words, whatever the file\u{2002}", sources),
        0
    );
    // Machine code, with lines of any length.
    let program = std::env::current_exe().expect("the path of this test");
    assert!(compare("-F", "grep", program.to_str().expect("a path")) > 0);
}

#[test]
fn the_edges_of_files_are_found() {
    needs!(cargo);
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("a file");
    write("empty", b"");
    write("no newline", b"a\nb\nword");
    write("only newlines", b"\n\n\n");
    write("page", &[b'w'; 4096]);
    // A line that lies across the end of a buffer of 64 KiB, and one that is longer than it.
    write(
        "across",
        &[
            vec![b'\n'; (64 << 10) - 2],
            b"word\n".to_vec(),
            vec![b'-'; 100_000],
            b"word".to_vec(),
        ]
        .concat(),
    );
    let path = folder.path().to_str().expect("a path");
    assert_eq!(compare("-F", "word", path), 3);
    assert!(compare("-E", "^$", path) > 60_000);
    assert_eq!(compare("-F", "www", path), 1);
}

/// Starts a search whose output nobody reads, so that it stops in the middle of the first file; truncates that file; and reads
/// what the search says then.
fn search_truncated(len: u64) -> (Said, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (large, other) = (folder.path().join("large"), folder.path().join("other"));
    let lines = 300_000;
    let text: String = (0..lines)
        .map(|line| format!("the needle of line {line}\n"))
        .collect();
    fs::write(&large, text).expect("a file");
    fs::write(&other, "another needle\n").expect("a file");

    let mut command = example("grep");
    command.args(["-F", "needle"]).args([&large, &other]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example can be started");
    let mut out = BufReader::with_capacity(16, child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    out.read_line(&mut first).expect("a line");
    assert!(first.ends_with("large:1:the needle of line 0\n"), "{first}");
    // The pipe is full long before the file ends.
    File::options()
        .write(true)
        .open(&large)
        .and_then(|file| file.set_len(len))
        .expect("a file");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("lines");
    let mut said = Said::from(child.wait_with_output().expect("an end"));
    said.out = first + &rest;
    (said, lines)
}

#[test]
fn a_file_that_is_truncated_is_an_error_and_the_search_goes_on() {
    needs!(cargo);
    // To nothing, to whole pages, and to what ends within a page.
    for len in [0, 1 << 20, (1 << 20) + 5] {
        let (said, lines) = search_truncated(len);
        assert_eq!((said.code, said.signal), (Some(2), None), "{said:?}");
        said.complained("large: it was truncated while it was searched");
        let found: Vec<&str> = said.out.lines().collect();
        assert!(
            found.len() < lines,
            "the file was searched before it was truncated"
        );
        assert!(
            found
                .last()
                .is_some_and(|line| line.ends_with("other:1:another needle"))
        );
        for (line, text) in found[..found.len() - 1].iter().enumerate() {
            let number = line + 1;
            assert!(
                text.ends_with(&format!("large:{number}:the needle of line {line}")),
                "{text}"
            );
        }
    }
}

#[test]
fn its_codes_are_those_of_grep() {
    needs!(cargo);
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    assert_eq!(run("grep", &["-F", "unsafe", sources]).code, Some(0));
    let nothing = run("grep", &["-F", "\u{2002}", sources]);
    assert_eq!(
        (nothing.code, nothing.out.as_str(), nothing.err.as_str()),
        (Some(1), "", "")
    );
    assert_eq!(run("grep", &["unsafe"]).code, Some(2));
}

#[test]
fn mistakes_are_sentences() {
    needs!(cargo);
    run("grep", &[]).complained("what, and where?");
    run("grep", &["-F"]).complained("what, and where?");
    run("grep", &["word"]).complained("what, and where?");
    run("grep", &["word", "/no/such/file"]).complained("/no/such/file: No such file");
    run("grep", &["word", "/dev/null"]).complained("/dev/null: ");
    run("grep", &["word", "/proc/self/status"]).complained("/proc/self/status: ");
    let said = run("grep", &["(", "/etc/passwd"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("unclosed group"), "{}", said.err);
}

#[test]
fn a_file_that_may_not_be_read_is_an_error() {
    needs!(cargo, root);
    // Nobody may run the example where it was built, perhaps.
    let folder = tempfile::tempdir().expect("a folder");
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("permissions")
    };
    let program = folder.path().join("program");
    fs::copy(example("grep").get_program(), &program).expect("a copy");
    allow(folder.path(), 0o755);
    allow(&program, 0o755);
    let files = folder.path().join("files");
    fs::create_dir(&files).expect("a folder");
    for (name, mode) in [("open", 0o644), ("closed", 0o600)] {
        let path = files.join(name);
        File::create(&path)
            .and_then(|mut file| file.write_all(b"a word\n"))
            .expect("a file");
        allow(&path, mode);
    }
    allow(&files, 0o755);
    let output = Command::new(&program)
        .arg("word")
        .arg(&files)
        .uid(65534)
        .output();
    let said = Said::from(output.expect("the example can be started"));
    assert_eq!(said.out, format!("{}/open:1:a word\n", files.display()));
    said.complained("closed: Permission denied");
}
