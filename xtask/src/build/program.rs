//! The native programs; cargo knows when they are current.

use std::path::PathBuf;
use std::process::Command;

use super::Flavour;
use crate::setup::Tools;
use crate::tasks::{Task, Work};
use crate::workspace::Workspace;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    MediaNode,
    TurnNode,
    Storage,
    /// Writes the Worker's JavaScript bindings.
    WorkerBindgen,
}

impl Program {
    pub(crate) fn path(self, workspace: &Workspace, flavour: Flavour) -> PathBuf {
        flavour.folder(workspace).join(self.package())
    }

    /// The crate, and thus the file.
    fn package(self) -> &'static str {
        match self {
            Self::MediaNode => "media-node",
            Self::TurnNode => "turn-node",
            Self::Storage => "storage",
            Self::WorkerBindgen => "worker-bindgen",
        }
    }
}

/// Cargo's selection of everything that runs on this machine. A dependency has the features that all selected crates
/// request together, so the same selection everywhere means that it is built once, for `dev` and for every test;
/// filters like `--bin` select programs.
pub(crate) const EVERYTHING_NATIVE: &[&str] = &["--workspace"];

/// One cargo call for all of `programs`.
fn command(tools: &Tools, programs: &[Program], flavour: Flavour) -> Command {
    let mut command = tools.cargo_build();
    match flavour {
        Flavour::Quick => {
            command.args(EVERYTHING_NATIVE);
            command.args(programs.iter().flat_map(|program| ["--bin", program.package()]));
        }
        // As deployed: without features that only another crate requests.
        Flavour::Release => {
            command.arg("--release");
            command.args(programs.iter().flat_map(|program| ["--package", program.package()]));
        }
    }
    command
}

pub(crate) fn task<'a>(
    tools: &'a Tools,
    name: &'static str,
    programs: &'static [Program],
    flavour: Flavour,
    cost_s: u32,
) -> Task<'a> {
    let prepare = Box::new(move || Ok(Work::command(command(tools, programs, flavour))));
    Task { name, after: &[], cost_s, prepare }
}

/// The programs of `soak`, `chaos` and `load`, and the media node that is measured.
pub(crate) fn endurance(tools: &Tools, flavour: Flavour) -> Task<'_> {
    let prepare = Box::new(move || {
        let mut command = tools.cargo_build();
        command.args(EVERYTHING_NATIVE);
        match flavour {
            Flavour::Quick => command.args(["--bin", "soak", "--bin", "chaos", "--bin", "load"]),
            Flavour::Release => command.args(["--release", "--bin", "load", "--bin", "media-node"]),
        };
        Ok(Work::command(command))
    });
    Task { name: "robots", after: &[], cost_s: 60, prepare }
}

pub(crate) fn benchmarks(tools: &Tools, flavour: Flavour) -> Task<'_> {
    let prepare = Box::new(move || {
        let mut command = tools.cargo_build();
        command.args(EVERYTHING_NATIVE);
        for program in [Program::MediaNode, Program::TurnNode, Program::Storage] {
            command.args(["--bin", program.package()]);
        }
        for bench in ["bench-sfu", "bench-turn", "bench-veth", "bench-recording", "floor"] {
            command.args(["--bin", bench]);
        }
        if flavour == Flavour::Release {
            command.arg("--release");
        }
        Ok(Work::command(command))
    });
    Task { name: "benchmarks", after: &[], cost_s: 600, prepare }
}
