//! A lock for an address range: many may be inside, or one alone. It allocates nothing.
//!
//! It is 0 when nobody is there. Who has to wait says so in a bit, and from then on nobody else goes in before them.

use core::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::futex::{self, Flags};

/// Somebody is inside alone.
const CLOSED: u32 = 1 << 31;
/// Somebody waits, and is woken by the last one who leaves.
const WAITED_FOR: u32 = 1 << 30;

/// The lock.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU32);

/// Inside, beside others.
#[derive(Debug)]
pub(super) struct Inside<'gate>(&'gate Gate);

/// Inside, alone.
#[derive(Debug)]
pub(super) struct Alone<'gate>(&'gate Gate);

impl Gate {
    /// A lock with nobody inside.
    pub(super) const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Goes in beside others.
    #[inline]
    pub(super) fn enter(&self) -> Inside<'_> {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            if state & (CLOSED | WAITED_FOR) != 0 {
                state = self.wait(state);
                continue;
            }
            let more = state + 1;
            match self
                .0
                .compare_exchange_weak(state, more, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Inside(self),
                Err(now) => state = now,
            }
        }
    }

    /// Goes in alone, once all others have left.
    #[inline]
    pub(super) fn close(&self) -> Alone<'_> {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            if state & !WAITED_FOR != 0 {
                state = self.wait(state);
                continue;
            }
            let closed = state | CLOSED;
            match self
                .0
                .compare_exchange_weak(state, closed, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Alone(self),
                Err(now) => state = now,
            }
        }
    }

    /// Waits until the state is another than this one, and gives that.
    #[cold]
    fn wait(&self, state: u32) -> u32 {
        let waiting = state | WAITED_FOR;
        let said = state == waiting
            || self
                .0
                .compare_exchange(state, waiting, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if said {
            // A signal, or a state that has changed already, ends the wait early; the caller looks again.
            let _ = futex::wait(&self.0, Flags::PRIVATE, waiting, None);
        }
        self.0.load(Ordering::Relaxed)
    }

    /// Wakes all who wait.
    #[cold]
    fn wake(&self) {
        // It cannot fail: the address is that of a live word.
        let _ = futex::wake(&self.0, Flags::PRIVATE, i32::MAX as u32);
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        let gate = self.0;
        if gate.0.fetch_sub(1, Ordering::Release) == WAITED_FOR + 1 {
            // The last one. If somebody has gone in alone since, that one wakes the others.
            let left = gate
                .0
                .compare_exchange(WAITED_FOR, 0, Ordering::Relaxed, Ordering::Relaxed);
            if left.is_ok() {
                gate.wake();
            }
        }
    }
}

impl Drop for Alone<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.0.0.swap(0, Ordering::Release) & WAITED_FOR != 0 {
            self.0.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn one_alone_or_many() {
        let gate = Gate::default();
        let (inside, alone) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (gate, inside, alone) = (&gate, &inside, &alone);
                scope.spawn(move || {
                    for round in 0..5_000 {
                        if (round + thread) % 5 == 0 {
                            let _alone = gate.close();
                            assert_eq!(alone.fetch_add(1, Ordering::SeqCst), 0);
                            assert_eq!(inside.load(Ordering::SeqCst), 0);
                            alone.fetch_sub(1, Ordering::SeqCst);
                        } else {
                            let _inside = gate.enter();
                            inside.fetch_add(1, Ordering::SeqCst);
                            assert_eq!(alone.load(Ordering::SeqCst), 0);
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(gate.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn many_are_inside_at_once() {
        let gate = Gate::default();
        let (first, second) = (gate.enter(), gate.enter());
        drop(first);
        drop(second);
        drop(gate.close());
        assert_eq!(gate.0.load(Ordering::SeqCst), 0);
    }

    /// Has a second thread wait for what `held` holds, gives that up, and waits until the thread has passed.
    fn assert_wakes<H>(gate: &Gate, held: H, pass: impl FnOnce() + Send) {
        let (sender, passed) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                pass();
                sender.send(()).expect("somebody waits for it");
            });
            while gate.0.load(Ordering::Relaxed) & WAITED_FOR == 0 {
                std::thread::yield_now();
            }
            // The thread may not sleep yet; then there is nobody to wake, and this test says nothing.
            std::thread::sleep(core::time::Duration::from_millis(20));
            drop(held);
            let limit = core::time::Duration::from_secs(20);
            let woken = passed.recv_timeout(limit).is_ok();
            if !woken {
                // So that the test ends.
                gate.wake();
            }
            assert!(woken, "whoever waits is woken");
        });
        assert_eq!(gate.0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn whoever_waits_is_woken() {
        let gate = Gate::default();
        assert_wakes(&gate, gate.close(), || drop(gate.enter()));
        assert_wakes(&gate, gate.close(), || drop(gate.close()));
        assert_wakes(&gate, gate.enter(), || drop(gate.close()));
    }
}
