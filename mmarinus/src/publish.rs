//! Code that was written to memory: made visible to the cores that will run it.
#![expect(
    unsafe_code,
    reason = "writes back caches, and changes permissions beyond their type"
)]

use core::ops::RangeBounds;

use mmarinus_sys::{Errno, ProtFlags};
use rustix::thread::{MembarrierCommand, membarrier};

use crate::backing::{Backing, NoFault};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{Executable, Known, Readable};

impl<P: Known, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Makes code that was written to a range visible to every core that will run it: instruction caches are made to forget the
    /// range, and every thread of the process passes a serializing instruction before it runs on (`membarrier` with
    /// `MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE`).
    ///
    /// Call it after the last byte was written and before the first is run, on the map that is run: the one that was written
    /// may be another one of the same pages. To let no page be writable and executable at once, either write first and
    /// [`reprotect`](Self::reprotect) then, or map one memory file twice: `Shared` and `ReadWrite` here, `Shared` and
    /// `ReadExecute` there. (`MFD_NOEXEC_SEAL` does not stop the second map: it only keeps the file from being run by `execve`.)
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Map, perms};
    ///
    /// let mut code = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// code[..6].copy_from_slice(&[0xb8, 42, 0, 0, 0, 0xc3]); // mov eax, 42; ret
    /// let code = code.reprotect(perms::ReadExecute)?;
    /// # if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
    /// code.publish(..)?;
    /// # }
    /// # #[cfg(target_arch = "x86_64")] {
    /// // SAFETY: these bytes are a function of that type for this CPU, and they stay.
    /// let function: extern "C" fn() -> i32 = unsafe { core::mem::transmute(code.as_ptr()) };
    /// assert_eq!(function(), 42);
    /// # }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range does not lie in the map; or the kernel's `membarrier` has no such command.
    /// - `ENOSYS`, `EPERM`: the kernel was built without `membarrier`, or seccomp forbids it.
    /// - `EOPNOTSUPP`: on other architectures than x86, x86_64 and aarch64.
    ///
    /// # References
    ///
    /// [membarrier(2)](https://man7.org/linux/man-pages/man2/membarrier.2.html)
    pub fn publish(&self, range: impl RangeBounds<usize>) -> Result<(), Error>
    where
        P: Executable + Readable,
        B: NoFault<K>,
    {
        let range = self.bytes_of(range)?;
        let figures = [range.len(), self.addr() + range.start];
        if range.is_empty() {
            return Ok(());
        }
        if !SUPPORTED {
            return Err(Cause::refused(Operation::Publish, Reason::NoPublish, figures).into());
        }
        // SAFETY: the bytes lie in this map, are readable (`Readable`), and an access of them does not fault (`NoFault`).
        unsafe { forget_instructions(figures[1], figures[0]) };
        serialize_all().map_err(|errno| Cause::kernel(Operation::Publish, errno, figures).into())
    }

    /// Lets indirect jumps into the map land on landing pads only, where the architecture has that: `PROT_BTI` on aarch64 (since
    /// Linux 5.8). The permissions stay what they are; the next [`reprotect`](Self::reprotect) ends it.
    ///
    /// On x86_64 the kernel has no such thing for pages of user space; there the map comes back with `EOPNOTSUPP`.
    ///
    /// # Errors
    ///
    /// The map comes back as it was; only if `mprotect` failed half way and cannot be undone is there no map in the error.
    ///
    /// - `EINVAL`: the CPU has no branch target identification.
    /// - `EOPNOTSUPP`: on other architectures than aarch64.
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)
    pub fn branch_protected(self) -> Result<Self, Error<Self>>
    where
        P: Executable,
    {
        let Some(bti) = BTI else {
            let figures = [self.len(), self.addr()];
            let cause = Cause::refused(Operation::Mprotect, Reason::NoBranchProtection, figures);
            return Err(Error::with_map(cause, self));
        };
        // SAFETY: the map came by value, so nobody borrows from it, and its permissions stay.
        match unsafe { self.region().protect(self.permissions().union(bti)) } {
            Ok(()) => Ok(self),
            Err(errno) => {
                let (address, len) = self.pages();
                Err(self.roll_back(Cause::kernel(Operation::Mprotect, errno, [len, address])))
            }
        }
    }
}

/// The flag for landing pads.
#[cfg(target_arch = "aarch64")]
const BTI: Option<ProtFlags> = Some(ProtFlags::BTI);

/// The flag for landing pads: there is none.
#[cfg(not(target_arch = "aarch64"))]
const BTI: Option<ProtFlags> = None;

/// Whether it is known here how to make cores see new instructions.
const SUPPORTED: bool = cfg!(any(
    target_arch = "x86",
    target_arch = "x86_64",
    target_arch = "aarch64"
));

/// Makes each thread of the process pass a serializing instruction before it runs on in user space.
fn serialize_all() -> Result<(), Errno> {
    match membarrier(MembarrierCommand::PrivateExpeditedSyncCore) {
        // A process says once that it will ask for that.
        Err(Errno::PERM) => {
            membarrier(MembarrierCommand::RegisterPrivateExpeditedSyncCore)?;
            membarrier(MembarrierCommand::PrivateExpeditedSyncCore)
        }
        done => done,
    }
}

/// Writes the lines of a range back to where instructions are fetched from, and makes instruction caches forget them.
///
/// # Safety
///
/// The range is readable, and an access does not fault.
#[cfg(all(target_arch = "aarch64", not(miri)))]
unsafe fn forget_instructions(address: usize, len: usize) {
    let sizes: usize;
    // SAFETY: reads a register that Linux lets user space read.
    unsafe {
        core::arch::asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack, preserves_flags));
    }
    let data_line = 4 << (sizes >> 16 & 15);
    let code_line = 4 << (sizes & 15);
    let end = address + len;
    let mut line = address & !(data_line - 1);
    while line < end {
        // SAFETY: the line holds bytes of the range; cleaning it changes none.
        unsafe { core::arch::asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags)) };
        line += data_line;
    }
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb ish", options(nostack, preserves_flags)) };
    let mut line = address & !(code_line - 1);
    while line < end {
        // SAFETY: the line holds bytes of the range; what is forgotten is fetched again.
        unsafe { core::arch::asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags)) };
        line += code_line;
    }
    // SAFETY: barriers.
    unsafe { core::arch::asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Instruction caches of x86 see what is written; that the compiler has written it is all there is to do.
///
/// # Safety
///
/// None here.
#[cfg(not(all(target_arch = "aarch64", not(miri))))]
unsafe fn forget_instructions(_: usize, _: usize) {
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}
