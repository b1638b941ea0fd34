//! Trials of maps of files: truncation, other writers, seals, replacements.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::param::page_size;

use crate::subject::{No, Replaced, Subject};
use crate::trial::{End, Outcome, Trial, broken, must_refuse, read};

pub(crate) fn trials<S: Subject>() -> Vec<Trial> {
    vec![
        Trial {
            name: "truncated",
            about: "a file was truncated under its map: SIGBUS",
            run: truncated::<S>,
        },
        Trial {
            name: "truncated-shared",
            about: "the same for a shared map, that is written as well",
            run: truncated_shared::<S>,
        },
        Trial {
            name: "truncated-by-a-thread",
            about: "the same, again and again, while the map is read",
            run: truncated_by_a_thread::<S>,
        },
        Trial {
            name: "behind-the-end",
            about: "a map reached further than its file: SIGBUS",
            run: behind_the_end::<S>,
        },
        Trial {
            name: "private-is-no-snapshot",
            about: "others wrote the file, and a slice of a private map changed while it was borrowed",
            run: private_is_no_snapshot::<S>,
        },
        Trial {
            name: "odd-offset",
            about: "an offset within a page gave other bytes, or a range that wrapped",
            run: odd_offset::<S>,
        },
        Trial {
            name: "far-offset",
            about: "an offset near the largest number wrapped",
            run: far_offset::<S>,
        },
        Trial {
            name: "sync-odd-ranges",
            about: "a reversed or distant range was written back: a panic, or arithmetic that wrapped",
            run: sync_odd_ranges::<S>,
        },
        Trial {
            name: "unsealed",
            about: "a file was taken for sealed that is not",
            run: unsealed::<S>,
        },
        Trial {
            name: "half-sealed",
            about: "a file was taken for immutable that others may still truncate or write",
            run: half_sealed::<S>,
        },
        Trial {
            name: "sealed",
            about: "a sealed file was refused, or changed",
            run: sealed::<S>,
        },
        Trial {
            name: "replace-refused",
            about: "a map was given back whose pages were gone",
            run: replace_refused::<S>,
        },
        Trial {
            name: "what-is-no-file",
            about: "a directory, or a file that the kernel makes up, was a slice",
            run: what_is_no_file::<S>,
        },
        Trial {
            name: "numbered",
            about: "a descriptor was named by its number, which may be anybody's, or nobody's",
            run: numbered::<S>,
        },
        Trial {
            name: "listed",
            about: "the list of what is mapped ended at a name that it did not understand",
            run: listed::<S>,
        },
    ]
}

/// A file of two pages that hold sevens.
fn sevens() -> Result<File, End> {
    let file = tempfile::tempfile()?;
    file.write_all_at(&vec![7; 2 * page_size()], 0)?;
    Ok(file)
}

fn truncated<S: Subject>() -> Outcome {
    let file = sevens()?;
    let map = S::file(&file, 0, 2 * page_size())?;
    read::<S>(&map, page_size(), 1)?;
    file.set_len(1)?;
    must_refuse(
        S::read(&map, page_size(), &mut [0]),
        "a page that was truncated away was read",
    )
}

fn truncated_shared<S: Subject>() -> Outcome {
    let file = sevens()?;
    let mut map = S::shared_file(&file, 0, 2 * page_size())?;
    S::write(&mut map, page_size(), &[8])?;
    file.set_len(1)?;
    must_refuse(
        S::write(&mut map, page_size(), &[9]),
        "a page that was truncated away was written",
    )?;
    must_refuse(
        S::read(&map, page_size(), &mut [0]),
        "a page that was truncated away was read",
    )
}

fn truncated_by_a_thread<S: Subject>() -> Outcome {
    let len = 16 * page_size();
    let file = sevens()?;
    file.set_len(len as u64)?;
    let map = S::file(&file, 0, len)?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                // A full disk is no failure of the crate.
                let _ = file.set_len(0).and_then(|()| file.set_len(len as u64));
            }
        });
        let mut bytes = vec![0; len];
        for _ in 0..500 {
            let _ = S::read(&map, 0, &mut bytes); // Either answer is fine; a signal is not.
        }
        done.store(true, Ordering::Relaxed);
    });
    Ok(())
}

