//! The whole node: shards, control sockets, pages, and the reasons to stop.

use crate::clock::Clock;
use crate::config::Config;
use crate::control::{self, Channels, Node};
use crate::identity;
use crate::pages::Pages;
use crate::record::queue::{Outlet, queue};
use crate::record::{self, Recorder};
use crate::seed::seed;
use crate::shard::{Event, Shard};
use crate::shutdown;
use crate::tcp::Entrance;
use anyhow::{Context, bail};
use media_core::places::Places;
use media_core::sfu;
use node_core::membership::Standing;
use node_shell::signals::Signals;
use shared::control::{HostLoad, NodeRegistration, ProbeCredential, ShardInfo};
use shared::rtp_parameters::Fingerprint;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Session events that may wait for the control task; more wait in the shards.
const EVENTS_MAX: usize = 4_096;
/// Ended shard threads within [`RESTARTS_WINDOW`] that count as accidents. A node with more of them is broken, and
/// restarts as a whole.
const RESTARTS_MAX: usize = 8;
const RESTARTS_WINDOW: Duration = Duration::from_secs(3_600);
/// Interval of checks for ended threads.
const SUPERVISION_INTERVAL: Duration = Duration::from_millis(500);

/// Runs the node until a signal or a fatal error.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let listener = node_shell::pages::listen(config.http_listen).await?;
    let identity = identity::make()?;
    let fingerprint = identity.fingerprint();
    let (events, received) = mpsc::channel(EVENTS_MAX);
    let (outlet, inlet) = queue();
    let clock = Clock::start();
    let probe = probe_credential()?;
    let shards = start_shards(&config, clock, &identity, Some(&probe), &events, &outlet)?;
    let (draining, is_draining) = watch::channel(None);
    let (drained, has_drained) = oneshot::channel();
    let (standing, stands) = watch::channel(Standing::default());
    let (restarted, restarts) = mpsc::channel(shards.len().max(1));

    let bandwidth = config.bandwidth;
    let disk = config.recording.as_ref().map_or_else(|| PathBuf::from("/"), |recording| recording.spool.clone());
    let host = node_shell::host::watch(disk);
    let open = |address| Entrance::start(address, Arc::clone(&shards), Some(&probe)).map(Arc::new);
    let entrance = config.tcp_listen.map(open).transpose()?;
    let pages = Pages {
        bandwidth,
        shards: Arc::clone(&shards),
        entrance: entrance.clone(),
        host: host.clone(),
        standing: stands,
        draining: is_draining.clone(),
    };
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
    let node = node(config, fingerprint, probe, &shards, entrance.as_deref(), recorder.clone(), host)?;
    let channels = Channels { events: received, restarts, draining: is_draining, drained, standing };
    let control = tokio::spawn(control::run(node, channels));
    tracing::info!(shards = shards.len(), "started");

    let time = tokio::select! {
        time = signals.next(drain) => time,
        failed = supervise(&shards, &restarted) => return failed,
    };
    tracing::info!(seconds = time.as_secs(), "draining");
    draining.send_replace(Some(Instant::now() + time));
    tokio::select! {
        _ = has_drained => {}
        _ = signals.next(drain) => tracing::info!("second signal: not waiting any longer"),
        failed = supervise(&shards, &restarted) => return failed.context("while draining"),
    }
    if let Some(recorder) = recorder {
        recorder.stop().await;
    }
    drop(draining);
    // It ends in bounded time; if it panicked, its last frames are lost.
    let _ = control.await;
    shutdown::stop(&shards).await;
    Ok(())
}

fn node(
    config: Config,
    fingerprint: Fingerprint,
    probe: ProbeCredential,
    shards: &Arc<[Shard]>,
    entrance: Option<&Entrance>,
    recorder: Option<Recorder>,
    host: watch::Receiver<Option<HostLoad>>,
) -> anyhow::Result<Node> {
    let (unknown, known) = if config.advertise.is_empty() { (Some(probe), None) } else { (None, Some(probe)) };
    let registration = NodeRegistration {
        shards: candidates(&config, shards),
        tcp_candidates: tcp_candidates(&config, entrance),
        node: config.node,
        region: config.region,
        fingerprint,
        sessions_max: config.sessions_max,
        probe: unknown,
        probe_families: known,
    };
    let (token, edges, shards) = (config.token, config.edges, Arc::clone(shards));
    Ok(Node { registration, token, edges, shards, recorder, host, seed: seed()? })
}

