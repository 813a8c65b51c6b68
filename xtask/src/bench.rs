//! `cargo xtask bench`: builds and runs a benchmark, and prints its results as a table.

mod first_call;
mod results;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::{self, Flavour, Part, Program};
use crate::progress;
use crate::setup::{self, Tools};
use crate::workspace::Workspace;

/// A benchmark that takes longer counts as hung.
const LIMIT: Duration = Duration::from_secs(60 * 60);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Which benchmark to run
    name: Name,
    /// Print one line of JSON per case instead of the table
    #[arg(long)]
    json: bool,
    /// Run one short round as a smoke test: missed goals are no error, and the numbers mean nothing
    #[arg(long)]
    smoke: bool,
    /// For `turn`: the coturn to compare with, instead of the installed one
    #[arg(long, value_name = "PROGRAM")]
    coturn: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Server CPU per forwarded packet, compared with the floor
    Sfu,
    /// Server CPU per relayed packet, compared with coturn
    Turn,
    /// Server CPU per recorded packet, compared with a packet that is only forwarded
    Recording,
    /// From the click to the first decoded frame, in Chromium
    Join,
    /// CPU, bytes and memory of a room in workerd, compared with the same room in JavaScript; joins during floods
    Edge,
    /// A first start, from a fresh clone to a call, on an idle machine
    FirstCall,
}

/// A result above its goal is an error.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.coturn.is_some() && options.name != Name::Turn {
        bail!("--coturn is for the benchmark turn");
    }
    let node = ("--media-node", Program::MediaNode);
    let lines = match options.name {
        Name::Sfu => {
            let mut lines = measure(workspace, options, "measure sfu", |workspace, tools, options| {
                let mut command = load("bench-sfu", &[node])(workspace, tools, options)?;
                // A smoke test does without the peer, which is a large package.
                if !options.smoke {
                    command.arg("--janus").arg(setup::janus(tools)?);
                }
                Ok(command)
            })?;
            lines.extend(measure(workspace, options, "measure viewers", viewers)?);
            lines
        }
        Name::Turn => {
            let mut lines = measure(workspace, options, "measure turn", relay("bench-turn"))?;
            if setup::may_relay_in_kernel() {
                lines.extend(measure(workspace, options, "measure turn in the kernel", relay("bench-veth"))?);
            } else {
                progress::skip("measure turn in the kernel", setup::KERNEL_NEEDS);
            }
            lines
        }
        Name::Recording => {
            let programs = [node, ("--storage", Program::Storage)];
            measure(workspace, options, "measure recording", load("bench-recording", &programs))?
        }
        Name::Join => measure(workspace, options, "measure join", join)?,
        Name::Edge => {
            let mut lines = measure(workspace, options, "measure edge", edge("bench-edge"))?;
            lines.extend(measure(workspace, options, "measure floods", edge("bench-flood"))?);
            lines
        }
        Name::FirstCall => first_call::run(workspace, options.smoke)?,
    };
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    results::check(&lines)?;
    if options.json {
        println!("{}", lines.join("\n"));
    } else {
        println!("\n{}", results::table(&lines)?);
    }
    let missed = results::missed(&lines)?;
    if !missed.is_empty() && !options.smoke {
        bail!("missed: {}", missed.join("; "));
    }
    Ok(())
}

/// Runs the measuring program, which `make` builds; returns one line of JSON per case.
fn measure(
    workspace: &Workspace,
    options: &Options,
    step: &str,
    make: impl FnOnce(&Workspace, &Tools, &Options) -> Result<Command>,
) -> Result<Vec<String>> {
    let tools = setup::for_build(workspace)?;
    let mut command = make(workspace, &tools, options)?;
    command.arg("--json");
    if options.smoke {
        command.arg("--smoke");
    }
    progress::run_within(workspace, step, &mut command, LIMIT, |_| String::new())?;
    let log = fs::read_to_string(progress::log_path(workspace, step)?).context("reading the results")?;
    let lines: Vec<String> = log.lines().filter(|line| line.starts_with("{\"bench\":")).map(str::to_owned).collect();
    if lines.is_empty() {
        bail!("the benchmark printed no result");
    }
    Ok(lines)
}

/// `tests/load` itself starts the measured `programs`, because it needs to know whose CPU time it reads.
fn load(bench: &str, programs: &[(&str, Program)]) -> impl FnOnce(&Workspace, &Tools, &Options) -> Result<Command> {
    move |workspace, tools, options| {
        // A smoke test shows that the programs work together, which the other tests' builds do as well.
        let flavour = if options.smoke { Flavour::Quick } else { Flavour::Release };
        build::benchmarks(workspace, tools, flavour)?;
        let mut command = Command::new(Program::MediaNode.path(workspace, flavour).with_file_name(bench));
        command.current_dir(workspace.root());
        for (argument, program) in programs {
            command.arg(argument).arg(program.path(workspace, flavour));
        }
        Ok(command)
    }
}

/// Our TURN node and coturn.
fn relay(bench: &'static str) -> impl FnOnce(&Workspace, &Tools, &Options) -> Result<Command> {
    move |workspace, tools, options| {
        setup::for_relaying(tools)?;
        let mut command = load(bench, &[("--turn-node", Program::TurnNode)])(workspace, tools, options)?;
        if let Some(coturn) = &options.coturn {
            command.arg("--coturn").arg(std::path::absolute(coturn)?);
        }
        Ok(command)
    }
}

/// The benchmark of media-core alone.
fn viewers(_: &Workspace, tools: &Tools, options: &Options) -> Result<Command> {
    let mut command = tools.cargo();
    command.arg("bench");
    if options.smoke {
        command.args(["--profile", "dev"]);
    }
    command.args(build::EVERYTHING_NATIVE).args(["--bench", "viewers", "--"]);
    Ok(command)
}

/// `tests/browser` starts the Worker as deployed, a node and Chromium.
fn join(workspace: &Workspace, tools: &Tools, options: &Options) -> Result<Command> {
    build::stack(workspace, tools)?;
    build::build(workspace, tools, Part::Edge, Flavour::Release)?;
    setup::for_browsers(tools)?;
    let mut command = tools.command("node");
    command.arg(workspace.path("tests/browser/bench-join.mjs"));
    if !options.smoke {
        build::build(workspace, tools, Part::MediaNode, Flavour::Release)?;
        command.env("ROTUNDA_MEDIA_NODE", Program::MediaNode.path(workspace, Flavour::Release));
    }
    Ok(command)
}

/// `tests/edge` starts the Worker as deployed, and the room in JavaScript.
fn edge(bench: &str) -> impl FnOnce(&Workspace, &Tools, &Options) -> Result<Command> {
    move |workspace, tools, _| {
        build::build(workspace, tools, Part::Edge, Flavour::Release)?;
        let mut command = tools.command("node");
        command.arg(workspace.path(&format!("tests/edge/bench/{bench}.mjs")));
        Ok(command)
    }
}
