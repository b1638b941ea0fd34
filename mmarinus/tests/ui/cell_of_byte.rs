//! A byte of a map is no cell: `&self` does not write it.

use core::cell::Cell;
use mmarinus::{Map, perms};

fn cells(map: &Map<perms::ReadWrite>) -> &[Cell<u8>] {
    Cell::from_mut(map.as_mut_slice()).as_slice_of_cells()
}

fn main() {}
