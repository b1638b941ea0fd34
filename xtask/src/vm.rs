//! `cargo xtask vm`: the test programs of the workspace in emulated machines, on other kernels and with other hardware.
//!
//! Kernels and the emulator come from Debian, and are kept below the target folder; nothing is installed. What cannot be had
//! is reported as not run. A guest counts as passed only if it says so itself, by the code of its run, and if no line of it is
//! missing. One that did not come to its end in time has failed, and one for which no time was left as well.

mod arch;
mod cpio;
mod debian;
mod disk;
mod guest;
mod guests;
mod kernel;
mod modules;
mod outcome;
mod plan;
mod programs;
mod qemu;
mod runs;
mod table;
mod toolchain;

use std::time::Instant;

use anyhow::Result;
use xshell::{Shell, cmd};

use outcome::Outcome;
use table::Column;

/// What the caller wants.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Also the oldest and the newest kernel, and the other architecture.
    pub(crate) all: bool,
    /// Only this kernel: a series such as 6.12, `newest`, or the name of a guest of the other architecture.
    pub(crate) kernel: Option<String>,
    /// Only the tests of this crate.
    pub(crate) package: Option<String>,
    /// The table goes into the README, with its date.
    pub(crate) markdown: bool,
    /// That nothing can be had is no failure.
    pub(crate) if_possible: bool,
    /// All guests have to end within so many seconds, once they are built.
    pub(crate) within: Option<u64>,
}

impl From<crate::flags::Vm> for Options {
    fn from(flags: crate::flags::Vm) -> Self {
        Self {
            all: flags.all,
            kernel: flags.kernel,
            package: flags.package,
            markdown: flags.markdown,
            if_possible: flags.if_possible,
            within: flags.within,
        }
    }
}

/// What ran, and what did not and why.
#[derive(Debug, Default)]
struct Done {
    ran: Vec<(String, Outcome)>,
    not_run: Vec<(String, Lost)>,
}

/// Why a guest did not run.
#[derive(Debug)]
enum Lost {
    /// A kernel, an emulator, a toolchain or a tool cannot be had.
    Missing(String),
    /// All is there, and it does not build or does not start.
    Broken(String),
    /// The time for all guests was over before it began, or while it still spoke.
    Late,
}

impl Lost {
    fn missing(error: &anyhow::Error) -> Self {
        Self::Missing(format!("{error:#}"))
    }

    fn broken(error: &anyhow::Error) -> Self {
        Self::Broken(format!("{error:#}"))
    }

    fn why(&self) -> &str {
        match self {
            Self::Missing(why) | Self::Broken(why) => why,
            Self::Late => "the time for all guests was over",
        }
    }
}

/// Runs the guests, prints the table, and says whether all is well.
pub(crate) fn run(sh: &Shell, options: &Options) -> Result<bool> {
    let begin = Instant::now();
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folder = sh.current_dir().join(target).join("vm");
    sh.create_dir(&folder)?;

    let done = runs::run(sh, &folder, options, &plan::wishes(options));
    done.print(sh, options)?;
    println!("cargo xtask vm took {} s", begin.elapsed().as_secs());
    Ok(done.is_good(options.if_possible))
}

impl Done {
    fn print(&self, sh: &Shell, options: &Options) -> Result<()> {
        let ran = self.ran.iter();
        let columns: Vec<Column<'_>> = ran
            .map(|(name, outcome)| Column {
                name: name.clone(),
                outcome,
            })
            .collect();
        if !columns.is_empty() {
            println!("\n{}\n{}", table::details(&columns), table::plain(&columns));
        }
        if options.markdown && !columns.is_empty() {
            let date = cmd!(sh, "date --utc +%F").quiet().read()?;
            let section = table::section(&columns, &self.not_run, &date);
            let readme = sh.read_file("README.md")?;
            sh.write_file("README.md", table::with_section(&readme, &section))?;
            println!("{section}\nThis is a section of README.md now.");
        }
        for (what, why) in &self.not_run {
            println!("NOT RUN: {what}: {}", why.why());
        }
        Ok(())
    }

    /// Nothing failed, what did not run cannot be had, and something ran unless that is forgiven. So is that a guest was late,
    /// on a slow machine, but only if another came to its end.
    fn is_good(&self, if_possible: bool) -> bool {
        let good = self.ran.iter().all(|(_, outcome)| outcome.is_good());
        let something = !self.ran.is_empty();
        let mut lost = self.not_run.iter();
        let forgiven = lost.all(|(_, lost)| match lost {
            Lost::Missing(_) => true,
            Lost::Late => if_possible && something,
            Lost::Broken(_) => false,
        });
        good && forgiven && (if_possible || something)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_success() {
        let done = Done::default();
        assert!(!done.is_good(false));
        assert!(done.is_good(true));
        let failed = Done {
            ran: vec![("6.12 rich".to_owned(), Outcome::default())],
            not_run: Vec::new(),
        };
        assert!(!failed.is_good(true));
    }

    #[test]
    fn only_what_cannot_be_had_is_forgiven() {
        let lost = |lost| Done {
            ran: Vec::new(),
            not_run: vec![("6.12 rich".to_owned(), lost)],
        };
        assert!(lost(Lost::Missing("no qemu".to_owned())).is_good(true));
        assert!(!lost(Lost::Missing("no qemu".to_owned())).is_good(false));
        assert!(!lost(Lost::Broken("no such type".to_owned())).is_good(true));
        // Late, and nothing else.
        assert!(!lost(Lost::Late).is_good(true));
    }
}
