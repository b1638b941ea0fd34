//! A supplied map stays with those who supply it: it is lent, and not given.

use mmarinus::backing::Supplied;
use mmarinus::supply::Supply;
use mmarinus::{Map, Private, perms};

fn taken(supply: Supply<perms::Read>) -> Map<perms::Read, Private, Supplied> {
    *supply
}

fn main() {}
