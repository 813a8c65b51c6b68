//! The TURN node: reads its settings, starts its shards, and relays until a signal stops it.

mod acme;
mod config;
mod control;
mod epoll;
mod kernel;
mod linger;
mod node;
mod own_addresses;
mod pages;
mod relay_path;
mod relays;
mod shard;
mod streams;
mod tls;

fn main() -> anyhow::Result<()> {
    let config = config::read()?;
    let _lines = node_shell::logs::start(&config.logs)?;
    node_shell::runtime()?.block_on(node::run(config))
}
