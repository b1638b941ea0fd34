//! The guests: what each has, and how qemu is told so. All else it must not have.

use super::guest::{Guest, Tests};

/// How large a disk is, in MiB.
pub(super) const DISK: u64 = 192;

/// Everything that a machine can have.
pub(super) static RICH: Guest = Guest {
    name: "rich",
    features: &[
        ("pkeys", (5, 10)),
        ("two_nodes", (5, 10)),
        ("dax", (5, 10)),
        ("disk", (5, 10)),
        ("huge_2mb", (5, 10)),
        ("huge_1gb", (5, 10)),
        // Older kernels of Debian are built without it.
        ("address57", (6, 1)),
        ("memfd_secret", (5, 14)),
    ],
    machine: &[
        "-cpu",
        "max",
        "-m",
        "6G",
        "-object",
        "memory-backend-ram,id=m0,size=3G",
        "-object",
        "memory-backend-ram,id=m1,size=3G",
        "-numa",
        "node,nodeid=0,memdev=m0,cpus=0",
        "-numa",
        "node,nodeid=1,memdev=m1,cpus=1",
    ],
    // Persistent memory comes from ranges that the kernel is told to take for it: beyond the first 4 GiB, with a gap, so
    // that they stay two.
    settings: "memmap=192M!4G memmap=192M!4608M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64 secretmem.enable=1",
    modules: &[("nd_e820", ""), ("nd_pmem", ""), ("ext4", "")],
    disks: &["/dev/pmem0\t/dax\tdax", "/dev/pmem1\t/disk\t"],
    tests: Tests::All,
};

/// Nothing of it; what asks for nothing finds no other machine than a rich one.
pub(super) static POOR: Guest = Guest {
    name: "poor",
    features: &[],
    // Without random numbers of the CPU the kernel has none for minutes, and programs wait for them.
    machine: &["-cpu", "qemu64,+rdrand", "-m", "2G"],
    settings: "secretmem.enable=0",
    modules: &[],
    disks: &[],
    tests: Tests::Asking,
};

/// What a board of this architecture can have in qemu: no protection keys, and no memory for `MAP_SYNC`.
const AARCH64_FEATURES: &[(&str, (u64, u64))] = &[
    ("two_nodes", (5, 10)),
    ("disk", (5, 10)),
    ("huge_2mb", (5, 10)),
    ("huge_1gb", (5, 10)),
    ("memfd_secret", (5, 14)),
];

/// Signatures of pointers as the architecture has them would take most of the time.
const AARCH64_MACHINE: &[&str] = &[
    "-cpu",
    "max,pauth-impdef=on",
    "-m",
    "6G",
    "-object",
    "memory-backend-ram,id=m0,size=3G",
    "-object",
    "memory-backend-ram,id=m1,size=3G",
    "-numa",
    "node,nodeid=0,memdev=m0,cpus=0",
    "-numa",
    "node,nodeid=1,memdev=m1,cpus=1",
];

/// The disk is in memory, but the kernel takes it for one.
const AARCH64_MODULES: &[(&str, &str)] = &[("brd", "rd_nr=1 rd_size=196608"), ("ext4", "")];
const AARCH64_DISKS: &[&str] = &["/dev/ram0\t/disk\t"];

/// aarch64, with pages of 4 KiB.
pub(super) static AARCH64_4K: Guest = Guest {
    name: "aarch64-4k",
    features: AARCH64_FEATURES,
    machine: AARCH64_MACHINE,
    settings: "hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64 secretmem.enable=1",
    modules: AARCH64_MODULES,
    disks: AARCH64_DISKS,
    tests: Tests::All,
};

/// aarch64, with pages of 16 KiB; its huge pages are those of 32 MiB by default, and others.
pub(super) static AARCH64_16K: Guest = Guest {
    name: "aarch64-16k",
    features: AARCH64_FEATURES,
    machine: AARCH64_MACHINE,
    settings: "hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64 hugepagesz=32M hugepages=8 secretmem.enable=1",
    modules: AARCH64_MODULES,
    disks: AARCH64_DISKS,
    tests: Tests::All,
};

/// Every feature that some guest has.
pub(super) fn features() -> impl Iterator<Item = &'static str> {
    RICH.features.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_richest_guest_has_all_that_others_have() {
        for guest in [&POOR, &AARCH64_4K, &AARCH64_16K] {
            for (name, _) in guest.features {
                assert!(features().any(|known| known == *name), "{name}");
            }
        }
    }

    #[test]
    fn every_disk_has_room() {
        assert!(RICH.settings.contains(&format!("memmap={DISK}M!4G ")));
        assert!(
            AARCH64_MODULES[0]
                .1
                .ends_with(&format!("rd_size={}", DISK << 10))
        );
    }
}
