//! Trials of memory of no file: lengths, ranges, cuts, places.

use rustix::param::page_size;

use crate::subject::{No, Subject};
use crate::trial::{End, Outcome, Trial, broken, must_refuse, read};

pub(crate) fn trials<S: Subject>() -> Vec<Trial> {
    vec![
        Trial {
            name: "empty",
            about: "a map of no bytes was an error, or an address that others own",
            run: empty::<S>,
        },
        Trial {
            name: "too-long",
            about: "a slice of more than isize::MAX bytes, or a length that wrapped",
            run: too_long::<S>,
        },
        Trial {
            name: "read-past-the-end",
            about: "a copy reached behind the map",
            run: read_past_the_end::<S>,
        },
        Trial {
            name: "split-overflow",
            about: "an offset was added to an address before it was checked",
            run: split_overflow::<S>,
        },
        Trial {
            name: "split-within-a-page",
            about: "two maps had one page, and the drop of one unmapped the other's",
            run: split_within_a_page::<S>,
        },
        Trial {
            name: "halves-live-on",
            about: "the drop of one half of a split took the other along",
            run: halves_live_on::<S>,
        },
        Trial {
            name: "discard-part-of-a-page",
            about: "16 bytes were given back, and 4096 were zeroed",
            run: discard_part_of_a_page::<S>,
        },
        Trial {
            name: "discard-neighbour",
            about: "a range that was checked badly zeroed the pages behind the map",
            run: discard_neighbour::<S>,
        },
        Trial {
            name: "advise-odd-ranges",
            about: "advice for a reversed or distant range wrapped, panicked or reached others",
            run: advise_odd_ranges::<S>,
        },
        Trial {
            name: "advise-neighbour",
            about: "advice for a range behind the map changed the flags of what is mapped there",
            run: advise_neighbour::<S>,
        },
        Trial {
            name: "resize",
            about: "bytes were lost, or new ones were not there",
            run: resize::<S>,
        },
        Trial {
            name: "grow-shared",
            about: "a map of a shared object grew, the object did not: SIGBUS",
            run: grow_shared::<S>,
        },
        Trial {
            name: "read-only",
            about: "a map that may not be written was written",
            run: read_only::<S>,
        },
        Trial {
            name: "address-zero",
            about: "a map at the null pointer, for those who may have one",
            run: address_zero::<S>,
        },
        Trial {
            name: "place-taken",
            about: "a fixed place replaced what lived there",
            run: place_taken::<S>,
        },
        Trial {
            name: "inaccessible",
            about: "pages that nobody may touch were read by a safe call: SIGSEGV",
            run: inaccessible::<S>,
        },
    ]
}

