//! Log lines on standard error, as text for people or as JSON for programs.

use crate::settings::{LogFormat, Logs};
use anyhow::{Context, anyhow};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Writes log lines from here on.
pub fn start(logs: &Logs) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&logs.filter).context("reading the log filter")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = match logs.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    result.map_err(|error| anyhow!(error)).context("starting the log")
}
