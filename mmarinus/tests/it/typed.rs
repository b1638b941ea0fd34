//! Rung 1 for values: `read_obj` and `write_obj`, at any offset.

use mmarinus::backing::{Backing, Written};
use mmarinus::kind::Kind;
use mmarinus::perms::{self, Unknown};
use mmarinus::{Errno, Map, Private, ProtFlags, Shared};

use crate::common::{anonymous, disk_file, exposed, file_map, page, patterned, shared};
use crate::raw::{present, stable};

fn assert_values<K: Kind, B: Backing<K> + Written<K>>(mut map: Map<perms::ReadWrite, K, B>) {
    let len = map.len();
    for offset in [0, 1, 3, 7, page() - 3, len - 8] {
        let value = 0x1122_3344_5566_7788_u64.rotate_left(offset as u32);
        map.write_obj(offset, &value).unwrap();
        assert_eq!(map.read_obj::<u64>(offset).unwrap(), value);
        assert_eq!(
            map.read_obj::<[u8; 8]>(offset).unwrap(),
            value.to_ne_bytes()
        );
        assert_eq!(
            map.view(offset..).unwrap().read_obj::<u64>(0).unwrap(),
            value
        );
    }
    map.write_obj(5, "text").unwrap();
    assert_eq!(&map.read_obj::<[u8; 4]>(5).unwrap(), b"text");
    map.write_obj(5, &[1_u32, 2, 3][..]).unwrap();
    assert_eq!(map.read_obj::<[u32; 3]>(5).unwrap(), [1, 2, 3]);
    map.read_obj::<()>(len).unwrap();
    for offset in [
        len - 7,
        len,
        len + 1,
        usize::MAX,
        usize::MAX - 7,
        isize::MAX as usize,
    ] {
        let fault = map.read_obj::<u64>(offset).unwrap_err();
        assert_eq!(
            (fault.errno(), fault.copied(), fault.offset()),
            (Errno::INVAL, 0, offset)
        );
        assert_eq!(
            map.write_obj(offset, &0_u64).unwrap_err().errno(),
            Errno::INVAL
        );
    }
}

#[test]
fn every_backing_holds_values() {
    let len = 2 * page();
    assert_values(anonymous(len));
    assert_values(shared(len));
    assert_values(exposed(len));
    assert_values(file_map(len, Private));
    assert_values(file_map(len, Shared));
    assert_values(stable(len, Private, perms::ReadWrite));
    assert_values(present(len, Shared, perms::ReadWrite));
}

#[test]
fn views_write_values_below_rung_3() {
    let map = shared(page());
    let view = map.view(100..200).unwrap();
    view.write_obj(1, &0xaabb_ccdd_u32).unwrap();
    assert_eq!(map.read_obj::<u32>(101).unwrap(), 0xaabb_ccdd);
    assert_eq!(
        view.write_obj(97, &0_u32).unwrap_err().errno(),
        Errno::INVAL
    );
}

#[test]
fn a_value_over_the_end_of_a_file_is_a_fault() {
    let file = disk_file(2 * page());
    let mut map = Map::bytes(2 * page())
        .from(&file, 0)
        .with(perms::ReadWrite)
        .unwrap();
    file.set_len(page() as u64).unwrap();
    let fault = map.read_obj::<u64>(page() - 3).unwrap_err();
    assert_eq!(
        (fault.errno(), fault.copied(), fault.offset()),
        (Errno::FAULT, 3, page())
    );
    let fault = map.write_obj(page() - 5, &u64::MAX).unwrap_err();
    assert_eq!((fault.errno(), fault.copied()), (Errno::FAULT, 5));
    assert_eq!(
        map.read_obj::<[u8; 8]>(page() - 16).unwrap()[..],
        patterned(page() - 16, 8)
    );
}

#[test]
fn remembered_permissions_are_checked() {
    let map = shared(page()).forget_permissions();
    let mut map = map.reprotect(Unknown(ProtFlags::READ)).unwrap();
    assert_eq!(map.read_obj::<u32>(0).unwrap(), 0);
    assert_eq!(map.write_obj(0, &1_u32).unwrap_err().errno(), Errno::ACCESS);
    let mut map = map.reprotect(Unknown(ProtFlags::WRITE)).unwrap();
    map.write_obj(0, &1_u32).unwrap();
    assert_eq!(map.read_obj::<u32>(0).unwrap_err().errno(), Errno::ACCESS);
}
