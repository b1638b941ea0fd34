//! Archives as the kernel unpacks them into its first file system: cpio, in the form "newc".

use std::collections::BTreeSet;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTERS: u32 = 0o020_600;

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a file, and the folders above it.
    pub(super) fn file(&mut self, path: &str, bytes: &[u8]) {
        self.with_folders(path);
        self.entry(path, FILE, (0, 0), bytes);
    }

    /// Adds a file that can be executed, and the folders above it.
    pub(super) fn program(&mut self, path: &str, bytes: &[u8]) {
        self.with_folders(path);
        self.entry(path, PROGRAM, (0, 0), bytes);
    }

    /// Adds a symbolic link, and the folders above it.
    pub(super) fn link(&mut self, path: &str, to: &str) {
        self.with_folders(path);
        self.entry(path, LINK, (0, 0), to.as_bytes());
    }

    /// Adds a device of characters, and the folders above it.
    pub(super) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.with_folders(path);
        self.entry(path, CHARACTERS, (major, minor), &[]);
    }

    /// Adds a folder, and those above it.
    fn folder(&mut self, path: &str) {
        self.with_folders(path);
        if self.folders.insert(path.to_owned()) {
            self.entry(path, FOLDER, (0, 0), &[]);
        }
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn with_folders(&mut self, path: &str) {
        if let Some((above, _)) = path.rsplit_once('/')
            && !above.is_empty()
        {
            self.folder(above);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let name = path.trim_start_matches('/');
        let len = u32::try_from(content.len()).expect("no file of a guest is that large");
        let name_len = u32::try_from(name.len() + 1).expect("no name is that long");
        // Magic, inode, mode, owner, group, links, time, length, device, device number, length of the name, sum.
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            len,
            0,
            0,
            device.0,
            device.1,
            name_len,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Both the name and the content end at a multiple of four.
    fn pad(&mut self) {
        let len = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_as_the_kernel_wants_it() {
        let mut archive = Archive::default();
        archive.program("/a/b", b"hello");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        let folder = "070701\
            00000001000041ed000000000000000000000001000000000000000000000000000000000000000000000000\
            0000000200000000a\0";
        assert!(text.starts_with(folder), "{text}");
        let at = folder.len().next_multiple_of(4);
        let file = "070701\
            00000002000081ed000000000000000000000001000000000000000500000000000000000000000000000000\
            0000000400000000a/b\0";
        assert!(text[at..].starts_with(file), "{text}");
        let content = at + file.len().next_multiple_of(4);
        assert_eq!(&bytes[content..content + 8], b"hello\0\0\0");
        assert_eq!(&text[content + 8 + 110..], "TRAILER!!!\0\0\0\0");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_folder_is_there_once() {
        let mut archive = Archive::default();
        archive.file("/a/b/c", b"");
        archive.file("/a/b/d", b"");
        archive.folder("/a");
        assert_eq!(archive.entries, 4);
    }
}
