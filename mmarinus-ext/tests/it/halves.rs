//! The two halves of a ring in one process: against a model, between threads, at their limits, and facing a half that lies.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use mmarinus::{Errno, Map, Shared, backing, perms};
use mmarinus_ext::memfd::{Memfd, SizeSealed};
use mmarinus_ext::ring::{Consumer, Error, Peer, Producer, Ring, SetupError};
use mmarinus_sys::{SealFlags, fcntl_add_seals};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};

use crate::common::{never_overcommits, page, patterned, sparse};
use crate::testing::{in_child, skip, sound, times};

/// Nothing here takes longer, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two halves of a ring of memory of this process, which had these bytes in it.
fn split(start: usize, content: &[u8]) -> (Producer, Consumer) {
    let mut ring = Ring::new(page()).unwrap();
    ring.commit(start);
    ring.consume(start);
    ring.write_all(content).unwrap();
    ring.split().unwrap()
}

/// A peer that lives as long as the socket.
fn peer() -> (Peer, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (Peer::behind(&near).unwrap(), far)
}

/// Two halves of a ring in a file, the file, and what keeps both alive.
fn in_file() -> (Producer, Consumer, Memfd<SizeSealed>, [UnixStream; 2]) {
    let ((one, first), (two, second)) = (peer(), peer());
    let (producer, memfd) = Producer::create(page(), one).unwrap();
    let consumer = Consumer::attach(&memfd, two).unwrap();
    (producer, consumer, memfd, [first, second])
}

/// What is done to a ring and to its model.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, u8),
    WriteParts(usize, usize, u8),
    Read(usize),
    ReadParts(usize, usize),
    Peek(usize),
    Fill(usize),
    Wait(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = || prop_oneof![0..10_usize, 0..page(), page() - 3..2 * page()];
    let step = prop_oneof![
        (len(), any::<u8>()).prop_map(|(len, first)| Step::Write(len, first)),
        (len(), len(), any::<u8>()).prop_map(|(one, two, first)| Step::WriteParts(one, two, first)),
        len().prop_map(Step::Read),
        (len(), len()).prop_map(|(one, two)| Step::ReadParts(one, two)),
        len().prop_map(Step::Peek),
        len().prop_map(Step::Fill),
        (len(), len()).prop_map(|(room, bytes)| Step::Wait(room, bytes)),
    ];
    vec(step, 1..60)
}

/// Bytes that count up from the first.
fn counted(len: usize, first: u8) -> Vec<u8> {
    (0..len)
        .map(|at| first.wrapping_add((at % 251) as u8))
        .collect()
}

