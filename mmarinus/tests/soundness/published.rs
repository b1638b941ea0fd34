//! Code that is written, published and run, again and again over the same pages, by the thread that wrote it and by another.
#![forbid(unsafe_code)]

use std::thread;

use mmarinus::{Map, perms};

use crate::common::page;
use crate::raw;
use crate::testing::{skip, sound, times};

/// A function that gives this number.
fn code(number: u16) -> Option<Vec<u8>> {
    if cfg!(target_arch = "x86_64") {
        // mov eax, number; ret
        let mut code = vec![0xb8];
        code.extend(u32::from(number).to_le_bytes());
        code.push(0xc3);
        return Some(code);
    }
    if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
        // movz w0, number; ret
        let movz = 0x5280_0000 | u32::from(number) << 5;
        return Some([movz.to_le_bytes(), 0xd65f_03c0_u32.to_le_bytes()].concat());
    }
    None
}

#[test]
fn each_core_runs_what_was_written_last() {
    if code(0).is_none() {
        skip!("the test knows no code for this CPU");
    }
    sound!({
        let mut map = Map::bytes(page())
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap();
        for number in 0..times(300) as u16 {
            let code = code(number).expect("it was looked at above");
            map[..code.len()].copy_from_slice(&code);
            let runs = map.reprotect(perms::ReadExecute).unwrap();
            runs.publish(..).unwrap();
            let address = runs.as_ptr();
            assert_eq!(raw::call(address), i32::from(number));
            let address = address.expose_provenance();
            let other =
                thread::spawn(move || raw::call(core::ptr::with_exposed_provenance(address)));
            assert_eq!(other.join().unwrap(), i32::from(number));
            map = runs.reprotect(perms::ReadWrite).unwrap();
        }
    });
}
