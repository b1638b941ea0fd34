//! Messages between processes: with a child that works, and with one that is killed at some point.

use core::sync::atomic::AtomicU64;
use core::time::Duration;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Instant;

use mmarinus::{Errno, Shared, perms};
use mmarinus_ext::ipc::{Connection, Error, Maps, Message, Pool};
use mmarinus_ext::memfd::{Broadcast, Memfd, Open, Sealed, SizeSealed, State};

use crate::common::{inherited, kills, never_overcommits, page, patterned, sealed};
use crate::testing::{in_child, skip, start_child, times};

/// Nothing here takes longer, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

/// The parent's end of a stream, and the child's.
fn pair() -> (Connection, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    (Connection::new(near), far)
}

/// The child's end, from its standard input.
fn parent() -> Connection {
    Connection::new(UnixStream::from(inherited()))
}

#[test]
fn a_child_maps_what_its_parent_sealed() {
    let (mut near, far) = pair();
    let child = start_child!(far, {
        let mut parent = parent();
        while let Some(message) = parent.receive().unwrap() {
            let (payload, files) = message.memfds::<Sealed>().unwrap();
            let mut answer = payload;
            for file in &files {
                let map = file.map().with(perms::Read).unwrap();
                answer.extend(map.iter().rev());
            }
            let answer = sealed(&answer);
            parent.send(b"reversed", &[answer.as_fd()]).unwrap();
        }
    });
    for len in [0, 1, page(), 300_000] {
        let (file, small) = (sealed(&patterned(len)), sealed(b"cba"));
        near.send(b"and: ", &[file.as_fd(), small.as_fd()]).unwrap();
        let (payload, files) = near.receive().unwrap().unwrap().memfds::<Sealed>().unwrap();
        assert_eq!(payload, b"reversed");
        let mut expected = b"and: ".to_vec();
        expected.extend(patterned(len).iter().rev());
        expected.extend(b"abc");
        assert_eq!(files[0].map().with(perms::Read).unwrap()[..], expected);
    }
    drop(near);
    assert!(child.wait().success());
}

#[test]
fn a_writable_map_in_a_child_is_in_the_way_and_is_named() {
    let (mut near, far) = pair();
    let child = start_child!(far, {
        let mut parent = parent();
        let (_, files) = parent
            .receive()
            .unwrap()
            .unwrap()
            .memfds::<mmarinus_ext::memfd::Open>()
            .unwrap();
        let map = files[0]
            .map()
            .unwrap()
            .with_kind(Shared)
            .with(perms::ReadWrite)
            .unwrap();
        let id = std::process::id().to_le_bytes();
        parent.send(&id, &[]).unwrap();
        parent.receive().unwrap().unwrap();
        drop(map);
        parent.send(b"unmapped", &[]).unwrap();
        assert!(parent.receive().unwrap().is_none());
    });
    let memfd = Memfd::create("held", page() as u64).unwrap();
    near.send(b"map it", &[memfd.as_fd()]).unwrap();
    let message = near.receive().unwrap().unwrap();
    let id = u32::from_le_bytes(message.payload().try_into().unwrap());
    let error = memfd.seal().unwrap_err();
    assert_eq!(error.errno(), Errno::BUSY);
    assert!(
        error.to_string().contains(&format!("process {id} (")),
        "{error}"
    );
    let memfd = error.into_inner();
    near.send(b"let go", &[]).unwrap();
    assert_eq!(near.receive().unwrap().unwrap().payload(), b"unmapped");
    memfd.seal().unwrap();
    drop(near);
    assert!(child.wait().success());
}

#[test]
fn readers_in_other_processes_see_a_broadcast_and_cannot_disturb_it() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (mut near, far) = pair();
    let child = start_child!(far, {
        let mut parent = parent();
        let (_, files) = parent
            .receive()
            .unwrap()
            .unwrap()
            .memfds::<Broadcast>()
            .unwrap();
        let map = files[0].map().with_kind(Shared).with(perms::Read).unwrap();
        assert!(
            files[0]
                .map()
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .is_err()
        );
        parent.send(b"mapped", &[]).unwrap();
        parent.receive().unwrap().unwrap();
        let mut bytes = [0; 4];
        map.read_at(0, &mut bytes).unwrap();
        parent.send(&bytes, &[]).unwrap();
    });
    let memfd = Memfd::create("news", page() as u64)
        .unwrap()
        .seal_size()
        .unwrap();
    let (mut writer, memfd) = memfd.broadcast().unwrap();
    near.send(b"listen", &[memfd.as_fd()]).unwrap();
    assert_eq!(near.receive().unwrap().unwrap().payload(), b"mapped");
    writer.write_at(0, b"news").unwrap();
    near.send(b"now", &[]).unwrap();
    assert_eq!(near.receive().unwrap().unwrap().payload(), b"news");
    assert!(child.wait().success());
}

