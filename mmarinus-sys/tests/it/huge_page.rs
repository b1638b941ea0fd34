//! `HugePage`: the sizes and how flags carry them.

use mmarinus_sys::{HugePage, MapFlags, MemfdFlags};

/// Every size that has a name, with its bytes.
const SIZES: [(HugePage, u64); 13] = [
    (HugePage::SIZE_16KB, 16 << 10),
    (HugePage::SIZE_64KB, 64 << 10),
    (HugePage::SIZE_512KB, 512 << 10),
    (HugePage::SIZE_1MB, 1 << 20),
    (HugePage::SIZE_2MB, 2 << 20),
    (HugePage::SIZE_8MB, 8 << 20),
    (HugePage::SIZE_16MB, 16 << 20),
    (HugePage::SIZE_32MB, 32 << 20),
    (HugePage::SIZE_256MB, 256 << 20),
    (HugePage::SIZE_512MB, 512 << 20),
    (HugePage::SIZE_1GB, 1 << 30),
    (HugePage::SIZE_2GB, 2 << 30),
    (HugePage::SIZE_16GB, 16 << 30),
];

#[test]
fn a_size_is_the_logarithm_of_its_bytes() {
    for (size, bytes) in SIZES {
        assert_eq!(size.bytes(), Some(bytes));
        assert_eq!(1 << size.log2(), bytes);
        assert_eq!(HugePage::from_log2(size.log2()), Some(size));
    }
}

#[test]
fn flags_carry_the_logarithm_above_bit_26() {
    for (size, _) in SIZES {
        assert_eq!(
            size.map_flags(),
            MapFlags::HUGETLB | MapFlags::from_bits_retain(size.log2() << 26)
        );
        assert_eq!(
            size.memfd_flags(),
            MemfdFlags::HUGETLB | MemfdFlags::from_bits_retain(size.log2() << 26)
        );
    }
    assert_eq!(HugePage::SIZE_16GB.map_flags().bits() >> 26, 34);
    assert_eq!(HugePage::DEFAULT.map_flags(), MapFlags::HUGETLB);
    assert_eq!(HugePage::DEFAULT.memfd_flags(), MemfdFlags::HUGETLB);
}

#[test]
fn any_number_is_a_size_or_refused() {
    assert_eq!(HugePage::from_log2(0), None);
    assert_eq!(HugePage::from_log2(64), None);
    assert_eq!(HugePage::from_log2(u32::MAX), None);
    assert_eq!(HugePage::from_log2(63).unwrap().bytes(), Some(1 << 63));
    assert_eq!(HugePage::from_log2(1).unwrap().bytes(), Some(2));
    assert_eq!(HugePage::DEFAULT.bytes(), None);
    assert_eq!(HugePage::default(), HugePage::DEFAULT);
}
