//! `cargo xtask dev`: everything on this machine, started, watched and ended together.

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

use crate::workspace::Workspace;
use crate::{build, process, setup, signals};
use stack::{ApiKey, Stack};

/// What the developer asked for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The Worker's port; without it 8787, or the next free one
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// How many media nodes; with 0 the Worker runs alone
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=8))]
    pub(crate) nodes: u16,
    /// Where the media nodes listen and clients send to; Firefox needs one that is not 127.0.0.1
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) media_address: IpAddr,
    /// Start what was built before
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Print one line of JSON instead of the table, for programs that start this one
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep rooms and secrets in this folder instead of `.rotunda`
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
}

/// Runs until Ctrl-C, or until one of the parts ends.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let state = options.state.clone().unwrap_or_else(|| workspace.state().to_owned());
    fs::create_dir_all(&state).with_context(|| format!("creating {}", state.display()))?;
    let _only = only_one(&state)?;
    leftovers::end(&state)?;
    let tools = setup::for_build(workspace)?;
    if !options.no_build {
        build::stack(workspace, &tools)?;
    }
    let secrets = secrets::read_or_create(&state)?;
    let api = ApiKey { key: secrets::named(&secrets, "API_KEYS").to_owned(), file: secrets::file(&state) };
    let mut stack = Stack::start(recipe::all(workspace, &tools, &state, &secrets, options)?, &state, api)?;
    let outcome = watch(&mut stack, &state, options);
    process::end_all();
    leftovers::forget(&state)?;
    match outcome {
        Err(error) if error.is::<signals::Interrupted>() => {
            println!("\n  ended; nothing of it runs any more");
            Ok(())
        }
        other => other,
    }
}

fn watch(stack: &mut Stack, state: &Path, options: &Options) -> Result<()> {
    leftovers::record(state)?;
    stack.wait_until_healthy()?;
    leftovers::record(state)?; // Once more: workerd runs by now.
    if options.json {
        println!("{}", stack.json());
    } else {
        println!("{}", stack.table());
    }
    loop {
        signals::check()?;
        stack.check()?;
        sleep(process::POLL);
    }
}

/// Two at once would share storage; the lock ends with the process that holds it, however that ends.
fn only_one(state: &Path) -> Result<File> {
    let file = File::create(state.join("dev.lock")).context("opening the lock")?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "it already runs here{}: end that one with Ctrl-C, or give this one a folder of its own with --state",
            leftovers::owner(state).map(|pid| format!(" (pid {pid})")).unwrap_or_default()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("locking"),
    }
}
