//! Draws its own address space: `cargo run --example smaps -- [PICTURE.svg]`.
//!
//! Each mapping of the process is a line with its addresses, permissions, length, and how much of it is in memory; so that there
//! is something to see, the program makes some maps first. A second argument, `wait`, makes it wait for the end of its standard
//! input before it ends, so that one can look into `/proc/PID/maps` beside it.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use mmarinus::{Map, ProtFlags, Reservation, Shared, Stats, Vma, maps, perms};
use svg::Document;
use svg::node::element::{Group, Rectangle, Text, Title};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let picture = args.next().map(PathBuf::from);
    let wait = args.next().is_some_and(|arg| arg == "wait");
    match run(picture.as_deref(), wait) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smaps: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(picture: Option<&Path>, wait: bool) -> Result<()> {
    // A quarter of it is in memory.
    let mut quarter = Map::bytes(4 << 20)
        .anywhere()
        .anonymously()
        .named("a quarter written")
        .with(perms::ReadWrite)?;
    quarter[..1 << 20].fill(1);
    // Shared with children that are forked, and read only: the page of zeros is not counted as memory.
    let shared = Map::bytes(1 << 20)
        .anonymously()
        .with_kind(Shared)
        .with(perms::Read)?;
    // Addresses alone, a tebibyte of them.
    let addresses = Reservation::new(1 << 40)?;

    let drawn: Vec<Drawn> = maps()?
        .map(|vma| {
            let vma = vma?;
            // Some of the kernel's own pages cannot be counted.
            let stats = vma.stats().ok();
            Ok(Drawn { vma, stats })
        })
        .collect::<Result<_>>()?;

    let mut out = BufWriter::new(io::stdout().lock());
    for drawn in &drawn {
        writeln!(out, "{drawn}")?;
    }
    let all = |figure: fn(&Drawn) -> usize| size(drawn.iter().map(figure).sum());
    writeln!(
        out,
        "{} mappings, {} of addresses, {} in memory",
        drawn.len(),
        all(|drawn| drawn.vma.len()),
        all(Drawn::resident)
    )?;
    out.flush()?;
    if let Some(path) = picture {
        svg::save(path, &document(&drawn))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    if wait {
        io::stdin().read_to_end(&mut Vec::new())?;
    }
    drop((quarter, shared, addresses));
    Ok(())
}

/// A mapping, and what of it is in memory.
struct Drawn {
    vma: Vma,
    stats: Option<Stats>,
}

impl Drawn {
    /// Bytes in memory; the page of zeros takes none.
    fn resident(&self) -> usize {
        self.stats
            .map_or(0, |stats| stats.resident() - stats.zero().unwrap_or(0))
    }

    fn letters(&self) -> String {
        let letter = |flag, letter| {
            if self.vma.permissions().contains(flag) {
                letter
            } else {
                '-'
            }
        };
        let sharing = if self.vma.is_shared() { 's' } else { 'p' };
        [
            letter(ProtFlags::READ, 'r'),
            letter(ProtFlags::WRITE, 'w'),
            letter(ProtFlags::EXEC, 'x'),
            sharing,
        ]
        .into_iter()
        .collect()
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(self.vma.name())
            .escape_debug()
            .to_string()
    }

    /// The part that is in memory, of a whole of `full` units; something is never nothing.
    fn part(&self, full: usize) -> usize {
        (self.resident() as u128 * full as u128).div_ceil(self.vma.len() as u128) as usize
    }
}

impl core::fmt::Display for Drawn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let part = self.part(8);
        write!(
            f,
            "{:012x}-{:012x} {} {:>9} {:>9} {}{} {}",
            self.vma.start(),
            self.vma.end(),
            self.letters(),
            size(self.vma.len()),
            size(self.resident()),
            "#".repeat(part),
            ".".repeat(8 - part),
            self.name()
        )
    }
}

/// Bytes in the largest unit of which there is at least one.
fn size(bytes: usize) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = (bytes.max(1).ilog2() / 10).min(5);
    let whole = bytes >> (10 * unit);
    let tenth = ((bytes as u128 * 10) >> (10 * unit)) % 10;
    match tenth {
        0 => format!("{whole} {}", units[unit as usize]),
        _ => format!("{whole}.{tenth} {}", units[unit as usize]),
    }
}

/// The height of a line of the picture.
const LINE: usize = 20;

/// The picture: a line for each mapping, the lowest address at the bottom, and one for each gap.
fn document(drawn: &[Drawn]) -> Document {
    let mut lines = Vec::new();
    let mut last: Option<&Drawn> = None;
    for drawn in drawn {
        if let Some(gap) = last
            .map(|last| drawn.vma.start() - last.vma.end())
            .filter(|&gap| gap != 0)
        {
            lines.push(
                Group::new().add(text(200, &format!("{} free", size(gap))).set("opacity", 0.5)),
            );
        }
        lines.push(line(drawn));
        last = Some(drawn);
    }
    let height = lines.len() * LINE;
    let mut document = Document::new()
        .set("viewBox", (0, 0, 1000, height))
        .set("font-family", "monospace")
        .set("font-size", 12)
        .add(
            Rectangle::new()
                .set("width", "100%")
                .set("height", "100%")
                .set("fill", "white"),
        );
    for (place, line) in lines.into_iter().rev().enumerate() {
        document = document.add(line.set("transform", format!("translate(0 {})", place * LINE)));
    }
    document
}

/// A mapping: its bar is as long as the logarithm of its pages, and filled as far as it is in memory.
fn line(drawn: &Drawn) -> Group {
    let colour = match &drawn.letters()[..3] {
        "---" => "gray",
        "r--" => "steelblue",
        "r-x" => "firebrick",
        "rw-" => "seagreen",
        _ => "darkorange",
    };
    let width = 10 * drawn.vma.len().ilog2() as usize - 100;
    let bar = |class: &str, width| {
        Rectangle::new()
            .set("class", class)
            .set("x", 200)
            .set("y", 3)
            .set("height", LINE - 6)
            .set("width", width)
            .set("fill", colour)
    };
    let label = format!(
        "{} {}, {} in memory {}",
        drawn.letters(),
        size(drawn.vma.len()),
        size(drawn.resident()),
        drawn.name()
    );
    Group::new()
        .add(Title::new(drawn.to_string()))
        .add(text(5, &format!("{:x}", drawn.vma.start())))
        .add(bar("mapping", width).set("opacity", 0.3))
        .add(bar("resident", drawn.part(width)))
        .add(text(210 + width, &label))
}

fn text(x: usize, text: &str) -> Text {
    Text::new(text).set("x", x).set("y", LINE - 6)
}
