//! Python programs, each in its own virtual environment.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::progress;
use crate::workspace::Workspace;

/// The program `name` of the package of the same name; installs this version if it is missing.
pub(crate) fn ensure_program(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let folder = workspace.tools().join(format!("{name}-{version}"));
    let (program, done) = (folder.join("bin").join(name), folder.join(".installed"));
    if done.exists() {
        return Ok(program);
    }
    // An installation that was cut short.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    progress::run(workspace, &format!("python for {name}"), Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", &format!("{name}=={version}")]);
    progress::run(workspace, &format!("pip install {name}"), &mut pip)?;
    fs::write(&done, "").with_context(|| format!("writing {}", done.display()))?;
    Ok(program)
}
