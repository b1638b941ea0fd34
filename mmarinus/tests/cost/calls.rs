//! Each step of the script does the system calls that it is allowed, no more and no fewer, as the kernel tells a tracer.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use rustix::process::getppid;
use rustix::thread::gettid;
use syscalls::Sysno;

use crate::script::{self, Meter, Silent, Things};
use crate::testing::{skip, start_child};
use crate::tracer::{self, Refused};

/// Does one call before and one after each step that nothing else does, and writes down what is allowed between.
#[derive(Debug, Default)]
struct Marker {
    /// A line for each step: its name, and its calls, with tabs between.
    allowed: String,
}

impl Meter for Marker {
    fn step<T>(&mut self, name: &str, calls: &[&str], run: impl FnOnce() -> T) -> T {
        for part in [name].iter().chain(calls) {
            self.allowed.push_str(part);
            self.allowed.push('\t');
        }
        self.allowed.push('\n');
        let _ = getppid();
        let done = run();
        let _ = getppid();
        done
    }
}

/// What happened in each step, and what was allowed: the name, the calls.
type Steps = Vec<(String, Vec<String>)>;

/// The child: waits until it is traced, makes the steps, and says what was allowed.
fn child(steps: impl FnOnce(&mut Marker)) {
    let stdin = io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut parent = UnixStream::from(stdin);
    let thread = gettid().as_raw_nonzero().get();
    parent.write_all(&thread.to_ne_bytes()).unwrap();
    parent.read_exact(&mut [0]).unwrap();
    let mut marker = Marker::default();
    steps(&mut marker);
    parent.write_all(marker.allowed.as_bytes()).unwrap();
}

/// The parent: traces the child until its end. Gives what happened, and what was allowed.
fn traced(mut socket: UnixStream) -> Result<(Steps, Steps), Refused> {
    let mut thread = [0; 4];
    socket.read_exact(&mut thread).unwrap();
    let seen = tracer::calls_between(i32::from_ne_bytes(thread), Sysno::getppid, || {
        socket.write_all(&[1]).unwrap();
    })?;
    let mut said = String::new();
    socket.read_to_string(&mut said).unwrap();
    let allowed: Steps = said
        .lines()
        .map(|line| {
            let mut parts = line.trim_end().split('\t').map(String::from);
            (parts.next().unwrap_or_default(), parts.collect())
        })
        .collect();
    let names = allowed.iter().map(|(name, _)| name.clone());
    let seen: Steps = names.zip(seen).collect();
    Ok((seen, allowed))
}

#[test]
fn a_step_does_the_calls_that_its_docs_name() {
    let (socket, other) = UnixStream::pair().unwrap();
    let child = start_child!(other, {
        let things = Things::new();
        child(|marker| {
            // What is asked only once in a process is asked now.
            script::all(&mut Silent, &things);
            script::all(marker, &things);
        });
    });
    let (seen, allowed) = match traced(socket) {
        Ok(both) => both,
        Err(Refused(why)) => skip!("no process may be traced here: {why}"),
    };
    assert!(child.wait().success());
    assert!(allowed.len() > 40, "{allowed:?}");
    assert_eq!(seen, allowed);
}
