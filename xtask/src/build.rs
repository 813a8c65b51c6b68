//! Builds the programs for `dev` and `test`: the edge Worker, the native programs, the meet app.

mod client;
mod edge;
mod program;

use std::path::PathBuf;

use anyhow::Result;

use crate::setup::{self, NPM, Tools};
use crate::tasks::{Task, Tasks};
use crate::workspace::Workspace;

/// The effort spent on a small and fast result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Fast to build, from nothing and after a change; used by `dev` and the tests.
    Quick,
    /// As deployed.
    Release,
}

impl Flavour {
    /// The folder of its programs.
    pub(crate) fn folder(self, workspace: &Workspace) -> PathBuf {
        workspace.target().join(match self {
            Self::Quick => "debug",
            Self::Release => "release",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The Worker, in `edge/build`.
    Edge,
    /// The media node's program.
    MediaNode,
    /// The TURN node's program.
    TurnNode,
    /// The meet app, in `client/meet/dist`.
    Client,
    /// The recording storage of a developer's machine.
    Storage,
}

const EDGE: &str = "edge Worker";
const MEDIA_NODE: &str = "media node";
const NATIVE: &str = "native programs";
const WASM_BINDGEN: &str = "wasm-bindgen";

/// Programs of the first cargo call of a first `dev`; the Worker needs the second one.
const FOR_THE_CALL: &[Program] = &[Program::MediaNode, Program::WorkerBindgen];

/// Programs that a call can do without.
const FOR_LATER: &[Program] = &[Program::TurnNode, Program::Storage];

const ALL: &[Program] = &[Program::MediaNode, Program::WorkerBindgen, Program::TurnNode, Program::Storage];

/// CPU seconds for bringing something up to date.
const REFRESH_S: u32 = 5;

/// The tasks that a call needs. The numbers here are CPU seconds from nothing, measured (docs/benchmarks.md).
pub(crate) fn for_the_call<'a>(workspace: &'a Workspace, tools: &'a Tools) -> Vec<Task<'a>> {
    let cost_s = cost(is_built(workspace, FOR_THE_CALL), 330);
    let native = program::task(tools, MEDIA_NODE, FOR_THE_CALL, Flavour::Quick, cost_s);
    everything_but_programs(workspace, tools, native)
}

/// The tasks that a first call can do without: TURN and recording.
pub(crate) fn for_later<'a>(workspace: &Workspace, tools: &'a Tools) -> Vec<Task<'a>> {
    let cost_s = cost(is_built(workspace, FOR_LATER), 100);
    vec![program::task(tools, "TURN node and storage", FOR_LATER, Flavour::Quick, cost_s)]
}

pub(crate) fn all<'a>(workspace: &'a Workspace, tools: &'a Tools) -> Vec<Task<'a>> {
    let native = program::task(tools, NATIVE, ALL, Flavour::Quick, cost(has_programs(workspace), 430));
    everything_but_programs(workspace, tools, native)
}

/// True if every program was built before, so that updating all of them takes seconds.
pub(crate) fn has_programs(workspace: &Workspace) -> bool {
    is_built(workspace, ALL)
}

/// Builds everything that runs on a developer's machine.
pub(crate) fn stack(workspace: &Workspace, tools: &Tools) -> Result<()> {
    Tasks::new(workspace, all(workspace, tools)).run()
}

fn everything_but_programs<'a>(workspace: &'a Workspace, tools: &'a Tools, native: Task<'a>) -> Vec<Task<'a>> {
    let edge = edge::task(workspace, tools, Flavour::Quick);
    vec![setup::npm_packages(tools), native, edge, client::task(workspace, tools)]
}

fn is_built(workspace: &Workspace, programs: &[Program]) -> bool {
    programs.iter().all(|program| program.path(workspace, Flavour::Quick).is_file())
}

pub(crate) fn build(workspace: &Workspace, tools: &Tools, part: Part, flavour: Flavour) -> Result<()> {
    let program = |name, programs| vec![program::task(tools, name, programs, flavour, REFRESH_S)];
    let tasks = match part {
        Part::Edge => {
            let bindgen = program::task(tools, WASM_BINDGEN, &[Program::WorkerBindgen], Flavour::Quick, REFRESH_S);
            vec![bindgen, edge::task(workspace, tools, flavour)]
        }
        Part::MediaNode => program(MEDIA_NODE, &[Program::MediaNode]),
        Part::TurnNode => program("TURN node", &[Program::TurnNode]),
        Part::Storage => program("storage", &[Program::Storage]),
        Part::Client => vec![client::task(workspace, tools)],
    };
    Tasks::new(workspace, tasks).run()
}

/// Builds the benchmarks and the measured programs.
pub(crate) fn benchmarks(workspace: &Workspace, tools: &Tools, flavour: Flavour) -> Result<()> {
    Tasks::new(workspace, vec![program::benchmarks(tools, flavour)]).run()
}

/// Builds the programs of `soak`, `chaos` and `load`, and of those that they start the measured one.
pub(crate) fn endurance(workspace: &Workspace, tools: &Tools, flavour: Flavour) -> Result<()> {
    Tasks::new(workspace, vec![program::endurance(tools, flavour)]).run()
}

/// A task's cost, depending on whether its result exists.
fn cost(built: bool, from_nothing_s: u32) -> u32 {
    if built { REFRESH_S } else { from_nothing_s }
}

pub(crate) use program::{EVERYTHING_NATIVE, Program};
