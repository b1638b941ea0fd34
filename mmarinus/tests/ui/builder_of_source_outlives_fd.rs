//! A request does not outlive the file that its source was made of.

use std::fs::File;

use mmarinus::{Builder, Map, Private, Source, backing};

fn request<'a>(file: File) -> Builder<'a, Private, backing::File> {
    let source = Source::of(&file).unwrap();
    Map::whole(&source)
}

fn main() {}
