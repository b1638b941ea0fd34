//! Guarded maps leave nothing behind and take nothing of others, beside a thread that maps all the time.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mmarinus::{Map, perms};

use crate::common::{anonymous, memory_file, page};
use crate::testing::sound;

/// A guarded map of a few pages, full of one byte.
fn guarded(value: u8) -> Map<perms::ReadWrite> {
    let map = Map::bytes(3 * page()).anonymously().guarded();
    let mut map = map.with(perms::ReadWrite).expect("memory");
    map.fill(value);
    map
}

#[test]
fn guarded_maps_come_and_go_beside_others() {
    sound!({
        let file = memory_file(3 * page());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    let mut maps: Vec<_> = (1..9).map(|_| anonymous(page())).collect();
                    for (value, map) in (1..).zip(&mut maps) {
                        map.fill(value);
                    }
                    for (value, map) in (1..).zip(&maps) {
                        assert!(map.iter().all(|&byte| byte == value));
                    }
                }
            });
            for round in 0..200_u8 {
                let (first, second) = guarded(round).split(page()).unwrap();
                let target = guarded(0).addr();
                drop(second);
                assert!(first.iter().all(|&byte| byte == round));
                drop(first);
                let map = guarded(round);
                let map = match map.move_to(target) {
                    Ok(map) => map,
                    Err(error) => error.into_map().unwrap(),
                };
                let map = map.remap().from(&file, 0).with(perms::Read).unwrap();
                drop(map.remap().anonymously().with(perms::None).unwrap());
                let map = guarded(round);
                assert!(map.resize(0).unwrap().is_empty());
            }
            stop.store(true, Relaxed);
        });
    });
}

#[test]
fn neighbours_of_guards_keep_their_pages() {
    sound!({
        let mut maps: Vec<_> = (0..40).map(guarded).collect();
        let mut plain: Vec<_> = (0..40).map(|_| anonymous(page())).collect();
        for map in &mut plain {
            map.fill(9);
        }
        // Every other one goes, then the rest in reverse.
        let mut index = 0;
        maps.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        for (index, map) in maps.iter().enumerate() {
            assert!(map.iter().all(|&byte| usize::from(byte) == 2 * index + 1));
        }
        while maps.pop().is_some() {
            assert!(plain.iter().all(|map| map.iter().all(|&byte| byte == 9)));
        }
    });
}
