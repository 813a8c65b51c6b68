//! The developer's day: `cargo xtask dev`, `cargo xtask test`, `cargo xtask bench`.

mod acceptance;
mod bench;
mod build;
mod cloud_init;
mod codegen;
mod cost;
mod dev;
mod dist;
mod endurance;
mod lock;
mod pins;
mod process;
mod progress;
mod setup;
mod signals;
mod stamp;
mod tasks;
mod terraform;
mod test;
mod tidy;
mod workspace;
mod xdp;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::build::{Flavour, Part};
use crate::signals::Interrupted;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs, tests and measures Rotunda")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build and start everything on this machine, and print the URLs
    Dev(dev::Options),
    /// Install missing tools, and run every test
    Test(test::Options),
    /// Run a benchmark, and print the results with their comparison
    Bench(bench::Options),
    /// Let robots come and go for an hour, and fail if anything of them is left
    Soak(endurance::Options),
    /// Kill the programs during a call, in random order, and fail if the call does not survive
    Chaos(endurance::Options),
    /// Let more and more light robots join, print what they cost, and find the knee
    Load(endurance::LoadOptions),
    /// Check the style rules that a program can check
    Tidy,
    /// Generate the client's protocol types and parser, the OpenAPI document, the Terraform environments and the
    /// acceptance page
    Codegen {
        /// Write nothing, and fail if a file is stale
        #[arg(long)]
        check: bool,
    },
    /// Print the cloud-config of a host outside AWS
    CloudInit(cloud_init::Options),
    /// Print what a participant costs a minute, by part
    Cost(cost::Options),
    /// Make everything that is deployed, with checksums and bills of materials, in `target/dist`
    Dist(dist::Options),
    /// Build the program that the TURN node runs in the kernel, after a change of its sources
    Xdp,
    /// Only install missing tools
    Setup,
    /// Build one part or, without a name, all of them
    Build {
        part: Option<Part>,
        /// Build the development version: quick to compile, with development-only routes
        #[arg(long)]
        development: bool,
    },
}

fn main() -> ExitCode {
    signals::install();
    let outcome = run(Arguments::parse().task);
    process::end_all();
    match outcome {
        Ok(code) => code,
        Err(error) => explain(&error),
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Dev(options) => dev::run(&workspace, &options)?,
        Task::Test(options) => return test::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options)?,
        Task::Soak(options) => endurance::run(&workspace, endurance::Trial::Soak, &options)?,
        Task::Chaos(options) => endurance::run(&workspace, endurance::Trial::Chaos, &options)?,
        Task::Load(options) => endurance::load(&workspace, &options)?,
        Task::Tidy => tidy::run(&workspace)?,
        Task::Codegen { check } => codegen::run(&workspace, &setup::for_node(&workspace)?, check)?,
        Task::CloudInit(options) => cloud_init::run(&workspace, &options)?,
        Task::Cost(options) => cost::run(&options)?,
        Task::Dist(options) => dist::run(&workspace, &options)?,
        Task::Xdp => xdp::run(&workspace, &setup::for_build(&workspace)?)?,
        Task::Setup => setup_all(&workspace)?,
        Task::Build { part, development } => {
            build_parts(&workspace, part, if development { Flavour::Quick } else { Flavour::Release })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn setup_all(workspace: &Workspace) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    setup::for_relaying(&tools)?;
    setup::for_browsers(&tools)
}

fn build_parts(workspace: &Workspace, part: Option<Part>, flavour: Flavour) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    let all = [Part::Edge, Part::MediaNode, Part::TurnNode, Part::Client];
    for part in part.as_ref().map_or(all.as_slice(), std::slice::from_ref) {
        build::build(workspace, &tools, *part, flavour)?;
    }
    Ok(())
}

/// Prints one line, and chooses the exit code: 128 + signal for an interruption.
fn explain(error: &anyhow::Error) -> ExitCode {
    if let Some(Interrupted { signal }) = error.downcast_ref() {
        eprintln!("stopped");
        return ExitCode::from(u8::try_from(128 + signal).unwrap_or(1));
    }
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}
