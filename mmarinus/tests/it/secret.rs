//! Secret memory: what has it, what does not, and what is refused.

use std::os::unix::fs::FileExt;

use mmarinus::{Advice, Errno, Error, HugePage, Map, Shared, backing, perms};

use crate::common::{Vma, anonymous, is_free, limit, open_descriptors, page, without_privileges};
use crate::testing::{in_child, needs};

/// Secret memory of `len` bytes.
fn secret(len: usize) -> Map<perms::ReadWrite, Shared, backing::Secret> {
    Map::bytes(len)
        .secret()
        .with(perms::ReadWrite)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn it_is_a_slice_that_the_kernel_does_not_see() {
    needs!(memfd_secret);
    let mut map = secret(2 * page() + 10);
    assert!(map.iter().all(|&byte| byte == 0));
    map.fill(7);
    let mut bytes = [0; 20];
    map.read_at(page() - 10, &mut bytes).unwrap();
    assert_eq!(bytes, [7; 20]);
    map.write_at(0, b"key").unwrap();
    assert_eq!(&map[..4], b"key\x07");

    // A debugger does not see it.
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let error = memory.read_at(&mut bytes, map.addr() as u64).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()));
    let vma = Vma::of(&map);
    assert!(
        vma.has("dc") && vma.has("dd"),
        "children and core dumps have it"
    );

    let (first, second) = map.split(page()).unwrap();
    let second = second.reprotect(perms::Read).unwrap();
    drop(first);
    assert_eq!(second[0], 7);
    second.unmap().unwrap();
}

#[test]
fn it_replaces_other_memory_and_is_replaced() {
    needs!(memfd_secret);
    // Alone: in this process another test may take an address that is free for a moment.
    let status = in_child!({ replace_and_be_replaced() });
    assert!(status.success());
}

fn replace_and_be_replaced() {
    let mut map = anonymous(3 * page());
    map.fill(1);
    let address = map.addr();
    let mut map = map.remap().secret().with(perms::ReadWrite).unwrap();
    assert_eq!((map.addr(), map[0]), (address, 0));
    assert!(Vma::of(&map).has("dc"));
    map.fill(2);
    let map = map.remap().anonymously().with(perms::Read).unwrap();
    assert_eq!((map.addr(), map[0]), (address, 0));
    drop(map);

    let fixed = Map::bytes(10).at(address).secret().with(perms::ReadWrite);
    assert_eq!(fixed.unwrap().addr(), address);
    let wide = Map::bytes(10)
        .aligned_to(1 << 24)
        .secret()
        .with(perms::Read);
    assert_eq!(wide.unwrap().addr() % (1 << 24), 0);
    assert!(
        Map::bytes(0)
            .secret()
            .with(perms::ReadWrite)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_it_cannot_be_is_refused() {
    let request = || Map::bytes(page()).secret();
    let errno = |error: Error| error.errno();
    let refused = [
        request()
            .wipe_on_fork()
            .with(perms::ReadWrite)
            .map_err(errno),
        request()
            .with_huge_pages(HugePage::SIZE_2MB)
            .with(perms::ReadWrite)
            .map_err(errno),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err(), Errno::INVAL);
    }
    let error = request().no_reserve().with(perms::ReadWrite).unwrap_err();
    assert_eq!(error.errno(), Errno::OPNOTSUPP);
    if !mmarinus_sys::Support::memfd_secret() {
        let error = request().with(perms::ReadWrite).unwrap_err();
        assert_eq!(error.errno(), Errno::NOSYS);
        assert!(error.to_string().contains("Linux 5.14"), "{error}");
    }
}

#[test]
fn it_is_exposed_and_hinted_like_other_memory() {
    needs!(memfd_secret);
    let map = secret(page());
    map.advise(.., Advice::DODUMP).unwrap();
    let map = map.expose();
    assert!(
        map.view(..).unwrap().discard(..).is_err(),
        "it has no zeros to go back to"
    );
    map.view(..).unwrap().write_at(0, b"guest").unwrap();
    let mut bytes = [0; 5];
    map.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"guest");
}

#[test]
fn the_limit_of_locked_memory_is_a_sentence() {
    needs!(memfd_secret);
    let status = in_child!({
        limit(rustix::process::Resource::Memlock, page() as u64);
        without_privileges(|| {
            let error = Map::bytes(1 << 30)
                .secret()
                .with(perms::ReadWrite)
                .unwrap_err();
            assert!(
                [Errno::AGAIN, Errno::FAULT].contains(&error.errno()),
                "{error}"
            );
            assert!(error.to_string().contains("RLIMIT"), "{error}");
            // What was counted is given back once the kernel gets to it.
            let small = (0..500).find_map(|_| {
                std::thread::sleep(core::time::Duration::from_millis(10));
                Map::bytes(1).secret().with(perms::ReadWrite).ok()
            });
            assert_eq!(small.expect("one page is allowed")[0], 0);
        });
    });
    assert!(status.success());
}

#[test]
fn no_descriptor_is_left() {
    needs!(memfd_secret);
    let status = in_child!({
        let before = open_descriptors();
        let map = secret(page());
        let (start, len) = map.pages();
        assert_eq!(open_descriptors(), before);
        assert_eq!(map[0], 0);
        drop(map);
        assert!(is_free(start, len));
    });
    assert!(status.success());
}

#[test]
fn the_limit_of_files_is_an_error_and_no_signal() {
    needs!(memfd_secret);
    let status = in_child!({
        limit(rustix::process::Resource::Fsize, page() as u64);
        let error = Map::bytes(2 * page())
            .secret()
            .with(perms::ReadWrite)
            .unwrap_err();
        assert_eq!(error.errno(), Errno::FBIG, "{error}");
        assert!(error.to_string().contains("RLIMIT_FSIZE"), "{error}");
        assert_eq!(secret(page())[0], 0);
    });
    assert!(status.success());
}

/// Takes more secret memory than the limit of locked memory allows, and touches all that it gets.
fn touch_all_that_there_is() {
    let mut maps = Vec::new();
    for _ in 0..4 {
        for request in [
            Map::bytes(2 * page()),
            Map::bytes(2 * page()).guarded().populate(),
        ] {
            match request.secret().with(perms::ReadWrite) {
                Ok(mut map) => {
                    map.fill(7);
                    maps.push(map);
                }
                Err(error) => assert!(error.to_string().contains("RLIMIT_MEMLOCK"), "{error}"),
            }
        }
    }
    assert!(!maps.is_empty());
    assert!(maps.iter().all(|map| map.iter().all(|&byte| byte == 7)));
}

#[test]
fn whoever_gets_secret_memory_gets_all_of_its_pages() {
    needs!(memfd_secret);
    let status = in_child!({
        limit(rustix::process::Resource::Memlock, 3 * page() as u64);
        without_privileges(touch_all_that_there_is);
    });
    assert!(status.success(), "{status}");
}

#[test]
fn root_gets_all_of_its_pages_as_well() {
    needs!(memfd_secret);
    // Some kernels count secret memory when it is touched, whoever touches it.
    let status = in_child!({
        limit(rustix::process::Resource::Memlock, 3 * page() as u64);
        touch_all_that_there_is();
    });
    assert!(status.success(), "{status}");
}

#[test]
fn each_page_is_there_from_the_start() {
    needs!(memfd_secret);
    // More pages than the kernel is asked for at once, and not a multiple of that.
    let map = secret(130 * page());
    assert_eq!(Vma::of(&map).bytes("Rss"), 130 * page());
}
