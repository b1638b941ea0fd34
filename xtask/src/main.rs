//! The list of tasks that `cargo xtask` knows.
#![forbid(unsafe_code)]

mod abi;
mod ci;
mod errors;
mod features;
mod mutants;
mod no_std;
mod package;
mod sanitize;
mod semver;
mod soak;
mod test;
mod tidy;
mod vm;

use std::path::Path;
use std::process::ExitCode;

mod flags {
    #![allow(
        missing_docs,
        unreachable_pub,
        reason = "what the macro writes has no docs"
    )]

    use std::path::PathBuf;

    xflags::xflags! {
        /// The build system of the workspace.
        cmd xtask {
            /// Runs all that must hold before a change lands: fmt, clippy, docs, tidy, no_std, packages, tests.
            cmd ci {}
            /// Compares every constant of mmarinus-sys with the kernel's own headers, which it fetches.
            cmd abi {
                /// Only writes the test of mmarinus-sys that stands for the table.
                optional --write
            }
            /// Writes the page that lists every sentence of an error.
            cmd errors {}
            /// Builds what is no_std into libraries that fail as soon as std links.
            cmd no-std {}
            /// Packs what is published, and builds and documents the packages by themselves.
            cmd package {}
            /// Tells what of the public names was lost or changed since the baseline; needs cargo-semver-checks.
            cmd semver {}
            /// Holds the rules of the house against every file.
            cmd tidy {}
            /// Runs every test of every crate, and says what ran and what was skipped.
            cmd test {
                /// Only the tests of this crate.
                optional -p, --package package: String
            }
            /// Keeps huge pages for a run of the tests, which starts it, until its input ends.
            cmd keep-huge-pages {
                /// The pool, such as /sys/kernel/mm/hugepages/hugepages-2048kB.
                required pool: PathBuf
            }
            /// Runs tests under AddressSanitizer and Miri where they are installed, and says what was not run.
            cmd sanitize {}
            /// Makes lines that carry soundness wrong, one by one, and says which of them no test notices.
            cmd mutants {
                /// The part to run: `k/n` is the k-th of n, from 0 on.
                required --shard shard: String
            }
            /// Runs random programs on maps against a model, for as long as one likes.
            cmd soak {
                /// For so many minutes in all; 10 if nothing is said.
                optional --minutes minutes: u64
            }
            /// Runs the tests in emulated machines, on other kernels and with other hardware.
            cmd vm {
                /// Also the oldest kernel, the newest, and another architecture.
                optional --all
                /// Only this kernel, such as 6.12, `newest`, `aarch64-4k` or `aarch64-16k`.
                optional --kernel kernel: String
                /// Only the tests of this crate.
                optional -p, --package package: String
                /// Writes the table into the README, with its date.
                optional --markdown
                /// That no kernel, emulator or toolchain can be had is no failure, nor that some guests are late.
                optional --if-possible
                /// All guests have to end within so many seconds once they are built.
                optional --within seconds: u64
            }
        }
    }
}

fn main() -> ExitCode {
    let flags = flags::Xtask::from_env_or_exit();
    let sh = match workspace() {
        Ok(sh) => sh,
        Err(error) => return complain(&error),
    };
    let done = match flags.subcommand {
        flags::XtaskCmd::Abi(args) if args.write => abi::write(&sh).map(|()| true),
        flags::XtaskCmd::Abi(_) => abi::run(&sh),
        flags::XtaskCmd::Ci(_) => ci::run(&sh),
        flags::XtaskCmd::Errors(_) => errors::run(&sh).map(|()| true),
        flags::XtaskCmd::Tidy(_) => tidy::run(&sh).map(|()| true),
        flags::XtaskCmd::NoStd(_) => no_std::run(&sh).map(|()| true),
        flags::XtaskCmd::Soak(args) => soak::run(&sh, args.minutes.unwrap_or(10)).map(|()| true),
        flags::XtaskCmd::Sanitize(_) => sanitize::run(&sh),
        flags::XtaskCmd::Mutants(args) => mutants::run(&sh, &args.shard),
        flags::XtaskCmd::Package(_) => package::run(&sh).map(|()| true),
        flags::XtaskCmd::Semver(_) => semver::run(&sh),
        flags::XtaskCmd::Test(args) => test::run(&sh, args.package.as_deref()),
        flags::XtaskCmd::KeepHugePages(args) => test::keep_huge_pages(&args.pool).map(|()| true),
        flags::XtaskCmd::Vm(args) => vm::run(&sh, &args.into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => complain(&error),
    }
}

/// A shell that stands in the root of the workspace, wherever `cargo xtask` was called.
fn workspace() -> anyhow::Result<xshell::Shell> {
    let sh = xshell::Shell::new()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask stands below the root of the workspace");
    sh.change_dir(root);
    Ok(sh)
}

fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
