//! Signals all the time, whose handler ends system calls (no `SA_RESTART`): all that waits or works long gets to its end.

use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::thread;
use std::time::Instant;

use mmarinus::perms;
use mmarinus_ext::grow;
use mmarinus_ext::ipc::{self, Connection};
use mmarinus_ext::memfd::{Memfd, Sealed};
use mmarinus_ext::ring::{Error, Ring};
use mmarinus_ext::secret::Secret;
use mmarinus_ext::snapshot;

use crate::common::{patterned, sealed};
use crate::raw::between_signals;
use crate::testing::{in_child, times};

/// A wait that is long between two signals.
const SHORT: Duration = Duration::from_millis(40);

/// What every wait of that length is over after, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a closure between signals, of which some must have come.
fn disturbed(run: impl FnOnce() + Send + 'static) {
    assert!(between_signals(run) > 3);
}

/// Runs a closure a little later.
fn later<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        thread::sleep(SHORT);
        run()
    })
}

/// That a wait ended as it should, because its time was over.
fn is_over(begin: Instant, error: impl Into<std::io::Error>) {
    let kind = error.into().kind();
    assert!(
        [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&kind),
        "{kind}"
    );
    let waited = begin.elapsed();
    assert!(
        SHORT <= waited + Duration::from_millis(1) && waited < PATIENCE / 2,
        "{waited:?}"
    );
}

