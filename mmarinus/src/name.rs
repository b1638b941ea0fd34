//! Names of memory of no file, as `/proc/PID/maps` shows them.

use core::ffi::CStr;

use crate::backing::{Backing, Nameable};
use crate::error::{Cause, Error, Operation, Reason};
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

/// The most bytes that a name has.
const LONGEST: usize = 79;

/// A name that the kernel takes.
///
/// # Invariants
///
/// The bytes before the first zero are printable ASCII without `\`, `` ` ``, `$`, `[` and `]`, and a zero follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    bytes: [u8; LONGEST + 1],
}

impl Name {
    /// The name, if the kernel takes it.
    #[cold]
    pub(crate) fn new(name: &str) -> Option<Self> {
        let fits = |byte: u8| matches!(byte, b' '..=b'~') && !b"\\`$[]".contains(&byte);
        if name.len() > LONGEST || !name.bytes().all(fits) {
            return None;
        }
        let mut bytes = [0; LONGEST + 1];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Some(Self { bytes })
    }

    /// The name as the kernel wants it: `None` for an empty one, which takes the name away.
    pub(crate) fn as_c_str(&self) -> Option<&CStr> {
        CStr::from_bytes_until_nul(&self.bytes)
            .ok()
            .filter(|name| !name.is_empty())
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Names the map, which `/proc/PID/maps` then shows as `[anon:name]`, or `[anon_shmem:name]` for shared memory:
    /// `PR_SET_VMA_ANON_NAME` (since Linux 5.17; of shared memory since 6.2). An empty name takes the name away.
    ///
    /// Many kernels are built without names; `mmarinus_sys::Support::vma_anon_name` tells. Maps side by side with different
    /// names count as different mappings for `vm.max_map_count`. Nothing is allocated.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Errno, Map, perms};
    ///
    /// let map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
    /// match map.name("guest ram") {
    ///     Ok(()) => assert!(std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("[anon:guest ram]"))),
    ///     Err(error) => assert_eq!(error.errno(), Errno::INVAL), // A kernel without names.
    /// }
    /// # Ok::<(), mmarinus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - `EBADF`: the map is exposed and was made of a file; or it is shared, before Linux 6.2.
    /// - `EINVAL`: the name is longer than 79 bytes, or has one that is not printable ASCII or is one of `` \ ` $ [ ] ``; or the
    ///   kernel has no names.
    /// - `ENOMEM`: `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [PR_SET_VMA(2const)](https://man7.org/linux/man-pages/man2/PR_SET_VMA.2const.html)
    pub fn name(&self, name: &str) -> Result<(), Error>
    where
        B: Nameable<K>,
    {
        let (address, len) = self.pages();
        let figures = [len, address];
        let name = Name::new(name)
            .ok_or_else(|| Cause::refused(Operation::Name, Reason::BadName, figures))?;
        self.region()
            .name(&name)
            .map_err(|errno| Cause::kernel(Operation::Name, errno, figures).into())
    }
}

#[cfg(test)]
mod tests {
    use super::Name;
    use std::string::String;

    #[test]
    fn takes_what_the_kernel_takes() {
        for byte in 0..=0x7f_u8 {
            let fits = (0x20..0x7f).contains(&byte) && !b"\\`$[]".contains(&byte);
            let name = String::from(char::from(byte));
            assert_eq!(Name::new(&name).is_some(), fits, "{byte:#x}");
        }
        let longest = "x".repeat(79);
        let name = Name::new(&longest).unwrap();
        assert_eq!(name.as_c_str().unwrap().to_bytes(), longest.as_bytes());
        assert!(Name::new(&"x".repeat(80)).is_none());
        assert!(Name::new("Größe").is_none());
        assert_eq!(Name::new("").unwrap().as_c_str(), None);
    }
}
