//! Page faults that another thread of the test resolves, and everything else that a userfaultfd does.

use core::ffi::c_void;
use core::ptr;
use core::time::Duration;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use mmarinus_sys::{
    Advice, Errno, MapFlags, ProtFlags, RemapFlags, Support, UffdContinueMode, UffdCopyMode,
    UffdEvent, UffdEventKind, UffdFeatures, UffdIoctls, UffdMoveMode, UffdMsg, UffdPagefaultFlags,
    UffdPoisonMode, UffdRegisterMode, UffdWriteprotectMode, UffdZeropageMode, UserfaultfdFlags,
    gettid, madvise, mmap, mremap_fixed, munmap, page_size, uffd_read, uffdio_api, uffdio_continue,
    uffdio_copy, uffdio_move, uffdio_poison, uffdio_register, uffdio_unregister, uffdio_wake,
    uffdio_writeprotect, uffdio_zeropage, userfaultfd, userfaultfd_ioc_new,
};

use crate::common::{Pages, RW, full_file, is_root, memfd, older_than};
use crate::privilege::without;
use crate::testing::{in_child, skip};

const MISSING: UffdRegisterMode = UffdRegisterMode::MISSING;
const WP: UffdRegisterMode = UffdRegisterMode::WP;

/// How a test makes a userfaultfd, or `None` where it cannot.
fn ordinary() -> Option<UserfaultfdFlags> {
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK;
    if Support::userfaultfd_user_mode_only() {
        return Some(flags | UserfaultfdFlags::USER_MODE_ONLY);
    }
    Support::userfaultfd().then_some(flags)
}

/// A userfaultfd after the handshake, or `None` where the machine lacks it or one of the features.
fn uffd(features: UffdFeatures) -> Option<OwnedFd> {
    if !Support::userfaultfd_features().contains(features) {
        return None;
    }
    let uffd = userfaultfd(ordinary()?).expect("a userfaultfd");
    let info = uffdio_api(&uffd, features).expect("the handshake");
    assert!(info.features.contains(features));
    assert!(
        info.ioctls
            .contains(UffdIoctls::REGISTER | UffdIoctls::UNREGISTER | UffdIoctls::API)
    );
    Some(uffd)
}

/// What a test without its feature says.
const LACKING: &str = "no userfaultfd, or none with the features that the test needs";

/// Registers all pages.
fn register(uffd: &OwnedFd, pages: &Pages, mode: UffdRegisterMode) -> Result<UffdIoctls, Errno> {
    // SAFETY: the range is the test's own.
    unsafe { uffdio_register(uffd, pages.addr(), pages.len(), mode) }
}

/// Copies a byte to all of some pages.
fn fill(uffd: &OwnedFd, dst: *mut c_void, pages: usize, byte: u8) -> Result<usize, Errno> {
    let source = vec![byte; pages * page_size()];
    // SAFETY: the target is the test's own, and the source is as long as that.
    unsafe {
        uffdio_copy(
            uffd,
            dst,
            source.as_ptr().cast(),
            source.len(),
            UffdCopyMode::empty(),
        )
    }
}

/// Protects a page, or lifts that.
fn protect(uffd: &OwnedFd, addr: *mut c_void, mode: UffdWriteprotectMode) -> Result<(), Errno> {
    // SAFETY: the page is the test's own.
    unsafe { uffdio_writeprotect(uffd, addr, page_size(), mode) }
}

/// Frees a page.
fn discard(addr: *mut c_void) {
    // SAFETY: the page is the test's own, and nobody borrows from it.
    unsafe { madvise(addr, page_size(), Advice::DONTNEED) }.expect("the page is ours");
}

/// Pages that a child of another test does not share: those could not be moved.
fn unforked(count: usize) -> Pages {
    let pages = Pages::new(count);
    // SAFETY: the range is the test's own.
    unsafe { madvise(pages.addr(), pages.len(), Advice::DONTFORK) }.expect("the range is ours");
    pages
}

