//! Protection keys: pages that a thread may touch only inside a scope.
#![expect(
    unsafe_code,
    reason = "tags pages with keys, and changes a thread's rights to them"
)]

use core::fmt;
use core::marker::PhantomData;

use mmarinus_sys::{self as sys, Errno, PkeyRights, ProtFlags};

use crate::backing::{Backing, Written};
use crate::error::{Cause, Error, Operation, Reason};
use crate::fault::Fault;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::{MayRead, MayWrite, Permissions};

/// A protection key: pages that carry it are out of reach for every thread, except inside a [`scope`](Self::scope).
///
/// The rights are those of a thread, and a new thread gets those of the one that starts it: a thread that is started inside a
/// scope keeps the right for all its life, also to whatever carries the number of this key later. So start none there.
///
/// The CPU checks each access by the rights of the thread, so opening and closing makes no system call, and a stray read or
/// write of any other code is a fault instead of a leak. x86 CPUs have 15 keys for a process. The kernel's own copies
/// by another path (`process_vm_readv`, `/proc/self/mem`, a debugger) do not ask for the key.
///
/// # Examples
///
/// ```
/// use mmarinus::{Map, Pkey, perms};
///
/// match Pkey::alloc() {
///     Ok(key) => {
///         let map = Map::bytes(4096).anywhere().anonymously().with(perms::ReadWrite)?;
///         let mut keyed = key.attach(map)?;
///         key.scope(|access| access.write_at(&mut keyed, 0, b"secret"))?;
///         let mut bytes = [0; 6];
///         key.scope_read(|access| access.read_at(&keyed, 0, &mut bytes))?;
///         assert_eq!(&bytes, b"secret");
///     }
///     Err(error) => println!("{error}"), // This CPU has no keys.
/// }
/// # Ok::<(), mmarinus::Error>(())
/// ```
///
/// # References
///
/// [pkeys(7)](https://man7.org/linux/man-pages/man7/pkeys.7.html)
pub struct Pkey {
    /// Ours, until this is dropped; no pages that anybody can reach carry it then, since [`Keyed`] borrows this.
    key: sys::Pkey,
}

/// A map whose pages carry a protection key. It lends nothing: its bytes are copied inside a scope of the key.
///
/// A slice could be sent to another thread, which has no right to the pages and would be killed; so there is none.
pub struct Keyed<'key, M> {
    map: M,
    key: &'key Pkey,
}

/// The right of this thread to the pages of a key, as long as a scope lasts. It cannot leave the thread:
///
/// ```compile_fail,E0277
/// let key = mmarinus::Pkey::alloc()?;
/// key.scope(|access| std::thread::scope(|scope| scope.spawn(|| println!("{access:?}")).join().is_ok()));
/// # Ok::<(), mmarinus::Error>(())
/// ```
pub struct Access<'scope, R> {
    key: &'scope Pkey,
    rights: PhantomData<R>,
    /// Neither `Send` nor `Sync`: another thread has rights of its own.
    thread: PhantomData<*const ()>,
}

/// The right to read.
#[derive(Clone, Copy, Debug)]
pub struct Reading;

/// The right to read and write.
#[derive(Clone, Copy, Debug)]
pub struct Writing;

impl Pkey {
    /// Takes a free key: `pkey_alloc`. This thread has no right to its pages then, nor has any that was not started in a scope of
    /// a key with the same number.
    ///
    /// # Errors
    ///
    /// - `EINVAL`, `ENOSPC`, `ENOSYS`: the CPU or the kernel has no keys, or all are taken.
    /// - `EOPNOTSUPP`: on other architectures than x86.
    ///
    /// # References
    ///
    /// [pkey_alloc(2)](https://man7.org/linux/man-pages/man2/pkey_alloc.2.html)
    pub fn alloc() -> Result<Self, Error> {
        if cfg!(not(any(target_arch = "x86", target_arch = "x86_64"))) {
            return Err(Cause::refused(Operation::PkeyAlloc, Reason::NoKeys, [0, 0]).into());
        }
        match sys::pkey_alloc(PkeyRights::DISABLE_ACCESS) {
            Ok(key) => Ok(Self { key }),
            Err(errno) => Err(Cause::kernel(Operation::PkeyAlloc, errno, [0, 0]).into()),
        }
    }

