//! Has a file searched by another process, which need not be trusted: `cargo run --example share -- FILE WORD`.
//!
//! The parent hands its child a sealed copy of the file. The child maps it, so that however large it is nothing is copied again,
//! and no edit of the file can pull the bytes from under it. The lines with the word come back through a ring, as they are
//! found. The parent believes nothing that it finds there, since a child that parses foreign input may have been taken over by
//! it; and it notices when the child dies.

use core::time::Duration;
use std::io::{BufRead, Write, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, anyhow, ensure};
use mmarinus::perms;
use mmarinus_ext::ipc::Connection;
use mmarinus_ext::memfd::{Memfd, Sealed, SizeSealed};
use mmarinus_ext::ring::{Consumer, Peer, Producer};
use mmarinus_ext::snapshot;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match &args[..] {
        [path, word] => parent(path, word),
        // How the parent starts its child, with a socket as its standard input.
        [] if rustix::net::sockopt::socket_domain(stdin()).is_ok() => child(),
        _ => {
            eprintln!("share: what to search? cargo run --example share -- FILE WORD");
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("share: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Hands out the file, the word and a ring, and prints what comes back.
fn parent(path: &str, word: &str) -> Result<()> {
    let text = snapshot::load(path).with_context(|| format!("{path} cannot be copied"))?;
    let (near, far) = UnixStream::pair()?;
    let mut child = Command::new(std::env::current_exe()?)
        .stdin(OwnedFd::from(far))
        .spawn()?;

    let (mut found, ring) = Consumer::create(1 << 16, Peer::behind(&near)?)?;
    found.set_timeout(Some(Duration::from_secs(60))); // For a child that hangs.
    Connection::new(near).send(word.as_bytes(), &[text.as_fd(), ring.as_fd()])?;

    let mut lines = 0;
    loop {
        let bytes = found.fill_buf().context("the child does not answer")?;
        if bytes.is_empty() {
            break; // The child is done.
        }
        stdout().write_all(bytes)?;
        lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
        let len = bytes.len();
        found.consume(len);
    }
    ensure!(child.wait()?.success(), "the child failed");
    let (len, id) = (text.len(), child.id());
    println!("{lines} lines of {len} bytes, searched by process {id}");
    Ok(())
}

/// Searches what comes, and answers through the ring that came with it.
fn child() -> Result<()> {
    let socket = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    let parent = Peer::behind(&socket)?;
    let message = Connection::new(socket).receive()?;
    let (word, fds) = message.context("the parent has gone")?.into_parts();
    let [text, ring] = <[OwnedFd; 2]>::try_from(fds).map_err(|_| anyhow!("not two files"))?;

    let text = Memfd::<Sealed>::try_from(text)?.map().with(perms::Read)?; // Derefs to `&[u8]`.
    let mut found = Producer::attach(&Memfd::<SizeSealed>::try_from(ring)?, parent)?;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if !word.is_empty() && line.windows(word.len()).any(|part| part == word) {
            found.write_all(line)?;
        }
    }
    Ok(()) // With that the ring ends.
}
