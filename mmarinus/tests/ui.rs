//! What must not compile: each forbidden move is a file in `ui`, and what the compiler says to it stands beside it.
//!
//! The words are the compiler's as well as ours, and change with it; so they are held against one version of it alone.

use std::process::Command;
use std::{env, fs};

#[path = "../../testing/mod.rs"]
mod testing;

use testing::skip;

/// The compiler whose words stand in the `.stderr` files.
const RUSTC: &str = "rustc 1.95.";

/// The folders of forbidden moves.
const FOLDERS: [&str; 3] = ["tests/ui", "tests/ui/supply", "tests/ui/typed"];

/// What the traits say where one of them is missing. A bound in the wrong place would silence it.
const OURS: [&str; 21] = [
    "` is not made of atomics alone",
    "` is not mapped twice",
    "` does not go back to what stands behind it",
    "` is not a set of permissions",
    "` are only known at run time",
    "` is not known to be readable",
    "` is not known to be writable",
    "` cannot be read",
    "` cannot be written",
    "` cannot stand behind a `",
    "this is only for memory of no file, not for `",
    "` has no name of its own",
    "touching a `",
    "there are no atomics through `&self` on a `",
    "there is no slice of a `",
    "` is not written through a shared view",
    "safe code does not write a `",
    "` is not an atomic integer",
    "a mirror of `",
    "`unsafe { map.assume_stable() }` promises",
    "`unsafe { map.assume_present() }` promises",
];

/// What the compiler that cargo uses says of itself.
fn rustc_version() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-V")
        .output()
        .expect("the compiler that built this test");
    String::from_utf8(output.stdout).expect("a version in ASCII")
}

#[test]
fn forbidden_moves_do_not_compile() {
    let version = rustc_version();
    if !version.starts_with(RUSTC) {
        skip!("the expected words are those of {RUSTC}x, this is {version}");
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    #[cfg(feature = "std")]
    cases.compile_fail("tests/ui/supply/*.rs");
    #[cfg(feature = "zerocopy")]
    cases.compile_fail("tests/ui/typed/*.rs");
}

#[test]
fn each_forbidden_move_has_its_words_and_ours_are_among_them() {
    let mut said = String::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(folder).expect("a folder of forbidden moves") {
            let path = entry.expect("an entry").path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => {
                    let words = fs::read_to_string(path.with_extension("stderr"));
                    said += &words.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                }
                Some("stderr") => {
                    assert!(path.with_extension("rs").exists(), "{}", path.display());
                }
                _ => assert!(path.is_dir(), "{}", path.display()),
            }
        }
    }
    for words in OURS {
        assert!(said.contains(words), "nobody is told: {words}");
    }
}