    /// Gives the pages of a map this key: `pkey_mprotect`. From then on they are out of reach outside of scopes.
    ///
    /// # Errors
    ///
    /// The map comes back as it was. `pkey_mprotect` can stop half way; then what it changed is changed back, and only if the
    /// kernel refuses that as well is there no map in the error: it has been unmapped.
    ///
    /// - `ENOMEM`: `vm.max_map_count`.
    ///
    /// # References
    ///
    /// [pkey_mprotect(2)](https://man7.org/linux/man-pages/man2/pkey_mprotect.2.html)
    #[expect(
        clippy::type_complexity,
        reason = "the new map or the old one: both are said in full"
    )]
    pub fn attach<P: Permissions, K: Kind, B: Backing<K>>(
        &self,
        map: Map<P, K, B>,
    ) -> Result<Keyed<'_, Map<P, K, B>>, Error<Map<P, K, B>>> {
        let map = tag(map, self.key, sys::Pkey::DEFAULT)?;
        Ok(Keyed { map, key: self })
    }

    /// Lets this thread read and write pages of the key as long as `run` runs. The rights that it had before come back, also
    /// after a panic.
    #[inline]
    pub fn scope<T>(&self, run: impl FnOnce(&Access<'_, Writing>) -> T) -> T {
        let _rights = Rights::at_least(self, PkeyRights::UNRESTRICTED);
        run(&Access {
            key: self,
            rights: PhantomData,
            thread: PhantomData,
        })
    }

    /// Lets this thread read pages of the key as long as `run` runs, as [`scope`](Self::scope).
    #[inline]
    pub fn scope_read<T>(&self, run: impl FnOnce(&Access<'_, Reading>) -> T) -> T {
        let _rights = Rights::at_least(self, PkeyRights::DISABLE_WRITE);
        run(&Access {
            key: self,
            rights: PhantomData,
            thread: PhantomData,
        })
    }
}

impl Drop for Pkey {
    fn drop(&mut self) {
        // SAFETY: the key is ours, and no pages that anybody uses carry it: a `Keyed` that lives would borrow it. A `Keyed` that
        // was forgotten lends nothing.
        let _ = unsafe { sys::pkey_free(self.key) };
    }
}

impl fmt::Debug for Pkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pkey").field(&self.key.as_raw()).finish()
    }
}

impl<P: Permissions, K: Kind, B: Backing<K>> Keyed<'_, Map<P, K, B>> {
    /// The length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether the length is 0.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The address of the first byte.
    #[inline]
    #[must_use]
    pub fn addr(&self) -> usize {
        self.map.addr()
    }

    /// What the pages allow whoever has a right to the key.
    #[inline]
    #[must_use]
    pub fn permissions(&self) -> ProtFlags {
        self.map.permissions()
    }

    /// Takes the key off the pages, which are then as open as they were before.
    ///
    /// # Errors
    ///
    /// As for [`Pkey::attach`]: the map comes back with its key.
    pub fn detach(self) -> Result<Map<P, K, B>, Error<Self>> {
        let Self { map, key } = self;
        tag(map, sys::Pkey::DEFAULT, key.key)
            .map_err(|error| error.map_map(|map| Self { map, key }))
    }
}

impl<M: fmt::Debug> fmt::Debug for Keyed<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("map", &self.map)
            .field("key", &self.key)
            .finish()
    }
}

impl<R> Access<'_, R> {
    /// Copies bytes of a map with this key from `offset` on into all of `buf`, as [`Map::read_at`].
    ///
    /// # Errors
    ///
    /// As for [`Map::read_at`]; `EINVAL` also if the map has another key.
    #[inline]
    pub fn read_at<P: MayRead, K: Kind, B: Backing<K>>(
        &self,
        keyed: &Keyed<'_, Map<P, K, B>>,
        offset: usize,
        buf: &mut [u8],
    ) -> Result<(), Fault> {
        if !core::ptr::eq(self.key, keyed.key) {
            return Err(Fault::refused(Operation::Read, Reason::OtherKey, offset));
        }
        // Other code may have taken rights away meanwhile.
        let _rights = Rights::at_least(self.key, PkeyRights::DISABLE_WRITE);
        keyed.map.read_at(offset, buf)
    }
}

