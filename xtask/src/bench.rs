//! `cargo xtask bench`: builds what is measured, starts the program that measures, and prints its results as a table.

mod results;

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::{self, Flavour, Program};
use crate::progress;
use crate::setup::{self, Tools};
use crate::workspace::Workspace;

/// A benchmark that takes longer has hung.
const LIMIT: Duration = Duration::from_secs(60 * 60);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which benchmark to run
    name: Name,
    /// Print one line of JSON per case instead of the table
    #[arg(long)]
    json: bool,
    /// Run one short round to see that it works; the numbers mean nothing
    #[arg(long)]
    smoke: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Server CPU per forwarded packet, beside the floor
    Sfu,
    /// Server CPU per relayed packet, beside coturn
    Turn,
    /// Server CPU per recorded packet, beside a packet that is only forwarded
    Recording,
    /// From the click to the first decoded frame, in Chromium
    Join,
}

/// Runs the benchmark and prints its results.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    let (step, mut command) = match options.name {
        Name::Sfu => ("measure sfu", load(workspace, &tools, options)?),
        Name::Turn => ("measure turn", load(workspace, &tools, options)?),
        Name::Recording => ("measure recording", load(workspace, &tools, options)?),
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

/// `tests/load` starts what it measures itself, so that it knows whose CPU time it reads.
fn load(workspace: &Workspace, tools: &Tools, options: &Options) -> Result<Command> {
    // A smoke test shows that the programs work together, which the builds of the other tests do as well.
    let flavour = if options.smoke { Flavour::Quick } else { Flavour::Release };
    let path = |program: Program| program.path(workspace, flavour);
    let (bench, arguments) = match options.name {
        Name::Turn => {
            setup::for_relaying(tools)?;
            ("bench-turn", vec![("--turn-node", path(Program::TurnNode))])
        }
        Name::Recording => {
            let programs = [("--media-node", path(Program::MediaNode)), ("--storage", path(Program::Storage))];
            ("bench-recording", programs.to_vec())
        }
        Name::Sfu | Name::Join => ("bench-sfu", vec![("--media-node", path(Program::MediaNode))]),
    };
    build::benchmarks(workspace, tools, flavour)?;
    let mut command = Command::new(path(Program::MediaNode).with_file_name(bench));
    command.current_dir(workspace.root());
    for (argument, program) in arguments {
        command.arg(argument).arg(program);
    }
    Ok(command)
}

/// `tests/browser` starts the Worker, a node and Chromium.
fn join(workspace: &Workspace, tools: &Tools) -> Result<Command> {
    build::stack(workspace, tools)?;
    setup::for_browsers(tools)?;
    let mut command = tools.command("node");
    command.arg(workspace.path("tests/browser/bench-join.mjs"));
    Ok(command)
}
