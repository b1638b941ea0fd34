//! What the types promise without a system call: their size, the threads they may go to, and which pair has which capability.
#![expect(unsafe_code, reason = "promises what safe code must not")]

use core::any::type_name;
use core::borrow::{Borrow, BorrowMut};
use core::error::Error as StdError;
use core::fmt::{Debug, Display};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};
use std::io::Write;

use anyhow::Context;
use mmarinus::backing::{
    Anonymous, Backing, Concurrent, Device, Exposed, File, NoFault, NoRace, Present, Sealed,
    SizeSealed, Stable, Unsliced, Written,
};
use mmarinus::builder::{New, Onto, Over, Unset};
use mmarinus::kind::Kind;
use mmarinus::perms::{Executable, Known, MayRead, MayWrite, Permissions, Readable, Writable};
use mmarinus::{
    Builder, Errno, Error, Fault, Map, Observed, Private, ProtFlags, Shared, Source, View, perms,
};

/// Gives every type the constant that `holds` finds where a bound does not hold.
trait Otherwise {
    const HOLDS: bool = false;
}

impl<T> Otherwise for T {}

/// Whether a type implements a trait: `holds!(u8: Copy)`.
///
/// A constant of the type itself comes before one of a trait, and it exists only where the bound holds.
macro_rules! holds {
    ($type:ty: $($bound:tt)+) => {{
        struct Asked<T>(PhantomData<T>);
        #[allow(dead_code, reason = "exists only for types that have the bound")]
        impl<T: $($bound)+> Asked<T> {
            const HOLDS: bool = true;
        }
        <Asked<$type>>::HOLDS
    }};
}

/// The names of those traits that a type implements, in the order given.
macro_rules! names_of {
    ($type:ty: $($name:ident $(<$kind:ty>)?),+) => {{
        let mut names = Vec::new();
        $(if holds!($type: $name $(<$kind>)?) {
            names.push(stringify!($name));
        })+
        names.join(" ")
    }};
}

/// Expands a macro for each pair of kind and backing, in the order of the table in the docs of `backing`.
macro_rules! each_pair {
    ($row:ident) => {
        each_pair!($row: Anonymous, Sealed, SizeSealed, Stable, Present, Exposed, File, Device)
    };
    ($row:ident: $($backing:ident),+) => {
        [$($row!(Private, $backing), $row!(Shared, $backing)),+]
    };
}

/// Expands a macro for each of the nine permissions.
macro_rules! each_permission {
    ($row:ident $(, $more:ident)*) => {
        [
            $row!(None $(, $more)*),
            $row!(Read $(, $more)*),
            $row!(Write $(, $more)*),
            $row!(Execute $(, $more)*),
            $row!(ReadWrite $(, $more)*),
            $row!(ReadExecute $(, $more)*),
            $row!(WriteExecute $(, $more)*),
            $row!(ReadWriteExecute $(, $more)*),
            $row!(Unknown $(, $more)*),
        ]
    };
}

/// What the design says of each pair of kind and backing.
const PAIRS: [(&str, &str); 16] = [
    ("Private Anonymous", "NoFault NoRace Written"),
    ("Shared Anonymous", "NoFault Concurrent Unsliced Written"),
    ("Private Sealed", "NoFault NoRace Written"),
    ("Shared Sealed", "NoFault NoRace Written"),
    ("Private SizeSealed", "NoFault Concurrent Unsliced Written"),
    ("Shared SizeSealed", "NoFault Concurrent Unsliced Written"),
    ("Private Stable", "NoFault NoRace Written"),
    ("Shared Stable", "NoFault NoRace Written"),
    ("Private Present", "NoFault Concurrent Unsliced Written"),
    ("Shared Present", "NoFault Concurrent Unsliced Written"),
    ("Private Exposed", "NoFault Concurrent Unsliced Written"),
    ("Shared Exposed", "NoFault Concurrent Unsliced Written"),
    ("Private File", "Unsliced Written"),
    ("Shared File", "Unsliced Written"),
    ("Private Device", "Unsliced"),
    ("Shared Device", "Unsliced"),
];

