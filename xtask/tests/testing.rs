//! Tests of what the tests of every crate share.

#[path = "../../testing/mod.rs"]
mod testing;

use std::fs;
use std::os::unix::process::ExitStatusExt;

use testing::{append_skip, in_child, libtest_name, rerun_as_child, test_name};

#[test]
fn a_test_knows_its_name() {
    assert_eq!(test_name!(), "a_test_knows_its_name");
    let name = || test_name!();
    assert_eq!(name(), "a_test_knows_its_name");
    assert_eq!(
        libtest_name("it::map::moves::{{closure}}::{{closure}}::here"),
        "map::moves"
    );
}

#[test]
fn a_child_runs_its_own_block() {
    let aborted = in_child!({ std::process::abort() });
    let panicked = in_child!({ panic!("as it should") });
    let finished = in_child!({ assert!(std::env::var_os("MMARINUS_CHILD").is_some()) });
    assert_eq!(aborted.signal(), Some(6));
    assert_eq!(panicked.code(), Some(101));
    assert_eq!(finished.code(), Some(0));
}

#[test]
fn a_child_without_a_test_is_no_success() {
    let status = std::panic::catch_unwind(|| rerun_as_child("no_such_test", "here:1:1"));
    assert!(status.is_err());
}

#[test]
fn a_skip_is_one_line() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    append_skip(file.path(), "map::moves", "needs a\nnewer kernel");
    append_skip(file.path(), "map::stays", "needs root");
    let text = fs::read_to_string(file.path()).expect("what was appended");
    let binary = std::env::current_exe().expect("the path of this test");
    let binary = binary.display();
    let expected =
        format!("{binary}\tmap::moves\tneeds a newer kernel\n{binary}\tmap::stays\tneeds root\n");
    assert_eq!(text, expected);
}
