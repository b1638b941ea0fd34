//! `kv`: what was acknowledged is there, whatever happens to the process and to the end of the file.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::testing::example::{Said, example, run, run_with_input};
use crate::testing::{needs, skip, times};

/// A folder with a path in it where no file is yet.
fn new_file() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("store");
    let path = path.to_str().expect("a path").to_owned();
    (folder, path)
}

#[test]
fn what_is_set_is_there_for_the_next_process() {
    needs!(cargo);
    let (_folder, path) = new_file();
    assert_eq!(
        run("kv", &[&path, "set", "colour", "dark red"]).printed(),
        "ok\n"
    );
    assert_eq!(run("kv", &[&path, "set", "size", "1"]).printed(), "ok\n");
    assert_eq!(run("kv", &[&path, "set", "size", ""]).printed(), "ok\n");
    assert_eq!(run("kv", &[&path, "get", "colour"]).printed(), "dark red\n");
    assert_eq!(run("kv", &[&path, "get", "size"]).printed(), "\n");
    assert_eq!(
        run("kv", &[&path, "list"]).printed(),
        "colour dark red\nsize \n"
    );
    assert_eq!(run("kv", &[&path, "remove", "size"]).printed(), "ok\n");
    assert_eq!(
        run("kv", &[&path, "remove", "what is not there"]).printed(),
        "ok\n"
    );
    assert_eq!(run("kv", &[&path, "list"]).printed(), "colour dark red\n");
}

#[test]
fn the_file_grows() {
    needs!(cargo);
    let (_folder, path) = new_file();
    // Each value is longer than what the file grows by.
    let value = "v".repeat(1_300_000);
    let commands: String = (0..3)
        .map(|key| format!("set {key} {value}{key}\n"))
        .collect();
    let said = run_with_input("kv", &[&path], commands.as_bytes());
    assert_eq!(said.printed(), "ok\nok\nok\n");
    let expected: String = (0..3).map(|key| format!("{key} {value}{key}\n")).collect();
    assert!(run("kv", &[&path, "list"]).printed() == expected);
}

/// What a store holds after some changes.
type Model = BTreeMap<String, String>;

/// A change, as a line of input and on a model.
#[derive(Clone)]
struct Change {
    key: String,
    value: Option<String>,
}

impl Change {
    /// The nth of all changes: some keys many times, some removals, values of very different lengths.
    fn nth(n: usize) -> Self {
        let mixed = n.wrapping_mul(0x9e37_79b9).rotate_left(7) % 1000;
        let len = [3, 40, 500, 5_000, 30_000][mixed % 5];
        let value = format!("{n}-{}", "z".repeat(len));
        Self {
            key: format!("key{}", mixed % 17),
            value: Some(value).filter(|_| !mixed.is_multiple_of(7)),
        }
    }

    fn line(&self) -> String {
        match &self.value {
            Some(value) => format!("set {} {value}\n", self.key),
            None => format!("remove {}\n", self.key),
        }
    }

    fn apply(&self, model: &mut Model) {
        match &self.value {
            Some(value) => model.insert(self.key.clone(), value.clone()),
            None => model.remove(&self.key),
        };
    }
}

/// What a store lists.
fn list(path: &str) -> Model {
    let printed = run("kv", &[path, "list"]).printed();
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ').expect("a key and a value");
        (key.to_owned(), value.to_owned())
    };
    printed.lines().map(pair).collect()
}

