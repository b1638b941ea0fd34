//! The protocol of the two halves of a ring, under every order in which their steps can be seen: checked by `loom`.
//!
//! It is the file that the crate is compiled from, over atomics of the checker, which also gives stale values where the memory
//! model allows it. The bytes of the ring are atomics without any order, as the copies of the crate have none: that they
//! are seen whole is up to the protocol. A wake-up that is lost is a deadlock, which the checker reports.
#![allow(
    dead_code,
    reason = "some of the protocol is for what is not modelled here: timeouts, rings with bytes in them"
)]

#[path = "../../testing/mod.rs"]
mod testing;

#[path = "../src/ring/protocol.rs"]
mod protocol;

/// What the protocol is made of, by the checker.
mod sync {
    use loom::lazy_static;
    use loom::sync::{Condvar, Mutex};

    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};

    lazy_static! {
        /// All who sleep. The kernel looks at the word under a lock, too.
        static ref SLEEPERS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
    }

    pub(crate) fn sleep(word: &AtomicU32, seen: u32) {
        let (lock, bell) = &*SLEEPERS;
        let guard = lock.lock().unwrap();
        if word.load(Ordering::Relaxed) == seen {
            drop(bell.wait(guard).unwrap());
        }
    }

    pub(crate) fn wake(_word: &AtomicU32) {
        let (lock, bell) = &*SLEEPERS;
        let _guard = lock.lock().unwrap();
        bell.notify_all();
    }
}

use core::sync::atomic::AtomicUsize;

use loom::sync::Arc;
use loom::thread;
use protocol::{CLOSED, Half, Lie, Words};
use sync::{AtomicU32, Ordering};

/// Fewer orders than this would say that nothing was tried.
const MANY: usize = 20;

/// A ring of the checker's words.
struct Memory {
    /// The words of the producer, and those of the consumer: position, and whether it sleeps.
    written: [AtomicU32; 2],
    read: [AtomicU32; 2],
    bytes: Vec<AtomicU32>,
}

impl Memory {
    fn new(capacity: usize) -> Arc<Self> {
        let words = || [AtomicU32::new(0), AtomicU32::new(0)];
        Arc::new(Self {
            written: words(),
            read: words(),
            bytes: (0..capacity).map(|_| AtomicU32::new(u32::MAX)).collect(),
        })
    }

    fn written(&self) -> Words<'_> {
        Words {
            position: &self.written[0],
            waiting: &self.written[1],
        }
    }

    fn read(&self) -> Words<'_> {
        Words {
            position: &self.read[0],
            waiting: &self.read[1],
        }
    }
}

/// Sleeps until `n` bytes are this half's, or no more will come.
fn reach(half: &mut Half, n: usize, own: Words<'_>, other: Words<'_>) {
    half.look(other).unwrap();
    while half.mine() < n && !half.has_ended() {
        half.look_before_sleep(own, other).unwrap();
        if half.mine() < n && !half.has_ended() {
            sync::sleep(other.position, half.seen());
        }
    }
    Half::stay_awake(own);
}

/// Writes the numbers 0, 1 and so on in parts of these lengths, waiting for room, and closes the ring; or finds it closed.
fn produce(memory: &Memory, parts: &[usize]) {
    let mut half = Half::producer(memory.bytes.len(), 0, 0);
    let (own, other) = (memory.written(), memory.read());
    let mut next = 0;
    for &part in parts {
        reach(&mut half, part, own, other);
        if half.has_ended() {
            return;
        }
        for index in 0..part {
            let place = (half.place() + index) % half.capacity();
            memory.bytes[place].store(next, Ordering::Relaxed);
            next += 1;
        }
        half.give(part, own, other);
    }
    half.close(own, other);
}

/// Reads whatever is there, waiting until something is, and closes the ring after `most` bytes; returns how many came.
fn consume(memory: &Memory, most: usize) -> usize {
    let mut half = Half::consumer(memory.bytes.len(), 0, 0);
    let (own, other) = (memory.read(), memory.written());
    let mut next = 0;
    while next < most {
        reach(&mut half, 1, own, other);
        let n = half.mine();
        if n == 0 {
            break;
        }
        for index in 0..n {
            let place = (half.place() + index) % half.capacity();
            let byte = memory.bytes[place].load(Ordering::Relaxed);
            assert_eq!(
                byte as usize, next,
                "a byte that is not there yet, or not any more"
            );
            next += 1;
        }
        half.give(n, own, other);
    }
    half.close(own, other);
    next
}

