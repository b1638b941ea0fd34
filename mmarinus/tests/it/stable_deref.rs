//! Owners of a map that lend what was parsed out of it.

use mmarinus::backing::Anonymous;
use mmarinus::{Map, perms};
use stable_deref_trait::StableDeref;
use yoke::Yoke;

use crate::common::{anonymous, page};
use crate::testing::sound;

/// The bytes are at the same address before and after.
fn moved<T: StableDeref<Target = [u8]>>(owner: T) -> Box<T> {
    let before = owner.as_ptr();
    let owner = Box::new(owner);
    assert_eq!(owner.as_ptr(), before);
    owner
}

#[test]
fn bytes_stay_where_they_are() {
    sound!({
        for len in [0, 1, page(), 5 * page() + 1] {
            let map = moved(anonymous(len));
            let map: Map<perms::Read> = map.reprotect(perms::Read).unwrap();
            assert_eq!(moved(map).len(), len);
        }
    });
}

#[test]
fn what_was_parsed_travels_with_its_map() {
    sound!({
        let mut map: Map<perms::ReadWrite, _, Anonymous> = anonymous(2 * page());
        map[page()..page() + 5].copy_from_slice(b"hello");
        let map = map.reprotect(perms::Read).unwrap();
        let word: Yoke<&'static str, _> = Yoke::attach_to_cart(map, |bytes| {
            core::str::from_utf8(&bytes[page()..page() + 5]).unwrap_or("")
        });
        let words: Vec<_> = vec![word];
        let there = std::thread::spawn(move || words[0].get().to_uppercase());
        assert_eq!(there.join().unwrap(), "HELLO");
    });
}
