//! `quickstart`: every way to map a file, on a file of this crate.

use crate::testing::example::run;
use crate::testing::needs;

#[test]
fn a_file_is_mapped_in_every_way() {
    needs!(cargo);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = std::fs::read(path).expect("the file that cargo has read");
    let printed = run("quickstart", &[path]).printed();
    let value = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {printed}"))
            .to_owned()
    };
    let hex: String = text[..32]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(value("bytes: "), hex);
    let lines = text.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(
        value("file: "),
        format!("{} bytes, {lines} lines", text.len())
    );
    assert!(value("private: ").contains("unchanged"));
    assert!(value("truncated: ").contains("EFAULT"));
}

#[test]
fn mistakes_are_sentences() {
    needs!(cargo);
    assert_eq!(run("quickstart", &[]).code, Some(1));
    run("quickstart", &[]).complained("which file?");
    run("quickstart", &["/no/such/file"]).complained("/no/such/file");
    run("quickstart", &["/"]).complained("directory");
    run("quickstart", &["/dev/null"]).complained("character device");
}
