//! The model of a reservation: pages of which each has permissions and contents of its own.

use core::ops::Range;

use mmarinus_sys::Support;

use super::content::Content;
use super::plain::{
    Back, FILE_PAGES, FILES, Leaf, MOST_MAPS, MOST_PAGES, Name, Outcome, Plain, Prot, Slot, What,
};
use crate::common::page;

/// How many reservations there are at most.
pub(crate) const MOST_ROOMS: usize = 3;

/// One page of a reservation.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) prot: Prot,
    pub(crate) shared: bool,
    pub(crate) guard: bool,
    pub(crate) leaf: Leaf,
}

impl Cell {
    /// A page where nothing is placed.
    fn empty() -> Self {
        Self {
            prot: Prot::None,
            shared: false,
            guard: false,
            leaf: Leaf::fresh(),
        }
    }
}

/// A reservation.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) cells: Vec<Cell>,
    /// As of a [`Slot`].
    pub(crate) block: u32,
    pub(crate) first: usize,
}

/// What is placed: nothing, or a file by number, and whether it is shared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thing {
    pub(crate) file: Option<usize>,
    pub(crate) offset: usize,
    pub(crate) shared: bool,
    pub(crate) prot: Prot,
}

/// A step with a reservation. Ranges are in pages.
#[derive(Clone, Debug)]
pub(crate) enum RoomOp {
    Reserve(usize),
    Place(usize, usize, Thing),
    Protect(usize, usize, Prot),
    Decommit(usize, usize),
    Guard(usize, usize),
    /// So many bytes from there on.
    Write(usize, usize, u8),
    /// So many pages from the start become a map of that name.
    Fill(usize, Prot, Name),
    /// The map of that name becomes this reservation.
    Instead(Name),
    Join(Name),
    Drop,
}

impl Plain {
    /// Whether the model knows what comes of a step.
    pub(crate) fn room_makes_sense(&self, name: Name, op: &RoomOp) -> bool {
        let is_new = self.is_free(name) && self.rooms.len() < MOST_ROOMS;
        let room = self.rooms.get(&name);
        let has = |first: usize, end: usize| {
            room.is_some_and(|room| first < end && end <= room.cells.len())
        };
        match op {
            RoomOp::Reserve(pages) => is_new && *pages > 0,
            RoomOp::Place(first, end, _)
            | RoomOp::Protect(first, end, _)
            | RoomOp::Decommit(first, end)
            | RoomOp::Guard(first, end) => has(*first, *end),
            RoomOp::Fill(pages, _, new) => {
                let is_free = self.is_free(*new) && self.slots.len() < MOST_MAPS;
                has(0, *pages) && is_free && *new != name
            }
            RoomOp::Instead(map) => {
                let fits = |slot: &Slot| slot.len != 0 && !slot.huge && !slot.is_guarded();
                is_new && self.slots.get(map).is_some_and(fits)
            }
            RoomOp::Join(second) => {
                room.is_some() && *second != name && self.rooms.contains_key(second)
            }
            RoomOp::Write(..) | RoomOp::Drop => room.is_some(),
        }
    }

    fn cells(&mut self, name: Name, range: Range<usize>) -> &mut [Cell] {
        &mut self.rooms.get_mut(&name).expect("a reservation").cells[range]
    }

    /// Makes a step.
    pub(crate) fn room_step(&mut self, name: Name, op: &RoomOp) -> Outcome {
        match op {
            RoomOp::Reserve(pages) => {
                let block = self.new_block();
                let cells = vec![Cell::empty(); *pages];
                self.rooms.insert(
                    name,
                    Room {
                        cells,
                        block,
                        first: 0,
                    },
                );
                Outcome::Done
            }
            RoomOp::Place(first, end, thing) => self.place(name, *first..*end, *thing),
            RoomOp::Protect(first, end, prot) => {
                for cell in self.cells(name, *first..*end) {
                    cell.prot = *prot;
                }
                Outcome::Done
            }
            RoomOp::Decommit(first, end) => {
                self.cells(name, *first..*end).fill(Cell::empty());
                Outcome::Done
            }
            RoomOp::Guard(first, end) => {
                let cells = self.cells(name, *first..*end);
                let by_page = Support::guard_regions()
                    && (Support::file_guard_regions() || cells.iter().all(|cell| cell.is_plain()));
                for cell in cells {
                    if by_page {
                        cell.guard = true;
                    } else {
                        *cell = Cell::empty();
                    }
                }
                Outcome::Done
            }
            RoomOp::Write(at, len, byte) => self.room_write(name, *at, *len, *byte),
            RoomOp::Fill(pages, prot, new) => self.fill(name, *pages, *prot, *new),
            RoomOp::Instead(map) => {
                let slot = self.slots.remove(map).expect("a map");
                let cells = vec![Cell::empty(); slot.leaves.len()];
                let (block, first) = (slot.block, slot.first);
                self.rooms.insert(
                    name,
                    Room {
                        cells,
                        block,
                        first,
                    },
                );
                Outcome::Done
            }
            RoomOp::Join(second) => {
                let (one, two) = (&self.rooms[&name], &self.rooms[second]);
                let behind = one.first + one.cells.len() == two.first;
                if one.block != two.block || !behind {
                    return Outcome::Refused;
                }
                let second = self.rooms.remove(second).expect("a reservation");
                let first = self.rooms.get_mut(&name).expect("a reservation");
                first.cells.extend(second.cells);
                Outcome::Done
            }
            RoomOp::Drop => {
                self.rooms.remove(&name);
                Outcome::Done
            }
        }
    }

