//! The right to a key is of one thread, and goes to no other.

use mmarinus::Pkey;

fn elsewhere(key: &Pkey) {
    key.scope(|access| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                drop(access);
            });
        });
    });
}

fn main() {}