/// What the design says of each set of permissions.
const PERMISSIONS: [(&str, &str); 9] = [
    ("None", "Known"),
    ("Read", "Known Readable MayRead"),
    ("Write", "Known Writable MayWrite"),
    ("Execute", "Known Executable"),
    ("ReadWrite", "Known Readable Writable MayRead MayWrite"),
    ("ReadExecute", "Known Readable Executable MayRead"),
    ("WriteExecute", "Known Writable Executable MayWrite"),
    (
        "ReadWriteExecute",
        "Known Readable Writable Executable MayRead MayWrite",
    ),
    ("Unknown", "MayRead MayWrite"),
];

/// Whether the table says that of what is named.
fn is(table: &[(&str, &str)], name: &str, capability: &str) -> bool {
    let row = table.iter().find(|row| row.0 == name);
    let (_, capabilities) = row.unwrap_or_else(|| panic!("{name} is in the table"));
    capabilities.split(' ').any(|word| word == capability)
}

#[test]
fn each_pair_has_the_capabilities_of_the_design() {
    macro_rules! row {
        ($kind:ident, $backing:ident) => {
            (
                concat!(stringify!($kind), " ", stringify!($backing)),
                names_of!($backing: NoFault<$kind>, Concurrent<$kind>, NoRace<$kind>, Unsliced<$kind>, Written<$kind>),
            )
        };
    }
    let found = each_pair!(row);
    let found: Vec<(&str, &str)> = found.iter().map(|(pair, of)| (*pair, &**of)).collect();
    assert_eq!(found, PAIRS);
    for (pair, _) in found.iter().copied() {
        let has = |capability| is(&found, pair, capability);
        assert!(!(has("Concurrent") && has("NoRace")), "{pair} is both");
        assert_eq!(has("Unsliced"), !has("NoRace"), "{pair}");
        assert!(
            has("NoFault") || !(has("Concurrent") || has("NoRace")),
            "{pair}"
        );
    }
}

#[test]
fn each_permission_has_the_capabilities_of_the_design() {
    macro_rules! row {
        ($perms:ident) => {
            (
                stringify!($perms),
                names_of!(perms::$perms: Known, Readable, Writable, Executable, MayRead, MayWrite),
            )
        };
    }
    let found = each_permission!(row);
    let found: Vec<(&str, &str)> = found.iter().map(|(name, of)| (*name, &**of)).collect();
    assert_eq!(found, PERMISSIONS);
}

#[test]
fn known_permissions_are_the_flags_that_they_name() {
    fn flags<P: Known>() -> (ProtFlags, ProtFlags) {
        (P::FLAGS, P::default().flags())
    }
    macro_rules! row {
        ($($perms:ident)+) => {
            [$((stringify!($perms), flags::<perms::$perms>())),+]
        };
    }
    let found = row!(None Read Write Execute ReadWrite ReadExecute WriteExecute ReadWriteExecute);
    for (name, (of_type, of_value)) in found {
        let mut expected = ProtFlags::empty();
        for (word, flag) in [
            ("Read", ProtFlags::READ),
            ("Write", ProtFlags::WRITE),
            ("Execute", ProtFlags::EXEC),
        ] {
            expected.set(flag, name.contains(word));
        }
        assert_eq!((of_type, of_value), (expected, expected), "{name}");
    }
    let flags = ProtFlags::READ | ProtFlags::EXEC;
    assert_eq!(perms::Unknown(flags).flags(), flags);
}