    fn place(&mut self, name: Name, range: Range<usize>, thing: Thing) -> Outcome {
        if !thing.offset.is_multiple_of(page()) {
            return Outcome::Refused;
        }
        let object = match thing.file {
            Some(file) => Some((file, thing.offset / page())),
            None if thing.shared => {
                self.objects.push(super::plain::Object {
                    what: What::Nameless,
                    pages: vec![Content::ZEROS; range.len()],
                });
                Some((self.objects.len() - 1, 0))
            }
            None => None,
        };
        for (index, cell) in self.cells(name, range).iter_mut().enumerate() {
            let leaf = match object {
                Some((object, first)) => Leaf::of(object, first + index),
                None => Leaf::fresh(),
            };
            *cell = Cell {
                prot: thing.prot,
                shared: thing.shared,
                guard: false,
                leaf,
            };
        }
        Outcome::Done
    }

    fn room_write(&mut self, name: Name, at: usize, len: usize, byte: u8) -> Outcome {
        let size = self.rooms[&name].cells.len() * page();
        if at.checked_add(len).is_none_or(|end| end > size) {
            return Outcome::Refused;
        }
        let mut done = 0;
        while done < len {
            let (index, place) = ((at + done) / page(), (at + done) % page());
            let part = (page() - place).min(len - done);
            let cell = &self.rooms[&name].cells[index];
            let (shared, opens) = (cell.shared, cell.prot == Prot::Both && !cell.guard);
            let content = self.content(&cell.leaf).filter(|_| opens).cloned();
            let Some(mut content) = content else {
                return Outcome::Faulted(done);
            };
            content.fill(page(), place, part, byte);
            let leaf = &mut self.cells(name, index..index + 1)[0].leaf;
            match leaf.behind {
                Some((object, index)) if shared => self.objects[object].pages[index] = content,
                _ => leaf.own = Some(content),
            }
            done += part;
        }
        Outcome::Done
    }

    fn fill(&mut self, name: Name, pages: usize, prot: Prot, new: Name) -> Outcome {
        let block = self.new_block();
        let room = self.rooms.get_mut(&name).expect("a reservation");
        room.cells.drain(..pages);
        room.first += pages;
        let (left, first) = (room.cells.len(), room.first - pages);
        let old = room.block;
        if left == 0 {
            self.rooms.remove(&name);
        }
        let slot = Slot {
            back: Back::Anonymous,
            shared: false,
            prot,
            huge: false,
            head: 0,
            len: pages * page(),
            leaves: vec![Leaf::fresh(); pages],
            // Where it was, as long as something is beside it.
            block: if left == 0 { block } else { old },
            first,
            whole: true,
            special: false,
            locked: false,
            cut: false,
            guards: [false; 2],
            anonymous: true,
        };
        self.slots.insert(new, slot);
        Outcome::Done
    }
}

impl Cell {
    /// Whether it is private memory of no file.
    fn is_plain(&self) -> bool {
        self.leaf.behind.is_none()
    }
}

/// Steps with reservations that make sense now.
pub(crate) fn steps(plain: &Plain) -> proptest::strategy::BoxedStrategy<super::op::Op> {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::op::{Op, PROTS};

    let reserve = (any::<Name>(), 1..=2 * MOST_PAGES)
        .prop_map(|(name, pages)| Op::Room(name, RoomOp::Reserve(pages)));
    let rooms: Vec<(Name, usize)> = plain
        .rooms
        .iter()
        .map(|(name, room)| (*name, room.cells.len()))
        .collect();
    let maps: Vec<Name> = plain.slots.keys().copied().collect();
    let instead = if maps.is_empty() {
        reserve.clone().boxed()
    } else {
        (any::<Name>(), select(maps))
            .prop_map(|(name, map)| Op::Room(name, RoomOp::Instead(map)))
            .boxed()
    };
    if rooms.is_empty() {
        return prop_oneof![3 => reserve, 1 => instead].boxed();
    }
    let names: Vec<Name> = rooms.iter().map(|(name, _)| *name).collect();
    let inside = select(rooms).prop_flat_map(move |(name, pages)| {
        let row = (0..pages, 1..=pages).prop_map(move |(first, len)| (first, (first + len).min(pages)));
        let thing = (
            prop::option::of(0..2_usize),
            0..FILE_PAGES,
            prop::bool::weighted(0.05),
            any::<bool>(),
            select(&PROTS[..]),
        );
        let thing = thing.prop_map(|(file, index, odd, shared, prot)| Thing {
            file,
            offset: match file {
                Some(file) => (index % FILES.len().max(file)) * page() + usize::from(odd),
                None => 0,
            },
            shared,
            prot,
        });
        prop_oneof![
            4 => (row.clone(), thing).prop_map(|((a, b), thing)| RoomOp::Place(a, b, thing)),
            4 => (row.clone(), select(&PROTS[..])).prop_map(|((a, b), prot)| RoomOp::Protect(a, b, prot)),
            2 => row.clone().prop_map(|(a, b)| RoomOp::Decommit(a, b)),
            1 => row.prop_map(|(a, b)| RoomOp::Guard(a, b)),
            6 => (0..=pages * page(), 0..9000_usize, any::<u8>())
                .prop_map(|(at, len, byte)| RoomOp::Write(at, len, byte)),
            2 => (1..=pages, select(&PROTS[..]), any::<Name>())
                .prop_map(|(pages, prot, new)| RoomOp::Fill(pages, prot, new)),
            2 => select(names.clone()).prop_map(RoomOp::Join),
            1 => Just(RoomOp::Drop),
        ]
        .prop_map(move |op| Op::Room(name, op))
    });
    let reserve_weight = u32::from(plain.rooms.len() < MOST_ROOMS);
    prop_oneof![reserve_weight => reserve, reserve_weight => instead, 8 => inside].boxed()
}
