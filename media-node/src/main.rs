//! The media node: reads its settings, starts its shards, and talks with the edge until it is told to stop.

mod clock;
mod config;
mod control;
mod identity;
mod node;
mod pages;
mod probe;
mod quality;
mod record;
mod seed;
mod shard;
mod shutdown;
mod tcp;
mod wake;

fn main() -> anyhow::Result<()> {
    let config = config::read()?;
    let _lines = node_shell::logs::start(&config.logs)?;
    node_shell::runtime()?.block_on(node::run(config))
}
