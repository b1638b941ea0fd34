//! What a test may need and a machine may lack, one function for each: what `needs!` asks.
//!
//! A function's name is the name of the feature. `MMARINUS_REQUIRED` names those that the machine must have, with commas
//! between; there, to lack one is a failure. In it, `kernel` stands for all that the version of the kernel decides.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mmarinus_sys::{Support, UffdFeatures};

/// The variable that names the features which are there.
const REQUIRED: &str = "MMARINUS_REQUIRED";

/// The variable that says that this is a guest of `cargo xtask vm`.
const GUEST: &str = "MMARINUS_GUEST";

/// The variable that names a folder on a file system with direct access.
const DAX: &str = "MMARINUS_DAX";

/// Whether a feature is there.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) is_there: bool,
    /// What there is to say if it is not.
    pub(crate) why: String,
    /// The version of the kernel that has it, if nothing else decides.
    since: Option<(u32, u32)>,
}

impl Feature {
    /// A feature of the machine, or of how it is set up.
    fn of_machine(name: &'static str, is_there: bool, why: &str) -> Self {
        let why = why.to_owned();
        Self {
            name,
            is_there,
            why,
            since: None,
        }
    }

    /// A feature of the kernel, in the configuration that Debian has on 64 bits.
    fn of_kernel(name: &'static str, is_there: bool, since: (u32, u32)) -> Self {
        let why = format!("{name} needs Linux {}.{}", since.0, since.1);
        Self {
            name,
            is_there,
            why,
            since: Some(since),
        }
    }

    /// Whether the machine is known to have it, so that a test must not be skipped for its sake.
    pub(crate) fn is_required(&self) -> bool {
        let required = std::env::var(REQUIRED).unwrap_or_default();
        self.is_required_by(&required, running())
    }

    /// The same, for a list and a version.
    pub(crate) fn is_required_by(&self, required: &str, running: (u32, u32)) -> bool {
        required.split(',').any(|word| match (word, self.since) {
            ("kernel", Some(since)) => since <= running,
            _ => word == self.name,
        })
    }
}

/// The kernel has this version or a later one: `needs!(linux = "6.13")`. It is never required.
pub(crate) fn linux(version: &str) -> Feature {
    let is_there = read_version(version) <= running();
    Feature::of_machine("linux", is_there, &format!("needs Linux {version}"))
}

/// The test runs as root.
pub(crate) fn root() -> Feature {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    Feature::of_machine("root", is_root, "needs root")
}

/// The test was started by cargo, which can build what is missing.
pub(crate) fn cargo() -> Feature {
    let is_there = std::env::var_os("CARGO").is_some_and(|cargo| Path::new(&cargo).is_file());
    Feature::of_machine(
        "cargo",
        is_there,
        "examples are run where cargo can build them",
    )
}

/// This is a guest: nobody else lives here, so settings of the machine may be changed.
pub(crate) fn guest() -> Feature {
    let is_there = std::env::var_os(GUEST).is_some();
    Feature::of_machine(
        "guest",
        is_there,
        "settings of a machine are changed in guests only",
    )
}

/// The CPU and the kernel have protection keys.
pub(crate) fn pkeys() -> Feature {
    Feature::of_machine(
        "pkeys",
        Support::pkeys(),
        "the CPU or the kernel has no protection keys",
    )
}

/// There are two NUMA nodes with memory.
pub(crate) fn two_nodes() -> Feature {
    let nodes = fs::read_to_string("/sys/devices/system/node/has_memory").unwrap_or_default();
    // A list such as `0-1` or `0,2`.
    Feature::of_machine(
        "two_nodes",
        nodes.contains(['-', ',']),
        "there is one NUMA node",
    )
}

/// There is a folder on a file system with direct access, where `MAP_SYNC` works: [`dax_folder`].
pub(crate) fn dax() -> Feature {
    let why = format!("{DAX} names no folder on a file system with direct access");
    Feature::of_machine("dax", dax_folder().is_some(), &why)
}

/// Temporary files lie on a disk, not in memory.
pub(crate) fn disk() -> Feature {
    let folder = std::env::temp_dir();
    let folder = folder.canonicalize().unwrap_or(folder);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    // The last mount of the longest path above the folder is the one that counts.
    let mounted = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        folder.starts_with(place).then_some((place.len(), kind))
    });
    let kind = mounted
        .max_by_key(|(len, _)| *len)
        .map_or("", |(_, kind)| kind);
    let is_there = !["", "tmpfs", "ramfs"].contains(&kind);
    Feature::of_machine("disk", is_there, "temporary files live in memory")
}

/// A page of 2 MiB is free.
pub(crate) fn huge_2mb() -> Feature {
    Feature::of_machine(
        "huge_2mb",
        has_free(2 << 20),
        "no huge page of 2 MiB is free",
    )
}

/// A page of 1 GiB is free.
pub(crate) fn huge_1gb() -> Feature {
    Feature::of_machine(
        "huge_1gb",
        has_free(1 << 30),
        "no huge page of 1 GiB is free",
    )
}

/// Addresses may have 57 bits.
pub(crate) fn address57() -> Feature {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = cpus.split_whitespace().any(|word| word == "la57");
    Feature::of_machine("address57", has, "addresses have 48 bits")
}

/// `memfd_secret` is there and switched on.
pub(crate) fn memfd_secret() -> Feature {
    let why = "memfd_secret is missing or switched off";
    Feature::of_machine("memfd_secret", Support::memfd_secret(), why)
}

/// `mseal` is there.
pub(crate) fn mseal() -> Feature {
    Feature::of_kernel("mseal", Support::mseal(), (6, 10))
}