#[test]
fn a_child_finds_its_parent_by_a_path() {
    // The child comes by here as well, and then needs the parent's folder: the name of the process tells it.
    let folder = |id: u32| std::env::temp_dir().join(format!("mmarinus-ext-{id}"));
    let path = folder(std::process::id());
    let is_parent = std::fs::create_dir(&path).is_ok();
    let listener = UnixListener::bind(path.join("socket"));
    let server = std::thread::spawn(move || {
        let (socket, _) = listener?.accept()?;
        let mut peer = Connection::new(socket);
        let (_, files) = peer.receive()?.unwrap().memfds::<Sealed>()?;
        let len = files[0].len();
        peer.send(&len.to_le_bytes(), &[])?;
        Ok::<_, Box<dyn core::error::Error + Send + Sync>>(len)
    });
    let status = in_child!({
        let path = folder(std::os::unix::process::parent_id()).join("socket");
        let mut peer = Connection::new(UnixStream::connect(path).unwrap());
        let file = sealed(&patterned(12345));
        peer.send(b"measure it", &[file.as_fd()]).unwrap();
        let answer = peer.receive().unwrap().unwrap();
        assert_eq!(answer.payload(), 12345_u64.to_le_bytes());
        let own = folder(std::process::id());
        std::fs::remove_dir_all(own).unwrap();
    });
    assert!(is_parent && status.success(), "{status}");
    assert_eq!(server.join().unwrap().unwrap(), 12345);
    std::fs::remove_dir_all(path).unwrap();
}

#[test]
fn datagrams_reach_another_process() {
    let (near, far) = UnixDatagram::pair().unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut near = Connection::new(near);
    let child = start_child!(far, {
        let mut parent = Connection::new(UnixDatagram::from(inherited()));
        for _ in 0..3 {
            let (payload, files) = parent.receive().unwrap().memfds::<Sealed>().unwrap();
            let sum: u64 = files.iter().map(Memfd::<Sealed>::len).sum();
            assert_eq!(payload, sum.to_le_bytes());
            parent.send(b"right", &[]).unwrap();
        }
    });
    for count in 0..3_u64 {
        let files: Vec<_> = (0..count)
            .map(|len| sealed(&patterned(len as usize)))
            .collect();
        let fds: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let sum: u64 = (0..count).sum();
        near.send(&sum.to_le_bytes(), &fds).unwrap();
        assert_eq!(near.receive().unwrap().payload(), b"right");
    }
    assert!(child.wait().success());
}

#[test]
fn buffers_are_used_again_between_processes() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (mut near, far) = pair();
    let child = start_child!(far, {
        let (mut parent, mut maps) = (parent(), Maps::new());
        while let Some(message) = parent.receive().unwrap() {
            let (payload, mut files) = message.memfds::<SizeSealed>().unwrap();
            let map = maps.map(files.remove(0)).unwrap();
            let mut bytes = vec![0; payload.len()];
            map.read_at(0, &mut bytes).unwrap();
            assert_eq!(bytes, payload);
            map.view(..).unwrap().write_at(0, b"seen").unwrap();
            parent.send(b"done", &[]).unwrap();
        }
        assert_eq!(maps.made(), 1);
    });
    let mut pool = Pool::new(page());
    for round in 0..20_u8 {
        let mut buffer = pool.take().unwrap();
        let text = [round; 100];
        buffer.write_at(0, &text).unwrap();
        near.send(&text, &[buffer.as_fd()]).unwrap();
        assert_eq!(near.receive().unwrap().unwrap().payload(), b"done");
        let mut seen = [0; 5];
        buffer.read_at(0, &mut seen).unwrap();
        assert_eq!(seen, [b's', b'e', b'e', b'n', round]);
        pool.give_back(buffer);
    }
    assert_eq!(pool.made(), 1);
    drop(near);
    assert!(child.wait().success());
}

