//! Page faults that user space answers: `userfaultfd`, its ioctls and its events.
//!
//! A userfaultfd belongs to the memory of the process that made it, and keeps working on that memory when it is held by
//! another process. Addresses below are addresses in the process that made it, unless they say otherwise.

mod create;
mod event;
mod register;
mod resolve;

pub use create::{
    UFFD_API, UFFDIO_API, USERFAULTFD_IOC_NEW, UffdFeatures, UffdInfo, UserfaultfdFlags,
};
pub use create::{uffdio_api, userfaultfd, userfaultfd_ioc_new};
pub use event::{UffdEvent, UffdEventKind, UffdEvents, UffdMsg, UffdPagefaultFlags, uffd_read};
pub use register::{UFFDIO_REGISTER, UFFDIO_UNREGISTER, UFFDIO_WAKE, UffdIoctls, UffdRegisterMode};
pub use register::{uffdio_register, uffdio_unregister, uffdio_wake};
pub use resolve::{UFFDIO_CONTINUE, UFFDIO_COPY, UFFDIO_MOVE};
pub use resolve::{UFFDIO_POISON, UFFDIO_WRITEPROTECT, UFFDIO_ZEROPAGE};
pub use resolve::{UffdContinueMode, UffdCopyMode, UffdMoveMode};
pub use resolve::{UffdPoisonMode, UffdWriteprotectMode, UffdZeropageMode};
pub use resolve::{uffdio_continue, uffdio_copy, uffdio_move};
pub use resolve::{uffdio_poison, uffdio_writeprotect, uffdio_zeropage};

use linux_raw_sys::general as raw;
use rustix::ioctl::opcode;

/// `USERFAULTFD_IOC`, `UFFDIO`: the group of the ioctls of a userfaultfd, and of `/dev/userfaultfd`.
const GROUP: u8 = raw::UFFDIO as u8;

/// `_IOWR(UFFDIO, number, T)`: the full number of an ioctl that reads and writes a struct.
const fn iowr<T>(number: u32) -> u32 {
    opcode::read_write::<T>(GROUP, number as u8) as u32
}

/// `_IOR(UFFDIO, number, T)`: the full number of an ioctl that is declared as reading.
const fn ior<T>(number: u32) -> u32 {
    opcode::read::<T>(GROUP, number as u8) as u32
}
