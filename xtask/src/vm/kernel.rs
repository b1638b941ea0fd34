//! A kernel of Debian: which there are, which one is meant, and its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use xshell::Shell;

use super::arch::Flavour;
use super::debian::{Debian, Installed};

/// The suites that have kernels, in groups: a group that has gone does not take the others with it.
const SUITES: [&[&str]; 3] = [
    &["bookworm", "bookworm-updates", "bookworm-security"],
    &["bullseye", "bullseye-security"],
    &["trixie", "trixie-security", "trixie-backports", "sid"],
];

/// What stands before the release in the name of a package; after it stands the flavour.
const PREFIX: &str = "linux-image-";

/// Which kernel is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The newest of a series, such as 6.12, in the suites which most surely have it.
    Series(String),
    /// The newest that can be had at all.
    Newest,
}

/// A kernel whose files are here.
#[derive(Debug)]
pub(super) struct Kernel {
    /// As `uname` has it, but for the flavour.
    pub(super) release: String,
    pub(super) flavour: &'static Flavour,
    /// The folder into which its packages are unpacked.
    pub(super) folder: PathBuf,
    /// What could not be as it should, such as lists that are old.
    pub(super) remark: Option<String>,
}

impl Wanted {
    /// How it is called before it is found.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Series(series) => series,
            Self::Newest => "newest",
        }
    }

    /// Whether a release is of this series.
    fn takes(&self, release: &str) -> bool {
        match self {
            Self::Newest => true,
            Self::Series(series) => release
                .strip_prefix(series.as_str())
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())),
        }
    }
}

/// Where kernels come from: the suites of Debian, each asked at most once, and what is kept from earlier runs.
#[derive(Debug)]
pub(super) struct Kernels<'a> {
    sh: &'a Shell,
    folder: &'a Path,
    /// By architecture and group of suites: the names of their packages, once they were asked.
    groups: BTreeMap<(&'static str, usize), Group>,
}

/// What came of asking a group of suites.
type Group = Result<(Debian, Vec<String>), String>;

impl<'a> Kernels<'a> {
    /// Nobody is asked yet. `folder` is where all that belongs to guests is kept.
    pub(super) fn new(sh: &'a Shell, folder: &'a Path) -> Self {
        Self {
            sh,
            folder,
            groups: BTreeMap::new(),
        }
    }

    /// Finds a kernel, and fetches it unless it is kept already.
    pub(super) fn fetch(&mut self, wanted: &Wanted, flavour: &'static Flavour) -> Result<Kernel> {
        let folder = self.folder.join("kernels");
        match self.fetch_by_name(&folder, wanted, flavour) {
            Ok(kernel) => Ok(kernel),
            Err(error) => match kept(&folder, wanted, flavour) {
                Some(release) => Ok(Kernel {
                    folder: folder.join(format!("{release}{}", flavour.suffix)),
                    release,
                    flavour,
                    remark: Some(format!(
                        "kept from an earlier run, since nothing newer can be had: {error:#}"
                    )),
                }),
                None => Err(error),
            },
        }
    }

    fn fetch_by_name(
        &mut self,
        folder: &Path,
        wanted: &Wanted,
        flavour: &'static Flavour,
    ) -> Result<Kernel> {
        let mut best: Option<(String, usize)> = None;
        let mut trouble = Vec::new();
        for index in 0..SUITES.len() {
            match self.ask(flavour, index) {
                Ok((_, names)) => {
                    let releases = names.iter().filter_map(|name| release_of(name, flavour));
                    if let Some(release) = newest(releases, wanted)
                        && best
                            .as_ref()
                            .is_none_or(|(best, _)| numbers(best) < numbers(release))
                    {
                        best = Some((release.to_owned(), index));
                    }
                }
                Err(error) => trouble.push(error.clone()),
            }
            // A series stands in one group; the newest may be anywhere.
            if best.is_some() && *wanted != Wanted::Newest {
                break;
            }
        }
        let Some((release, index)) = best else {
            trouble.push("no suite that could be asked has it".to_owned());
            bail!("{}", trouble.join("; "));
        };
        let sh = self.sh;
        sh.create_dir(folder)?;
        let unpacked = folder.join(format!("{release}{}", flavour.suffix));
        let (debian, names) = self
            .ask(flavour, index)
            .as_ref()
            .map_err(|error| anyhow!("{error}"))?;
        // From 7.0 on the image is a shell, and two more packages hold its files.
        let parts = [PREFIX, "linux-binary-", "linux-modules-"]
            .map(|prefix| format!("{prefix}{release}{}", flavour.suffix));
        let packages: Vec<String> = parts
            .into_iter()
            .filter(|part| names.contains(part))
            .collect();
        debian
            .unpack(sh, &packages, &unpacked)
            .with_context(|| format!("the kernel {release} cannot be fetched"))?;
        Ok(Kernel {
            release,
            flavour,
            folder: unpacked,
            remark: None,
        })
    }

