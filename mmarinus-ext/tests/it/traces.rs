//! What the modules about files in memory leave behind, whatever becomes of what they are given: nothing.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use mmarinus::{Errno, Shared, perms};
use mmarinus_ext::ipc::{self, Connection, Error, Maps, Pool};
use mmarinus_ext::memfd::{Broadcast, Memfd, Open, Options, Sealed, SizeSealed};
use mmarinus_ext::ring::{Consumer, Peer};
use mmarinus_ext::snapshot;
use mmarinus_sys::SealFlags;

use crate::common::{ALL, foreign, inherited, never_overcommits, page, patterned, sealed, sparse};
use crate::testing::{skip, sound, start_child, times};

/// Nothing here takes longer, also where it is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn of_memfds() {
    sound!({
        let mut memfd = Memfd::create("file", 3 * page() as u64).unwrap();
        memfd.write_all(&patterned(100)).unwrap();
        let clone = memfd.try_clone().unwrap();
        clone.set_len(page() as u64).unwrap();
        let map = memfd
            .map()
            .unwrap()
            .with_kind(Shared)
            .with(perms::ReadWrite);
        let (mut map, placed) = (
            map.unwrap(),
            memfd.map_range(1, 5).aligned_to(1 << 21).with(perms::Read),
        );
        map.write_at(0, b"written").unwrap();
        drop((memfd, clone));
        let mut bytes = [0; 5];
        placed.unwrap().read_at(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"ritte");
        for len in [u64::MAX, 1 << 63] {
            assert!(Memfd::create("long", len).is_err());
        }
        assert!(Memfd::create("a\0name", 0).is_err());
        drop(Options::new().executable().create("program", 1));
    });
}

#[test]
fn of_seals() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    sound!({
        for _ in 0..times(20) {
            let memfd = Memfd::create("all", 5 * page() as u64).unwrap();
            let map = memfd
                .map()
                .unwrap()
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap();
            let memfd = memfd.seal().unwrap_err().into_inner();
            drop(map);
            let memfd = memfd.seal_size().unwrap();
            let (writer, memfd) = memfd.broadcast().unwrap();
            let memfd = memfd.seal().unwrap_err().into_inner();
            drop(writer);
            let sealed = memfd.seal().unwrap();
            let maps = [(); 3].map(|()| sealed.map().with(perms::Read).unwrap());
            drop(sealed);
            assert!(maps.iter().all(|map| map.iter().all(|&byte| byte == 0)));
            let forbidden = Memfd::<Open>::try_from(foreign(1, SealFlags::empty())).unwrap();
            mmarinus_sys::fcntl_add_seals(&forbidden, SealFlags::SEAL).unwrap();
            drop(
                forbidden
                    .seal_size()
                    .unwrap_err()
                    .into_inner()
                    .seal()
                    .unwrap_err(),
            );
        }
    });
}

#[test]
fn of_what_is_verified() {
    sound!({
        let strangers = || -> Vec<OwnedFd> {
            let (reader, writer) = std::io::pipe().unwrap();
            let (near, far) = UnixStream::pair().unwrap();
            vec![
                reader.into(),
                writer.into(),
                near.into(),
                far.into(),
                File::open("/").unwrap().into(),
                File::open("/dev/null").unwrap().into(),
                foreign(10, SealFlags::empty()).into(),
                foreign(10, SealFlags::SHRINK).into(),
                foreign(10, SealFlags::SHRINK | SealFlags::GROW).into(),
                foreign(10, ALL).into(),
                sparse(1 << 40, ALL).into(),
                sparse(0, ALL).into(),
            ]
        };
        // How many are what they claim to be.
        let mut taken = [0; 4];
        for fd in strangers() {
            taken[0] += usize::from(Memfd::<Sealed>::try_from(fd).is_ok());
        }
        for fd in strangers() {
            taken[1] += usize::from(Memfd::<SizeSealed>::try_from(fd).is_ok());
        }
        for fd in strangers() {
            taken[2] += usize::from(Memfd::<Broadcast>::try_from(fd).is_ok());
        }
        for fd in strangers() {
            // What is refused comes back, and is closed by whoever gets it.
            match Memfd::<Open>::try_from(fd) {
                Ok(_) => taken[3] += 1,
                Err(error) => drop(File::from(error.into_inner())),
            }
        }
        assert_eq!(taken, [2, 4, 0, 1]);
    });
}

#[test]
fn of_snapshots() {
    sound!({
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&patterned(300_000)).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"piped").unwrap();
        drop(writer);
        let made = [
            snapshot::of(&file).unwrap(),
            snapshot::of(&reader).unwrap(),
            snapshot::of(&foreign(5000, ALL)).unwrap(),
            snapshot::read(&patterned(70_000)[..]).unwrap(),
            snapshot::load("/proc/self/status").unwrap(),
        ];
        let lens = made
            .each_ref()
            .map(|made| made.map().with(perms::Read).unwrap().len());
        assert_eq!(lens[..4], [300_000, 5, 5000, 70_000]);
        let less = snapshot::Options::new().limit(10);
        assert!(less.of(&file).is_err() && less.of(&foreign(5000, ALL)).is_err());
        assert!(less.load("/dev/zero").is_err() && snapshot::load("/").is_err());
        assert!(less.read(std::io::repeat(7)).is_err());
        file.rewind().unwrap();
        assert_eq!(less.limit(300_000).read(&mut file).unwrap().len(), 300_000);
    });
}

