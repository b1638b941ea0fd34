//! The same functions twice: with maps, and as one would write them by hand for a pointer and a length. A test compares what the
//! compiler makes of them.

pub mod by_hand;
pub mod with_maps;
