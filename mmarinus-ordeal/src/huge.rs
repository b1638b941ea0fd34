//! Trials of huge pages out of the pool: lengths, cuts, and pages that are not there.

use std::fs;

use rustix::param::page_size;

use crate::subject::{No, Subject};
use crate::trial::{End, Outcome, Trial, broken, read};

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
const HUGE: usize = 2 << 20;

pub(crate) fn trials<S: Subject>() -> Vec<Trial> {
    vec![
        Trial {
            name: "huge-length",
            about: "a length that is no multiple of the page was not remembered: munmap failed, and a page leaked",
            run: huge_length::<S>,
        },
        Trial {
            name: "huge-cut",
            about: "a map of huge pages was cut within one, and neither half could be unmapped",
            run: huge_cut::<S>,
        },
        Trial {
            name: "huge-unreserved",
            about: "pages without a reservation, and an empty pool: SIGBUS",
            run: huge_unreserved::<S>,
        },
        Trial {
            name: "huge-more-than-there-are",
            about: "more pages than the pool has",
            run: huge_more_than_there_are::<S>,
        },
    ]
}

/// How many pages of the pool are free.
fn free() -> Result<usize, End> {
    let number = |name: &str| -> Result<usize, End> {
        let text = fs::read_to_string(format!("{POOL}/{name}"))
            .map_err(|_| End::NotRun(String::from("there are no pages of 2 MiB here")))?;
        Ok(text.trim().parse().unwrap_or(0))
    };
    Ok(number("free_hugepages")?.saturating_sub(number("resv_hugepages")?))
}

/// As many as a trial needs.
fn some_free() -> Result<usize, End> {
    match free()? {
        0..2 => Err(End::NotRun(String::from("the pool of huge pages is empty"))),
        number => Ok(number),
    }
}

fn huge_length<S: Subject>() -> Outcome {
    let before = some_free()?;
    let map = S::huge(page_size())?;
    let len = S::len(&map);
    read::<S>(&map, len - 1, 1)?;
    drop(map);
    all_back(before)
}

fn huge_cut<S: Subject>() -> Outcome {
    let before = some_free()?;
    match S::split(S::huge(HUGE)?, page_size()) {
        Ok(halves) => drop(halves),
        Err(No::Refused) => {}
        Err(No::NotOffered) => return Err(End::NotOffered),
    }
    all_back(before)
}

/// Other programs use the pool as well, so that one look may be unlucky.
fn all_back(before: usize) -> Outcome {
    for _ in 0..20 {
        if free()? >= before {
            return Ok(());
        }
        std::thread::sleep(core::time::Duration::from_millis(50));
    }
    broken("a huge page was not given back")
}

fn huge_unreserved<S: Subject>() -> Outcome {
    let pages = free()? + 1;
    match S::huge_unreserved(pages * HUGE) {
        // More than there are: a touch of all is a touch of one that is missing.
        Ok(map) => (0..pages).try_for_each(|page| read::<S>(&map, page * HUGE, 1).map(drop)),
        Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

fn huge_more_than_there_are<S: Subject>() -> Outcome {
    let pages = free()? + 64;
    match S::huge(pages * HUGE) {
        Ok(map) => (0..pages).try_for_each(|page| read::<S>(&map, page * HUGE, 1).map(drop)),
        Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}
