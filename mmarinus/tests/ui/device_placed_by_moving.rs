//! A device is not placed by moving its pages: it may be tied to an address.

use mmarinus::backing::Device;
use mmarinus::{Private, ProtFlags, Reservation, Source};

fn place(reservation: &Reservation, device: &Source<'_, Device>) {
    reservation.place(.., device, 0, Private, ProtFlags::READ).unwrap();
}

fn main() {}