pub(crate) fn start_shards(
    config: &Config,
    clock: Clock,
    identity: &media_core::session::dtls::Identity,
    probe: Option<&ProbeCredential>,
    events: &mpsc::Sender<Event>,
    outlet: &Outlet,
) -> anyhow::Result<Arc<[Shard]>> {
    let places = Arc::new(Places::new(config.sessions_max as usize));
    (0..config.shards)
        .map(|index| {
            // The settings were checked for invalid ports.
            let port = if config.listen.port() == 0 { 0 } else { config.listen.port().saturating_add(index) };
            let address = SocketAddr::new(config.listen.ip(), port);
            let sfu = sfu::Config {
                identity: identity.clone(),
                seed: seed()?,
                started_at: clock.started_at,
                wall_clock: clock.wall_clock,
                places: Arc::clone(&places),
                bandwidth: config.bandwidth.of_shard(config.shards),
                probe: probe.cloned(),
            };
            Shard::start(index, address, sfu, events.clone(), outlet.clone())
        })
        .collect()
}

/// The candidates of each shard: every advertised address, with the shard's port.
fn candidates(config: &Config, shards: &[Shard]) -> Vec<ShardInfo> {
    let of_shard = |shard: &Shard| with_port(config, shard.address().port());
    shards.iter().map(|shard| ShardInfo { shard: shard.index(), candidates: of_shard(shard) }).collect()
}

/// The candidates of all shards over TCP.
fn tcp_candidates(config: &Config, entrance: Option<&Entrance>) -> Vec<SocketAddr> {
    entrance.map_or_else(Vec::new, |entrance| with_port(config, entrance.address.port()))
}