fn behind_the_end<S: Subject>() -> Outcome {
    let file = sevens()?;
    match S::file(&file, 0, 4 * page_size()) {
        Ok(map) => must_refuse(
            S::read(&map, 3 * page_size(), &mut [0]),
            "a byte behind the end of a file was read",
        ),
        Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

fn private_is_no_snapshot<S: Subject>() -> Outcome {
    let file = sevens()?;
    let map = S::file(&file, 0, 2 * page_size())?;
    let slice = match S::slice(&map) {
        Ok(slice) => slice,
        Err(No::NotOffered | No::Refused) => return Ok(()), // No slice, no hole.
    };
    let before = slice.to_vec();
    file.write_all_at(b"eight", 0)?;
    match core::hint::black_box(slice) == before {
        true => Ok(()),
        false => broken("a slice changed while it was borrowed"),
    }
}

fn odd_offset<S: Subject>() -> Outcome {
    let file = sevens()?;
    let offset = page_size() as u64 - 3;
    file.write_all_at(b"odd", offset)?;
    match S::file(&file, offset, 4) {
        Ok(map) if S::len(&map) != 4 => broken("a map has not the length that was asked for"),
        Ok(map) if read::<S>(&map, 0, 4)? != *b"odd\x07" => {
            broken("a map at an odd offset has other bytes than the file")
        }
        Ok(_) | Err(No::Refused) => Ok(()),
        Err(No::NotOffered) => Err(End::NotOffered),
    }
}

fn far_offset<S: Subject>() -> Outcome {
    let file = sevens()?;
    for offset in [u64::MAX, u64::MAX - 4095, i64::MAX as u64, 1 << 63] {
        match S::file(&file, offset, 2 * page_size()) {
            // Far behind the end there is nothing to read.
            Ok(map) => must_refuse(
                S::read(&map, 0, &mut [0]),
                "a byte at a far offset was read",
            )?,
            Err(No::Refused) => {}
            Err(No::NotOffered) => return Err(End::NotOffered),
        }
    }
    Ok(())
}

fn sync_odd_ranges<S: Subject>() -> Outcome {
    let file = sevens()?;
    let map = S::shared_file(&file, 0, 2 * page_size())?;
    let page = page_size();
    for (start, end) in [
        (1 << 40, 0),
        (page, 0),
        (0, 3 * page),
        (3 * page, 4 * page),
        (usize::MAX - 1, usize::MAX),
    ] {
        must_refuse(
            S::sync(&map, start..end),
            &format!("{start}..{end} of two pages was written back"),
        )?;
    }
    Ok(())
}

/// A memory file of a page of sevens, with these seals.
fn memory_file(seals: SealFlags) -> Result<File, End> {
    let file = File::from(memfd_create(
        "ordeal",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?);
    file.write_all_at(&vec![7; page_size()], 0)?;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

fn unsealed<S: Subject>() -> Outcome {
    must_refuse(
        S::sealed(&sevens()?, page_size()),
        "a file on a disk counts as sealed",
    )?;
    must_refuse(
        S::sealed(&memory_file(SealFlags::empty())?, page_size()),
        "a memory file without seals counts as sealed",
    )
}

fn half_sealed<S: Subject>() -> Outcome {
    for seals in [
        SealFlags::WRITE,
        SealFlags::SHRINK | SealFlags::GROW,
        SealFlags::SHRINK | SealFlags::FUTURE_WRITE,
    ] {
        must_refuse(
            S::sealed(&memory_file(seals)?, page_size()),
            &format!("a memory file with {seals:?} alone counts as sealed"),
        )?;
    }
    Ok(())
}

fn sealed<S: Subject>() -> Outcome {
    let file = memory_file(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW)?;
    let map = S::sealed(&file, page_size())?;
    let slice = S::slice(&map)?;
    let refused = file.write_all_at(b"eight", 0).is_err() && file.set_len(0).is_err();
    match refused && slice.iter().all(|&byte| byte == 7) {
        true => {}
        false => return broken("a sealed file changed"),
    }
    must_refuse(
        S::sealed(&file, 2 * page_size()),
        "a map of a sealed file reaches behind its end",
    )
}

fn replace_refused<S: Subject>() -> Outcome {
    let directory = File::open("/")?;
    let socket = File::from(std::os::fd::OwnedFd::from(std::net::UdpSocket::bind(
        "127.0.0.1:0",
    )?));
    for what in [&directory, &socket] {
        let mut map = S::anonymous(page_size())?;
        S::write(&mut map, 0, &[7])?;
        match S::replace(map, what)? {
            Replaced::Done(_) => return broken("what cannot be mapped was mapped"),
            Replaced::Lost => {}
            Replaced::GivenBack(map) => {
                if read::<S>(&map, 0, 1)? != [7] {
                    return broken("a map was given back with other bytes");
                }
            }
        }
    }
    Ok(())
}

fn what_is_no_file<S: Subject>() -> Outcome {
    let mut offered = false;
    for path in [
        "/",
        "/proc/self/maps",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/dev/null",
    ] {
        let Ok(file) = File::open(path) else { continue };
        match S::file(&file, 0, page_size()) {
            Ok(map) if S::slice(&map).is_ok() => return broken(format!("{path} is a slice")),
            Ok(map) => {
                let _ = S::read(&map, 0, &mut [0]); // Whatever it says, by no signal.
                offered = true;
            }
            Err(No::Refused) => offered = true,
            Err(No::NotOffered) => {}
        }
    }
    if offered {
        Ok(())
    } else {
        Err(End::NotOffered)
    }
}

fn numbered<S: Subject>() -> Outcome {
    let page = page_size();
    let ours = sevens()?;
    // Nobody lends any of them.
    for number in [-1, i32::MAX, ours.as_raw_fd()] {
        must_refuse(S::numbered(number, page), "a number alone became a map")?;
    }
    Ok(())
}

fn listed<S: Subject>() -> Outcome {
    let page = page_size();
    let mut kept = Vec::new();
    for name in [
        "a b  c ",
        "line\nfeed",
        "1000-2000 r--p 00000000 00:00 0",
        "\\012",
    ] {
        let file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
        file.set_len(page as u64)?;
        kept.push(S::file(&file, 0, page)?);
    }
    for map in &kept {
        if !S::is_listed(S::address(map)?)? {
            return broken("a map with an odd name is not in the list");
        }
    }
    match S::is_listed(1)? {
        true => broken("what is not mapped is in the list"),
        false => Ok(()),
    }
}
