//! Protection keys: who may touch pages that carry one, and what happens to whom may not.

use core::panic::AssertUnwindSafe;
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;

use mmarinus::{Errno, Map, Pkey, perms};

use crate::common::{Vma, anonymous, bytes_of, file_map, page, patterned};
use crate::raw;
use crate::testing::{in_child, needs};

/// A key, where the machine has them.
fn key() -> Pkey {
    Pkey::alloc().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn without_keys_there_is_a_sentence() {
    let keys: Vec<_> = core::iter::repeat_with(Pkey::alloc).take(17).collect();
    let error = keys
        .into_iter()
        .find_map(Result::err)
        .expect("no CPU has 17 keys");
    assert!(
        [Errno::INVAL, Errno::NOSPC, Errno::NOSYS, Errno::OPNOTSUPP].contains(&error.errno()),
        "{error}"
    );
    assert!(error.to_string().contains("key"), "{error}");
}

#[test]
fn keys_are_taken_and_given_back() {
    needs!(pkeys);
    let status = in_child!({
        for _ in 0..100 {
            let key = key();
            drop(key.attach(anonymous(page())).unwrap());
        }
        let map = key_and_back(anonymous(3 * page() + 1));
        assert_eq!(map[3 * page()], 9);
    });
    assert!(status.success());
}

/// Gives a map a key, writes its last byte, and takes the key off again.
fn key_and_back(map: Map<perms::ReadWrite>) -> Map<perms::ReadWrite> {
    let key = key();
    let last = map.len() - 1;
    let mut keyed = key.attach(map).unwrap();
    assert_eq!((keyed.len(), keyed.is_empty()), (last + 1, false));
    // A number, which is read like a figure.
    assert_ne!(Vma::at(keyed.addr()).unwrap().bytes("ProtectionKey"), 0);
    key.scope(|access| access.write_at(&mut keyed, last, &[9]))
        .unwrap();
    keyed.detach().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn scopes_copy_and_close_again() {
    needs!(pkeys);
    let status = in_child!({
        let key = key();
        let mut keyed = key.attach(anonymous(2 * page())).unwrap();
        let mut bytes = [0; 5];
        key.scope(|access| {
            access.write_at(&mut keyed, page() - 2, b"hello").unwrap();
            // A scope inside gives no less, and leaves what there was.
            key.scope_read(|inner| inner.read_at(&keyed, page() - 2, &mut bytes))
                .unwrap();
            access.write_at(&mut keyed, 0, b"x").unwrap();
        });
        assert_eq!(&bytes, b"hello");
        let panicked = catch_unwind(AssertUnwindSafe(|| key.scope(|_| panic!("inside"))));
        assert!(panicked.is_err());
        key.scope_read(|access| {
            access.read_at(&keyed, 0, &mut bytes[..1]).unwrap();
            assert!(access.read_at(&keyed, 2 * page(), &mut bytes).is_err());
        });
        assert_eq!(&bytes[..1], b"x");

        let other = Pkey::alloc().unwrap();
        let fault = other
            .scope(|access| access.read_at(&keyed, 0, &mut bytes))
            .unwrap_err();
        assert_eq!(fault.errno(), Errno::INVAL, "{fault}");
        // Threads open the key for themselves.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut byte = [0];
                    key.scope_read(|access| access.read_at(&keyed, 0, &mut byte))
                        .unwrap();
                    assert_eq!(&byte, b"x");
                });
            }
        });
    });
    assert!(status.success());
}

#[test]
fn files_and_run_time_permissions_carry_keys_as_well() {
    needs!(pkeys);
    let status = in_child!({
        let key = key();
        let mut keyed = key.attach(file_map(2 * page(), mmarinus::Shared)).unwrap();
        let mut bytes = vec![0; 2 * page()];
        key.scope_read(|access| access.read_at(&keyed, 0, &mut bytes))
            .unwrap();
        assert_eq!(bytes, patterned(0, 2 * page()));
        key.scope(|access| access.write_at(&mut keyed, 5, b"file"))
            .unwrap();
        let map = keyed.detach().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(&bytes_of(&map)[5..9], b"file");

        let unknown = anonymous(page())
            .reprotect(perms::Read)
            .unwrap()
            .forget_permissions();
        let mut keyed = key.attach(unknown).unwrap();
        let fault = key
            .scope(|access| access.write_at(&mut keyed, 0, b"x"))
            .unwrap_err();
        assert_eq!(fault.errno(), Errno::ACCESS);
        let empty = key
            .attach(Map::bytes(0).anonymously().with(perms::Read).unwrap())
            .unwrap();
        assert!(empty.is_empty() && empty.detach().is_ok());
    });
    assert!(status.success());
}

#[test]
fn outside_of_scopes_the_pages_are_out_of_reach() {
    needs!(pkeys);
    const SIGSEGV: i32 = 11;
    let before = in_child!({
        let key = key();
        let keyed = key.attach(anonymous(page())).unwrap();
        raw::touch(keyed.addr());
    });
    assert_eq!(before.signal(), Some(SIGSEGV), "before any scope");
    let after = in_child!({
        let key = key();
        let mut keyed = key.attach(anonymous(page())).unwrap();
        key.scope(|access| access.write_at(&mut keyed, 0, b"x"))
            .unwrap();
        raw::touch(keyed.addr());
    });
    assert_eq!(after.signal(), Some(SIGSEGV), "after a scope");
    let written = in_child!({
        let key = key();
        let keyed = key.attach(anonymous(page())).unwrap();
        key.scope_read(|_| raw::overwrite(keyed.addr()));
    });
    assert_eq!(
        written.signal(),
        Some(SIGSEGV),
        "written in a scope for reading"
    );
}
