//! Tests of what the tests of every crate share.

#[path = "../../testing/mod.rs"]
mod testing;

use std::fs;
use std::os::unix::process::ExitStatusExt;

use testing::{
    append_skip, features, in_child, libtest_name, needs, rerun_as_child, skip, test_name,
};

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

#[test]
fn a_feature_is_required_by_its_name_or_by_the_kernel() {
    let (mseal, pkeys, version) = (
        features::mseal(),
        features::pkeys(),
        features::linux("6.10"),
    );
    assert!(mseal.is_required_by("root,mseal", (6, 1)));
    assert!(mseal.is_required_by("kernel", (6, 10)));
    assert!(!mseal.is_required_by("kernel", (6, 9)));
    assert!(!mseal.is_required_by("", (7, 0)));
    assert!(pkeys.is_required_by("kernel,pkeys", (5, 10)));
    assert!(!pkeys.is_required_by("kernel,pkeys2", (7, 0)));
    assert!(!version.is_required_by("kernel", (7, 0)));
}

#[test]
fn a_test_goes_on_where_its_needs_are_met() {
    needs!(linux = "2.6", linux = "5.0");
    let lacking = features::linux("999.0");
    assert!(!lacking.is_there);
    let why = testing::lacks("a_test", &lacking);
    assert_eq!(why.as_deref(), Some("needs Linux 999.0"));
}

#[test]
fn what_is_required_is_not_skipped() {
    if features::shadow_stack().is_there {
        skip!("this machine lacks nothing that could be asked for");
    }
    // The child of a test that needs what is missing, run where it is required.
    let child = std::process::Command::new(std::env::current_exe().expect("the path of this test"))
        .args(["--exact", "needs_a_shadow_stack"])
        .env("MMARINUS_REQUIRED", "root,shadow_stack")
        .env("MMARINUS_SKIPPED", "/dev/null")
        .output()
        .expect("a child process can be started");
    let printed = String::from_utf8_lossy(&child.stdout);
    assert_eq!(child.status.code(), Some(101), "{printed}");
    assert!(
        printed.contains("MMARINUS_REQUIRED says that shadow_stack is there"),
        "{printed}"
    );
}

#[test]
fn needs_a_shadow_stack() {
    needs!(shadow_stack);
    assert!(features::shadow_stack().is_there);
}