/// How often a thread is interrupted where it would not have to wait. One more finds nothing more, in 15 times the time; and on
/// which kernel it runs makes no difference.
fn interruptions() -> usize {
    if testing::features::guest().is_there {
        1
    } else {
        2
    }
}

/// Runs both halves in two threads, in every order with as many interruptions, and says in how many.
fn check(capacity: usize, parts: &'static [usize], most: usize) -> usize {
    let orders = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&orders);
    let sum: usize = parts.iter().sum();
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(interruptions());
    model.check(move || {
        let memory = Memory::new(capacity);
        let far = Arc::clone(&memory);
        let producer = thread::spawn(move || produce(&far, parts));
        let came = consume(&memory, most);
        assert!(came == sum || came >= most && came <= sum, "{came}");
        producer.join().unwrap();
        count.fetch_add(1, Ordering::Relaxed);
    });
    orders.load(Ordering::Relaxed)
}

/// How many orders are looked at, at the least; fewer interruptions in a guest make fewer.
fn many() -> usize {
    if testing::features::guest().is_there {
        0
    } else {
        MANY
    }
}

#[test]
fn bytes_come_whole_and_in_order() {
    assert!(check(2, &[1, 1], usize::MAX) > many());
    assert!(check(1, &[1, 1], usize::MAX) > many());
}

#[test]
fn bytes_come_across_the_end() {
    // The second part lies across the end, and nobody writes over what is still to be read.
    assert!(check(3, &[2, 2], usize::MAX) > many());
}

#[test]
fn positions_start_over() {
    // Positions go to twice the capacity: the third byte is at position 2 of a ring of one.
    assert!(check(1, &[1, 1, 1], usize::MAX) > many());
}

#[test]
fn a_consumer_that_leaves_wakes_the_producer() {
    assert!(check(1, &[1, 1, 1], 1) > many());
}

#[test]
fn a_producer_that_leaves_wakes_the_consumer() {
    assert!(check(2, &[], usize::MAX) > many());
    assert!(check(2, &[2], usize::MAX) > many());
}

#[test]
fn a_liar_gets_nothing_but_an_error() {
    // Whatever word it stores, and whichever of them is seen: what a half has is in the ring, and never becomes less.
    loom::model(|| {
        let memory = Memory::new(3);
        let far = Arc::clone(&memory);
        let liar = thread::spawn(move || {
            for word in [4, 2, u32::MAX, CLOSED | 3] {
                far.written[0].store(word, Ordering::Relaxed);
            }
        });
        let mut half = Half::consumer(3, 0, 0);
        for _ in 0..3 {
            let before = half.mine();
            match half.look(memory.written()) {
                Ok(()) => assert!((before..=3).contains(&half.mine())),
                Err(Lie(word)) => {
                    assert!(word == 4 || word == u32::MAX || word == 0 || word == 2);
                    assert_eq!(half.mine(), before);
                }
            }
            if half.mine() != 0 {
                half.give(1, memory.read(), memory.written());
            }
            assert!(half.place() < 3);
        }
        liar.join().unwrap();
    });
}

#[test]
fn every_word_is_possible_or_refused() {
    // By numbers alone: all positions of small rings, and of the largest.
    loom::model(|| {
        let other = [AtomicU32::new(0), AtomicU32::new(0)];
        let words = Words {
            position: &other[0],
            waiting: &other[1],
        };
        for capacity in 1..4 {
            for start in 0..capacity {
                for len in 0..=capacity {
                    for position in 0..2 * capacity + 3 {
                        let around = 2 * capacity;
                        other[0].store(position as u32, Ordering::Relaxed);
                        let mut half = Half::consumer(capacity, start, len);
                        let ahead = (position + around - start) % around;
                        let is_possible = position < around && (len..=capacity).contains(&ahead);
                        assert_eq!(half.look(words).is_ok(), is_possible);
                        assert_eq!(half.mine(), if is_possible { ahead } else { len });

                        let mut half = Half::producer(capacity, start, len);
                        let used = (start + len + around - position % around) % around;
                        let is_possible = position < around && used <= len;
                        assert_eq!(half.look(words).is_ok(), is_possible);
                        assert_eq!(half.mine(), capacity - if is_possible { used } else { len });
                    }
                }
            }
        }
        let most = protocol::MAX_CAPACITY;
        for (word, mine) in [
            (0, None),
            (most - 1, None),
            (2 * most - 1, Some(most)),
            (2 * most, None),
        ] {
            other[0].store(word as u32, Ordering::Relaxed);
            let mut half = Half::consumer(most, most - 1, most);
            assert_eq!(
                half.look(words).ok().map(|()| half.mine()),
                mine,
                "{word:#x}"
            );
        }
    });
}
