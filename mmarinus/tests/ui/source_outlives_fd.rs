//! A source does not outlive its file.

use std::fs::File;

use mmarinus::Source;

fn source<'a>(file: File) -> Source<'a> {
    Source::of(&file).unwrap()
}

fn dropped(file: File) -> u64 {
    let source = Source::device(&file).unwrap();
    drop(file);
    source.len()
}

fn main() {}
