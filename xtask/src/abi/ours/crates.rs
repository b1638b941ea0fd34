//! The crates that are built for each architecture: copies, generated below the target folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::{Shell, cmd};

use super::questions::{answered, answers};
use crate::abi::arch::{ARCHES, Arch};

/// Where rustix asks for the encoding of ioctl numbers.
const IOCTL: &str = "src/ioctl/linux.rs";

/// A crate whose source cargo has fetched.
struct Fetched {
    version: String,
    folder: PathBuf,
}

/// The crates that the copies are made of.
pub(super) struct Crates {
    sys: PathBuf,
    rustix: Fetched,
    raw: Fetched,
    /// Lines of a manifest: what `mmarinus-sys` depends on, and is the same on every architecture.
    others: String,
    /// The features of rustix that `mmarinus-sys` asks for.
    features: Vec<String>,
}

impl Crates {
    /// Asks cargo, which fetches what is not there yet.
    pub(super) fn of(sh: &Shell) -> Result<Self> {
        let metadata = cmd!(
            sh,
            "cargo metadata --format-version 1 --filter-platform x86_64-unknown-linux-gnu"
        )
        .quiet()
        .read()?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let find = |name: &str| -> Result<&Value> {
            let packages = metadata["packages"].as_array().into_iter().flatten();
            packages
                .filter(|package| package["name"] == name)
                .max_by_key(|package| package["version"].as_str())
                .with_context(|| format!("the workspace does not depend on {name}"))
        };
        let fetched = |name: &str| -> Result<Fetched> {
            let package = find(name)?;
            let manifest = package["manifest_path"].as_str().context("no manifest")?;
            Ok(Fetched {
                version: package["version"]
                    .as_str()
                    .context("no version")?
                    .to_owned(),
                folder: Path::new(manifest)
                    .parent()
                    .context("no folder")?
                    .to_owned(),
            })
        };
        let sys = find("mmarinus-sys")?;
        let wanted = sys["dependencies"].as_array().context("no dependencies")?;
        let wanted = wanted.iter().filter(|wanted| wanted["kind"].is_null());
        let mut others = String::new();
        let mut features = Vec::new();
        for dependency in wanted {
            let asked = dependency["features"].as_array().into_iter().flatten();
            let asked: Vec<String> = asked
                .filter_map(|name| name.as_str().map(String::from))
                .collect();
            match dependency["name"].as_str().context("no name")? {
                "rustix" => features = asked,
                "linux-raw-sys" => {}
                name => {
                    let version = fetched(name)?.version;
                    others.push_str(&format!(
                        "{name} = {{ version = \"={version}\", default-features = false, features = {asked:?} }}\n"
                    ));
                }
            }
        }
        Ok(Self {
            sys: fetched("mmarinus-sys")?.folder,
            rustix: fetched("rustix")?,
            raw: fetched("linux-raw-sys")?,
            others,
            features,
        })
    }

    /// Writes all crates, and the manifest of the program that uses them.
    pub(super) fn generate(&self, folder: &Path) -> Result<()> {
        write(
            &folder.join("Cargo.toml"),
            "[workspace]\nmembers = [\"rows\"]\nresolver = \"3\"\n",
        )?;
        let mut encodings = Vec::new();
        let mut depends = String::new();
        let (mut modules, mut calls) = (String::new(), String::new());
        for arch in ARCHES {
            // Most architectures encode the numbers of ioctls alike, so few copies of rustix do.
            let ioctl = answered(&fs::read_to_string(self.rustix.folder.join(IOCTL))?, arch);
            let encoding = answers(&ioctl).with_context(|| format!("{IOCTL} of rustix"))?;
            let known = encodings.iter().position(|known| *known == encoding);
            let rustix = known.unwrap_or(encodings.len());
            if known.is_none() {
                self.generate_rustix(&folder.join(format!("rustix-{rustix}")), rustix, &ioctl)?;
                encodings.push(encoding);
            }
            self.generate_sys(&folder.join(arch.name), arch, rustix)?;
            let name = arch.name;
            depends.push_str(&format!("raw-{name} = {{ path = \"../{name}/raw\" }}\n"));
            depends.push_str(&format!("sys-{name} = {{ path = \"../{name}/sys\" }}\n"));
            modules.push_str(&format!("mod {name};\n"));
            calls.push_str(&format!("    {name}::print();\n"));
        }
        let rows = folder.join("rows");
        let binary = "[[bin]]\nname = \"rows\"\npath = \"main.rs\"\n";
        write(
            &rows.join("Cargo.toml"),
            &manifest("rows", binary, &depends),
        )?;
        write(
            &rows.join("main.rs"),
            &format!("{modules}fn main() {{\n{calls}}}\n"),
        )
    }

