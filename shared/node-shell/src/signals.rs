//! Signals: the first one drains, a second one stops immediately.

use anyhow::Context;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C does not wait for calls to end.
const INTERRUPT_DRAIN: Duration = Duration::from_secs(2);

/// The two termination signals.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers; must be called inside the runtime.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
        })
    }

    /// Waits for a signal; returns how long to drain, given the drain time for SIGTERM.
    pub async fn next(&mut self, terminate_drain: Duration) -> Duration {
        tokio::select! {
            _ = self.terminate.recv() => terminate_drain,
            _ = self.interrupt.recv() => INTERRUPT_DRAIN.min(terminate_drain),
        }
    }
}
