//! Whether a move of pages would find room among the mappings that a process may have, asked before anything is lost by it.
#![expect(unsafe_code, reason = "asks for a move that the kernel refuses")]

use mmarinus_sys::{self as sys, Errno, RemapFlags};
use rustix::param::linux_execfn;

/// Asks the kernel whether a move would find room in `vm.max_map_count`, by one that it then refuses.
///
/// Without that the answer could not be told from a move that failed half way. The kernel counts the mappings before it looks at
/// how long the one is that is to be moved, but some kernels only once they have found one; so it has to be there.
pub(crate) fn room() -> Result<(), Errno> {
    /// More than the last pages of the stack, which is where the name of the program lies.
    const TOO_LONG: usize = 1 << 30;
    let name = linux_execfn();
    if name.is_empty() {
        return Ok(()); // It is not known; so a move is tried.
    }
    let name = name.as_ptr().cast_mut();
    let page = name.with_addr(name.addr() & !(sys::page_size() - 1)).cast();
    let flags = RemapFlags::MAYMOVE.union(RemapFlags::DONTUNMAP);
    // SAFETY: the stack is a mapping that ends a few pages behind the name. A move that would need more than one mapping is
    // refused before anything is moved, and without a fixed address nothing is replaced.
    match unsafe { sys::mremap(page, TOO_LONG, TOO_LONG, flags) } {
        Err(Errno::NOMEM) => Err(Errno::NOMEM),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_for_room_moves_nothing() {
        let local = core::hint::black_box([7_u8; 64]);
        let name = linux_execfn().to_bytes().len();
        for _ in 0..100 {
            assert_eq!(room(), Ok(()));
        }
        assert_eq!((local, linux_execfn().to_bytes().len()), ([7; 64], name));
    }
}
