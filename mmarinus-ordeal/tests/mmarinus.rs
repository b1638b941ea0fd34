//! mmarinus bears the ordeal, and crates that are broken on purpose do not.
#![forbid(unsafe_code)]

use core::ops::Range;
use std::fs::File;
use std::process::Command;

use mmarinus::backing::{Anonymous, File as OfFile, Sealed};
use mmarinus::{Advice, HugePage, Map, Private, ProtFlags, Shared, perms};
use mmarinus_ordeal::{Judgement, No, Offer, Replaced, Subject, Verdict, judge};

/// A map of mmarinus of any of the types that the trials make.
enum Any {
    Memory(Map<perms::ReadWrite>),
    ReadOnly(Map<perms::Read>),
    Shared(Map<perms::ReadWrite, Shared, Anonymous>),
    File(Map<perms::Read, Private, OfFile>),
    SharedFile(Map<perms::ReadWrite, Shared, OfFile>),
    Sealed(Map<perms::Read, Private, Sealed>),
    Runtime(Map<perms::Unknown>),
}

/// The same call on a map of any type.
macro_rules! each {
    ($any:expr, $map:ident => $call:expr) => {
        match $any {
            Any::Memory($map) => $call,
            Any::ReadOnly($map) => $call,
            Any::Shared($map) => $call,
            Any::File($map) => $call,
            Any::SharedFile($map) => $call,
            Any::Sealed($map) => $call,
            Any::Runtime($map) => $call,
        }
    };
}

/// Every error is a refusal.
fn refused<E>(_: E) -> No {
    No::Refused
}

struct Mmarinus;

impl Subject for Mmarinus {
    type Map = Any;

    fn anonymous(len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anywhere()
            .anonymously()
            .with(perms::ReadWrite);
        map.map(Any::Memory).map_err(refused)
    }

    fn inaccessible(len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anonymously()
            .with(perms::Unknown(ProtFlags::empty()));
        map.map(Any::Runtime).map_err(refused)
    }

    fn is_listed(address: usize) -> Offer<bool> {
        let mut list = mmarinus::maps().map_err(refused)?;
        Ok(list.any(|vma| vma.is_ok_and(|vma| vma.contains(address))))
    }

    fn len(map: &Any) -> usize {
        each!(map, map => map.len())
    }

    fn read(map: &Any, offset: usize, buf: &mut [u8]) -> Offer<()> {
        each!(map, map => map.read_at(offset, buf)).map_err(refused)
    }

    fn write(map: &mut Any, offset: usize, bytes: &[u8]) -> Offer<()> {
        match map {
            Any::Memory(map) => map.write_at(offset, bytes).map_err(refused),
            Any::Shared(map) => map.write_at(offset, bytes).map_err(refused),
            Any::SharedFile(map) => map.write_at(offset, bytes).map_err(refused),
            Any::Runtime(map) => map.write_at(offset, bytes).map_err(refused),
            Any::ReadOnly(_) | Any::File(_) | Any::Sealed(_) => Err(No::NotOffered),
        }
    }

    fn slice(map: &Any) -> Offer<&[u8]> {
        match map {
            Any::Memory(map) => Ok(map),
            Any::ReadOnly(map) => Ok(map),
            Any::Sealed(map) => Ok(map),
            Any::Shared(_) | Any::File(_) | Any::SharedFile(_) | Any::Runtime(_) => {
                Err(No::NotOffered)
            }
        }
    }

    fn file(file: &File, offset: u64, len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anywhere()
            .from(file, offset)
            .with(perms::Read);
        map.map(Any::File).map_err(refused)
    }

    fn shared_file(file: &File, offset: u64, len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anywhere()
            .from(file, offset)
            .with_kind(Shared)
            .with(perms::ReadWrite);
        map.map(Any::SharedFile).map_err(refused)
    }

    fn sealed(file: &File, len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anywhere()
            .from_sealed(file, 0)
            .with(perms::Read);
        map.map(Any::Sealed).map_err(refused)
    }

    fn shared(len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anywhere()
            .anonymously()
            .with_kind(Shared)
            .with(perms::ReadWrite);
        map.map(Any::Shared).map_err(refused)
    }

    fn at(address: usize, len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .at(address)
            .anonymously()
            .with(perms::ReadWrite);
        map.map(Any::Memory).map_err(refused)
    }

