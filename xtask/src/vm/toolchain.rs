//! What cargo needs to build for an architecture: what is installed, else a linker and the sources of the standard library.
//!
//! Both come from Debian, and so does the second only in the version of the compiler that is here: a standard library is built
//! by no other. The compiler looks for it beside itself, so it runs from a copy of its folder, made of hard links.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use super::arch::{Arch, HOST};
use super::debian::{self, Debian, Installed};

/// The suites that have the sources of several versions.
const SUITES: [&str; 3] = ["trixie", "trixie-backports", "sid"];

/// The package with the sources of the standard library.
const SOURCES: &str = "rust-src";

/// How cargo is called.
#[derive(Debug, Default)]
pub(super) struct Toolchain {
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, PathBuf)>,
}

/// Finds what is installed, or fetches the rest into `folder`.
pub(super) fn find(sh: &Shell, folder: &Path, arch: &Arch) -> Result<Toolchain> {
    let mut toolchain = Toolchain::default();
    let target = arch.target;
    let std = cmd!(sh, "rustc --print target-libdir --target {target}")
        .quiet()
        .read()?;
    if !Path::new(&std).is_dir() {
        ensure!(
            arch.linker.is_some(),
            "no standard library for {target} is installed here"
        );
        let copy = copy_with_sources(sh, folder)
            .with_context(|| format!("no standard library for {target} can be built"))?;
        toolchain.arguments.push("-Zbuild-std".to_owned());
        let path = format!("{}:{}", copy.join("bin").display(), sh.var("PATH")?);
        toolchain.environment.extend([
            ("PATH".to_owned(), path.into()),
            ("RUSTC".to_owned(), copy.join("bin/rustc")),
            // Where cargo looked for the libraries of those who started us, the compiler would find itself.
            ("LD_LIBRARY_PATH".to_owned(), copy.join("lib")),
            // The compiler is a released one, and builds its own standard library with what is not for everybody yet.
            ("RUSTC_BOOTSTRAP".to_owned(), "1".into()),
        ]);
    }
    if let Some((linker, package)) = arch.linker {
        let variable = format!(
            "CARGO_TARGET_{}_LINKER",
            target.to_uppercase().replace('-', "_")
        );
        let linker = find_linker(sh, folder, linker, package)
            .with_context(|| format!("there is no linker for {target}"))?;
        toolchain.environment.push((variable, linker));
    }
    Ok(toolchain)
}

/// A copy of the toolchain beside which the sources of its standard library stand.
fn copy_with_sources(sh: &Shell, folder: &Path) -> Result<PathBuf> {
    let about = cmd!(sh, "rustc --version --verbose").quiet().read()?;
    let value = |key: &str| about.lines().find_map(|line| line.strip_prefix(key));
    let (Some(version), Some(commit)) = (value("release: "), value("commit-hash: ")) else {
        bail!("rustc does not say which it is");
    };
    let sources = folder.join(format!("{SOURCES}-{version}"));
    if !sources.exists() {
        let debian = Debian::update(
            sh,
            &folder.join("apt-rust"),
            &SUITES,
            HOST,
            Installed::Nothing,
        )?;
        let versions = debian.versions(sh, SOURCES)?;
        let package = versions
            .iter()
            .find(|known| is_of(known, version))
            .with_context(|| {
                format!(
                    "the compiler here is {version}, and Debian has the sources of {}",
                    versions.join(", ")
                )
            })?;
        debian.unpack(sh, &[format!("{SOURCES}={package}")], &sources)?;
    }
    let copy = folder.join(format!(
        "rust-{version}-{}",
        commit.get(..9).unwrap_or(commit)
    ));
    if !copy.exists() {
        let sysroot = PathBuf::from(cmd!(sh, "rustc --print sysroot").quiet().read()?);
        let parts = copy.with_extension("part");
        sh.remove_path(&parts)?;
        sh.create_dir(&parts)?;
        for part in ["bin", "lib"] {
            let from = sysroot.join(part);
            let linked = cmd!(sh, "cp --archive --link {from} {parts}")
                .quiet()
                .ignore_stderr();
            if linked.run().is_err() {
                // It is on another file system.
                cmd!(sh, "cp --archive {from} {parts}").quiet().run()?;
            }
        }
        let place = parts.join("lib/rustlib/src");
        sh.remove_path(&place)?;
        sh.create_dir(&place)?;
        let from = sources.join(format!("usr/src/rustc-{version}"));
        std::os::unix::fs::symlink(from, place.join("rust"))?;
        std::fs::rename(&parts, &copy)?;
    }
    Ok(copy)
}

/// Whether this version of a package has the sources of this version of Rust.
fn is_of(package: &str, rust: &str) -> bool {
    package
        .strip_prefix(rust)
        .is_some_and(|rest| rest.starts_with(['+', '-', '~']))
}

/// The linker: the one that is installed, else a script that starts Debian's from where it is unpacked.
fn find_linker(sh: &Shell, folder: &Path, linker: &str, package: &str) -> Result<PathBuf> {
    let installed = cmd!(sh, "{linker} --version")
        .quiet()
        .ignore_stdout()
        .ignore_stderr()
        .run();
    if installed.is_ok() {
        return Ok(linker.into());
    }
    let unpacked = folder.join(package);
    if !unpacked.exists() {
        let suites = debian::suites_of_this_machine(sh)?;
        let debian = Debian::update(
            sh,
            &folder.join("apt-tools"),
            &suites.each_ref().map(String::as_str),
            HOST,
            Installed::OfThisMachine,
        )?;
        let packages = debian.needs(sh, &[package, "libc6-dev-arm64-cross"])?;
        debian.unpack(sh, &packages, &unpacked)?;
    }
    // rustc knows by the name of a linker how to speak to it.
    let script = folder.join(linker);
    let (programs, libraries) = (
        unpacked.join("usr/bin"),
        unpacked.join("usr/lib/x86_64-linux-gnu"),
    );
    let prefix = linker.strip_suffix("gcc").context("it is a gcc")?;
    sh.write_file(
        &script,
        format!(
            "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' -B'{}' \"$@\"\n",
            libraries.display(),
            programs.join(linker).display(),
            programs.join(prefix).display()
        ),
    )?;
    cmd!(sh, "chmod +x {script}").quiet().run()?;
    cmd!(sh, "{script} --version")
        .quiet()
        .ignore_stdout()
        .run()?;
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_of_one_rust() {
        assert!(is_of("1.95.0+dfsg1-2~bpo13+1", "1.95.0"));
        assert!(!is_of("1.95.0+dfsg1-2~bpo13+1", "1.95"));
        assert!(!is_of("1.95.01+dfsg1-2", "1.95.0"));
        assert!(!is_of("1.96.1+dfsg1-2", "1.95.0"));
    }
}
