//! A window ends before its reservation becomes a map, whose slices nobody else writes.

use mmarinus::{Reservation, perms};

fn fill(reservation: Reservation) {
    let view = reservation.view(..).unwrap();
    let map = reservation.fill(perms::ReadWrite).unwrap();
    view.write_at(0, b"x").unwrap();
    drop(map);
}

fn main() {}
