//! `cargo xtask soak`, `chaos` and `load`: robots in the real programs, on a quiet machine.

use std::fs::File;
use std::io::stdout;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::build::{self, Flavour, Program};
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
    /// More and more robots join.
    Load,
}

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Default: 60 for soak, 20 for chaos, 5 for load
    #[arg(long)]
    minutes: Option<u64>,
    /// The same seed makes the same choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Less than a minute or two, as in `cargo xtask test`: counts are checked, but neither memory nor times
    #[arg(long)]
    short: bool,
}

#[derive(clap::Args)]
pub(crate) struct LoadOptions {
    #[command(flatten)]
    options: Options,
    /// Rooms of the first step; each further step doubles them
    #[arg(long, default_value_t = 5)]
    rooms: usize,
    /// Publishers per room; everyone else in the room sees all of them
    #[arg(long, default_value_t = 2)]
    publishers: usize,
    /// Viewers per room
    #[arg(long, default_value_t = 8)]
    viewers: usize,
    /// Percentage of the viewers replaced in a minute
    #[arg(long, default_value_t = 20)]
    churn_percent: usize,
    /// Percentage of the packets that viewers lose and ask for again
    #[arg(long, default_value_t = 0)]
    loss_percent: u16,
}

impl Trial {
    /// The program, and so its logs' folder.
    fn name(self) -> &'static str {
        match self {
            Self::Soak => "soak",
            Self::Chaos => "chaos",
            Self::Load => "load",
        }
    }

    fn minutes(self) -> u64 {
        match self {
            Self::Soak => 60,
            Self::Chaos => 20,
            Self::Load => 5,
        }
    }
}

pub(crate) fn run(workspace: &Workspace, trial: Trial, options: &Options) -> Result<()> {
    run_with(workspace, trial, options, Flavour::Quick, &[])
}

/// Measured as deployed, except for the short form.
pub(crate) fn load(workspace: &Workspace, load: &LoadOptions) -> Result<()> {
    let LoadOptions { options, rooms, publishers, viewers, churn_percent, loss_percent } = load;
    let loss_percent = usize::from(*loss_percent);
    let numbers = [
        ("--rooms", rooms),
        ("--publishers", publishers),
        ("--viewers", viewers),
        ("--churn-percent", churn_percent),
        ("--loss-percent", &loss_percent),
    ];
    let arguments: Vec<String> =
        numbers.iter().flat_map(|(name, value)| [name.to_string(), value.to_string()]).collect();
    let flavour = if options.short { Flavour::Quick } else { Flavour::Release };
    run_with(workspace, Trial::Load, options, flavour, &arguments)
}

/// The program's output is printed as it comes.
fn run_with(
    workspace: &Workspace,
    trial: Trial,
    options: &Options,
    flavour: Flavour,
    arguments: &[String],
) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    build::stack(workspace, &tools)?;
    build::endurance(workspace, &tools, flavour)?;
    let (name, minutes) = (trial.name(), options.minutes.unwrap_or(trial.minutes()));
    let mut command = tools.command(&flavour.folder(workspace).join(name).to_string_lossy());
    command.args(["--minutes", &minutes.to_string(), "--seed", &options.seed.to_string()]).args(arguments);
    command.arg("--logs").arg(workspace.logs().join(name));
    command.env("ROTUNDA_MEDIA_NODE", Program::MediaNode.path(workspace, flavour));
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
