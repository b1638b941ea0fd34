//! Whether the real maps are what the model says: their bytes, and what the kernel itself tells of each page.

use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::{Errno, ProtFlags, Vma};

use super::held::{flags, with_perms, with_type};
use super::plain::{Plain, Presence, Prot, Slot};
use super::subject::Subject;
use crate::common::page;
use crate::raw::peek;

/// In an entry of `pagemap`: the page is there, or swapped out.
const THERE: u64 = 0b11 << 62;

impl Subject {
    /// Asserts that each map that is readable holds what the model says, and faults where the model has no page.
    ///
    /// `exact` leaves out what was never touched, so that it stays so: of such pages the kernel's account tells.
    pub(crate) fn check_bytes(&self, plain: &Plain, exact: bool) {
        let mut buf = Vec::new();
        assert_eq!(self.maps.len(), plain.slots.len(), "maps");
        for (name, slot) in &plain.slots {
            let map = &self.maps[name];
            let (addr, len, prot, page) = with_type!(map, held => with_perms!(held, map => {
                (map.addr(), map.len(), map.permissions(), map.page_size())
            }));
            assert_eq!((len, prot), (slot.len, flags(slot.prot)), "{name}");
            if len != 0 {
                assert_eq!((addr % page, page), (slot.head, slot.page()), "{name}");
            }
            check(
                plain,
                slot,
                exact,
                &mut buf,
                |at, buf| with_type!(map, held => held.read_at(at, buf)),
            );
        }
        for (name, slot) in &plain.for_ever {
            let map = &self.for_ever[name];
            check(plain, slot, exact, &mut buf, |at, buf| {
                Some(map.read_at(at, buf))
            });
        }
        self.check_rooms(plain);
        for sentinel in &self.sentinels {
            sentinel.check();
        }
    }

    /// Asserts that permissions, kind and presence of each page are, in the kernel's own account, what the model says.
    ///
    /// Where huge pages may come by themselves, the kernel brings in more than was touched.
    pub(crate) fn check_pages(&self, plain: &Plain, exact: bool) {
        let vmas: Vec<Vma> = mmarinus::maps()
            .and_then(Iterator::collect)
            .expect("the maps of this process");
        let pagemap = File::open("/proc/self/pagemap").expect("the pages of this process");
        for (name, slot) in &plain.slots {
            let (start, len) =
                with_type!(&self.maps[name], held => with_perms!(held, map => map.pages()));
            assert_eq!(len, slot.leaves.len() * slot.page(), "{name}");
            check_kernel(&vmas, start, slot);
            if exact && !slot.shared && !slot.huge {
                check_presence(&pagemap, start, slot);
            }
        }
        for (name, slot) in &plain.for_ever {
            check_kernel(&vmas, self.for_ever[name].addr() - slot.head, slot);
        }
        self.check_room_pages(&vmas, plain);
        for sentinel in &self.sentinels {
            let vma = find(&vmas, sentinel.map.addr());
            assert_eq!(vma.permissions(), ProtFlags::READ | ProtFlags::WRITE);
            assert!(!vma.is_shared());
        }
    }
}

/// Compares page by page what a map holds.
fn check(
    plain: &Plain,
    slot: &Slot,
    exact: bool,
    buf: &mut Vec<u8>,
    read: impl Fn(usize, &mut [u8]) -> Option<Result<(), mmarinus::Fault>>,
) {
    for (index, leaf) in slot.leaves.iter().enumerate() {
        if exact && leaf.presence == Presence::Absent {
            continue;
        }
        let bytes = slot.bytes(index..index + 1);
        if buf.len() < bytes.len() {
            *buf = vec![0; bytes.len()];
        }
        let buf = &mut buf[..bytes.len()];
        let Some(done) = read(bytes.start, buf) else {
            assert_eq!(slot.prot, Prot::None);
            continue;
        };
        match (plain.content(leaf), done) {
            (_, Err(fault)) if slot.prot == Prot::None => assert_eq!(fault.errno(), Errno::ACCESS),
            (None, Err(fault)) => assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0)),
            (Some(content), Ok(())) if slot.prot != Prot::None => {
                let at = if index == 0 { slot.head } else { 0 };
                if let Some(place) = content.differs(at, buf) {
                    panic!(
                        "byte {} is {:#x} instead of {:#x}",
                        bytes.start + place,
                        buf[place],
                        content.at(at + place)
                    );
                }
            }
            (content, done) => panic!("page {index}, {content:?}, {:?}: {done:?}", slot.prot),
        }
    }
}

/// The mapping that an address is in.
fn find(vmas: &[Vma], address: usize) -> &Vma {
    let vma = vmas.iter().find(|vma| vma.contains(address));
    vma.unwrap_or_else(|| panic!("nothing is mapped at {address:#x}"))
}

fn check_kernel(vmas: &[Vma], start: usize, slot: &Slot) {
    for index in 0..slot.leaves.len() {
        let address = start + index * slot.page();
        let vma = find(vmas, address);
        let seen = vma.permissions() & (ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC);
        assert_eq!(seen, flags(slot.prot), "{address:#x} in {vma}");
        assert_eq!(vma.is_shared(), slot.shared, "{address:#x} in {vma}");
        if let Some(size) = vma.page_size() {
            assert_eq!(size, slot.page(), "{address:#x} in {vma}");
        }
    }
    let end = start + slot.leaves.len() * slot.page();
    for (is_there, address) in [(slot.guards[0], start - 1), (slot.guards[1], end)] {
        if is_there {
            assert_eq!(peek(address), Err(Errno::FAULT), "no guard at {address:#x}");
            find(vmas, address);
        }
    }
}

fn check_presence(pagemap: &File, start: usize, slot: &Slot) {
    for (index, leaf) in slot.leaves.iter().enumerate() {
        if leaf.behind.is_some() {
            continue;
        }
        let address = start + index * slot.page();
        let mut entry = [0; 8];
        let at = (address / page() * 8) as u64;
        pagemap.read_exact_at(&mut entry, at).expect("an entry");
        let is_there = u64::from_ne_bytes(entry) & THERE != 0;
        let expected = match leaf.presence {
            Presence::Absent => false,
            Presence::Present => true,
            Presence::Unknown => continue,
        };
        assert_eq!(is_there, expected, "page {index} at {address:#x}");
    }
}
