//! What one map must not do to its neighbours and halves: grow over them, unlock them, or be cut for nothing.
#![forbid(unsafe_code)]

use mmarinus::{Shared, perms};

use crate::common::{Vma, anonymous, bytes_of, page};
use crate::raw::stable;
use crate::testing::sound;

/// The bytes that the process has locked. Only in a child.
fn locked() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let figure = line
        .and_then(|line| line.split_whitespace().next())
        .expect("a figure");
    figure.parse::<usize>().expect("a number") << 10
}

#[test]
fn half_of_a_promised_file_does_not_grow_over_the_other_half() {
    let (one, two) = stable(2 * page(), Shared, perms::ReadWrite)
        .split(page())
        .unwrap();
    let before = two.to_vec();
    let slice = two.as_slice();
    // The promise was made for both halves; taking it back for one must not make the other's bytes writable.
    if let Ok(mut grown) = one.unstable().resize(2 * page()) {
        let _ = grown.write_at(page(), b"other");
    }
    assert_eq!(bytes_of(&two), before);
    assert_eq!(slice, before);
}

#[test]
fn taking_pages_of_a_locked_map_leaves_other_locks_and_none_behind() {
    sound!({
        let before = locked();
        let map = anonymous(4 * page());
        map.lock(..).unwrap();
        let (mut one, two) = map.split(2 * page()).unwrap();
        let taken = one.take_pages();
        assert!(Vma::of(&two).has("lo"), "the other half was locked");
        drop((one, two, taken));
        assert_eq!(locked(), before, "what is unmapped is not locked");
    });
}

#[test]
fn pages_are_taken_page_by_page() {
    let mut map = anonymous(4 * page());
    map.fill(7);
    for index in 0..4 {
        let taken = map
            .take_pages_at(index * page()..(index + 1) * page())
            .unwrap();
        assert!(taken.iter().all(|&byte| byte == 7));
    }
    assert!(map.iter().all(|&byte| byte == 0));
}

#[test]
fn a_range_on_all_pages_makes_no_pieces() {
    let mut map = anonymous(page());
    map.lock(..1).unwrap();
    assert_eq!(map.take_pages().unwrap().len(), page());
}
