//! What the enarx project does with memory, call site by call site: a loader of programs into enclaves and virtual machines.
//!
//! All of it is safe code but for what a processor or its firmware is told to write. `/dev/zero` stands for an enclave's
//! device: it is mapped directly at its address, as that has to be.

use std::fs::File;
use std::sync::{Arc, RwLock};

use anyhow::Context;
use mmarinus::backing::Exposed;
use mmarinus::{Errno, Error, Map, Private, ProtFlags, Reservation, Shared, Source, perms};

#[cfg(feature = "std")]
use crate::common::pattern;
use crate::common::{memory_file, page, patterned};

/// Memory that is loaded: anonymous, private, readable and writable.
type Pages = Map<perms::ReadWrite>;

/// `binary.rs`: who takes loaded pages.
trait Mapper {
    fn map(&mut self, pages: Pages, to: usize, with: ProtFlags) -> anyhow::Result<()>;
}

/// Memory by size, which is filled by slicing and given away. A size of 0 is no error.
fn load(mapper: &mut impl Mapper, segment: &[u8], skip: usize, to: usize) -> anyhow::Result<()> {
    let size = (skip + segment.len()).next_multiple_of(page());
    let mut pages = Map::bytes(size)
        .anywhere()
        .anonymously()
        .with(perms::ReadWrite)?;
    pages[skip..][..segment.len()].copy_from_slice(segment);
    mapper.map(pages, to, ProtFlags::READ)
}

/// `kvm/mem.rs`, `kvm/mod.rs`: a slot of a virtual machine and what is behind it.
#[derive(Debug)]
struct Region {
    userspace_addr: u64,
    memory_size: u64,
    backing: Map<perms::ReadWrite, Private, Exposed>,
}

/// `kvm/builder.rs`, `kvm/mod.rs`: a virtual machine under construction.
#[derive(Debug, Default)]
struct Keep {
    regions: Vec<Region>,
}

impl Mapper for Keep {
    fn map(&mut self, pages: Pages, _: usize, _: ProtFlags) -> anyhow::Result<()> {
        if pages.is_empty() {
            return Ok(());
        }
        // The guest writes it from now on: no slice is left, and copies go on.
        let backing = pages.expose();
        let (addr, len) = backing.pages();
        self.regions.push(Region {
            userspace_addr: addr as u64,
            memory_size: len as u64,
            backing,
        });
        Ok(())
    }
}

#[test]
fn binary_segments_are_loaded_into_new_memory() {
    let mut keep = Keep::default();
    load(&mut keep, b"text", 3, 0).unwrap();
    load(&mut keep, b"", 0, 1 << 20).unwrap();
    assert_eq!(keep.regions.len(), 1);
    let mut bytes = [0; 8];
    keep.regions[0].backing.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0text\0");
}

/// `kvm/thread.rs`: a balloon is made of so many pages; the answer is an errno.
fn balloon(size: usize, pages: usize) -> Result<Pages, i32> {
    let bytes = size
        .checked_mul(pages)
        .ok_or(Errno::OVERFLOW.raw_os_error())?;
    Map::bytes(bytes)
        .anywhere()
        .anonymously()
        .with(perms::ReadWrite)
        .map_err(|error| error.errno().raw_os_error())
}

#[test]
fn a_balloon_too_large_is_an_errno() {
    assert_eq!(balloon(page(), 5).unwrap().len(), 5 * page());
    assert_eq!(
        balloon(page(), usize::MAX).unwrap_err(),
        Errno::OVERFLOW.raw_os_error()
    );
    assert_eq!(
        balloon(page(), usize::MAX / page()).unwrap_err(),
        Errno::NOMEM.raw_os_error()
    );
}

#[test]
fn a_balloon_gives_pages_back_beside_running_threads() {
    // `kvm/thread.rs`: part of the memory of a guest, through a shared reference, range-checked.
    let guest = balloon(page(), 8).unwrap().expose();
    let view = guest.view(..).unwrap();
    view.write_at(0, &vec![7; 8 * page()]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| view.discard(2 * page()..4 * page()).unwrap());
        scope.spawn(|| view.write_at(5 * page(), b"running").unwrap());
    });
    let mut bytes = vec![1; 2 * page()];
    view.read_at(2 * page(), &mut bytes).unwrap();
    assert_eq!(bytes, vec![0; 2 * page()]);
    assert_eq!(
        view.discard(7 * page()..9 * page()).unwrap_err().errno(),
        Errno::INVAL
    );
    // Of a file in memory, its blocks as well.
    let memory = memory_file(4 * page());
    let guest = Map::bytes(4 * page())
        .from(&memory, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)
        .unwrap();
    guest
        .view(..)
        .unwrap()
        .punch_hole(page()..2 * page())
        .unwrap();
    guest.read_at(page(), &mut bytes[..page()]).unwrap();
    assert_eq!(bytes[..page()], vec![0; page()]);
}

