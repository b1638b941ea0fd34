//! Messages between two sides that mean well: streams and datagrams, in one piece and in many.

use core::time::Duration;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};

use mmarinus::perms;
use mmarinus_ext::ipc::{self, Connection, Error, MAX_FDS, Message};
use mmarinus_ext::memfd::{Memfd, Sealed};

use crate::common::{open_descriptors, patterned, sealed};
use crate::testing::in_child;

/// Two ends of a stream.
fn streams() -> (Connection, Connection) {
    let (near, far) = UnixStream::pair().unwrap();
    (Connection::new(near), Connection::new(far))
}

/// Two ends for datagrams.
fn datagrams() -> (Connection<UnixDatagram>, Connection<UnixDatagram>) {
    let (near, far) = UnixDatagram::pair().unwrap();
    (Connection::new(near), Connection::new(far))
}

/// The inode of what is open.
fn inode(file: impl AsFd) -> u64 {
    rustix::fs::fstat(file).unwrap().st_ino
}

/// Descriptors that `execve` closes.
fn closes_on_exec(fds: &[OwnedFd]) -> bool {
    let flags = |fd| rustix::io::fcntl_getfd(fd).unwrap();
    fds.iter()
        .all(|fd| flags(fd).contains(rustix::io::FdFlags::CLOEXEC))
}

/// The payload and the contents of the sealed files of a message.
fn contents(message: Message) -> (Vec<u8>, Vec<Vec<u8>>) {
    assert!(closes_on_exec(message.fds()));
    let (payload, files) = message.memfds::<Sealed>().unwrap();
    let bytes = |file: &Memfd<Sealed>| file.map().with(perms::Read).unwrap().to_vec();
    (payload, files.iter().map(bytes).collect())
}

#[test]
fn a_stream_carries_payloads_and_files_in_order() {
    let (mut near, mut far) = streams();
    let (one, two) = (sealed(b"one"), sealed(&patterned(100_000)));
    near.send(b"first", &[one.as_fd(), two.as_fd()]).unwrap();
    near.send(b"", &[two.as_fd()]).unwrap();
    near.send(b"third", &[]).unwrap();
    near.send(b"", &[]).unwrap();
    drop(near);
    let mut next = || far.receive().unwrap().map(contents);
    assert_eq!(
        next(),
        Some((b"first".to_vec(), vec![b"one".to_vec(), patterned(100_000)]))
    );
    assert_eq!(next(), Some((vec![], vec![patterned(100_000)])));
    assert_eq!(next(), Some((b"third".to_vec(), vec![])));
    assert_eq!(next(), Some((vec![], vec![])));
    assert_eq!(next(), None);
    assert_eq!(next(), None);
}

#[test]
fn datagrams_carry_payloads_and_files_in_order() {
    let (mut near, mut far) = datagrams();
    let file = sealed(b"content");
    near.send(b"first", &[file.as_fd(), file.as_fd()]).unwrap();
    near.send(b"", &[file.as_fd()]).unwrap();
    near.send(b"", &[]).unwrap();
    let content = b"content".to_vec();
    assert_eq!(
        contents(far.receive().unwrap()),
        (b"first".to_vec(), vec![content.clone(), content.clone()])
    );
    assert_eq!(contents(far.receive().unwrap()), (vec![], vec![content]));
    assert_eq!(contents(far.receive().unwrap()), (vec![], vec![]));
}

#[test]
fn any_descriptor_can_be_sent() {
    let (mut near, mut far) = streams();
    let folder = File::open("/").unwrap();
    near.send(b"a folder", &[folder.as_fd()]).unwrap();
    let (payload, fds) = far.receive().unwrap().unwrap().into_parts();
    assert_eq!(payload, b"a folder");
    assert_eq!(inode(&fds[0]), inode(&folder));
}

