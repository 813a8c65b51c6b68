//! The arguments of every trial.

use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Trial {
    #[arg(long)]
    minutes: u64,
    /// The same seed makes the same choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Less than a minute or two, as in `cargo xtask test`: counts are checked, but neither memory nor times
    #[arg(long)]
    pub short: bool,
    /// The folder for the programs' logs; it is emptied
    #[arg(long)]
    pub logs: PathBuf,
}

impl Trial {
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_secs(60 * self.minutes)
    }

    pub fn empty_logs(&self) {
        // There may be none yet.
        let _ = std::fs::remove_dir_all(&self.logs);
    }
}
