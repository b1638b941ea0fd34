//! `pkey_alloc`, `pkey_free`, `pkey_mprotect`, and the register with a thread's rights.

use core::ffi::c_void;

use mmarinus_sys::{
    Errno, MprotectFlags, Pkey, PkeyRights, Result, page_size, pkey_alloc, pkey_free, pkey_mprotect,
};

use crate::common::{Pages, Vma};
use crate::testing::skip;

/// Tags pages of the test's own.
fn tag(addr: *mut c_void, len: usize, key: Pkey) -> Result<()> {
    let prot = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: the pages belong to the test, and nothing borrows from them.
    unsafe { pkey_mprotect(addr, len, prot, key) }
}

/// Gives a key back that tags nothing, or that is none.
fn free(key: Pkey) -> Result<()> {
    // SAFETY: no page that is used carries the key.
    unsafe { pkey_free(key) }
}

/// Takes a key, where there are any.
fn key(rights: PkeyRights) -> Option<Pkey> {
    pkey_alloc(rights).ok()
}

#[test]
fn no_key_is_mprotect() {
    let pages = Pages::new(2);
    let prot = MprotectFlags::READ;
    // SAFETY: the page belongs to the test, and nothing borrows from it.
    match unsafe { pkey_mprotect(pages.addr(), page_size(), prot, Pkey::NONE) } {
        Err(Errno::NOSYS) => skip!("the kernel is built without protection keys"),
        done => done.unwrap(),
    }
    assert_eq!(Vma::at(pages.page(0)).unwrap().perms, "r--p");
    assert_eq!(Vma::at(pages.page(1)).unwrap().perms, "rw-p");
    assert_eq!(
        tag(pages.byte(1).cast(), page_size(), Pkey::NONE),
        Err(Errno::INVAL)
    );
}

#[test]
fn numbers_that_are_no_keys_are_refused() {
    let pages = Pages::new(1);
    for number in [-2, 16, 1000, i32::MIN, i32::MAX] {
        let key = Pkey::from_raw(number);
        assert_eq!(key.as_raw(), number);
        let refused = tag(pages.addr(), page_size(), key).unwrap_err();
        assert!(
            matches!(refused, Errno::INVAL | Errno::NOSYS),
            "{number}: {refused:?}"
        );
        let refused = free(key).unwrap_err();
        assert!(
            matches!(refused, Errno::INVAL | Errno::NOSYS),
            "{number}: {refused:?}"
        );
    }
}

#[test]
fn a_machine_without_keys_says_so() {
    match pkey_alloc(PkeyRights::UNRESTRICTED) {
        Ok(key) => {
            free(key).unwrap();
            assert_eq!(free(key), Err(Errno::INVAL), "given back twice");
        }
        Err(error) => assert!(
            matches!(error, Errno::INVAL | Errno::NOSPC | Errno::NOSYS),
            "{error:?}"
        ),
    }
    let unknown = PkeyRights::from_bits_retain(!PkeyRights::ACCESS_MASK.bits());
    let refused = pkey_alloc(unknown).unwrap_err();
    assert!(
        matches!(refused, Errno::INVAL | Errno::NOSYS),
        "{refused:?}"
    );
    let pages = Pages::new(1);
    match key(PkeyRights::UNRESTRICTED) {
        Some(key) => {
            assert_eq!(tag(pages.addr(), page_size(), Pkey::DEFAULT), Ok(()));
            free(key).unwrap();
        }
        // Where no key can be had, key 0 may be taken still, as it is on aarch64; no other is.
        None => assert!(tag(pages.addr(), page_size(), Pkey::from_raw(1)).is_err()),
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86 {
    //! What only the register can show.

    use super::*;
    use crate::common::signal;
    use crate::testing::{in_child, needs};
    use mmarinus_sys::{rdpkru, wrpkru};

    /// Sets the thread's rights to one key, on a machine that has given one out.
    fn set(key: Pkey, rights: PkeyRights) {
        let shift = 2 * key.as_raw();
        // SAFETY: the machine has protection keys.
        let pkru = unsafe { rdpkru() } & !(3 << shift) | rights.bits() << shift;
        // SAFETY: as above, and no reference points into pages of this key.
        unsafe { wrpkru(pkru) };
    }

    /// The thread's rights to one key, on a machine that has given one out.
    fn get(key: Pkey) -> PkeyRights {
        // SAFETY: the machine has protection keys.
        let pkru = unsafe { rdpkru() };
        PkeyRights::from_bits_retain(pkru >> (2 * key.as_raw()) & 3)
    }

    #[test]
    fn rights_are_those_of_the_thread() {
        needs!(pkeys);
        let key = key(PkeyRights::DISABLE_WRITE).unwrap();
        assert_eq!(get(key), PkeyRights::DISABLE_WRITE);
        set(key, PkeyRights::UNRESTRICTED);
        assert_eq!(get(key), PkeyRights::UNRESTRICTED);
        let pages = Pages::new(1);
        tag(pages.addr(), page_size(), key).unwrap();
        pages.set(0, 1);
        set(key, PkeyRights::DISABLE_WRITE);
        assert_eq!(pages.get(0), 1);
        drop(pages);
        free(key).unwrap();
    }

    #[test]
    fn touching_without_the_right_is_a_signal() {
        needs!(pkeys);
        let read = in_child!({
            let key = key(PkeyRights::UNRESTRICTED).unwrap();
            let pages = Pages::new(1);
            tag(pages.addr(), page_size(), key).unwrap();
            set(key, PkeyRights::DISABLE_ACCESS);
            pages.get(0);
        });
        assert_eq!(signal(read), Some(libc::SIGSEGV));
        let write = in_child!({
            let key = key(PkeyRights::DISABLE_WRITE).unwrap();
            let pages = Pages::new(1);
            tag(pages.addr(), page_size(), key).unwrap();
            assert_eq!(pages.get(0), 0);
            pages.set(0, 1);
        });
        assert_eq!(signal(write), Some(libc::SIGSEGV));
    }
}
