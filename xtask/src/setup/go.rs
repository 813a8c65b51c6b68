//! Programs that Go builds if it is installed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::Tools;
use crate::progress;

/// The program on the PATH, or the one that Go builds from `module`; `None` if neither is available.
pub(super) fn program(tools: &Tools, name: &str, module: &str, version: &str) -> Result<Option<PathBuf>> {
    if let Some(program) = tools.find(name) {
        return Ok(Some(program));
    }
    let folder = tools.workspace.tools().join(format!("{name}-{version}"));
    let program = folder.join(name);
    if program.exists() {
        return Ok(Some(program));
    }
    let Some(go) = tools.find("go") else { return Ok(None) };
    let mut build = Command::new(go);
    build.arg("install").arg(format!("{module}@v{version}")).env("GOBIN", folder);
    progress::run(&tools.workspace, &format!("go install {name}"), &mut build)?;
    Ok(Some(program))
}
