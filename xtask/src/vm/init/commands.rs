//! The commands that tests start as their children; each is a name of this program.

use core::time::Duration;
use std::io;
use std::path::Path;
use std::thread::sleep;

/// A command.
type Command = fn() -> io::Result<()>;

/// The command that this program was started as; none if it is the first process.
pub(crate) fn asked() -> Option<Command> {
    let name = std::env::args_os().next()?;
    match Path::new(&name).file_name()?.to_str()? {
        "true" => Some(|| Ok(())),
        "sleep" => Some(sleep_for_long),
        _ => None,
    }
}

/// `sleep SECONDS`
fn sleep_for_long() -> io::Result<()> {
    let seconds = std::env::args()
        .nth(1)
        .and_then(|seconds| seconds.parse().ok());
    sleep(Duration::from_secs(
        seconds.ok_or(io::ErrorKind::InvalidInput)?,
    ));
    Ok(())
}