/// The kernel can merge equal pages.
pub(crate) fn ksm() -> Feature {
    let is_there = Path::new("/sys/kernel/mm/ksm").is_dir();
    Feature::of_machine("ksm", is_there, "the kernel was built without KSM")
}

/// Guard pages can be installed in anonymous memory.
pub(crate) fn guard_regions() -> Feature {
    Feature::of_kernel("guard_regions", Support::guard_regions(), (6, 13))
}

/// Guard pages can be installed everywhere, and `pagemap` shows them.
pub(crate) fn file_guard_regions() -> Feature {
    Feature::of_kernel("file_guard_regions", Support::file_guard_regions(), (6, 15))
}

/// Pages can be read in by advice.
pub(crate) fn populate() -> Feature {
    Feature::of_kernel("populate", Support::populate(), (5, 14))
}

/// Memory can be made of huge pages by advice.
pub(crate) fn collapse() -> Feature {
    Feature::of_kernel("collapse", Support::collapse(), (6, 1))
}

/// Memory may be droppable.
pub(crate) fn droppable() -> Feature {
    Feature::of_kernel("droppable", Support::droppable(), (6, 11))
}

/// `cachestat` is there.
pub(crate) fn cachestat() -> Feature {
    Feature::of_kernel("cachestat", Support::cachestat(), (6, 5))
}

/// The maps of a process can be queried.
pub(crate) fn procmap_query() -> Feature {
    Feature::of_kernel("procmap_query", Support::procmap_query(), (6, 11))
}

/// The pages of a process can be scanned.
pub(crate) fn pagemap_scan() -> Feature {
    Feature::of_kernel("pagemap_scan", Support::pagemap_scan(), (6, 7))
}

/// `process_mrelease` is there.
pub(crate) fn process_mrelease() -> Feature {
    Feature::of_kernel("process_mrelease", Support::process_mrelease(), (5, 15))
}

/// `process_madvise` takes every advice for the own process.
pub(crate) fn process_madvise_self() -> Feature {
    Feature::of_kernel(
        "process_madvise_self",
        Support::process_madvise_self(),
        (6, 13),
    )
}

/// A memfd may be made not executable.
pub(crate) fn memfd_noexec_seal() -> Feature {
    Feature::of_kernel("memfd_noexec_seal", Support::memfd_noexec_seal(), (6, 3))
}

/// New executable memory can be refused.
pub(crate) fn mdwe() -> Feature {
    Feature::of_kernel("mdwe", Support::mdwe(), (6, 3))
}

/// A policy may have a home node.
pub(crate) fn mempolicy_home_node() -> Feature {
    Feature::of_kernel(
        "mempolicy_home_node",
        Support::mempolicy_home_node(),
        (5, 17),
    )
}

/// A userfaultfd that handles faults of user space can be made.
pub(crate) fn userfaultfd_user_mode_only() -> Feature {
    let is_there = Support::userfaultfd_user_mode_only();
    Feature::of_kernel("userfaultfd_user_mode_only", is_there, (5, 11))
}

/// A userfaultfd that handles faults of the kernel too can be made.
pub(crate) fn userfaultfd() -> Feature {
    let why = "userfaultfd is missing, or needs a privilege";
    Feature::of_machine("userfaultfd", Support::userfaultfd(), why)
}

/// Writes to any memory can be tracked.
pub(crate) fn wp_async() -> Feature {
    let is_there = Support::userfaultfd_features().contains(UffdFeatures::WP_ASYNC);
    Feature::of_kernel("wp_async", is_there, (6, 7))
}

/// Pages can be moved by a userfaultfd.
pub(crate) fn uffd_move() -> Feature {
    let is_there = Support::userfaultfd_features().contains(UffdFeatures::MOVE);
    Feature::of_kernel("uffd_move", is_there, (6, 8))
}

/// Pages can be poisoned by a userfaultfd.
pub(crate) fn uffd_poison() -> Feature {
    let is_there = Support::userfaultfd_features().contains(UffdFeatures::POISON);
    Feature::of_kernel("uffd_poison", is_there, (6, 6))
}

/// Shadow stacks can be had. No emulator has them, so no list names them.
pub(crate) fn shadow_stack() -> Feature {
    Feature::of_machine(
        "shadow_stack",
        Support::shadow_stack(),
        "the CPU or the kernel has no shadow stacks",
    )
}

/// Anonymous memory can be named. Many kernels are built without.
pub(crate) fn vma_anon_name() -> Feature {
    Feature::of_machine(
        "vma_anon_name",
        Support::vma_anon_name(),
        "the kernel is built without ANON_VMA_NAME",
    )
}

/// A folder on a file system with direct access, where `MAP_SYNC` works.
pub(crate) fn dax_folder() -> Option<PathBuf> {
    std::env::var_os(DAX)
        .map(PathBuf::from)
        .filter(|folder| folder.is_dir())
}

/// Whether a huge page of this many bytes is free.
fn has_free(bytes: usize) -> bool {
    let pool = format!(
        "/sys/kernel/mm/hugepages/hugepages-{}kB/free_hugepages",
        bytes / 1024
    );
    fs::read_to_string(Path::new(&pool)).is_ok_and(|free| free.trim() != "0")
}

/// Major and minor number of the running kernel.
fn running() -> (u32, u32) {
    read_version(&fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's release"))
}

/// Reads `6.13`, and what begins so.
fn read_version(text: &str) -> (u32, u32) {
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => panic!("{text} is no version of Linux"),
    }
}
