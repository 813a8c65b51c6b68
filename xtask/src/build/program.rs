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
        command.arg("build");
        match flavour {
            // The selection and profile of the tests: what both need is built once.
            Flavour::Quick => command.args(["--workspace", "--exclude", "edge", "--bin", self.package()]),
            Flavour::Release => command.args(["--release", "--package", self.package()]),
        };
        progress::run(workspace, &self.package().replace('-', " "), &mut command)
    }

    /// Where the program of this flavour lies.
    pub(crate) fn path(self, workspace: &Workspace, flavour: Flavour) -> PathBuf {
        let folder = match flavour {
            Flavour::Quick => "debug",
            Flavour::Release => "release",
        };
        workspace.target().join(folder).join(self.package())
    }

    /// The crate, and so the file.
    fn package(self) -> &'static str {
        match self {
            Self::MediaNode => "media-node",
            Self::TurnNode => "turn-node",
        }
    }
}
