//! A receiver that faces any bytes with any descriptors: messages, errors, and files that are what they claim.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use mmarinus::{Shared, perms};
use mmarinus_ext::ipc::{self, Connection};
use mmarinus_ext::memfd::{Memfd, Open, Options, Sealed, SizeSealed};

use super::bytes::Bytes;

/// Descriptors of all sorts.
fn descriptors() -> Vec<OwnedFd> {
    let new = || Options::new().create("fuzz", 5000).expect("a memfd");
    let open: Memfd<Open> = new();
    let sized = new().seal_size().expect("seals");
    let sealed = new().seal().expect("seals");
    vec![
        open.into(),
        sized.into(),
        sealed.into(),
        File::open("/").expect("a folder").into(),
        File::open("/dev/zero").expect("a device").into(),
        UnixStream::pair().expect("sockets").0.into(),
    ]
}

/// What is done with a descriptor that came.
fn take(fd: OwnedFd) {
    let fd = match Memfd::<Sealed>::try_from(fd) {
        Ok(memfd) => {
            let map = memfd
                .map()
                .with(perms::Read)
                .expect("a sealed file is mapped");
            assert!(map.iter().all(|&byte| byte == 0));
            return;
        }
        Err(error) => error.into_inner(),
    };
    let fd = match Memfd::<SizeSealed>::try_from(fd) {
        Ok(memfd) => {
            // Refused where memory may not be overcommitted.
            let map = memfd.map().with_kind(Shared).with(perms::ReadWrite);
            if let Ok(mut map) = map {
                map.write_at(0, b"x").expect("its size is sealed");
            }
            return;
        }
        Err(error) => error.into_inner(),
    };
    let _ = Memfd::<Open>::try_from(fd);
}

/// Sends what the bytes say, piece by piece, and receives as long as there is something.
pub(crate) fn run(data: &[u8]) {
    let bytes = &mut Bytes(data);
    let fds = descriptors();
    let (near, far) = UnixStream::pair().expect("sockets");
    far.set_nonblocking(true).expect("a socket");
    let mut far = Connection::new(far)
        .max_fds(bytes.below(5))
        .max_payload(bytes.below(100));
    let mut near = Some(near);
    for _ in 0..12 {
        if bytes.0.is_empty() {
            near = None;
        }
        if let Some(near) = &near {
            let len = bytes.below(20);
            let mut piece = Vec::new();
            if bytes.coin() {
                // A header as the protocol has it, or nearly.
                let count = u32::from(bytes.byte() % 7);
                piece = [
                    &b"mmar"[..],
                    &count.to_le_bytes(),
                    &(len as u64).to_le_bytes(),
                ]
                .concat();
            }
            piece.extend((0..len).map(|_| bytes.byte()));
            if bytes.byte() % 4 == 0 && !piece.is_empty() {
                let place = bytes.below(piece.len());
                piece[place] = bytes.byte();
            }
            let sent: Vec<BorrowedFd<'_>> = (0..bytes.below(6))
                .map(|_| fds[bytes.below(fds.len())].as_fd())
                .collect();
            let _ = ipc::send(near, &piece, &sent);
        }
        match far.receive() {
            Ok(Some(message)) => {
                assert!(message.payload().len() < 100 && message.fds().len() < 5);
                message.into_parts().1.into_iter().for_each(take);
            }
            Ok(None) => return,
            Err(error) => drop(error.to_string()),
        }
    }
}
