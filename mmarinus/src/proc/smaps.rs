//! Figures of whole mappings, from `/proc/PID/smaps`.

use core::ops::Range;

use mmarinus_sys::Errno;
use rustix::fd::AsFd;

use super::line::{Line, number};
use super::lines::Lines;
use super::{SMAPS, open};

/// Figures in bytes; `None` where pages of others in the same mapping may be among what was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) huge: Option<usize>,
    pub(crate) dirty: Option<usize>,
    pub(crate) swapped: Option<usize>,
}

/// How a mapping lies to the pages that are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    Outside,
    /// All of its pages are asked about.
    Inside,
    /// Some are.
    Across,
}

/// Counts for whole pages. The kernel walks through all pages of the process for it, up to the end of those.
pub(crate) fn figures(pages: Range<u64>) -> Result<Figures, Errno> {
    figures_in(open(SMAPS)?, pages)
}

/// The same, out of any file.
pub(crate) fn figures_in(file: impl AsFd, pages: Range<u64>) -> Result<Figures, Errno> {
    let mut lines = Lines::new(file);
    let mut figures = Figures {
        huge: Some(0),
        dirty: Some(0),
        swapped: Some(0),
    };
    let mut lies = Lies::Outside;
    let mut covered = 0_u64;
    while let Some(text) = lines.next()? {
        if let Some(line) = Line::parse(text) {
            if line.start >= pages.end {
                break;
            }
            lies = if line.end <= pages.start {
                Lies::Outside
            } else if pages.start <= line.start && line.end <= pages.end {
                Lies::Inside
            } else {
                Lies::Across
            };
            if lies != Lies::Outside {
                let part = line.end.min(pages.end) - line.start.max(pages.start);
                covered = part.saturating_add(covered);
            }
        } else if lies != Lies::Outside
            && let Some((name, bytes)) = figure(text)
            && let Some(sum) = sum_of(&mut figures, name)
        {
            *sum = match lies {
                _ if bytes == 0 => *sum,
                Lies::Across => None,
                _ => sum.and_then(|sum| sum.checked_add(bytes)),
            };
        }
    }
    // The list may have changed while it was read.
    if covered != pages.end - pages.start {
        return Err(Errno::AGAIN);
    }
    Ok(figures)
}

/// The sum that a figure of this name belongs to.
fn sum_of<'f>(figures: &'f mut Figures, name: &[u8]) -> Option<&'f mut Option<usize>> {
    match name {
        b"AnonHugePages" | b"ShmemPmdMapped" | b"FilePmdMapped" | b"Private_Hugetlb"
        | b"Shared_Hugetlb" => Some(&mut figures.huge),
        b"Shared_Dirty" | b"Private_Dirty" => Some(&mut figures.dirty),
        b"Swap" => Some(&mut figures.swapped),
        _ => None,
    }
}

/// A line such as `Rss:         4 kB`: the name, and the figure in bytes.
fn figure(line: &[u8]) -> Option<(&[u8], usize)> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (kilobytes, unit) = number(line[colon + 1..].trim_ascii_start(), 10)?;
    if unit != b" kB" {
        return None;
    }
    let bytes = usize::try_from(kilobytes).ok()?.checked_mul(1024)?;
    Some((&line[..colon], bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_figures_are_understood() {
        assert_eq!(
            figure(b"Rss:                   4 kB"),
            Some((&b"Rss"[..], 4096))
        );
        assert_eq!(figure(b"Swap: 0 kB"), Some((&b"Swap"[..], 0)));
        for text in [
            &b""[..],
            b"VmFlags: rd wr mr mw me ac",
            b"THPeligible:           0",
            b"Rss: 4 MB",
            b"Rss: -4 kB",
            b"Rss: 18446744073709551615 kB",
            b"Rss 4 kB",
        ] {
            assert_eq!(figure(text), None, "{}", text.escape_ascii());
        }
    }
}
