//! What each step does to the model, and what has to come of it.

use core::ops::Range;

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::content::Content;
use super::op::{Hint, Op, Request, is_open, steps};
use super::plain::{
    Back, HUGE, Leaf, MOST_FOR_EVER, MOST_MAPS, Name, Object, Outcome, Plain, Presence, Prot, Slot,
    What, empties_locked, huge_budget, populates, seals,
};
use crate::common::page;

impl ReferenceStateMachine for Plain {
    type State = Self;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::new()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Op> {
        steps(state)
    }

    fn preconditions(state: &Self, op: &Op) -> bool {
        state.makes_sense(op)
    }

    fn apply(mut state: Self, op: &Op) -> Self {
        state.steps += 1;
        state.outcome = state.step(op);
        state
    }
}

impl Plain {
    /// Whether the model knows what comes of a step.
    fn makes_sense(&self, op: &Op) -> bool {
        let has = |name: &Name| self.slots.contains_key(name);
        let has_room = |new: &Name| self.is_free(*new) && self.slots.len() < MOST_MAPS;
        let is =
            |name: &Name, holds: &dyn Fn(&Slot) -> bool| self.slots.get(name).is_some_and(holds);
        match op {
            Op::Build(name, request) => has_room(name) && self.has_huge_pages(request),
            Op::Split(name, _, new) => has(name) && has_room(new),
            Op::Join(one, two) => {
                one != two && is(one, &|slot| slot.len != 0) && is(two, &|slot| slot.len != 0)
            }
            // The kernel copies pages then, and whether it did shows when the file changes.
            Op::Reprotect(name, _, _) => is(name, &|slot| !(slot.locked && may_copy(slot))),
            Op::Remap(name, request) => {
                let has_pages = is(name, &|slot| {
                    let len = slot.len;
                    self.has_huge_pages(&Request {
                        len,
                        ..request.clone()
                    })
                });
                is(name, &|slot| !slot.is_guarded()) && has_pages
            }
            Op::Resize(name, _) => is(name, &|slot| {
                slot.back == Back::File || slot.back == Back::Anonymous && !slot.shared
            }),
            Op::Take(name, first, end, new) => {
                has_room(new)
                    && is(name, &|slot| {
                        let sort = matches!(slot.back, Back::File | Back::Anonymous);
                        sort && !slot.shared && first < end && *end <= slot.leaves.len()
                    })
            }
            Op::Duplicate(name, new) => {
                has_room(new)
                    && is(name, &|slot| {
                        slot.shared && slot.back != Back::Secret && slot.len != 0
                    })
            }
            Op::Expose(name) => is(name, &|slot| {
                slot.back == Back::Anonymous || slot.back == Back::Sealed && !slot.shared
            }),
            Op::Advise(name, _, end, hint) => {
                let populates = matches!(hint, Hint::PopulateRead | Hint::PopulateWrite);
                is(name, &|slot| *end <= slot.len) && (!populates || self.knows_populate(op))
            }
            Op::Discard(name, first, end) => is(name, &|slot| {
                let sort = matches!(slot.back, Back::Anonymous | Back::Exposed);
                sort && is_row(slot, *first, *end) && locks_agree(slot, *first..*end)
            }),
            Op::Revert(name, first, end) => is(name, &|slot| {
                let sort = matches!(slot.back, Back::File | Back::Sealed | Back::SizeSealed);
                sort && !slot.shared
                    && is_row(slot, *first, *end)
                    && locks_agree(slot, *first..*end)
            }),
            Op::PunchHole(name, first, end) => is(name, &|slot| {
                let memory = slot.leaves.iter().all(|leaf| {
                    leaf.behind
                        .is_some_and(|(object, _)| self.objects[object].what == What::Memory)
                });
                let fits = is_row(slot, *first, *end) && locks_agree(slot, *first..*end);
                slot.back == Back::File && slot.shared && memory && fits
            }),
            Op::Lock(name, _, end, _) => is(name, &|slot| {
                let refused = slot.back == Back::Secret || may_copy(slot);
                *end <= slot.len && !refused
            }),
            Op::Unlock(name, _, end) => {
                is(name, &|slot| *end <= slot.len && slot.back != Back::Secret)
            }
            Op::Seal(name) | Op::Leak(name) => {
                is(name, &|slot| slot.len != 0) && self.for_ever.len() < MOST_FOR_EVER
            }
            Op::Move(name) | Op::Write(name, _, _, _) | Op::Unmap(name) | Op::Drop(name) => {
                has(name)
            }
            Op::Room(name, op) => self.room_makes_sense(*name, op),
            Op::WriteFile(file, at, len, _) => {
                let object = &self.objects[*file];
                is_open(object.what) && at + len <= object.pages.len() * page()
            }
            Op::Truncate(file, pages) => match self.objects[*file].what {
                What::Disk | What::Memory => true,
                What::SizeSealed => *pages >= self.objects[*file].pages.len(),
                _ => false,
            },
            Op::Punch(file, index) => {
                let object = &self.objects[*file];
                let memory = matches!(object.what, What::Memory | What::SizeSealed);
                memory && *index < object.pages.len()
            }
        }
    }

