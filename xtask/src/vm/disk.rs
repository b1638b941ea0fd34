//! The disk of a guest: an ext4 file system, as the list of those of its blocks that are not zero.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// How much is read at a time, in bytes. A page of the guest, so that a file system for direct access fits.
const BLOCK: usize = 4096;

/// Makes an empty file system of this many MiB; `folder` is for scratch.
pub(super) fn make(sh: &Shell, folder: &Path, mebibytes: u64) -> Result<Vec<u8>> {
    let image = folder.join("disk.img");
    sh.remove_path(&image)?;
    let file = File::create(&image)?;
    file.set_len(mebibytes << 20)?;
    let _path = sh.push_env("PATH", format!("{}:/usr/sbin:/sbin", sh.var("PATH")?));
    cmd!(sh, "mkfs.ext4 -q -F -b 4096 -E lazy_itable_init=0 {image}")
        .quiet()
        .run()
        .context("no file system for the guests can be made without mkfs.ext4")?;
    let blocks = blocks(File::open(&image)?)?;
    sh.remove_path(&image)?;
    Ok(blocks)
}

/// Each block that is not zero: offset and length, eight bytes each with the lowest first, then the bytes.
fn blocks(mut image: impl Read) -> Result<Vec<u8>> {
    let mut list = Vec::new();
    let mut block = vec![0; BLOCK];
    let mut offset = 0u64;
    while image.read_exact(&mut block).is_ok() {
        if block.iter().any(|byte| *byte != 0) {
            list.extend_from_slice(&offset.to_le_bytes());
            list.extend_from_slice(&(BLOCK as u64).to_le_bytes());
            list.extend_from_slice(&block);
        }
        offset += BLOCK as u64;
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_left_out() {
        let mut image = vec![0; 3 * BLOCK];
        image[BLOCK + 5] = 9;
        let list = blocks(&*image).expect("a list");
        assert_eq!(list.len(), 16 + BLOCK);
        assert_eq!(list[..8], (BLOCK as u64).to_le_bytes());
        assert_eq!(list[8..16], (BLOCK as u64).to_le_bytes());
        assert_eq!(list[16 + 5], 9);
        assert!(blocks(&*vec![0; BLOCK]).expect("a list").is_empty());
    }
}
