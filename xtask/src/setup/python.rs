//! Python programs, each in its own virtual environment.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::progress;
use crate::workspace::Workspace;

/// Installs this version of a package if it is missing; returns the path of its program `name`.
pub(crate) fn ensure_program(workspace: &Workspace, package: &str, name: &str, version: &str) -> Result<PathBuf> {
    let folder = workspace.tools().join(format!("{name}-{version}"));
    let (program, done) = (folder.join("bin").join(name), folder.join(".installed"));
    if done.exists() {
        return Ok(program);
    }
    // An interrupted installation.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    progress::run(workspace, &format!("python for {name}"), Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", &format!("{package}=={version}")]);
    progress::run(workspace, &format!("pip install {name}"), &mut pip)?;
    fs::write(&done, "").with_context(|| format!("writing {}", done.display()))?;
    Ok(program)
}