#[test]
fn as_many_as_the_kernel_takes_go_at_once() {
    let file = sealed(b"x");
    let many = vec![file.as_fd(); MAX_FDS];
    let (mut near, far) = streams();
    let mut far = far.max_fds(MAX_FDS);
    near.send(b"many", &many).unwrap();
    assert_eq!(far.receive().unwrap().unwrap().fds().len(), MAX_FDS);
    let (mut near, far) = datagrams();
    let mut far = far.max_fds(usize::MAX);
    near.send(b"many", &many).unwrap();
    assert_eq!(far.receive().unwrap().fds().len(), MAX_FDS);
    let more = vec![file.as_fd(); MAX_FDS + 1];
    assert!(matches!(
        near.send(b"more", &more),
        Err(Error::TooManyFds { limit: MAX_FDS })
    ));
    near.send(b"fewer", &more[1..]).unwrap();
    assert_eq!(far.receive().unwrap().payload(), b"fewer");
}

#[test]
fn long_payloads_come_in_pieces() {
    let (mut near, far) = streams();
    let mut far = far.max_payload(5 << 20);
    let (bytes, file) = (patterned(5 << 20), sealed(b"file"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            near.send(&bytes, &[file.as_fd()]).unwrap();
            near.send(b"next", &[]).unwrap();
        });
        let message = far.receive().unwrap().unwrap();
        assert!(message.payload() == bytes && message.fds().len() == 1);
        assert_eq!(far.receive().unwrap().unwrap().payload(), b"next");
    });
}

#[test]
fn a_sender_that_does_not_block_keeps_what_has_no_room() {
    let (mut near, far) = streams();
    let mut far = far.max_payload(4 << 20);
    near.socket().set_nonblocking(true).unwrap();
    far.socket().set_nonblocking(true).unwrap();
    let bytes = patterned(4 << 20);
    let file = sealed(b"file");
    let nothing = far.receive().unwrap_err();
    assert!(matches!(nothing, Error::Io(error) if error.kind() == ErrorKind::WouldBlock));
    near.send(&bytes, &[file.as_fd()]).unwrap();
    assert!(!near.is_flushed());
    let full = near.send(b"next", &[]).unwrap_err();
    assert_eq!(std::io::Error::from(full).kind(), ErrorKind::WouldBlock);
    let mut rounds = 0;
    let message = loop {
        match far.receive() {
            Ok(message) => break message.unwrap(),
            Err(error) => assert_eq!(std::io::Error::from(error).kind(), ErrorKind::WouldBlock),
        }
        rounds += 1;
        match near.flush() {
            Ok(()) => {}
            Err(error) => assert_eq!(std::io::Error::from(error).kind(), ErrorKind::WouldBlock),
        }
    };
    assert!(rounds > 1 && near.is_flushed());
    assert!(message.payload() == bytes && message.fds().len() == 1);
    near.send(b"next", &[]).unwrap();
    assert_eq!(far.receive().unwrap().unwrap().payload(), b"next");
}

#[test]
fn a_timeout_loses_nothing() {
    let (near, mut far) = streams();
    let mut near = near.into_socket();
    let soon = Some(Duration::from_millis(5));
    far.socket().set_read_timeout(soon).unwrap();
    let header = *b"mmar\0\0\0\0\x03\0\0\0\0\0\0\0";
    for byte in header.iter().chain(b"abc") {
        let error = far.receive().unwrap_err();
        assert_eq!(std::io::Error::from(error).kind(), ErrorKind::WouldBlock);
        near.write_all(&[*byte]).unwrap();
    }
    assert_eq!(far.receive().unwrap().unwrap().payload(), b"abc");
    assert!(far.as_fd().try_clone_to_owned().is_ok());
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_no_signal() {
    let (mut near, far) = streams();
    drop(far);
    let error = near.send(b"anybody?", &[]).unwrap_err();
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::BrokenPipe);
    assert!(near.receive().unwrap().is_none());
    let (mut near, far) = datagrams();
    drop(far);
    let error = near.send(b"anybody?", &[]).unwrap_err();
    assert_eq!(
        std::io::Error::from(error).kind(),
        ErrorKind::ConnectionRefused
    );
    let unconnected = UnixDatagram::unbound().unwrap();
    let error = Connection::new(unconnected)
        .send(b"to nobody", &[])
        .unwrap_err();
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::NotConnected);
}

#[test]
fn a_datagram_that_is_too_long_for_the_socket_says_so() {
    let (mut near, _far) = datagrams();
    let error = near.send(&vec![0; 64 << 20], &[]).unwrap_err();
    assert!(error.to_string().contains("memfd"), "{error}");
}

