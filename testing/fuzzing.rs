//! Runs a program of the fuzzer without one: bytes from a generator that starts with the same seed, for a few seconds.

use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::time::Instant;

use crate::testing::soak_time;

/// How long each program runs, unless someone says so.
const TIME: Duration = Duration::from_secs(2);

/// The longest input; the time is more likely to be used up before there were this many of each length.
const LONGEST: usize = 160;

/// Runs a program again and again; says how often. Bytes that make it panic are printed.
pub(crate) fn run(program: fn(&[u8])) -> usize {
    let until = Instant::now() + soak_time().unwrap_or(TIME);
    let mut state = 1_u64;
    let mut runs = 0;
    while runs == 0 || Instant::now() < until {
        let data: Vec<u8> = (0..runs % LONGEST).map(|_| step(&mut state)).collect();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| program(&data))) {
            println!("with the bytes {data:?}");
            resume_unwind(panic);
        }
        runs += 1;
    }
    println!("{runs} runs");
    runs
}

/// The next byte of a xorshift generator.
fn step(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.to_le_bytes()[3]
}
