//! Others write the memory at the same time, so a cell is no field.
use std::cell::Cell;

mmarinus::shared_layout! {
    struct Header {
        count: Cell<u32>,
    }
}

fn main() {}
