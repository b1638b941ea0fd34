//! `smaps`: what it draws is what the kernel lists.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use svg::node::element::tag;
use svg::parser::Event;

use crate::testing::example::{example, run};
use crate::testing::needs;

#[test]
fn it_draws_what_the_kernel_lists() {
    needs!(cargo);
    let folder = tempfile::tempdir().expect("a folder");
    let picture = folder.path().join("picture.svg");
    let mut command = example("smaps");
    command.arg(&picture).arg("wait");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example can be started");
    let mut drawn = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        drawn.push(line.expect("text"));
        if drawn
            .last()
            .is_some_and(|line| line.contains(" mappings, "))
        {
            break;
        }
    }
    let listed = fs::read_to_string(format!("/proc/{}/maps", child.id())).expect("a list of maps");
    drop(child.stdin.take());
    assert!(child.wait().expect("an end").success());

    let sum = drawn.pop().expect("a sum");
    assert!(
        sum.starts_with(&format!("{} mappings, 1 TiB", drawn.len())),
        "{sum}"
    );
    // The heap and what the printing needs may have changed since; maps of files and those of this program have not.
    let ends = |line: &str| -> Option<(usize, usize)> {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some((
            usize::from_str_radix(start, 16).ok()?,
            usize::from_str_radix(end, 16).ok()?,
        ))
    };
    let places: Vec<_> = drawn.iter().filter_map(|line| ends(line)).collect();
    assert_eq!(places.len(), drawn.len());
    assert!(
        places.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{drawn:#?}"
    );
    let mut of_files = 0;
    for line in listed.lines().filter(|line| line.contains('/')) {
        let found = drawn.iter().find(|drawn| ends(drawn) == ends(line));
        let found = found.unwrap_or_else(|| panic!("{line} is not drawn"));
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(found.split_whitespace().nth(1), Some(words[1]));
        assert!(found.contains(words[5]), "{found}");
        of_files += 1;
    }
    assert!(of_files > 3);
    assert!(
        drawn
            .iter()
            .any(|line| line.contains("---p     1 TiB       0 B ........")),
        "{drawn:#?}"
    );
    // Other memory of no file may lie right beside it, and is then part of the same mapping.
    let is_quarter = |line: &String| {
        ends(line).is_some_and(|(start, end)| end - start >= 4 << 20)
            && line.contains("rw-p")
            && line.contains(" ##......")
    };
    assert!(drawn.iter().any(is_quarter), "{drawn:#?}");

    let mut text = String::new();
    let bars = svg::open(&picture, &mut text)
        .expect("a picture")
        .filter(|event| {
            matches!(event, Event::Tag(tag::Rectangle, _, attributes)
            if attributes.get("class").is_some_and(|class| **class == *"mapping"))
        });
    assert_eq!(bars.count(), drawn.len());
}

#[test]
fn mistakes_are_sentences() {
    needs!(cargo);
    run("smaps", &["/no/such/folder/picture.svg"])
        .complained("/no/such/folder/picture.svg cannot be written");
    assert_eq!(run("smaps", &["/"]).code, Some(1));
    run("smaps", &["/"]).complained("/ cannot be written");
}
