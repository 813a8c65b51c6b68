//! Code shared by the shells of the native nodes: settings, logs, HTTP pages for operators, signals, the sockets to the
//! edge, and connections from clients.
//!
//! Nothing here makes decisions about media or relaying, and of the packet path only the queues of TCP clients are here.

pub mod dial;
pub mod host;
pub mod linger;
pub mod link;
pub mod load;
pub mod logs;
pub mod metrics;
pub mod pages;
pub mod post;
pub mod settings;
pub mod signals;
pub mod sockets;
pub mod streams;
pub mod traces;

use anyhow::{Context, anyhow};

/// The async runtime of a node's control side: one thread is plenty, because media runs on other threads.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider is already installed"))?;
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")
}
