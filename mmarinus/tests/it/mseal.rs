//! Sealed maps: they stay, whoever drops them, and lend what they hold.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use mmarinus::perms::{self, Unknown};
use mmarinus::{Advice, Errno, Immortal, Map, Private, ProtFlags, Shared};

use crate::common::{Vma, anonymous, bytes_of, is_free, page, patterned, shared};
use crate::raw::{self, stable};
use crate::testing::{in_child, needs, skip};

/// A sealed map full of a byte.
fn sealed(len: usize, value: u8) -> Immortal<perms::Read> {
    let mut map = anonymous(len);
    map.fill(value);
    map.reprotect(perms::Read).unwrap().mseal().unwrap()
}

#[test]
fn bytes_last_for_ever() {
    needs!(mseal);
    let status = in_child!({
        // The map ends with this block, and its pages do not.
        let (addr, bytes) = {
            let map = sealed(2 * page() + 1, 7);
            let addr = map.addr();
            let bytes: &'static [u8] = map.as_static();
            assert_eq!((bytes.len(), bytes.as_ptr().addr()), (2 * page() + 1, addr));
            assert!(format!("{map:?}").starts_with("Immortal(Map"));
            (addr, bytes)
        };
        assert!(
            thread::spawn(move || bytes.iter().all(|&byte| byte == 7))
                .join()
                .unwrap()
        );
        assert!(!is_free(addr, 3 * page()));
        assert_eq!(Vma::at(addr).unwrap().perms, "r--p");
        assert!(Vma::at(addr).unwrap().has("sl"));
        // Not even those who may replace anything do.
        let error = raw::replace(Map::bytes(page()).onto(addr).anonymously(), perms::Read);
        assert_eq!(error.unwrap_err().errno(), Errno::PERM);
        assert_eq!(bytes[0], 7);
    });
    assert!(status.success());
}

#[test]
fn a_part_is_sealed_alone() {
    needs!(mseal);
    let status = in_child!({
        let (one, rest) = anonymous(6 * page()).split(2 * page()).unwrap();
        let (mut two, mut three) = rest.split(2 * page()).unwrap();
        two.fill(2);
        three.fill(3);
        let (at, two) = (two.addr(), two.mseal().unwrap());
        // The neighbours move, grow, change and go as before.
        let three = three
            .resize(8 * page())
            .unwrap()
            .reprotect(perms::Read)
            .unwrap();
        assert_eq!((three[0], three[8 * page() - 1]), (3, 0));
        one.unmap().unwrap();
        drop(three);
        assert!(is_free(at - 2 * page(), 2 * page()));
        assert!(two.as_static().iter().all(|&byte| byte == 2));
        assert_eq!(Vma::at(at).unwrap().perms, "rw-p");
    });
    assert!(status.success());
}

#[test]
fn what_a_sealed_map_lends_is_a_map() {
    needs!(mseal);
    let status = in_child!({
        let map = shared(page()).mseal().unwrap();
        map.atomics::<AtomicU32>(..).unwrap()[0].store(7, Relaxed);
        map.view(..).unwrap().write_at(4, b"view").unwrap();
        assert_eq!(&bytes_of(&map)[4..8], b"view");
        map.lock(..).unwrap();
        assert!(Vma::of(&map).has("lo"));
        map.unlock(..).unwrap();
        map.advise(.., Advice::DONTDUMP).unwrap();
        // A second mapping of sealed pages is refused by the kernel.
        let error = map.duplicate().unwrap_err();
        assert_eq!(error.errno(), Errno::PERM);
        assert!(error.to_string().contains("mseal"), "{error}");

        let map = stable(page(), Private, perms::Read).mseal().unwrap();
        assert_eq!(map.as_static(), patterned(0, page()));
        let map = stable(page(), Shared, perms::Read).mseal().unwrap();
        assert_eq!(map.as_static(), patterned(0, page()));
        let map = anonymous(page())
            .reprotect(Unknown(ProtFlags::READ))
            .unwrap();
        assert_eq!(map.mseal().unwrap().permissions(), ProtFlags::READ);
    });
    assert!(status.success());
}

#[test]
fn nothing_is_sealed_without_a_call() {
    let map = anonymous(0).mseal().unwrap();
    assert!(map.as_static().is_empty() && map.is_empty());
}

#[test]
fn without_the_call_a_map_in_pieces_comes_back() {
    if let Err(why) = raw::can_forbid() {
        skip!("{why}");
    }
    let status = in_child!({
        raw::forbid(&[raw::Call::Mseal], Errno::NOSYS).unwrap();
        let mut map = anonymous(3 * page());
        map.fill(7);
        // The kernel holds it as several mappings.
        map.advise(page()..2 * page(), Advice::DONTDUMP).unwrap();
        let addr = map.addr();
        let error = map.mseal().unwrap_err();
        assert_eq!(error.errno(), Errno::NOSYS);
        let mut map = error.into_map().expect("nothing was sealed");
        assert!(map.iter().all(|&byte| byte == 7));
        map.fill(8);
        map.unmap().unwrap();
        assert!(is_free(addr, 3 * page()));
    });
    assert!(status.success(), "{status}");
}
