//! The real maps of a program, and each step on them.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use mmarinus::builder::New;
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Advice, Builder, Error, HugePage, Map, Reservation, Shared, backing};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};

use super::held::{AnyMap, Held, Made, Reads, call_with, lift, with_perms, with_type};
use super::op::{Hint, Op, Request};
use super::plain::{Back, FILE_PAGES, FILES, HUGE, Name, Outcome, Plain, Prot, What};
use crate::common::{disk_file, page, patterned};

/// A page beside a map of the program, which nothing may touch.
pub(crate) struct Sentinel {
    pub(crate) map: Map<perms::ReadWrite>,
    bytes: Vec<u8>,
}

impl Sentinel {
    fn new(map: Map<Unknown>, byte: u8) -> Self {
        let mut map = map.reprotect(perms::ReadWrite).expect("a page");
        map.fill(byte);
        let bytes = map.to_vec();
        Self { map, bytes }
    }

    /// Asserts that nothing touched it.
    pub(crate) fn check(&self) {
        assert!(
            self.map[..] == self.bytes[..],
            "the sentinel at {:#x} changed",
            self.map.addr()
        );
    }
}

/// The real maps.
pub(crate) struct Subject {
    pub(crate) maps: BTreeMap<Name, AnyMap>,
    pub(crate) for_ever: BTreeMap<Name, Box<dyn Reads>>,
    pub(crate) rooms: BTreeMap<Name, Reservation>,
    pub(crate) sentinels: Vec<Sentinel>,
    pub(crate) files: Vec<File>,
}

/// A file of the sort.
fn file(what: What) -> File {
    if what == What::Disk {
        return disk_file(FILE_PAGES * page());
    }
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = File::from(memfd_create("model", flags).expect("a memory file"));
    file.write_all_at(&patterned(0, FILE_PAGES * page()), 0)
        .expect("room");
    let seals = match what {
        What::Sealed => SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW,
        What::SizeSealed => SealFlags::SHRINK,
        _ => return file,
    };
    fcntl_add_seals(&file, seals).expect("seals");
    file
}

impl Subject {
    pub(crate) fn new() -> Self {
        Self {
            maps: BTreeMap::new(),
            for_ever: BTreeMap::new(),
            rooms: BTreeMap::new(),
            sentinels: Vec::new(),
            files: FILES.map(file).into(),
        }
    }

    /// Drops all but what stays for ever.
    pub(crate) fn end(self) -> BTreeMap<Name, Box<dyn Reads>> {
        self.for_ever
    }

    fn take(&mut self, name: Name) -> AnyMap {
        self.maps.remove(&name).expect("a map of that name")
    }

    fn get(&mut self, name: Name) -> &mut AnyMap {
        self.maps.get_mut(&name).expect("a map of that name")
    }

    /// Makes a step, and asserts that what comes of it is what the model says.
    pub(crate) fn step(&mut self, op: &Op, plain: &Plain) {
        let done = self.make(op, plain.outcome);
        match (plain.outcome, done) {
            (Outcome::Either | Outcome::Undone, _) | (Outcome::Done, Ok(())) => {}
            (Outcome::Refused | Outcome::Faulted(_), Err(said)) => {
                assert!(!said.is_empty(), "an error says something");
            }
            (Outcome::Done, Err(said)) => panic!("{op:?} has to work: {said}"),
            (outcome, Ok(())) => panic!("{op:?} works, and is {outcome:?}"),
        }
    }

    /// Keeps what came of a step that takes a map and gives one.
    fn keep(&mut self, name: Name, made: Made<AnyMap>) -> Result<(), String> {
        match made {
            Ok(map) => {
                self.maps.insert(name, map);
                Ok(())
            }
            Err((error, back)) => {
                let map = back.unwrap_or_else(|| panic!("the map is lost: {error}"));
                self.maps.insert(name, map);
                Err(error.to_string())
            }
        }
    }

