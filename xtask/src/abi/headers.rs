//! The newest of the kernel's headers that Debian has, unpacked below the target folder and not installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

const PACKAGE: &str = "linux-libc-dev";

/// Where new kernels come in; the package holds the headers of all architectures. A suite that is gone is passed over.
const SUITES: [&str; 3] = ["trixie-backports", "stable-backports", "unstable"];

/// The headers of one kernel.
#[derive(Debug)]
pub(super) struct Headers {
    /// The version of the package.
    pub(super) version: String,
    /// The folder that holds `linux`, and a folder for each architecture.
    pub(super) include: PathBuf,
}

/// Fetches and unpacks the package. `folder` is ours alone; the lists of packages of the machine stay as they are.
pub(super) fn fetch(sh: &Shell, folder: &Path) -> Result<Headers> {
    let apt = folder.join("apt");
    // What is there afterwards was had just now.
    sh.remove_path(&apt)?;
    let config = configure(&apt)?;
    let _config = sh.push_env("APT_CONFIG", &config);
    cmd!(sh, "apt-get --quiet --quiet update")
        .ignore_status()
        .run()?;
    let version = newest(sh)?;

    let include = folder.join(&version).join("usr/include");
    let _there = sh.push_dir(&apt);
    cmd!(sh, "apt-get --quiet --quiet download {PACKAGE}={version}")
        .run()
        .context("the package cannot be fetched")?;
    let deb = deb(&apt)?;
    let unpacked = folder.join(&version);
    sh.remove_path(&unpacked)?;
    cmd!(sh, "dpkg-deb --extract {deb} {unpacked}").run()?;
    ensure!(
        include.join("linux/mman.h").is_file(),
        "{PACKAGE} {version} has no linux/mman.h"
    );
    Ok(Headers { version, include })
}

/// A configuration of apt whose lists and packages stay below `folder`. What the machine says of proxies still holds.
fn configure(folder: &Path) -> Result<PathBuf> {
    for part in ["state/lists/partial", "cache/archives/partial", "parts"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let sources: String = SUITES
        .iter()
        .map(|suite| {
            format!(
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {suite} main\n"
            )
        })
        .collect();
    let list = folder.join("sources.list");
    fs::write(&list, sources)?;
    let (root, parts) = (folder.display(), folder.join("parts"));
    let parts = parts.display();
    let settings = format!(
        r#"Dir::State "{root}/state";
Dir::State::status "/dev/null";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{}";
Dir::Etc::sourceparts "{parts}";
Dir::Etc::preferencesparts "{parts}";
APT::Architecture "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
"#,
        list.display()
    );
    let config = folder.join("apt.conf");
    fs::write(&config, settings)?;
    Ok(config)
}

/// The highest version of the package.
fn newest(sh: &Shell) -> Result<String> {
    let shown = cmd!(sh, "apt-cache show {PACKAGE}")
        .quiet()
        .ignore_stderr()
        .read()
        .with_context(|| {
            format!("Debian's lists of packages cannot be had, or have no {PACKAGE}")
        })?;
    let mut newest: Option<&str> = None;
    for version in shown
        .lines()
        .filter_map(|line| line.strip_prefix("Version: "))
    {
        let is_newer = match newest {
            None => true,
            Some(newest) => cmd!(sh, "dpkg --compare-versions {version} gt {newest}")
                .quiet()
                .run()
                .is_ok(),
        };
        if is_newer {
            newest = Some(version);
        }
    }
    let newest = newest.context("the package of the kernel's headers has no version")?;
    Ok(newest.to_owned())
}

/// The package in a folder.
fn deb(folder: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            return Ok(path);
        }
    }
    bail!("apt-get fetched no package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_stays_below_our_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = configure(folder.path()).expect("a configuration");
        let settings = fs::read_to_string(config).expect("what was written");
        let root = folder.path().display().to_string();
        let places: Vec<&str> = settings
            .lines()
            .filter(|line| line.starts_with("Dir::") && !line.contains("/dev/null"))
            .collect();
        assert_eq!(places.len(), 5);
        assert!(places.iter().all(|line| line.contains(&root)), "{settings}");
    }

    #[test]
    fn the_package_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("a.txt"), "").expect("a file");
        assert!(deb(folder.path()).is_err());
        fs::write(folder.path().join("a.deb"), "").expect("a file");
        let found = deb(folder.path()).expect("a package");
        assert_eq!(found, folder.path().join("a.deb"));
    }
}
