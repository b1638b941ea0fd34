//! What resource limits make of `mmap`, `mremap` and `mlock`. Only in a child.

use mmarinus::{Errno, Map, perms};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::table::{By, Table};
use crate::common::{anonymous, is_root, page, without_privileges};

pub(super) fn provoke(table: &mut Table) {
    huge_pages(table);
    let small = anonymous(page());
    within(Resource::As, address_space() + (64 << 20), || {
        let error = Map::bytes(1 << 30)
            .anonymously()
            .with(perms::Read)
            .unwrap_err();
        table.note(By::Kernel, "mmap", Errno::NOMEM, &error);
        let error = small.resize(1 << 30).unwrap_err();
        table.note(By::Kernel, "mremap", Errno::NOMEM, &error);
    });
    // Root may lock what it likes.
    let mut locks = |limit: usize, run: &(dyn Fn() -> Refused + Sync)| {
        within(Resource::Memlock, limit as u64, || {
            let refused = if is_root() {
                without_privileges(run)
            } else {
                run()
            };
            for (call, errno, error) in refused {
                table.note(By::Kernel, call, errno, &error);
            }
        });
    };
    locks(0, &|| {
        vec![
            (
                "mlock",
                Errno::PERM,
                anonymous(page()).lock(..).unwrap_err(),
            ),
            (
                "mmap",
                Errno::PERM,
                Map::bytes(1)
                    .anonymously()
                    .locked()
                    .with(perms::Read)
                    .unwrap_err(),
            ),
        ]
    });
    locks(4 * page(), &|| {
        let big = Map::bytes(64 * page()).anonymously();
        let map = anonymous(2 * page());
        map.lock(..).unwrap();
        vec![
            (
                "mlock",
                Errno::NOMEM,
                anonymous(64 * page()).lock(..).unwrap_err(),
            ),
            (
                "mmap",
                Errno::AGAIN,
                big.locked().with(perms::Read).unwrap_err(),
            ),
            (
                "mremap",
                Errno::AGAIN,
                map.resize(64 * page()).unwrap_err().into(),
            ),
        ]
    });
}

/// Calls, what they say, and the errors.
type Refused = Vec<(&'static str, Errno, mmarinus::Error)>;

/// Runs a closure under a limit that is put back afterwards.
fn within(resource: Resource, value: u64, run: impl FnOnce()) {
    let before = getrlimit(resource);
    let lower = Rlimit {
        current: Some(value),
        maximum: before.maximum,
    };
    setrlimit(resource, lower).unwrap();
    run();
    setrlimit(resource, before).unwrap();
}

/// The bytes that the process has mapped.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    pages * page() as u64
}

/// An empty pool of huge pages, or one that is not this large.
fn huge_pages(table: &mut Table) {
    use mmarinus_sys::{HugePage, Support};
    let Ok(pool) = Support::huge_pages(HugePage::SIZE_2MB) else {
        table.skip(
            "mmap ENOMEM of huge pages",
            "the kernel has no pages of 2 MiB",
        );
        return;
    };
    let more = (pool.total as usize + 64) << 21;
    match Map::bytes(more)
        .anonymously()
        .with_huge_pages(HugePage::SIZE_2MB)
        .with(perms::ReadWrite)
    {
        Err(error) => {
            table.note(By::Kernel, "mmap", Errno::NOMEM, &error);
            assert!(error.to_string().contains("are free"), "{error}");
        }
        Ok(_) => table.skip("mmap ENOMEM of huge pages", "the pool grows as it likes"),
    }
}
