//! Random programs on real maps against a model of bytes and pages in plain Rust, step by step.
//!
//! After each step the bytes of all maps are those of the model; after every twentieth, permissions, kind and presence of each
//! page are what the kernel itself tells. Sentinels beside the maps never change, and at the end nothing is left but what stays
//! for ever on purpose. Each program runs in a forked process, so that a signal is a failure by name as well. A failing program
//! shrinks to a short one. `cargo xtask soak --minutes N` runs more of them.
#![cfg(feature = "std")]

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "it/common.rs"]
mod common;
#[path = "it/raw.rs"]
mod raw;

#[path = "model/check.rs"]
mod check;
#[path = "model/content.rs"]
mod content;
#[path = "model/forked.rs"]
mod forked;
#[path = "model/held.rs"]
mod held;
#[path = "model/op.rs"]
mod op;
#[path = "model/plain.rs"]
mod plain;
#[path = "model/room.rs"]
mod room;
#[path = "model/rooms.rs"]
mod rooms;
#[path = "model/run.rs"]
mod run;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/subject.rs"]
mod subject;

use testing::{skip, sound};

#[test]
fn programs_do_what_the_model_does() {
    if testing::features::guest().is_there {
        skip!("random programs take minutes in a guest");
    }
    run::warm_up();
    sound!(huge, {
        run::programs(false);
    });
}

#[test]
fn pages_are_there_when_the_model_says_so() {
    if testing::features::guest().is_there {
        skip!("random programs take minutes in a guest");
    }
    run::warm_up();
    sound!(huge, {
        run::programs(true);
    });
}
