//! What the compiler makes of a map is what it makes of a pointer and a length.
#![cfg(all(target_arch = "x86_64", not(debug_assertions)))]

mod code;

use code::Function;

/// Both forms of a function: with a map, and by hand.
fn both(name: &str) -> (Function, Function) {
    let mut all = code::functions();
    let mut take = |module: &str| {
        let name = format!("{module}::{name}");
        let function = all.remove(&name);
        function.unwrap_or_else(|| panic!("no {name} among {:?}", all.keys()))
    };
    (take("with_maps"), take("by_hand"))
}

#[test]
fn a_look_at_a_map_is_a_look_at_a_pointer_and_a_length() {
    for name in [
        "len",
        "as_ptr",
        "as_slice",
        "deref",
        "deref_mut",
        "index",
        "sum",
        "fill",
    ] {
        let (with_maps, by_hand) = both(name);
        assert!(by_hand.len() >= 2, "{name}");
        assert_eq!(with_maps, by_hand, "{name}");
    }
}

#[test]
fn what_differs_is_seen() {
    let (with_maps, by_hand) = both("drop_map");
    assert_ne!(with_maps, by_hand);
}

/// A map knows more than a pointer and a length: where a length of 0 is looked for by hand, it loads a word and tests that.
#[test]
fn the_end_of_a_map_is_the_system_call() {
    let (with_maps, by_hand) = both("drop_map");
    let (with_maps, by_hand) = (with_maps.way_by("syscall"), by_hand.way_by("syscall"));
    assert!(with_maps <= by_hand + 2, "{with_maps} against {by_hand}");
}

/// Three registers are saved for the first time, when the size of the atomics is fixed.
#[test]
fn atomics_are_three_checks() {
    let (with_maps, by_hand) = both("atomics");
    let (with_maps, by_hand) = (with_maps.way_by("shr rdx,3"), by_hand.way_by("shr rdx,3"));
    assert!(with_maps <= by_hand + 9, "{with_maps} against {by_hand}");
}
