//! The architectures for which Rust has a Linux target, and what tells the kernel's headers which of them is meant.

/// An architecture.
#[derive(Debug)]
pub(super) struct Arch {
    /// The folder of linux-raw-sys.
    pub(super) name: &'static str,
    /// What rustc calls it.
    pub(super) target_arch: &'static str,
    /// The width of a pointer, and of `long`.
    pub(super) bits: u32,
    /// The folder with the headers of this architecture.
    pub(super) headers: &'static str,
    /// Makes the C compiler of an x86_64 machine lay types out as they are there.
    pub(super) model: &'static str,
    /// What the C compiler for this architecture defines, and the headers look at.
    pub(super) macros: &'static [&'static str],
}

impl Arch {
    /// Whether the programs of this machine are of this architecture.
    pub(super) fn is_host(&self) -> bool {
        self.name == "x86_64"
    }
}

/// Which architectures are not compared, and why.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("csky", "there is no package of its headers"),
    ("hexagon", "there is no package of its headers"),
    (
        "m68k",
        "rustix, which mmarinus-sys calls, knows no ioctl numbers for it",
    ),
];

pub(super) const ARCHES: &[Arch] = &[
    Arch {
        name: "x86_64",
        target_arch: "x86_64",
        bits: 64,
        headers: "x86_64-linux-gnu",
        model: "-m64",
        macros: &["__x86_64__"],
    },
    Arch {
        name: "x32",
        target_arch: "x86_64",
        bits: 32,
        headers: "x86_64-linux-gnux32",
        model: "-mx32",
        macros: &["__x86_64__"],
    },
    Arch {
        name: "x86",
        target_arch: "x86",
        bits: 32,
        headers: "i386-linux-gnu",
        model: "-m32",
        macros: &["__i386__"],
    },
    Arch {
        name: "aarch64",
        target_arch: "aarch64",
        bits: 64,
        headers: "aarch64-linux-gnu",
        model: "-m64",
        macros: &["__aarch64__"],
    },
    Arch {
        name: "arm",
        target_arch: "arm",
        bits: 32,
        headers: "arm-linux-gnueabihf",
        model: "-m32",
        macros: &["__arm__", "__ARM_EABI__"],
    },
    Arch {
        name: "loongarch64",
        target_arch: "loongarch64",
        bits: 64,
        headers: "loongarch64-linux-gnu",
        model: "-m64",
        macros: &["__loongarch__"],
    },
    Arch {
        name: "mips",
        target_arch: "mips",
        bits: 32,
        headers: "mips-linux-gnu",
        model: "-m32",
        macros: &["__mips__", "__MIPSEB__", "_MIPS_SIM=1", "_MIPS_SZLONG=32"],
    },
    // The kernel's headers do not tell the releases of mips apart.
    Arch {
        name: "mips32r6",
        target_arch: "mips32r6",
        bits: 32,
        headers: "mips-linux-gnu",
        model: "-m32",
        macros: &["__mips__", "__MIPSEB__", "_MIPS_SIM=1", "_MIPS_SZLONG=32"],
    },
    Arch {
        name: "mips64",
        target_arch: "mips64",
        bits: 64,
        headers: "mips64-linux-gnuabi64",
        model: "-m64",
        macros: &["__mips__", "__MIPSEB__", "_MIPS_SIM=3", "_MIPS_SZLONG=64"],
    },
    Arch {
        name: "mips64r6",
        target_arch: "mips64r6",
        bits: 64,
        headers: "mips64-linux-gnuabi64",
        model: "-m64",
        macros: &["__mips__", "__MIPSEB__", "_MIPS_SIM=3", "_MIPS_SZLONG=64"],
    },
    Arch {
        name: "powerpc",
        target_arch: "powerpc",
        bits: 32,
        headers: "powerpc-linux-gnu",
        model: "-m32",
        macros: &["__powerpc__"],
    },
    Arch {
        name: "powerpc64",
        target_arch: "powerpc64",
        bits: 64,
        headers: "powerpc64le-linux-gnu",
        model: "-m64",
        macros: &["__powerpc__", "__powerpc64__"],
    },
    Arch {
        name: "riscv32",
        target_arch: "riscv32",
        bits: 32,
        headers: "riscv64-linux-gnu",
        model: "-m32",
        macros: &["__riscv", "__riscv_xlen=32"],
    },
    Arch {
        name: "riscv64",
        target_arch: "riscv64",
        bits: 64,
        headers: "riscv64-linux-gnu",
        model: "-m64",
        macros: &["__riscv", "__riscv_xlen=64"],
    },
    Arch {
        name: "s390x",
        target_arch: "s390x",
        bits: 64,
        headers: "s390x-linux-gnu",
        model: "-m64",
        macros: &["__s390__", "__s390x__"],
    },
    Arch {
        name: "sparc",
        target_arch: "sparc",
        bits: 32,
        headers: "sparc64-linux-gnu",
        model: "-m32",
        macros: &["__sparc__"],
    },
    Arch {
        name: "sparc64",
        target_arch: "sparc64",
        bits: 64,
        headers: "sparc64-linux-gnu",
        model: "-m64",
        macros: &["__sparc__", "__arch64__"],
    },
];
