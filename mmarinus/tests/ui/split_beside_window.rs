//! A window ends before a piece is cut from its reservation.

use mmarinus::Reservation;

fn split(mut reservation: Reservation) {
    let view = reservation.view(..).unwrap();
    let piece = reservation.split_to(4096).unwrap();
    view.write_at(0, b"x").unwrap();
    drop(piece);
}

fn main() {}
