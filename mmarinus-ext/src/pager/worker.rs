//! The two threads of a supplied map: one waits for faults, the other runs the closure.
//!
//! They are two so that a closure that touches a missing page of its own map is noticed: its thread waits in the kernel then, and
//! could not notice it itself.

use core::mem;
use core::sync::atomic::{AtomicU32, Ordering};
use std::io::Write;
use std::process;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, Builder, JoinHandle};

use mmarinus::Errno;
use mmarinus::supply::Supplier;
use rustix::process::{Pid, getpid};
use rustix::thread::gettid;

use super::error::Error;
use super::steps::{Draft, Made, Steps};

/// The threads of a map. Dropping it waits for them; the map is gone before.
#[derive(Debug)]
pub(super) struct Threads {
    /// Who waits for faults, and who runs the closure.
    handles: [Option<JoinHandle<()>>; 2],
    /// The process that has them.
    process: Pid,
}

impl Threads {
    /// Starts them.
    pub(super) fn start(
        steps: Steps,
        supplier: Supplier,
        make: impl FnMut(usize, &mut [u8]) + Send + 'static,
    ) -> Result<Self, Error> {
        let (wanted, wants) = channel();
        let worker = Worker {
            steps,
            supplier: supplier.clone(),
            draft: Draft::new(steps)?,
            made: Made::none_of(steps)?,
        };
        let thread = Arc::new(AtomicU32::new(0));
        let known = Arc::clone(&thread);
        // If the second is not started, `wanted` goes with it, and so the first one ends.
        let makes = start("pager", move || {
            thread.store(
                gettid().as_raw_nonzero().get().cast_unsigned(),
                Ordering::Relaxed,
            );
            worker.work(&wants, make);
        })?;
        let watches = start("pager-faults", move || watch(&supplier, &wanted, &known))?;
        Ok(Self {
            handles: [Some(watches), Some(makes)],
            process: getpid(),
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for handle in &mut self.handles {
            let Some(handle) = handle.take() else {
                continue;
            };
            if self.process != getpid() {
                // A forked child does not have the thread, and would wait for ever.
                mem::forget(handle);
            } else if handle.thread().id() != thread::current().id() {
                // It does not panic: it aborts.
                let _ = handle.join();
            }
        }
    }
}

/// Starts a thread that ends by returning, or with the process: if it unwound, missing pages would be zeros.
fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let thread = Builder::new().name(name.to_owned());
    let run = move || {
        let unwinding = Unwinding;
        run();
        mem::forget(unwinding);
    };
    thread.spawn(run).map_err(Error::Thread)
}

/// Aborts when it is dropped.
struct Unwinding;

impl Drop for Unwinding {
    fn drop(&mut self) {
        abort(
            "the closure that makes pages of a map panicked, and whoever waits for one has no other",
        )
    }
}

/// Ends the process with a message.
#[cold]
fn abort(why: impl core::fmt::Display) -> ! {
    // Past the lock of the standard error, which the thread may hold that waits for the page. Who has none is not told.
    let mut line = [0; 400];
    let mut rest = &mut line[..];
    let _ = writeln!(rest, "mmarinus-ext: {why}");
    let len = 400 - rest.len();
    let _ = rustix::io::write(std::io::stderr(), &line[..len]);
    process::abort()
}

/// Hands faults to the thread that makes pages, until the map is gone.
fn watch(supplier: &Supplier, wanted: &Sender<usize>, maker: &AtomicU32) {
    loop {
        match supplier.next() {
            Ok(Some(missing)) if missing.thread() == maker.load(Ordering::Relaxed) => {
                abort(format_args!(
                    "the closure that makes the pages of a map touched byte {} of that map, \
                     which is missing, and waits for itself",
                    missing.offset()
                ))
            }
            Ok(Some(missing)) => {
                // It ends before this one if the map is gone only.
                let _ = wanted.send(missing.offset());
            }
            Ok(None) => return,
            Err(error) => abort(format_args!("a page of a map cannot be made: {error}")),
        }
    }
}

/// Makes pages, in a thread of its own.
struct Worker {
    steps: Steps,
    supplier: Supplier,
    draft: Draft,
    made: Made,
}

impl Worker {
    /// Makes the steps that are wanted, each once, until the map is gone.
    fn work(mut self, wants: &Receiver<usize>, mut make: impl FnMut(usize, &mut [u8])) {
        for offset in wants {
            let step = self.steps.at(offset);
            // Several threads may have waited for it.
            if self.made.has(step) {
                continue;
            }
            self.draft.make(step, &mut make);
            let done = self
                .draft
                .bring_in(step, |at, bytes| self.supplier.copy(at, bytes));
            match done {
                Ok(()) => self.made.insert(step),
                Err(error) if error.errno() == Errno::NOENT => return, // The map is gone.
                Err(error) => abort(format_args!(
                    "a page of a map cannot be brought in: {error}"
                )),
            }
        }
    }
}
