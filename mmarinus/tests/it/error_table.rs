//! Errors that teach: a table of (call, errno) pairs that the kernel gives in this very run, and what each says.
//!
//! A pair counts only if it was provoked; what this machine cannot provoke is named as skipped. All of it happens in one
//! child, whose limits are lowered one after the other.

#[path = "error_table/table.rs"]
mod table;

#[path = "error_table/copies.rs"]
mod copies;
#[path = "error_table/crowded.rs"]
mod crowded;
#[path = "error_table/files.rs"]
mod files;
#[path = "error_table/limits.rs"]
mod limits;
#[path = "error_table/paths.rs"]
mod paths;
#[path = "error_table/ranges.rs"]
mod ranges;

use crate::testing::in_child;
use table::Table;

#[test]
fn forty_pairs_name_call_errno_cause_and_remedy() {
    let status = in_child!({
        let mut table = Table::default();
        files::provoke(&mut table);
        paths::provoke(&mut table);
        ranges::provoke(&mut table);
        copies::provoke(&mut table);
        limits::provoke(&mut table);
        crowded::provoke(&mut table);
        let (provoked, skipped) = table.finish();
        assert!(
            provoked + skipped >= 45 && provoked >= 40 - skipped.min(40),
            "{provoked} pairs, {skipped} skipped"
        );
    });
    assert!(status.success());
}
