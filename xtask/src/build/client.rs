//! The meet app, which the Worker serves as its static assets.

use std::collections::VecDeque;

use anyhow::Result;

use super::{NPM, cost};
use crate::setup::Tools;
use crate::stamp::{Fingerprint, Stamp};
use crate::tasks::{Task, Work};
use crate::workspace::Workspace;

const SOURCES: &[&str] = &["client", "package-lock.json"];

/// Builds `client/meet/dist`.
pub(crate) fn task<'a>(workspace: &'a Workspace, tools: &'a Tools) -> Task<'a> {
    let built = workspace.path("client/meet/dist/index.html").is_file();
    let prepare = Box::new(move || prepare(workspace, tools));
    Task { name: "meet app", after: &[NPM], cost_s: cost(built, 10), prepare }
}

fn prepare<'a>(workspace: &Workspace, tools: &Tools) -> Result<Work<'a>> {
    let mut fingerprint = Fingerprint::default();
    for source in SOURCES {
        fingerprint = fingerprint.fact(source).path(&workspace.path(source))?;
    }
    let stamp = Stamp::new(workspace, "client", &fingerprint);
    if workspace.path("client/meet/dist/index.html").is_file() && stamp.is_current() {
        return Ok(Work::Unchanged);
    }
    stamp.clear()?;
    let mut command = tools.command("npm");
    command.args(["run", "build", "--workspace", "client/meet"]);
    Ok(Work::Commands(VecDeque::from([command]), Box::new(move || stamp.write())))
}
