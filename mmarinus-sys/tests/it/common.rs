//! What the families share: pages to work on, what the kernel says about an address, and which kernel it is.

use core::ffi::c_void;
use core::ptr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};

use mmarinus_sys::{MapFlags, ProtFlags, mmap_anonymous, munmap, page_size};

/// Readable and writable.
pub(crate) const RW: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Pages that are unmapped at the end of the test.
pub(crate) struct Pages {
    addr: *mut u8,
    len: usize,
}

impl Pages {
    /// Private anonymous pages.
    pub(crate) fn new(count: usize) -> Self {
        Self::with(count, RW, MapFlags::PRIVATE)
    }

    /// Anonymous pages of the test's choice.
    pub(crate) fn with(count: usize, prot: ProtFlags, flags: MapFlags) -> Self {
        let len = count * page_size();
        // SAFETY: no test asks here for a fixed address, so nothing is replaced.
        let addr = unsafe { mmap_anonymous(ptr::null_mut(), len, prot, flags) }.expect("pages");
        Self::from_raw(addr.as_ptr(), len)
    }

    /// A range that the test has mapped itself.
    pub(crate) fn from_raw(addr: *mut c_void, len: usize) -> Self {
        Self {
            addr: addr.cast(),
            len,
        }
    }

    /// The address of the first byte.
    pub(crate) fn addr(&self) -> *mut c_void {
        self.addr.cast()
    }

    /// The address of a page.
    pub(crate) fn page(&self, index: usize) -> *mut c_void {
        self.byte(index * page_size()).cast()
    }

    /// The address of a byte.
    pub(crate) fn byte(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.len);
        self.addr.wrapping_add(offset)
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes one byte.
    pub(crate) fn set(&self, offset: usize, value: u8) {
        // SAFETY: the range is mapped, and the test knows that this page may be written.
        unsafe { self.byte(offset).write_volatile(value) }
    }

    /// Reads one byte.
    pub(crate) fn get(&self, offset: usize) -> u8 {
        // SAFETY: the range is mapped, and the test knows that this page may be read.
        unsafe { self.byte(offset).read_volatile() }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range belongs to the test, and nothing borrows from it.
        // The result does not matter: a sealed range stays until the process ends.
        let _ = unsafe { munmap(self.addr(), self.len) };
    }
}

/// One line of `/proc/self/smaps` with what belongs to it.
#[derive(Debug)]
pub(crate) struct Vma {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// As in `rw-p`.
    pub(crate) perms: String,
    /// The two-letter names after `VmFlags:`.
    pub(crate) flags: Vec<String>,
    text: String,
}

impl Vma {
    /// The map that holds an address, if there is one.
    pub(crate) fn at(addr: *mut c_void) -> Option<Self> {
        let smaps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
        let mut lines = smaps.lines().peekable();
        while let Some(line) = lines.next() {
            let mut words = line.split_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let start = usize::from_str_radix(start, 16).expect("a start");
            let end = usize::from_str_radix(end, 16).expect("an end");
            let perms = words.next()?.to_owned();
            let mut text = String::new();
            // A line that belongs to the map begins with a name and a colon.
            while let Some(detail) =
                lines.next_if(|line| line.split(' ').next().is_some_and(|w| w.ends_with(':')))
            {
                text.push_str(detail);
                text.push('\n');
            }
            if (start..end).contains(&addr.addr()) {
                let flags = text.lines().find_map(|line| line.strip_prefix("VmFlags:"));
                let flags = flags
                    .unwrap_or_default()
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect();
                return Some(Self {
                    start,
                    end,
                    perms,
                    flags,
                    text,
                });
            }
        }
        None
    }

    /// Whether the kernel lists this two-letter flag.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    /// A figure in kB, such as `Rss`.
    pub(crate) fn kilobytes(&self, name: &str) -> usize {
        let line = self
            .text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let figure = line.and_then(|line| line.split_whitespace().next());
        figure.expect("a figure").parse().expect("a number")
    }
}

/// Whether the running kernel is older than this version.
pub(crate) fn older_than(major: u32, minor: u32) -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version < (major, minor)
}

/// Whether the test runs as root, with the rights of root that tests use: in a container root may lack them.
pub(crate) fn is_root() -> bool {
    use rustix::thread::CapabilitySet;

    let used = CapabilitySet::SYS_ADMIN
        | CapabilitySet::SYS_NICE
        | CapabilitySet::SYS_PTRACE
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID;
    let sets = rustix::thread::capabilities(None).expect("own rights can be asked for");
    rustix::process::geteuid().is_root() && sets.effective.contains(used)
}

/// A memfd that may be sealed, of this many pages, each filled with its number plus one.
pub(crate) fn memfd(pages: usize) -> File {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let fd: OwnedFd = rustix::fs::memfd_create("test", flags).expect("a memfd");
    let file = File::from(fd);
    for page in 0..pages {
        let bytes = vec![page as u8 + 1; page_size()];
        std::os::unix::fs::FileExt::write_all_at(&file, &bytes, (page * page_size()) as u64)
            .expect("room");
    }
    file
}

