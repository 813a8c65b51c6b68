//! What the shells of the native nodes have in common: settings, logs, pages for operators, signals, and the way to the edge.
//!
//! Nothing here decides anything about media or relaying, and nothing here is on a packet's path.

pub mod backoff;
pub mod dial;
pub mod fleet;
pub mod link;
pub mod logs;
pub mod metrics;
pub mod pages;
pub mod post;
pub mod settings;
pub mod signals;

use anyhow::{Context, anyhow};

/// The async runtime of a node's control side: one thread is plenty, and media has threads of its own.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider is already installed"))?;
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")
}