    /// Whether the pool surely has what is asked for.
    fn has_huge_pages(&self, request: &Request) -> bool {
        !request.huge || self.huge_pages() + request.len.div_ceil(HUGE) <= huge_budget()
    }

    /// Whether it is known what comes of bringing pages in.
    fn knows_populate(&self, op: &Op) -> bool {
        let Op::Advise(name, ..) = op else {
            return false;
        };
        populates() && self.slots[name].back != Back::Secret
    }

    /// Makes a step.
    fn step(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Build(name, request) => self.build(*name, request),
            Op::Split(name, at, new) => self.split(*name, *at, *new),
            Op::Join(one, two) => self.join(*one, *two),
            Op::Reprotect(name, prot, _) => self.reprotect(*name, *prot),
            Op::Remap(name, request) => self.remap(*name, request),
            Op::Resize(name, len) => self.resize(*name, *len),
            Op::Take(name, first, end, new) => self.take(*name, *first..*end, *new),
            Op::Move(name) => self.move_away(*name),
            Op::Duplicate(name, new) => self.duplicate(*name, *new),
            Op::Expose(name) => self.expose(*name),
            Op::Write(name, at, len, byte) => self.write(*name, *at, *len, *byte),
            Op::Advise(name, start, end, hint) => self.advise(*name, *start..*end, *hint),
            Op::Discard(name, first, end) => self.discard(*name, *first..*end),
            Op::Revert(name, first, end) => self.revert(*name, *first..*end),
            Op::PunchHole(name, first, end) => self.punch_hole(*name, *first..*end),
            Op::Lock(name, start, end, _) => self.lock(*name, *start..*end),
            Op::Unlock(name, start, end) => self.unlock(*name, *start..*end),
            Op::Unmap(name) | Op::Drop(name) => {
                self.slots.remove(name);
                Outcome::Done
            }
            Op::Seal(name) if !seals() => {
                // It comes back.
                assert!(self.slots.contains_key(name));
                Outcome::Refused
            }
            Op::Seal(name) | Op::Leak(name) => {
                let slot = self.slots.remove(name).expect("a map");
                self.for_ever.insert(*name, slot);
                Outcome::Done
            }
            Op::Room(name, op) => self.room_step(*name, op),
            Op::WriteFile(file, at, len, byte) => {
                self.write_object(*file, *at, *len, *byte);
                Outcome::Done
            }
            Op::Truncate(file, pages) => {
                self.truncate(*file, *pages);
                Outcome::Done
            }
            Op::Punch(file, index) => {
                self.objects[*file].pages[*index] = Content::ZEROS;
                Outcome::Done
            }
        }
    }

    fn slot(&mut self, name: Name) -> &mut Slot {
        self.slots.get_mut(&name).expect("a map of that name")
    }

    /// What a request gives, or nothing if it is refused.
    fn made(&mut self, request: &Request) -> Option<Slot> {
        let size = if request.huge { HUGE } else { page() };
        let head = request.offset % size;
        let (first, count) = (request.offset / size, (head + request.len).div_ceil(size));
        let count = if request.len == 0 { 0 } else { count };
        let end = request.offset + request.len;
        let object = &self.objects[request.file];
        let is_file = !matches!(request.back, Back::Anonymous | Back::Secret);
        let is_sealed = matches!(request.back, Back::Sealed | Back::SizeSealed);
        let written = request.shared && request.prot == Prot::Both;
        let too_short = is_file && first + count > object.pages.len();
        let refused = is_sealed && end > object.pages.len() * page()
            || request.back == Back::Sealed && written
            || request.populate && is_file && too_short;
        let nothing = request.populate && request.prot == Prot::None;
        if refused && count != 0 || nothing {
            return None;
        }
        let block = self.new_block();
        let mut leaves: Vec<Leaf> = match request.back {
            Back::Anonymous | Back::Exposed if !request.shared => vec![Leaf::fresh(); count],
            Back::Anonymous | Back::Exposed | Back::Secret => {
                self.objects.push(Object {
                    what: What::Nameless,
                    pages: vec![Content::ZEROS; count],
                });
                let object = self.objects.len() - 1;
                (0..count).map(|index| Leaf::of(object, index)).collect()
            }
            Back::File | Back::Sealed | Back::SizeSealed => (first..first + count)
                .map(|index| Leaf::of(request.file, index))
                .collect(),
        };
        for leaf in &mut leaves {
            leaf.locked = request.locked;
            if request.populate || request.locked || request.huge {
                leaf.presence = Presence::Unknown;
            }
            let copies = request.populate && request.prot == Prot::Both && !request.shared;
            if let (true, Some((object, index))) = (copies, leaf.behind) {
                leaf.own = Some(self.objects[object].pages[index].clone());
            }
        }
        Some(Slot {
            back: request.back,
            shared: request.shared,
            prot: request.prot,
            huge: request.huge,
            head: if count == 0 { 0 } else { head },
            len: request.len,
            leaves,
            block,
            first: 0,
            whole: true,
            special: request.locked || request.guarded || request.back == Back::Secret,
            locked: request.locked,
            cut: false,
            guards: [request.guarded && count != 0; 2],
            anonymous: request.back == Back::Anonymous,
        })
    }

    fn build(&mut self, name: Name, request: &Request) -> Outcome {
        match self.made(request) {
            Some(slot) => {
                self.slots.insert(name, slot);
                Outcome::Done
            }
            None => Outcome::Refused,
        }
    }

    fn split(&mut self, name: Name, at: usize, new: Name) -> Outcome {
        let slot = self.slot(name);
        let fits = at <= slot.len && (slot.head + at).is_multiple_of(slot.page());
        if !fits {
            return Outcome::Refused;
        }
        let index = (slot.head + at) / slot.page();
        let mut second = slot.clone();
        second.leaves = slot.leaves.split_off(index.min(slot.leaves.len()));
        second.first += index;
        second.len -= at;
        slot.len = at;
        second.head = 0;
        if slot.len == 0 {
            slot.guards = [false; 2];
        } else if second.len == 0 {
            second.guards = [false; 2];
        } else {
            (slot.cut, second.cut) = (true, true);
            (slot.guards[1], second.guards[0]) = (false, false);
        }
        self.slots.insert(new, second);
        Outcome::Done
    }

    fn join(&mut self, one: Name, two: Name) -> Outcome {
        let (first, second) = (&self.slots[&one], &self.slots[&two]);
        let neighbours = first.block == second.block
            && first.first + first.leaves.len() == second.first
            && (first.head + first.len).is_multiple_of(first.page())
            && second.head == 0;
        let alike = (first.back, first.shared, first.prot, first.huge)
            == (second.back, second.shared, second.prot, second.huge);
        // Another file is no other backing.
        if !(neighbours && alike) {
            return Outcome::Refused;
        }
        let second = self.slots.remove(&two).expect("a map");
        let first = self.slot(one);
        first.len += second.len;
        first.leaves.extend(second.leaves);
        first.whole = false;
        first.special |= second.special;
        first.locked |= second.locked;
        first.cut |= second.cut;
        first.guards[1] = second.guards[1];
        first.anonymous &= second.anonymous;
        Outcome::Done
    }

    fn reprotect(&mut self, name: Name, prot: Prot) -> Outcome {
        let slot = self.slot(name);
        let frozen = slot.back == Back::Sealed && slot.shared;
        if frozen && prot == Prot::Both && slot.len != 0 {
            return Outcome::Refused;
        }
        slot.prot = prot;
        // The kernel brings locked pages in.
        let locked = slot.locked || slot.huge;
        for leaf in slot.leaves.iter_mut().filter(|_| locked) {
            leaf.presence = Presence::Unknown;
        }
        Outcome::Done
    }

    fn remap(&mut self, name: Name, request: &Request) -> Outcome {
        let len = self.slot(name).len;
        let request = Request {
            len,
            ..request.clone()
        };
        let Some(new) = self.made(&request) else {
            return Outcome::Refused;
        };
        let slot = self.slot(name);
        let fits = new.huge == slot.huge && new.head == slot.head;
        if slot.len != 0 && !fits {
            return Outcome::Refused;
        }
        *slot = Slot {
            block: slot.block,
            first: slot.first,
            ..new
        };
        Outcome::Done
    }

    fn resize(&mut self, name: Name, len: usize) -> Outcome {
        let block = self.new_block();
        let slot = self.slot(name);
        if len == 0 {
            slot.special |= slot.locked || slot.is_guarded();
            slot.leaves.clear();
            (slot.len, slot.head, slot.whole, slot.locked) = (0, 0, true, false);
            slot.guards = [false; 2];
            slot.block = block;
            return Outcome::Done;
        }
        if len > isize::MAX as usize / 2 || slot.is_guarded() {
            return Outcome::Refused;
        }
        let (before, count) = (slot.leaves.len(), (slot.head + len).div_ceil(slot.page()));
        if before == 0 {
            let grows = slot.back == Back::Anonymous && !slot.special && !slot.locked && !slot.huge;
            if !grows {
                return Outcome::Refused;
            }
            slot.leaves = vec![Leaf::fresh(); count];
            (slot.len, slot.block, slot.first) = (len, block, 0);
            (slot.whole, slot.cut, slot.anonymous) = (true, false, true);
            return Outcome::Done;
        }
        if count > before {
            if slot.huge {
                return Outcome::Refused;
            }
            if !slot.whole {
                // What is several mappings may have become one again.
                (slot.block, slot.first) = (block, 0);
                return Outcome::Undone;
            }
            let last = slot.leaves[before - 1].clone();
            for more in 1..=count - before {
                let mut leaf = match last.behind {
                    Some((object, index)) => Leaf::of(object, index + more),
                    None => Leaf::fresh(),
                };
                leaf.locked = last.locked;
                if slot.locked {
                    leaf.presence = Presence::Unknown;
                }
                slot.leaves.push(leaf);
            }
            (slot.block, slot.first) = (block, 0);
        }
        // What is cut off was part of the same huge mapping.
        slot.cut |= count < before;
        slot.leaves.truncate(count);
        slot.len = len;
        Outcome::Done
    }

    fn take(&mut self, name: Name, range: Range<usize>, new: Name) -> Outcome {
        let block = self.new_block();
        let slot = self.slot(name);
        if slot.huge || !slot.whole {
            return Outcome::Refused;
        }
        let bytes = slot.bytes(range.clone());
        if slot.locked && range != (0..slot.leaves.len()) {
            slot.whole = false;
        }
        let mut taken = slot.clone();
        taken.leaves = slot.leaves[range.clone()].to_vec();
        taken.len = bytes.len();
        taken.head = if range.start == 0 { slot.head } else { 0 };
        (taken.block, taken.first) = (block, 0);
        (taken.whole, taken.locked, taken.guards) = (true, false, [false; 2]);
        for leaf in &mut taken.leaves {
            leaf.locked = false;
        }
        for leaf in &mut slot.leaves[range] {
            leaf.locked = false;
            if leaf.behind.is_some() {
                leaf.own = None;
            } else {
                *leaf = Leaf::fresh();
            }
        }
        self.slots.insert(new, taken);
        Outcome::Done
    }

    fn move_away(&mut self, name: Name) -> Outcome {
        let block = self.new_block();
        let slot = self.slot(name);
        if slot.len == 0 {
            return Outcome::Done;
        }
        if !slot.whole || slot.huge && slot.cut {
            return Outcome::Refused;
        }
        (slot.block, slot.first) = (block, 0);
        Outcome::Done
    }

    fn duplicate(&mut self, name: Name, new: Name) -> Outcome {
        let block = self.new_block();
        let slot = &self.slots[&name];
        if slot.huge || !slot.whole {
            return Outcome::Refused;
        }
        let twin = Slot {
            block,
            first: 0,
            guards: [false; 2],
            locked: false,
            ..slot.clone()
        };
        self.slots.insert(new, twin);
        Outcome::Done
    }

    fn expose(&mut self, name: Name) -> Outcome {
        self.slot(name).back = Back::Exposed;
        Outcome::Done
    }

    fn write(&mut self, name: Name, at: usize, len: usize, byte: u8) -> Outcome {
        let slot = &self.slots[&name];
        let outside = at.checked_add(len).is_none_or(|end| end > slot.len);
        if outside || slot.prot != Prot::Both {
            return Outcome::Refused;
        }
        let (page, head) = (slot.page(), slot.head);
        let mut done = 0;
        while done < len {
            let (index, place) = ((head + at + done) / page, (head + at + done) % page);
            let part = (page - place).min(len - done);
            let leaf = &self.slots[&name].leaves[index];
            let Some(mut content) = self.content(leaf).cloned() else {
                return Outcome::Faulted(done);
            };
            content.fill(page, place, part, byte);
            let shared = self.slots[&name].shared;
            let leaf = &mut self.slot(name).leaves[index];
            leaf.presence = Presence::Present;
            match leaf.behind {
                Some((object, index)) if shared => self.objects[object].pages[index] = content,
                _ => leaf.own = Some(content),
            }
            done += part;
        }
        Outcome::Done
    }

    fn advise(&mut self, name: Name, bytes: Range<usize>, hint: Hint) -> Outcome {
        let slot = &self.slots[&name];
        let range = slot.around(bytes.start, bytes.end);
        let (prot, shared, all) = (slot.prot, slot.shared, 0..slot.leaves.len());
        let marks = !matches!(
            hint,
            Hint::WillNeed | Hint::Cold | Hint::PageOut | Hint::PopulateRead | Hint::PopulateWrite
        );
        if marks && !range.is_empty() && range != all {
            self.slot(name).whole = false;
        }
        for leaf in &mut self.slot(name).leaves[range.clone()] {
            if leaf.presence == Presence::Present || !marks {
                leaf.presence = Presence::Unknown;
            }
        }
        if !matches!(hint, Hint::PopulateRead | Hint::PopulateWrite) {
            return Outcome::Either;
        }
        let writes = hint == Hint::PopulateWrite;
        if range.is_empty() {
            return Outcome::Done;
        }
        if prot == Prot::None || writes && prot != Prot::Both {
            return Outcome::Refused;
        }
        for index in range {
            let leaf = &self.slots[&name].leaves[index];
            let Some(content) = self.content(leaf).cloned() else {
                return Outcome::Refused;
            };
            if writes && !shared {
                self.slot(name).leaves[index].own = Some(content);
            }
        }
        Outcome::Done
    }

    fn discard(&mut self, name: Name, range: Range<usize>) -> Outcome {
        let slot = &self.slots[&name];
        let locked = slot.leaves[range.clone()].iter().any(|leaf| leaf.locked);
        let forbidden = slot.shared && (slot.prot != Prot::Both || locked);
        if slot.huge || !slot.anonymous || forbidden {
            return Outcome::Refused;
        }
        let shared = slot.shared;
        for index in range {
            let leaf = &mut self.slot(name).leaves[index];
            match leaf.behind {
                Some((object, index)) if shared => {
                    self.objects[object].pages[index] = Content::ZEROS;
                }
                _ => {
                    leaf.own = Some(Content::ZEROS);
                    leaf.presence = Presence::Absent;
                }
            }
        }
        Outcome::Done
    }

    fn revert(&mut self, name: Name, range: Range<usize>) -> Outcome {
        for leaf in &mut self.slot(name).leaves[range] {
            leaf.own = None;
            leaf.presence = Presence::Unknown;
        }
        Outcome::Done
    }

    fn punch_hole(&mut self, name: Name, range: Range<usize>) -> Outcome {
        let slot = &self.slots[&name];
        let locked = slot.leaves[range.clone()].iter().any(|leaf| leaf.locked);
        let whole = slot.bytes(range.clone());
        let exact = (slot.head + whole.start).is_multiple_of(page())
            && (slot.head + whole.end).is_multiple_of(page());
        if slot.prot != Prot::Both || locked || !exact {
            return Outcome::Refused;
        }
        for index in range {
            if let Some((object, index)) = self.slots[&name].leaves[index].behind
                && let Some(content) = self.objects[object].pages.get_mut(index)
            {
                *content = Content::ZEROS;
            }
        }
        Outcome::Done
    }

    fn lock(&mut self, name: Name, bytes: Range<usize>) -> Outcome {
        let slot = self.slot(name);
        let range = slot.around(bytes.start, bytes.end);
        if range.is_empty() {
            return Outcome::Either;
        }
        slot.locked = true;
        slot.whole &= range == (0..slot.leaves.len());
        let ordinary = !slot.huge;
        for leaf in &mut slot.leaves[range] {
            leaf.locked = ordinary;
            leaf.presence = Presence::Unknown;
        }
        Outcome::Either
    }

    fn unlock(&mut self, name: Name, bytes: Range<usize>) -> Outcome {
        let slot = self.slot(name);
        let range = slot.around(bytes.start, bytes.end);
        if range.is_empty() {
            return Outcome::Done;
        }
        slot.whole &= range == (0..slot.leaves.len());
        for leaf in &mut slot.leaves[range] {
            leaf.locked = false;
        }
        Outcome::Done
    }

    fn write_object(&mut self, file: usize, at: usize, len: usize, byte: u8) {
        let mut done = 0;
        while done < len {
            let (index, place) = ((at + done) / page(), (at + done) % page());
            let part = (page() - place).min(len - done);
            self.objects[file].pages[index].fill(page(), place, part, byte);
            done += part;
        }
    }

    /// What is cut off takes the copies of private maps with it.
    fn truncate(&mut self, file: usize, pages: usize) {
        self.objects[file].pages.resize(pages, Content::ZEROS);
        let slots = self.slots.values_mut().chain(self.for_ever.values_mut());
        let cells = self.rooms.values_mut().flat_map(|room| &mut room.cells);
        let leaves = slots.flat_map(|slot| &mut slot.leaves);
        for leaf in leaves.chain(cells.map(|cell| &mut cell.leaf)) {
            if leaf
                .behind
                .is_some_and(|(object, index)| object == file && index >= pages)
            {
                leaf.own = None;
            }
        }
    }
}

/// Whether the kernel may copy pages of a file for this map when it brings them in: what then shows, a change of the file tells.
fn may_copy(slot: &Slot) -> bool {
    !slot.shared && matches!(slot.back, Back::File | Back::SizeSealed)
}

/// Whether these are pages of a map.
fn is_row(slot: &Slot, first: usize, end: usize) -> bool {
    first < end && end <= slot.leaves.len()
}

/// Whether all of these pages are locked, or none is: of several mappings, some are emptied before one is refused.
fn locks_agree(slot: &Slot, range: Range<usize>) -> bool {
    let leaves = &slot.leaves[range];
    let none = !leaves.iter().any(|leaf| leaf.locked);
    none || (slot.shared || empties_locked()) && leaves.iter().all(|leaf| leaf.locked)
}
