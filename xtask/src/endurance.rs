//! `cargo xtask soak` and `cargo xtask chaos`: robots in the real programs for a long time, on a quiet machine.

use std::fs::File;
use std::io::stdout;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build;
use crate::process::Running;
use crate::setup;
use crate::workspace::Workspace;

/// Time for the beginning and the end, on a slow machine.
const AROUND: Duration = Duration::from_secs(30 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trial {
    /// Robots come and go, and the programs' holdings are watched.
    Soak,
    /// The programs are killed in the middle of a call.
    Chaos,
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Default: 60 for soak, 20 for chaos
    #[arg(long)]
    minutes: Option<u64>,
    /// The same seed makes the same choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Less than a minute, as in `cargo xtask test`: counts are checked, but neither memory nor times
    #[arg(long)]
    short: bool,
}

impl Trial {
    /// The program, and so its logs' folder.
    fn name(self) -> &'static str {
        match self {
            Self::Soak => "soak",
            Self::Chaos => "chaos",
        }
    }

    fn minutes(self) -> u64 {
        match self {
            Self::Soak => 60,
            Self::Chaos => 20,
        }
    }
}

/// The program's output is printed as it comes.
pub(crate) fn run(workspace: &Workspace, trial: Trial, options: &Options) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    build::stack(workspace, &tools)?;
    build::endurance(workspace, &tools)?;
    let (name, minutes) = (trial.name(), options.minutes.unwrap_or(trial.minutes()));
    let program = workspace.target().join("debug").join(name);
    let mut command = tools.command(&program.to_string_lossy());
    command.args(["--minutes", &minutes.to_string(), "--seed", &options.seed.to_string()]);
    command.arg("--logs").arg(workspace.logs().join(name));
    if options.short {
        command.arg("--short");
    }
    let output = File::from(stdout().as_fd().try_clone_to_owned().context("sharing the output")?);
    let limit = Duration::from_secs(60 * minutes) + AROUND;
    match Running::start(&mut command, output)?.wait(limit, || {})? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("{name} failed ({status})"),
        None => bail!("{name} has not ended"),
    }
}
