//! A page that was brought in stays: to make it missing again would change what a slice shows.

use mmarinus::supply::Supply;
use mmarinus::perms;

fn discard(supply: &mut Supply<perms::ReadWrite>) {
    let _ = supply.view(..).unwrap().discard(..);
}

fn main() {}
