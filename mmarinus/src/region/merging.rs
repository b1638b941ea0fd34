//! Merging of equal pages (KSM), which ends before pages are moved over others and goes on behind that.
//!
//! `mremap` takes pages that may be merged apart, and only after it has unmapped its target. A signal ends that: the call fails
//! with `EINTR`, or the kernel runs the handler and then makes the call again. Meanwhile nothing is mapped at the target, another
//! thread may map there, and the call that is made again unmaps it. Pages that may not be merged are moved without such a stop.
#![expect(unsafe_code, reason = "gives advice about mapped pages")]

use core::ffi::c_void;

use mmarinus_sys::{self as sys, Advice, Errno};

use super::gate::{Gate, Inside};

/// Who moves pages is inside; who lets the kernel merge those of the whole process is inside alone.
static OF_PROCESS: Gate = Gate::new();

/// Lets the kernel merge the pages of the whole process, or not, while none are moved.
pub(crate) fn of_process(merge: bool) -> Result<(), Errno> {
    let _alone = OF_PROCESS.close();
    // SAFETY: nobody is inside, so none of our moves is under way.
    unsafe { sys::set_memory_merge(merge) }
}

/// Pages that are not merged as long as this lives.
#[derive(Debug)]
#[must_use = "merging goes on only by `go_on`"]
pub(super) struct Merging {
    /// Whether they may be merged again once they are moved.
    goes_on: bool,
    /// Meanwhile nobody lets the kernel merge all pages.
    _inside: Inside<'static>,
}

impl Merging {
    /// Takes merged pages apart, and keeps the kernel from merging them. `advised` says whether they were to be merged.
    ///
    /// # Safety
    ///
    /// The pages are the caller's.
    pub(super) unsafe fn end(start: *mut c_void, len: usize, advised: bool) -> Result<Self, Errno> {
        let mut merging = Self {
            goes_on: advised,
            _inside: OF_PROCESS.enter(),
        };
        let (mut done, mut step) = (0, len);
        while done < len {
            step = step.min(len - done);
            // SAFETY: the caller's pages; the advice changes no byte.
            match unsafe { sys::madvise(start.wrapping_byte_add(done), step, Advice::UNMERGEABLE) }
            {
                Ok(()) => done += step,
                // What a signal ends begins anew; shorter parts come to an end between two of them.
                Err(Errno::INTR) => {
                    step = (step / 2).next_multiple_of(sys::page_size());
                }
                // Without KSM the kernel does not know the advice, and so no page is merged.
                Err(Errno::INVAL) => {
                    merging.goes_on = false;
                    return Ok(merging);
                }
                Err(errno) => {
                    // SAFETY: as above. What was one mapping is one again.
                    unsafe { merging.go_on(start, len) };
                    return Err(errno);
                }
            }
        }
        merging.goes_on |= sys::get_memory_merge() == Ok(true);
        Ok(merging)
    }

    /// Lets the kernel merge the pages again, wherever they are now.
    ///
    /// # Safety
    ///
    /// As for [`end`](Self::end).
    pub(super) unsafe fn go_on(self, start: *mut c_void, len: usize) {
        if self.goes_on {
            // SAFETY: the caller's pages; the advice changes no byte. If it is refused, they are not merged, which is no error.
            let _ = unsafe { sys::madvise(start, len, Advice::MERGEABLE) };
        }
    }
}
