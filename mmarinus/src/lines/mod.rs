//! Writing cache lines back to memory that keeps its bytes without power: by assembly, where there is some.
#![expect(unsafe_code, reason = "writes cache lines back by pointer")]

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod aarch64;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86_64;

#[cfg(all(target_arch = "aarch64", not(miri)))]
use aarch64 as here;
#[cfg(all(target_arch = "x86_64", not(miri)))]
use x86_64 as here;

/// Writes the cache lines around bytes back to memory and waits until they are there; or does nothing and says so.
///
/// # Safety
///
/// The pages around the `len` bytes at `start` are readable without a fault.
#[cold]
pub(crate) unsafe fn write_back(start: *const u8, len: usize) -> bool {
    #[cfg(all(any(target_arch = "aarch64", target_arch = "x86_64"), not(miri)))]
    {
        if len == 0 {
            return true;
        }
        let line = here::line();
        let first = start.map_addr(|address| address & !(line - 1));
        let mut offset = 0;
        let end = start.addr() - first.addr() + len;
        while offset < end {
            // SAFETY: the line holds one of the bytes, and a page holds whole lines; so the caller's promise covers it.
            unsafe { here::write_back(first.wrapping_add(offset)) };
            offset += line;
        }
        here::wait();
        true
    }
    #[cfg(not(all(any(target_arch = "aarch64", target_arch = "x86_64"), not(miri))))]
    {
        let _ = (start, len);
        false
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_bytes_are_written_back_and_stay() {
        let bytes = [7_u8; 1000];
        let mut done = true;
        for (start, len) in [(0, 0), (0, 1), (63, 2), (1, 999), (999, 1), (0, 1000)] {
            // SAFETY: the bytes lie in the array.
            done &= unsafe { super::write_back(bytes[start..].as_ptr(), len) };
        }
        let has_assembly = cfg!(any(target_arch = "aarch64", target_arch = "x86_64"));
        assert_eq!(done, has_assembly && !cfg!(miri));
        assert_eq!(bytes, [7; 1000]);
    }

    #[test]
    #[cfg(all(any(target_arch = "aarch64", target_arch = "x86_64"), not(miri)))]
    fn a_line_is_a_part_of_a_page() {
        let line = super::here::line();
        assert!(
            line.is_power_of_two() && (16..=2048).contains(&line),
            "{line}"
        );
    }
}
