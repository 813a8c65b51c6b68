//! `cargo xtask codegen`: the client's protocol types, written by the crate that defines them.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::progress;
use crate::setup::Tools;
use crate::workspace::Workspace;

/// Generated; never edited.
const TYPES: &str = "client/sdk/src/protocol.gen.ts";

/// Writes the types, or with `check` fails where they are stale.
pub(crate) fn run(workspace: &Workspace, tools: &Tools, check: bool) -> Result<()> {
    let fresh = generate(workspace, tools)?;
    let file = workspace.path(TYPES);
    let stale = fs::read_to_string(&file).map_or(true, |stored| stored != fresh);
    match (stale, check) {
        (false, _) => Ok(()),
        (true, true) => bail!("{TYPES} is stale: run `cargo xtask codegen` and commit what it writes"),
        (true, false) => fs::write(&file, fresh).with_context(|| format!("writing {TYPES}")),
    }
}

fn generate(workspace: &Workspace, tools: &Tools) -> Result<String> {
    // Two runs, so that compiling shows its progress and its errors, and only the declarations are read.
    let cargo = |verb: &str| {
        let mut command = tools.cargo();
        command.args([verb, "--quiet", "--package", "shared", "--features", "typescript", "--example", "typescript"]);
        command
    };
    progress::run(workspace, "protocol types", &mut cargo("build"))?;
    let output = cargo("run").output().context("starting cargo")?;
    if !output.status.success() {
        bail!("generating the types failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("the declarations are not UTF-8")
}
