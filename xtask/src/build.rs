//! Builds what `dev` starts and `test` proves: the edge Worker, the nodes, the meet app.

mod client;
mod edge;
mod program;

use anyhow::Result;

use crate::setup::Tools;
use crate::workspace::Workspace;

/// How much time goes into making the result small and fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Quick to build after a change.
    Quick,
    /// As deployed.
    Release,
}

/// One thing that can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The Worker: `edge/build`.
    Edge,
    /// The media node's program.
    MediaNode,
    /// The TURN node's program.
    TurnNode,
    /// The meet app: `client/meet/dist`.
    Client,
}

/// Builds everything that runs on a developer's machine.
pub(crate) fn stack(workspace: &Workspace, tools: &Tools) -> Result<()> {
    for part in [Part::Edge, Part::MediaNode, Part::TurnNode, Part::Client] {
        build(workspace, tools, part, Flavour::Quick)?;
    }
    Ok(())
}

/// Builds one part, unless it is current.
pub(crate) fn build(workspace: &Workspace, tools: &Tools, part: Part, flavour: Flavour) -> Result<()> {
    match part {
        Part::Edge => edge::build(workspace, tools, flavour),
        Part::MediaNode => Program::MediaNode.build(workspace, tools, flavour),
        Part::TurnNode => Program::TurnNode.build(workspace, tools, flavour),
        Part::Client => client::build(workspace, tools),
    }
}

pub(crate) use program::Program;
