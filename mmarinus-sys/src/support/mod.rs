//! What the running kernel, CPU and privileges allow, found out without changing anything.

mod cached;
mod figures;
mod probe;

pub use figures::{HugePages, Overcommit, ThpMode};

/// What the running kernel, CPU and privileges allow: each question is a function.
///
/// Questions about features are answered by a system call that cannot do anything, such as an advice for no bytes, and the
/// answer is remembered: after the first time it costs a load. What the process may do later, after it gave up privileges
/// or called `seccomp`, is not asked again. Where the kernel could not be asked (too many open files, no memory) the answer
/// is no, and is not remembered.
///
/// Questions about figures, such as free huge pages, are answered afresh each time, from files in `/sys` and `/proc`.
///
/// Nothing is allocated, and no file stays open.
///
/// # Examples
///
/// ```
/// use mmarinus_sys::{HugePage, Support};
///
/// println!("mseal: {}, guards: {}", Support::mseal(), Support::guard_regions());
/// for size in Support::huge_page_sizes() {
///     println!("{:?}: {:?}", size.bytes(), Support::huge_pages(size));
/// }
/// assert!(Support::huge_pages(HugePage::from_log2(63).unwrap()).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Support {}