#[test]
fn a_slot_knows_address_and_length_and_its_bytes_are_copied() {
    let mut keep = Keep::default();
    load(&mut keep, &patterned(0, 2 * page()), 0, 0).unwrap();
    let region = &keep.regions[0];
    assert_eq!(region.userspace_addr, region.backing.addr() as u64);
    assert_eq!(region.memory_size, 2 * page() as u64);
    let mut bytes = vec![0; 2 * page()];
    region.backing.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, patterned(0, 2 * page()));
    region
        .backing
        .view(..)
        .unwrap()
        .write_at(1, b"from the host")
        .unwrap();
    // The address stays, wherever the map is moved to in Rust.
    let (addr, pointer) = (region.backing.addr(), region.backing.as_ptr().addr());
    let keep = Arc::new(RwLock::new(keep));
    let moved = keep.clone();
    std::thread::spawn(move || {
        let keep = moved.read().unwrap();
        assert_eq!(
            (
                keep.regions[0].backing.addr(),
                keep.regions[0].backing.size()
            ),
            (addr, 2 * page())
        );
        assert_eq!(pointer, addr);
    })
    .join()
    .unwrap();
}

/// `sev/hasher.rs`: whatever lends bytes.
fn measure(bytes: impl AsRef<[u8]>) -> usize {
    bytes.as_ref().iter().map(|&byte| usize::from(byte)).sum()
}

#[test]
fn pages_for_firmware_are_written_typed_and_measured() {
    // `sev/builder.rs`: a page that the firmware corrects is written by type, measured, and exposed.
    let mut pages = balloon(page(), 1).unwrap();
    assert!(!pages.is_empty() && pages.len() == page());
    #[cfg(feature = "zerocopy")]
    pages.write_obj(16, &[0x8000_0000_u32, 1, 2, 3]).unwrap();
    #[cfg(not(feature = "zerocopy"))]
    pages[16..20].copy_from_slice(&0x8000_0000_u32.to_ne_bytes());
    assert_eq!(pages[16..20], 0x8000_0000_u32.to_ne_bytes());
    let all: &[u8] = &pages;
    assert_eq!(measure(all), measure(&*pages));
    // `sgx/hasher.rs`, `sgx/builder.rs`: page by page.
    assert_eq!(
        pages.chunks(page()).map(measure).sum::<usize>(),
        measure(&pages)
    );
    let firmware = pages.expose();
    firmware.view(16..20).unwrap().write_at(0, &[1; 4]).unwrap();
}

/// `sgx/builder.rs`, `sgx/mod.rs`, `sgx/enarxcall.rs`: an enclave: addresses as long as they are aligned, and a device.
#[derive(Debug)]
struct Enclave {
    mem: Reservation,
    device: File,
}

impl Enclave {
    /// Reserves `size` bytes, a power of two, aligned to themselves.
    fn new(size: usize) -> anyhow::Result<Self> {
        let mem = Reservation::aligned(size, size).context("cannot reserve the enclave")?;
        let device = File::options().read(true).write(true).open("/dev/zero")?;
        Ok(Self { mem, device })
    }

    /// The addresses that a guest means as a range of the enclave, if they are.
    fn range(&self, addr: usize, len: usize) -> Result<core::ops::Range<usize>, Errno> {
        let start = addr.checked_sub(self.mem.addr()).ok_or(Errno::INVAL)?;
        let end = start.checked_add(len).ok_or(Errno::INVAL)?;
        Ok(start..end) // That it ends inside is checked by every call.
    }

    /// Places pages of the device where a guest says, with what it says.
    fn mmap(&self, addr: usize, len: usize, prot: ProtFlags) -> Result<(), i32> {
        let place = || {
            let source = Source::device(&self.device)?;
            let range = self.range(addr, len).map_err(|_| self.outside())?;
            self.mem.place_in_place(range, &source, 0, Shared, prot)
        };
        place().map_err(|error: Error| -error.errno().raw_os_error())
    }

    /// The error for addresses outside.
    fn outside(&self) -> Error {
        self.mem
            .view(self.mem.len() + 1..)
            .expect_err("that is past the end")
    }

    /// Changes permissions where a guest says.
    fn mprotect(&self, addr: usize, len: usize, prot: ProtFlags) -> Result<(), i32> {
        let range = self
            .range(addr, len)
            .map_err(|errno| -errno.raw_os_error())?;
        self.mem
            .protect(range, prot)
            .map_err(|error| -error.errno().raw_os_error())
    }

    /// Takes pages away where a guest says; the addresses stay the enclave's.
    fn munmap(&self, addr: usize, len: usize) -> Result<(), i32> {
        let range = self
            .range(addr, len)
            .map_err(|errno| -errno.raw_os_error())?;
        self.mem
            .decommit(range)
            .map_err(|error| -error.errno().raw_os_error())
    }
}