#[test]
fn each_type_of_map_is_a_slice_where_it_should_be() {
    /// What a map of this type leaks as.
    fn leaked<M, L>(_: fn(M) -> L) -> &'static str {
        type_name::<L>()
    }
    macro_rules! row {
        ($perms:ident, $kind:ident, $backing:ident) => {{
            type It = Map<perms::$perms, $kind, $backing>;
            let shared = [
                holds!(It: Deref<Target = [u8]>),
                holds!(It: AsRef<[u8]>),
                holds!(It: Borrow<[u8]>),
            ];
            let mutable = [
                holds!(It: DerefMut<Target = [u8]>),
                holds!(It: AsMut<[u8]>),
                holds!(It: BorrowMut<[u8]>),
            ];
            let pair = concat!(stringify!($kind), " ", stringify!($backing));
            (stringify!($perms), pair, shared, mutable, leaked(It::leak))
        }};
    }
    macro_rules! rows {
        ($kind:ident, $backing:ident) => {
            each_permission!(row, $kind, $backing)
        };
    }
    let found = each_pair!(rows);
    for (perms, pair, shared, mutable, leaked) in found.into_iter().flatten() {
        let reads = is(&PAIRS, pair, "NoRace") && is(&PERMISSIONS, perms, "Readable");
        let writes = reads && is(&PERMISSIONS, perms, "Writable");
        assert_eq!(shared, [reads; 3], "{perms} {pair}");
        assert_eq!(mutable, [writes; 3], "{perms} {pair}");
        match (reads, writes) {
            (true, true) => assert_eq!(leaked, "&mut [u8]", "{perms} {pair}"),
            (true, false) => assert_eq!(leaked, "&[u8]", "{perms} {pair}"),
            _ => assert!(leaked.contains("View<"), "{perms} {pair} leaks as {leaked}"),
        }
    }
}

#[test]
fn maps_are_three_words_and_so_are_their_options() {
    macro_rules! row {
        ($perms:ident, $kind:ident, $backing:ident) => {{
            type It = Map<perms::$perms, $kind, $backing>;
            (type_name::<It>(), size_of::<It>(), size_of::<Option<It>>())
        }};
    }
    macro_rules! rows {
        ($kind:ident, $backing:ident) => {
            each_permission!(row, $kind, $backing)
        };
    }
    let found = each_pair!(rows);
    let words = 3 * size_of::<usize>();
    for (name, map, option) in found.into_iter().flatten() {
        assert_eq!(map, option, "{name}");
        if name.contains("Unknown") {
            // It remembers what the others know by type.
            assert!(map <= words + size_of::<usize>(), "{name}: {map} bytes");
        } else {
            assert_eq!(map, words, "{name}");
        }
    }
}

#[test]
fn errors_are_small() {
    let words = 4 * size_of::<usize>();
    let error = size_of::<Error>();
    assert!(error <= words, "Error is {error} bytes");
    let fault = size_of::<Fault>();
    assert!(fault <= words, "Fault is {fault} bytes");
}