impl Access<'_, Writing> {
    /// Copies `buf` to `offset` and following of a map with this key, as [`Map::write_at`].
    ///
    /// # Errors
    ///
    /// As for [`Map::write_at`]; `EINVAL` also if the map has another key.
    #[inline]
    pub fn write_at<P: MayWrite, K: Kind, B: Written<K>>(
        &self,
        keyed: &mut Keyed<'_, Map<P, K, B>>,
        offset: usize,
        buf: &[u8],
    ) -> Result<(), Fault> {
        if !core::ptr::eq(self.key, keyed.key) {
            return Err(Fault::refused(Operation::Write, Reason::OtherKey, offset));
        }
        // Other code may have taken rights away meanwhile.
        let _rights = Rights::at_least(self.key, PkeyRights::UNRESTRICTED);
        keyed.map.write_at(offset, buf)
    }
}

impl<R> fmt::Debug for Access<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Access").field(self.key).finish()
    }
}

/// Gives all pages of a map a key, or, if that fails half way, the one back that they had.
#[expect(
    clippy::type_complexity,
    reason = "the new map or the old one: both are said in full"
)]
fn tag<P: Permissions, K: Kind, B: Backing<K>>(
    map: Map<P, K, B>,
    key: sys::Pkey,
    before: sys::Pkey,
) -> Result<Map<P, K, B>, Error<Map<P, K, B>>> {
    let set = |key| -> Result<(), Errno> {
        // SAFETY: the map came by value, so nobody borrows from it; the permissions stay.
        unsafe { map.region().protect_by(map.permissions(), key) }
    };
    let Err(errno) = set(key) else { return Ok(map) };
    let (address, len) = map.pages();
    let cause = Cause::kernel(Operation::PkeyMprotect, errno, [len, address]);
    match set(before) {
        Ok(()) => Err(Error::with_map(cause, map)),
        // Nobody could say which pages carry which key: the map is dropped, which unmaps it.
        Err(_) => Err(Error::lost(Cause {
            reason: Reason::PermissionsLost,
            ..cause
        })),
    }
}

/// Rights of this thread to a key, which are given back at the end.
struct Rights {
    key: sys::Pkey,
    /// What was denied before, if that is less now.
    before: Option<PkeyRights>,
    /// It belongs to the thread.
    thread: PhantomData<*const ()>,
}

impl Rights {
    /// Denies this and no more; or less, if less was denied before.
    #[inline]
    fn at_least(key: &Pkey, denied: PkeyRights) -> Self {
        let before = register::denied(key.key);
        let enough = denied.contains(before);
        if !enough {
            // Whoever may not even read may not write either.
            let kept = match before.contains(PkeyRights::DISABLE_ACCESS) {
                true => denied,
                false => before.intersection(denied),
            };
            register::deny(key.key, kept);
        }
        Self {
            key: key.key,
            before: (!enough).then_some(before),
            thread: PhantomData,
        }
    }
}

impl Drop for Rights {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.before {
            register::deny(self.key, before);
        }
    }
}

/// The register of a thread's rights.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod register {
    use mmarinus_sys::{Pkey, PkeyRights, rdpkru, wrpkru};

    /// What this thread may not do with pages of a key that was taken.
    #[inline]
    pub(super) fn denied(key: Pkey) -> PkeyRights {
        // SAFETY: a key was taken, so CPU and kernel have them.
        let all = unsafe { rdpkru() };
        PkeyRights::from_bits_truncate(all >> (2 * key.as_raw()))
    }

    /// Says what this thread may not do with pages of a key that was taken. It is never key 0.
    #[inline]
    pub(super) fn deny(key: Pkey, denied: PkeyRights) {
        let shift = 2 * key.as_raw();
        // SAFETY: a key was taken, so CPU and kernel have them.
        let all = unsafe { rdpkru() };
        let all = all & !(3 << shift) | denied.bits() << shift;
        // SAFETY:
        // - As above.
        // - Only rights to this key change, and no reference to its pages exists: they are copied by pointer.
        unsafe { wrpkru(all) };
    }
}

/// No key is ever taken here.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
mod register {
    use mmarinus_sys::{Pkey, PkeyRights};

    /// What this thread may not do with pages of a key.
    pub(super) fn denied(_: Pkey) -> PkeyRights {
        PkeyRights::UNRESTRICTED
    }

    /// Says what this thread may not do with pages of a key.
    pub(super) fn deny(_: Pkey, _: PkeyRights) {}
}
