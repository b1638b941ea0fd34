//! The modules of a kernel that a guest loads: where they are, what they need, in which order they go in.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// A module, ready to be loaded.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Collects modules and all that they need, each after what it needs.
///
/// One that is nowhere is taken to be built into the kernel; if it is not, the guest finds out.
pub(super) fn collect(sh: &Shell, folder: &Path, wanted: &[&str]) -> Result<Vec<Module>> {
    let mut search = Search {
        sh,
        places: places(&folder.join("kernel"))?,
        found: Vec::new(),
    };
    for name in wanted {
        search.add(name)?;
    }
    Ok(search.found)
}

struct Search<'a> {
    sh: &'a Shell,
    places: HashMap<String, PathBuf>,
    found: Vec<Module>,
}

impl Search<'_> {
    fn add(&mut self, name: &str) -> Result<()> {
        let Some(place) = self.places.get(name) else {
            return Ok(());
        };
        if self.found.iter().any(|module| module.name == name) {
            return Ok(());
        }
        let bytes = read(self.sh, place)?;
        for needed in needs(&bytes) {
            self.add(&needed)?;
        }
        self.found.push(Module {
            name: name.to_owned(),
            bytes,
        });
        Ok(())
    }
}

/// The place of each module, by its name.
fn places(folder: &Path) -> Result<HashMap<String, PathBuf>> {
    let mut places = HashMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                places.insert(name_of(&path), path);
            }
        }
    }
    Ok(places)
}

/// The kernel writes names with `_` where files may have `-`.
fn name_of(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.split('.').next().unwrap_or_default().replace('-', "_")
}

fn read(sh: &Shell, place: &Path) -> Result<Vec<u8>> {
    let unpack = |tool: &str| {
        cmd!(sh, "{tool} --decompress --stdout {place}")
            .quiet()
            .output()
    };
    match place.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => Ok(unpack("xz")?.stdout),
        Some("zst") => Ok(unpack("zstd")?.stdout),
        _ => Ok(fs::read(place)?),
    }
}

/// What a module says that it needs, in its section of `name=value` texts, each of which ends with a zero byte.
fn needs(bytes: &[u8]) -> Vec<String> {
    let mut texts = bytes.split(|byte| *byte == 0);
    let list = texts.find_map(|text| core::str::from_utf8(text.strip_prefix(b"depends=")?).ok());
    let names = list
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty());
    names.map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_needs() {
        assert_eq!(
            needs(b"\x7fELF\0license=GPL\0depends=nd-btt,libnvdimm\0name=nd_pmem\0"),
            ["nd_btt", "libnvdimm"]
        );
        assert!(needs(b"license=GPL\0depends=\0").is_empty());
        assert!(needs(b"").is_empty());
    }

    #[test]
    fn what_is_needed_comes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let sh = Shell::new().expect("a shell");
        let write = |name: &str, text: &str| {
            sh.write_file(folder.path().join(name), text)
                .expect("a file")
        };
        write("kernel/a/nd-pmem.ko", "\0depends=nd_btt,ext4,lib\0");
        write("kernel/a/nd_btt.ko", "\0depends=lib\0");
        write("kernel/lib.ko", "\0depends=\0");
        let found = collect(&sh, folder.path(), &["nd_pmem", "lib"]).expect("all are there");
        let names: Vec<&str> = found.iter().map(|module| &*module.name).collect();
        assert_eq!(names, ["lib", "nd_btt", "nd_pmem"]);
        let none = collect(&sh, folder.path(), &["none"]).expect("it is built in");
        assert!(none.is_empty());
    }
}