#[test]
fn of_messages() {
    sound!({
        let (file, fixed) = (
            sealed(b"file"),
            foreign(100, SealFlags::SHRINK | SealFlags::GROW),
        );
        let fds = [file.as_fd(), fixed.as_fd(), file.as_fd()];
        for _ in 0..times(20) {
            let (near, far) = UnixStream::pair().unwrap();
            let (mut near, mut far) = (Connection::new(near), Connection::new(far));
            near.send(b"all", &fds).unwrap();
            near.send(b"one", &fds[..1]).unwrap();
            near.send(b"unread", &fds).unwrap();
            let message = far.receive().unwrap().unwrap();
            assert!(
                message.memfds::<Sealed>().is_err(),
                "one of them is not sealed"
            );
            let (payload, files) = far.receive().unwrap().unwrap().memfds::<Sealed>().unwrap();
            assert_eq!((&payload[..], files.len()), (&b"one"[..], 1));
            let (near, far) = UnixDatagram::pair().unwrap();
            let (mut near, far) = (Connection::new(near), Connection::new(far));
            let mut far = far.max_fds(2);
            near.send(b"too many", &fds).unwrap();
            near.send(b"unread", &fds).unwrap();
            assert!(matches!(far.receive(), Err(Error::TooManyFds { limit: 2 })));
        }
    });
}

#[test]
fn of_hostile_senders() {
    sound!({
        let file = sealed(b"x");
        let flood = vec![file.as_fd(); ipc::MAX_FDS];
        let header =
            |fds: u32, len: u64| [&b"mmar"[..], &fds.to_le_bytes(), &len.to_le_bytes()].concat();
        let lies = [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            header(0, u64::MAX),
            header(u32::MAX, 0),
            header(3, 5),
            header(200, 5),
            [header(1, 5), b"abcde".to_vec()].concat(),
            [header(1, 5), b"abc".to_vec()].concat(),
            [header(16, 1 << 14), vec![7; 5000]].concat(),
            vec![b'm'; 3],
        ];
        for lie in &lies {
            // All at once; and byte by byte, each with descriptors.
            for step in [lie.len(), 1] {
                let (near, far) = UnixStream::pair().unwrap();
                let mut far = Connection::new(far);
                for (count, part) in lie.chunks(step).take(40).enumerate() {
                    ipc::send(&near, part, &flood[..[ipc::MAX_FDS, 0, 7][count % 3]]).unwrap();
                }
                drop(near);
                while !matches!(far.receive(), Ok(None) | Err(Error::Broken | Error::Io(_))) {}
            }
            let (near, far) = UnixDatagram::pair().unwrap();
            ipc::send(&near, lie, &flood).unwrap();
            assert!(Connection::new(far).receive().is_err());
        }
    });
}

#[test]
fn of_pools() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    sound!({
        let mut pool = Pool::new(2 * page()).keep(2);
        let mut maps = Maps::new().keep(2);
        for round in 0..times(20) as u8 {
            let mut buffers = [(); 4].map(|()| pool.take().unwrap());
            for buffer in &mut buffers {
                buffer.write_at(0, &[round; 9]).unwrap();
                let fd = buffer.as_fd().try_clone_to_owned().unwrap();
                let map = maps.map(Memfd::try_from(fd).unwrap()).unwrap();
                let mut bytes = [0; 9];
                map.read_at(0, &mut bytes).unwrap();
                assert_eq!(bytes, [round; 9]);
            }
            // One that its peer has sealed, one of another pool, and the others.
            let [first, second, third, _lost] = buffers;
            mmarinus_sys::fcntl_add_seals(&first, SealFlags::FUTURE_WRITE).unwrap();
            drop(first);
            pool.give_back(second);
            Pool::new(2 * page()).give_back(third);
            assert!(pool.take().is_ok());
        }
        assert_eq!(maps.kept(), 2);
        assert!(Pool::new(usize::MAX).take().is_err());
    });
}

#[test]
fn of_a_peer_that_lives_and_one_that_dies() {
    if never_overcommits() {
        skip!("memory may not be overcommitted");
    }
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    // It answers each file by its length, and dies of the first word that it does not know.
    let child = start_child!(far, {
        let mut parent = Connection::new(UnixStream::from(inherited()));
        while let Some(message) = parent.receive().unwrap() {
            let (payload, files) = message.memfds::<SizeSealed>().unwrap();
            if payload != b"measure" {
                std::process::abort();
            }
            let _map = files[0].map().with_kind(Shared).with(perms::Read).unwrap();
            parent
                .send(&files[0].len().to_le_bytes(), &[files[0].as_fd()])
                .unwrap();
        }
    });
    let mut near = Connection::new(near);
    sound!({
        for pages in 1..times(20) {
            let memfd = Memfd::create("measured", (pages * page()) as u64).unwrap();
            let memfd = memfd.seal_size().unwrap();
            near.send(b"measure", &[memfd.as_fd()]).unwrap();
            let answer = near.receive().unwrap().unwrap();
            assert_eq!(answer.payload(), memfd.len().to_le_bytes());
            let (_, back) = answer.memfds::<SizeSealed>().unwrap();
            let words = back[0]
                .map()
                .with_kind(Shared)
                .with(perms::ReadWrite)
                .unwrap();
            words.atomics::<AtomicU32>(..).unwrap()[0].store(1, Ordering::Relaxed);
        }
        let (mut consumer, ring) =
            Consumer::create(1, Peer::behind(near.socket()).unwrap()).unwrap();
        consumer.set_timeout(Some(PATIENCE));
        near.send(b"die", &[ring.as_fd()]).unwrap();
        assert!(consumer.read(&mut [0]).is_err());
        assert!(!matches!(near.receive(), Ok(Some(_))));
        assert!(matches!(
            near.send(b"anybody?", &[ring.as_fd()]),
            Err(Error::Io(error)) if Errno::from_io_error(&error) == Some(Errno::PIPE)
        ));
    });
    child.kill();
}
