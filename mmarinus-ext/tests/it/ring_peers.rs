//! Rings between processes: with a child that works, with one that is killed at some point, stopped, or hostile.

use core::sync::atomic::AtomicBool;
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use mmarinus_ext::ipc::Connection;
use mmarinus_ext::memfd::{Memfd, SizeSealed};
use mmarinus_ext::ring::{Consumer, Error, Peer, Producer};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::common::{inherited, kills, never_overcommits, page, patterned};
use crate::halves::{endure, harass};
use crate::testing::{skip, start_child, times};

/// Nothing here takes longer, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rings that the parent sends, and what tells that it lives.
fn rings() -> (Vec<Memfd<SizeSealed>>, [Peer; 2]) {
    let socket = UnixStream::from(inherited());
    let peers = [(); 2].map(|()| Peer::behind(&socket).unwrap());
    let message = Connection::new(socket).receive().unwrap().unwrap();
    (message.memfds::<SizeSealed>().unwrap().1, peers)
}

/// Sends rings to a child.
fn hand_over(socket: UnixStream, rings: &[&Memfd<SizeSealed>]) {
    let fds: Vec<_> = rings.iter().map(AsFd::as_fd).collect();
    Connection::new(socket).send(b"rings", &fds).unwrap();
}

#[test]
fn a_child_answers_through_a_second_ring() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (near, far) = UnixStream::pair().unwrap();
    let child = start_child!(far, {
        let (rings, [one, two]) = rings();
        let mut questions = Consumer::attach(&rings[0], one).unwrap();
        let mut answers = Producer::attach(&rings[1], two).unwrap();
        drop(rings);
        let mut bytes = [0; 5000];
        loop {
            let n = questions.read(&mut bytes).unwrap();
            if n == 0 {
                break;
            }
            bytes[..n].iter_mut().for_each(|byte| *byte = !*byte);
            answers.write_all(&bytes[..n]).unwrap();
        }
    });
    let (mut questions, first) = Producer::create(1, Peer::behind(&near).unwrap()).unwrap();
    let (mut answers, second) = Consumer::create(page(), Peer::behind(&near).unwrap()).unwrap();
    questions.set_timeout(Some(PATIENCE));
    answers.set_timeout(Some(PATIENCE));
    hand_over(near, &[&first, &second]);
    let sent = patterned(times(1_000_000));
    thread::scope(|scope| {
        scope.spawn(|| {
            questions.write_all(&sent).unwrap();
            drop(questions);
        });
        let mut came = Vec::new();
        answers.read_to_end(&mut came).unwrap();
        came.iter_mut().for_each(|byte| *byte = !*byte);
        assert!(came == sent);
    });
    assert!(child.wait().success());
}

/// A wait in microseconds that differs from round to round.
fn moment(round: usize) -> Duration {
    Duration::from_micros((round * 7919 % 6007) as u64)
}

/// Where the parts of a stream end: of all sizes, around the size of a ring.
fn parts() -> impl Iterator<Item = usize> {
    (1..).map(|round: usize| round * 977 % (page() + 100))
}

