//! `cargo xtask dev`: starts, watches and stops everything on this machine.

mod health;
mod leftovers;
mod ports;
mod recipe;
mod secrets;
mod stack;
mod storage;

use std::fs::{self, File, TryLockError};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;

use anyhow::{Context, Result, bail};

use crate::tasks::Tasks;
use crate::workspace::Workspace;
use crate::{build, process, setup, signals};
use recipe::{Recipe, Recipes};
use stack::{ApiKey, Stack};

/// Printed before hundreds of crates are compiled.
const FIRST_START: &str = "  The first start compiles everything: three to five minutes on two cores, and 3 GB of disk in target/, \
    node_modules/ and .rotunda/.\n  The call works first; TURN and recording follow while you use it. Later starts take seconds.\n";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The Worker's port [default: 8787, or the next free one]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Number of media nodes; with 0 the Worker runs alone
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=8))]
    pub(crate) nodes: u16,
    /// The media nodes' address; Firefox needs one other than 127.0.0.1
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) media_address: IpAddr,
    /// Start the existing builds, without building
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Print one line of JSON instead of the table, for programs that start this one
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep rooms and secrets in this folder instead of `.rotunda`
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
}

/// Runs until Ctrl-C, or until one of the parts exits.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let state = options.state.clone().unwrap_or_else(|| workspace.state().to_owned());
    fs::create_dir_all(&state).with_context(|| format!("creating {}", state.display()))?;
    let _only = only_one(&state)?;
    leftovers::end(&state)?;
    let outcome = build_and_watch(workspace, &state, options);
    process::end_all();
    leftovers::forget(&state)?;
    match outcome {
        Err(error) if error.is::<signals::Interrupted>() => {
            println!("\n  stopped; nothing is left running");
            Ok(())
        }
        other => other,
    }
}

/// Builds and starts the parts that a call needs; TURN and recording follow.
fn build_and_watch(workspace: &Workspace, state: &Path, options: &Options) -> Result<()> {
    let is_warm = options.no_build || build::has_programs(workspace);
    if !is_warm {
        println!("{FIRST_START}");
    }
    let tools = setup::for_dev(workspace)?;
    let first = match (options.no_build, is_warm) {
        (true, _) => vec![setup::npm_packages(&tools)],
        (false, true) => build::all(workspace, &tools),
        (false, false) => build::for_the_call(workspace, &tools),
    };
    Tasks::new(workspace, first).run()?;
    let later = if is_warm || options.nodes == 0 { Vec::new() } else { build::for_later(workspace, &tools) };
    let later = Tasks::new(workspace, later);
    let secrets = secrets::read_or_create(state)?;
    let api = ApiKey { key: secrets::named(&secrets, "API_KEYS").to_owned(), file: secrets::file(state) };
    let Recipes { mut for_the_call, mut for_later } = recipe::all(workspace, &tools, state, &secrets, options)?;
    if is_warm {
        for_the_call.append(&mut for_later);
    }
    let stack = Stack::start(for_the_call, &for_later, state, api)?;
    watch(stack, later, for_later, state, options)
}

fn watch(
    mut stack: Stack,
    mut later: Tasks<'_>,
    mut coming: Vec<Recipe>,
    state: &Path,
    options: &Options,
) -> Result<()> {
    leftovers::record(state)?;
    stack.wait_until_healthy(0)?;
    leftovers::record(state)?; // Again, because workerd runs by now.
    if !options.json {
        println!("{}", stack.table());
    }
    let mut is_complete = false;
    loop {
        signals::check()?;
        stack.check()?;
        if !is_complete && later.poll()? {
            if !coming.is_empty() {
                let rows = stack.add(std::mem::take(&mut coming))?;
                leftovers::record(state)?;
                println!("\n{rows}\n\n  TURN and recording work now\n");
            }
            if options.json {
                println!("{}", stack.json());
            }
            is_complete = true;
        }
        sleep(process::POLL);
    }
}

/// Two runs would share storage. The lock ends with the process that holds it, however that ends.
fn only_one(state: &Path) -> Result<File> {
    let file = File::create(state.join("dev.lock")).context("opening the lock")?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "cargo xtask dev already runs here{}: stop it with Ctrl-C, or choose another folder with --state",
            leftovers::owner(state).map(|pid| format!(" (pid {pid})")).unwrap_or_default()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("locking"),
    }
}
