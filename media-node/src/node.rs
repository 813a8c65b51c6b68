//! The whole node: shards, control sockets, pages, and what ends them.

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Control, Node};
use crate::identity;
use crate::pages::Pages;
use crate::record::{self, Outlet, Recorder};
use crate::shard::{Event, Shard};
use crate::shutdown;
use anyhow::{Context, bail};
use media_core::places::Places;
use media_core::sfu;
use node_shell::fleet::Standing;
use node_shell::signals::Signals;
use shared::control::ShardInfo;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// News of sessions that may wait for the control task; more wait in the shards.
const EVENTS_MAX: usize = 4_096;
/// Ends of shards' threads within [`RESTARTS_WINDOW`] that are taken for accidents. A node with more of them is broken, and
/// starts over as a whole.
const RESTARTS_MAX: usize = 8;
const RESTARTS_WINDOW: Duration = Duration::from_secs(3_600);
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
    let clock = Clock::start();
    let shards = start_shards(&config, clock, &identity, &events, &outlet)?;
    let (draining, is_draining) = watch::channel(false);
    let (standing, stands) = watch::channel(Standing::default());
    let (restarted, restarts) = mpsc::channel(shards.len().max(1));

    let bandwidth = config.bandwidth;
    let pages =
        Pages { bandwidth, shards: Arc::clone(&shards), standing: stands.clone(), draining: is_draining.clone() };
    tokio::spawn(node_shell::pages::serve(listener, pages));
    let drain = config.drain;
    let who = record::Identity {
        node: config.node.clone(),
        token: config.token.clone(),
        edges: config.edges.clone(),
        seed: seed()?,
        clock,
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
    tokio::spawn(Control::new(node, received, restarts, is_draining, standing).run());
    tracing::info!(shards = shards.len(), "started");

    let time = tokio::select! {
        time = signals.next(drain) => time,
        failed = supervise(&shards, &restarted) => return failed,
    };
    tokio::select! {
        () = shutdown::drain(&shards, time, &draining, stands) => {}
        _ = signals.next(drain) => tracing::info!("second signal: not waiting any longer"),
        failed = supervise(&shards, &restarted) => return failed.context("while draining"),
    }
    if let Some(recorder) = recorder {
        recorder.stop().await;
    }
    shutdown::stop(&shards).await;
    Ok(())
}

