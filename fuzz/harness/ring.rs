//! Both halves of a ring in a file that a third party writes: bytes or errors, and never more than the ring holds.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use core::time::Duration;
use std::io::{BufRead, Read, Write};
use std::os::unix::net::UnixStream;

use mmarinus::{Shared, perms};
use mmarinus_ext::ring::{Consumer, Peer, Producer};

use super::bytes::Bytes;

/// Words that are likely to be looked at: the header, and what the halves store.
const WORDS: [usize; 8] = [0, 1, 2, 3, 32, 33, 64, 65];

/// Reads, writes, and stores any words in between, as the bytes say.
pub(crate) fn run(data: &[u8]) {
    let bytes = &mut Bytes(data);
    let page = mmarinus_sys::page_size();
    let (one, first) = UnixStream::pair().expect("sockets");
    let (two, second) = UnixStream::pair().expect("sockets");
    let peer = |socket| Peer::behind(socket).expect("a peer");
    let Ok((mut producer, memfd)) = Producer::create(page, peer(&one)) else {
        // Memory may not be overcommitted.
        return;
    };
    let mut consumer = Consumer::attach(&memfd, peer(&two)).expect("a ring");
    producer.set_timeout(Some(Duration::ZERO));
    consumer.set_timeout(Some(Duration::ZERO));
    let map = memfd
        .map()
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .expect("a map");
    let words = map.atomics::<AtomicU32>(..).expect("words");
    let mut buf = vec![0; 2 * page];
    let most = |n: usize| assert!(n <= page, "{n} bytes of {page}");
    while !bytes.0.is_empty() {
        let n = bytes.below(2 * page);
        match bytes.byte() % 12 {
            0 => most(producer.write(&buf[..n]).unwrap_or(0)),
            1 => most(producer.try_write(&buf[..n]).unwrap_or(0)),
            2 => most(consumer.read(&mut buf[..n]).unwrap_or(0)),
            3 => most(consumer.try_read(&mut buf[..n]).unwrap_or(0)),
            4 => most(consumer.peek(n).map_or(0, <[u8]>::len)),
            5 => most(consumer.fill_buf().map_or(0, <[u8]>::len)),
            6 => consumer.consume(n),
            // What was copied ahead counts as well, and the producer may have filled the ring since.
            7 => assert!(consumer.wait_for(n.min(page)).unwrap_or(0) <= 2 * page),
            8 => most(producer.wait_for_room(n.min(page)).unwrap_or(0)),
            9 => drop(memfd.punch_hole(0, (n + 1) as u64)),
            10 => drop(Consumer::attach(&memfd, peer(&two))),
            _ => {
                let near = [0, page as u32, 2 * page as u32, u32::MAX, 1 << 31];
                let value = near[bytes.below(5)].wrapping_add(u32::from(bytes.byte()));
                words[WORDS[bytes.below(WORDS.len())]].store(value, Relaxed);
            }
        }
    }
    drop((first, second));
}
