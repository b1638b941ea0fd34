//! Lets a virtual machine add two numbers: `cargo run --example kvm -- 2 3`.
//!
//! The machine has 64 KiB of memory, one CPU in real mode, and a program of ten bytes: it adds two registers, writes the sum to
//! its memory and to a port, and halts. While a guest runs it may write any byte of its memory at any moment, so there must be
//! no `&[u8]` of it; `expose` says so in the type of the map. From then on `memory[0]` does not compile, and copies and atomics
//! are what is left.

use std::process::ExitCode;

use anyhow::{Context, Result};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (first, second, device) = match &args[..] {
        [first, second] => (first, second, "/dev/kvm"),
        [first, second, device] => (first, second, device.as_str()),
        _ => {
            eprintln!("kvm: which numbers? cargo run --example kvm -- 2 3");
            return ExitCode::FAILURE;
        }
    };
    match run(first, second, device) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kvm: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(first: &str, second: &str, device: &str) -> Result<()> {
    let number = |text: &str| {
        text.parse()
            .with_context(|| format!("{text} is not a number of 16 bits"))
    };
    let (first, second) = (number(first)?, number(second)?);
    let answers = machine::add(first, second, device)?;
    println!("port: {}", answers.port);
    println!("memory: {}", answers.memory);
    println!("type: {}", answers.memory_type.replace("mmarinus::", ""));
    Ok(())
}

/// What the guest said.
struct Answers {
    /// What it wrote to the port.
    port: u16,
    /// What it wrote to its memory.
    memory: u16,
    /// What its memory is on this side.
    memory_type: &'static str,
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    pub(crate) fn add(_: u16, _: u16, _: &str) -> anyhow::Result<super::Answers> {
        anyhow::bail!("the program of this guest is code for x86_64 alone")
    }
}

#[cfg(target_arch = "x86_64")]
mod machine {
    #![expect(unsafe_code, reason = "tells the kernel where the guest's memory is")]

    use core::any::type_name_of_val;
    use core::sync::atomic::{AtomicU16, Ordering};
    use std::ffi::CString;

    use anyhow::{Context, Result, bail, ensure};
    use kvm_bindings::kvm_userspace_memory_region;
    use kvm_ioctls::{Kvm, VcpuExit, VcpuFd};
    use mmarinus::{Map, perms};
    use rustix::io::Errno;

    use super::Answers;

    const MEMORY: usize = 64 << 10;
    const CODE_AT: usize = 0x1000;
    const SUM_AT: usize = 0x2000;
    const PORT: u16 = 0x10;
    const CODE: [u8; 10] = [
        0x01, 0xd8, // add ax, bx
        0xa3, 0x00, 0x20, // mov [0x2000], ax
        0xba, 0x10, 0x00, // mov dx, 0x10
        0xef, // out dx, ax
        0xf4, // hlt
    ];

    pub(crate) fn add(first: u16, second: u16, device: &str) -> Result<Answers> {
        let kvm = open(device)?;
        // Memory of our own so far: slices of it are fine. It is declared before the machine, and so unmapped after it is gone.
        let mut memory = Map::bytes(MEMORY)
            .anywhere()
            .anonymously()
            .named("guest memory")
            .with(perms::ReadWrite)?;
        memory[CODE_AT..][..CODE.len()].copy_from_slice(&CODE);
        let memory = memory.expose();

        let vm = kvm.create_vm().context("no virtual machine can be made")?;
        let (address, len) = memory.pages();
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: len as u64,
            userspace_addr: address as u64,
        };
        // SAFETY:
        // - These are whole pages of a map (`pages`), mapped as long as the machine exists: `memory` is dropped last.
        // - The map is `Exposed`: no slice of its bytes exists or can be made, so the guest changes nothing that Rust relies on.
        unsafe { vm.set_user_memory_region(region) }.context("the guest cannot have the memory")?;

        let mut cpu = vm.create_vcpu(0).context("no CPU can be made")?;
        start(&cpu, first, second).context("the CPU's registers cannot be set")?;
        let port = port_until_halt(&mut cpu)?;
        let sum = memory.atomics::<AtomicU16>(SUM_AT..SUM_AT + 2)?;
        Ok(Answers {
            port,
            memory: sum[0].load(Ordering::Relaxed),
            memory_type: type_name_of_val(&memory),
        })
    }

    /// Opens the device, and says what to do where it does not open.
    fn open(device: &str) -> Result<Kvm> {
        let path = CString::new(device)?;
        let kvm = Kvm::new_with_path(path).map_err(|error| {
            let advice = match Errno::from_raw_os_error(error.errno()) {
                Errno::NOENT => "it is missing: this kernel has no KVM, or its module (kvm_intel, kvm_amd) is not loaded",
                Errno::ACCESS | Errno::PERM => "it is not permitted: run this as root, or as a member of the group kvm",
                _ => "it does not open",
            };
            anyhow::Error::new(error).context(format!("{device}: {advice}"))
        })?;
        ensure!(
            kvm.get_api_version() == 12,
            "{device}: it is no device of KVM"
        );
        Ok(kvm)
    }

    /// Makes the CPU begin at the program's first byte, with the numbers in two registers.
    fn start(cpu: &VcpuFd, first: u16, second: u16) -> Result<(), kvm_ioctls::Error> {
        let mut segments = cpu.get_sregs()?;
        (segments.cs.base, segments.cs.selector) = (0, 0);
        cpu.set_sregs(&segments)?;
        let mut registers = cpu.get_regs()?;
        registers.rip = CODE_AT as u64;
        registers.rflags = 2; // The bit that is always set.
        (registers.rax, registers.rbx) = (first.into(), second.into());
        cpu.set_regs(&registers)
    }

    /// Runs the guest until it halts, and gives what it wrote to the port.
    fn port_until_halt(cpu: &mut VcpuFd) -> Result<u16> {
        let mut written = None;
        loop {
            match cpu.run().context("the guest cannot run")? {
                VcpuExit::IoOut(PORT, &[low, high]) => {
                    written = Some(u16::from_le_bytes([low, high]));
                }
                VcpuExit::Hlt => return written.context("the guest halted and wrote nothing"),
                other => bail!("the guest did what its program does not: {other:?}"),
            }
        }
    }
}
