//! Packages of Debian, found by name when they are wanted, and unpacked below the target folder; nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

const MIRROR: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with lists of packages of its own.
#[derive(Debug)]
pub(super) struct Debian {
    config: PathBuf,
    folder: PathBuf,
}

/// What the machine has installed counts as there, or nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Installed {
    OfThisMachine,
    Nothing,
}

impl Debian {
    /// Fetches the lists of these suites. `folder` is for them alone; the machine's own lists stay as they are.
    pub(super) fn update(
        sh: &Shell,
        folder: &Path,
        suites: &[&str],
        architecture: &str,
        installed: Installed,
    ) -> Result<Self> {
        for tool in ["apt-get", "apt-cache", "dpkg-deb"] {
            let found = cmd!(sh, "{tool} --version").quiet().ignore_stdout().run();
            found.with_context(|| {
                format!("there is no {tool} here, and what is needed comes from Debian")
            })?;
        }
        ensure!(
            Path::new(KEYRING).exists(),
            "without {KEYRING} no package of Debian can be trusted"
        );
        let config = configure(folder, suites, architecture, installed)?;
        let debian = Self {
            config,
            folder: folder.to_owned(),
        };
        let _config = debian.use_it(sh);
        cmd!(
            sh,
            "apt-get --quiet --quiet update --option APT::Update::Error-Mode=any"
        )
        .quiet()
        .run()
        .with_context(|| format!("no list of packages of {} can be had", suites.join(", ")))?;
        Ok(debian)
    }

    /// The names of all packages that begin so.
    pub(super) fn names(&self, sh: &Shell, prefix: &str) -> Result<Vec<String>> {
        let _config = self.use_it(sh);
        let names = cmd!(sh, "apt-cache pkgnames {prefix}").quiet().read()?;
        Ok(names.lines().map(String::from).collect())
    }

    /// The versions of a package that can be had.
    pub(super) fn versions(&self, sh: &Shell, package: &str) -> Result<Vec<String>> {
        let _config = self.use_it(sh);
        let table = cmd!(sh, "apt-cache madison {package}").quiet().read()?;
        Ok(table.lines().filter_map(version).collect())
    }

    /// The packages, as `name=version`, that installing these would add.
    pub(super) fn needs(&self, sh: &Shell, packages: &[&str]) -> Result<Vec<String>> {
        let _config = self.use_it(sh);
        // What it would remove does not matter, since nothing is installed.
        let plan = cmd!(
            sh,
            "apt-get --quiet --simulate --no-install-recommends --option Debug::NoLocking=1 install {packages...}"
        )
        .quiet()
        .ignore_stderr()
        .read()?;
        let added: Vec<String> = plan.lines().filter_map(added).collect();
        ensure!(
            !added.is_empty(),
            "installing {} would add nothing",
            packages.join(", ")
        );
        Ok(added)
    }

    /// Fetches packages and unpacks them into a folder, which appears only once it is complete.
    pub(super) fn unpack(&self, sh: &Shell, packages: &[String], into: &Path) -> Result<()> {
        if into.exists() {
            return Ok(());
        }
        let fetched = self.folder.join("fetched");
        sh.remove_path(&fetched)?;
        sh.create_dir(&fetched)?;
        {
            let _config = self.use_it(sh);
            let _there = sh.push_dir(&fetched);
            cmd!(sh, "apt-get --quiet --quiet download {packages...}")
                .quiet()
                .run()?;
        }
        let parts = into.with_extension("part");
        sh.remove_path(&parts)?;
        for package in sh.read_dir(&fetched)? {
            cmd!(sh, "dpkg-deb --extract {package} {parts}")
                .quiet()
                .run()?;
        }
        sh.remove_path(&fetched)?;
        fs::rename(&parts, into).with_context(|| format!("{} cannot be renamed", parts.display()))
    }

    fn use_it<'sh>(&self, sh: &'sh Shell) -> xshell::PushEnv<'sh> {
        sh.push_env("APT_CONFIG", &self.config)
    }
}

/// The suites of the release of Debian that runs here, whose programs run here too.
pub(super) fn suites_of_this_machine(sh: &Shell) -> Result<[String; 3]> {
    let release = sh.read_file("/etc/os-release")?;
    let value = |key: &str| {
        release
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(|value| value.trim_matches('"'))
    };
    match (value("ID="), value("VERSION_CODENAME=")) {
        (Some("debian"), Some(name)) => {
            Ok(["", "-updates", "-security"].map(|rest| format!("{name}{rest}")))
        }
        _ => bail!("this is no Debian whose name is known, so its packages would not run here"),
    }
}

/// Writes a configuration of apt that stays below `folder`. What the machine says of proxies still holds.
fn configure(
    folder: &Path,
    suites: &[&str],
    architecture: &str,
    installed: Installed,
) -> Result<PathBuf> {
    for part in ["state/lists/partial", "cache/archives/partial", "parts"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let sources: String = suites.iter().map(|suite| source(suite)).collect();
    let list = folder.join("sources.list");
    fs::write(&list, sources)?;
    let status = match installed {
        Installed::OfThisMachine => "/var/lib/dpkg/status",
        Installed::Nothing => "/dev/null",
    };
    let root = folder.display();
    let settings = format!(
        r#"Dir::State "{root}/state";
Dir::State::status "{status}";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "{root}/parts";
Dir::Etc::preferencesparts "{root}/parts";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
"#
    );
    let config = folder.join("apt.conf");
    fs::write(&config, settings)?;
    Ok(config)
}

fn source(suite: &str) -> String {
    let server = if suite.ends_with("-security") {
        SECURITY
    } else {
        MIRROR
    };
    format!("deb [signed-by={KEYRING}] {server} {suite} main\n")
}

/// The version in a line of a table of versions: `name | version | origin`.
fn version(line: &str) -> Option<String> {
    Some(line.split('|').nth(1)?.trim().to_owned())
}

/// What a line of a simulated installation adds: `Inst name [old] (version origin ...)`.
fn added(line: &str) -> Option<String> {
    let mut words = line.strip_prefix("Inst ")?.split(' ');
    let name = words.next()?;
    let version = words.find_map(|word| word.strip_prefix('('))?;
    Some(format!("{name}={version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_what_it_adds() {
        let line = "Inst seabios (1.16.2-1 Debian:12.14/oldstable [all])";
        assert_eq!(added(line).as_deref(), Some("seabios=1.16.2-1"));
        let newer = "Inst libfdt1 [1.5] (1.6.1-4+b1 Debian:12.14/oldstable [amd64])";
        assert_eq!(added(newer).as_deref(), Some("libfdt1=1.6.1-4+b1"));
        assert_eq!(added("Remv qemu-utils [1:10.0.2]"), None);
        assert_eq!(
            added("Conf seabios (1.16.2-1 Debian:12.14/oldstable [all])"),
            None
        );
    }

    #[test]
    fn a_table_names_versions() {
        let line = " rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://deb.debian.org/debian trixie-backports/main amd64 Packages";
        assert_eq!(version(line).as_deref(), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(version(""), None);
    }

    #[test]
    fn a_suite_has_its_server() {
        assert!(source("bookworm").contains("/debian bookworm main"));
        assert!(source("bookworm-security").contains("/debian-security bookworm-security main"));
    }
}
