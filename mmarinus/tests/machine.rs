//! Safe programs under settings of the whole machine: no overcommit, few mappings, an empty pool of huge pages.
//!
//! They run in the guests of `cargo xtask vm` only, one after the other, and put back what they changed. Each is a case as those
//! of the target `soundness`.

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "it/common.rs"]
mod common;

#[path = "machine/few_mappings.rs"]
mod few_mappings;
#[path = "soundness/map_count.rs"]
mod map_count;
#[path = "machine/overcommit.rs"]
mod overcommit;
#[path = "machine/pool.rs"]
mod pool;