/// Sends messages with files for ever, or until the parent is gone.
fn chatter() {
    let mut parent = parent();
    let file = sealed(&patterned(5000));
    for round in 0_u32.. {
        let payload = patterned(round as usize * 977 % 60_000);
        let count = round as usize % 5;
        if parent.send(&payload, &vec![file.as_fd(); count]).is_err() {
            return;
        }
    }
}

#[test]
fn a_sender_that_is_killed_leaves_whole_messages_or_an_error() {
    let (mut cut, mut ended) = (0, 0);
    let rounds = kills() as u32;
    for round in 0..rounds {
        let (mut near, far) = pair();
        let child = start_child!(far, {
            chatter();
        });
        // The first message shows that it runs; then it is killed wherever it is.
        let begin = Instant::now();
        near.receive().unwrap().unwrap();
        let until = begin.elapsed() / 4 + Duration::from_micros(u64::from(round * 137 % 3301));
        let begin = Instant::now();
        let mut count = 1;
        let mut next = |near: &mut Connection| {
            let message = near.receive();
            if let Ok(Some(message)) = &message {
                assert_eq!(message.payload(), patterned(count * 977 % 60_000));
                assert_eq!(message.fds().len(), count % 5);
                count += 1;
            }
            message
        };
        while begin.elapsed() < until {
            next(&mut near).unwrap().unwrap();
        }
        let status = child.kill();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(9)
        );
        // What was sent whole comes, then the end, between two messages or in the middle of one.
        loop {
            match next(&mut near) {
                Ok(Some(message)) => drop(message.memfds::<Sealed>().unwrap()),
                Ok(None) => break ended += 1,
                Err(Error::Cut) => break cut += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!(cut + ended, rounds);
}

#[test]
fn a_receiver_that_is_killed_is_an_error_and_no_signal() {
    let (mut near, far) = pair();
    let child = start_child!(far, {
        let _socket = inherited();
        std::thread::sleep(PATIENCE);
    });
    let file = sealed(b"unread");
    let fds = [file.as_fd(); 9];
    near.socket().set_nonblocking(true).unwrap();
    // As many messages as the socket holds.
    let full = loop {
        if let Err(error) = near.send(&patterned(5000), &fds) {
            break std::io::Error::from(error);
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    child.kill();
    let gone = std::io::Error::from(near.send(b"anybody?", &[]).unwrap_err());
    let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
    assert!(kinds.contains(&gone.kind()), "{gone}");
    let after = near.send(b"anybody?", &[]).unwrap_err();
    assert!(matches!(after, Error::Broken | Error::Io(_)), "{after}");
}

/// Numbers that look random, and are the same in each run.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        // Marsaglia's shifts.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    }
}

/// Sends messages, lies and descriptors of every kind until the parent is gone, and goes on with the files that it has sent.
fn harass(seed: u64) {
    let socket = UnixStream::from(inherited());
    let mut dice = dice(seed);
    let shared = Memfd::create("theirs", 4 * page() as u64).unwrap();
    let fixed = Memfd::create("fixed", page() as u64).unwrap();
    let fixed = fixed.seal_size().unwrap();
    let whole = sealed(&patterned(5000));
    let hole = crate::common::sparse(1 << 40, crate::common::ALL);
    let folder = std::fs::File::open("/").unwrap();
    let null = std::fs::File::open("/dev/null").unwrap();
    let (stranger, _) = UnixStream::pair().unwrap();
    let kinds = [
        shared.as_fd(),
        fixed.as_fd(),
        whole.as_fd(),
        hole.as_fd(),
        folder.as_fd(),
        null.as_fd(),
        stranger.as_fd(),
    ];
    loop {
        let fds: Vec<_> = (0..dice(4)).map(|_| kinds[dice(kinds.len())]).collect();
        let told = [fds.len(), fds.len(), fds.len(), dice(20)][dice(4)] as u32;
        let len = dice(300);
        let mut bytes = [
            &b"mmar"[..],
            &told.to_le_bytes(),
            &(len as u64).to_le_bytes(),
        ]
        .concat();
        bytes.extend(patterned(len));
        if dice(50) == 0 {
            let place = dice(bytes.len());
            bytes[place] ^= 1 << dice(8);
        }
        // In pieces; the descriptors with the first one, or with another.
        let mut rest = &bytes[..];
        let mut unsent = &fds[..];
        while !rest.is_empty() {
            let now = &rest[..1 + dice(rest.len())];
            let fds = if dice(3) != 0 {
                core::mem::take(&mut unsent)
            } else {
                &[]
            };
            match mmarinus_ext::ipc::send(&socket, now, fds) {
                Ok(sent) => rest = &rest[sent..],
                Err(_) => return,
            }
        }
        let len = dice(9) * page() / 2;
        let _ = shared.set_len(len as u64);
        let _ = fixed.punch_hole(0, page() as u64);
        let _ = fixed.write_at(dice(page()) as u64, b"");
    }
}

/// Uses the files of a message as what they are verified to be; how many are.
fn use_as<S: State>(message: Message, touch: impl Fn(&Memfd<S>)) -> usize {
    match message.memfds::<S>() {
        Ok((_, files)) => {
            files.iter().for_each(touch);
            files.len()
        }
        Err(error) => {
            assert!(matches!(error, Error::Memfd(_)), "{error}");
            0
        }
    }
}

#[test]
fn a_hostile_process_can_only_cause_errors() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    // Messages as they should be, files that were what they should be, and lies.
    let (mut whole, mut used, mut lies) = (0, [0; 3], 0);
    for round in 1..=times(200) {
        let (mut near, far) = pair();
        let child = start_child!(far, {
            harass(u64::from(std::process::id()) << 20 | 1);
        });
        let mut count = 0;
        let most = round * 37 % 101;
        let mut is_over = false;
        while !is_over && count < most {
            count += 1;
            let message = match near.receive() {
                Ok(Some(message)) => message,
                Ok(None) => panic!("it does not end by itself"),
                Err(Error::Io(error)) => panic!("{error}"),
                // Whatever is wrong with the next ones as well.
                Err(Error::Broken | Error::Cut | Error::NoMessage | Error::TooLong { .. }) => {
                    is_over = true;
                    continue;
                }
                Err(_) => {
                    lies += 1;
                    continue;
                }
            };
            whole += 1;
            match count % 3 {
                0 => {
                    used[0] += use_as::<Sealed>(message, |file| {
                        let map = file.map().with(perms::Read).unwrap();
                        assert_eq!(map[..], patterned(5000));
                    });
                }
                1 => {
                    used[1] += use_as::<SizeSealed>(message, |file| {
                        // Not all of it: to read a hole of such a file costs memory, and one of them is a hole of 1 TiB.
                        let len = file.len().min(page() as u64) as usize;
                        let map = file.map_range(0, len).with_kind(Shared);
                        let map = map.with(perms::Read).unwrap();
                        let words = map.observe::<AtomicU64>(..len & !7).unwrap();
                        let sum = words
                            .iter()
                            .fold(0, |sum: u64, word| sum.wrapping_add(word.load()));
                        core::hint::black_box(sum);
                    });
                }
                _ => {
                    used[2] += use_as::<Open>(message, |file| {
                        // It may be shorter by now, or at any moment.
                        let Ok(map) = file
                            .map_range(0, 2 * page())
                            .with_kind(Shared)
                            .with(perms::ReadWrite)
                        else {
                            return;
                        };
                        for offset in [0, page() - 4, 2 * page() - 9] {
                            let _ = map.read_at(offset, &mut [0; 9]);
                            let _ = map.view(..).unwrap().write_at(offset, &[7; 9]);
                        }
                    });
                }
            }
        }
        assert!(!child.kill().success());
        // What is left over of it is an error or the end, and before long.
        while matches!(
            near.receive(),
            Ok(Some(_)) | Err(Error::LostFds | Error::TooManyFds { .. } | Error::WrongCount { .. })
        ) {}
    }
    assert!(whole > 0 && lies > 0, "{whole} {used:?} {lies}");
    // Of the few rounds in a guest, not all kinds of files need have been what they should be.
    let few = times(200) < 200;
    assert!(few || used.iter().all(|&used| used > 0), "{used:?}");
}
