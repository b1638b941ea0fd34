//! What is left of a map that was leaked, for each permission, kind and backing.

use mmarinus::backing::{self, Anonymous};
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, Private, ProtFlags, Shared, View};

use crate::common::{Vma, anonymous, disk_file, exposed, file_map, page, patterned, shared};
use crate::raw::{present, stable};

#[test]
fn memory_that_is_written_is_a_mutable_slice() {
    let mut map = anonymous(page());
    map[0] = 1;
    let bytes: &'static mut [u8] = map.leak();
    bytes[1] = 2;
    assert_eq!((bytes.len(), &bytes[..3]), (page(), &[1, 2, 0][..]));
    let bytes: &'static mut [u8] = anonymous(10)
        .reprotect(perms::ReadWriteExecute)
        .unwrap()
        .leak();
    bytes[9] = 9;
    assert_eq!(Vma::at(bytes.as_ptr().addr()).unwrap().perms, "rwxp");
    let bytes: &'static mut [u8] = stable(page(), Shared, perms::ReadWrite).leak();
    bytes[0] = 7;
    assert_eq!(bytes[1..], patterned(0, page())[1..]);
    let bytes: &'static mut [u8] = stable(page(), Private, perms::ReadWrite).leak();
    assert_eq!(*bytes, patterned(0, page()));
}

#[test]
fn memory_that_is_read_is_a_slice() {
    let bytes: &'static [u8] = anonymous(10).reprotect(perms::Read).unwrap().leak();
    assert_eq!(bytes, [0; 10]);
    let bytes: &'static [u8] = stable(page(), Shared, perms::ReadExecute).leak();
    assert_eq!(*bytes, patterned(0, page()));
}

#[test]
fn memory_that_is_not_read_is_a_view() {
    let view: View<'static, perms::None, Private, Anonymous> =
        anonymous(10).reprotect(perms::None).unwrap().leak();
    assert_eq!((view.len(), view.permissions()), (10, ProtFlags::empty()));
    let view: View<'static, perms::Write, Private, Anonymous> =
        anonymous(10).reprotect(perms::Write).unwrap().leak();
    assert_eq!(Vma::at(view.addr()).unwrap().perms, "-w-p");
    let view: View<'static, perms::Execute, Private, backing::Stable> =
        stable(10, Private, perms::Execute).leak();
    assert_eq!(view.len(), 10);
}

#[test]
fn permissions_are_remembered() {
    let view: View<'static, Unknown, Private, Anonymous> =
        anonymous(10).forget_permissions().leak();
    let mut bytes = [1; 10];
    view.read_at(0, &mut bytes).unwrap();
    assert_eq!(
        (bytes, view.permissions()),
        ([0; 10], ProtFlags::READ | ProtFlags::WRITE)
    );
    let map = shared(10).reprotect(Unknown(ProtFlags::empty())).unwrap();
    let view: View<'static, Unknown, Shared, Anonymous> = map.leak();
    assert_eq!(
        view.read_at(0, &mut bytes).unwrap_err().errno(),
        Errno::ACCESS
    );
    assert_eq!(view.write_at(0, &bytes).unwrap_err().errno(), Errno::ACCESS);
    let view: View<'static, Unknown, Private, backing::Stable> =
        stable(10, Private, perms::Read).forget_permissions().leak();
    view.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes[..], patterned(0, 10));
}

#[test]
fn memory_that_others_write_is_a_view() {
    let view: View<'static, perms::ReadWrite, Shared, Anonymous> = shared(page()).leak();
    view.write_at(1, b"hello").unwrap();
    let mut bytes = [0; 7];
    view.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0hello\0");
    let view: View<'static, perms::ReadWrite, Private, backing::Exposed> = exposed(page()).leak();
    view.write_at(0, b"x").unwrap();
    assert_eq!(view.copy_to(&mut bytes).unwrap(), 7);
    let view: View<'static, perms::Read, Shared, backing::Present> =
        present(page(), Shared, perms::Read).leak();
    assert_eq!(view.copy_to(&mut bytes).unwrap(), 7);
    assert_eq!(bytes[..], patterned(0, 7));
}

#[test]
fn a_file_is_a_view() {
    let file = disk_file(2 * page());
    let map = Map::bytes(page()).from(&file, 5).with(perms::Read).unwrap();
    let view: View<'static, perms::Read, Private, backing::File> = map.leak();
    let mut bytes = vec![0; page()];
    view.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, patterned(5, page()));
    file.set_len(0).unwrap();
    assert_eq!(
        view.read_at(0, &mut bytes).unwrap_err().errno(),
        Errno::FAULT
    );
    let view: View<'static, perms::ReadWrite, Shared, backing::File> =
        file_map(page(), Shared).leak();
    std::thread::spawn(move || view.write_at(0, b"x"))
        .join()
        .unwrap()
        .unwrap();
    view.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes[0], b'x');
}

#[test]
fn a_device_is_a_view() {
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let map = Map::bytes(page())
        .from_device(&zero, 0)
        .with(perms::Read)
        .unwrap();
    let view: View<'static, perms::Read, Private, backing::Device> = map.leak();
    let mut bytes = [1; 10];
    view.read_at(0, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 10]);
}

#[test]
fn nothing_leaks_as_nothing() {
    assert!(anonymous(0).leak().is_empty());
    assert!(shared(0).leak().is_empty());
}
