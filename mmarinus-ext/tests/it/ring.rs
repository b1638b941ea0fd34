//! Byte rings: against a model, across their end, and at their limits.

use core::panic::AssertUnwindSafe;
use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::panic::catch_unwind;
use std::thread;

use mmarinus::Errno;
use mmarinus_ext::ring::Ring;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert_eq, prop_oneof};

use crate::common::{page, patterned};
use crate::testing::{sound, times};

/// What is done to a ring and to its model.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, u8),
    Fill(usize, u8),
    Read(usize),
    Consume(usize),
    Invert,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![0..10_usize, 0..page(), page() - 3..2 * page()];
    let step = prop_oneof![
        (len.clone(), any::<u8>()).prop_map(|(len, first)| Step::Write(len, first)),
        (len.clone(), any::<u8>()).prop_map(|(len, first)| Step::Fill(len, first)),
        len.clone().prop_map(Step::Read),
        len.prop_map(Step::Consume),
        Just(Step::Invert),
        Just(Step::Clear),
    ];
    vec(step, 1..60)
}

/// Bytes that count up from the first.
fn counted(len: usize, first: u8) -> Vec<u8> {
    (0..len)
        .map(|at| first.wrapping_add((at % 251) as u8))
        .collect()
}

#[test]
fn it_does_as_a_queue_does() {
    let mut runner = TestRunner::new(Config {
        cases: times(100) as u32,
        failure_persistence: None,
        ..Config::default()
    });
    let done = runner.run(&steps(), |steps| {
        let (mut ring, mut queue) = (Ring::new(page()).unwrap(), VecDeque::new());
        for step in steps {
            let room = page() - queue.len();
            match step {
                Step::Write(len, first) => {
                    let bytes = counted(len, first);
                    let n = ring.write(&bytes).unwrap();
                    prop_assert_eq!(n, len.min(room));
                    queue.extend(&bytes[..n]);
                }
                Step::Fill(len, first) => {
                    let bytes = counted(len.min(room), first);
                    let writable = ring.writable();
                    prop_assert_eq!(writable.len(), room);
                    writable[..bytes.len()].copy_from_slice(&bytes);
                    ring.commit(bytes.len());
                    queue.extend(&bytes);
                }
                Step::Read(len) => {
                    let mut bytes = vec![0; len];
                    let n = ring.read(&mut bytes).unwrap();
                    let out: Vec<u8> = queue.drain(..len.min(queue.len())).collect();
                    prop_assert_eq!(&bytes[..n], out);
                }
                Step::Consume(len) => {
                    let n = len.min(queue.len());
                    ring.consume(n);
                    queue.drain(..n);
                }
                Step::Invert => {
                    ring.readable_mut()
                        .iter_mut()
                        .for_each(|byte| *byte = !*byte);
                    queue.iter_mut().for_each(|byte| *byte = !*byte);
                }
                Step::Clear => {
                    ring.clear();
                    queue.clear();
                }
            }
            prop_assert_eq!(ring.readable(), queue.make_contiguous());
            prop_assert_eq!(ring.len(), queue.len());
            prop_assert_eq!(ring.is_empty(), queue.is_empty());
            prop_assert_eq!(ring.is_full(), queue.len() == page());
        }
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn lines_lie_in_one_piece_across_the_end() {
    sound!({
        let mut ring = Ring::new(page()).unwrap();
        let mut text = String::new();
        for round in 0..2000_usize {
            writeln!(ring, "line {round} is here").unwrap();
            text.clear();
            ring.read_line(&mut text).unwrap();
            assert_eq!(text, format!("line {round} is here\n"));
        }
        assert!(ring.is_empty());
    });
}

#[test]
fn a_full_ring_takes_no_more() {
    let mut ring = Ring::new(page()).unwrap();
    let bytes = patterned(page());
    ring.write_all(&bytes).unwrap();
    assert!(ring.is_full() && ring.writable().is_empty());
    let error = ring.write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(ring.readable(), bytes);
    let mut out = Vec::new();
    ring.read_to_end(&mut out).unwrap();
    assert_eq!(out, bytes);
    assert_eq!(ring.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn odd_numbers_panic_or_are_refused() {
    for capacity in [usize::MAX, isize::MAX as usize, 1 << 62] {
        assert_eq!(Ring::new(capacity).unwrap_err().errno(), Errno::NOMEM);
    }
    let mut none = Ring::new(0).unwrap();
    assert!(none.is_empty() && none.is_full() && none.readable().is_empty());
    assert!(none.writable().is_empty() && none.readable_mut().is_empty());
    assert_eq!(none.write(b"x").unwrap(), 0);
    none.commit(0);
    none.consume(0);
    none.clear();

    let mut ring = Ring::new(1).unwrap();
    ring.write_all(b"hello").unwrap();
    for n in [6, usize::MAX] {
        assert!(catch_unwind(AssertUnwindSafe(|| ring.consume(n))).is_err());
    }
    for n in [page() - 4, usize::MAX] {
        assert!(catch_unwind(AssertUnwindSafe(|| ring.commit(n))).is_err());
    }
    assert_eq!(ring.readable(), b"hello");
}

#[test]
fn it_goes_to_another_thread() {
    let mut ring = Ring::new(page()).unwrap();
    ring.write_all(b"from here").unwrap();
    let thread = thread::spawn(move || {
        let mut text = String::new();
        ring.read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(thread.join().unwrap(), "from here");
}
