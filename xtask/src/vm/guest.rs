//! A guest: its first file system, and what its kernel is told.

use core::fmt::Write;

use anyhow::Result;
use xshell::Shell;

use super::cpio::Archive;
use super::guests;
use super::kernel::Kernel;
use super::modules;
use super::programs::{Program, Programs};

/// A machine that is emulated.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) name: &'static str,
    /// What it has, and since which kernel. It has nothing else of what some guest has.
    pub(super) features: &'static [(&'static str, (u64, u64))],
    /// CPU and memory, as qemu is told.
    pub(super) machine: &'static [&'static str],
    /// What the kernel is told.
    pub(super) settings: &'static str,
    /// Modules that go into the kernel, with their parameters.
    pub(super) modules: &'static [(&'static str, &'static str)],
    /// Disks, each with the folder that it is mounted at and the options, with tabs between. Their content is that of `/vm/disk`.
    pub(super) disks: &'static [&'static str],
    pub(super) tests: Tests,
}

/// Which tests run in a guest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tests {
    All,
    /// Those of modules that ask what the machine has, and a sample of the others.
    Asking,
}

impl Tests {
    /// As the guest is told: `*`, or the modules.
    fn of(self, program: &Program) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Asking => program.asking.join(" "),
        }
    }
}

/// What the first process is under other names.
const COMMANDS: [&str; 2] = ["sleep", "true"];

/// How long one program may run in a guest, in seconds. An emulated CPU is slow, and the machine may be busy.
const LIMIT: u64 = 240;

impl Guest {
    /// The features, each with `yes` if it must be there, `no` if it must not.
    pub(super) fn wanted(&self, kernel: &Kernel) -> Vec<(&'static str, &'static str)> {
        let has = |name: &str| {
            let mut known = self.features.iter();
            known.any(|(known, since)| *known == name && kernel.version() >= *since)
        };
        guests::features()
            .map(|name| (name, if has(name) { "yes" } else { "no" }))
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
        archive.file("/vm/line", kernel.flavour.arch.report.as_bytes());
        archive.file("/vm/limit", format!("{LIMIT}\n").as_bytes());
        let mut list = String::new();
        for (index, program) in programs.tests.iter().enumerate() {
            let path = format!("/vm/programs.d/{index}");
            archive.program(&path, &program.bytes);
            let _ = writeln!(
                list,
                "{path}\t{}\t{}\t{}",
                program.name,
                program.folder.display(),
                self.tests.of(program)
            );
        }
        archive.file("/vm/programs", list.as_bytes());
        let names = self.modules.iter().map(|(name, _)| *name);
        let modules = match names.len() {
            0 => Vec::new(),
            _ => modules::collect(sh, &kernel.modules()?, &names.collect::<Vec<_>>())?,
        };
        let mut list = String::new();
        for module in &modules {
            let mut known = self.modules.iter();
            let settings =
                known.find_map(|(name, settings)| (*name == module.name).then_some(settings));
            let _ = writeln!(list, "{}\t{}", module.name, settings.unwrap_or(&""));
            archive.file(&format!("/vm/modules.d/{}", module.name), &module.bytes);
        }
        archive.file("/vm/modules", list.as_bytes());
        archive.file("/vm/disks", self.disks.join("\n").as_bytes());
        archive.file("/vm/disk", disk);
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

    /// What the kernel is told.
    pub(super) fn command_line(&self, kernel: &Kernel) -> String {
        // What protects from other programs makes each system call slow where there is a new page table to be emulated.
        // Not a tmpfs, whose files have seals: no other file system that programs come from has them.
        // Random numbers of an emulated CPU are as good as any.
        format!(
            "console={} quiet panic=-1 oops=panic mitigations=off rootfstype=ramfs random.trust_cpu=on {}",
            kernel.flavour.arch.console, self.settings
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::arch::CLOUD_X86_64;
    use crate::vm::guests::{AARCH64_4K, POOR, RICH};

    #[test]
    fn a_feature_is_there_or_it_is_not() {
        let kernel = |release: &str| Kernel {
            release: release.to_owned(),
            flavour: &CLOUD_X86_64,
            folder: "/".into(),
            remark: None,
        };
        let (rich, poor) = (&RICH, &POOR);
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
        assert_eq!(has(&AARCH64_4K, "6.12.1", "huge_1gb"), Some("yes"));
        assert_eq!(has(&AARCH64_4K, "6.12.1", "pkeys"), Some("no"));
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
