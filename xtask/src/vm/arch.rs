//! The architectures whose machines are emulated, and how each is called by those who have to know.

/// The architecture of the machines that build and emulate.
pub(super) const HOST: &str = "amd64";

/// An architecture.
#[derive(Debug)]
pub(super) struct Arch {
    /// As Rust names it.
    pub(super) target: &'static str,
    /// As Debian names it.
    pub(super) debian: &'static str,
    /// The emulator, and the package that has it.
    pub(super) qemu: &'static str,
    pub(super) qemu_package: &'static str,
    /// The board, with two serial lines: the kernel's, whose device this names for the kernel's own words, ...
    pub(super) board: &'static [&'static str],
    pub(super) console: &'static str,
    /// ... and that of the first process, which is qemu's device `report`.
    pub(super) report: &'static str,
    /// The linker as rustc calls it, and the package that has it. None where the host's own is the right one.
    pub(super) linker: Option<(&'static str, &'static str)>,
}

pub(super) static X86_64: Arch = Arch {
    target: "x86_64-unknown-linux-gnu",
    debian: "amd64",
    qemu: "qemu-system-x86_64",
    qemu_package: "qemu-system-x86",
    board: &[
        "-machine",
        "pc",
        "-serial",
        "chardev:console",
        "-serial",
        "chardev:report",
    ],
    console: "ttyS0",
    report: "/dev/ttyS1",
    linker: None,
};

pub(super) static AARCH64: Arch = Arch {
    target: "aarch64-unknown-linux-gnu",
    debian: "arm64",
    qemu: "qemu-system-aarch64",
    qemu_package: "qemu-system-arm",
    // The board itself has one serial line.
    board: &[
        "-machine",
        "virt",
        "-serial",
        "chardev:console",
        "-device",
        "pci-serial,chardev=report",
    ],
    console: "ttyAMA0",
    report: "/dev/ttyS0",
    linker: Some(("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")),
};

/// A build of the kernel: for an architecture, and maybe with pages of another size.
#[derive(Debug)]
pub(super) struct Flavour {
    pub(super) arch: &'static Arch,
    /// The end of the package's name.
    pub(super) suffix: &'static str,
}

/// Those of clouds are small and boot fast.
pub(super) static CLOUD_X86_64: Flavour = Flavour {
    arch: &X86_64,
    suffix: "-cloud-amd64",
};

pub(super) static CLOUD_AARCH64: Flavour = Flavour {
    arch: &AARCH64,
    suffix: "-cloud-arm64",
};

/// With pages of 16 KiB.
pub(super) static AARCH64_16K: Flavour = Flavour {
    arch: &AARCH64,
    suffix: "-arm64-16k",
};