/// Waits for the next event, and gives up after some seconds.
fn event(uffd: &OwnedFd) -> UffdEvent {
    let start = Instant::now();
    let mut msgs = [UffdMsg::default(); 1];
    loop {
        // SAFETY: this is a userfaultfd.
        match unsafe { uffd_read(uffd, &mut msgs) } {
            Ok(mut events) => return events.next().expect("an event"),
            Err(errno) => assert_eq!(errno, Errno::AGAIN),
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no event came");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for a fault, and checks where it is.
fn fault(uffd: &OwnedFd, page: *mut c_void) -> (UffdPagefaultFlags, u32) {
    match event(uffd) {
        UffdEvent::Pagefault {
            flags,
            address,
            thread,
        } => {
            assert_eq!(address, page.addr() as u64);
            (flags, thread)
        }
        other => panic!("{other:?}"),
    }
}

/// Touches a byte in another thread, lets `resolve` answer, and returns what the thread read.
fn read_in_thread(pages: &Pages, offset: usize, resolve: impl FnOnce()) -> u8 {
    let address = pages.byte(offset).expose_provenance();
    let reader = thread::spawn(move || {
        let byte = ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: the byte is mapped and readable for as long as the thread runs.
        unsafe { byte.read_volatile() }
    });
    resolve();
    reader.join().expect("the reader ends")
}

/// Writes a byte in another thread, and lets `resolve` answer.
fn write_in_thread(pages: &Pages, offset: usize, value: u8, resolve: impl FnOnce()) {
    let address = pages.byte(offset).expose_provenance();
    let writer = thread::spawn(move || {
        let byte = ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: the byte is mapped and writable for as long as the thread runs.
        unsafe { byte.write_volatile(value) };
    });
    resolve();
    writer.join().expect("the writer ends");
}

#[test]
fn numbers_are_those_of_the_headers() {
    use linux_raw_sys::ioctl;
    for (ours, theirs) in [
        (mmarinus_sys::UFFDIO_API, ioctl::UFFDIO_API),
        (mmarinus_sys::UFFDIO_REGISTER, ioctl::UFFDIO_REGISTER),
        (mmarinus_sys::UFFDIO_UNREGISTER, ioctl::UFFDIO_UNREGISTER),
        (mmarinus_sys::UFFDIO_WAKE, ioctl::UFFDIO_WAKE),
        (mmarinus_sys::UFFDIO_COPY, ioctl::UFFDIO_COPY),
        (mmarinus_sys::UFFDIO_ZEROPAGE, ioctl::UFFDIO_ZEROPAGE),
        (
            mmarinus_sys::UFFDIO_WRITEPROTECT,
            ioctl::UFFDIO_WRITEPROTECT,
        ),
        (mmarinus_sys::UFFDIO_CONTINUE, ioctl::UFFDIO_CONTINUE),
        // The bindings lack these; they are the same on every architecture.
        (mmarinus_sys::UFFDIO_MOVE, 0xc028_aa05),
        (mmarinus_sys::UFFDIO_POISON, 0xc020_aa08),
        (mmarinus_sys::PROCMAP_QUERY, 0xc068_6611),
        (mmarinus_sys::PAGEMAP_SCAN, 0xc060_6610),
    ] {
        assert_eq!(ours, theirs, "{theirs:#x}");
    }
}

#[test]
fn it_is_made_by_the_call() {
    let Some(flags) = ordinary() else {
        skip!("{LACKING}")
    };
    // With what is allowed, since a lack of rights is said first.
    let bad = flags | UserfaultfdFlags::from_bits_retain(1 << 30);
    assert_eq!(
        userfaultfd(bad).err(),
        Some(Errno::INVAL),
        "an unknown flag"
    );
    let uffd = userfaultfd(flags).expect("a userfaultfd");
    let kept = rustix::io::fcntl_getfd(&uffd).expect("the flags of an fd");
    assert!(kept.contains(rustix::io::FdFlags::CLOEXEC));

    // Without the handshake nothing works.
    let pages = Pages::new(1);
    assert_eq!(register(&uffd, &pages, MISSING), Err(Errno::INVAL));
    // SAFETY: this is a userfaultfd.
    let unread = unsafe { uffd_read(&uffd, &mut [UffdMsg::default()]).err() };
    assert_eq!(unread, Some(Errno::INVAL));

    // A second handshake, or one for what no kernel has, is refused.
    let absurd = UffdFeatures::from_bits_retain(1 << 60);
    assert_eq!(uffdio_api(&uffd, absurd), Err(Errno::INVAL));
    uffdio_api(&uffd, UffdFeatures::empty()).expect("the handshake");
    assert_eq!(uffdio_api(&uffd, UffdFeatures::empty()), Err(Errno::INVAL));
    assert_eq!(
        uffdio_api(memfd(1), UffdFeatures::empty()),
        Err(Errno::NOTTY),
        "another file"
    );
}

#[test]
fn faults_of_the_kernel_need_the_privilege() {
    if !is_root() || !Support::userfaultfd() {
        skip!("needs root");
    }
    let sysctl = std::fs::read_to_string("/proc/sys/vm/unprivileged_userfaultfd").expect("a file");
    if sysctl.trim() != "0" {
        skip!("vm.unprivileged_userfaultfd is on");
    }
    assert_eq!(
        without(|| userfaultfd(UserfaultfdFlags::CLOEXEC).err()),
        Some(Errno::PERM)
    );
    let user = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::USER_MODE_ONLY;
    assert_eq!(without(|| userfaultfd(user).err()), None);
    let fork =
        without(|| userfaultfd(user).and_then(|uffd| uffdio_api(&uffd, UffdFeatures::EVENT_FORK)));
    assert_eq!(
        fork.err(),
        Some(Errno::PERM),
        "forks are for the privileged"
    );
}

/// Makes one by the device, or asks another file of the kernel's own.
fn by_device(device: impl AsFd, flags: UserfaultfdFlags) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel's own files answer with an fd only if they are the device.
    unsafe { userfaultfd_ioc_new(device, flags) }
}

#[test]
fn it_is_made_by_the_device() {
    if !Support::userfaultfd_device() {
        skip!("/dev/userfaultfd is not there or may not be opened");
    }
    let device = File::open("/dev/userfaultfd").expect("the device");
    let uffd = by_device(&device, UserfaultfdFlags::CLOEXEC).expect("a userfaultfd");
    assert!(
        rustix::io::fcntl_getfd(&uffd)
            .expect("the flags of an fd")
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    uffdio_api(&uffd, UffdFeatures::empty()).expect("the handshake");
    let pages = Pages::new(1);
    register(&uffd, &pages, MISSING).expect("a range");
    assert_eq!(fill(&uffd, pages.addr(), 1, 7), Ok(page_size()));
    assert_eq!(pages.get(0), 7);

    let bad = UserfaultfdFlags::from_bits_retain(1 << 30);
    assert_eq!(
        by_device(&device, bad).err(),
        Some(Errno::INVAL),
        "an unknown flag"
    );
    assert_eq!(
        by_device(memfd(1), UserfaultfdFlags::CLOEXEC).err(),
        Some(Errno::NOTTY),
        "another file"
    );
}

#[test]
fn a_missing_page_is_filled() {
    let features = UffdFeatures::THREAD_ID | UffdFeatures::EXACT_ADDRESS;
    let Some(uffd) = uffd(features) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(2);
    let ioctls = register(&uffd, &pages, MISSING).expect("a range");
    assert!(ioctls.contains(UffdIoctls::COPY | UffdIoctls::ZEROPAGE | UffdIoctls::WAKE));

    let (offset, own) = (page_size() + 17, gettid());
    let byte = read_in_thread(&pages, offset, || {
        let (flags, thread) = fault(&uffd, pages.byte(offset).cast());
        assert_eq!(flags, UffdPagefaultFlags::empty());
        assert!(thread != 0 && thread != own.as_raw_nonzero().get() as u32);
        assert_eq!(fill(&uffd, pages.page(1), 1, 7), Ok(page_size()));
    });
    assert_eq!(byte, 7);

    write_in_thread(&pages, 5, 9, || {
        let (flags, _) = fault(&uffd, pages.byte(5).cast());
        assert_eq!(flags, UffdPagefaultFlags::WRITE);
        assert_eq!(fill(&uffd, pages.page(0), 1, 8), Ok(page_size()));
    });
    assert_eq!((pages.get(4), pages.get(5)), (8, 9));
    assert_eq!(
        fill(&uffd, pages.page(0), 1, 1),
        Err(Errno::EXIST),
        "it is there"
    );
    assert_eq!(pages.get(4), 8);
}

#[test]
fn a_missing_page_becomes_zeros() {
    let Some(uffd) = uffd(UffdFeatures::empty()) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(3);
    register(&uffd, &pages, MISSING).expect("a range");
    let zero = |addr, len, mode| {
        // SAFETY: the range is the test's own.
        unsafe { uffdio_zeropage(&uffd, addr, len, mode) }
    };
    let none = UffdZeropageMode::empty();
    let byte = read_in_thread(&pages, 0, || {
        fault(&uffd, pages.addr());
        assert_eq!(zero(pages.addr(), page_size(), none), Ok(page_size()));
    });
    assert_eq!(byte, 0);
    assert_eq!(
        zero(pages.addr(), page_size(), none),
        Err(Errno::EXIST),
        "it is there"
    );
    assert_eq!(
        zero(pages.byte(1).cast(), page_size(), none),
        Err(Errno::INVAL),
        "no page starts there"
    );
    assert_eq!(zero(pages.page(1), 0, none), Err(Errno::INVAL), "no page");
    let unknown = UffdZeropageMode::from_bits_retain(1 << 40);
    assert_eq!(
        zero(pages.page(1), page_size(), unknown),
        Err(Errno::INVAL),
        "an unknown mode"
    );

    // Half of the way: the second page is there, so the first alone is done, and the call says so.
    discard(pages.page(0));
    assert_eq!(fill(&uffd, pages.page(1), 1, 7), Ok(page_size()));
    assert_eq!(zero(pages.addr(), pages.len(), none), Ok(page_size()));
    assert_eq!((pages.get(0), pages.get(page_size())), (0, 7));
}

#[test]
fn a_copy_that_stops_half_way_says_so() {
    let Some(uffd) = uffd(UffdFeatures::empty()) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(4);
    register(&uffd, &pages, MISSING).expect("a range");
    assert_eq!(fill(&uffd, pages.page(2), 1, 9), Ok(page_size()));
    assert_eq!(
        fill(&uffd, pages.page(0), 4, 7),
        Ok(2 * page_size()),
        "up to the page that is there"
    );
    assert_eq!(
        fill(&uffd, pages.page(2), 2, 7),
        Err(Errno::EXIST),
        "the rest says why"
    );
    assert_eq!(fill(&uffd, pages.page(3), 1, 7), Ok(page_size()));
    let bytes: Vec<u8> = (0..4).map(|page| pages.get(page * page_size())).collect();
    assert_eq!(bytes, [7, 7, 9, 7]);
}

#[test]
fn a_copy_is_refused() {
    let Some(uffd) = uffd(UffdFeatures::empty()) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(2);
    register(&uffd, &pages, MISSING).expect("a range");
    let copy = |dst, src: *const c_void, len, mode| {
        // SAFETY: the target is the test's own; where the source cannot be read the kernel says so.
        unsafe { uffdio_copy(&uffd, dst, src, len, mode) }
    };
    let (source, none) = (vec![7u8; 2 * page_size()], UffdCopyMode::empty());
    let src = source.as_ptr().cast::<c_void>();
    assert_eq!(
        copy(pages.byte(1).cast(), src, page_size(), none),
        Err(Errno::INVAL),
        "no page starts there"
    );
    assert_eq!(
        copy(pages.addr(), src, 100, none),
        Err(Errno::INVAL),
        "no whole page"
    );
    assert_eq!(
        copy(pages.addr(), src, 0, none),
        Err(Errno::INVAL),
        "no page"
    );
    let unknown = UffdCopyMode::from_bits_retain(1 << 40);
    assert_eq!(
        copy(pages.addr(), src, page_size(), unknown),
        Err(Errno::INVAL),
        "an unknown mode"
    );
    assert_eq!(
        copy(pages.addr(), src, page_size(), UffdCopyMode::WP),
        Err(Errno::INVAL),
        "not registered for that"
    );
    let secret = Pages::with(1, ProtFlags::empty(), MapFlags::PRIVATE);
    assert_eq!(
        copy(pages.addr(), secret.addr(), page_size(), none),
        Err(Errno::FAULT),
        "a source that cannot be read"
    );
    let other = Pages::new(1);
    assert_eq!(
        copy(other.addr(), src, page_size(), none),
        Err(Errno::NOENT),
        "not registered"
    );
    // A source needs no alignment.
    assert_eq!(
        copy(pages.addr(), src.wrapping_byte_add(1), page_size(), none),
        Ok(page_size())
    );
}

#[test]
fn a_range_is_refused() {
    let (Some(first), Some(second)) = (uffd(UffdFeatures::empty()), uffd(UffdFeatures::empty()))
    else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(2);
    let odd = |addr, len| {
        // SAFETY: the range is the test's own.
        unsafe { uffdio_register(&first, addr, len, MISSING) }
    };
    assert_eq!(
        odd(pages.byte(1).cast(), page_size()),
        Err(Errno::INVAL),
        "no page starts there"
    );
    assert_eq!(odd(pages.addr(), 100), Err(Errno::INVAL), "no whole page");
    assert_eq!(odd(pages.addr(), 0), Err(Errno::INVAL), "no page");
    assert_eq!(
        register(&first, &pages, UffdRegisterMode::empty()),
        Err(Errno::INVAL),
        "no mode"
    );
    assert_eq!(
        register(&first, &pages, UffdRegisterMode::from_bits_retain(1 << 40)),
        Err(Errno::INVAL)
    );
    assert_eq!(
        register(&first, &pages, UffdRegisterMode::MINOR),
        Err(Errno::INVAL),
        "anonymous memory has no object"
    );

    register(&first, &pages, MISSING).expect("a range");
    assert_eq!(
        register(&second, &pages, MISSING),
        Err(Errno::BUSY),
        "another has it"
    );
    if !older_than(6, 17) {
        // SAFETY: the range is the test's own.
        let foreign = unsafe { uffdio_unregister(&second, pages.addr(), pages.len()) };
        assert_eq!(foreign, Err(Errno::INVAL), "another has it");
    }
    // SAFETY: the range is the test's own.
    unsafe { uffdio_unregister(&first, pages.addr(), pages.len()) }
        .expect("the range is registered");
    register(&second, &pages, MISSING).expect("it is free again");

    // SAFETY: the page is the test's own.
    let odd = unsafe { uffdio_unregister(&first, pages.byte(1).cast(), page_size()) };
    assert_eq!(odd, Err(Errno::INVAL), "no page starts there");
    assert_eq!(
        uffdio_wake(&first, pages.byte(1).cast(), page_size()),
        Err(Errno::INVAL),
        "no page starts there"
    );

    // A map of a file of a disk can only be protected, and only with `WP_ASYNC`.
    let program = File::open(std::env::current_exe().expect("a path")).expect("the program");
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe {
        mmap(
            ptr::null_mut(),
            page_size(),
            RW,
            MapFlags::PRIVATE,
            &program,
            0,
        )
    };
    let map = Pages::from_raw(map.expect("a map").as_ptr(), page_size());
    let on_disk = rustix::fs::fstatfs(&program).expect("a file system").f_type != 0x0102_1994;
    if on_disk {
        assert_eq!(
            register(&second, &map, MISSING),
            Err(Errno::INVAL),
            "a file"
        );
    }
    if Support::droppable() && !older_than(6, 18) {
        let droppable = Pages::with(1, RW, MapFlags::DROPPABLE);
        assert_eq!(
            register(&second, &droppable, MISSING),
            Err(Errno::INVAL),
            "droppable"
        );
    }

    // A map that nobody may write: the object is sealed.
    let sealed = memfd(1);
    let seals =
        rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::SHRINK | rustix::fs::SealFlags::GROW;
    rustix::fs::fcntl_add_seals(&sealed, seals).expect("seals");
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe {
        mmap(
            ptr::null_mut(),
            page_size(),
            ProtFlags::READ,
            MapFlags::SHARED,
            &sealed,
            0,
        )
    };
    // Before 6.7 such a map cannot even be made.
    if !older_than(6, 7) || map.is_ok() {
        let map = Pages::from_raw(map.expect("a map").as_ptr(), page_size());
        assert_eq!(register(&second, &map, MISSING), Err(Errno::PERM), "sealed");
    }
}

#[test]
fn a_range_is_refused_at_the_limit_of_maps() {
    let Some(uffd) = uffd(UffdFeatures::empty()) else {
        skip!("{LACKING}")
    };
    let limit = Support::max_map_count().expect("a limit") as usize;
    if limit > 100_000 {
        skip!("vm.max_map_count is {limit}, which takes too long to reach");
    }
    let status = in_child!({
        let pages = Pages::with(2 * limit, RW, MapFlags::PRIVATE | MapFlags::NORESERVE);
        // Every second page that is registered makes two maps more.
        let refused = (0..limit).find_map(|index| {
            // SAFETY: the page is the test's own.
            unsafe { uffdio_register(&uffd, pages.page(2 * index + 1), page_size(), MISSING) }.err()
        });
        assert_eq!(refused, Some(Errno::NOMEM));
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_reader_is_woken_when_the_test_says_so() {
    let Some(uffd) = uffd(UffdFeatures::empty()) else {
        skip!("{LACKING}")
    };
    // A reader that is not quite asleep yet finds the page without being woken, so one try may prove nothing.
    let slept = (0..10).any(|_| {
        let pages = Pages::new(1);
        register(&uffd, &pages, MISSING).expect("a range");
        let source = vec![7u8; page_size()];
        let (sender, receiver) = mpsc::channel();
        let address = pages.addr().expose_provenance();
        let reader = thread::spawn(move || {
            // SAFETY: the byte is mapped and readable for as long as the thread runs.
            let byte = unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() };
            sender.send(byte).expect("the test waits");
        });
        fault(&uffd, pages.addr());
        thread::sleep(Duration::from_millis(20));
        let (src, mode) = (source.as_ptr().cast(), UffdCopyMode::DONTWAKE);
        // SAFETY: the target is the test's own, and the source is as long as a page.
        let copied = unsafe { uffdio_copy(&uffd, pages.addr(), src, source.len(), mode) };
        assert_eq!(copied, Ok(page_size()));
        let slept = receiver.recv_timeout(Duration::from_millis(50)).is_err();
        uffdio_wake(&uffd, pages.addr(), page_size()).expect("the range is registered");
        if slept {
            assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(7));
        }
        reader.join().expect("the reader ends");
        slept
    });
    assert!(slept, "no reader had to be woken");
}

#[test]
fn unregistering_wakes_the_reader() {
    let Some(uffd) = uffd(UffdFeatures::empty()) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(1);
    register(&uffd, &pages, MISSING).expect("a range");
    let byte = read_in_thread(&pages, 0, || {
        fault(&uffd, pages.addr());
        // SAFETY: the range is the test's own.
        unsafe { uffdio_unregister(&uffd, pages.addr(), pages.len()) }
            .expect("the range is registered");
    });
    assert_eq!(byte, 0);
    assert_eq!(
        fill(&uffd, pages.addr(), 1, 7),
        Err(Errno::NOENT),
        "not registered"
    );
}

#[test]
fn a_write_waits_until_protection_is_lifted() {
    let Some(uffd) = uffd(UffdFeatures::PAGEFAULT_FLAG_WP) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(2);
    pages.set(0, 1);
    let ioctls = register(&uffd, &pages, WP).expect("a range");
    assert!(ioctls.contains(UffdIoctls::WRITEPROTECT));
    protect(&uffd, pages.addr(), UffdWriteprotectMode::WP).expect("protection");
    assert_eq!(pages.get(0), 1, "it may be read");
    write_in_thread(&pages, 0, 2, || {
        let (flags, _) = fault(&uffd, pages.addr());
        assert_eq!(flags, UffdPagefaultFlags::WRITE | UffdPagefaultFlags::WP);
        assert_eq!(pages.get(0), 1);
        protect(&uffd, pages.addr(), UffdWriteprotectMode::DONTWAKE).expect("no protection");
        uffdio_wake(&uffd, pages.addr(), page_size()).expect("the range is registered");
    });
    assert_eq!(pages.get(0), 2);

    let both = UffdWriteprotectMode::WP | UffdWriteprotectMode::DONTWAKE;
    assert_eq!(protect(&uffd, pages.addr(), both), Err(Errno::INVAL));
    assert_eq!(
        protect(&uffd, pages.byte(1).cast(), UffdWriteprotectMode::WP),
        Err(Errno::INVAL)
    );
    let unknown = UffdWriteprotectMode::from_bits_retain(1 << 40);
    assert_eq!(protect(&uffd, pages.addr(), unknown), Err(Errno::INVAL));
    let other = Pages::new(1);
    assert_eq!(
        protect(&uffd, other.addr(), UffdWriteprotectMode::WP),
        Err(Errno::NOENT),
        "not registered"
    );
}

#[test]
fn a_copy_can_come_protected() {
    let Some(uffd) = uffd(UffdFeatures::PAGEFAULT_FLAG_WP) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(1);
    register(&uffd, &pages, MISSING | WP).expect("a range");
    let source = vec![7u8; page_size()];
    // SAFETY: the target is the test's own, and the source is as long as a page.
    let copied = unsafe {
        uffdio_copy(
            &uffd,
            pages.addr(),
            source.as_ptr().cast(),
            source.len(),
            UffdCopyMode::WP,
        )
    };
    assert_eq!(copied, Ok(page_size()));
    assert_eq!(pages.get(0), 7);
    write_in_thread(&pages, 0, 8, || {
        let (flags, _) = fault(&uffd, pages.addr());
        assert!(flags.contains(UffdPagefaultFlags::WP));
        protect(&uffd, pages.addr(), UffdWriteprotectMode::empty()).expect("no protection");
    });
    assert_eq!(pages.get(0), 8);
}

#[test]
fn a_minor_fault_is_continued() {
    let Some(uffd) = uffd(UffdFeatures::MINOR_SHMEM) else {
        skip!("{LACKING}")
    };
    let file = memfd(3);
    let len = 3 * page_size();
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe { mmap(ptr::null_mut(), len, RW, MapFlags::SHARED, &file, 0) };
    let pages = Pages::from_raw(map.expect("a map").as_ptr(), len);
    let ioctls = register(&uffd, &pages, UffdRegisterMode::MINOR).expect("a range");
    assert!(ioctls.contains(UffdIoctls::CONTINUE));
    let resume = |addr, len, mode| {
        // SAFETY: the range is the test's own.
        unsafe { uffdio_continue(&uffd, addr, len, mode) }
    };
    let none = UffdContinueMode::empty();
    let byte = read_in_thread(&pages, page_size(), || {
        let (flags, _) = fault(&uffd, pages.page(1));
        assert_eq!(flags, UffdPagefaultFlags::MINOR);
        // The page gets other bytes by the file, before anybody sees it.
        std::os::unix::fs::FileExt::write_all_at(&file, &[7], page_size() as u64).expect("room");
        assert_eq!(resume(pages.page(1), page_size(), none), Ok(page_size()));
    });
    assert_eq!(byte, 7);
    assert_eq!(
        resume(pages.page(1), page_size(), none),
        Err(Errno::EXIST),
        "it is mapped"
    );
    assert_eq!(
        resume(pages.page(0), len, none),
        Ok(page_size()),
        "up to the page that is mapped"
    );
    assert_eq!(
        resume(pages.page(0), 100, none),
        Err(Errno::INVAL),
        "no whole page"
    );
    let unknown = UffdContinueMode::from_bits_retain(1 << 40);
    assert_eq!(
        resume(pages.page(2), page_size(), unknown),
        Err(Errno::INVAL),
        "an unknown mode"
    );

    // The object has no such page.
    rustix::fs::fallocate(
        &file,
        rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE,
        2 * page_size() as u64,
        page_size() as u64,
    )
    .expect("a hole");
    assert_eq!(resume(pages.page(2), page_size(), none), Err(Errno::FAULT));
}

#[test]
fn a_minor_fault_can_be_continued_protected() {
    let needed =
        UffdFeatures::MINOR_SHMEM | UffdFeatures::WP_HUGETLBFS_SHMEM | UffdFeatures::WP_UNPOPULATED;
    let Some(uffd) = uffd(needed) else {
        skip!("{LACKING}")
    };
    let file = memfd(1);
    // SAFETY: no address is asked for, so nothing is replaced.
    let map = unsafe { mmap(ptr::null_mut(), page_size(), RW, MapFlags::SHARED, &file, 0) };
    let pages = Pages::from_raw(map.expect("a map").as_ptr(), page_size());
    register(&uffd, &pages, UffdRegisterMode::MINOR | WP).expect("a range");
    let mode = UffdContinueMode::WP | UffdContinueMode::DONTWAKE;
    // SAFETY: the range is the test's own.
    let mapped = unsafe { uffdio_continue(&uffd, pages.addr(), page_size(), mode) };
    assert_eq!(mapped, Ok(page_size()));
    write_in_thread(&pages, 0, 9, || {
        let (flags, _) = fault(&uffd, pages.addr());
        assert!(flags.contains(UffdPagefaultFlags::WP));
        protect(&uffd, pages.addr(), UffdWriteprotectMode::empty()).expect("no protection");
    });
    assert_eq!(pages.get(0), 9);
}

#[test]
fn poison_is_a_signal() {
    let Some(uffd) = uffd(UffdFeatures::POISON) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(3);
    register(&uffd, &pages, MISSING).expect("a range");
    let poison = |addr, len, mode| {
        // SAFETY: the range is the test's own, and nobody borrows from it.
        unsafe { uffdio_poison(&uffd, addr, len, mode) }
    };
    let none = UffdPoisonMode::empty();
    assert_eq!(poison(pages.page(1), page_size(), none), Ok(page_size()));
    let status = in_child!({ pages.get(page_size()) });
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");

    assert_eq!(
        poison(pages.page(1), page_size(), UffdPoisonMode::DONTWAKE),
        Err(Errno::EXIST),
        "it is there"
    );
    assert_eq!(
        poison(pages.page(0), 100, none),
        Err(Errno::INVAL),
        "no whole page"
    );
    let unknown = UffdPoisonMode::from_bits_retain(1 << 40);
    assert_eq!(
        poison(pages.page(0), page_size(), unknown),
        Err(Errno::INVAL),
        "an unknown mode"
    );
    assert_eq!(
        poison(pages.addr(), pages.len(), none),
        Ok(page_size()),
        "up to the page that is there"
    );

    // Freeing the page takes the poison away.
    discard(pages.page(1));
    assert_eq!(fill(&uffd, pages.page(1), 1, 7), Ok(page_size()));
    assert_eq!(pages.get(page_size()), 7);
}

#[test]
fn a_fault_can_be_a_signal() {
    let Some(uffd) = uffd(UffdFeatures::SIGBUS) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(1);
    register(&uffd, &pages, MISSING).expect("a range");
    let status = in_child!({ pages.get(0) });
    assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
    assert_eq!(fill(&uffd, pages.addr(), 1, 7), Ok(page_size()));
    assert_eq!(pages.get(0), 7);
}

#[test]
fn a_page_is_moved_in() {
    let Some(uffd) = uffd(UffdFeatures::MOVE) else {
        skip!("{LACKING}")
    };
    let (target, source) = (Pages::new(3), unforked(3));
    source.set(0, 7);
    source.set(2 * page_size(), 9);
    register(&uffd, &target, MISSING).expect("a range");
    let take = |dst, src, len, mode| {
        // SAFETY: both ranges are the test's own, and nobody borrows from them.
        unsafe { uffdio_move(&uffd, dst, src, len, mode) }
    };
    let (none, holes) = (UffdMoveMode::empty(), UffdMoveMode::ALLOW_SRC_HOLES);
    let byte = read_in_thread(&target, 0, || {
        fault(&uffd, target.addr());
        assert_eq!(
            take(target.addr(), source.addr(), page_size(), none),
            Ok(page_size())
        );
    });
    assert_eq!((byte, source.get(0)), (7, 0), "the source is empty");

    assert_eq!(
        take(target.page(0), source.page(2), page_size(), none),
        Err(Errno::EXIST),
        "it is there"
    );
    assert_eq!(
        take(target.page(1), source.page(1), page_size(), none),
        Err(Errno::NOENT),
        "no page to move"
    );
    assert_eq!(
        take(target.page(1), source.page(1), 100, none),
        Err(Errno::INVAL),
        "no whole page"
    );
    assert_eq!(
        take(target.page(1), source.byte(1).cast(), page_size(), none),
        Err(Errno::INVAL)
    );
    let unknown = UffdMoveMode::from_bits_retain(1 << 40);
    assert_eq!(
        take(target.page(1), source.page(2), page_size(), unknown),
        Err(Errno::INVAL),
        "an unknown mode"
    );
    let two = 2 * page_size();
    let moved = take(
        target.page(1),
        source.page(1),
        two,
        holes | UffdMoveMode::DONTWAKE,
    );
    assert_eq!(moved, Ok(two), "the hole counts");
    assert_eq!(target.get(two), 9);
    let shared = Pages::with(1, RW, MapFlags::SHARED);
    shared.set(0, 1);
    assert_eq!(
        take(target.page(1), shared.addr(), page_size(), none),
        Err(Errno::INVAL),
        "shared memory"
    );
}

#[test]
fn a_move_that_stops_half_way_says_so() {
    let Some(uffd) = uffd(UffdFeatures::MOVE) else {
        skip!("{LACKING}")
    };
    let (target, source) = (Pages::new(2), unforked(2));
    source.set(0, 7);
    register(&uffd, &target, MISSING).expect("a range");
    // SAFETY: both ranges are the test's own, and nobody borrows from them.
    let moved = unsafe {
        uffdio_move(
            &uffd,
            target.addr(),
            source.addr(),
            target.len(),
            UffdMoveMode::empty(),
        )
    };
    assert_eq!(moved, Ok(page_size()), "the second page is not there");
    assert_eq!(target.get(0), 7);
}

#[test]
fn changes_of_the_range_are_events() {
    let features =
        UffdFeatures::EVENT_REMAP | UffdFeatures::EVENT_REMOVE | UffdFeatures::EVENT_UNMAP;
    let Some(uffd) = uffd(features) else {
        skip!("{LACKING}")
    };
    let pages = Pages::new(2);
    let (start, len) = (pages.addr().expose_provenance(), pages.len());
    register(&uffd, &pages, MISSING).expect("a range");
    assert_eq!(fill(&uffd, pages.addr(), 2, 7), Ok(len));

    // Each change waits until its event is read, so it is made in a thread.
    let second = start + page_size();
    let remove = thread::spawn(move || discard(ptr::with_exposed_provenance_mut(second)));
    // Until then nothing is resolved.
    let waiting = Instant::now();
    while fill(&uffd, pages.addr(), 1, 7) != Err(Errno::AGAIN) {
        assert!(
            waiting.elapsed() < Duration::from_secs(20),
            "the change never began"
        );
        thread::sleep(Duration::from_millis(1));
    }
    match event(&uffd) {
        UffdEvent::Remove { start, end } => {
            assert_eq!((start, end), (second as u64, (second + page_size()) as u64))
        }
        other => panic!("{other:?}"),
    }
    remove.join().expect("the page is freed");

    // To a place of the test's own, so that it is sure to move.
    let place = Pages::new(2);
    let to = place.addr().expose_provenance();
    core::mem::forget(place);
    core::mem::forget(pages);
    let remap = thread::spawn(move || {
        let (old, new) = (
            ptr::with_exposed_provenance_mut(start),
            ptr::with_exposed_provenance_mut(to),
        );
        // SAFETY: both ranges are the test's own, and nobody borrows from them.
        unsafe { mremap_fixed(old, len, len, RemapFlags::MAYMOVE, new) }
            .expect("the range is moved");
    });
    match event(&uffd) {
        UffdEvent::Remap {
            from,
            to: there,
            len: moved,
        } => {
            assert_eq!((from, there, moved), (start as u64, to as u64, len as u64));
        }
        other => panic!("{other:?}"),
    }
    // The old place goes with the move.
    match event(&uffd) {
        UffdEvent::Unmap { start: from, end } => {
            assert_eq!((from, end), (start as u64, (start + len) as u64))
        }
        other => panic!("{other:?}"),
    }
    remap.join().expect("the range is moved");

    let unmap = thread::spawn(move || {
        let moved = ptr::with_exposed_provenance_mut(to);
        // SAFETY: the range is the test's own, and nobody borrows from it.
        unsafe { munmap(moved, len) }.expect("the range is ours");
    });
    match event(&uffd) {
        UffdEvent::Unmap { start, end } => assert_eq!((start, end), (to as u64, (to + len) as u64)),
        other => panic!("{other:?}"),
    }
    unmap.join().expect("the range is unmapped");
}

#[test]
fn a_fork_hands_over_the_childs_memory() {
    if !is_root() {
        skip!("EVENT_FORK needs CAP_SYS_PTRACE");
    }
    let Some(uffd) = uffd(UffdFeatures::EVENT_FORK) else {
        skip!("{LACKING}")
    };
    let status = in_child!({
        let pages = Pages::new(1);
        register(&uffd, &pages, MISSING).expect("a range");
        // The fork waits until its event is read, and the child until its page is filled.
        let address = pages.addr().expose_provenance();
        let forker = thread::spawn(move || {
            // SAFETY: the child makes no call but to end itself.
            match unsafe { libc::fork() } {
                0 => {
                    // SAFETY: the child has a copy of the map.
                    let byte =
                        unsafe { ptr::with_exposed_provenance::<u8>(address).read_volatile() };
                    // SAFETY: it ends the child, and runs nothing of the parent's.
                    unsafe { libc::_exit(byte.into()) }
                }
                child => {
                    let child = rustix::process::Pid::from_raw(child).expect("a child");
                    let status = rustix::process::waitpid(
                        Some(child),
                        rustix::process::WaitOptions::empty(),
                    );
                    status.expect("a child").expect("a status").1.exit_status()
                }
            }
        });
        let child = match event(&uffd) {
            UffdEvent::Fork(child) => child,
            other => panic!("{other:?}"),
        };
        fault(&child, pages.addr());
        assert_eq!(fill(&child, pages.addr(), 1, 42), Ok(page_size()));
        assert_eq!(forker.join().expect("the child ends"), Some(42));
        assert_eq!(
            fill(&child, pages.addr(), 1, 42),
            Err(Errno::SRCH),
            "it is gone"
        );
        // This memory is another's.
        assert_eq!(fill(&uffd, pages.addr(), 1, 7), Ok(page_size()));
        assert_eq!(pages.get(0), 7);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn events_that_nobody_takes_close_their_fds() {
    if !is_root() {
        skip!("EVENT_FORK needs CAP_SYS_PTRACE");
    }
    let Some(uffd) = uffd(UffdFeatures::EVENT_FORK) else {
        skip!("{LACKING}")
    };
    let status = in_child!({
        let pages = Pages::new(1);
        register(&uffd, &pages, MISSING).expect("a range");
        let count = || std::fs::read_dir("/proc/self/fd").expect("fds").count();
        let before = count();
        let forker = thread::spawn(|| {
            // SAFETY: the child makes no call but to end itself.
            match unsafe { libc::fork() } {
                // SAFETY: it ends the child, and runs nothing of the parent's.
                0 => unsafe { libc::_exit(0) },
                child => {
                    let child = rustix::process::Pid::from_raw(child);
                    rustix::process::waitpid(child, rustix::process::WaitOptions::empty())
                        .expect("a child");
                }
            }
        });
        let mut msgs = [UffdMsg::default(); 4];
        // SAFETY: this is a userfaultfd.
        while let Err(errno) = unsafe { uffd_read(&uffd, &mut msgs) } {
            assert_eq!(errno, Errno::AGAIN);
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(msgs[0].kind(), UffdEventKind::FORK);
        forker.join().expect("the child ends");
        assert_eq!(count(), before);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn reading_without_events() {
    let Some(uffd) = uffd(UffdFeatures::empty()) else {
        skip!("{LACKING}")
    };
    let mut msgs = [UffdMsg::default(); 2];
    // SAFETY: this is a userfaultfd, here and below.
    let empty = unsafe { uffd_read(&uffd, &mut msgs) }.err();
    assert_eq!(empty, Some(Errno::AGAIN), "no event");
    // SAFETY: as above.
    let room = unsafe { uffd_read(&uffd, &mut []) }.err();
    assert_eq!(room, Some(Errno::INVAL), "no room");
}

#[test]
fn a_signal_ends_the_wait_for_an_event() {
    if ordinary().is_none() {
        skip!("userfaultfd is not there or not allowed");
    }
    let status = in_child!({
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: all bytes zero are a `sigaction`: the default, without flags.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        // SAFETY: the handler does nothing, so it may run at any moment.
        let set = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
        assert_eq!(set, 0);
        let flags = ordinary().expect("a way") - UserfaultfdFlags::NONBLOCK;
        let uffd = userfaultfd(flags).expect("a userfaultfd");
        uffdio_api(&uffd, UffdFeatures::empty()).expect("the handshake");
        let reader = gettid();
        // It goes on, since the first signal may come before the wait.
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(5));
                // SAFETY: a signal whose handler does nothing.
                unsafe { libc::syscall(libc::SYS_tkill, reader.as_raw_pid(), libc::SIGUSR1) };
            }
        });
        let mut msgs = [UffdMsg::default(); 1];
        // SAFETY: this is a userfaultfd.
        let read = unsafe { uffd_read(&uffd, &mut msgs) };
        assert_eq!(read.err(), Some(Errno::INTR));
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_full_file_system_has_no_page_to_copy_to() {
    if !is_root() || !Support::userfaultfd_features().contains(UffdFeatures::MISSING_SHMEM) {
        skip!("needs the right to mount, and userfaultfd for shared memory");
    }
    let status = in_child!({
        let file = full_file();
        // SAFETY: no address is asked for, so nothing is replaced.
        let addr = unsafe {
            mmap(
                ptr::null_mut(),
                page_size(),
                RW,
                MapFlags::SHARED,
                &file,
                page_size() as u64,
            )
        };
        let pages = Pages::from_raw(addr.expect("a map").as_ptr(), page_size());
        let uffd = uffd(UffdFeatures::MISSING_SHMEM).expect("a userfaultfd");
        register(&uffd, &pages, MISSING).expect("a range");
        assert_eq!(fill(&uffd, pages.addr(), 1, 7), Err(Errno::NOMEM));
    });
    assert!(status.success(), "{status}");
}