fn with_port(config: &Config, port: u16) -> Vec<SocketAddr> {
    if config.advertise.is_empty() {
        // The edge puts the address that it sees in place of the unspecified one.
        let unspecified = match config.listen {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        return vec![SocketAddr::new(unspecified, port)];
    }
    config.advertise.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

/// The credential with which other nodes may probe this one.
fn probe_credential() -> anyhow::Result<ProbeCredential> {
    // RFC 8445 §5.3: at least 24 bits for the fragment, and 128 for the password.
    let (ufrag, pwd) = (format!("{:016x}", seed()?), format!("{:016x}{:016x}", seed()?, seed()?));
    Ok(ProbeCredential { ufrag, pwd, over_tcp: true })
}

/// Restarts shards whose thread has ended, and reports them so that their rooms are told; the other shards continue.
/// Returns after too many.
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

/// Times of recent shard restarts.
#[derive(Debug, Default)]
struct Restarts(VecDeque<Instant>);

impl Restarts {
    /// True if another restart still counts as an accident.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::good;
    use crate::shard::Command;
    use load::local_edge::{Caller, LocalEdge};
    use media_core::sfu::Output;
    use node_shell::settings::EdgeUrl;
    use shared::RoomId;
    use shared::control::{Assignment, FleetToNode, NodeToFleet, NodeToRoom};
    use std::collections::BTreeMap;

    /// Two shards of a node with a capacity of one session, and their events.
    fn shards() -> (Arc<[Shard]>, mpsc::Receiver<Event>) {
        let config = good(&["--listen=127.0.0.1:0", "--shards=2", "--sessions-max=1"]);
        let (events, received) = mpsc::channel(8);
        let identity = identity::make().expect("an identity");
        let (outlet, _) = queue();
        (start_shards(&config, Clock::start(), &identity, None, &events, &outlet).expect("start"), received)
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
        shards[0].connected_sessions(rooms[0].clone()).await.await.expect("a shard that runs");
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

    /// A node of two shards that serves rooms `zero` and `two` on the first, `one` on the second.
    struct Serving {
        edge: LocalEdge,
        shards: Arc<[Shard]>,
        fleet: Caller,
        rooms: BTreeMap<&'static str, Caller>,
        /// Supervision and control; dropping the set ends both.
        _running: tokio::task::JoinSet<()>,
        _draining: watch::Sender<Option<Instant>>,
    }

    impl Serving {
        async fn start() -> anyhow::Result<Self> {
            let edge = LocalEdge::open().await?;
            let config = good(&["--listen=127.0.0.1:0", "--shards=2", "--sessions-max=9"]);
            let (events, received) = mpsc::channel(8);
            let identity = identity::make()?;
            let (outlet, _) = queue();
            let shards = start_shards(&config, Clock::start(), &identity, None, &events, &outlet)?;
            let (restarted, restarts) = mpsc::channel(2);
            let ((draining, is_draining), (standing, _)) = (watch::channel(None), watch::channel(Standing::default()));
            let (drained, _) = oneshot::channel();
            let mut node =
                node(config, identity.fingerprint(), probe_credential()?, &shards, None, None, watch::channel(None).1)?;
            let url = EdgeUrl::parse(&edge.url()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
            node.edges = [url].into();
            let channels = Channels { events: received, restarts, draining: is_draining, drained, standing };
            let mut running = tokio::task::JoinSet::new();
            running.spawn(control::run(node, channels));
            let supervised = Arc::clone(&shards);
            running.spawn(async move { supervise(&supervised, &restarted).await.expect("supervises") });
            let mut fleet = edge.accept().await?;
            fleet.wait_for(|said| matches!(said, NodeToFleet::Register(_)).then_some(())).await?;
            fleet.send(&FleetToNode::Registered {}).await?;
            let rooms = BTreeMap::new();
            let mut serving = Self { edge, shards, fleet, rooms, _running: running, _draining: draining };
            for (room, shard) in [("zero", 0), ("one", 1), ("two", 0)] {
                serving.serve(room, shard, 1).await?;
            }
            Ok(serving)
        }

        /// Assigns a room and takes its socket.
        async fn serve(&mut self, room: &'static str, shard: u16, epoch: u64) -> anyhow::Result<()> {
            let ticket = "ticket".to_owned();
            let assignment = Assignment { room: RoomId::parse(room)?, epoch, shard, ticket, session: None };
            self.fleet.send(&FleetToNode::Assign(Box::new(assignment))).await?;
            let caller = self.socket(room).await?;
            self.rooms.insert(room, caller);
            Ok(())
        }

        async fn socket(&self, room: &str) -> anyhow::Result<Caller> {
            let mut caller = self.edge.accept().await?;
            assert_eq!(caller.path, format!("/v1/rooms/{room}/node"));
            caller.wait_for(|said| matches!(said, NodeToRoom::Hello { .. }).then_some(())).await?;
            Ok(caller)
        }

        /// Opens the only session of a shard; returns when the shard reports it.
        async fn has_session(&self, shard: usize, room: &str) -> anyhow::Result<()> {
            open_session(&self.shards[shard], &RoomId::parse(room)?).await;
            let reported = async {
                while self.shards[shard].report().sessions != 1 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), reported).await.context("the shard reports no session")
        }

        /// Waits until the room has been told to move; nothing else may be said to it.
        async fn told_to_move(&mut self, room: &str) -> anyhow::Result<()> {
            let said = self.rooms.get_mut(room).context("no socket")?.next::<NodeToRoom>().await?;
            assert_eq!(said, NodeToRoom::Draining {}, "room {room}");
            Ok(())
        }
    }

    // Holds S-A7-09.
    #[tokio::test]
    async fn the_rooms_of_a_thread_that_ended_move_and_those_of_the_others_stay() -> anyhow::Result<()> {
        let mut serving = Serving::start().await?;
        serving.has_session(0, "zero").await?;
        serving.has_session(1, "one").await?;
        serving.shards[1].tell(Command::Panic).await;
        serving.told_to_move("one").await?;
        for room in ["zero", "two"] {
            let socket = serving.rooms.get_mut(room).context("no socket")?;
            let said = tokio::time::timeout(Duration::from_millis(200), socket.next::<NodeToRoom>()).await;
            assert!(said.is_err(), "room {room} hears {said:?}");
        }
        assert_eq!(serving.shards[0].report().sessions, 1, "the other thread has its session still");
        // The thread that took its place serves rooms again, the one that moved included.
        serving.serve("one", 1, 2).await?;
        serving.has_session(1, "one").await?;
        shutdown::stop(&serving.shards).await;
        Ok(())
    }

    #[tokio::test]
    async fn a_room_whose_socket_was_away_hears_of_it_on_every_later_one() -> anyhow::Result<()> {
        let mut serving = Serving::start().await?;
        serving.rooms.remove("one");
        serving.shards[1].tell(Command::Panic).await;
        for is_over in [true, false] {
            while serving.shards[1].has_ended() != is_over {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        // The first report comes later than the news to the rooms.
        serving.has_session(1, "other").await?;
        for _ in 0..2 {
            let socket = serving.socket("one").await?;
            serving.rooms.insert("one", socket);
            serving.told_to_move("one").await?;
            serving.rooms.remove("one");
        }
        shutdown::stop(&serving.shards).await;
        Ok(())
    }

    /// The number of thread ends, this many minutes apart, that count as accidents.
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
