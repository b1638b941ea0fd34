//! One step of a program, and which steps make sense after those before.

use proptest::prelude::*;
use proptest::sample::select;

use super::plain::{
    Back, FILE_PAGES, FILES, HUGE, MOST_MAPS, MOST_PAGES, Name, Plain, Prot, Slot, What,
    huge_budget, keeps_secrets,
};
use super::room::{RoomOp, steps as room_steps};
use crate::common::page;

/// What is asked of a new map.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) back: Back,
    /// The file, by number.
    pub(crate) file: usize,
    pub(crate) shared: bool,
    pub(crate) prot: Prot,
    /// Whether its type says so.
    pub(crate) known: bool,
    pub(crate) huge: bool,
    pub(crate) populate: bool,
    pub(crate) locked: bool,
    pub(crate) guarded: bool,
    /// Where in the file, in bytes.
    pub(crate) offset: usize,
    pub(crate) len: usize,
    /// Whether sentinels lie right before and right behind.
    pub(crate) between: bool,
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Build(Name, Request),
    /// At this byte; the second part gets the name.
    Split(Name, usize, Name),
    Join(Name, Name),
    Reprotect(Name, Prot, bool),
    Remap(Name, Request),
    Resize(Name, usize),
    /// These pages get the name.
    Take(Name, usize, usize, Name),
    Move(Name),
    Duplicate(Name, Name),
    Expose(Name),
    /// So many bytes from there on.
    Write(Name, usize, usize, u8),
    Advise(Name, usize, usize, Hint),
    Discard(Name, usize, usize),
    Revert(Name, usize, usize),
    PunchHole(Name, usize, usize),
    Lock(Name, usize, usize, bool),
    Unlock(Name, usize, usize),
    Unmap(Name),
    Drop(Name),
    Seal(Name),
    Leak(Name),
    /// With a reservation.
    Room(Name, RoomOp),
    /// Someone writes to the file.
    WriteFile(usize, usize, usize, u8),
    /// Someone gives the file so many pages.
    Truncate(usize, usize),
    /// Someone takes a page of the file.
    Punch(usize, usize),
}

/// Advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Normal,
    Random,
    Sequential,
    WillNeed,
    Cold,
    PageOut,
    HugePage,
    NoHugePage,
    Mergeable,
    DontDump,
    DoDump,
    PopulateRead,
    PopulateWrite,
}

const HINTS: [Hint; 13] = [
    Hint::Normal,
    Hint::Random,
    Hint::Sequential,
    Hint::WillNeed,
    Hint::Cold,
    Hint::PageOut,
    Hint::HugePage,
    Hint::NoHugePage,
    Hint::Mergeable,
    Hint::DontDump,
    Hint::DoDump,
    Hint::PopulateRead,
    Hint::PopulateWrite,
];

/// Permissions to choose from.
pub(crate) const PROTS: [Prot; 4] = [Prot::None, Prot::Read, Prot::Both, Prot::Both];

/// A length in bytes of so many pages, now and then a little less or more.
fn length(pages: core::ops::RangeInclusive<usize>, size: usize) -> BoxedStrategy<usize> {
    let odd = prop_oneof![4 => Just(0_usize), 1 => 1_usize..200];
    (pages, odd)
        .prop_map(move |(pages, odd)| (pages * size).saturating_sub(odd))
        .boxed()
}

/// What may be asked of a new map.
fn request() -> BoxedStrategy<Request> {
    let backs = (
        prop_oneof![
            5 => Just(Back::Anonymous),
            4 => Just(Back::File),
            2 => Just(Back::Sealed),
            1 => Just(Back::SizeSealed),
            1 => Just(Back::Secret),
        ],
        0..2_usize,
        any::<bool>(),
        select(&PROTS[..]),
        any::<bool>(),
    );
    let options = (
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.3),
    );
    let place = (
        0..=FILE_PAGES,
        prop_oneof![3 => Just(0_usize), 1 => 1_usize..4096],
        length(1..=MOST_PAGES, page()),
    );
    (backs, options, place).prop_map(assemble).boxed()
}

type Backs = (Back, usize, bool, Prot, bool);
type Options = (bool, bool, bool, bool, bool);

/// Makes a request of its parts, without options that do not go together.
fn assemble(
    ((back, file, shared, prot, known), options, place): (Backs, Options, (usize, usize, usize)),
) -> Request {
    let (huge, populate, locked, guarded, between) = options;
    let (index, odd, len) = place;
    let nameless = back == Back::Anonymous;
    let back = if back == Back::Secret && !keeps_secrets() {
        Back::Anonymous
    } else {
        back
    };
    let huge = huge && nameless && huge_budget() > 0;
    Request {
        back,
        file: match back {
            Back::Sealed => 2,
            Back::SizeSealed => 3,
            _ => file,
        },
        shared: shared || back == Back::Secret,
        prot,
        known,
        huge,
        populate: populate && back != Back::Secret,
        locked: locked && nameless && !huge,
        guarded: guarded && !huge,
        offset: match back {
            Back::Anonymous | Back::Secret => 0,
            _ => index * page() + odd % page(),
        },
        len: if huge {
            len.div_ceil(page()).min(2) * HUGE
        } else {
            len
        },
        between: between && !huge,
    }
}

