//! Guards, for whose life a secret can be reached.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};

use super::error::Error;
use super::state::Secret;

/// The bytes of a [`Secret`], to be read. When it is dropped, also by a panic, they are inaccessible again.
///
/// (A guard that is forgotten leaves them as they are until the next one.)
#[must_use = "the secret is accessible only as long as this lives"]
pub struct Reading<'secret> {
    secret: &'secret mut Secret,
}

/// The bytes of a [`Secret`], to be read and written. When it is dropped, also by a panic, they are inaccessible again.
///
/// (A guard that is forgotten leaves them as they are until the next one.)
#[must_use = "the secret is accessible only as long as this lives"]
pub struct Writing<'secret> {
    reading: Reading<'secret>,
}

impl<'secret> Reading<'secret> {
    /// The guard of a secret that can be read.
    pub(super) fn of(secret: &'secret mut Secret) -> Self {
        Self { secret }
    }

    /// Makes the bytes inaccessible: `mprotect`. Dropping the guard does the same, but cannot report an error.
    ///
    /// # Errors
    ///
    /// [`Error::Map`] with `ENOMEM` or `EPERM`: the kernel has no memory for that, or a sandbox forbids it. The bytes stay
    /// as they are until the next guard.
    ///
    /// # References
    ///
    /// [mprotect(2)](https://man7.org/linux/man-pages/man2/mprotect.2.html)
    pub fn close(self) -> Result<(), Error> {
        ManuallyDrop::new(self).secret.close()
    }
}

impl<'secret> Writing<'secret> {
    /// The guard of a secret that can be written.
    pub(super) fn of(secret: &'secret mut Secret) -> Self {
        Self {
            reading: Reading::of(secret),
        }
    }

    /// As [`Reading::close`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn close(self) -> Result<(), Error> {
        self.reading.close()
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        // What the kernel refuses here stays open, and is closed by the next guard.
        let _ = self.secret.close();
    }
}

impl Deref for Reading<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.secret.bytes()
    }
}

impl Deref for Writing<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.reading
    }
}

impl DerefMut for Writing<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.reading.secret.bytes_mut()
    }
}

/// Never the bytes.
impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("secret", self.secret)
            .finish()
    }
}

/// Never the bytes.
impl fmt::Debug for Writing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing")
            .field("secret", self.reading.secret)
            .finish()
    }
}
