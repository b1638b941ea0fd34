//! Settings of the whole machine: changed by tests in guests only, one test after the other, and put back afterwards.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::features;

/// One test at a time has the machine.
static ONE: Mutex<()> = Mutex::new(());

/// The right to change settings of this machine; those that were changed are put back when it is dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Each file with what it said before, in the order of the changes.
    changed: Vec<(PathBuf, String)>,
    _one: MutexGuard<'static, ()>,
}

impl Machine {
    /// Waits for the right. The test says `needs!(guest)` before.
    ///
    /// # Panics
    ///
    /// If this is no guest: other programs live here.
    pub(crate) fn alone() -> Self {
        assert!(
            features::guest().is_there,
            "settings of a machine are changed in guests only"
        );
        Self {
            changed: Vec::new(),
            _one: ONE.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Changes a setting below `/proc/sys`, such as `vm/overcommit_memory`.
    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        let path = PathBuf::from("/proc/sys").join(name);
        let before = fs::read_to_string(&path).expect("a setting can be read");
        fs::write(&path, value.to_string()).expect("root may change a setting");
        self.changed.push((path, before));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for (path, before) in self.changed.drain(..).rev() {
            let written = fs::write(&path, &before);
            assert!(
                written.is_ok() || std::thread::panicking(),
                "{} is not what it was",
                path.display()
            );
        }
    }
}
