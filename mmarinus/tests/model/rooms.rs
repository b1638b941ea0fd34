//! The real reservations of a program, each step on them, and whether they are what the model says.

use mmarinus::perms::Unknown;
use mmarinus::{Errno, Private, ProtFlags, Reservation, Shared, Source, Vma};

use super::held::{AnyMap, Held, flags, with_perms, with_type};
use super::plain::{Name, Outcome, Plain, Prot};
use super::room::{RoomOp, Thing};
use super::subject::Subject;
use crate::common::page;

impl Subject {
    fn room(&mut self, name: Name) -> &mut Reservation {
        self.rooms.get_mut(&name).expect("a reservation")
    }

    /// Makes a step.
    pub(crate) fn room_step(
        &mut self,
        name: Name,
        op: &RoomOp,
        outcome: Outcome,
    ) -> Result<(), String> {
        let bytes = |first: &usize, end: &usize| first * page()..end * page();
        let done = match op {
            RoomOp::Reserve(pages) => Reservation::new(pages * page()).map(|room| {
                self.rooms.insert(name, room);
            }),
            RoomOp::Place(first, end, thing) => self.place(name, bytes(first, end), *thing),
            RoomOp::Protect(first, end, prot) => {
                self.room(name).protect(bytes(first, end), flags(*prot))
            }
            RoomOp::Decommit(first, end) => self.room(name).decommit(bytes(first, end)),
            RoomOp::Guard(first, end) => self.room(name).guard(bytes(first, end)),
            RoomOp::Write(at, len, byte) => {
                let window = self.room(name).view(..).expect("all of it");
                match window.write_at(*at, &vec![*byte; *len]) {
                    Ok(()) => Ok(()),
                    Err(fault) => {
                        if let Outcome::Faulted(written) = outcome {
                            assert_eq!(fault.copied(), written, "{fault}");
                        }
                        Err(fault.into())
                    }
                }
            }
            RoomOp::Fill(pages, prot, new) => {
                let piece = self
                    .room(name)
                    .split_to(pages * page())
                    .expect("whole pages");
                if self.room(name).is_empty() {
                    self.rooms.remove(&name);
                }
                let map = match prot {
                    Prot::Both => piece.fill(mmarinus::perms::ReadWrite).map(Held::from),
                    prot => piece.fill(Unknown(flags(*prot))).map(Held::from),
                };
                map.map(|map| {
                    self.maps.insert(*new, AnyMap::from(map));
                })
                .map_err(mmarinus::Error::without_map)
            }
            RoomOp::Instead(map) => {
                let map = self.maps.remove(map).expect("a map of that name");
                let room = with_type!(map, held => with_perms!(held, map => {
                    map.decommit().map_err(mmarinus::Error::without_map)
                }));
                room.map(|room| {
                    self.rooms.insert(name, room);
                })
            }
            RoomOp::Join(second) => return self.join_rooms(name, *second, outcome),
            RoomOp::Drop => {
                let room = self.rooms.remove(&name).expect("a reservation");
                room.unmap().map_err(mmarinus::Error::without_map)
            }
        };
        done.map_err(|error| error.to_string())
    }

    fn place(
        &mut self,
        name: Name,
        range: core::ops::Range<usize>,
        thing: Thing,
    ) -> Result<(), mmarinus::Error> {
        let (room, at, prot) = (&self.rooms[&name], thing.offset as u64, flags(thing.prot));
        match thing.file {
            Some(file) => {
                let source = Source::of(&self.files[file])?;
                if thing.shared {
                    room.place(range, &source, at, Shared, prot)
                } else {
                    room.place(range, &source, at, Private, prot)
                }
            }
            None if thing.shared => room.place(range, &Source::anonymous(), at, Shared, prot),
            None => room.place(range, &Source::anonymous(), at, Private, prot),
        }
    }

    fn join_rooms(&mut self, one: Name, two: Name, outcome: Outcome) -> Result<(), String> {
        let first = self.rooms.remove(&one).expect("a reservation");
        let second = self.rooms.remove(&two).expect("a reservation");
        let touch = first.addr() + first.len() == second.addr();
        if touch && outcome == Outcome::Refused {
            self.rooms.insert(one, first);
            self.rooms.insert(two, second);
            return Err("not tried".to_owned());
        }
        match first.join(second) {
            Ok(room) => {
                self.rooms.insert(one, room);
                Ok(())
            }
            Err(error) => {
                let said = error.to_string();
                let (first, second) = error.into_map().expect("both");
                self.rooms.insert(one, first);
                self.rooms.insert(two, second);
                Err(said)
            }
        }
    }

    /// Asserts that each page of the reservations holds what the model says, or faults.
    pub(crate) fn check_rooms(&self, plain: &Plain) {
        assert_eq!(self.rooms.len(), plain.rooms.len(), "reservations");
        let mut buf = vec![0; page()];
        for (name, room) in &plain.rooms {
            let real = &self.rooms[name];
            assert_eq!(real.len(), room.cells.len() * page(), "{name}");
            for (index, cell) in room.cells.iter().enumerate() {
                let window = real.view(index * page()..(index + 1) * page());
                let done = window.expect("a page of it").read_at(0, &mut buf);
                let opens = cell.prot != Prot::None && !cell.guard;
                match (plain.content(&cell.leaf).filter(|_| opens), done) {
                    (Some(content), Ok(())) => {
                        assert_eq!(content.differs(0, &buf), None, "page {index}")
                    }
                    (None, Err(fault)) => {
                        assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 0))
                    }
                    (content, done) => panic!("page {index}, {cell:?}, {content:?}: {done:?}"),
                }
            }
        }
    }

    /// Asserts that the kernel has the permissions and the kind of each page as the model has.
    pub(crate) fn check_room_pages(&self, vmas: &[Vma], plain: &Plain) {
        for (name, room) in &plain.rooms {
            for (index, cell) in room.cells.iter().enumerate() {
                let address = self.rooms[name].addr() + index * page();
                let vma = vmas
                    .iter()
                    .find(|vma| vma.contains(address))
                    .expect("no hole");
                let seen =
                    vma.permissions() & (ProtFlags::READ | ProtFlags::WRITE | ProtFlags::EXEC);
                assert_eq!(
                    (seen, vma.is_shared()),
                    (flags(cell.prot), cell.shared),
                    "{address:#x} in {vma}"
                );
            }
        }
    }
}
