//! The kernel's account of a process: descriptors, mapped ranges, locked bytes, huge pages; and how two accounts differ.

use std::collections::BTreeMap;
use std::fs;

/// The files of the calling thread: those of the process are empty once its main thread has ended.
const OWN: &str = "/proc/thread-self";

/// The account of one moment.
#[derive(Debug)]
pub(crate) struct Account {
    /// What each open descriptor leads to.
    fds: BTreeMap<u32, String>,
    /// In the order of their addresses. The heap and the main stack are missing: they grow as they like.
    mapped: Vec<Mapped>,
    locked: u64,
    huge: u64,
    pub(crate) threads: u64,
}

/// The huge pages of a machine, by the name of their size: free, reserved and surplus ones.
pub(crate) type Pools = BTreeMap<String, [u64; 3]>;

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapped {
    start: u64,
    end: u64,
    /// As in `rw-p`, and the object behind it.
    what: String,
}

/// What one account has more than another, or otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Descriptors that were not open.
    pub(crate) fds: Vec<String>,
    /// Descriptors that were open, and lead elsewhere or nowhere.
    pub(crate) lost_fds: Vec<String>,
    /// Ranges that were not mapped.
    pub(crate) mapped: Vec<String>,
    pub(crate) mapped_bytes: u64,
    /// Ranges that were mapped, and are no longer or otherwise.
    pub(crate) changed: Vec<String>,
    /// How many bytes more are locked.
    pub(crate) locked: i64,
    /// How many bytes more of huge pages are mapped.
    pub(crate) huge: i64,
}

impl Account {
    /// Reads the account of this process.
    pub(crate) fn read() -> Self {
        let maps = fs::read_to_string(format!("{OWN}/maps")).expect("the mappings of this process");
        let status =
            fs::read_to_string(format!("{OWN}/status")).expect("the status of this process");
        Self {
            fds: descriptors(),
            mapped: maps.lines().filter_map(read_mapping).collect(),
            locked: figure(&status, "VmLck:"),
            huge: figure(&status, "HugetlbPages:"),
            threads: number(&status, "Threads:"),
        }
    }

    /// What came and went from `before` until this one.
    pub(crate) fn since(&self, before: &Self) -> Difference {
        let mut difference = Difference {
            locked: self.locked.cast_signed() - before.locked.cast_signed(),
            huge: self.huge.cast_signed() - before.huge.cast_signed(),
            ..Difference::default()
        };
        for (fd, leads_to) in &self.fds {
            if before.fds.get(fd) != Some(leads_to) {
                difference.fds.push(format!("{fd} to {leads_to}"));
            }
        }
        for (fd, leads_to) in &before.fds {
            if self.fds.get(fd) != Some(leads_to) {
                difference.lost_fds.push(format!("{fd} to {leads_to}"));
            }
        }
        self.compare_ranges(before, &mut difference);
        difference
    }

    /// Goes from border to border of both accounts; between two borders each has one mapping or none.
    fn compare_ranges(&self, before: &Self, difference: &mut Difference) {
        let ranges = self.mapped.iter().chain(&before.mapped);
        let mut borders: Vec<u64> = ranges.flat_map(|range| [range.start, range.end]).collect();
        borders.sort_unstable();
        borders.dedup();
        // The mapping that is new, while its parts are found.
        let mut last = 0;
        for pair in borders.windows(2) {
            let (start, end) = (pair[0], pair[1]);
            match (before.at(start), self.at(start)) {
                (None, Some(new)) => {
                    difference.mapped_bytes += end - start;
                    // Many parts of one mapping are one leak.
                    if last != new.start {
                        difference
                            .mapped
                            .push(format!("{:x}-{:x} {}", new.start, new.end, new.what));
                        last = new.start;
                    }
                }
                (Some(old), new) if new.is_none_or(|new| new.what != old.what) => {
                    let now = new.map_or("nothing", |new| new.what.as_str());
                    difference
                        .changed
                        .push(format!("{start:x}-{end:x} {}, now {now}", old.what));
                }
                _ => {}
            }
        }
    }

    /// The mapping that holds this address.
    fn at(&self, addr: u64) -> Option<&Mapped> {
        let after = self.mapped.partition_point(|range| range.start <= addr);
        let range = self.mapped.get(after.checked_sub(1)?)?;
        (addr < range.end).then_some(range)
    }
}

/// What each open descriptor leads to, but for the one that reads the list.
fn descriptors() -> BTreeMap<u32, String> {
    let entries = fs::read_dir(format!("{OWN}/fd")).expect("the descriptors of this process");
    let leads_to = entries.flatten().filter_map(|entry| {
        let target = entry.path().read_link().ok()?;
        let fd = entry.file_name().to_str()?.parse().ok()?;
        let target = target.display().to_string();
        let is_the_list = target.starts_with("/proc/") && target.ends_with("/fd");
        (!is_the_list).then_some((fd, target))
    });
    leads_to.collect()
}

/// Reads `start-end perms offset device inode name`, unless it is the heap or the main stack.
fn read_mapping(line: &str) -> Option<Mapped> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let perms = words.next()?;
    let object: Vec<&str> = words.skip(1).collect();
    if let Some(&("[heap]" | "[stack]")) = object.last() {
        return None;
    }
    Some(Mapped {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        what: format!("{perms} {}", object.join(" ")),
    })
}

/// A figure of the status, in bytes.
fn figure(status: &str, name: &str) -> u64 {
    number(status, name) << 10
}

/// A number of the status; 0 if it is missing.
fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

/// The huge pages of the machine: for each size the free, the reserved and the surplus ones.
pub(crate) fn pools() -> Pools {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else {
        return BTreeMap::new();
    };
    let pool = |size: fs::DirEntry| {
        let figure = |name: &str| {
            let text = fs::read_to_string(size.path().join(name)).unwrap_or_default();
            text.trim().parse().unwrap_or(0)
        };
        let figures = ["free_hugepages", "resv_hugepages", "surplus_hugepages"].map(figure);
        (size.file_name().to_string_lossy().into_owned(), figures)
    };
    sizes.flatten().map(pool).collect()
}