/// Makes a hole: unmaps pages of the test's own, for the rest of the test.
///
/// Only in a child, since another thread may map something there.
pub(crate) fn punch(pages: &Pages, first: usize, count: usize) {
    // SAFETY: the pages belong to the test, and nothing borrows from them.
    unsafe { munmap(pages.page(first), count * page_size()) }.expect("munmap");
}

/// A file of this many pages on a real file system, which has no name.
pub(crate) fn disk_file(pages: usize) -> File {
    let file = tempfile::tempfile().expect("a temporary file");
    file.set_len((pages * page_size()) as u64).expect("room");
    file
}

/// An fd that names a file without opening it, with which most calls refuse to work.
pub(crate) fn path_fd() -> OwnedFd {
    rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())
        .expect("an O_PATH fd")
}

/// Takes all rights of root from the calling thread. Only in a child.
pub(crate) fn drop_capabilities() {
    let none = rustix::thread::CapabilitySets {
        effective: rustix::thread::CapabilitySet::empty(),
        permitted: rustix::thread::CapabilitySet::empty(),
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).expect("rights can be given away");
}

/// Sets how many bytes the process may lock. Only in a child.
pub(crate) fn limit_locked(bytes: u64) {
    let limit = rustix::process::Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    rustix::process::setrlimit(rustix::process::Resource::Memlock, limit)
        .expect("limits can be lowered");
}

/// A child that sleeps for long, and is a program of its own by now.
///
/// Until `execve` is done, a child may still have the memory of the test.
pub(crate) fn sleeper() -> Child {
    let child = Command::new("sleep").arg("1000").spawn().expect("a child");
    let own = std::env::current_exe().expect("a path");
    let exe = format!("/proc/{}/exe", child.id());
    while std::fs::read_link(&exe).is_ok_and(|exe| exe == own) {
        std::thread::yield_now();
    }
    child
}

/// The signal that ended a child.
pub(crate) fn signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// A file of two pages on a file system that has room for one, which is taken by the first. Only in a child.
pub(crate) fn full_file() -> File {
    unshare_mounts();
    let folder = tempfile::tempdir().expect("a folder");
    let path =
        std::ffi::CString::new(folder.path().as_os_str().as_encoded_bytes()).expect("a path");
    let options = std::ffi::CString::new(format!("size={}", page_size())).expect("options");
    let tmpfs = c"tmpfs".as_ptr();
    // SAFETY: the strings end in a zero byte and live until the call returns.
    let mounted = unsafe { libc::mount(tmpfs, path.as_ptr(), tmpfs, 0, options.as_ptr().cast()) };
    assert_eq!(mounted, 0, "{}", std::io::Error::last_os_error());
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(folder.path().join("full"));
    let file = file.expect("a file");
    file.set_len(2 * page_size() as u64).expect("a length");
    std::os::unix::fs::FileExt::write_all_at(&file, &[1], 0).expect("room for one page");
    // SAFETY: the string ends in a zero byte and lives until the call returns.
    let unmounted = unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    assert_eq!(unmounted, 0, "{}", std::io::Error::last_os_error());
    file
}

/// Keeps the mounts of this process from the others. Only in a child.
fn unshare_mounts() {
    // SAFETY: the mounts of other processes stay as they are.
    let unshared = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    assert_eq!(unshared, 0, "{}", std::io::Error::last_os_error());
    let root = c"/".as_ptr();
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the string ends in a zero byte, and the other arguments are not looked at.
    let private = unsafe { libc::mount(ptr::null(), root, ptr::null(), flags, ptr::null()) };
    assert_eq!(private, 0, "{}", std::io::Error::last_os_error());
}

/// Runs a closure in a fork of this process, and gives what it returns. Other threads may hold locks, so it must not allocate.
pub(crate) fn forked(run: impl FnOnce() -> u8) -> u8 {
    // SAFETY: the child only runs the closure, which the test answers for, and ends.
    match unsafe { libc::fork() } {
        0 => {
            let code = run();
            // SAFETY: it ends the child, and runs nothing of the parent's.
            unsafe { libc::_exit(code.into()) }
        }
        child => {
            let child = rustix::process::Pid::from_raw(child).expect("a child");
            let none = rustix::process::WaitOptions::empty();
            let ended = rustix::process::waitpid(Some(child), none);
            let status = ended.expect("a child").expect("a status").1;
            let code = status.exit_status().expect("no signal ended the child");
            u8::try_from(code).expect("a code")
        }
    }
}

/// Takes away the possibility to open one more file, and gives what brings it back. Only in a child.
pub(crate) fn no_more_files() -> impl FnOnce() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let before = getrlimit(Resource::Nofile);
    let next = File::open("/dev/null").expect("one more");
    let current = std::os::fd::AsRawFd::as_raw_fd(&next) as u64;
    drop(next);
    let limit = Rlimit {
        current: Some(current),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("a lower limit");
    move || setrlimit(Resource::Nofile, before).expect("the limit of before")
}
