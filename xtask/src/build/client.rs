//! The meet app, which the Worker serves as its static assets.

use anyhow::Result;

use crate::lock::Lock;
use crate::progress;
use crate::setup::Tools;
use crate::stamp::{Fingerprint, Stamp};
use crate::workspace::Workspace;

/// What the meet app is made of.
const SOURCES: &[&str] = &["client", "package-lock.json"];

/// Builds `client/meet/dist`.
pub(crate) fn build(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let _lock = Lock::take(workspace, "meet app")?;
    let mut fingerprint = Fingerprint::default();
    for source in SOURCES {
        fingerprint = fingerprint.fact(source).path(&workspace.path(source))?;
    }
    let stamp = Stamp::new(workspace, "client", &fingerprint);
    if workspace.path("client/meet/dist/index.html").is_file() && stamp.is_current() {
        progress::skip("meet app", "unchanged");
        return Ok(());
    }
    stamp.clear()?;
    let mut command = tools.command("npm");
    command.args(["run", "build", "--workspace", "client/meet"]);
    progress::run(workspace, "meet app", &mut command)?;
    stamp.write()
}
