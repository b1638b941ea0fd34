//! Shadow stacks.

use core::ptr;

use mmarinus_sys::{Errno, ShadowStackFlags, Support, map_shadow_stack, page_size};

use crate::common::{Pages, Vma};
use crate::testing::skip;

#[test]
fn a_stack_ends_in_a_token() {
    if !Support::shadow_stack() {
        let mapped = map_shadow_stack(ptr::null_mut(), page_size(), ShadowStackFlags::SET_TOKEN);
        assert!(
            matches!(mapped, Err(Errno::NOSYS | Errno::OPNOTSUPP)),
            "{mapped:?}"
        );
        skip!("the CPU or the kernel has no shadow stacks");
    }
    let stack = map_shadow_stack(ptr::null_mut(), page_size(), ShadowStackFlags::SET_TOKEN)
        .expect("a stack");
    let stack = Pages::from_raw(stack.as_ptr(), page_size());
    assert!(Vma::at(stack.addr()).expect("a line").has("ss"));
    let top = stack.byte(page_size() - size_of::<u64>()).cast::<u64>();
    // SAFETY: the page is mapped and readable, and the test's own.
    assert_ne!(unsafe { top.read_volatile() }, 0, "the token");

    let taken = map_shadow_stack(stack.addr(), page_size(), ShadowStackFlags::empty());
    assert_eq!(taken, Err(Errno::EXIST));
    let unknown = ShadowStackFlags::from_bits_retain(1 << 20);
    assert_eq!(
        map_shadow_stack(ptr::null_mut(), page_size(), unknown),
        Err(Errno::INVAL)
    );
}