/// Does the same to both halves and to a queue; how many bytes the consumer has copied ahead, the model learns as it goes.
fn agree(
    producer: &mut Producer,
    consumer: &mut Consumer,
    queue: &mut VecDeque<u8>,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    producer.set_timeout(Some(Duration::ZERO));
    consumer.set_timeout(Some(Duration::ZERO));
    for step in steps {
        let room = producer.room().unwrap();
        prop_assert_eq!(consumer.available().unwrap(), queue.len());
        // What was copied ahead takes no room.
        prop_assert!(room >= page().saturating_sub(queue.len()) && room <= page());
        let blocks = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
        match step {
            Step::Write(len, first) => {
                let bytes = counted(len, first);
                let n = match producer.try_write(&bytes) {
                    Ok(n) => n,
                    Err(error) => {
                        prop_assert_eq!((error, room), (Error::WouldBlock, 0));
                        0
                    }
                };
                prop_assert_eq!(n, len.min(room));
                queue.extend(&bytes[..n]);
            }
            Step::WriteParts(one, two, first) => {
                let bytes = counted(one + two, first);
                let parts = [&bytes[..one], &[], &bytes[one..]].map(IoSlice::new);
                let n = match producer.write_vectored(&parts) {
                    Ok(n) => n,
                    Err(error) => {
                        prop_assert!(room == 0 && blocks(error));
                        0
                    }
                };
                prop_assert_eq!(n, (one + two).min(room));
                queue.extend(&bytes[..n]);
            }
            Step::Read(len) => {
                let mut bytes = vec![0; len];
                match consumer.try_read(&mut bytes) {
                    Ok(n) => {
                        // What was copied ahead comes by itself.
                        prop_assert!(n <= len.min(queue.len()) && (n > 0 || len == 0));
                        let out: Vec<u8> = queue.drain(..n).collect();
                        prop_assert_eq!(&bytes[..n], out);
                    }
                    Err(error) => {
                        prop_assert_eq!((error, queue.len()), (Error::WouldBlock, 0));
                    }
                }
            }
            Step::ReadParts(one, two) => {
                let (mut first, mut second) = (vec![0; one], vec![0; two]);
                let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
                match consumer.read_vectored(&mut parts) {
                    Ok(n) => {
                        prop_assert!(n <= (one + two).min(queue.len()));
                        let out: Vec<u8> = queue.drain(..n).collect();
                        prop_assert_eq!(&first[..n.min(one)], &out[..n.min(one)]);
                        prop_assert_eq!(&second[..n.saturating_sub(one)], &out[n.min(one)..]);
                    }
                    Err(error) => prop_assert!(queue.is_empty() && blocks(error)),
                }
            }
            Step::Peek(len) => {
                let has = queue.len();
                match consumer.peek(len) {
                    Ok(bytes) => {
                        prop_assert!(len <= bytes.len() && bytes.len() <= has);
                        prop_assert_eq!(bytes, &queue.make_contiguous()[..bytes.len()]);
                    }
                    Err(Error::TooMuch { .. }) => prop_assert!(len > page()),
                    Err(error) => prop_assert_eq!((error, has < len), (Error::WouldBlock, true)),
                }
            }
            Step::Fill(take) => match consumer.fill_buf() {
                Ok(bytes) => {
                    prop_assert!(!bytes.is_empty());
                    prop_assert_eq!(bytes, &queue.make_contiguous()[..bytes.len()]);
                    let n = take.min(bytes.len());
                    consumer.consume(n);
                    queue.drain(..n);
                }
                Err(error) => prop_assert!(queue.is_empty() && blocks(error)),
            },
            Step::Wait(for_room, for_bytes) => {
                match producer.wait_for_room(for_room) {
                    Ok(n) => prop_assert!(for_room <= n && n == room),
                    Err(Error::TooMuch { .. }) => prop_assert!(for_room > page()),
                    Err(error) => {
                        prop_assert_eq!((error, room < for_room), (Error::WouldBlock, true));
                    }
                }
                match consumer.wait_for(for_bytes) {
                    Ok(n) => prop_assert!(for_bytes <= n && n == queue.len()),
                    Err(Error::TooMuch { .. }) => prop_assert!(for_bytes > page()),
                    Err(error) => {
                        let less = queue.len() < for_bytes;
                        prop_assert_eq!((error, less), (Error::WouldBlock, true));
                    }
                }
            }
        }
    }
    Ok(())
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: times(100) as u32,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn halves_of_a_ring_do_as_a_queue_does() {
    let started = (0..page(), 0..page() + 1, steps());
    let done = runner().run(&started, |(start, len, steps)| {
        let content = counted(len, 1);
        let (mut producer, mut consumer) = split(start, &content);
        let mut queue = VecDeque::from(content);
        agree(&mut producer, &mut consumer, &mut queue, steps)?;
        // What is left comes before the end.
        drop(producer);
        let mut rest = Vec::new();
        consumer.read_to_end(&mut rest).unwrap();
        prop_assert_eq!(queue, rest);
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn halves_of_a_ring_in_a_file_do_as_a_queue_does() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let done = runner().run(&steps(), |steps| {
        let (mut producer, mut consumer, _memfd, _alive) = in_file();
        agree(&mut producer, &mut consumer, &mut VecDeque::new(), steps)
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// Sends bytes from one thread to another, in pieces of changing lengths, and compares them.
fn stream(mut producer: Producer, mut consumer: Consumer, len: usize) {
    producer.set_timeout(Some(PATIENCE));
    consumer.set_timeout(Some(PATIENCE));
    let sent = patterned(len);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rest = &sent[..];
            for round in 1.. {
                let (now, later) = rest.split_at(rest.len().min(round * 37 % 5003));
                producer.write_all(now).unwrap();
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            drop(producer);
        });
        let mut came: Vec<u8> = Vec::new();
        for round in 1.. {
            let n = if round % 3 == 0 {
                let bytes = consumer.fill_buf().unwrap();
                let n = bytes.len().min(round % 700);
                came.extend(&bytes[..n]);
                consumer.consume(n);
                n
            } else {
                let mut bytes = vec![0; round * 53 % 4001 + 1];
                let n = consumer.read(&mut bytes).unwrap();
                came.extend(&bytes[..n]);
                n
            };
            if n == 0 && consumer.fill_buf().unwrap().is_empty() {
                break;
            }
        }
        assert!(came == sent, "{} of {len} bytes", came.len());
        assert!(consumer.is_alone());
    });
}

#[test]
fn a_stream_reaches_another_thread() {
    sound!({
        for start in [0, 1, page() - 1] {
            let (producer, consumer) = split(start, b"");
            stream(producer, consumer, times(3_000_000));
        }
    });
}

#[test]
fn a_stream_reaches_another_thread_through_a_file() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    sound!({
        let (producer, consumer, _memfd, _alive) = in_file();
        stream(producer, consumer, times(3_000_000));
    });
}

#[test]
fn who_sleeps_is_woken() {
    let (mut to, mut here) = split(7, b"");
    let (mut back, mut there) = split(0, b"");
    // No timeout: a wake-up that is lost would be for ever.
    let echo = thread::spawn(move || {
        let mut byte = [0];
        while here.read(&mut byte).unwrap() != 0 {
            back.write_all(&byte).unwrap();
        }
    });
    for round in 0..times(20_000) {
        if round % 1000 == 0 {
            thread::sleep(Duration::from_millis(2)); // Long enough for the other one to sleep.
        }
        to.write_all(&[round as u8]).unwrap();
        let mut byte = [0];
        there.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], round as u8);
    }
    drop(to);
    echo.join().unwrap();
    assert_eq!(there.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_half_that_is_dropped_wakes_the_other_one() {
    for round in 0..times(50) as u64 {
        let (mut producer, mut consumer) = split(0, b"left");
        let thread = thread::spawn(move || {
            let mut text = String::new();
            consumer.read_to_string(&mut text).unwrap();
            text
        });
        thread::sleep(Duration::from_micros(round * 20));
        producer.write_all(b" over").unwrap();
        drop(producer);
        assert_eq!(thread.join().unwrap(), "left over");

        let (mut producer, consumer) = split(0, b"");
        let thread = thread::spawn(move || producer.write_all(&patterned(2 * page())));
        thread::sleep(Duration::from_micros(round * 20));
        drop(consumer);
        let error = thread.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_half_waits_as_long_as_it_may() {
    let (mut producer, mut consumer) = split(0, b"");
    for millis in [1, 20, 150] {
        let timeout = Some(Duration::from_millis(millis));
        consumer.set_timeout(timeout);
        let begin = Instant::now();
        let error = consumer.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(begin.elapsed() >= Duration::from_millis(millis));
        assert_eq!(consumer.fill_buf().unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(consumer.wait_for(1), Err(Error::TimedOut));
        assert_eq!(consumer.try_read(&mut [0]), Err(Error::WouldBlock));
    }
    consumer.set_timeout(Some(Duration::MAX));
    producer.write_all(&patterned(page())).unwrap();
    assert_eq!(producer.try_write(b"x"), Err(Error::WouldBlock));
    producer.set_timeout(Some(Duration::from_millis(3)));
    assert_eq!(producer.wait_for_room(1), Err(Error::TimedOut));
    assert_eq!(consumer.wait_for(page()), Ok(page()));
    // More than it holds is never there.
    let too_much = Error::TooMuch {
        asked: page() + 1,
        capacity: page(),
    };
    assert_eq!(producer.wait_for_room(page() + 1), Err(too_much));
    assert_eq!(consumer.wait_for(page() + 1), Err(too_much));
    assert_eq!(consumer.peek(usize::MAX).unwrap_err().to_string(), {
        let capacity = page();
        let asked = usize::MAX;
        Error::TooMuch { asked, capacity }.to_string()
    });
    // Nothing is nothing to wait for, at the end neither.
    assert_eq!(consumer.read(&mut []).unwrap(), 0);
    assert_eq!(producer.write(&[]).unwrap(), 0);
    drop(producer);
    assert_eq!(consumer.peek(page()).unwrap(), patterned(page()));
    assert_eq!(consumer.peek(1).unwrap().len(), page());
    consumer.consume(page());
    assert_eq!(consumer.wait_for(5), Ok(0));
    assert!(consumer.peek(5).unwrap().is_empty());
    assert!(consumer.fill_buf().unwrap().is_empty());
    assert_eq!(consumer.read(&mut [0]).unwrap(), 0);
    consumer.consume(usize::MAX);
    assert!(consumer.is_alone());
}

#[test]
fn what_cannot_be_split_comes_back() {
    for capacity in [0, (1 << 30) + 1] {
        let Ok(ring) = Ring::new(capacity) else {
            skip!("there is no room for 2 GiB of addresses");
        };
        let capacity = ring.capacity();
        let unsplit = ring.split().unwrap_err();
        assert!(
            matches!(unsplit.why(), SetupError::TooLarge { capacity: told } if *told == capacity)
        );
        assert!(unsplit.to_string().contains(&capacity.to_string()));
        assert_eq!(unsplit.into_ring().capacity(), capacity);
    }
    let (largest, _) = Ring::new(1 << 30).unwrap().split().unwrap();
    assert_eq!(largest.capacity(), 1 << 30);
    for capacity in [usize::MAX, isize::MAX as usize, (1 << 30) + 1] {
        let refused = [
            Producer::create(capacity, peer().0).map(drop).unwrap_err(),
            Consumer::create(capacity, peer().0).map(drop).unwrap_err(),
        ];
        for error in refused {
            assert!(matches!(error, SetupError::TooLarge { capacity: told } if told == capacity));
            assert_eq!(std::io::Error::from(error).kind(), ErrorKind::InvalidInput);
        }
    }
}

#[test]
fn a_file_is_verified_before_it_is_a_ring() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let size = SealFlags::SHRINK | SealFlags::GROW;
    let page = page() as u64;
    // Lengths that no ring has.
    for len in [0, 1, page - 1, page, page + 1, 3 * page - 1] {
        let file = Memfd::try_from(sparse(len, size)).unwrap();
        let error = Consumer::attach(&file, peer().0).unwrap_err();
        assert!(matches!(error, SetupError::NoRing), "{len}: {error}");
    }
    for len in [page + (1 << 30) + page, i64::MAX as u64 / page * page] {
        let file = Memfd::try_from(sparse(len, size)).unwrap();
        let error = Producer::attach(&file, peer().0).unwrap_err();
        assert!(
            matches!(error, SetupError::TooLarge { .. }),
            "{len}: {error}"
        );
    }
    // Nothing but zeros.
    let file = Memfd::try_from(sparse(2 * page, size)).unwrap();
    assert!(matches!(
        Producer::attach(&file, peer().0),
        Err(SetupError::NoRing)
    ));
    // A true one, of which a word was changed.
    for (word, what) in [
        (0, "no ring"),
        (1, "no ring"),
        (2, "version"),
        (3, "bytes"),
        (4, "somebody else's"),
        (32, "somebody else's"),
    ] {
        let (consumer, memfd) = Consumer::create(1, peer().0).unwrap();
        let words = words_of(&memfd);
        let words = words.atomics::<AtomicU32>(..512).unwrap();
        words[word].fetch_add(1, Relaxed);
        let error = Producer::attach(&memfd, peer().0).unwrap_err();
        assert!(error.to_string().contains(what), "{word}: {error}");
        words[word].fetch_sub(1, Relaxed);
        drop(consumer);
    }
    // Each half once.
    let (_producer, memfd) = Producer::create(1, peer().0).unwrap();
    assert!(matches!(
        Producer::attach(&memfd, peer().0),
        Err(SetupError::Taken)
    ));
    let consumer = Consumer::attach(&memfd, peer().0).unwrap();
    drop(consumer);
    let error = Consumer::attach(&memfd, peer().0).unwrap_err();
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::ResourceBusy);
    // One that cannot be written any more.
    let (_producer, memfd) = Producer::create(1, peer().0).unwrap();
    fcntl_add_seals(&memfd, SealFlags::FUTURE_WRITE).unwrap();
    match Consumer::attach(&memfd, peer().0) {
        Err(SetupError::Map(error)) => assert_eq!(error.errno(), Errno::PERM),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rings_come_and_go_without_a_trace() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    sound!({
        for round in 0..50 {
            let (mut producer, mut consumer) = split(round, b"hello");
            producer.write_all(b"hello").unwrap();
            assert_eq!(consumer.peek(10).unwrap(), b"hellohello");
            let (mut producer, mut consumer, memfd, _alive) = in_file();
            drop(memfd);
            producer.write_all(b"hello").unwrap();
            assert_eq!(consumer.peek(5).unwrap(), b"hello");
            assert!(
                Producer::attach(
                    &Memfd::try_from(sparse(1, SealFlags::SHRINK | SealFlags::GROW)).unwrap(),
                    peer().0
                )
                .is_err()
            );
        }
    });
}

/// What a liar has: all of the file, as words of 32 bits.
fn words_of(memfd: &Memfd<SizeSealed>) -> Map<perms::ReadWrite, Shared, backing::SizeSealed> {
    memfd
        .map()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap()
}

/// Where the words of the two halves are.
const WRITTEN: usize = 128 / 4;
const READ: usize = 256 / 4;
const CLOSED: u32 = 1 << 31;

#[test]
fn an_impossible_index_is_an_error_that_says_so() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let capacity = page() as u32;
    let (mut producer, mut consumer, memfd, _alive) = in_file();
    let map = words_of(&memfd);
    let words = map.atomics::<AtomicU32>(..).unwrap();
    // The consumer has read 30 of 100 bytes, and seen all of them.
    producer.write_all(&patterned(100)).unwrap();
    consumer.read_exact(&mut [0; 30]).unwrap();
    assert_eq!(consumer.available(), Ok(70));
    assert_eq!(producer.room(), Ok(page() - 70));

    let impossible = |word: u32| Error::Impossible { word };
    let lies = [
        0,                 // Back at the start.
        29,                // Back behind what was read.
        99,                // Back by a byte.
        30 + capacity + 1, // A byte more than there is.
        2 * capacity - 1,
        2 * capacity, // No position at all.
        2 * capacity + 100,
        CLOSED - 1,
        CLOSED, // Closed, and back at the start.
        CLOSED | 99,
        CLOSED | (2 * capacity),
        u32::MAX,
    ];
    for lie in lies {
        words[WRITTEN].store(lie, Relaxed);
        for _ in 0..2 {
            assert_eq!(consumer.available(), Err(impossible(lie)), "{lie:#x}");
            assert_eq!(consumer.wait_for(71), Err(impossible(lie)));
            assert_eq!(consumer.try_read(&mut [0; 71]), Err(impossible(lie)));
            assert_eq!(consumer.peek(71), Err(impossible(lie)));
            let error = consumer.read(&mut [0; 71]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains("cannot be"), "{error}");
        }
        assert!(!consumer.is_alone());
    }
    // What was given before the lie is still there.
    let mut bytes = [0; 70];
    assert_eq!(consumer.try_read(&mut bytes), Ok(70));
    assert_eq!(bytes, patterned(100)[30..]);
    assert_eq!(
        consumer.fill_buf().unwrap_err().kind(),
        ErrorKind::InvalidData
    );
    words[WRITTEN].store(100, Relaxed);
    assert_eq!(consumer.available(), Ok(0));

    // The producer has seen that the consumer is at 30, while it is at 100 itself.
    assert_eq!(producer.room(), Ok(page()));
    for lie in [
        99,  // Back by a byte.
        101, // Ahead of what was written.
        capacity,
        2 * capacity,
        2 * capacity + 100,
        CLOSED,
        CLOSED | 99,
        u32::MAX,
    ] {
        words[READ].store(lie, Relaxed);
        assert_eq!(producer.room(), Err(impossible(lie)), "{lie:#x}");
        assert_eq!(
            producer.try_write(&patterned(page() + 1)),
            Err(impossible(lie))
        );
        let error = producer.write_vectored(&[IoSlice::new(&patterned(page() + 1))]);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidData);
    }
    words[READ].store(CLOSED | 100, Relaxed);
    producer.room().unwrap();
    assert_eq!(producer.wait_for_room(1), Err(Error::Closed));
    // That it is closed is believed for good.
    words[READ].store(100, Relaxed);
    assert_eq!(producer.try_write(b"x"), Err(Error::Closed));
    assert!(producer.is_alone());
}

/// Stores anything anywhere in a ring, for ever: likely and unlikely indices, and zeros by holes.
pub(crate) fn harass(memfd: &Memfd<SizeSealed>, stop: &AtomicBool) {
    let map = words_of(memfd);
    let words = map.atomics::<AtomicU32>(..).unwrap();
    let mut dice = std::process::id();
    while !stop.load(Relaxed) {
        for _ in 0..200 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = match dice >> 30 {
                0 => dice,
                1 => dice % (2 * page() as u32),
                2 => words[WRITTEN].load(Relaxed).wrapping_add(dice % 64),
                _ => words[READ].load(Relaxed).wrapping_add(dice % 64),
            };
            let word = match dice >> 20 & 7 {
                0 | 1 => WRITTEN,
                2 | 3 => READ,
                4 => 6, // The producer sleeps.
                5 => 7, // The consumer sleeps.
                _ => dice as usize % words.len(),
            };
            // It does not say that it is closed, after which nothing would be looked at any more.
            words[word].store(value & !CLOSED, Relaxed);
        }
        let _ = memfd.punch_hole(0, 2 * page() as u64);
    }
}

/// Uses both halves in all ways; counts what worked, what was found impossible, and for what there was no time.
pub(crate) fn endure(producer: &mut Producer, consumer: &mut Consumer, told: &mut [usize; 3]) {
    producer.set_timeout(Some(Duration::from_millis(1)));
    consumer.set_timeout(Some(Duration::from_millis(1)));
    let mut bytes = vec![0; 2 * page()];
    let kind = |error: Error| std::io::Error::from(error).kind();
    for round in 0..400_usize {
        let wanted = round * 97 % (2 * page());
        let outcomes = [
            producer
                .write(&bytes[..wanted])
                .map_err(|error| error.kind()),
            consumer
                .read(&mut bytes[..wanted])
                .map_err(|error| error.kind()),
            consumer
                .fill_buf()
                .map(<[u8]>::len)
                .map_err(|error| error.kind()),
            producer.wait_for_room(wanted % page()).map_err(kind),
            consumer
                .peek(wanted % page())
                .map(<[u8]>::len)
                .map_err(kind),
        ];
        consumer.consume(wanted / 2);
        for outcome in outcomes {
            match outcome {
                Ok(n) => {
                    assert!(n <= 2 * page());
                    told[0] += 1;
                }
                Err(ErrorKind::InvalidData) => told[1] += 1,
                Err(ErrorKind::TimedOut | ErrorKind::WouldBlock) => told[2] += 1,
                Err(kind) => panic!("{kind:?}"),
            }
        }
    }
}

#[test]
fn all_of_a_ring_may_be_rewritten_at_any_time() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let status = in_child!({
        let until = Instant::now() + Duration::from_secs(2);
        let mut told = [0; 3];
        while Instant::now() < until {
            let (mut producer, mut consumer, memfd, _alive) = in_file();
            let stop = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| harass(&memfd, &stop));
                endure(&mut producer, &mut consumer, &mut told);
                stop.store(true, Relaxed);
            });
        }
        assert!(told.iter().all(|&count| count > 0), "{told:?}");
    });
    assert!(status.success(), "{status}");
}

#[test]
fn halves_can_be_sent_and_are_printed_without_their_bytes() {
    fn is_sent<T: Send + Sync + core::fmt::Debug>(what: &T) -> String {
        format!("{what:?}")
    }
    let (producer, consumer) = split(0, b"secret");
    assert!(is_sent(&producer).starts_with("Producer"));
    assert!(is_sent(&consumer).contains("capacity"));
    assert!(is_sent(&peer().0).starts_with("Peer"));
    fn is_error<E: core::error::Error + Send + Sync + 'static>() {}
    is_error::<Error>();
    is_error::<SetupError>();
    is_error::<mmarinus_ext::ring::Unsplit>();
}
