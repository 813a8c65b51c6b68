//! The media node's program; cargo knows when it is current.

use std::path::PathBuf;

use anyhow::Result;

use super::Flavour;
use crate::progress;
use crate::setup::Tools;
use crate::workspace::Workspace;

/// Builds the program that [`program`] names.
pub(crate) fn build(workspace: &Workspace, tools: &Tools, flavour: Flavour) -> Result<()> {
    let mut command = tools.cargo();
    command.args(["build", "--package", "media-node", "--profile", profile(flavour)]);
    progress::run(workspace, "media node", &mut command)
}

/// Where the program of this flavour lies.
pub(crate) fn program(workspace: &Workspace, flavour: Flavour) -> PathBuf {
    workspace.target().join(profile(flavour)).join("media-node")
}

fn profile(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Quick => "quick",
        Flavour::Release => "release",
    }
}
