//! Has a file searched by another process, which need not be trusted: `cargo run --example share -- FILE WORD`.
//!
//! The parent hands its child a sealed copy of the file. The child maps it, so that however large it is nothing is copied again,
//! and no edit of the file can pull the bytes from under it. Its answer, the lines with the word, comes back in the same way; and
//! the parent verifies it before it looks, since a child that parses foreign input may have been taken over by it.

use std::io::{Write, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use mmarinus::perms;
use mmarinus_ext::ipc::Connection;
use mmarinus_ext::memfd::{Memfd, Sealed};
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

/// Hands out the file and the word, and prints the answer.
fn parent(path: &str, word: &str) -> Result<()> {
    let text = snapshot::load(path).with_context(|| format!("{path} cannot be copied"))?;
    let (near, far) = UnixStream::pair()?;
    let mut child = Command::new(std::env::current_exe()?)
        .stdin(OwnedFd::from(far))
        .spawn()?;

    let mut near = Connection::new(near).max_payload(64).max_fds(1);
    near.send(word.as_bytes(), &[text.as_fd()])?;
    let message = near.receive()?.context("the child has gone")?;
    // Whatever came: a file that nobody can change any more, or an error.
    let (count, found) = message.memfds::<Sealed>()?;
    ensure!(
        found.len() == 1,
        "the child answers in another way than it should"
    );
    let lines = found[0].map().with(perms::Read)?;
    stdout().write_all(&lines)?;
    println!(
        "{} lines of {} bytes, searched by process {}",
        String::from_utf8_lossy(&count),
        text.len(),
        child.id()
    );

    drop(near); // With that the child ends.
    ensure!(child.wait()?.success(), "the child failed");
    Ok(())
}

/// Searches what comes, until nothing comes any more.
fn child() -> Result<()> {
    let socket = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    let mut parent = Connection::new(socket);
    while let Some(message) = parent.receive()? {
        let (word, files) = message.memfds::<Sealed>()?;
        let mut found = Memfd::create("found", 0)?;
        let mut count = 0_usize;
        for file in &files {
            let text = file.map().with(perms::Read)?; // Derefs to `&[u8]`.
            for line in text.split_inclusive(|&byte| byte == b'\n') {
                if !word.is_empty() && line.windows(word.len()).any(|part| part == word) {
                    found.write_all(line)?;
                    count += 1;
                }
            }
        }
        let found = found.seal()?;
        parent.send(count.to_string().as_bytes(), &[found.as_fd()])?;
    }
    Ok(())
}
