//! The model: maps as rows of pages, and what stands behind them, without a kernel.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use mmarinus_sys::Support;

use super::content::Content;
use super::room::Room;
use crate::common::{older_than, page};

/// The name of a map, which stays as long as the map does. So a program makes sense with steps left out.
pub(crate) type Name = u16;

/// How many maps there are at most.
pub(crate) const MOST_MAPS: usize = 10;
/// How many maps there are at most that stay for ever.
pub(crate) const MOST_FOR_EVER: usize = 4;
/// How many pages a new map has at most.
pub(crate) const MOST_PAGES: usize = 6;
/// How many pages a file has at the beginning.
pub(crate) const FILE_PAGES: usize = 8;

/// What stands behind a map, as its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    Anonymous,
    File,
    Sealed,
    SizeSealed,
    Secret,
    Exposed,
}

/// What pages allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prot {
    None,
    Read,
    Both,
}

/// Whether the page tables of the process have a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Absent,
    Present,
    Unknown,
}

/// One page of a map.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The object and the page of it that is shown, unless the map has its own.
    pub(crate) behind: Option<(usize, usize)>,
    /// What the map has for itself.
    pub(crate) own: Option<Content>,
    pub(crate) presence: Presence,
    pub(crate) locked: bool,
}

impl Leaf {
    /// A page of private memory that nobody touched.
    pub(crate) fn fresh() -> Self {
        Self {
            behind: None,
            own: Some(Content::ZEROS),
            presence: Presence::Absent,
            locked: false,
        }
    }

    /// A page of an object.
    pub(crate) fn of(object: usize, index: usize) -> Self {
        Self {
            behind: Some((object, index)),
            own: None,
            presence: Presence::Unknown,
            locked: false,
        }
    }
}

/// One map.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) back: Back,
    pub(crate) shared: bool,
    pub(crate) prot: Prot,
    pub(crate) huge: bool,
    /// Bytes of the first page before the map's first byte.
    pub(crate) head: usize,
    /// Bytes that were asked for.
    pub(crate) len: usize,
    pub(crate) leaves: Vec<Leaf>,
    /// Maps with the same number were cut from one; this is where in it, in pages.
    pub(crate) block: u32,
    pub(crate) first: usize,
    /// Whether the kernel surely has it as one mapping.
    pub(crate) whole: bool,
    /// Whether new pages would lack what it was made with.
    pub(crate) special: bool,
    /// Whether it may have been locked.
    pub(crate) locked: bool,
    /// Whether it was cut.
    pub(crate) cut: bool,
    /// Whether there is a guard before it, and one behind it.
    pub(crate) guards: [bool; 2],
    /// Whether no file is behind it.
    pub(crate) anonymous: bool,
}

impl Slot {
    /// The size of its pages in bytes.
    pub(crate) fn page(&self) -> usize {
        if self.huge { HUGE } else { page() }
    }

    /// The pages that a range of its bytes touches.
    pub(crate) fn around(&self, start: usize, end: usize) -> core::ops::Range<usize> {
        if start == end {
            return 0..0;
        }
        (self.head + start) / self.page()..(self.head + end).div_ceil(self.page())
    }

    /// The bytes that pages hold of it.
    pub(crate) fn bytes(&self, pages: core::ops::Range<usize>) -> core::ops::Range<usize> {
        let at = |page: usize| (page * self.page()).saturating_sub(self.head).min(self.len);
        at(pages.start)..at(pages.end)
    }

    pub(crate) fn is_guarded(&self) -> bool {
        self.guards != [false; 2]
    }
}

/// What maps show.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) what: What,
    pub(crate) pages: Vec<Content>,
}

/// Sorts of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A file on a disk, which anybody changes.
    Disk,
    /// A file in memory, which anybody changes.
    Memory,
    /// A file in memory that nobody changes.
    Sealed,
    /// A file in memory that nobody makes shorter.
    SizeSealed,
    /// Shared memory of no file.
    Nameless,
}

/// The files that are there from the beginning, by number.
pub(crate) const FILES: [What; 4] = [What::Disk, What::Memory, What::Sealed, What::SizeSealed];

/// What has to come of the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// An error that leaves all as it was.
    Refused,
    /// Hints may be refused. Nothing that the model knows changes.
    Either,
    /// The kernel may refuse it, or not; then it is undone, as it is here.
    Undone,
    /// So many bytes are written, and then a page is missing.
    Faulted(usize),
}

/// All that there is.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) slots: BTreeMap<Name, Slot>,
    pub(crate) for_ever: BTreeMap<Name, Slot>,
    pub(crate) rooms: BTreeMap<Name, Room>,
    pub(crate) objects: Vec<Object>,
    pub(crate) blocks: u32,
    pub(crate) steps: usize,
    pub(crate) outcome: Outcome,
}

impl Plain {
    /// The files, and no map.
    pub(crate) fn new() -> Self {
        let files = FILES.map(|what| Object {
            what,
            pages: (0..FILE_PAGES)
                .map(|index| Content::of_file(index, page()))
                .collect(),
        });
        Self {
            slots: BTreeMap::new(),
            for_ever: BTreeMap::new(),
            rooms: BTreeMap::new(),
            objects: files.into(),
            blocks: 0,
            steps: 0,
            outcome: Outcome::Done,
        }
    }

    /// What a page shows, or nothing if its object has ended.
    pub(crate) fn content<'a>(&'a self, leaf: &'a Leaf) -> Option<&'a Content> {
        if leaf.own.is_some() {
            return leaf.own.as_ref();
        }
        let (object, index) = leaf.behind?;
        self.objects[object].pages.get(index)
    }

    /// A number that no map has.
    pub(crate) fn new_block(&mut self) -> u32 {
        self.blocks += 1;
        self.blocks
    }

    /// The huge pages of all maps.
    pub(crate) fn huge_pages(&self) -> usize {
        let all = self.slots.values().chain(self.for_ever.values());
        all.filter(|slot| slot.huge)
            .map(|slot| slot.leaves.len())
            .sum()
    }

    /// Whether no map has this name.
    pub(crate) fn is_free(&self, name: Name) -> bool {
        !self.slots.contains_key(&name)
            && !self.for_ever.contains_key(&name)
            && !self.rooms.contains_key(&name)
    }
}

/// The size of a huge page in bytes.
pub(crate) const HUGE: usize = 2 << 20;

/// How many huge pages a program may have: what is free when the first is made, or none.
pub(crate) fn huge_budget() -> usize {
    static BUDGET: OnceLock<usize> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        let pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
        let free = std::fs::read_to_string(pool).unwrap_or_default();
        // Before, huge pages are not moved.
        if older_than(5, 18) {
            0
        } else {
            free.trim().parse().unwrap_or(0).min(4)
        }
    })
}

/// Whether the kernel brings pages in when it is told to.
pub(crate) fn populates() -> bool {
    Support::populate()
}

/// Whether the kernel seals mappings.
pub(crate) fn seals() -> bool {
    Support::mseal()
}

/// Whether there is memory that the kernel itself does not map.
pub(crate) fn keeps_secrets() -> bool {
    static SECRETS: OnceLock<bool> = OnceLock::new();
    *SECRETS.get_or_init(Support::memfd_secret)
}

/// Whether the kernel empties pages that are locked.
pub(crate) fn empties_locked() -> bool {
    static EMPTIES: OnceLock<bool> = OnceLock::new();
    *EMPTIES.get_or_init(|| !older_than(5, 18))
}
