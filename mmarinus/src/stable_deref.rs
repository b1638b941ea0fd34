//! What owners of maps rely on that lend what was parsed out of one: `StableDeref`, of the crate `stable_deref_trait`.
#![expect(
    unsafe_code,
    reason = "promises that the bytes of a map stay where they are when the map is moved"
)]

use stable_deref_trait::StableDeref;

use crate::backing::NoRace;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Readable;

// Not `CloneStableDeref`: a map is never cloned.
//
// SAFETY:
// - The bytes are pages, and the map holds their address: moving a map moves three words and no page.
// - `deref` and `deref_mut` give that same address and length each time: they read the region's fields, which nothing changes
//   as long as the map is neither consumed nor borrowed mutably by more than `deref_mut`. What moves or removes pages (`resize`,
//   `move_to`, `split`, `unmap`) takes the map by value, which ends the stable address as dropping a box does. `update` does it
//   by `&mut self`, as `Vec::push` does; who relies on the trait lends no `&mut` of its owner. All else that takes the map by
//   `&mut self` (`discard`, `take_pages`, `write_at`) leaves address and length as they are, and nothing by `&self` changes a
//   byte of a map that has slices (`NoRace`).
// - No slice lies in the map itself: even an empty map's is at an address of no memory.
unsafe impl<P: Readable, K: Kind, B: NoRace<K>> StableDeref for Map<P, K, B> {}
