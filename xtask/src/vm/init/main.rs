//! The first process of a guest of `cargo xtask vm`: prepares the machine, runs the test programs, reports, ends the guest.
//!
//! Under the name of a command that tests start, it is that command: the guest has no others.
//!
//! What it reports goes to a serial line of its own, where the kernel writes nothing. Only a guest that has come to the end
//! with everything well says the code that the host gave it.
#![forbid(unsafe_code)]

mod commands;
mod features;
mod machine;
mod programs;
mod report;
mod settings;

use std::io;

use report::Report;

fn main() -> io::Result<()> {
    if let Some(command) = commands::asked() {
        return command();
    }
    machine::mount_what_the_kernel_offers()?;
    let report = Report::open()?;
    let done = work(&report);
    if let Err(error) = &done {
        report.line(format_args!("trouble {error}"))?;
    }
    // The host knows the code of this run, and takes nothing else for success.
    let code = std::fs::read_to_string("/vm/code")?;
    let word = if matches!(done, Ok(true)) {
        "well"
    } else {
        "not-well"
    };
    report.line(format_args!("done {word} {}", code.trim()))?;
    machine::leave()
}

/// Does what the guest is there for, and says whether all programs passed and all features are as they should be.
fn work(report: &Report) -> io::Result<bool> {
    machine::load_modules(report)?;
    machine::prepare_disks(report)?;
    let complete = features::report(report)?;
    let passed = programs::run(report)?;
    Ok(complete && passed)
}
