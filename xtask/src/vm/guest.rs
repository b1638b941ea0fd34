//! The guests: what each has, what it must not have, and how qemu is told so.

use anyhow::Result;
use xshell::Shell;

use super::cpio::Archive;
use super::kernel::Kernel;
use super::modules;
use super::programs::{Program, Programs};

/// A machine that is emulated.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) name: &'static str,
    /// Whether it has all that a machine can have, or none of it.
    rich: bool,
}

/// Everything that a machine can have, and nothing of it.
pub(super) const GUESTS: [Guest; 2] = [
    Guest {
        name: "rich",
        rich: true,
    },
    Guest {
        name: "poor",
        rich: false,
    },
];

/// What a rich guest has and a poor one lacks, and since which kernel.
pub(super) const FEATURES: [(&str, (u64, u64)); 8] = [
    ("pkeys", (5, 10)),
    ("two_nodes", (5, 10)),
    ("dax", (5, 10)),
    ("disk", (5, 10)),
    ("huge_2mb", (5, 10)),
    ("huge_1gb", (5, 10)),
    // Older kernels of Debian are built without it.
    ("address57", (6, 1)),
    ("memfd_secret", (5, 14)),
];

/// Where persistent memory comes from: a range that the kernel is told to take for it.
const MODULES: [&str; 3] = ["nd_e820", "nd_pmem", "ext4"];

/// The size of both disks, in MiB.
pub(super) const DISK: u64 = 192;

/// What the first process is under other names.
const COMMANDS: [&str; 2] = ["sleep", "true"];

/// How long one program may run in a guest, in seconds. An emulated CPU is slow, and the machine may be busy.
const LIMIT: u64 = 240;

impl Guest {
    /// The features, each with `yes` if it must be there, `no` if it must not.
    pub(super) fn wanted(&self, kernel: &Kernel) -> Vec<(&'static str, &'static str)> {
        let wanted = |since| {
            if self.rich && kernel.version() >= since {
                "yes"
            } else {
                "no"
            }
        };
        FEATURES
            .iter()
            .map(|(name, since)| (*name, wanted(*since)))
            .collect()
    }

    /// The first file system of the guest, with all that runs in it.
    pub(super) fn archive(
        &self,
        sh: &Shell,
        kernel: &Kernel,
        programs: &Programs,
        disk: &[u8],
        code: &str,
    ) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        archive.device("/dev/console", 5, 1);
        archive.program("/init", &programs.init.bytes);
        for command in COMMANDS {
            archive.link(&format!("/bin/{command}"), "/init");
        }
        let wanted = self.wanted(kernel);
        let features: String = wanted
            .iter()
            .map(|(name, wanted)| format!("{name} {wanted}\n"))
            .collect();
        archive.file("/vm/features", features.as_bytes());
        archive.file("/vm/environment", self.environment(&wanted).as_bytes());
        archive.file("/vm/code", code.as_bytes());
        archive.file("/vm/limit", format!("{LIMIT}\n").as_bytes());
        let mut list = String::new();
        for (
            index,
            Program {
                name,
                folder,
                bytes,
                ..
            },
        ) in programs.tests.iter().enumerate()
        {
            let (path, folder) = (
                format!("/vm/programs.d/{index}"),
                folder.display().to_string(),
            );
            archive.program(&path, bytes);
            list += &format!("{path}\t{name}\t{folder}\n");
        }
        archive.file("/vm/programs", list.as_bytes());
        if self.rich {
            let modules = modules::collect(sh, &kernel.modules()?, &MODULES)?;
            let list: String = modules
                .iter()
                .map(|module| format!("{}\n", module.name))
                .collect();
            archive.file("/vm/modules", list.as_bytes());
            for module in &modules {
                archive.file(&format!("/vm/modules.d/{}", module.name), &module.bytes);
            }
            archive.file("/vm/dax.blocks", disk);
            archive.file("/vm/disk.blocks", disk);
        }
        Ok(archive.finish())
    }

    /// What the tests are told: a feature that is named here is there, so that a test that skips for its sake fails.
    fn environment(&self, wanted: &[(&str, &str)]) -> String {
        let present = wanted
            .iter()
            .filter(|(_, wanted)| *wanted == "yes")
            .map(|(name, _)| *name);
        // Nothing but the version decides about these.
        let required: Vec<&str> = ["guest", "kernel", "root"]
            .into_iter()
            .chain(present)
            .collect();
        format!(
            "MMARINUS_GUEST=1\nMMARINUS_REQUIRED={}\n",
            required.join(",")
        )
    }

    /// The machine, as qemu is told.
    pub(super) fn machine(&self) -> &'static [&'static str] {
        if self.rich {
            &[
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
            ]
        } else {
            // Without random numbers of the CPU the kernel has none for minutes, and programs wait for them.
            &["-cpu", "qemu64,+rdrand", "-m", "2G"]
        }
    }

    /// What the kernel is told.
    pub(super) fn command_line(&self) -> String {
        // The ranges lie beyond the first 4 GiB, with a gap, so that they stay two.
        let rest = match self.rich {
            true => format!(
                "memmap={DISK}M!4G memmap={DISK}M!4608M hugepagesz=1G hugepages=1 hugepagesz=2M hugepages=64 secretmem.enable=1"
            ),
            false => "secretmem.enable=0".to_owned(),
        };
        // What protects from other programs makes each system call slow where there is a new page table to be emulated.
        // Not a tmpfs, whose files have seals: no other file system that programs come from has them.
        format!("console=ttyS0 quiet panic=-1 oops=panic mitigations=off rootfstype=ramfs {rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_there_or_it_is_not() {
        let kernel = |release: &str| Kernel {
            release: release.to_owned(),
            folder: "/".into(),
            remark: None,
        };
        let [rich, poor] = &GUESTS;
        let has = |guest: &Guest, release: &str, name: &str| {
            let wanted = guest.wanted(&kernel(release));
            wanted
                .into_iter()
                .find(|(feature, _)| *feature == name)
                .map(|(_, wanted)| wanted)
        };
        assert_eq!(has(rich, "6.1.0-56", "address57"), Some("yes"));
        assert_eq!(has(rich, "5.10.0-30", "address57"), Some("no"));
        assert_eq!(has(poor, "6.1.0-56", "address57"), Some("no"));
        let environment = rich.environment(&rich.wanted(&kernel("5.10.0-30")));
        assert_eq!(
            environment,
            "MMARINUS_GUEST=1\nMMARINUS_REQUIRED=guest,kernel,root,pkeys,two_nodes,dax,disk,huge_2mb,huge_1gb\n"
        );
        assert_eq!(
            poor.environment(&poor.wanted(&kernel("6.12.1"))),
            "MMARINUS_GUEST=1\nMMARINUS_REQUIRED=guest,kernel,root\n"
        );
    }
}