    /// Writes a copy of rustix, with this encoding of ioctl numbers.
    fn generate_rustix(&self, folder: &Path, number: usize, ioctl: &str) -> Result<()> {
        let manifest = fs::read_to_string(self.rustix.folder.join("Cargo.toml"))?;
        write(&folder.join("Cargo.toml"), &renamed(&manifest, number))?;
        copy(
            &self.rustix.folder.join("build.rs"),
            &folder.join("build.rs"),
            |_, text| text,
        )?;
        copy(
            &self.rustix.folder.join("src"),
            &folder.join("src"),
            |path, text| match path.ends_with(IOCTL) {
                true => ioctl.to_owned(),
                false => text,
            },
        )
    }

    /// Writes the constants of linux-raw-sys for one architecture, and `mmarinus-sys` over them.
    fn generate_sys(&self, folder: &Path, arch: &Arch, rustix: usize) -> Result<()> {
        let name = arch.name;
        write(
            &folder.join("raw/Cargo.toml"),
            &manifest(&format!("raw-{name}"), "", ""),
        )?;
        write(&folder.join("raw/src/lib.rs"), &self.raw_source(arch))?;
        let depends = format!(
            "{}linux-raw-sys = {{ package = \"raw-{name}\", path = \"../raw\" }}\n\
             rustix = {{ package = \"rustix-{rustix}\", path = \"../../rustix-{rustix}\", \
             default-features = false, features = {:?} }}\n",
            self.others, self.features
        );
        write(
            &folder.join("sys/Cargo.toml"),
            &manifest(&format!("sys-{name}"), "", &depends),
        )?;
        let readme = self.sys.join("README.md");
        if readme.is_file() {
            copy(&readme, &folder.join("sys/README.md"), |_, text| text)?;
        }
        copy(&self.sys.join("src"), &folder.join("sys/src"), |_, text| {
            answered(&text, arch)
        })
    }

    /// Those modules of linux-raw-sys that have to do with memory, for one architecture.
    fn raw_source(&self, arch: &Arch) -> String {
        let folder = self.raw.folder.join("src").join(arch.name);
        let modules: String = ["general", "ioctl", "mempolicy", "prctl"]
            .iter()
            .map(|module| {
                let path = folder.join(format!("{module}.rs"));
                format!("#[path = {path:?}]\npub mod {module};\n")
            })
            .collect();
        let bits = arch.bits;
        format!(
            "#![no_std]\n\
             pub mod ctypes {{\n    pub use core::ffi::*;\n    pub type c_long = i{bits};\n    pub type c_ulong = u{bits};\n}}\n\
             {modules}\
             #[macro_export]\nmacro_rules! no_asm {{ ($($any:tt)*) => {{ loop {{}} }} }}\n"
        )
    }
}

fn manifest(package: &str, target: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{package}\"\nedition = \"2024\"\n\n{target}\n[dependencies]\n{dependencies}"
    )
}

/// The manifest of rustix under another name, without its tests and what they need.
fn renamed(manifest: &str, number: usize) -> String {
    let mut kept = String::new();
    let mut keeps = true;
    for line in manifest.lines() {
        if line.starts_with('[') {
            keeps = !line.starts_with("[[") && !line.contains("dev-dependencies");
        }
        if keeps {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.replacen(
        "name = \"rustix\"",
        &format!("name = \"rustix-{number}\""),
        1,
    )
}

/// Copies a file, or the Rust files of a folder, with the text changed.
fn copy(from: &Path, to: &Path, change: impl Fn(&Path, String) -> String + Copy) -> Result<()> {
    if from.is_dir() {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()), change)?;
        }
        return Ok(());
    }
    let text = fs::read_to_string(from).with_context(|| from.display().to_string())?;
    write(to, &change(from, text))
}

/// Writes a file, unless it has this text already: then cargo need not build it again.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file without a folder")?)?;
    fs::write(path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_rustix_are_left_out() {
        let manifest = "[package]\nname = \"rustix\"\n[dev-dependencies.a]\nb = 1\n\
                        [[test]]\nname = \"c\"\n[lib]\nname = \"rustix\"\n";
        assert_eq!(
            renamed(manifest, 1),
            "[package]\nname = \"rustix-1\"\n[lib]\nname = \"rustix\"\n"
        );
    }
}
