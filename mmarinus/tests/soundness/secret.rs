//! Secret memory stays out of children and dumps, whatever safe code does with it, and is never at two places.
#![forbid(unsafe_code)]

use mmarinus::{Advice, Errno, Map, Shared, backing, perms};

use crate::common::{Vma, page};
use crate::raw;
use crate::testing::{needs, sound};

type Secret = Map<perms::ReadWrite, Shared, backing::Secret>;

fn secret(len: usize) -> Secret {
    Map::bytes(len).secret().with(perms::ReadWrite).unwrap()
}

fn assert_secret<P>(map: &Map<P, Shared, backing::Secret>) {
    let vma = Vma::of(map);
    assert!(vma.has("dc"), "children have it: {vma:?}");
    // A core dump is made by the same copies of the kernel, also where `DODUMP` asked for one.
    assert!(raw::peek(map.addr()).is_err(), "the kernel copies it");
}

#[test]
fn no_call_gives_it_to_children_or_dumps() {
    needs!(memfd_secret);
    sound!({
        let mut map = secret(2 * page());
        map.fill(7);
        assert!(Vma::of(&map).has("dd"));
        for advice in [
            Advice::NORMAL,
            Advice::RANDOM,
            Advice::SEQUENTIAL,
            Advice::WILLNEED,
            Advice::COLD,
            Advice::PAGEOUT,
            Advice::HUGEPAGE,
            Advice::NOHUGEPAGE,
            Advice::COLLAPSE,
            Advice::MERGEABLE,
            Advice::UNMERGEABLE,
            Advice::DONTDUMP,
            Advice::POPULATE_READ,
            Advice::POPULATE_WRITE,
            Advice::DODUMP,
        ] {
            // Some are refused.
            let _ = map.advise(.., advice);
            assert_secret(&map);
        }
        let _ = map.lock(..);
        let _ = map.unlock(..);
        assert_secret(&map);
        assert!(map.iter().all(|&byte| byte == 7));
        let map = map.reprotect(perms::Read).unwrap();
        let (one, two) = map.split(page()).unwrap();
        let map = one.join(two).map_err(mmarinus::Error::without_map).unwrap();
        assert_secret(&map);
        assert!(map.iter().all(|&byte| byte == 7));
        let map = map.expose();
        assert!(Vma::of(&map).has("dc"));
    });
}

#[test]
fn past_its_end_there_is_nothing_to_touch() {
    needs!(memfd_secret);
    sound!({
        let map = secret(page() + 1);
        assert_eq!((map.len(), map.pages().1), (page() + 1, 2 * page()));
        let error = map.read_at(page(), &mut [0; 2]).unwrap_err();
        assert_eq!(error.errno(), Errno::INVAL);
        map.view(..page() + 2).unwrap_err();
        map.view(page()..2 * page()).unwrap_err();
        assert_eq!(map[page()], 0);
    });
}
