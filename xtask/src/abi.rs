//! `cargo xtask abi`: every value of `mmarinus-sys` against the kernel's own headers, on every architecture.
//!
//! `xtask/abi.tsv` lists the kernel's names and what covers each. The headers are the newest that can be had; they are
//! fetched anew each time, so the command needs the network, and it is no part of `cargo xtask ci`.

mod arch;
mod compare;
mod headers;
mod kernel;
mod listing;
mod ours;
mod table;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use arch::{ARCHES, LEFT_OUT};
use compare::Report;

/// Compares, prints what came of it, and says whether all is well.
pub(crate) fn run(sh: &Shell) -> Result<bool> {
    ensure!(
        cfg!(all(target_arch = "x86_64", target_pointer_width = "64")),
        "the kernel's values are only compared on an x86_64 machine, whose C compiler can act for the others"
    );
    let rows = table::parse(&sh.read_file(table::PATH)?)?;
    for tool in ["apt-get", "apt-cache", "dpkg-deb", "gcc"] {
        cmd!(sh, "{tool} --version")
            .quiet()
            .ignore_stdout()
            .run()
            .with_context(|| {
                format!(
                    "NOTHING WAS COMPARED: there is no {tool} here, and Debian's headers need it"
                )
            })?;
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folder = sh.current_dir().join(target).join("abi");
    let headers = headers::fetch(sh, &folder.join("headers"))
        .context("NOTHING WAS COMPARED: the kernel's headers cannot be had")?;
    println!(
        "the kernel's headers are those of linux-libc-dev {}",
        headers.version
    );

    let ours = ours::read(sh, &folder.join("ours"), &rows)?;
    let mut report = Report::new(&rows);
    for (arch, ours) in ARCHES.iter().zip(&ours) {
        let kernel = kernel::read(sh, &headers.include, &folder.join("kernel"), arch, &rows)?;
        report.add(arch, &rows, kernel.as_ref(), ours);
    }
    for (arch, why) in LEFT_OUT {
        println!("{arch}: not compared, {why}");
    }
    // The last line, alone: it is what other programs read.
    println!("{report}\n{}", report.summary());
    Ok(report.is_good())
}

/// Writes the test of `mmarinus-sys` anew, from the table.
pub(crate) fn write(sh: &Shell) -> Result<()> {
    listing::update(sh)
}