#[test]
fn holes_get_their_memory_and_files_are_verified() {
    let status = in_child!({
        disturbed(|| {
            let len = times(128 << 20) as u64;
            let sealed = Memfd::create("sparse", len).unwrap().seal().unwrap();
            let fd = OwnedFd::from(sealed.try_clone().unwrap());
            let theirs = Memfd::<Sealed>::try_from(fd).unwrap();
            let map = theirs.map().with(perms::Read).unwrap();
            assert_eq!((map.len() as u64, map[map.len() - 1]), (len, 0));
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn snapshots_are_whole() {
    let status = in_child!({
        let len = times(32 << 20);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&patterned(len)).unwrap();
        disturbed(move || {
            let memory = crate::common::foreign(len, mmarinus_sys::SealFlags::empty());
            for source in [&file, &memory] {
                let copy = snapshot::of(source)
                    .unwrap()
                    .map()
                    .with(perms::Read)
                    .unwrap();
                assert!(copy[..] == patterned(len));
            }
            let copy = snapshot::read(&patterned(len)[..]).unwrap();
            assert!(copy.map().with(perms::Read).unwrap()[..] == patterned(len));
            // A pipe and a socket that have nothing for a while.
            let (reader, mut pipe) = std::io::pipe().unwrap();
            let (near, mut far) = UnixStream::pair().unwrap();
            let feeders = [
                later(move || pipe.write_all(&patterned(300_000))),
                later(move || far.write_all(&patterned(300_000))),
            ];
            for source in [reader.as_fd(), near.as_fd()] {
                let copy = snapshot::of(&source)
                    .unwrap()
                    .map()
                    .with(perms::Read)
                    .unwrap();
                assert!(copy[..] == patterned(300_000));
            }
            feeders
                .into_iter()
                .for_each(|feeder| feeder.join().unwrap().unwrap());
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn messages_come_whole_and_their_timeouts_pass() {
    let status = in_child!({
        disturbed(|| {
            let (near, far) = UnixStream::pair().unwrap();
            let (mut near, far) = (Connection::new(near), Connection::new(far));
            let mut far = far.max_payload(8 << 20);
            let file = sealed(b"file");
            // The receiver waits for the sender, then the sender for the receiver.
            let sender = later(move || {
                near.send(b"first", &[file.as_fd()]).unwrap();
                near.receive().unwrap().unwrap();
                near
            });
            let (payload, files) = far.receive().unwrap().unwrap().memfds::<Sealed>().unwrap();
            assert_eq!((&payload[..], files.len()), (&b"first"[..], 1));
            let receiver = later(move || sender.join().unwrap());
            far.send(&patterned(60_000), &[]).unwrap();
            let mut near = receiver.join().unwrap();
            let long = times(8 << 20);
            let receiver = later(move || {
                let mut near = near.into_socket();
                let mut len = 0;
                let mut bytes = [0; 1 << 16];
                while len < long + 16 {
                    len += near.read(&mut bytes).unwrap();
                }
                near
            });
            far.send(&patterned(long), &[]).unwrap();
            near = Connection::new(receiver.join().unwrap());

            far.socket().set_read_timeout(Some(SHORT)).unwrap();
            far.socket().set_write_timeout(Some(SHORT)).unwrap();
            let begin = Instant::now();
            is_over(begin, far.receive().unwrap_err());
            near.send(b"last", &[]).unwrap();
            assert_eq!(far.receive().unwrap().unwrap().payload(), b"last");
            let begin = Instant::now();
            let full = loop {
                if let Err(error) = ipc::send(far.socket(), &patterned(1 << 16), &[]) {
                    break error;
                }
            };
            is_over(begin, full);
            let (near, far) = UnixDatagram::pair().unwrap();
            far.set_read_timeout(Some(SHORT)).unwrap();
            let mut far = Connection::new(far);
            let begin = Instant::now();
            is_over(begin, far.receive().unwrap_err());
            let sender = later(move || near.send(b"datagram").unwrap());
            far.socket().set_read_timeout(None).unwrap();
            assert_eq!(far.receive().unwrap().payload(), b"datagram");
            sender.join().unwrap();
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn halves_of_a_ring_wait_and_their_timeouts_pass() {
    let status = in_child!({
        disturbed(|| {
            let (mut producer, mut consumer) = Ring::new(1).unwrap().split().unwrap();
            consumer.set_timeout(Some(SHORT));
            let begin = Instant::now();
            assert_eq!(consumer.wait_for(1), Err(Error::TimedOut));
            is_over(begin, ErrorKind::TimedOut);
            consumer.set_timeout(None);
            let bytes = patterned(5 * producer.capacity());
            let expected = bytes.clone();
            let writer = later(move || {
                for part in bytes.chunks(3001) {
                    thread::sleep(Duration::from_millis(1));
                    producer.write_all(part).unwrap();
                }
            });
            let mut came = Vec::new();
            consumer.read_to_end(&mut came).unwrap();
            assert!(came == expected);
            writer.join().unwrap();
        });
    });
    assert!(status.success(), "{status}");
}

#[cfg(target_has_atomic = "64")]
#[test]
fn locks_and_counters_wait_and_their_timeouts_pass() {
    use mmarinus_ext::shared::{self, Counter, Lock, Once};
    use std::sync::Arc;

    mmarinus::shared_layout! {
        struct All {
            lock: Lock,
            counter: Counter,
            once: Once,
        }
    }
    let status = in_child!({
        disturbed(|| {
            let all = Arc::new(shared::anonymous::<All>().unwrap());
            let begin = Instant::now();
            is_over(begin, all.counter.wait_within(1, SHORT).unwrap_err());
            let other = Arc::clone(&all);
            let counter = later(move || other.counter.add(1));
            assert_eq!(all.counter.wait(1), 1);
            counter.join().unwrap();

            let other = Arc::clone(&all);
            let owner = thread::spawn(move || {
                let held = other.lock.lock().unwrap();
                other.counter.add(1);
                other.counter.wait(3);
                drop(held);
            });
            all.counter.wait(2);
            let begin = Instant::now();
            is_over(begin, all.lock.lock_within(SHORT).unwrap_err());
            let other = Arc::clone(&all);
            let releaser = later(move || other.counter.add(1));
            drop(all.lock.lock().unwrap());
            owner.join().unwrap();
            releaser.join().unwrap();

            let other = Arc::clone(&all);
            let first = thread::spawn(move || {
                other.once.call_once(|_| {
                    other.counter.add(1);
                    thread::sleep(4 * SHORT);
                })
            });
            all.counter.wait(4);
            let begin = Instant::now();
            is_over(begin, all.once.call_once_within(SHORT, |_| {}).unwrap_err());
            all.once.call_once(|_| panic!("once")).unwrap();
            first.join().unwrap().unwrap();
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn memory_is_brought_in_and_locked() {
    let status = in_child!({
        disturbed(|| {
            let len = times(64 << 20);
            let options = grow::Options::new().prefault();
            let mut buffer = options.create::<u8>(len).unwrap();
            buffer.resize(len, 7).unwrap();
            assert!(buffer.iter().all(|&byte| byte == 7));
            for make in [Secret::new, Secret::locked] {
                let mut secret = make(1 << 18).unwrap();
                secret.write().unwrap().fill(7);
                assert!(secret.read().unwrap().iter().all(|&byte| byte == 7));
            }
        });
    });
    assert!(status.success(), "{status}");
}