#[test]
fn each_map_goes_to_other_threads_and_is_not_copied() {
    macro_rules! row {
        ($perms:ident, $kind:ident, $backing:ident) => {{
            type It = Map<perms::$perms, $kind, $backing>;
            type Part = View<'static, perms::$perms, $kind, $backing>;
            (
                type_name::<It>(),
                [
                    holds!(It: Send + Sync + Unpin + Debug),
                    holds!(Part: Send + Sync + Unpin + Debug + Copy),
                    holds!(Error<It>: Send + Sync + StdError + 'static),
                ],
                [holds!(It: Clone), holds!(It: Copy), holds!(It: Default)],
            )
        }};
    }
    macro_rules! rows {
        ($kind:ident, $backing:ident) => {
            each_permission!(row, $kind, $backing)
        };
    }
    let found = each_pair!(rows);
    for (name, yes, no) in found.into_iter().flatten() {
        assert_eq!(yes, [true; 3], "{name}");
        assert_eq!(no, [false; 3], "{name}");
    }
}

#[test]
fn what_maps_are_made_of_goes_to_other_threads() {
    assert!(holds!(Error: Send + Sync + StdError + 'static));
    assert!(holds!(Fault: Send + Sync + StdError + Copy + 'static));
    assert!(holds!(Source<'static>: Send + Sync + Copy));
    assert!(holds!(Source<'static, Device>: Send + Sync + Copy));
    assert!(holds!(Builder<'static>: Send + Sync));
    assert!(holds!(Builder<'static, Shared, File, New>: Send + Sync));
    assert!(holds!(Builder<'static, Private, Unset, Onto>: Send + Sync));
    assert!(holds!(Builder<'static, Private, Device, Over<Map<perms::Read>>>: Send + Sync));
    assert!(holds!(Observed<AtomicU32>: Send + Sync));
    // A request that owns a map is as single as the map.
    assert!(!holds!(Builder<'static, Private, Unset, Over<Map<perms::Read>>>: Clone));
}

#[test]
fn an_error_asks_nothing_of_the_map_in_it() {
    /// Has no trait at all but those that the compiler gives.
    struct Opaque;
    assert!(!holds!(Opaque: Debug));
    assert!(holds!(Error<Opaque>: StdError + Debug + Display + Send + Sync + 'static));
    assert!(!holds!(Error<PhantomData<*const u8>>: Send));
}

/// A refused split, whose error holds the map.
fn refused() -> Result<(), Error<Map<perms::Read>>> {
    let map = Map::bytes(8192).anonymously().with(perms::Read);
    let map = map.unwrap_or_else(|error| panic!("{error}"));
    map.split(1).map(drop)
}

#[test]
fn errors_convert_by_question_mark() {
    fn forget() -> Result<(), Error> {
        refused()?;
        Ok(())
    }
    let error = forget().unwrap_err();
    assert_eq!((error.errno(), error.operation()), (Errno::INVAL, "split"));

    fn copy(buf: &mut [u8]) -> Result<(), Error> {
        Map::bytes(1)
            .anonymously()
            .with(perms::Read)?
            .read_at(1, buf)?;
        Ok(())
    }
    assert_eq!(copy(&mut [0]).unwrap_err().errno(), Errno::INVAL);

    fn any(buf: &mut [u8]) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Map::bytes(1)
            .anonymously()
            .with(perms::Read)?
            .read_at(0, buf)?;
        refused()?;
        Ok(())
    }
    let error = any(&mut [0]).unwrap_err();
    let error = error
        .downcast::<Error<Map<perms::Read>>>()
        .expect("the error as it was");
    assert_eq!(error.into_map().map(|map| map.len()), Some(8192));
}

#[cfg(feature = "std")]
#[test]
fn io_errors_keep_the_errno() {
    use std::io;

    fn taken(addr: usize) -> io::Result<()> {
        let _ = Map::bytes(1).at(addr).anonymously().with(perms::Read)?;
        Ok(())
    }
    let map = Map::bytes(1).anonymously().with(perms::Read).unwrap();
    let error = taken(map.addr()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::EXIST.raw_os_error()));
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);

    fn with_map() -> io::Result<()> {
        refused()?;
        Ok(())
    }
    let error = with_map().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::INVAL.raw_os_error()));

    fn fault(map: &Map<perms::Unknown>) -> io::Result<()> {
        map.read_at(0, &mut [0])?;
        Ok(())
    }
    let map = map.reprotect(perms::None).unwrap().into();
    let error = fault(&map).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::ACCESS.raw_os_error()));
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn anyhow_takes_errors_that_hold_a_map() {
    fn plain() -> anyhow::Result<()> {
        refused()?;
        Ok(())
    }
    let error = plain().unwrap_err();
    let inner = error
        .downcast_ref::<Error<Map<perms::Read>>>()
        .expect("the error as it was");
    assert_eq!(inner.errno(), Errno::INVAL);

    fn with_context() -> anyhow::Result<()> {
        refused().context("cutting the map")?;
        Ok(())
    }
    let text = format!("{:#}", with_context().unwrap_err());
    assert!(
        text.starts_with("cutting the map: split at byte 1"),
        "{text}"
    );

    fn fault() -> anyhow::Result<()> {
        let map = Map::bytes(1).anonymously().with(perms::Read)?;
        map.read_at(7, &mut [0]).context("reading the header")?;
        Ok(())
    }
    let error = fault().unwrap_err();
    let inner = error.downcast_ref::<Fault>().expect("the fault as it was");
    assert_eq!((inner.errno(), inner.offset()), (Errno::INVAL, 7));
}

/// Functions as other crates write them, over as many maps as they can serve.
mod generic {
    use super::*;

    pub(super) fn first<P: Readable>(map: &Map<P>) -> u8 {
        map[0]
    }

    pub(super) fn set_first<P: Readable + Writable>(map: &mut Map<P>, byte: u8) {
        map[0] = byte;
    }

    pub(super) fn slice<K: Kind, B: NoRace<K>>(map: &Map<perms::Read, K, B>) -> &[u8] {
        map
    }

    pub(super) fn describe<P: Permissions, K: Kind, B: Backing<K>>(
        map: &Map<P, K, B>,
    ) -> (usize, ProtFlags, bool) {
        (map.len(), map.permissions(), K::SHARED)
    }

    pub(super) fn read<P: MayRead, K: Kind, B: Backing<K>>(
        map: &Map<P, K, B>,
    ) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; map.len()];
        map.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn write<P: MayWrite, K: Kind, B: Written<K>>(
        map: &mut Map<P, K, B>,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        map.write_at(0, bytes)
    }

    pub(super) fn write_shared<P: MayWrite, K: Kind, B: Unsliced<K> + Written<K>>(
        view: View<'_, P, K, B>,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        view.write_at(0, bytes)
    }

    pub(super) fn add<P: Readable + Writable, K: Kind, B: Concurrent<K>>(
        map: &Map<P, K, B>,
    ) -> Result<u32, Error> {
        Ok(map.atomics::<AtomicU32>(..4)?[0].fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn load<P: Readable, K: Kind, B: Concurrent<K>>(
        map: &Map<P, K, B>,
    ) -> Result<u32, Error> {
        Ok(map.observe::<AtomicU32>(..4)?[0].load())
    }

    pub(super) fn expose<P, K: Kind, B: NoFault<K>>(map: Map<P, K, B>) -> Map<P, K, Exposed> {
        map.expose()
    }

    #[expect(
        clippy::type_complexity,
        reason = "the new map or the old one: both are said in full"
    )]
    pub(super) fn freeze<P: Permissions, K: Kind, B: Backing<K>>(
        map: Map<P, K, B>,
    ) -> Result<Map<perms::Read, K, B>, Error<Map<P, K, B>>> {
        map.reprotect(perms::Read)
    }

    pub(super) fn forget<P: Known, K: Kind, B: Backing<K>>(
        map: Map<P, K, B>,
    ) -> Map<perms::Unknown, K, B> {
        map.into()
    }

    pub(super) fn halves<P: Permissions, K: Kind, B: Backing<K>>(
        map: Map<P, K, B>,
    ) -> Result<[Map<P, K, B>; 2], Error> {
        let half = map.len() / 2;
        let (head, tail) = map.split(half)?;
        Ok([head, tail])
    }

    pub(super) fn zeros<P: Known>(size: usize) -> Result<Map<P>, Error> {
        Map::bytes(size).anonymously().with(P::default())
    }

    pub(super) fn finish<K: Kind, B: Backing<K>>(
        request: Builder<'_, K, B>,
    ) -> Result<Map<perms::Read, K, B>, Error> {
        request.populate().with(perms::Read)
    }

    /// A type that owns a map of any backing where others write.
    pub(super) struct Counter<K: Kind, B: Concurrent<K>>(pub(super) Map<perms::ReadWrite, K, B>);

    impl<K: Kind, B: Concurrent<K>> Counter<K, B> {
        pub(super) fn next(&self) -> Result<u32, Error> {
            add(&self.0)
        }
    }
}

#[test]
fn generic_functions_serve_private_memory() -> Result<(), Box<dyn StdError>> {
    let mut map = generic::zeros::<perms::ReadWrite>(8192)?;
    generic::set_first(&mut map, 7);
    assert_eq!(generic::first(&map), 7);
    generic::write(&mut map, b"hello")?;
    let both = ProtFlags::READ | ProtFlags::WRITE;
    assert_eq!(generic::describe(&map), (8192, both, false));

    let map = generic::freeze(map)?;
    assert_eq!(&generic::slice(&map)[..5], b"hello");
    assert_eq!(generic::first(&map), b'h');
    let bytes: Box<dyn AsRef<[u8]> + Send + Sync> = Box::new(map);
    assert_eq!(&bytes.as_ref().as_ref()[..5], b"hello");

    let page = generic::zeros::<perms::None>(1)?.page_size();
    let [head, tail] = generic::halves(generic::zeros::<perms::Execute>(2 * page)?)?;
    assert_eq!([head.len(), tail.len()], [page; 2]);
    Ok(())
}

#[test]
fn generic_functions_serve_unknown_permissions() -> Result<(), Box<dyn StdError>> {
    let mut map = generic::forget(generic::zeros::<perms::ReadWrite>(4)?);
    generic::write(&mut map, b"only")?;
    assert_eq!(generic::read(&map)?, b"only");

    let mut map = map.reprotect(perms::Unknown(ProtFlags::READ))?;
    assert_eq!(generic::read(&map)?, b"only");
    let refused = generic::write(&mut map, b"more").unwrap_err();
    assert_eq!(refused.errno(), Errno::ACCESS);

    let map = map.reprotect(perms::Unknown(ProtFlags::empty()))?;
    assert_eq!(generic::read(&map).unwrap_err().errno(), Errno::ACCESS);
    assert_eq!(generic::describe(&map), (4, ProtFlags::empty(), false));
    let map = generic::freeze(map)?;
    assert_eq!(generic::slice(&map), b"only");
    Ok(())
}

#[test]
fn generic_functions_serve_shared_memory() -> Result<(), Box<dyn StdError>> {
    let request = Map::bytes(4096).anonymously().with_kind(Shared);
    let map = generic::finish(request)?.reprotect(perms::ReadWrite)?;
    generic::write_shared(map.view(8..)?, b"shared")?;
    assert_eq!(&generic::read(&map)?[8..14], b"shared");
    assert_eq!((generic::add(&map)?, generic::load(&map)?), (0, 1));
    let counter = generic::Counter(map);
    assert_eq!((counter.next()?, counter.next()?), (1, 2));
    let map = generic::freeze(counter.0)?;
    assert_eq!(generic::load(&map)?, 3);

    // Private memory becomes such by being exposed.
    let map = generic::expose(generic::zeros::<perms::ReadWrite>(4)?);
    assert_eq!((generic::add(&map)?, generic::load(&map)?), (0, 1));
    Ok(())
}

#[test]
fn generic_functions_serve_files() -> Result<(), Box<dyn StdError>> {
    let mut file = tempfile::tempfile()?;
    file.write_all(b"some file")?;
    let mut map = Map::bytes(9)
        .from(&file, 0)
        .with_kind(Shared)
        .with(perms::ReadWrite)?;
    assert_eq!(generic::read(&map)?, b"some file");
    generic::write(&mut map, b"Same")?;
    generic::write_shared(map.view(5..)?, b"l")?;
    assert_eq!(generic::read(&generic::forget(map))?, b"Same lile");

    let source = Source::of(&file)?;
    let map = generic::finish(Map::whole(&source))?;
    assert_eq!(generic::describe(&map), (9, ProtFlags::READ, false));
    // SAFETY: the file has no name, 9 bytes and blocks for them; nobody writes it from here on.
    let map = unsafe { map.assume_stable() };
    assert_eq!(generic::slice(&map).len(), 9);
    Ok(())
}
