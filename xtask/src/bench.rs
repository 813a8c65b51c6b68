//! `cargo xtask bench`: builds what is measured, starts the program that measures, and prints its results as a table.

mod results;

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::{self, Flavour, Part, Program};
use crate::progress;
use crate::setup::{self, Tools};
use crate::workspace::Workspace;

/// A benchmark that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// What the developer asked for.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which benchmark
    name: Name,
    /// One line of JSON for each case instead of the table
    #[arg(long)]
    json: bool,
    /// One short round, to see that it works; its numbers mean nothing
    #[arg(long)]
    smoke: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Server CPU for each forwarded packet, beside the floor
    Sfu,
    /// Server CPU for each relayed packet, beside coturn
    Turn,
    /// Server CPU for each recorded packet, beside that of a packet that is not recorded
    Recording,
    /// From the click to the first decoded frame, in Chromium
    Join,
}

/// Measures, and prints what was measured.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    let (step, mut command) = match options.name {
        Name::Sfu => ("measure sfu", sfu(workspace, &tools)?),
        Name::Turn => ("measure turn", turn(workspace, &tools)?),
        Name::Recording => ("measure recording", recording(workspace, &tools)?),
        Name::Join => ("measure join", join(workspace, &tools)?),
    };
    command.arg("--json");
    if options.smoke {
        command.arg("--smoke");
    }
    progress::run_within(workspace, step, &mut command, LIMIT, |_| String::new())?;
    let log = fs::read_to_string(progress::log_path(workspace, step)?).context("reading the results")?;
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("{\"bench\":")).collect();
    if lines.is_empty() {
        bail!("the benchmark gave no result");
    }
    if options.json {
        println!("{}", lines.join("\n"));
    } else {
        println!("\n{}", results::table(&lines)?);
    }
    Ok(())
}

/// `tests/load` starts the node itself, so that it knows whose CPU time it reads.
fn sfu(workspace: &Workspace, tools: &Tools) -> Result<Command> {
    build::build(workspace, tools, Part::MediaNode, Flavour::Release)?;
    load_clients(workspace, tools)?;
    let mut command = Command::new(workspace.target().join("release/bench-sfu"));
    command.current_dir(workspace.root()).arg("--media-node").arg(Program::MediaNode.path(workspace, Flavour::Release));
    Ok(command)
}

/// `tests/load` starts both servers itself.
fn turn(workspace: &Workspace, tools: &Tools) -> Result<Command> {
    setup::for_relaying(tools)?;
    build::build(workspace, tools, Part::TurnNode, Flavour::Release)?;
    load_clients(workspace, tools)?;
    let mut command = Command::new(workspace.target().join("release/bench-turn"));
    command.current_dir(workspace.root()).arg("--turn-node").arg(Program::TurnNode.path(workspace, Flavour::Release));
    Ok(command)
}

/// `tests/load` starts the node and the storage itself.
fn recording(workspace: &Workspace, tools: &Tools) -> Result<Command> {
    build::build(workspace, tools, Part::MediaNode, Flavour::Release)?;
    load_clients(workspace, tools)?;
    // It finds the storage's program among the tools.
    let mut command = tools.command(&workspace.target().join("release/bench-recording").to_string_lossy());
    command.arg("--media-node").arg(Program::MediaNode.path(workspace, Flavour::Release));
    Ok(command)
}

fn load_clients(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let mut cargo = tools.cargo();
    cargo.args(["build", "--release", "--package", "load", "--bins"]);
    progress::run(workspace, "load clients", &mut cargo)
}

/// `tests/browser` starts the Worker, a node and Chromium.
fn join(workspace: &Workspace, tools: &Tools) -> Result<Command> {
    build::stack(workspace, tools)?;
    setup::for_browsers(tools)?;
    let mut command = tools.command("node");
    command.arg(workspace.path("tests/browser/bench-join.mjs"));
    Ok(command)
}