    fn make(&mut self, op: &Op, outcome: Outcome) -> Result<(), String> {
        let said = |error: Error| error.to_string();
        match op {
            Op::Build(name, request) => {
                let map = self.build(request).map_err(said)?;
                self.maps.insert(*name, map);
                Ok(())
            }
            Op::Split(name, at, new) => {
                let cut = with_type!(self.take(*name), held => match held.split(*at) {
                    Ok((one, two)) => Ok((AnyMap::from(one), AnyMap::from(two))),
                    Err((error, back)) => Err((error, back.map(AnyMap::from))),
                });
                match cut {
                    Ok((one, two)) => {
                        self.maps.insert(*new, two);
                        self.keep(*name, Ok(one))
                    }
                    Err(failed) => self.keep(*name, Err(failed)),
                }
            }
            Op::Join(one, two) => self.join(*one, *two, outcome),
            Op::Reprotect(name, prot, known) => {
                let made = with_type!(self.take(*name), held => lift(held.reprotect(*prot, *known)));
                self.keep(*name, made)
            }
            Op::Remap(name, request) => {
                let file = &self.files[request.file];
                let old = self.maps.remove(name).expect("a map of that name");
                let made = with_type!(old, held => match remap(held.forget(), request, file) {
                    Ok(map) => Ok(map),
                    Err(error) => {
                        let (error, old) = error.into_parts();
                        Err((error, old.map(|old| AnyMap::from(Held::from(old)))))
                    }
                });
                self.keep(*name, made)
            }
            Op::Resize(name, len) => {
                let map = self.take(*name);
                let before = with_type!(&map, held => with_perms!(held, map => map.len()));
                let made = resize(map, *len);
                match made {
                    Ok(map) if outcome == Outcome::Undone => self.keep(*name, resize(map, before)),
                    made => self.keep(*name, made),
                }
            }
            Op::Take(name, first, end, new) => {
                let range = |addr: usize, len: usize| {
                    let head = addr % page();
                    let at = |index: &usize| (index * page()).saturating_sub(head).min(len);
                    at(first)..at(end)
                };
                let taken = match self.get(*name) {
                    AnyMap::Anonymous(held) => with_perms!(held, map => {
                        let range = range(map.addr(), map.len());
                        map.take_pages_at(range).map(|map| AnyMap::from(Held::from(map)))
                    }),
                    AnyMap::File(held) => with_perms!(held, map => {
                        let range = range(map.addr(), map.len());
                        map.take_pages_at(range).map(|map| AnyMap::from(Held::from(map)))
                    }),
                    other => panic!("the model takes pages of {}", of_type(other)),
                };
                self.maps.insert(*new, taken.map_err(said)?);
                Ok(())
            }
            Op::Move(name) => {
                let map = self.take(*name);
                let (addr, (_, len)) = with_type!(&map, held => with_perms!(held, map => (map.addr(), map.pages())));
                let made = with_type!(map, held => lift(held.move_to(free_place(addr, len))));
                self.keep(*name, made)
            }
            Op::Duplicate(name, new) => {
                let twin = duplicate(self.get(*name)).map_err(said)?;
                self.maps.insert(*new, twin);
                Ok(())
            }
            Op::Expose(name) => {
                let map = match self.take(*name) {
                    AnyMap::Anonymous(held) => AnyMap::Exposed(with_perms!(held, map => map.expose().into())),
                    AnyMap::SharedAnonymous(held) => {
                        AnyMap::SharedExposed(with_perms!(held, map => map.expose().into()))
                    }
                    AnyMap::Sealed(held) => AnyMap::Exposed(with_perms!(held, map => map.expose().into())),
                    other => panic!("the model exposes {}", of_type(&other)),
                };
                self.keep(*name, Ok(map))
            }
            Op::Write(name, at, len, byte) => self.write(*name, *at, &vec![*byte; *len], outcome),
            Op::Advise(name, start, end, hint) => {
                let advice = advice(*hint);
                with_type!(self.get(*name), held => with_perms!(held, map => map.advise(*start..*end, advice)))
                    .map_err(said)
            }
            Op::Discard(name, first, end) => {
                let range = self.bytes(*name, *first, *end);
                match self.get(*name) {
                    AnyMap::Anonymous(held) => with_perms!(held, map => map.discard(range)),
                    AnyMap::SharedAnonymous(held) => with_perms!(held, map => map.discard(range)),
                    AnyMap::Exposed(held) => with_perms!(held, map => map.discard(range)),
                    AnyMap::SharedExposed(held) => with_perms!(held, map => map.discard(range)),
                    other => panic!("the model discards {}", of_type(other)),
                }
                .map_err(said)
            }
            Op::Revert(name, first, end) => {
                let range = self.bytes(*name, *first, *end);
                match self.get(*name) {
                    AnyMap::File(held) => with_perms!(held, map => map.revert(range)),
                    AnyMap::Sealed(held) => with_perms!(held, map => map.revert(range)),
                    AnyMap::SizeSealed(held) => with_perms!(held, map => map.revert(range)),
                    other => panic!("the model reverts {}", of_type(other)),
                }
                .map_err(said)
            }
            Op::PunchHole(name, first, end) => {
                let range = self.bytes(*name, *first, *end);
                match self.get(*name) {
                    AnyMap::SharedFile(held) => with_perms!(held, map => map.punch_hole(range)),
                    other => panic!("the model punches {}", of_type(other)),
                }
                .map_err(said)
            }
            Op::Lock(name, start, end, late) => {
                with_type!(self.get(*name), held => with_perms!(held, map => if *late {
                    map.lock_on_fault(*start..*end)
                } else {
                    map.lock(*start..*end)
                }))
                .map_err(said)
            }
            Op::Unlock(name, start, end) => {
                with_type!(self.get(*name), held => with_perms!(held, map => map.unlock(*start..*end)))
                    .map_err(said)
            }
            Op::Unmap(name) => {
                let done = with_type!(self.take(*name), held => held.unmap().map_err(|(error, _)| error));
                done.map_err(said)
            }
            Op::Drop(name) => {
                drop(self.take(*name));
                Ok(())
            }
            Op::Seal(name) => {
                let sealed = with_type!(self.take(*name), held => held
                    .seal()
                    .map_err(|(error, back)| (error, back.map(AnyMap::from))));
                match sealed {
                    Ok(reads) => {
                        self.for_ever.insert(*name, reads);
                        Ok(())
                    }
                    Err(failed) => self.keep(*name, Err(failed)),
                }
            }
            Op::Leak(name) => {
                let reads = self.take(*name).leak();
                self.for_ever.insert(*name, reads);
                Ok(())
            }
            Op::Room(name, op) => self.room_step(*name, op, outcome),
            Op::WriteFile(file, at, len, byte) => {
                let done = self.files[*file].write_all_at(&vec![*byte; *len], *at as u64);
                done.map_err(|error| error.to_string())
            }
            Op::Truncate(file, pages) => {
                let done = self.files[*file].set_len((pages * page()) as u64);
                done.map_err(|error| error.to_string())
            }
            Op::Punch(file, index) => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                let (at, len) = ((index * page()) as u64, page() as u64);
                fallocate(&self.files[*file], flags, at, len).map_err(|error| error.to_string())
            }
        }
    }

    /// The bytes of a map that these pages hold.
    fn bytes(&mut self, name: Name, first: usize, end: usize) -> core::ops::Range<usize> {
        let (addr, len, page) = with_type!(self.get(name), held => with_perms!(held, map => {
            (map.addr(), map.len(), map.page_size())
        }));
        let at = |index: usize| (index * page).saturating_sub(addr % page).min(len);
        at(first)..at(end)
    }

    fn join(&mut self, one: Name, two: Name, outcome: Outcome) -> Result<(), String> {
        let place = |map: &AnyMap| with_type!(map, held => with_perms!(held, map => (map.addr(), map.addr() + map.len())));
        // Maps that the kernel put side by side may fit as well, which the model does not know.
        let touch = place(&self.maps[&one]).1 == place(&self.maps[&two]).0;
        if touch && outcome == Outcome::Refused {
            return Err("not tried".to_owned());
        }
        macro_rules! join {
            ($($name:ident)+) => {
                match (self.take(one), self.take(two)) {
                    $((AnyMap::$name(one), AnyMap::$name(two)) => match one.join(two) {
                        Ok(map) => Ok(AnyMap::from(map)),
                        Err((one, two)) => Err((AnyMap::from(one), AnyMap::from(two))),
                    },)+
                    // The compiler refuses the others.
                    (one, two) => Err((one, two)),
                }
            };
        }
        let joined = join!(
            Anonymous SharedAnonymous File SharedFile Sealed SharedSealed SizeSealed SharedSizeSealed Exposed
            SharedExposed Secret
        );
        match joined {
            Ok(map) => self.keep(one, Ok(map)),
            Err((first, second)) => {
                self.maps.insert(one, first);
                self.maps.insert(two, second);
                Err("not joined".to_owned())
            }
        }
    }

    fn write(
        &mut self,
        name: Name,
        at: usize,
        bytes: &[u8],
        outcome: Outcome,
    ) -> Result<(), String> {
        let done = with_type!(self.get(name), held => match held {
            Held::None(_) | Held::Read(_) => return Err("the compiler refuses it".to_owned()),
            Held::Both(map) => map.write_at(at, bytes),
            Held::Unknown(map) => map.write_at(at, bytes),
        });
        match done {
            Ok(()) => Ok(()),
            Err(fault) => {
                if let Outcome::Faulted(written) = outcome {
                    assert_eq!(fault.copied(), written, "{fault}");
                }
                Err(fault.to_string())
            }
        }
    }

    fn build(&mut self, request: &Request) -> Result<AnyMap, Error> {
        let file = &self.files[request.file];
        let mut start = Map::bytes(request.len);
        if request.guarded {
            start = start.guarded();
        }
        let mut beside = Vec::new();
        if request.between && request.len != 0 {
            let head = request.offset % page();
            let guards = if request.guarded { 2 } else { 0 };
            let pages = (head + request.len).div_ceil(page()) + guards;
            let room = Map::bytes((pages + 2) * page()).anonymously();
            let room = room.with(Unknown(mmarinus::ProtFlags::empty()))?;
            let addr = room.addr() + page() * (1 + guards / 2) + head;
            let (before, rest) = room.split(page())?;
            let (middle, behind) = rest.split(pages * page())?;
            drop(middle);
            start = start.at(addr);
            beside = vec![Sentinel::new(before, 0xb5), Sentinel::new(behind, 0x5b)];
        }
        let map = made(start, request, file);
        self.sentinels.extend(beside);
        // Those of maps that are long gone make room.
        if self.sentinels.len() > 12 {
            self.sentinels.drain(..2);
        }
        map
    }
}

