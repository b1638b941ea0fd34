//! `kvm`: the guest adds, through a port and through its memory.

use crate::testing::example::run;
use crate::testing::{needs, skip};

#[test]
fn a_guest_adds_two_numbers() {
    needs!(cargo);
    for (first, second) in [(2_u16, 3_u16), (0, 0), (300, 400), (0xffff, 2)] {
        let said = run("kvm", &[&first.to_string(), &second.to_string()]);
        let may_lack = [
            "kvm: /dev/kvm: it is missing: ",
            "kvm: /dev/kvm: it is not permitted: ",
            "kvm: the program of this guest is code for x86_64 alone",
        ];
        if may_lack.iter().any(|words| said.err.starts_with(words)) {
            said.complained("kvm: ");
            skip!("{}", said.err.trim());
        }
        let sum = first.wrapping_add(second);
        let printed = said.printed();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(
            lines[..2],
            [format!("port: {sum}"), format!("memory: {sum}")]
        );
        assert!(lines[2].ends_with("backing::Exposed>"), "{}", lines[2]);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn mistakes_are_sentences() {
    needs!(cargo);
    assert_eq!(run("kvm", &[]).code, Some(1));
    run("kvm", &[]).complained("which numbers?");
    run("kvm", &["2"]).complained("which numbers?");
    run("kvm", &["2", "three"]).complained("three is not a number of 16 bits");
    run("kvm", &["2", "65536"]).complained("65536 is not a number of 16 bits");
    run("kvm", &["2", "3", "/dev/no-such-device"]).complained("it is missing");
    run("kvm", &["2", "3", "/dev/null"]).complained("it is no device of KVM");
}
