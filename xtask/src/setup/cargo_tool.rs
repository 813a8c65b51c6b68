//! Programs from crates.io, installed for this repository alone.

use std::fs;

use anyhow::{Context, Result};

use super::Tools;
use crate::progress;
use crate::workspace::Workspace;

/// Tools are used a few times a day: compiling them fast matters more than how fast they run.
const FAST_TO_COMPILE: &[&str] = &[
    "--config",
    "profile.release.opt-level=1",
    "--config",
    "profile.release.lto=false",
    "--config",
    "profile.release.codegen-units=16",
];

/// Installs exactly `version` of the program that `package` holds.
pub(crate) fn ensure(tools: &Tools, package: &str, version: &str, arguments: &[&str]) -> Result<()> {
    let workspace = &tools.workspace;
    if is_present(workspace, package, version) {
        return Ok(());
    }
    let step = format!("install {package} {version}");
    let install = |locked: &[&str]| {
        let mut command = tools.cargo();
        command.args(["install", "--force", "--root"]).arg(workspace.tools());
        command.arg("--target-dir").arg(workspace.tools().join("build"));
        command.args(FAST_TO_COMPILE).args(locked).args(arguments).arg(format!("{package}@{version}"));
        progress::run(workspace, &step, &mut command)
    };
    let Err(error) = install(&["--locked"]) else { return Ok(()) };
    let log = fs::read_to_string(progress::log_path(workspace, &step)?).unwrap_or_default();
    if !log.contains("failed to select a version") {
        return Err(error);
    }
    println!("    the registry lacks a version that {package} locks: trying again with what it has");
    install(&[])
}

/// Whether exactly this version is installed.
pub(crate) fn is_present(workspace: &Workspace, package: &str, version: &str) -> bool {
    let list = fs::read_to_string(workspace.tools().join(".crates.toml")).unwrap_or_default();
    is_listed(&list, package, version)
}

/// Removes what compiling left behind.
pub(crate) fn clean(workspace: &Workspace) -> Result<()> {
    match fs::remove_dir_all(workspace.tools().join("build")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("removing the tools' build folder")
        }
        _ => Ok(()),
    }
}

/// Reads cargo's own list of what is installed.
fn is_listed(list: &str, package: &str, version: &str) -> bool {
    let entry = format!("\"{package} {version} ");
    list.lines().any(|line| line.starts_with(&entry))
}

#[cfg(test)]
mod tests {
    use super::is_listed;

    const LIST: &str = "[v1]\n\"worker-build 0.8.7 (registry+https://example.invalid)\" = [\"worker-build\"]\n";

    #[test]
    fn the_same_version_is_enough() {
        assert!(is_listed(LIST, "worker-build", "0.8.7"));
    }

    #[test]
    fn another_version_or_a_shorter_one_is_not() {
        assert!(!is_listed(LIST, "worker-build", "0.8.8"));
        assert!(!is_listed(LIST, "worker-build", "0.8"));
        assert!(!is_listed(LIST, "build", "0.8.7"));
    }
}