/// A request without what stands behind the map.
fn with_options<'fd, K, B, A>(
    builder: Builder<'fd, K, B, A>,
    request: &Request,
) -> Builder<'fd, K, B, A> {
    let mut builder = builder;
    if request.populate {
        builder = builder.populate();
    }
    if request.locked {
        builder = builder.locked();
    }
    if request.huge {
        builder = builder.with_huge_pages(HugePage::SIZE_2MB);
    }
    builder
}

/// Makes a new map.
fn made(start: Builder<'static>, request: &Request, file: &File) -> Result<AnyMap, Error> {
    fn end<K: Kind, B: backing::Backing<K>>(
        builder: Builder<'_, K, B, New>,
        request: &Request,
    ) -> Result<AnyMap, Error>
    where
        AnyMap: From<Held<K, B>>,
    {
        let builder = with_options(builder, request);
        call_with!(request.prot, request.known, perms => builder.with(perms)).map(AnyMap::from)
    }
    let at = request.offset as u64;
    match (request.back, request.shared) {
        (Back::Anonymous | Back::Exposed, false) => end(start.anonymously(), request),
        (Back::Anonymous | Back::Exposed, true) => {
            end(start.anonymously().with_kind(Shared), request)
        }
        (Back::File, false) => end(start.from(file, at), request),
        (Back::File, true) => end(start.from(file, at).with_kind(Shared), request),
        (Back::Sealed, false) => end(start.from_sealed(file, at), request),
        (Back::Sealed, true) => end(start.from_sealed(file, at).with_kind(Shared), request),
        (Back::SizeSealed, false) => end(start.from_size_sealed(file, at), request),
        (Back::SizeSealed, true) => {
            end(start.from_size_sealed(file, at).with_kind(Shared), request)
        }
        (Back::Secret, _) => end(start.secret(), request),
    }
}

