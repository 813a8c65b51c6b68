//! The whole node: starts the shards and the HTTP pages, and stops them on a signal.

use crate::config::Config;
use crate::control::Control;
use crate::kernel::{self, Kernel};
use crate::own_addresses::{self, Own};
use crate::pages::{FromEdge, Pages};
use crate::shard::Shard;
use crate::streams::{self, Entrance};
use crate::tls::{Certificate, Tls};
use anyhow::{Context, bail};
use node_core::membership::Standing;
use node_shell::signals::Signals;
use shared::control::TurnRegistration;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use turn_core::auth::Authenticator;
use turn_core::peer_policy::PeerPolicy;
use turn_core::pool::Pool;
use turn_core::{TurnServer, server};

/// Time for the edge to acknowledge that the node is draining.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval of checks for a dead shard, or for the end of the last allocation.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the node until a signal or a fatal error.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let listener = node_shell::pages::listen(config.http_listen).await?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("asking the operating system for randomness")?;
    let pool = Pool::new(config.relay_ports.clone(), config.quotas, seed);
    let tls = config.tls.clone().map(Tls::start).transpose().context("preparing TLS")?;
    let streams: Vec<TcpListener> =
        config.tcp_listen.iter().map(|address| node_shell::streams::listen(*address)).collect::<anyhow::Result<_>>()?;
    let own = own_addresses::read().context("listing this host's addresses")?;
    let kernel = kernel::start(&config, &own).map(Arc::new);
    if let Some(kernel) = &kernel {
        pool.share_budgets(kernel.budgets());
    }
    let (shards, entrance) = start_shards(&config, &own, &pool, tls.as_ref(), kernel.as_ref())?;
    for listener in streams {
        tokio::spawn(entrance.clone().serve(listener));
    }
    let (draining, is_draining) = watch::channel(false);
    let certificate = tls.map(|tls| tls.certificate);
    let (edge, control) = start_control(&config, &shards, certificate.clone(), &is_draining)?.unzip();
    let standing = edge.as_ref().map(|edge| edge.standing.clone());
    let in_kernel = kernel.as_ref().map(|kernel| kernel.mode);
    let pages =
        Pages { shards: Arc::clone(&shards), entrance, pool, certificate, draining: is_draining, edge, in_kernel };
    tokio::spawn(node_shell::pages::serve(listener, pages));
    tracing::info!(shards = shards.len(), "started");
    let time = tokio::select! {
        time = signals.next(config.drain) => time,
        () = any_ended(&shards) => bail!("a shard's thread has ended"),
    };
    draining.send_replace(true);
    tracing::info!(seconds = time.as_secs(), allocations = allocations(&shards), "draining");
    tokio::select! {
        () = drained(&shards, time, standing) => {}
        _ = signals.next(config.drain) => tracing::info!("second signal: stopping immediately"),
    }
    drop(draining);
    if let Some(control) = control {
        // It ends in bounded time; if it panicked, its frames are lost.
        let _ = control.await;
    }
    stop(&shards).await;
    Ok(())
}

