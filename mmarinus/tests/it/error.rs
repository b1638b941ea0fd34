//! Errors: what they say, what they become, and the map in them.

use core::error::Error as _;
use std::fs::File;

use mmarinus::{Errno, Error, Fault, Map, Shared, perms};

use crate::common::{anonymous, disk_file, page, shared};

/// Errors of many calls, with what each must say.
fn errors() -> Vec<(Error, Errno, &'static str, Vec<&'static str>)> {
    use core::sync::atomic::{AtomicU16, AtomicU64};
    let directory = File::open("/").unwrap();
    let zero = File::open("/dev/zero").unwrap();
    let file = disk_file(10);
    let taken = anonymous(page());
    let words = shared(page());
    words.atomics::<AtomicU16>(0..2).unwrap();
    vec![
        (
            Map::bytes(usize::MAX)
                .anonymously()
                .with(perms::Read)
                .unwrap_err(),
            Errno::NOMEM,
            "mmap",
            vec![
                "mmap of 18446744073709551615 bytes failed",
                "ENOMEM",
                "isize::MAX",
                "fewer",
            ],
        ),
        (
            Map::bytes(1)
                .at(taken.addr())
                .anonymously()
                .with(perms::Read)
                .unwrap_err(),
            Errno::EXIST,
            "mmap",
            vec!["EEXIST", " at 0x", "something is mapped there", "near"],
        ),
        (
            Map::bytes(1)
                .from(&directory, 0)
                .with(perms::Read)
                .unwrap_err(),
            Errno::ISDIR,
            "mmap",
            vec!["EISDIR (is a directory)", "name a file"],
        ),
        (
            Map::bytes(1).from(&zero, 0).with(perms::Read).unwrap_err(),
            Errno::NODEV,
            "mmap",
            vec!["ENODEV", "character device", ".from_device"],
        ),
        (
            Map::bytes(1)
                .from(&file, u64::MAX)
                .with(perms::Read)
                .unwrap_err(),
            Errno::OVERFLOW,
            "mmap",
            vec!["EOVERFLOW", "2^63 - 1", "smaller offset"],
        ),
        (
            Map::bytes(2 * page())
                .from(&file, 0)
                .populate()
                .with(perms::Read)
                .unwrap_err(),
            Errno::FAULT,
            "madvise",
            vec!["populating", "EFAULT", "extend the file"],
        ),
        (
            taken.split(1).unwrap_err().without_map(),
            Errno::INVAL,
            "split",
            vec!["split at byte 1 of a map at 0x", "EINVAL", "page_size()"],
        ),
        (
            words.view(9..usize::MAX).unwrap_err(),
            Errno::INVAL,
            "view",
            vec![
                "the range of bytes 9..18446744073709551615",
                "EINVAL",
                "start before it ends",
            ],
        ),
        (
            words.atomics::<AtomicU64>(4..12).unwrap_err(),
            Errno::INVAL,
            "atomics",
            vec![
                "for an atomic of 8 bytes",
                "multiple of its size",
                "move the range",
            ],
        ),
        (
            words.atomics::<AtomicU64>(0..12).unwrap_err(),
            Errno::INVAL,
            "atomics",
            vec!["taking 12 bytes for atomics of 8", "whole number"],
        ),
        (
            words.atomics::<AtomicU64>(..).unwrap_err(),
            Errno::INVAL,
            "atomics",
            vec!["whose atomics have 2 bytes", "must not race"],
        ),
    ]
}

#[test]
fn errors_say_what_failed_why_and_what_to_do() {
    for (error, errno, operation, words) in errors() {
        let text = error.to_string();
        assert_eq!(
            (error.errno(), error.operation()),
            (errno, operation),
            "{text}"
        );
        for word in words {
            if usize::BITS < 64 && word.contains("18446744073709551615") {
                continue;
            }
            assert!(text.contains(word), "{text:?} does not say {word:?}");
        }
        let hint = error.hint().to_string();
        assert!(
            !hint.is_empty() && text.ends_with(&hint),
            "{text:?} ends with the hint"
        );
        assert!(
            !text.contains('\n') && !text.contains("  ") && !text.ends_with('.'),
            "{text:?} is one sentence"
        );
        assert!(error.source().is_none());
    }
}

#[test]
fn debug_says_it_too() {
    for (error, errno, operation, _) in errors() {
        let text = format!("{error:?}");
        assert!(text.contains("Error") && text.contains(operation), "{text}");
        let name = error.to_string();
        let name = name.split(['(', ':']).find_map(|part| {
            part.split(' ')
                .find(|word| word.starts_with('E') && word.len() > 3)
        });
        assert!(
            text.contains(name.expect("the name of the errno")),
            "{text} {errno:?}"
        );
    }
    // Whatever the map is, it need not be `Debug` itself for `unwrap` to work.
    struct Silent;
    fn assert_debug<T: core::fmt::Debug + core::fmt::Display>() {}
    assert_debug::<Error<Silent>>();
}