/// The steps that make sense now.
pub(crate) fn steps(plain: &Plain) -> BoxedStrategy<Op> {
    let files = prop_oneof![
        (
            0..FILES.len(),
            0..FILE_PAGES * page(),
            1_usize..5000,
            any::<u8>()
        )
            .prop_map(|(file, at, len, byte)| Op::WriteFile(file, at, len, byte)),
        (0..FILES.len(), 0..=FILE_PAGES + 2).prop_map(|(file, pages)| Op::Truncate(file, pages)),
        (0..FILES.len(), 0..FILE_PAGES).prop_map(|(file, index)| Op::Punch(file, index)),
    ];
    let build = (any::<Name>(), request()).prop_map(|(name, request)| Op::Build(name, request));
    if plain.slots.is_empty() {
        return prop_oneof![9 => build, 1 => files, 1 => room_steps(plain)].boxed();
    }
    let names: Vec<Name> = plain.slots.keys().copied().collect();
    let map = {
        let (names, plain) = (names.clone(), plain.clone());
        select(names).prop_flat_map(move |name| on_map(name, &plain.slots[&name], &plain))
    };
    let build_weight = if names.len() < MOST_MAPS { 4 } else { 0 };
    prop_oneof![build_weight => build, 2 => files, 20 => map, 6 => room_steps(plain)].boxed()
}

/// The steps with one map.
fn on_map(name: Name, slot: &Slot, plain: &Plain) -> BoxedStrategy<Op> {
    let (len, page, pages) = (slot.len, slot.page(), slot.leaves.len());
    let at = prop_oneof![
        3 => (0..=pages).prop_map({
            let head = slot.head;
            move |index| (index * page).saturating_sub(head)
        }),
        1 => 0..=len + 3,
        1 => select(vec![usize::MAX, isize::MAX as usize, len]),
    ];
    let bytes = (0..=len, 0..=len).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let row = (0..=pages, 0..=pages).prop_map(|(a, b)| (a.min(b), a.max(b)));
    // Where to write, and how much, a little past the end included.
    let part = (0..=len, 0..=len.min(9000) + 3);
    let others: Vec<Name> = plain.slots.keys().copied().collect();
    // The right one, if there is one.
    let next = plain.slots.iter().find(|(_, other)| {
        other.block == slot.block && other.first == slot.first + slot.leaves.len()
    });
    let next = next.map_or(name, |(next, _)| *next);
    prop_oneof![
        5 => (at, any::<Name>()).prop_map(move |(at, new)| Op::Split(name, at, new)),
        4 => prop_oneof![4 => Just(next), 1 => select(others)]
            .prop_map(move |second| Op::Join(name, second)),
        4 => (select(&PROTS[..]), any::<bool>())
            .prop_map(move |(prot, known)| Op::Reprotect(name, prot, known)),
        3 => request().prop_map({
            let (len, head) = (slot.len, slot.head);
            move |request| Op::Remap(name, fitted(request, len, head))
        }),
        4 => prop_oneof![8 => length(0..=MOST_PAGES + 2, page), 1 => Just(usize::MAX)]
            .prop_map(move |len| Op::Resize(name, len)),
        3 => (row.clone(), any::<Name>())
            .prop_map(move |((a, b), new)| Op::Take(name, a, b, new)),
        2 => Just(Op::Move(name)),
        2 => any::<Name>().prop_map(move |new| Op::Duplicate(name, new)),
        1 => Just(Op::Expose(name)),
        10 => (part, any::<u8>()).prop_map(move |((at, len), byte)| Op::Write(name, at, len, byte)),
        4 => (bytes.clone(), select(&HINTS[..]))
            .prop_map(move |((a, b), hint)| Op::Advise(name, a, b, hint)),
        3 => row.clone().prop_map(move |(a, b)| Op::Discard(name, a, b)),
        2 => row.clone().prop_map(move |(a, b)| Op::Revert(name, a, b)),
        2 => row.prop_map(move |(a, b)| Op::PunchHole(name, a, b)),
        2 => (bytes.clone(), any::<bool>())
            .prop_map(move |((a, b), late)| Op::Lock(name, a, b, late)),
        2 => bytes.prop_map(move |(a, b)| Op::Unlock(name, a, b)),
        1 => Just(Op::Unmap(name)),
        2 => Just(Op::Drop(name)),
        1 => Just(Op::Seal(name)),
        1 => Just(Op::Leak(name)),
    ]
    .boxed()
}

/// A request that is put in the place of a map, most of the time with the same bytes of its first page left out.
fn fitted(request: Request, len: usize, head: usize) -> Request {
    let fits = !request.offset.is_multiple_of(7);
    let offset = match request.back {
        Back::Anonymous | Back::Secret => 0,
        _ if fits => request.offset / page() * page() + head % page(),
        _ => request.offset,
    };
    Request {
        guarded: false,
        between: false,
        len,
        offset,
        ..request
    }
}

/// Whether anybody may write to this sort of file.
pub(crate) fn is_open(what: What) -> bool {
    matches!(what, What::Disk | What::Memory | What::SizeSealed)
}