/// Threads for datagrams, and as many for streams if there is a listener for them.
fn start_shards(
    config: &Config,
    own: &[Own],
    pool: &Pool,
    tls: Option<&Tls>,
    kernel: Option<&Arc<Kernel>>,
) -> anyhow::Result<(Arc<[Shard]>, Entrance)> {
    let mut nonce_seed = [0; 20];
    getrandom::fill(&mut nonce_seed).context("asking the operating system for randomness")?;
    let relayed: Vec<IpAddr> = [config.relay.v4, config.relay.v6].into_iter().flatten().collect();
    let mut own: Vec<IpAddr> = own.iter().map(|own| own.ip).collect();
    own.extend(
        [config.listen.ip()].into_iter().chain([config.relay_bind.v4, config.relay_bind.v6].into_iter().flatten()),
    );
    own.extend(&relayed);
    let policy = PeerPolicy {
        allowed: config.peer_allow.clone(),
        own,
        relayed,
        relay_ports: config.relay_ports.clone(),
        media_nodes: config.media_nodes.clone(),
    };
    let server = || {
        TurnServer::new(server::Config {
            authenticator: Authenticator::new(&config.realm, config.keys.clone(), nonce_seed),
            policy: policy.clone(),
            relay_v4: config.relay.v4,
            relay_v6: config.relay.v6,
            sfu_bytes_per_s: config.sfu_bytes_per_s,
            p2p_bytes_per_s: config.p2p_bytes_per_s,
            pool: pool.clone(),
        })
    };
    let datagrams = (0..config.shards)
        .map(|index| Shard::start(index, config.listen, config.relay_bind, server(), kernel.cloned()));
    let threads = if config.tcp_listen.is_empty() { 0 } else { config.shards };
    let (entrance, arrivals) = Entrance::new(threads);
    let streams = (config.shards..)
        .zip(arrivals)
        .map(|(index, arrivals)| streams::start(index, arrivals, config.relay_bind, tls.cloned(), server()));
    Ok((datagrams.chain(streams).collect::<anyhow::Result<_>>()?, entrance))
}

/// Connects to the edge, if one is configured.
fn start_control(
    config: &Config,
    shards: &Arc<[Shard]>,
    certificate: Option<Arc<Certificate>>,
    draining: &watch::Receiver<bool>,
) -> anyhow::Result<Option<(FromEdge, JoinHandle<()>)>> {
    let Some(edge) = config.edge.clone() else { return Ok(None) };
    let (standing, stands) = watch::channel(Standing::default());
    let (named, media_nodes) = watch::channel(0);
    let ports = usize::from(*config.relay_ports.end() - *config.relay_ports.start()) + 1;
    let most = ports.min(shards.len() * turn_core::limits::ALLOCATIONS_PER_SHARD_MAX);
    let registration = TurnRegistration {
        node: edge.node.clone(),
        region: edge.region.clone(),
        urls: edge.turn_urls,
        allocations_max: u32::try_from(most).unwrap_or(u32::MAX),
    };
    let control = Control {
        registration,
        certificate,
        edges: edge.urls,
        token: edge.token,
        media_nodes: config.media_nodes.clone(),
        shards: Arc::clone(shards),
        named,
        draining: draining.clone(),
        standing,
        host: node_shell::host::watch("/".into()),
        seed: getrandom::u64().context("asking the operating system for randomness")?,
    };
    let running = tokio::spawn(control.run());
    Ok(Some((FromEdge { standing: stands, media_nodes }, running)))
}

fn allocations(shards: &[Shard]) -> usize {
    shards.iter().map(|shard| shard.report().allocations).sum()
}

async fn any_ended(shards: &[Shard]) {
    while !shards.iter().any(Shard::has_ended) {
        sleep(LOOK_INTERVAL).await;
    }
}

/// Notifies the edge, so that it sends no more clients, and relays until no allocation is left or the drain time is
/// over.
async fn drained(shards: &[Shard], time: Duration, standing: Option<watch::Receiver<Standing>>) {
    let deadline = Instant::now() + time;
    shards.iter().for_each(Shard::drain);
    if let Some(mut standing) = standing {
        let announced = standing.wait_for(|standing| standing.has_announced_draining);
        if !matches!(timeout(ANNOUNCE_TIMEOUT.min(time), announced).await, Ok(Ok(_))) {
            tracing::warn!("could not notify the edge");
        }
    }
    while allocations(shards) > 0 && Instant::now() < deadline {
        sleep(LOOK_INTERVAL).await;
    }
}

async fn stop(shards: &[Shard]) {
    shards.iter().for_each(Shard::stop);
    let all_ended = async {
        while !shards.iter().all(Shard::has_ended) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    if timeout(Duration::from_secs(1), all_ended).await.is_err() {
        tracing::warn!("a shard did not stop in time");
    }
}