    fn huge(len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anywhere()
            .anonymously()
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::ReadWrite);
        map.map(Any::Memory).map_err(refused)
    }

    fn huge_unreserved(len: usize) -> Offer<Any> {
        let map = Map::bytes(len)
            .anywhere()
            .anonymously()
            .no_reserve()
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::ReadWrite);
        map.map(Any::Memory).map_err(refused)
    }

    fn split(map: Any, offset: usize) -> Offer<(Any, Any)> {
        match map {
            Any::Memory(map) => {
                let (first, second) = map.split(offset).map_err(refused)?;
                Ok((Any::Memory(first), Any::Memory(second)))
            }
            _ => Err(No::NotOffered),
        }
    }

    fn resize(map: Any, len: usize) -> Offer<Any> {
        match map {
            Any::Memory(map) => map.resize(len).map(Any::Memory).map_err(refused),
            _ => Err(No::NotOffered), // Shared memory has no such method.
        }
    }

    fn read_only(map: Any) -> Offer<Any> {
        match map {
            Any::Memory(map) => map
                .reprotect(perms::Read)
                .map(Any::ReadOnly)
                .map_err(refused),
            _ => Err(No::NotOffered),
        }
    }

    fn replace(map: Any, file: &File) -> Offer<Replaced<Any>> {
        let Any::Memory(map) = map else {
            return Err(No::NotOffered);
        };
        match map.remap().from(file, 0).with(perms::Read) {
            Ok(map) => Ok(Replaced::Done(Any::File(map))),
            Err(error) => Ok(match error.into_map() {
                Some(map) => Replaced::GivenBack(Any::Memory(map)),
                None => Replaced::Lost,
            }),
        }
    }

    fn discard(map: &mut Any, range: Range<usize>) -> Offer<()> {
        match map {
            Any::Memory(map) => map.discard(range).map_err(refused),
            _ => Err(No::NotOffered),
        }
    }

    fn advise(map: &Any, range: Range<usize>) -> Offer<()> {
        each!(map, map => map.advise(range, Advice::WILLNEED)).map_err(refused)
    }

    fn dont_dump(map: &Any, range: Range<usize>) -> Offer<()> {
        each!(map, map => map.advise(range, Advice::DONTDUMP)).map_err(refused)
    }

    fn sync(map: &Any, range: Range<usize>) -> Offer<()> {
        match map {
            Any::SharedFile(map) => map.sync(range).map_err(refused),
            _ => Err(No::NotOffered),
        }
    }

    fn address(map: &Any) -> Offer<usize> {
        Ok(each!(map, map => map.addr()))
    }
}

/// A crate that gives out what it does not have, forgets what it opened, and dies of what it reads.
struct Broken;

impl Subject for Broken {
    type Map = Vec<u8>;

    fn anonymous(len: usize) -> Offer<Vec<u8>> {
        // Like a length that wraps, and whose result is believed.
        Ok(vec![0; len % (1 << 20)])
    }

    fn len(map: &Vec<u8>) -> usize {
        map.len()
    }

    fn read(map: &Vec<u8>, offset: usize, buf: &mut [u8]) -> Offer<()> {
        let Some(bytes) = map.get(offset..).and_then(|rest| rest.get(..buf.len())) else {
            std::process::abort(); // As a signal would.
        };
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn split(map: Vec<u8>, offset: usize) -> Offer<(Vec<u8>, Vec<u8>)> {
        Ok((map.clone(), map[offset..].to_vec())) // A panic behind the end.
    }

    fn file(file: &File, _: u64, len: usize) -> Offer<Vec<u8>> {
        core::mem::forget(file.try_clone().map_err(refused)?);
        Ok(vec![7; len])
    }
}

/// A child comes back to the test of this name.
fn again(test: &'static str) -> impl FnMut() -> Command {
    move || {
        let mut command = Command::new(std::env::current_exe().expect("a test has a program"));
        command.args(["--exact", test, "--nocapture", "--test-threads", "1"]);
        command
    }
}

fn verdict<'judged>(judged: &'judged [Judgement], name: &str) -> &'judged Verdict {
    let found = judged.iter().find(|judgement| judgement.trial.name == name);
    &found.expect("the trial is on the list").verdict
}

#[test]
fn mmarinus_bears_it() {
    let judged = judge::<Mmarinus>(again("mmarinus_bears_it")).expect("children start");
    assert!(judged.len() > 30, "only {} trials", judged.len());
    for Judgement { trial, verdict } in &judged {
        println!("{}: {verdict}", trial.name);
        assert!(
            verdict.is_good(),
            "{}: {verdict} ({})",
            trial.name,
            trial.about
        );
    }
    // Where there is something to bear, it was tried: a refusal at the start is none.
    for name in [
        "truncated",
        "truncated-shared",
        "halves-live-on",
        "resize",
        "sealed",
        "replace-refused",
        "place-taken",
        "inaccessible",
        "listed",
    ] {
        assert_eq!(*verdict(&judged, name), Verdict::Held, "{name}");
    }
}

#[test]
fn what_is_broken_is_found() {
    let judged = judge::<Broken>(again("what_is_broken_is_found")).expect("children start");
    assert!(matches!(verdict(&judged, "too-long"), Verdict::Broken(_)));
    assert!(matches!(
        verdict(&judged, "read-past-the-end"),
        Verdict::Died(6)
    ));
    assert!(matches!(
        verdict(&judged, "split-overflow"),
        Verdict::Left(_)
    ));
    assert!(matches!(verdict(&judged, "truncated"), Verdict::Broken(_)));
    assert!(matches!(verdict(&judged, "far-offset"), Verdict::Broken(_)));
    assert!(
        matches!(
            verdict(&judged, "truncated-by-a-thread"),
            Verdict::Broken(_)
        ),
        "a descriptor is left"
    );
    assert_eq!(*verdict(&judged, "resize"), Verdict::NotOffered);
}
