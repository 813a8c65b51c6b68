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

use node_shell::traces::Exporter;

fn main() -> anyhow::Result<()> {
    let config = config::read()?;
    let (spans, exporter) =
        Exporter::new(config.collector.as_ref(), "rotunda-media-node", config.node.as_str()).unzip();
    let _lines = node_shell::logs::start_with(&config.logs, spans)?;
    node_shell::runtime()?.block_on(async {
        let exporting = exporter.map(|exporter| exporter.authorized(config.collector_authorization.clone()).start());
        let outcome = node::run(config).await;
        if let Some(exporting) = exporting {
            exporting.finish().await;
        }
        outcome
    })
}