#[test]
fn errors_go_anywhere() {
    fn assert_error<T: core::error::Error + Send + Sync + 'static>(error: T, words: &str) {
        // As a trait object it goes to other threads and into other errors.
        let error: Box<dyn core::error::Error + Send + Sync> = Box::new(error);
        let text = std::thread::spawn(move || error.to_string())
            .join()
            .unwrap();
        assert!(text.contains(words), "{text}");
    }
    let file = disk_file(page());
    assert_error(
        Map::bytes(1)
            .at(0)
            .anonymously()
            .with(perms::Read)
            .unwrap_err(),
        "page 0",
    );
    assert_error(anonymous(page()).split(1).unwrap_err(), "page_size()");
    assert_error(shared(page()).split(1).unwrap_err(), "page_size()");
    let map = Map::bytes(1).from(&file, 0).with(perms::Read).unwrap();
    assert_error(map.read_at(5, &mut [0]).unwrap_err(), "lie in the map");
    assert_error(map.split(1).unwrap_err(), "page_size()");
}

#[test]
fn a_question_mark_makes_other_errors_of_it() {
    fn ours() -> Result<(), Error> {
        let map = anonymous(2 * page());
        let (_one, _two) = map.split(1)?;
        Ok(())
    }
    fn ours_of_a_fault() -> Result<(), Error> {
        anonymous(1).read_at(2, &mut [0])?;
        Ok(())
    }
    fn anyhow() -> anyhow::Result<()> {
        let map =
            shared(page()).reprotect(perms::Unknown(mmarinus::ProtFlags::from_bits_retain(8)))?;
        map.read_at(0, &mut [0])?;
        Ok(())
    }
    fn boxed() -> Result<(), Box<dyn core::error::Error + Send + Sync>> {
        anonymous(1).read_at(usize::MAX, &mut [0])?;
        Ok(())
    }
    assert_eq!(ours().unwrap_err().operation(), "split");
    let error = ours_of_a_fault().unwrap_err();
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::INVAL, "process_vm_readv")
    );
    assert!(error.to_string().contains("lie in the map"), "{error}");
    assert!(
        anyhow()
            .unwrap_err()
            .downcast_ref::<Error<Map<perms::ReadWrite, Shared>>>()
            .is_some()
    );
    assert!(boxed().unwrap_err().downcast_ref::<Fault>().is_some());
}

#[cfg(feature = "std")]
#[test]
fn they_become_errors_of_io_with_the_same_errno() {
    fn of_new() -> std::io::Result<()> {
        drop(Map::load(
            "/does not exist",
            mmarinus::Private,
            perms::Read,
        )?);
        Ok(())
    }
    fn of_old() -> std::io::Result<()> {
        drop(anonymous(page()).split(3)?);
        Ok(())
    }
    fn of_fault() -> std::io::Result<()> {
        let file = disk_file(1);
        let map = Map::bytes(1).from(&file, page() as u64).with(perms::Read)?;
        map.read_at(0, &mut [0])?;
        Ok(())
    }
    let error = of_new().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert_eq!(
        of_old().unwrap_err().raw_os_error(),
        Some(Errno::INVAL.raw_os_error())
    );
    assert_eq!(
        of_fault().unwrap_err().raw_os_error(),
        Some(Errno::FAULT.raw_os_error())
    );
}

#[test]
fn the_map_is_in_the_error_or_dropped_with_it() {
    let status = crate::testing::in_child!({
        let map = anonymous(2 * page());
        let (addr, len) = map.pages();
        let error = map.split(1).unwrap_err();
        assert!(!crate::common::is_free(addr, len));
        let error: Error = error.into();
        assert!(
            crate::common::is_free(addr, len),
            "without a map in the error it is unmapped"
        );
        assert_eq!(error.into_map(), Some(()));
        let map = anonymous(2 * page());
        let (addr, len) = map.pages();
        drop(map.split(1));
        assert!(crate::common::is_free(addr, len));
    });
    assert!(status.success());
}

#[test]
fn faults_say_where_and_how_far() {
    let file = disk_file(3 * page());
    let mut map = Map::bytes(3 * page())
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    file.set_len(page() as u64).unwrap();
    let fault = map.read_at(10, &mut vec![0; 2 * page()]).unwrap_err();
    let text = fault.to_string();
    for word in [
        "reading from a map failed",
        &page().to_string(),
        "EFAULT",
        "truncated",
        "bytes were copied before",
    ] {
        assert!(text.contains(word), "{text}");
    }
    assert!(text.contains(&format!("({} bytes", page() - 10)), "{text}");
    assert!(format!("{fault:?}").contains("EFAULT"), "{fault:?}");
    let fault = map.write_at(page(), &[0]).unwrap_err();
    assert!(
        fault.to_string().contains("writing to a map failed"),
        "{fault}"
    );
    assert!(!fault.to_string().contains("copied before"), "{fault}");
    let same = map.write_at(page(), &[0]).unwrap_err();
    assert_eq!(fault, same);
    let error = Error::from(fault);
    assert_eq!(
        (error.errno(), error.operation()),
        (Errno::FAULT, "process_vm_writev")
    );
    assert!(
        error.to_string().contains(&format!("byte {}", page())),
        "{error}"
    );
}