#[test]
fn other_protocols_are_spoken_call_by_call() {
    let (near, far) = UnixStream::pair().unwrap();
    let file = sealed(b"file");
    let fds: [BorrowedFd<'_>; 3] = [file.as_fd(); 3];
    assert_eq!(ipc::send(&near, b"hello", &fds).unwrap(), 5);
    let mut buffer = [0; 3];
    let received = ipc::receive(&far, &mut buffer, 3).unwrap();
    // The descriptors come with the first byte, whatever is read of the rest.
    assert_eq!(
        (received.len, received.fds.len(), received.lost_fds),
        (3, 3, false)
    );
    assert!(closes_on_exec(&received.fds));
    let received = ipc::receive(&far, &mut buffer, 3).unwrap();
    assert_eq!(
        (received.len, received.fds.len(), &buffer[..2]),
        (2, 0, &b"lo"[..])
    );
    // Fewer than were sent: the others are closed.
    for most in [0, 1, 2] {
        ipc::send(&near, b"x", &fds).unwrap();
        let received = ipc::receive(&far, &mut buffer, most).unwrap();
        assert_eq!((received.fds.len(), received.lost_fds), (most, true));
    }
    // None are sent without a byte.
    assert_eq!(ipc::send(&near, b"", &fds).unwrap(), 0);
    drop(near);
    let received = ipc::receive(&far, &mut buffer, 3).unwrap();
    assert_eq!((received.len, received.fds.len()), (0, 0));
    let (near, far) = UnixDatagram::pair().unwrap();
    ipc::send(&near, b"longer", &fds).unwrap();
    let received = ipc::receive(&far, &mut buffer, usize::MAX).unwrap();
    assert_eq!((received.len, received.fds.len()), (6, 3));
}

#[test]
fn a_socket_that_is_told_who_sends_works_as_well() {
    let (near, far) = UnixStream::pair().unwrap();
    rustix::net::sockopt::set_socket_passcred(&far, true).unwrap();
    let file = sealed(b"file");
    Connection::new(near)
        .send(b"signed", &[file.as_fd(); 16])
        .unwrap();
    let message = Connection::new(far).receive().unwrap().unwrap();
    assert_eq!(
        (message.payload(), message.fds().len()),
        (&b"signed"[..], 16)
    );
}

#[test]
fn messages_leak_nothing() {
    let status = in_child!({
        let file = sealed(b"file");
        let before = open_descriptors();
        {
            let (mut near, mut far) = streams();
            for count in 0..16 {
                near.send(b"payload", &vec![file.as_fd(); count]).unwrap();
                let message = far.receive().unwrap().unwrap();
                assert_eq!(message.fds().len(), count);
                if count % 2 == 0 {
                    drop(message.memfds::<Sealed>().unwrap());
                }
            }
            // On their way when both ends are closed.
            near.send(b"payload", &[file.as_fd(); 16]).unwrap();
        }
        assert_eq!(open_descriptors(), before);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn received_descriptors_are_closed_by_execve() {
    /// How many descriptors of the file this process has.
    fn open_here() -> usize {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = entries.filter_map(|entry| entry.path().read_link().ok());
        let ours = |target: &std::path::PathBuf| target.starts_with("/memfd:received (deleted)");
        targets.filter(ours).count()
    }
    let file = Memfd::create("received", 1).unwrap().seal().unwrap();
    let (mut near, mut far) = streams();
    near.send(b"", &[file.as_fd(); 3]).unwrap();
    let message = far.receive().unwrap().unwrap();
    assert!(closes_on_exec(message.fds()));
    let (mut near, mut far) = datagrams();
    near.send(b"", &[file.as_fd(); 3]).unwrap();
    let files = far.receive().unwrap().memfds::<Sealed>().unwrap().1;
    let (near, far) = UnixStream::pair().unwrap();
    ipc::send(&near, b"x", &[file.as_fd(); 3]).unwrap();
    let received = ipc::receive(&far, &mut [0], 3).unwrap();
    assert!(closes_on_exec(&received.fds));
    let clone = files[0].try_clone().unwrap();
    assert_eq!(open_here(), 11);
    // The program of the child has its own 11, by the lines above. What it inherited would be more.
    let status = in_child!({
        assert_eq!(open_here(), 11);
    });
    assert!(status.success(), "{status}");
    assert_eq!(clone.len(), 1);
}