fn start(path: &str) -> Child {
    let mut command = example("kv");
    command
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.spawn().expect("the example can be started")
}

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    needs!(cargo);
    let rounds = times(300);
    let (mut acknowledged, mut cut_short) = (0, 0);
    let mut n = 0;
    for file in 0..rounds.div_ceil(10) {
        // One file for some rounds, so that stores are opened that were recovered before.
        let (_folder, path) = new_file();
        let mut model = Model::new();
        for round in 0..10 {
            let changes: Vec<Change> = (n..n + 200).map(Change::nth).collect();
            n += changes.len();
            let input: String = changes.iter().map(Change::line).collect();
            let mut child = start(&path);
            let mut stdin = child.stdin.take().expect("a pipe");
            let writer = thread::spawn(move || stdin.write_all(input.as_bytes()).is_ok());
            // Killed at some time after the first answer: in the middle of a copy, of a `sync`, of growing.
            let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
            let mut answer = String::new();
            answers.read_line(&mut answer).expect("an answer");
            thread::sleep(Duration::from_micros(
                (file * 10 + round) as u64 * 7919 % 20_000,
            ));
            child.kill().expect("it can be killed");
            child.wait().expect("an end");
            answers.read_to_string(&mut answer).expect("answers");
            writer.join().expect("a thread");

            // The store is as after all acknowledged changes, and perhaps some that it had no time to acknowledge.
            let done = answer.matches("ok\n").count();
            changes[..done]
                .iter()
                .for_each(|change| change.apply(&mut model));
            let found = list(&path);
            let mut more = changes[done..].iter();
            while model != found {
                let change = more.next().unwrap_or_else(|| {
                    panic!("{done} changes were acknowledged in round {round}, and lost")
                });
                change.apply(&mut model);
            }
            acknowledged += done;
            cut_short += usize::from(done < changes.len());
        }
    }
    assert!(
        acknowledged > rounds,
        "{acknowledged} changes were acknowledged"
    );
    assert!(
        cut_short > rounds / 2,
        "{cut_short} of {rounds} were killed while they worked"
    );
}

/// The length of the log in a file: what follows is zeros.
fn log_len(file: &[u8]) -> usize {
    file.iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1)
}

#[test]
fn a_record_that_is_torn_anywhere_is_found() {
    needs!(cargo);
    let (_folder, path) = new_file();
    run("kv", &[&path, "set", "first", "one"]).printed();
    let before = fs::read(&path).expect("the file");
    run("kv", &[&path, "set", "second", "two!"]).printed();
    let after = fs::read(&path).expect("the file");
    let record = log_len(&before)..log_len(&after);
    assert_eq!(record.len(), 12 + 6 + 4);
    for torn in record.clone() {
        for change in [|byte: u8| byte ^ 1, |byte: u8| byte ^ 0x80] {
            let mut file = after.clone();
            file[torn] = change(file[torn]);
            fs::write(&path, &file).expect("the file");
            assert_eq!(
                run("kv", &[&path, "list"]).printed(),
                "first one\n",
                "byte {torn}"
            );
            // What was torn is gone, so that it cannot end up behind a shorter record.
            assert!(fs::read(&path).expect("the file") == before, "byte {torn}");
        }
        // The storage had only the first bytes of it; or the file ends there.
        let mut file = after.clone();
        file[torn..].fill(0);
        fs::write(&path, &file).expect("the file");
        assert_eq!(
            run("kv", &[&path, "list"]).printed(),
            "first one\n",
            "from byte {torn}"
        );
        fs::write(&path, &after[..torn]).expect("the file");
        assert_eq!(
            run("kv", &[&path, "list"]).printed(),
            "first one\n",
            "cut at byte {torn}"
        );
        assert_eq!(run("kv", &[&path, "set", "third", "3"]).printed(), "ok\n");
        assert_eq!(
            run("kv", &[&path, "list"]).printed(),
            "first one\nthird 3\n"
        );
    }
}

#[test]
fn a_record_from_elsewhere_is_none() {
    needs!(cargo);
    let (_folder, path) = new_file();
    run("kv", &[&path, "set", "key", "old"]).printed();
    let mut file = fs::read(&path).expect("the file");
    run("kv", &[&path, "set", "key", "new"]).printed();
    // A copy of the first record behind it: its checksum is right, but for another place.
    let len = log_len(&file);
    file.copy_within(..len, len);
    fs::write(&path, &file).expect("the file");
    assert_eq!(run("kv", &[&path, "list"]).printed(), "key old\n");
    assert_eq!(log_len(&fs::read(&path).expect("the file")), len);
}

