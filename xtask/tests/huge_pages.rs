//! Tests of how `cargo xtask test` keeps huge pages, with a folder that stands for the kernel's pool.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A pool of 7 pages, 3 of which are free.
fn pool() -> tempfile::TempDir {
    let pool = tempfile::tempdir().expect("a folder");
    fs::write(pool.path().join("nr_hugepages"), "7\n").expect("room");
    fs::write(pool.path().join("free_hugepages"), "3\n").expect("room");
    pool
}

fn number(pool: &Path) -> u64 {
    let text = fs::read_to_string(pool.join("nr_hugepages")).expect("a number");
    text.trim().parse().expect("a number")
}

fn keeper(pool: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("keep-huge-pages")
        .arg(pool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a keeper");
    let output = keeper.stdout.take().expect("its output");
    (keeper, BufReader::new(output).lines())
}

fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    lines.next().expect("a line").expect("text")
}

/// Ends a keeper as the end of its run does.
fn end(mut keeper: Child) {
    drop(keeper.stdin.take());
    assert!(keeper.wait().expect("its end").success());
}

#[test]
fn pages_are_kept_and_given_back() {
    let pool = pool();
    let (one, mut lines) = keeper(pool.path());
    let said = line(&mut lines);
    assert!(said.starts_with("kept: 32 huge pages"), "{said}");
    assert_eq!(number(pool.path()), 7 + 29);
    end(one);
    assert_eq!(number(pool.path()), 7);
}

#[test]
fn a_second_run_waits_for_the_first() {
    let pool = pool();
    let (one, mut lines) = keeper(pool.path());
    line(&mut lines);
    let (two, mut more_lines) = keeper(pool.path());
    let said = line(&mut more_lines);
    assert!(said.starts_with("waiting "), "{said}");
    assert_eq!(number(pool.path()), 7 + 29);
    end(one);
    assert!(line(&mut more_lines).starts_with("kept: 32 "));
    assert_eq!(number(pool.path()), 7 + 29);
    end(two);
    assert_eq!(number(pool.path()), 7);
}

#[test]
fn what_others_changed_meanwhile_stays_changed() {
    let pool = pool();
    let (one, mut lines) = keeper(pool.path());
    line(&mut lines);
    fs::write(pool.path().join("nr_hugepages"), "136").expect("room");
    end(one);
    assert_eq!(number(pool.path()), 136 - 29);
}

#[test]
fn without_a_pool_nothing_is_kept() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let (mut one, mut lines) = keeper(nowhere.path());
    assert!(lines.next().is_none());
    assert!(!one.wait().expect("its end").success());
}