pub(crate) fn start_shards(
    config: &Config,
    clock: Clock,
    identity: &media_core::session::dtls::Identity,
    events: &mpsc::Sender<Event>,
    outlet: &Outlet,
) -> anyhow::Result<Arc<[Shard]>> {
    let places = Arc::new(Places::new(config.sessions_max as usize));
    (0..config.shards)
        .map(|index| {
            // The settings were checked for ports that do not exist.
            let port = if config.listen.port() == 0 { 0 } else { config.listen.port().saturating_add(index) };
            let address = SocketAddr::new(config.listen.ip(), port);
            let sfu = sfu::Config {
                identity: identity.clone(),
                seed: seed()?,
                started_at: clock.started_at,
                wall_clock: clock.wall_clock,
                places: Arc::clone(&places),
                bandwidth: config.bandwidth.of_shard(config.shards),
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

/// Starts shards again whose thread has ended, and lets their rooms be told; the other shards go on. Returns when that is in
/// vain.
async fn supervise(shards: &[Shard], restarted: &mpsc::Sender<u16>) -> anyhow::Result<()> {
    let mut restarts = Restarts::default();
    loop {
        for shard in shards.iter().filter(|shard| shard.has_ended()) {
            let index = shard.index();
            if !restarts.take(Instant::now()) {
                bail!("the thread of shard {index} has ended again");
            }
            tracing::error!(shard = index, "the shard's thread has ended: its sessions are lost, its rooms move");
            shard.restart(seed()?)?;
            // Without a receiver the node is stopping.
            let _ = restarted.send(index).await;
        }
        tokio::time::sleep(SUPERVISION_INTERVAL).await;
    }
}

/// When shards were last started again.
#[derive(Debug, Default)]
struct Restarts(VecDeque<Instant>);

impl Restarts {
    /// Whether one more is an accident.
    fn take(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|at| *at + RESTARTS_WINDOW <= now) {
            self.0.pop_front();
        }
        let is_accident = self.0.len() < RESTARTS_MAX;
        if is_accident {
            self.0.push_back(now);
        }
        is_accident
    }
}

fn seed() -> anyhow::Result<u64> {
    getrandom::u64().context("asking the operating system for randomness")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::good;
    use crate::shard::Command;
    use media_core::sfu::Output;
    use shared::RoomId;

    /// Two shards of a node that takes one session, and what they tell.
    fn shards() -> (Arc<[Shard]>, mpsc::Receiver<Event>) {
        let config = good(&["--listen=127.0.0.1:0", "--shards=2", "--sessions-max=1"]);
        let (events, received) = mpsc::channel(8);
        let identity = identity::make().expect("an identity");
        let (outlet, _) = record::queue();
        (start_shards(&config, Clock::start(), &identity, &events, &outlet).expect("start"), received)
    }

    async fn open_session(shard: &Shard, room: &RoomId) {
        let message = serde_json::from_value(serde_json::json!({ "type": "set_session", "session": {
            "session": "s", "participant": "ada", "sections": [],
            "ice": { "node_ufrag": "node", "node_pwd": "secret", "client_ufrag": "ada", "client_pwd": "" },
            "client_fingerprint": "00:".repeat(31) + "00",
        } }));
        shard.tell(Command::Control { room: room.clone(), message: message.expect("a message") }).await;
    }

    #[tokio::test]
    async fn shards_share_the_places_of_their_node() {
        let (shards, mut events) = shards();
        let rooms = ["one", "two"].map(|name| RoomId::parse(name).expect("a room"));
        open_session(&shards[0], &rooms[0]).await;
        shards[0].connected_sessions(rooms[0].clone()).await;
        open_session(&shards[1], &rooms[1]).await;
        let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await.expect("an event");
        let event = event.expect("shards that run");
        assert_eq!(event.shard, 1);
        assert!(matches!(event.output, Output::SessionClosed { room, .. } if room == rooms[1]));
        shutdown::stop(&shards).await;
    }

    #[tokio::test]
    async fn a_shard_that_died_is_started_again_a_few_times_and_the_others_go_on() {
        let (shards, _events) = shards();
        let (restarted, mut restarts) = mpsc::channel(1);
        let starts = std::cell::Cell::new(0);
        let deaths = async {
            for start in 1.. {
                shards[1].tell(Command::Panic).await;
                if restarts.recv().await.is_none() {
                    return;
                }
                starts.set(start);
                assert!(!shards[0].has_ended() && !shards[1].has_ended());
            }
        };
        let supervised = async {
            tokio::select! {
                failed = supervise(&shards, &restarted) => failed,
                () = deaths => Ok(()),
            }
        };
        let failed = tokio::time::timeout(Duration::from_secs(60), supervised).await.expect("an end");
        let failed = failed.expect_err("gives up").to_string();
        assert_eq!((failed.as_str(), starts.get()), ("the thread of shard 1 has ended again", 8));
        shards[0].tell(Command::Stop).await;
    }

    /// How many of the ends of threads, so many minutes apart, are accidents.
    fn accidents(minutes_apart: u64) -> usize {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        let ends = (0..1_000_u32).map(|end| start + Duration::from_secs(60 * minutes_apart) * end);
        let accidents = ends.take_while(|at| restarts.take(*at)).count();
        assert!(restarts.0.len() <= RESTARTS_MAX);
        accidents
    }

    #[test]
    fn a_thread_that_ends_now_and_then_is_always_started_again() {
        assert_eq!([0, 1, 7, 8, 60 * 24 * 30].map(accidents), [8, 8, 8, 1_000, 1_000]);
    }
}
