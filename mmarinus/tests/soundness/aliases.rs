//! Two views of one byte that Rust does not allow at once: slices beside atomics, atomics of two widths, two owners.
#![forbid(unsafe_code)]

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use mmarinus::backing::{
    Anonymous, Concurrent, Device, Exposed, File, NoFault, NoRace, Present, Sealed, SizeSealed,
    Stable, Unsliced, Written,
};
use mmarinus::{Errno, Map, Private, Shared, perms};

use crate::common::{anonymous, bytes_of, exposed, page, shared};
use crate::raw::present;

/// Answers whether a pair implements a trait, by a constant that the impl for such pairs shadows.
struct Pair<B, K>(PhantomData<(B, K)>);

/// Declares the answer for one trait.
macro_rules! answer {
    ($answer:ident, $fallback:ident, $bound:ident) => {
        trait $fallback {
            const $answer: bool = false;
        }
        impl<B, K> $fallback for Pair<B, K> {}
        impl<B: $bound<K>, K: mmarinus::kind::Kind> Pair<B, K> {
            const $answer: bool = true;
        }
    };
}

answer!(NO_FAULT, MayFault, NoFault);
answer!(CONCURRENT, NotConcurrent, Concurrent);
answer!(NO_RACE, MayRace, NoRace);
answer!(UNSLICED, MayBeSliced, Unsliced);
answer!(WRITTEN, NotWritten, Written);

#[test]
fn no_pair_has_slices_and_atomics() {
    macro_rules! pair {
        ($backing:ty, $kind:ty) => {{
            type P = Pair<$backing, $kind>;
            let answers = [
                P::NO_FAULT,
                P::CONCURRENT,
                P::NO_RACE,
                P::UNSLICED,
                P::WRITTEN,
            ];
            let name = core::any::type_name::<P>();
            assert!(!(P::CONCURRENT && P::NO_RACE), "{name}");
            assert_eq!(P::UNSLICED, !P::NO_RACE, "{name}");
            assert!(P::NO_FAULT || !(P::CONCURRENT || P::NO_RACE), "{name}");
            answers
        }};
    }
    let [yes, no] = [true, false];
    assert_eq!(pair!(Anonymous, Private), [yes, no, yes, no, yes]);
    assert_eq!(pair!(Anonymous, Shared), [yes, yes, no, yes, yes]);
    assert_eq!(pair!(Stable, Private), [yes, no, yes, no, yes]);
    assert_eq!(pair!(Stable, Shared), [yes, no, yes, no, yes]);
    assert_eq!(pair!(Present, Private), [yes, yes, no, yes, yes]);
    assert_eq!(pair!(Present, Shared), [yes, yes, no, yes, yes]);
    assert_eq!(pair!(Exposed, Private), [yes, yes, no, yes, yes]);
    assert_eq!(pair!(Exposed, Shared), [yes, yes, no, yes, yes]);
    assert_eq!(pair!(Sealed, Private), [yes, no, yes, no, yes]);
    assert_eq!(pair!(Sealed, Shared), [yes, no, yes, no, yes]);
    assert_eq!(pair!(SizeSealed, Private), [yes, yes, no, yes, yes]);
    assert_eq!(pair!(SizeSealed, Shared), [yes, yes, no, yes, yes]);
    assert_eq!(pair!(File, Private), [no, no, no, yes, yes]);
    assert_eq!(pair!(File, Shared), [no, no, no, yes, yes]);
    assert_eq!(pair!(Device, Private), [no, no, no, yes, no]);
    assert_eq!(pair!(Device, Shared), [no, no, no, yes, no]);
}