fn empty<S: Subject>() -> Outcome {
    match S::anonymous(0) {
        Ok(map) if S::len(&map) != 0 => broken("a map of no bytes has some"),
        Ok(map) => match S::read(&map, 0, &mut [0]) {
            Ok(()) => broken("a byte of an empty map was read"),
            Err(_) => Ok(()),
        },
        Err(No::Refused) => Ok(()), // A pity, but no hole.
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

fn too_long<S: Subject>() -> Outcome {
    for len in [
        usize::MAX,
        usize::MAX - page_size(),
        isize::MAX as usize + 1,
    ] {
        must_refuse(S::anonymous(len), "a map of more than isize::MAX bytes")?;
    }
    Ok(())
}

fn read_past_the_end<S: Subject>() -> Outcome {
    let page = page_size();
    let map = S::anonymous(page)?;
    for (offset, len) in [
        (page, 1),
        (page - 1, 2),
        (0, page + 1),
        (usize::MAX, 1),
        (usize::MAX - 1, 8),
        (isize::MAX as usize, page),
    ] {
        must_refuse(
            S::read(&map, offset, &mut vec![0; len]),
            &format!("{len} bytes at {offset} of a page were read"),
        )?;
    }
    Ok(())
}

fn split_overflow<S: Subject>() -> Outcome {
    let page = page_size();
    for offset in [
        usize::MAX,
        usize::MAX - page + 1,
        3 * page,
        isize::MAX as usize + 1,
    ] {
        must_refuse(
            S::split(S::anonymous(2 * page)?, offset),
            "a map of two pages was cut behind its end",
        )?;
    }
    Ok(())
}

fn split_within_a_page<S: Subject>() -> Outcome {
    let map = S::anonymous(2 * page_size())?;
    match S::split(map, 100) {
        Ok((first, second)) => {
            drop(first);
            read::<S>(&second, 0, page_size()).map(drop)
        }
        Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

fn halves_live_on<S: Subject>() -> Outcome {
    let page = page_size();
    let mut map = S::anonymous(3 * page)?;
    S::write(&mut map, page, &vec![7; page])?;
    let (first, rest) = S::split(map, page)?;
    let (middle, last) = S::split(rest, page)?;
    drop(first);
    drop(last);
    match read::<S>(&middle, 0, page)?.iter().all(|&byte| byte == 7) {
        true => Ok(()),
        false => broken("the middle of a map changed when its ends were dropped"),
    }
}

fn discard_part_of_a_page<S: Subject>() -> Outcome {
    let mut map = S::anonymous(page_size())?;
    S::write(&mut map, 0, &vec![7; page_size()])?;
    match S::discard(&mut map, 0..16) {
        Err(No::NotOffered) => return Err(End::NotOffered),
        Err(No::Refused) | Ok(()) => {}
    }
    match read::<S>(&map, 16, page_size() - 16)?
        .iter()
        .all(|&byte| byte == 7)
    {
        true => Ok(()),
        false => broken("to give back 16 bytes zeroed others"),
    }
}

fn discard_neighbour<S: Subject>() -> Outcome {
    let page = page_size();
    let mut map = S::anonymous(2 * page)?;
    S::write(&mut map, 0, &vec![7; 2 * page])?;
    let (mut first, second) = S::split(map, page)?;
    let mut offered = false;
    for (start, end) in [
        (page, 2 * page),
        (0, 2 * page),
        (2 * page, page),
        (usize::MAX - page + 1, page),
    ] {
        match S::discard(&mut first, start..end) {
            Err(No::NotOffered) => {}
            Err(No::Refused) => offered = true,
            Ok(()) => return broken(format!("{start}..{end} of a page was given back")),
        }
    }
    match read::<S>(&second, 0, page)?.iter().all(|&byte| byte == 7) {
        false => broken("the neighbour of a map was zeroed"),
        true if offered => Ok(()),
        true => Err(End::NotOffered),
    }
}

/// Ranges that no map of two pages has.
fn odd_ranges() -> [core::ops::Range<usize>; 5] {
    let page = page_size();
    [
        core::ops::Range {
            start: 1 << 40,
            end: 0,
        },
        core::ops::Range {
            start: page,
            end: 0,
        },
        0..3 * page,
        3 * page..4 * page,
        usize::MAX - 1..usize::MAX,
    ]
}

fn advise_odd_ranges<S: Subject>() -> Outcome {
    let map = S::anonymous(2 * page_size())?;
    for range in odd_ranges() {
        let promise = format!("advice for {range:?} of two pages was taken");
        must_refuse(S::advise(&map, range), &promise)?;
    }
    Ok(())
}

fn advise_neighbour<S: Subject>() -> Outcome {
    let page = page_size();
    let (first, second) = S::split(S::anonymous(2 * page)?, page)?;
    let address = S::address(&second)?;
    let before = flags_at(address)?;
    let mut offered = false;
    for range in [page..2 * page, 0..2 * page] {
        match S::dont_dump(&first, range) {
            Err(No::NotOffered) => {}
            Err(No::Refused) => offered = true,
            Ok(()) => return broken("a range behind the map was advised"),
        }
    }
    match flags_at(address)? == before {
        false => broken("the flags of a neighbour changed"),
        true if offered => Ok(()),
        true => Err(End::NotOffered),
    }
}

/// The flags that the kernel shows for the mapping at an address.
fn flags_at(address: usize) -> Result<String, End> {
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let mut inside = false;
    for line in smaps.lines() {
        let range = line
            .split(' ')
            .next()
            .and_then(|range| range.split_once('-'));
        let range = range.and_then(|(start, end)| {
            Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
        });
        if let Some(range) = range {
            inside = range.contains(&address);
        }
        if inside && line.starts_with("VmFlags:") {
            return Ok(line.to_owned());
        }
    }
    Err(End::NotRun(String::from(
        "the kernel shows no flags of mappings",
    )))
}

fn resize<S: Subject>() -> Outcome {
    let page = page_size();
    let mut map = S::anonymous(page)?;
    S::write(&mut map, 0, &vec![7; page])?;
    let map = S::resize(map, 64 * page)?;
    if S::len(&map) != 64 * page {
        return broken("a map that grew has another length");
    }
    let bytes = read::<S>(&map, 0, 64 * page)?;
    let (old, new) = bytes.split_at(page);
    if old.iter().any(|&byte| byte != 7) || new.iter().any(|&byte| byte != 0) {
        return broken("a map that grew has other bytes");
    }
    must_refuse(
        S::resize(map, isize::MAX as usize + 1),
        "a map grew past isize::MAX bytes",
    )
}

fn grow_shared<S: Subject>() -> Outcome {
    let page = page_size();
    match S::resize(S::shared(page)?, 4 * page) {
        Ok(map) => read::<S>(&map, 2 * page, page).map(drop),
        Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

fn read_only<S: Subject>() -> Outcome {
    let mut map = S::read_only(S::anonymous(page_size())?)?;
    match S::write(&mut map, 0, &[1]) {
        Ok(()) => broken("a map for reading was written"),
        Err(_) => Ok(()), // Also where the type of the map has no such method.
    }
}

fn address_zero<S: Subject>() -> Outcome {
    match S::at(0, page_size()) {
        Ok(map) if S::address(&map)? == 0 => broken("a map lies at the null pointer"),
        Ok(_) | Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

fn place_taken<S: Subject>() -> Outcome {
    let page = page_size();
    let mut map = S::anonymous(2 * page)?;
    S::write(&mut map, 0, &vec![7; 2 * page])?;
    let address = S::address(&map)?;
    for (address, len) in [
        (address, page),
        (address + page, page),
        (address.saturating_sub(page), 4 * page),
    ] {
        match S::at(address, len) {
            Ok(_) => return broken("a place that was taken was given away"),
            Err(No::NotOffered) => return Err(End::NotOffered),
            Err(No::Refused) => {}
        }
    }
    match read::<S>(&map, 0, 2 * page)?.iter().all(|&byte| byte == 7) {
        true => Ok(()),
        false => broken("what lived at a fixed place was replaced"),
    }
}

fn inaccessible<S: Subject>() -> Outcome {
    let mut map = S::inaccessible(page_size())?;
    let mut byte = [0];
    for offset in [0, page_size() - 1] {
        match S::read(&map, offset, &mut byte) {
            Err(No::NotOffered) => return Err(End::NotOffered),
            Err(No::Refused) => {}
            Ok(()) => return broken("what nobody may read was read"),
        }
    }
    match S::write(&mut map, 0, &[1]) {
        Ok(()) => broken("what nobody may touch was written"),
        Err(_) => Ok(()), // Also where the type of the map has no such method.
    }
}
