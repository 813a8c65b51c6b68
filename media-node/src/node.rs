//! The whole node: shards, control sockets, pages, and what ends them.

use crate::config::Config;
use crate::control::{Control, Node};
use crate::identity;
use crate::pages::Pages;
use crate::record::{self, Outlet, Recorder};
use crate::shard::{Event, Shard};
use crate::shutdown;
use anyhow::{Context, bail};
use media_core::sfu;
use node_shell::fleet::Standing;
use node_shell::signals::Signals;
use shared::UnixMillis;
use shared::control::ShardInfo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};

/// News of sessions that may wait for the control task; more wait in the shards.
const EVENTS_MAX: usize = 4_096;
/// How often to look whether a shard's thread has ended.
const SUPERVISION_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the node until a signal, or until it cannot go on.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let listener = node_shell::pages::listen(config.http_listen).await?;
    let identity = identity::make()?;
    let fingerprint = identity.fingerprint();
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let (outlet, inlet) = record::queue();
    let shards = start_shards(&config, &identity, &events, &outlet)?;
    // The shards hold the only senders, so that the channel ends with them.
    drop(events);
    let (draining, is_draining) = watch::channel(false);
    let (standing, stands) = watch::channel(Standing::default());

    let pages = Pages { shards: Arc::clone(&shards), standing: stands.clone(), draining: is_draining.clone() };
    tokio::spawn(node_shell::pages::serve(listener, pages));
    let drain = config.drain;
    let who = record::Identity {
        node: config.node.clone(),
        token: config.token.clone(),
        edges: config.edges.clone(),
        seed: seed()?,
    };
    let start = |recording| Recorder::start(recording, who, inlet, Arc::clone(&shards));
    let recorder = config.recording.clone().map(start).transpose()?;
    let node = Node {
        candidates: candidates(&config, &shards),
        id: config.node,
        region: config.region,
        token: config.token,
        fingerprint,
        edges: config.edges,
        sessions_max: config.sessions_max,
        shards: Arc::clone(&shards),
        recorder: recorder.clone(),
        seed: seed()?,
    };
    tokio::spawn(Control::new(node, received, is_draining, standing).run());
    tracing::info!(shards = shards.len(), "started");

    let time = tokio::select! {
        time = signals.next(drain) => time,
        index = ended_shard(&shards) => bail!("the thread of shard {index} has ended"),
    };
    tokio::select! {
        () = shutdown::drain(&shards, time, &draining, stands) => {}
        _ = signals.next(drain) => tracing::info!("second signal: not waiting any longer"),
        index = ended_shard(&shards) => bail!("the thread of shard {index} has ended while draining"),
    }
    if let Some(recorder) = recorder {
        recorder.stop().await;
    }
    shutdown::stop(&shards).await;
    Ok(())
}

fn start_shards(
    config: &Config,
    identity: &media_core::session::dtls::Identity,
    events: &mpsc::Sender<Event>,
    outlet: &Outlet,
) -> anyhow::Result<Arc<[Shard]>> {
    (0..config.shards)
        .map(|index| {
            // The settings were checked for ports that do not exist.
            let port = if config.listen.port() == 0 { 0 } else { config.listen.port().saturating_add(index) };
            let address = SocketAddr::new(config.listen.ip(), port);
            let sfu = sfu::Config {
                identity: identity.clone(),
                seed: seed()?,
                started_at: Instant::now(),
                wall_clock: wall_clock(),
                sessions_max: config.sessions_max as usize,
            };
            Shard::start(index, address, sfu, events.clone(), outlet.clone())
        })
        .collect()
}

/// What clients are told about each shard: every address that is advertised, with the shard's port.
fn candidates(config: &Config, shards: &[Shard]) -> Vec<ShardInfo> {
    let with_port = |port: u16| config.advertise.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    shards
        .iter()
        .map(|shard| ShardInfo { shard: shard.index(), candidates: with_port(shard.address().port()) })
        .collect()
}

async fn ended_shard(shards: &[Shard]) -> u16 {
    loop {
        if let Some(shard) = shards.iter().find(|shard| shard.has_ended()) {
            return shard.index();
        }
        tokio::time::sleep(SUPERVISION_INTERVAL).await;
    }
}

fn wall_clock() -> UnixMillis {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(since_1970.as_millis() as u64)
}

fn seed() -> anyhow::Result<u64> {
    getrandom::u64().context("asking the operating system for randomness")
}
