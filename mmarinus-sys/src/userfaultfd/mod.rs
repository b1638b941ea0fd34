//! Page faults that user space answers: `userfaultfd`, its ioctls and its events.
//!
//! A userfaultfd belongs to the memory of the process that made it, and keeps working on that memory when it is held by
//! another process. Addresses below are addresses in the process that made it, unless they say otherwise.

mod create;
mod event;
mod register;
mod resolve;

pub use create::{
    UffdFeatures, UffdInfo, UserfaultfdFlags, uffdio_api, userfaultfd, userfaultfd_ioc_new,
};
pub use event::{UffdEvent, UffdEventKind, UffdEvents, UffdMsg, UffdPagefaultFlags, uffd_read};
pub use register::{UffdIoctls, UffdRegisterMode, uffdio_register, uffdio_unregister, uffdio_wake};
pub use resolve::{
    UffdContinueMode, UffdCopyMode, UffdMoveMode, UffdPoisonMode, UffdWriteprotectMode,
    UffdZeropageMode, uffdio_continue, uffdio_copy, uffdio_move, uffdio_poison,
    uffdio_writeprotect, uffdio_zeropage,
};

use linux_raw_sys::general as raw;

/// `USERFAULTFD_IOC`, `UFFDIO`: the group of the ioctls of a userfaultfd, and of `/dev/userfaultfd`.
const GROUP: u8 = raw::UFFDIO as u8;
