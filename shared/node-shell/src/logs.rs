//! Log lines on standard error, as text for people or as JSON for programs.

use crate::settings::{LogFormat, Logs};
use anyhow::{Context, anyhow};
use std::io::IsTerminal;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Writes log lines from here on.
pub fn start(logs: &Logs) -> anyhow::Result<()> {
    let filter: Targets = logs.filter.parse().context("reading the log filter")?;
    let most = filter.iter().map(|(_, level)| level).chain(filter.default_level()).max();
    let lines = tracing_subscriber::fmt().with_max_level(most.unwrap_or(LevelFilter::OFF)).with_writer(std::io::stderr);
    let result = match logs.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).finish().with(filter).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().with(filter).try_init(),
    };
    result.map_err(|error| anyhow!(error)).context("starting the log")
}