#[test]
fn a_map_has_atomics_of_one_width() {
    fn assert_one<K: mmarinus::kind::Kind, B: Concurrent<K>>(map: &Map<perms::ReadWrite, K, B>) {
        let words = map.atomics::<AtomicU32>(..).unwrap();
        words[0].store(1, Relaxed);
        for error in [
            map.atomics::<AtomicU8>(0..1).unwrap_err(),
            map.atomics::<AtomicU16>(0..2).unwrap_err(),
            map.atomics::<AtomicU64>(8..16).unwrap_err(),
            map.observe::<AtomicU8>(..).unwrap_err(),
        ] {
            assert_eq!(error.errno(), Errno::INVAL);
        }
        assert_eq!(words[0].load(Relaxed), 1);
    }
    assert_one(&shared(page()));
    assert_one(&exposed(page()));
    assert_one(&present(page(), Shared, perms::ReadWrite));
    // To look fixes the width as well.
    let map = shared(page());
    assert_eq!(map.observe::<AtomicU16>(..).unwrap()[0].load(), 0);
    assert_eq!(
        map.atomics::<AtomicU32>(..).unwrap_err().errno(),
        Errno::INVAL
    );
}

#[test]
fn no_transition_forgets_the_width() {
    let map = shared(4 * page());
    map.atomics::<AtomicU16>(..).unwrap();
    let map = map
        .expose()
        .reprotect(perms::Read)
        .unwrap()
        .forget_permissions();
    let map = map.reprotect(perms::ReadWrite).unwrap().expose();
    let map = map.split(1).unwrap_err().into_map().unwrap();
    let map = map
        .reprotect(perms::Unknown(mmarinus::ProtFlags::from_bits_retain(64)))
        .unwrap_err()
        .into_map()
        .unwrap();
    let (none, map) = map.split(0).unwrap();
    let (one, two) = map.split(page()).unwrap();
    assert!(none.is_empty());
    for map in [one, two] {
        assert_eq!(
            map.atomics::<AtomicU64>(..).unwrap_err().errno(),
            Errno::INVAL,
            "{map:?}"
        );
        assert!(map.atomics::<AtomicU16>(..).is_ok());
    }
}

#[test]
fn atomics_by_mut_end_before_anything_else_begins() {
    let mut map = anonymous(page());
    map.atomics_mut::<AtomicU64>(..).unwrap()[0] = AtomicU64::new(u64::MAX);
    assert_eq!(map[..9], [255, 255, 255, 255, 255, 255, 255, 255, 0]);
    map.atomics_mut::<AtomicU8>(..).unwrap()[3] = AtomicU8::new(1);
    // They fixed no width: nobody else can have had them.
    let map = map.expose();
    assert_eq!(
        map.atomics::<AtomicU16>(..).unwrap()[0].load(Relaxed),
        u16::MAX
    );
}

#[test]
fn read_only_memory_is_observed_without_a_write() {
    crate::testing::sound!({
        let map = shared(page());
        map.view(..)
            .unwrap()
            .write_at(8, &7_u64.to_ne_bytes())
            .unwrap();
        let map = map.reprotect(perms::Read).unwrap();
        let words = map.observe::<AtomicU64>(..).unwrap();
        assert_eq!(
            (
                words[1].load(),
                words[1].load_acquire(),
                words[2].load_acquire()
            ),
            (7, 7, 0)
        );
    });
}

#[test]
fn shared_memory_is_never_without_a_reservation() {
    for error in [
        Map::bytes(page())
            .anonymously()
            .with_kind(Shared)
            .no_reserve()
            .with(perms::ReadWrite)
            .unwrap_err(),
        Map::bytes(page())
            .no_reserve()
            .with_kind(Shared)
            .anonymously()
            .with(perms::None)
            .unwrap_err(),
        Map::bytes(0)
            .no_reserve()
            .with_kind(Shared)
            .anonymously()
            .with(perms::Read)
            .unwrap_err(),
        anonymous(page())
            .remap()
            .with_kind(Shared)
            .no_reserve()
            .anonymously()
            .with(perms::Read)
            .unwrap_err()
            .without_map(),
    ] {
        assert_eq!(error.errno(), Errno::OPNOTSUPP, "{error}");
    }
    // A file's map may be, since it is copied with care; and then it is no anonymous memory.
    let file = crate::common::disk_file(page());
    let map = Map::bytes(page())
        .no_reserve()
        .with_kind(Shared)
        .from(&file, 0)
        .with(perms::Read)
        .unwrap();
    assert_eq!(bytes_of(&map).len(), page());
}