#[test]
fn an_enclave_is_as_aligned_as_it_is_long() {
    let enclave = Enclave::new(1 << 30).unwrap();
    assert!(enclave.mem.addr().is_multiple_of(1 << 30));
    // What the device is told: where, and how long.
    assert_eq!(
        (enclave.mem.len(), enclave.mem.as_ptr().addr()),
        (1 << 30, enclave.mem.addr())
    );
}

#[test]
fn pieces_of_the_device_are_placed_with_permissions_of_run_time() {
    let enclave = Enclave::new(1 << 20).unwrap();
    let addr = enclave.mem.addr();
    let all = ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC;
    for (index, prot) in [all, ProtFlags::READ, ProtFlags::empty()]
        .into_iter()
        .enumerate()
    {
        enclave
            .mmap(addr + 2 * index * page(), 2 * page(), prot)
            .unwrap();
    }
    let mut bytes = [1; 8];
    enclave
        .mem
        .view(..)
        .unwrap()
        .read_at(0, &mut bytes)
        .unwrap();
    assert_eq!(bytes, [0; 8]);
    assert!(
        enclave
            .mem
            .view(4 * page()..)
            .unwrap()
            .read_at(0, &mut bytes)
            .is_err()
    );
    enclave
        .mprotect(addr + 4 * page(), page(), ProtFlags::READ)
        .unwrap();
    enclave
        .mem
        .view(4 * page()..)
        .unwrap()
        .read_at(0, &mut bytes)
        .unwrap();
    enclave.munmap(addr, 2 * page()).unwrap();
    assert!(
        enclave
            .mem
            .view(..)
            .unwrap()
            .read_at(0, &mut bytes)
            .is_err()
    );
    enclave.mmap(addr, page(), ProtFlags::READ).unwrap();
}

#[test]
fn what_a_guest_names_outside_of_the_enclave_is_refused() {
    let enclave = Enclave::new(1 << 20).unwrap();
    let (addr, len) = (enclave.mem.addr(), enclave.mem.len());
    let mut own = balloon(page(), 4).unwrap();
    own.fill(7);
    let invalid = -Errno::INVAL.raw_os_error();
    let outside = [
        (own.addr(), page()),
        (addr - page(), page()),
        (addr - page(), 2 * page()),
        (addr + len, page()),
        (addr + len - page(), 2 * page()),
        (addr, usize::MAX),
        (addr, usize::MAX - addr + 1),
        (0, page()),
        (usize::MAX, 1),
        (addr + 1, page()),
    ];
    for (at, long) in outside {
        assert_eq!(
            enclave.mmap(at, long, ProtFlags::READ),
            Err(invalid),
            "{at:#x} {long:#x}"
        );
        assert_eq!(enclave.mprotect(at, long, ProtFlags::READ), Err(invalid));
        assert_eq!(enclave.munmap(at, long), Err(invalid));
    }
    assert!(own.iter().all(|&byte| byte == 7));
}

#[test]
fn threads_of_a_keep_change_its_memory_at_once() {
    // `sgx/mod.rs`: the keep is shared by its threads.
    let enclave = Arc::new(Enclave::new(1 << 20).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let enclave = enclave.clone();
            std::thread::spawn(move || {
                let addr = enclave.mem.addr() + thread * (64 << 10);
                for _ in 0..20 {
                    enclave.mmap(addr, 2 * page(), ProtFlags::READ).unwrap();
                    enclave.mprotect(addr, page(), ProtFlags::empty()).unwrap();
                    enclave.munmap(addr, 2 * page()).unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(enclave.mem.view(..).unwrap().read_at(0, &mut [0]).is_err());
}

#[test]
fn errors_go_the_way_of_all_errors() {
    fn reserve() -> anyhow::Result<Reservation> {
        let mut all = Reservation::new(1 << 20).context("reserving")?;
        let piece = all.split_to(page())?;
        let map = piece.fill(perms::None)?;
        Ok(map.decommit()?)
    }
    assert_eq!(reserve().unwrap().len(), page());
    let error = Reservation::new(usize::MAX)
        .context("reserving")
        .unwrap_err();
    assert_eq!(error.downcast_ref::<Error>().unwrap().errno(), Errno::NOMEM);
}

#[cfg(feature = "std")]
#[test]
fn a_program_that_is_signed_is_read_once() {
    // `cli/sign.rs`, `cli/unstable/exec.rs`: held while it is parsed and signed, so nobody may change it meanwhile.
    use std::io::Write;
    let mut path = tempfile::NamedTempFile::new().unwrap();
    path.write_all(&patterned(0, 3 * page())).unwrap();
    let file = Map::load(path.path(), Private, perms::Read).unwrap();
    let mut program = balloon(1, file.len()).unwrap();
    file.read_at(0, &mut program).unwrap();
    let program = program.reprotect(perms::Read).unwrap();
    path.as_file().set_len(0).unwrap();
    assert_eq!(program.as_ref()[2 * page()], pattern(2 * page()));
}