    /// Asks a group of suites, unless it has been asked.
    fn ask(&mut self, flavour: &Flavour, index: usize) -> &Group {
        let architecture = flavour.arch.debian;
        let (sh, lists) = (
            self.sh,
            self.folder.join(format!("apt-{architecture}-{index}")),
        );
        self.groups.entry((architecture, index)).or_insert_with(|| {
            let names = |debian: &Debian| debian.names(sh, "linux-");
            let asked = Debian::update(sh, &lists, SUITES[index], architecture, Installed::Nothing);
            let asked = asked.and_then(|debian| names(&debian).map(|names| (debian, names)));
            asked.map_err(|error| format!("{error:#}"))
        })
    }
}

/// The newest of the kernels that are kept.
fn kept(folder: &Path, wanted: &Wanted, flavour: &Flavour) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?;
    let names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    // A folder that is not complete has another ending.
    let whole = names
        .iter()
        .filter_map(|name| name.strip_suffix(flavour.suffix));
    newest(whole, wanted).map(str::to_owned)
}

/// The release in the name of a package, if it is one of a kernel as we take them.
fn release_of<'a>(package: &'a str, flavour: &Flavour) -> Option<&'a str> {
    let release = package.strip_prefix(PREFIX)?.strip_suffix(flavour.suffix)?;
    // Not the package that stands for the newest of a series, nor one that depends on it.
    (numbers(release).len() >= 3 && !release.contains("rt")).then_some(release)
}

fn newest<'a>(releases: impl Iterator<Item = &'a str>, wanted: &Wanted) -> Option<&'a str> {
    releases
        .filter(|release| wanted.takes(release))
        .max_by_key(|release| numbers(release))
}

/// The numbers of a release, by which it is older or newer than another.
fn numbers(release: &str) -> Vec<u64> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

impl Kernel {
    /// What is booted.
    pub(super) fn image(&self) -> Result<PathBuf> {
        let modules = self.modules()?;
        let name = modules
            .file_name()
            .context("a folder of modules has a name")?
            .to_string_lossy()
            .into_owned();
        let places = [
            self.folder.join("boot").join(format!("vmlinuz-{name}")),
            modules.join("vmlinuz"),
        ];
        let found = places.into_iter().find(|place| place.is_file());
        found.with_context(|| format!("the packages of {} hold no kernel", self.release))
    }

    /// The folder of the modules.
    pub(super) fn modules(&self) -> Result<PathBuf> {
        for parent in ["lib/modules", "usr/lib/modules"] {
            let entries = fs::read_dir(self.folder.join(parent))
                .into_iter()
                .flatten()
                .flatten();
            let mut folders = entries
                .map(|entry| entry.path())
                .filter(|path| path.join("kernel").is_dir());
            if let Some(folder) = folders.next() {
                return Ok(folder);
            }
        }
        bail!("the packages of {} hold no modules", self.release)
    }

    /// Major and minor number.
    pub(super) fn version(&self) -> (u64, u64) {
        match numbers(&self.release)[..] {
            [major, minor, ..] => (major, minor),
            _ => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::arch::{AARCH64_16K, CLOUD_AARCH64, CLOUD_X86_64};

    fn series(name: &str) -> Wanted {
        Wanted::Series(name.to_owned())
    }

    #[test]
    fn a_package_tells_its_release() {
        for (package, flavour, release) in [
            (
                "linux-image-6.1.0-56-cloud-amd64",
                &CLOUD_X86_64,
                "6.1.0-56",
            ),
            (
                "linux-image-6.12.117+deb12-cloud-amd64",
                &CLOUD_X86_64,
                "6.12.117+deb12",
            ),
            (
                "linux-image-6.12.117+deb12-cloud-arm64",
                &CLOUD_AARCH64,
                "6.12.117+deb12",
            ),
            (
                "linux-image-6.12.117+deb12-arm64-16k",
                &AARCH64_16K,
                "6.12.117+deb12",
            ),
        ] {
            assert_eq!(release_of(package, flavour), Some(release));
        }
        for other in [
            "linux-image-cloud-amd64",
            "linux-image-6.12-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64-dbg",
            "linux-image-6.1.0-56-cloud-amd64-unsigned",
            "linux-image-6.1.0-56-amd64",
        ] {
            assert_eq!(release_of(other, &CLOUD_X86_64), None, "{other}");
        }
    }

    #[test]
    fn the_newest_is_by_number() {
        let releases = [
            "6.1.0-9",
            "6.1.0-56",
            "6.12.100+deb12",
            "6.12.99+deb12",
            "7.3.4+deb14",
        ];
        let newest = |wanted: Wanted| newest(releases.into_iter(), &wanted);
        assert_eq!(newest(series("6.1")), Some("6.1.0-56"));
        assert_eq!(newest(series("6.12")), Some("6.12.100+deb12"));
        assert_eq!(newest(series("6.12.99")), Some("6.12.99+deb12"));
        assert_eq!(newest(series("6")), Some("6.12.100+deb12"));
        assert_eq!(newest(series("5.10")), None);
        assert_eq!(newest(Wanted::Newest), Some("7.3.4+deb14"));
    }
}
