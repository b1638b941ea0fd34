//! A key-value file that survives being killed at any moment: `cargo run --example kv -- FILE set KEY VALUE`.
//!
//! The file is a log of records, each with a checksum. A change is a record behind the last one, and is acknowledged once `sync`
//! says that it is on the storage. Whoever is killed before that leaves a record that is whole or not there: what is torn has
//! a wrong checksum, and the log ends before it. Without a command, commands are read from standard input, line by line.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use mmarinus::{Map, Shared, Source, backing, perms};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, command @ ..] = &args[..] else {
        eprintln!("kv: which file? cargo run --example kv -- FILE [{COMMANDS}]");
        return ExitCode::FAILURE;
    };
    match run(Path::new(path), command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kv: {path}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

const COMMANDS: &str = "set KEY VALUE | get KEY | remove KEY | list";

fn run(path: &Path, command: &[String]) -> Result<()> {
    let mut store = Store::open(path)?;
    if !command.is_empty() {
        return execute(&mut store, command);
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<String> = line.splitn(3, ' ').map(String::from).collect();
        execute(&mut store, &words)?;
    }
    Ok(())
}

/// Executes a command, and prints its answer; of a change, once nothing can undo it.
fn execute(store: &mut Store, words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = io::stdout().lock();
    match words[..] {
        ["set", key, value] => {
            store.append(key.as_bytes(), Some(value.as_bytes()))?;
            writeln!(out, "ok")?;
        }
        ["remove", key] => {
            store.append(key.as_bytes(), None)?;
            writeln!(out, "ok")?;
        }
        ["get", key] => {
            let value = store.get(key.as_bytes())?;
            out.write_all(&value.with_context(|| format!("there is no {key}"))?)?;
            writeln!(out)?;
        }
        ["list"] => {
            let mut keys: Vec<&[u8]> = store.index.0.keys().map(Vec::as_slice).collect();
            keys.sort();
            for key in keys {
                let value = store.get(key)?.unwrap_or_default();
                out.write_all(&[key, b" ", &value, b"\n"].concat())?;
            }
        }
        _ => bail!("what to do? {COMMANDS}"),
    }
    Ok(())
}

/// The file grows by this much at a time; what is not written yet is zeros.
const STEP: usize = 1 << 20;

/// The value length of a record that removes its key.
const REMOVED: u32 = u32::MAX;

/// The first bytes of a record: its checksum, and how long the key and the value are that follow.
#[derive(Clone, Copy)]
struct Header {
    checksum: u32,
    key_len: u32,
    value_len: u32,
}

impl Header {
    const LEN: usize = 12;

    fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [checksum, key_len, value_len] = [0, 4, 8]
            .map(|at| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]));
        Self {
            checksum,
            key_len,
            value_len,
        }
    }

    fn to_bytes(self) -> [u8; Self::LEN] {
        let fields = [self.checksum, self.key_len, self.value_len].map(u32::to_le_bytes);
        core::array::from_fn(|at| fields[at / 4][at % 4])
    }

    /// How many bytes follow.
    fn body_len(self) -> usize {
        let value_len = if self.value_len == REMOVED {
            0
        } else {
            self.value_len
        };
        (self.key_len as usize).saturating_add(value_len as usize)
    }

    /// The checksum of a record at an offset, so that an old copy of it elsewhere is none.
    fn of(self, offset: usize, body: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&(offset as u64).to_le_bytes());
        hasher.update(&self.to_bytes()[4..]);
        hasher.update(body);
        Self {
            checksum: hasher.finalize(),
            ..self
        }
    }
}

/// Where in the file the value of each key is, and how long.
#[derive(Default)]
struct Index(HashMap<Vec<u8>, (usize, usize)>);

impl Index {
    /// Takes in a record whose body starts at an offset.
    fn apply(&mut self, record: Header, body_at: usize, key: &[u8]) {
        if record.value_len == REMOVED {
            self.0.remove(key);
        } else {
            let value = (body_at + key.len(), record.value_len as usize);
            self.0.insert(key.to_vec(), value);
        }
    }
}

struct Store {
    file: File,
    /// The file is also other processes' to truncate: this map has copies, which then fail, and no slices.
    map: Map<perms::ReadWrite, Shared, backing::File>,
    /// Behind the last record. From here on the file is zeros.
    end: usize,
    index: Index,
}

impl Store {
    fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .context("another process has it open")?;
        if file.metadata()?.len() == 0 {
            fallocate(&file, FallocateFlags::empty(), 0, STEP as u64)?;
            // Its name has to survive as well.
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        let map = Map::whole(&Source::of(&file)?)
            .with_kind(Shared)
            .with(perms::ReadWrite)?;
        let mut store = Self {
            file,
            map,
            end: 0,
            index: Index::default(),
        };
        store.recover()?;
        Ok(store)
    }

    /// Reads the log up to its first record that is not whole, and wipes what is behind it.
    fn recover(&mut self) -> Result<()> {
        let mut log = BufReader::with_capacity(1 << 16, self.map.cursor());
        let mut header = [0; Header::LEN];
        let mut body = Vec::new();
        while self.map.len() - self.end >= Header::LEN {
            log.read_exact(&mut header)?;
            let found = Header::from_bytes(header);
            let start = self.end + Header::LEN;
            if found.body_len() > self.map.len() - start {
                break;
            }
            body.resize(found.body_len(), 0);
            log.read_exact(&mut body)?;
            if found.checksum != found.of(self.end, &body).checksum {
                break;
            }
            self.end = start + body.len();
            self.index
                .apply(found, start, &body[..found.key_len as usize]);
        }
        // What is torn must not end up behind a new record: parts of it could look like one.
        let mut rest = vec![0; STEP];
        for start in (self.end..self.map.len()).step_by(STEP) {
            let rest = &mut rest[..STEP.min(self.map.len() - start)];
            self.map.read_at(start, rest)?;
            if rest.iter().any(|&byte| byte != 0) {
                rest.fill(0);
                self.map.write_at(start, rest)?;
            }
        }
        // A record that was whole but not acknowledged counts from now on, so it has to stay.
        Ok(self.map.sync(..)?)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(&(at, len)) = self.index.0.get(key) else {
            return Ok(None);
        };
        let mut value = vec![0; len];
        self.map.read_at(at, &mut value)?;
        Ok(Some(value))
    }

    /// Sets or removes a key. When this returns, the change is on the storage.
    fn append(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let len = |part: &[u8]| u32::try_from(part.len()).ok().filter(|&len| len < REMOVED);
        let header = Header {
            checksum: 0,
            key_len: len(key).context("the key is too long")?,
            value_len: value
                .map_or(Some(REMOVED), len)
                .context("the value is too long")?,
        };
        let value = value.unwrap_or_default();
        let body = [key, value].concat();
        let record = [&header.of(self.end, &body).to_bytes()[..], &body].concat();

        let end = self.end + record.len();
        if end > self.map.len() {
            // First the blocks, so that a full disk is an error here and no fault of a store.
            let size = end.next_multiple_of(STEP);
            self.map.update(|map| map.grow_file(&self.file, size))?;
        }
        self.map.write_at(self.end, &record)?;
        self.map.sync(self.end..end)?;
        self.index.apply(header, self.end + Header::LEN, key);
        self.end = end;
        Ok(())
    }
}
