//! The native programs; cargo knows when they are current.

use std::path::PathBuf;

use anyhow::Result;

use super::Flavour;
use crate::progress;
use crate::setup::Tools;
use crate::workspace::Workspace;

/// A native program of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// Forwards media.
    MediaNode,
    /// Relays for those who cannot reach a media node.
    TurnNode,
}

impl Program {
    /// Builds the program that [`Self::path`] names.
    pub(crate) fn build(self, workspace: &Workspace, tools: &Tools, flavour: Flavour) -> Result<()> {
        let mut command = tools.cargo();
        command.args(["build", "--package", self.package(), "--profile", profile(flavour)]);
        progress::run(workspace, &self.package().replace('-', " "), &mut command)
    }

    /// Where the program of this flavour lies.
    pub(crate) fn path(self, workspace: &Workspace, flavour: Flavour) -> PathBuf {
        workspace.target().join(profile(flavour)).join(self.package())
    }

    /// The crate, and so the file.
    fn package(self) -> &'static str {
        match self {
            Self::MediaNode => "media-node",
            Self::TurnNode => "turn-node",
        }
    }
}

fn profile(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Quick => "quick",
        Flavour::Release => "release",
    }
}
