//! A receiver that faces a hostile sender: errors, and no fault, no leak, no end of memory.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use mmarinus::{Errno, Shared, perms};
use mmarinus_ext::ipc::{self, Connection, Error, MAX_FDS};
use mmarinus_ext::memfd::{Memfd, Open, Options, Sealed, SizeSealed};
use mmarinus_sys::{HugePage, SealFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{
    ALL, foreign, mappings, never_overcommits, open_descriptors, page, patterned, sealed, sparse,
};
use crate::testing::{in_child, needs, skip};

/// A header, as the protocol has it.
fn header(fds: u32, len: u64) -> Vec<u8> {
    [&b"mmar"[..], &fds.to_le_bytes(), &len.to_le_bytes()].concat()
}

/// A stream whose one end speaks as it likes.
fn stream() -> (UnixStream, Connection) {
    let (near, far) = UnixStream::pair().unwrap();
    (near, Connection::new(far))
}

/// What the receiver says of these bytes, sent together with descriptors, after which the sender goes.
fn answer(bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Error {
    let (near, mut far) = stream();
    ipc::send(&near, bytes, fds).unwrap();
    drop(near);
    far.receive().unwrap_err()
}

#[test]
fn headers_that_lie_break_the_connection() {
    let file = sealed(b"x");
    let one = [file.as_fd()];
    assert!(matches!(
        answer(b"GET / HTTP/1.1\r\n\r\n", &one),
        Error::NoMessage
    ));
    assert!(matches!(
        answer(&header(0, u64::MAX), &one),
        Error::TooLong {
            len: u64::MAX,
            limit: 65536
        }
    ));
    assert!(matches!(
        answer(&header(0, 65537), &[]),
        Error::TooLong { len: 65537, .. }
    ));
    assert!(matches!(
        answer(&header(u32::MAX, 0), &one),
        Error::TooManyFds { limit: 16 }
    ));
    assert!(matches!(
        answer(&header(17, 0), &[file.as_fd(); 17]),
        Error::TooManyFds { limit: 16 }
    ));
    for cut in 1..16 {
        assert!(matches!(answer(&header(0, 1)[..cut], &one), Error::Cut));
    }
    assert!(matches!(
        answer(&[&header(0, 3)[..], b"ab"].concat(), &[]),
        Error::Cut
    ));
    // And broken it stays, though what follows would be a message; sending goes on.
    let (near, mut far) = stream();
    ipc::send(&near, &[&[0; 16][..], &header(0, 0)].concat(), &one).unwrap();
    assert!(matches!(far.receive(), Err(Error::NoMessage)));
    for _ in 0..3 {
        assert!(matches!(far.receive(), Err(Error::Broken)));
    }
    far.send(b"you lied", &[]).unwrap();
    assert_eq!(
        Connection::new(near).receive().unwrap().unwrap().payload(),
        b"you lied"
    );
}

#[test]
fn more_or_fewer_descriptors_than_told_cost_only_that_message() {
    let file = sealed(b"x");
    let (near, mut far) = stream();
    let next = |far: &mut Connection| {
        ipc::send(&near, &header(1, 0), &[file.as_fd()]).unwrap();
        assert_eq!(far.receive().unwrap().unwrap().fds().len(), 1);
    };
    for (told, sent) in [(0, 1), (1, 0), (1, 2), (3, 2), (16, 15), (0, 16), (1, 16)] {
        ipc::send(
            &near,
            &[&header(told, 5)[..], b"hello"].concat(),
            &vec![file.as_fd(); sent],
        )
        .unwrap();
        let error = far.receive().unwrap_err();
        assert!(
            matches!(error, Error::WrongCount { told: t, came: c } if t == told as usize && c == sent),
            "{error}"
        );
        next(&mut far);
    }
    // More than there may be at all.
    for sent in [17, 18, 19, 20, 30, MAX_FDS] {
        ipc::send(
            &near,
            &[&header(1, 5)[..], b"hello"].concat(),
            &vec![file.as_fd(); sent],
        )
        .unwrap();
        let error = far.receive().unwrap_err();
        assert!(matches!(error, Error::TooManyFds { limit: 16 }), "{error}");
        next(&mut far);
    }
    // Later than with the header: with the payload, in two parts.
    ipc::send(&near, &header(2, 2), &[]).unwrap();
    ipc::send(&near, b"a", &[file.as_fd()]).unwrap();
    ipc::send(&near, b"b", &[file.as_fd()]).unwrap();
    assert_eq!(far.receive().unwrap().unwrap().fds().len(), 2);
    ipc::send(&near, &header(1, 2), &[]).unwrap();
    ipc::send(&near, b"a", &[file.as_fd()]).unwrap();
    ipc::send(&near, b"b", &[file.as_fd(); 200]).unwrap();
    let error = far.receive().unwrap_err();
    assert!(
        matches!(error, Error::WrongCount { told: 1, came: 2.. }),
        "{error}"
    );
    next(&mut far);
}

#[test]
fn a_stream_that_is_split_anywhere_is_put_together() {
    let file = sealed(b"x");
    let bytes = [&header(2, 9)[..], b"split me!", &header(0, 0)].concat();
    for first in 1..25 {
        for second in [first, first + 1, first + 7, 24] {
            let second = second.clamp(first, 24);
            let (near, mut far) = stream();
            ipc::send(&near, &bytes[..first], &[file.as_fd()]).unwrap();
            if first == second {
                // The rest at once, with the other descriptor.
                ipc::send(&near, &bytes[first..], &[file.as_fd()]).unwrap();
            } else {
                ipc::send(&near, &bytes[first..second], &[]).unwrap();
                ipc::send(&near, &bytes[second..], &[file.as_fd()]).unwrap();
            }
            let message = far.receive().unwrap().unwrap();
            assert_eq!(
                (message.payload(), message.fds().len()),
                (&b"split me!"[..], 2),
                "{first} {second}"
            );
            assert_eq!(far.receive().unwrap().unwrap().payload(), b"");
        }
    }
    // Byte by byte, with a descriptor too many at each place.
    for place in 0..25 {
        let (near, mut far) = stream();
        for (index, byte) in bytes.iter().enumerate() {
            let fds: &[BorrowedFd<'_>] = if index == place {
                &[file.as_fd(); 3]
            } else {
                &[]
            };
            ipc::send(&near, &[*byte], fds).unwrap();
        }
        let error = far.receive().unwrap_err();
        assert!(
            matches!(error, Error::WrongCount { told: 2, came: 3 }),
            "{place}: {error}"
        );
        assert_eq!(far.receive().unwrap().unwrap().payload(), b"");
    }
}

#[test]
fn a_flood_of_descriptors_is_closed_as_it_comes() {
    let status = in_child!({
        let file = sealed(b"x");
        let flood = vec![file.as_fd(); MAX_FDS];
        let some = &flood[..60]; // All that is on its way at once counts against the limit of the user.
        let before = open_descriptors();
        let (near, mut far) = stream();
        let ends = open_descriptors() - before;
        for _ in 0..50 {
            ipc::send(&near, &header(16, 3), some).unwrap();
            for byte in b"abc" {
                ipc::send(&near, &[*byte], some).unwrap();
            }
            assert!(far.receive().is_err());
            assert_eq!(open_descriptors(), before + ends);
        }
        // In the middle of a message no more than the limit are held.
        far.socket().set_nonblocking(true).unwrap();
        ipc::send(&near, &header(16, 1 << 10), &flood[..16]).unwrap();
        for _ in 0..50 {
            ipc::send(&near, b"a", &flood).unwrap();
            assert!(matches!(far.receive(), Err(Error::Io(_))));
            assert!(open_descriptors() <= before + ends + 16);
        }
        drop((near, far));
        assert_eq!(open_descriptors(), before);

        let (near, far) = UnixDatagram::pair().unwrap();
        let mut far = Connection::new(far).max_fds(3);
        for sent in (0..20).chain([100, MAX_FDS]) {
            ipc::send(&near, b"flood", &flood[..sent]).unwrap();
            match far.receive() {
                Ok(message) => assert_eq!(message.fds().len(), sent),
                Err(error) => assert!(sent > 3 && matches!(error, Error::TooManyFds { limit: 3 })),
            }
            assert_eq!(open_descriptors(), before + 2);
        }
    });
    assert!(status.success(), "{status}");
}

#[test]
fn descriptors_that_this_process_may_not_have_are_told_apart() {
    let status = in_child!({
        let file = sealed(b"x");
        let (near, mut far) = stream();
        let (near_datagram, far_datagram) = UnixDatagram::pair().unwrap();
        let mut far_datagram = Connection::new(far_datagram);
        let before = open_descriptors();
        ipc::send(
            &near,
            &[&header(8, 5)[..], b"hello"].concat(),
            &[file.as_fd(); 8],
        )
        .unwrap();
        ipc::send(&near, &header(0, 0), &[]).unwrap();
        ipc::send(&near_datagram, b"hello", &[file.as_fd(); 8]).unwrap();
        // Room for three more. (The list that was read counted itself.)
        let limits = getrlimit(Resource::Nofile);
        let current = Some(before as u64 + 2);
        setrlimit(Resource::Nofile, Rlimit { current, ..limits }).unwrap();
        let error = far.receive().unwrap_err();
        assert!(matches!(error, Error::LostFds), "{error}");
        assert!(error.to_string().contains("ulimit -n"), "{error}");
        assert_eq!(far.receive().unwrap().unwrap().payload(), b"");
        assert!(matches!(far_datagram.receive(), Err(Error::LostFds)));
        setrlimit(Resource::Nofile, limits).unwrap();
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn what_was_promised_and_is_not_is_refused_and_closed() {
    let status = in_child!({
        let (socket, _) = UnixStream::pair().unwrap();
        let (pipe, _) = std::io::pipe().unwrap();
        let fine = sealed(b"fine");
        let mut lies: Vec<OwnedFd> = vec![
            File::open("/").unwrap().into(),
            File::open("/dev/null").unwrap().into(),
            File::open("/proc/self/mem").unwrap().into(),
            tempfile::tempfile().unwrap().into(),
            socket.into(),
            pipe.into(),
            rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap(),
            rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap(),
            path_only(&sealed(b"only a path")),
            foreign(page(), SealFlags::empty()).into(),
            foreign(page(), SealFlags::SHRINK | SealFlags::GROW).into(),
            foreign(page(), ALL.difference(SealFlags::GROW)).into(),
            sparse(1 << 40, ALL).into(),
            sparse(i64::MAX as u64, ALL).into(),
        ];
        if let Ok(huge) = Options::new()
            .huge_pages(HugePage::SIZE_2MB)
            .create("huge", 2 << 20)
        {
            lies.push(huge.into());
        }
        let before = (open_descriptors(), mappings());
        for lie in &lies {
            let (mut near, mut far) = {
                let (near, far) = UnixStream::pair().unwrap();
                (Connection::new(near), Connection::new(far))
            };
            near.send(
                b"a sealed file, really",
                &[fine.as_fd(), lie.as_fd(), fine.as_fd()],
            )
            .unwrap();
            let error = far
                .receive()
                .unwrap()
                .unwrap()
                .memfds::<Sealed>()
                .unwrap_err();
            assert!(matches!(error, Error::Memfd(_)), "{error}");
            assert!(std::io::Error::from(error).raw_os_error().is_some());
        }
        assert_eq!((open_descriptors(), mappings()), before);
    });
    assert!(status.success(), "{status}");
}

/// A descriptor of the same file that only names it: `O_PATH`.
fn path_only(file: &impl AsFd) -> OwnedFd {
    use rustix::fd::AsRawFd;
    use rustix::fs::{Mode, OFlags, open};
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

#[test]
fn urgent_bytes_are_no_part_of_a_message() {
    // Older ones get some of it wrong themselves.
    needs!(linux = "6.12");
    use rustix::net::{SendFlags, send};
    let (near, _far) = UnixStream::pair().unwrap();
    if send(&near, b"!", SendFlags::OOB).is_err() {
        skip!("the kernel has no urgent bytes on Unix sockets");
    }
    let status = in_child!({
        let file = sealed(b"x");
        let whole = [&header(1, 9)[..], b"in a row!"].concat();
        let before = open_descriptors();
        for place in 1..whole.len() {
            for urgent in [1, 2, 5] {
                let (near, mut far) = stream();
                far.socket().set_nonblocking(true).unwrap();
                let waits = |far: &mut Connection| match far.receive() {
                    Err(Error::Io(error)) => error.kind() == ErrorKind::WouldBlock,
                    _ => false,
                };
                ipc::send(&near, &whole[..place], &[file.as_fd()]).unwrap();
                assert!(waits(&mut far));
                for _ in 0..urgent {
                    send(&near, b"?", SendFlags::OOB).unwrap();
                }
                // All but the last are part of the stream after all.
                if urgent == 1 {
                    assert!(waits(&mut far), "at {place}");
                }
                ipc::send(&near, &whole[place..], &[]).unwrap();
                match far.receive() {
                    Ok(Some(message)) => {
                        assert_eq!(message.fds().len(), 1);
                        assert_eq!(message.payload() == b"in a row!", urgent == 1);
                    }
                    Ok(None) => panic!("the end at {place}, with {urgent}"),
                    Err(error) => assert!(urgent != 1, "at {place}: {error}"),
                }
            }
        }
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_file_that_is_shorter_than_told_is_no_fault() {
    let (near, mut far) = stream();
    let file = sealed(&patterned(10));
    Connection::new(near)
        .send(&(1_u64 << 30).to_le_bytes(), &[file.as_fd()])
        .unwrap();
    let (payload, files) = far.receive().unwrap().unwrap().memfds::<Sealed>().unwrap();
    let told = u64::from_le_bytes(payload.try_into().unwrap()) as usize;
    // A receiver that believes the payload.
    let error = files[0].map_range(0, told).with(perms::Read).unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    assert_eq!(files[0].map().with(perms::Read).unwrap()[..], patterned(10));
    // An empty one is an empty slice.
    let empty = Memfd::<Sealed>::try_from(sparse(0, ALL)).unwrap();
    assert!(empty.map().with(perms::Read).unwrap().is_empty());
}

#[test]
fn a_sender_that_goes_on_with_the_file_cannot_make_the_receiver_fault() {
    let status = in_child!({
        let mut theirs = Memfd::create("theirs", 4 * page() as u64).unwrap();
        theirs.write_all(&patterned(4 * page())).unwrap();
        let (mut near, mut far) = {
            let (near, far) = UnixStream::pair().unwrap();
            (Connection::new(near), Connection::new(far))
        };
        near.send(b"open", &[theirs.as_fd()]).unwrap();
        let (_, files) = far.receive().unwrap().unwrap().memfds::<Open>().unwrap();
        let map = files[0]
            .map()
            .unwrap()
            .with_kind(Shared)
            .with(perms::Read)
            .unwrap();
        theirs.set_len(0).unwrap();
        let mut bytes = [0; 8];
        assert_eq!(
            map.read_at(0, &mut bytes).unwrap_err().errno(),
            Errno::FAULT
        );
        // It seals what it sent, which it may.
        drop(map);
        let sealed = theirs.seal().unwrap();
        assert_eq!(
            files[0].write_at(0, b"x").unwrap_err().kind(),
            ErrorKind::PermissionDenied
        );
        assert!(sealed.is_empty());
        if never_overcommits() {
            return;
        }
        // Of a fixed size: it writes, punches and tries to cut while we read.
        let theirs = Memfd::create("theirs", 4 * page() as u64)
            .unwrap()
            .seal_size()
            .unwrap();
        near.send(b"fixed", &[theirs.as_fd()]).unwrap();
        let (_, files) = far
            .receive()
            .unwrap()
            .unwrap()
            .memfds::<SizeSealed>()
            .unwrap();
        let map = files[0]
            .map()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..200 {
                    theirs.write_at(0, &patterned(4 * page())).unwrap();
                    theirs.punch_hole(0, 4 * page() as u64).unwrap();
                    assert!(File::from(theirs.try_clone().unwrap()).set_len(0).is_err());
                }
            });
            let words = map.atomics::<core::sync::atomic::AtomicU64>(..).unwrap();
            for _ in 0..200 {
                for word in words {
                    word.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
                }
            }
        });
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_socket_of_another_kind_is_an_error() {
    let (pipe, _writer) = std::io::pipe().unwrap();
    let error = Connection::new(UnixStream::from(OwnedFd::from(pipe)))
        .receive()
        .unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    // Packets, of which a piece is dropped once the rest was read.
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let family = rustix::net::AddressFamily::UNIX;
    let (near, far) =
        rustix::net::socketpair(family, rustix::net::SocketType::SEQPACKET, flags, None).unwrap();
    let file = sealed(b"x");
    Connection::new(UnixStream::from(near))
        .send(b"payload", &[file.as_fd()])
        .unwrap();
    let mut far = Connection::new(UnixStream::from(far));
    assert!(matches!(far.receive(), Err(Error::NoMessage)));
    assert!(matches!(far.receive(), Err(Error::Broken)));
}

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        // Knuth's linear congruential generator.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    /// Messages, of which some are true, and bytes that are none.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..1 + self.roll(5) {
            let len = self.roll(40);
            bytes.extend(header(self.roll(4) as u32, len as u64));
            bytes.extend(vec![7; len]);
        }
        if self.roll(2) == 0 {
            let place = self.roll(bytes.len());
            bytes[place] ^= 1 << self.roll(8);
        }
        bytes.truncate(bytes.len() - self.roll(3));
        bytes
    }
}

#[test]
fn any_bytes_are_survived() {
    let status = in_child!({
        let file = sealed(b"x");
        let fds = [file.as_fd(); 5];
        let before = open_descriptors();
        let mut dice = Dice(1);
        let (mut whole, mut refused) = (0, 0);
        for _ in 0..crate::testing::times(2000) {
            let (near, mut far) = stream();
            far = far.max_fds(3).max_payload(30 + dice.roll(10));
            far.socket().set_nonblocking(true).unwrap();
            let mut near = Some(near);
            let bytes = dice.bytes();
            let mut rest = &bytes[..];
            loop {
                match &near {
                    Some(socket) if !rest.is_empty() => {
                        let (now, later) = rest.split_at(1 + dice.roll(rest.len()));
                        ipc::send(socket, now, &fds[..dice.roll(20).saturating_sub(14)]).unwrap();
                        rest = later;
                    }
                    _ => near = None,
                }
                match far.receive() {
                    Ok(Some(message)) => {
                        whole += 1;
                        assert!(message.payload().len() < 40);
                        assert!(message.fds().len() <= 3);
                    }
                    Ok(None) => break,
                    Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                    Err(Error::Broken) => break,
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(whole > 0 && refused > 0, "{whole} {refused}");
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success(), "{status}");
}
