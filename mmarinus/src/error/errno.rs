//! The name and the meaning of an errno in text, without the standard library.

use core::fmt;

use mmarinus_sys::Errno;

/// An errno that displays as its name and the man page's words for it.
pub(crate) struct Named(pub(crate) Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            Errno::ACCESS => "EACCES (permission denied)",
            Errno::AGAIN => "EAGAIN (resource temporarily unavailable)",
            Errno::BADF => "EBADF (bad file descriptor)",
            Errno::BUSY => "EBUSY (device or resource busy)",
            Errno::DEADLK => "EDEADLK (resource deadlock avoided)",
            Errno::DQUOT => "EDQUOT (disk quota exceeded)",
            Errno::EXIST => "EEXIST (address in use)",
            Errno::FAULT => "EFAULT (bad address)",
            Errno::FBIG => "EFBIG (file too large)",
            Errno::INTR => "EINTR (interrupted by a signal)",
            Errno::INVAL => "EINVAL (invalid argument)",
            Errno::IO => "EIO (input/output error)",
            Errno::ISDIR => "EISDIR (is a directory)",
            Errno::LOOP => "ELOOP (too many symbolic links)",
            Errno::MFILE => "EMFILE (too many open files)",
            Errno::NAMETOOLONG => "ENAMETOOLONG (file name too long)",
            Errno::NFILE => "ENFILE (too many open files in the system)",
            Errno::NODEV => "ENODEV (no such device)",
            Errno::NOENT => "ENOENT (no such file or directory)",
            Errno::NOMEM => "ENOMEM (cannot allocate memory)",
            Errno::NOSPC => "ENOSPC (no space left on device)",
            Errno::NOSYS => "ENOSYS (function not implemented)",
            Errno::NOTDIR => "ENOTDIR (not a directory)",
            Errno::NXIO => "ENXIO (no such device or address)",
            Errno::OPNOTSUPP => "EOPNOTSUPP (operation not supported)",
            Errno::OVERFLOW => "EOVERFLOW (value too large)",
            Errno::PERM => "EPERM (operation not permitted)",
            Errno::PIPE => "EPIPE (broken pipe)",
            Errno::RANGE => "ERANGE (out of range)",
            Errno::ROFS => "EROFS (read-only file system)",
            Errno::SPIPE => "ESPIPE (illegal seek)",
            Errno::SRCH => "ESRCH (no such process)",
            Errno::TXTBSY => "ETXTBSY (text file busy)",
            other => return write!(f, "errno {}", other.raw_os_error()),
        };
        f.write_str(text)
    }
}
