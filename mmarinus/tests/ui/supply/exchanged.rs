//! A supplied map is lent by `&` alone, so that nobody can put another one in its place.

use mmarinus::supply::Supply;
use mmarinus::perms;

fn exchange(one: &mut Supply<perms::ReadWrite>, two: &mut Supply<perms::ReadWrite>) {
    core::mem::swap(&mut **one, &mut **two);
}

fn main() {}
