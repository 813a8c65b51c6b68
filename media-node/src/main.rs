//! The media node: reads its settings, starts its shards, and talks with the edge until it is told to stop.

mod config;
mod control;
mod http;
mod identity;
mod logs;
mod node;
mod shard;
mod shutdown;
mod wake;

use anyhow::{Context, anyhow};

fn main() -> anyhow::Result<()> {
    let config = config::read()?;
    logs::start(&config.logs)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("TLS has another provider already"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(node::run(config))
}
