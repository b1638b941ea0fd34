//! Names of memory of no file: those that are refused, those that are shown, and kernels without any.

use mmarinus::{Errno, Map, Shared, perms};
use mmarinus_sys::Support;

use crate::common::{anonymous, file_map, page, shared};
use crate::raw::present;
use crate::testing::needs;

/// The names that no kernel takes.
fn bad_names() -> [String; 10] {
    [
        "\\",
        "`",
        "$",
        "[x]",
        "a\nb",
        "nul\0",
        "caf\u{e9}",
        "del\x7f",
        "\t",
    ]
    .map(String::from)
    .into_iter()
    .chain(["x".repeat(80)])
    .collect::<Vec<_>>()
    .try_into()
    .unwrap()
}

/// The end of the line of `/proc/self/maps` about an address.
fn shown(addr: usize) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| {
        let (start, rest) = line.split_once('-').unwrap();
        let (end, _) = rest.split_once(' ').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        (number(start)..number(end)).contains(&addr)
    });
    line.unwrap()
        .splitn(6, ' ')
        .last()
        .unwrap()
        .trim()
        .to_owned()
}

#[test]
fn a_bad_name_is_refused_before_the_call() {
    let map = anonymous(page());
    for name in bad_names() {
        let error = Map::bytes(1)
            .anonymously()
            .named(&name)
            .with(perms::Read)
            .unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "mmap"),
            "{name:?}"
        );
        assert!(error.to_string().contains("79 bytes"), "{error}");
        let error = map.name(&name).unwrap_err();
        assert_eq!(
            (error.errno(), error.operation()),
            (Errno::INVAL, "prctl"),
            "{name:?}"
        );
        assert!(error.to_string().contains("79 bytes"), "{error}");
    }
    assert!(
        Map::bytes(0)
            .named("[")
            .anonymously()
            .with(perms::Read)
            .is_err()
    );
}

#[test]
fn the_word_never_fails_the_map() {
    let longest = "x".repeat(79);
    for name in [
        "guest ram",
        "",
        " ",
        &longest,
        "!\"#%&'()*+,-./:;<=>?@^_{|}~",
    ] {
        let map = Map::bytes(3 * page())
            .named(name)
            .anonymously()
            .with(perms::ReadWrite)
            .unwrap();
        assert!(map.iter().all(|&byte| byte == 0));
        let shared = Map::bytes(1).anonymously().with_kind(Shared).named(name);
        assert_eq!(shared.with(perms::ReadWrite).unwrap().len(), 1);
        assert!(
            Map::bytes(0)
                .anonymously()
                .named(name)
                .with(perms::Read)
                .unwrap()
                .is_empty()
        );
        let old = anonymous(page());
        let new = old
            .remap()
            .anonymously()
            .named(name)
            .with(perms::Read)
            .unwrap();
        assert_eq!(new[0], 0);
    }
    // A name that is made at run time, beside a file that is borrowed as well.
    let file = crate::common::disk_file(page());
    let made = format!("ram {}", file.metadata().unwrap().len());
    let request = Map::bytes(1).anonymously().named(&made).from(&file, 0);
    assert_eq!(request.with(perms::Read).unwrap().len(), 1);
}

#[test]
fn kernels_without_names_say_so() {
    let map = anonymous(page());
    match map.name("guest ram") {
        Ok(()) => assert!(Support::vma_anon_name()),
        Err(error) => {
            assert!(!Support::vma_anon_name());
            assert_eq!((error.errno(), error.operation()), (Errno::INVAL, "prctl"));
            assert!(
                error.to_string().contains("CONFIG_ANON_VMA_NAME"),
                "{error}"
            );
        }
    }
    anonymous(0).name("nothing").unwrap();
}

#[test]
fn names_are_shown() {
    needs!(vma_anon_name);
    let map = Map::bytes(2 * page())
        .named("first")
        .anonymously()
        .with(perms::ReadWrite)
        .unwrap();
    assert_eq!(shown(map.addr()), "[anon:first]");
    map.name("second").unwrap();
    assert_eq!(shown(map.addr() + page()), "[anon:second]");
    let (one, two) = map.split(page()).unwrap();
    two.name("third").unwrap();
    assert_eq!(
        (shown(one.addr()), shown(two.addr())),
        ("[anon:second]".into(), "[anon:third]".into())
    );
    one.name("").unwrap();
    assert!(
        !shown(one.addr()).contains("anon:"),
        "{}",
        shown(one.addr())
    );
    // Whatever has a name is still moved as one.
    let target = anonymous(page()).addr();
    assert_eq!(two.move_to(target).unwrap().addr(), target);
}

#[test]
fn an_exposed_file_has_no_name() {
    // Its type says that it could be memory of no file.
    let map = present(page(), Shared, perms::ReadWrite).expose();
    let error = map.name("ram").unwrap_err();
    assert!(
        [Errno::BADF, Errno::INVAL].contains(&error.errno()),
        "{error}"
    );
    let plain = file_map(page(), Shared);
    assert_eq!(plain.len(), page());
    let memory = shared(page()).expose();
    if Support::vma_anon_name() && !crate::common::older_than(6, 2) {
        memory.name("ram").unwrap();
        assert_eq!(shown(memory.addr()), "[anon_shmem:ram]");
    }
}