#[test]
fn a_producer_that_is_killed_leaves_what_it_has_written_and_an_error() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (mut silent, mut spoke) = (0, 0);
    for round in 0..kills() {
        let (near, far) = UnixStream::pair().unwrap();
        let child = start_child!(far, {
            let (rings, [peer, _]) = rings();
            let mut producer = Producer::attach(&rings[0], peer).unwrap();
            let mut next = 0;
            for part in parts() {
                let bytes: Vec<_> = (next..next + part).map(|at| (at % 251) as u8).collect();
                if producer.write_all(&bytes).is_err() {
                    break;
                }
                next += part;
                if part % 5 == 0 {
                    thread::sleep(Duration::from_micros(part as u64 % 300));
                }
            }
        });
        let (mut consumer, memfd) = Consumer::create(1, Peer::behind(&near).unwrap()).unwrap();
        consumer.set_timeout(Some(PATIENCE));
        hand_over(near, &[&memfd]);
        let mut came = 0;
        let mut bytes = [0; 3001];
        // Most are killed at some time after the first byte, some at any time after the start.
        if round % 4 != 0 {
            came += consumer.read(&mut bytes[..1]).unwrap();
        }
        let killer = thread::spawn(move || {
            thread::sleep(moment(round));
            child.kill()
        });
        let error = loop {
            match consumer.read(&mut bytes) {
                // It never ends by itself: the producer is not dropped.
                Ok(0) => panic!("the end, after {came} bytes"),
                Ok(n) => {
                    for (at, byte) in bytes[..n].iter().enumerate() {
                        assert_eq!(*byte, ((came + at) % 251) as u8);
                    }
                    came += n;
                }
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        assert_eq!(consumer.wait_for(1), Err(Error::Died));
        assert!(consumer.is_alone());
        assert!(!killer.join().unwrap().success());
        if came == 0 {
            silent += 1;
        } else {
            spoke += 1;
        }
    }
    assert!(spoke > silent, "{spoke} {silent}");
}

#[test]
fn a_consumer_that_is_killed_is_an_error_and_no_wait() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    for round in 0..kills() {
        let (near, far) = UnixStream::pair().unwrap();
        let child = start_child!(far, {
            let (rings, [peer, _]) = rings();
            let mut consumer = Consumer::attach(&rings[0], peer).unwrap();
            let mut came = 0;
            for part in parts() {
                let mut bytes = vec![0; part];
                if consumer.read_exact(&mut bytes).is_err() {
                    break;
                }
                for (at, byte) in bytes.iter().enumerate() {
                    assert_eq!(*byte, ((came + at) % 251) as u8);
                }
                came += part;
            }
        });
        let (mut producer, memfd) = Producer::create(1, Peer::behind(&near).unwrap()).unwrap();
        producer.set_timeout(Some(PATIENCE));
        hand_over(near, &[&memfd]);
        if round % 4 != 0 {
            // As much as shows that it reads.
            producer.write_all(&patterned(251 * 20)).unwrap();
        }
        let killer = thread::spawn(move || {
            thread::sleep(moment(round));
            child.kill()
        });
        let error = loop {
            if let Err(error) = producer.write_all(&patterned(251 * 9)) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        assert_eq!(producer.wait_for_room(page()), Err(Error::Died));
        assert!(producer.is_alone());
        let status = killer.join().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
    }
}

#[test]
fn a_process_is_watched_by_its_pidfd() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (near, far) = UnixStream::pair().unwrap();
    let child = start_child!(far, {
        let id = std::process::id().to_le_bytes();
        Connection::new(UnixStream::from(inherited()))
            .send(&id, &[])
            .unwrap();
        thread::sleep(PATIENCE);
    });
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    let message = Connection::new(near).receive().unwrap().unwrap();
    let id = i32::from_le_bytes(message.payload().try_into().unwrap());
    let pid = Pid::from_raw(id).unwrap();
    let watch = || Peer::process(pidfd_open(pid, PidfdFlags::empty()).unwrap());
    let (mut consumer, _memfd) = Consumer::create(1, watch()).unwrap();
    let (mut producer, _memfd) = Producer::create(1, watch()).unwrap();
    // One that is only stopped lives.
    kill_process(pid, Signal::STOP).unwrap();
    consumer.set_timeout(Some(Duration::from_millis(30)));
    assert_eq!(consumer.wait_for(1), Err(Error::TimedOut));
    assert!(!consumer.is_alone() && !producer.is_alone());
    let waiting = thread::spawn(move || {
        consumer.set_timeout(None);
        consumer.wait_for(1)
    });
    producer.write_all(&patterned(page())).unwrap();
    let full = thread::spawn(move || producer.write(b"x"));
    thread::sleep(Duration::from_millis(20));
    assert!(!waiting.is_finished() && !full.is_finished());
    let begin = Instant::now();
    assert!(!child.kill().success());
    assert_eq!(waiting.join().unwrap(), Err(Error::Died));
    let error = full.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(begin.elapsed() < PATIENCE / 2);
}

#[test]
fn a_hostile_process_may_rewrite_all_of_a_ring_at_any_time() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (near, far) = UnixStream::pair().unwrap();
    let child = start_child!(far, {
        let (rings, _) = rings();
        for ring in rings {
            thread::spawn(move || harass(&ring, &AtomicBool::new(false)));
        }
        thread::sleep(PATIENCE);
    });
    let both: Vec<_> = (0..2)
        .map(|_| {
            let (producer, memfd) = Producer::create(1, Peer::behind(&near).unwrap()).unwrap();
            let consumer = Consumer::attach(&memfd, Peer::behind(&near).unwrap()).unwrap();
            (producer, consumer, memfd)
        })
        .collect();
    hand_over(near, &[&both[0].2, &both[1].2]);
    let mut told = [0; 3];
    for (mut producer, mut consumer, _memfd) in both {
        let begin = Instant::now();
        let is_enough = |told: &[usize; 3]| {
            let passed = begin.elapsed();
            passed > PATIENCE || passed > Duration::from_secs(1) && told[1] != 0
        };
        while !is_enough(&told) {
            endure(&mut producer, &mut consumer, &mut told);
        }
    }
    assert!(told.iter().all(|&count| count > 0), "{told:?}");
    assert!(!child.kill().success());
}