#[test]
fn a_file_that_is_no_store_is_an_empty_one_or_an_error() {
    needs!(cargo);
    // Lengths that lead past the end, and past all addresses.
    let (_folder, path) = new_file();
    fs::write(&path, [0xff; 5000]).expect("the file");
    assert_eq!(run("kv", &[&path, "list"]).printed(), "");
    fs::write(&path, [0; 5000]).expect("the file");
    assert_eq!(run("kv", &[&path, "list"]).printed(), "");
    fs::write(&path, [7; 5]).expect("the file");
    assert_eq!(run("kv", &[&path, "list"]).printed(), "");
}

#[test]
fn a_store_that_is_truncated_meanwhile_is_an_error() {
    needs!(cargo);
    let (_folder, path) = new_file();
    let mut child = start_with_error(&path);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"set a 1\n").expect("a command");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut answer = String::new();
    answers.read_line(&mut answer).expect("an answer");
    assert_eq!(answer, "ok\n");
    File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(0))
        .expect("the file");
    stdin.write_all(b"set b 2\n").expect("a command");
    drop(stdin);
    let said = Said::from(child.wait_with_output().expect("an end"));
    assert_eq!(said.signal, None);
    said.complained("EFAULT");
}

fn start_with_error(path: &str) -> Child {
    let mut command = example("kv");
    command
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the example can be started")
}

#[test]
fn one_process_at_a_time() {
    needs!(cargo);
    let (_folder, path) = new_file();
    let mut child = start(&path);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"set a 1\n").expect("a command");
    let mut answer = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe"))
        .read_line(&mut answer)
        .expect("an answer");
    run("kv", &[&path, "list"]).complained("another process has it open");
    drop(stdin);
    assert!(child.wait().expect("an end").success());
    assert_eq!(run("kv", &[&path, "list"]).printed(), "a 1\n");
}

#[test]
fn an_answer_comes_after_its_sync() {
    needs!(cargo);
    let (folder, path) = new_file();
    let trace = folder.path().join("trace");
    let program = example("kv");
    let traced = Command::new("strace")
        .args(["-e", "trace=process_vm_writev,msync,write,fallocate", "-o"])
        .arg(&trace)
        .arg(program.get_program())
        .args([&path, "set", "key", "value"])
        .output();
    let Ok(traced) = traced else {
        skip!("there is no strace here");
    };
    if traced.stdout != b"ok\n" {
        skip!(
            "strace does not trace here: {}",
            String::from_utf8_lossy(&traced.stderr)
        );
    }
    let trace = fs::read_to_string(&trace).expect("the list of calls");
    let calls: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.split_once('('))
        .map(|(call, _)| call)
        .collect();
    assert!(
        calls.ends_with(&[
            "process_vm_writev",
            "msync",
            "write",
            "+++ exited with 0 +++"
        ]) || calls.ends_with(&["process_vm_writev", "msync", "write"]),
        "{trace}"
    );
    assert!(trace.contains("MS_SYNC) = 0"), "{trace}");
    assert!(Path::new(&path).exists());
}

#[test]
fn mistakes_are_sentences() {
    needs!(cargo);
    let (_folder, path) = new_file();
    assert_eq!(run("kv", &[]).code, Some(1));
    run("kv", &[]).complained("which file?");
    run("kv", &["/no/such/folder/store", "list"]).complained("No such file");
    run("kv", &["/", "list"]).complained("kv: /: Is a directory");
    run("kv", &["/dev/null", "list"]).complained("kv: /dev/null: ");
    run("kv", &[&path, "get", "key"]).complained("there is no key");
    run("kv", &[&path, "put", "key"])
        .complained("what to do? set KEY VALUE | get KEY | remove KEY | list");
    run_with_input("kv", &[&path], b"set key\n").complained("what to do?");
    run_with_input("kv", &[&path], b"set \xff 1\n").complained("UTF-8");
}