/// Replaces a map.
fn remap<K: Kind, B: backing::Backing<K>>(
    old: Map<Unknown, K, B>,
    request: &Request,
    file: &File,
) -> Result<AnyMap, Error<Map<Unknown, K, B>>> {
    macro_rules! end {
        ($builder:expr) => {{
            let builder = with_options($builder, request);
            // Fewer types, which take the compiler long.
            match (request.prot, request.known) {
                (Prot::Both, true) => builder.with(perms::ReadWrite).map(Held::from),
                (prot, _) => builder
                    .with(Unknown(super::held::flags(prot)))
                    .map(Held::from),
            }
            .map(AnyMap::from)
        }};
    }
    let at = request.offset as u64;
    let start = old.remap();
    match (request.back, request.shared) {
        (Back::Anonymous | Back::Exposed, false) => end!(start.anonymously()),
        (Back::Anonymous | Back::Exposed, true) => end!(start.anonymously().with_kind(Shared)),
        (Back::File, false) => end!(start.from(file, at)),
        (Back::File, true) => end!(start.from(file, at).with_kind(Shared)),
        (Back::Sealed, false) => end!(start.from_sealed(file, at)),
        (Back::Sealed, true) => end!(start.from_sealed(file, at).with_kind(Shared)),
        (Back::SizeSealed, false) => end!(start.from_size_sealed(file, at)),
        (Back::SizeSealed, true) => end!(start.from_size_sealed(file, at).with_kind(Shared)),
        (Back::Secret, _) => end!(start.secret()),
    }
}

