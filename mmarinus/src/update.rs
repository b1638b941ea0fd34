//! Transitions of a map that stays where it stands, such as a field of a struct.
#![expect(unsafe_code, reason = "makes a map of no bytes")]

use core::mem;

use crate::backing::Backing;
use crate::error::Error;
use crate::kind::Kind;
use crate::map::Map;
use crate::perms::Permissions;

impl<P: Permissions, K: Kind, B: Backing<K>> Map<P, K, B> {
    /// Puts in the map's place what a transition makes of it: for a map that is borrowed mutably, such as a field.
    ///
    /// Transitions take a map by value, and what they give back has the same type here. If `change` fails, the map of its
    /// error takes the place, which is the old one as a rule; if there is none, or if `change` panics, an empty map is left.
    /// No system call is made but those of `change`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mmarinus::{Error, Map, perms};
    ///
    /// struct Log {
    ///     map: Map<perms::ReadWrite>,
    ///     len: usize,
    /// }
    ///
    /// impl Log {
    ///     fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
    ///         let end = self.len + bytes.len();
    ///         if end > self.map.len() {
    ///             self.map.update(|map| map.resize(2 * end))?; // After an error the log is as it was.
    ///         }
    ///         self.map[self.len..end].copy_from_slice(bytes);
    ///         self.len = end;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let map = Map::bytes(4).anonymously().with(perms::ReadWrite)?;
    /// let mut log = Log { map, len: 0 };
    /// log.push(b"hello")?;
    /// assert_eq!(log.map.len(), 10);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `change`.
    pub fn update(
        &mut self,
        change: impl FnOnce(Self) -> Result<Self, Error<Self>>,
    ) -> Result<(), Error> {
        let nothing = self.region().nothing();
        // SAFETY: without bytes, whatever the parameters say of them is true; the region grows only as this map does once it is
        // empty (`nothing`).
        let nothing = unsafe { Self::from_region(self.perms(), nothing) };
        match change(mem::replace(self, nothing)) {
            Ok(map) => {
                *self = map;
                Ok(())
            }
            Err(error) => {
                let (error, map) = error.into_parts();
                if let Some(map) = map {
                    *self = map;
                }
                Err(error)
            }
        }
    }
}
