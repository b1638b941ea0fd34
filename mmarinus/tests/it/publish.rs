//! Code in maps: written, published, and run; beside threads that run it.

use mmarinus::backing::SizeSealed;
use mmarinus::{Errno, Map, Shared, perms};
use rustix::fs::{SealFlags, fcntl_add_seals};

use crate::common::{anonymous, memory_file, page};
use crate::raw;
use crate::testing::skip;

/// A function that returns a number below 2^16, in machine code.
fn code(number: u16) -> Option<Vec<u8>> {
    if cfg!(target_arch = "x86_64") {
        let [low, high] = number.to_le_bytes();
        return Some(vec![0xb8, low, high, 0, 0, 0xc3]); // mov eax, number; ret
    }
    if cfg!(target_arch = "aarch64") {
        let mov = 0x5280_0000_u32 | u32::from(number) << 5; // mov w0, number
        return Some([mov.to_le_bytes(), 0xd65f_03c0_u32.to_le_bytes()].concat()); // ret
    }
    None
}

#[test]
fn code_is_written_then_run() {
    let Some(bytes) = code(42) else {
        skip!("no machine code for this architecture");
    };
    let mut map = anonymous(page());
    map[..bytes.len()].copy_from_slice(&bytes);
    let map = map.reprotect(perms::ReadExecute).unwrap();
    map.publish(..bytes.len()).unwrap();
    assert_eq!(raw::call(map.as_ptr()), 42);
    map.publish(0..0).unwrap();
    assert_eq!(map.publish(..=page()).unwrap_err().errno(), Errno::INVAL);
}

/// One page of a memory file as two maps: one to write code to, and one to run it from.
#[expect(clippy::type_complexity, reason = "two maps are said in full")]
fn two_maps() -> Result<
    (
        Map<perms::ReadWrite, Shared, SizeSealed>,
        Map<perms::ReadExecute, Shared, SizeSealed>,
    ),
    String,
> {
    if code(0).is_none() {
        return Err("no machine code for this architecture".to_owned());
    }
    let file = memory_file(page());
    fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    let request = || {
        Map::bytes(page())
            .from_size_sealed(&file, 0)
            .with_kind(Shared)
    };
    // Refused where memory may not be overcommitted.
    let write = request()
        .with(perms::ReadWrite)
        .map_err(|error| error.to_string())?;
    Ok((write, request().with(perms::ReadExecute).unwrap()))
}

#[test]
fn two_maps_of_one_file_never_let_a_page_be_written_and_run_by_one() {
    let (write, run) = match two_maps() {
        Ok(maps) => maps,
        Err(why) => skip!("{why}"),
    };
    for number in [1, 7, 0xffff] {
        write
            .view(..)
            .unwrap()
            .write_at(0, &code(number).unwrap())
            .unwrap();
        run.publish(..16).unwrap();
        assert_eq!(raw::call(run.as_ptr()), i32::from(number));
    }
}

#[test]
fn other_threads_run_what_was_published() {
    use core::sync::atomic::{AtomicU16, Ordering};
    let (write, run) = match two_maps() {
        Ok(maps) => maps,
        Err(why) => skip!("{why}"),
    };
    let published = AtomicU16::new(0);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut last = 0;
            while last < 50 {
                let number = published.load(Ordering::Acquire);
                if number > last {
                    // Functions are appended, so this one stays as it is.
                    let function = run.as_ptr().wrapping_add(usize::from(number) * 16);
                    assert_eq!(raw::call(function), i32::from(number));
                    last = number;
                }
                std::thread::yield_now();
            }
            last
        });
        for number in 1..=50 {
            let offset = usize::from(number) * 16;
            write
                .view(..)
                .unwrap()
                .write_at(offset, &code(number).unwrap())
                .unwrap();
            run.publish(offset..offset + 16).unwrap();
            published.store(number, Ordering::Release);
        }
        assert_eq!(other.join().unwrap(), 50);
    });
}

#[test]
fn landing_pads_are_those_of_aarch64() {
    let map = anonymous(page()).reprotect(perms::ReadExecute).unwrap();
    match map.branch_protected() {
        Ok(map) => assert_eq!(
            map.permissions(),
            mmarinus::ProtFlags::READ | mmarinus::ProtFlags::EXEC
        ),
        Err(error) => {
            assert!(
                [Errno::OPNOTSUPP, Errno::INVAL].contains(&error.errno()),
                "{error}"
            );
            assert_eq!(error.into_map().unwrap()[0], 0);
        }
    }
}
