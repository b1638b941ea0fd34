//! The features of our crates, as their manifests say.

use anyhow::{Context, Result};
use serde_json::Value;
use xshell::{Shell, cmd};

/// A crate of the workspace.
pub(crate) struct Features {
    pub(crate) krate: String,
    /// All but `default`.
    pub(crate) names: Vec<String>,
}

/// Asks cargo for the features of every crate.
pub(crate) fn of_all(sh: &Shell) -> Result<Vec<Features>> {
    let metadata = cmd!(sh, "cargo metadata --no-deps --format-version 1")
        .quiet()
        .read()?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo names no packages")?;
    packages.iter().map(read).collect()
}

/// Reads one package of what cargo says.
fn read(package: &Value) -> Result<Features> {
    let krate = package["name"]
        .as_str()
        .context("a package has no name")?
        .to_owned();
    let names = package["features"]
        .as_object()
        .context("a package has no features")?;
    let names = names
        .keys()
        .filter(|name| *name != "default")
        .cloned()
        .collect();
    Ok(Features { krate, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read() {
        let package = r#"{"name":"a","features":{"default":["std"],"std":[],"zerocopy":[]}}"#;
        let features = read(&serde_json::from_str(package).expect("a package")).expect("features");
        assert_eq!(features.krate, "a");
        assert_eq!(features.names, ["std", "zerocopy"]);
        assert!(read(&Value::Null).is_err());
    }
}