/// The map with another length.
fn resize(map: AnyMap, len: usize) -> Made<AnyMap> {
    match map {
        AnyMap::Anonymous(held) => lift(held.resize(len)),
        AnyMap::File(held) => lift(held.resize(len)),
        AnyMap::SharedFile(held) => lift(held.resize(len)),
        other => panic!("the model resizes {}", of_type(&other)),
    }
}

/// A second map of the same pages.
fn duplicate(map: &AnyMap) -> Result<AnyMap, Error> {
    macro_rules! twin {
        ($held:expr) => {
            with_perms!($held, map => map.duplicate().map(|map| AnyMap::from(Held::from(map))))
        };
    }
    match map {
        AnyMap::SharedAnonymous(held) => twin!(held),
        AnyMap::SharedFile(held) => twin!(held),
        AnyMap::SharedSealed(held) => twin!(held),
        AnyMap::SharedSizeSealed(held) => twin!(held),
        AnyMap::SharedExposed(held) => twin!(held),
        other => panic!("the model duplicates {}", of_type(other)),
    }
}

/// An address where nothing is, for the first byte of a map at `addr` whose pages are `len` bytes; with room on either side.
fn free_place(addr: usize, len: usize) -> usize {
    let size = len + 2 * HUGE;
    let room = Map::bytes(size).aligned_to(HUGE).anonymously();
    let room = room.with(perms::None).expect("addresses");
    room.addr() + HUGE + addr % page()
}

fn advice(hint: Hint) -> Advice {
    match hint {
        Hint::Normal => Advice::NORMAL,
        Hint::Random => Advice::RANDOM,
        Hint::Sequential => Advice::SEQUENTIAL,
        Hint::WillNeed => Advice::WILLNEED,
        Hint::Cold => Advice::COLD,
        Hint::PageOut => Advice::PAGEOUT,
        Hint::HugePage => Advice::HUGEPAGE,
        Hint::NoHugePage => Advice::NOHUGEPAGE,
        Hint::Mergeable => Advice::MERGEABLE,
        Hint::DontDump => Advice::DONTDUMP,
        Hint::DoDump => Advice::DODUMP,
        Hint::PopulateRead => Advice::POPULATE_READ,
        Hint::PopulateWrite => Advice::POPULATE_WRITE,
    }
}

/// The type of a map, for a message.
fn of_type(map: &AnyMap) -> &'static str {
    with_type!(map, held => with_perms!(held, map => core::any::type_name_of_val(map)))
}
