//! The node's conversations with the edge: one socket to its region's Fleet object, one to every room it serves.

mod fleet;
mod room;
mod ticket;

use crate::quality::{self, Samples};
use crate::record::Recorder;
use crate::shard::{Command, Event, Shard};
use fleet::MediaMember;
use media_core::sfu::Output;
use node_shell::fleet::{FleetLink, Standing};
use node_shell::settings::{EdgeUrl, Secret};
use room::RoomLink;
use shared::control::{Assignment, NodeLoad, NodeToRoom, RoomToNode, ShardInfo};
use shared::rtp_parameters::Fingerprint;
use shared::{NodeId, Region, RoomId, limits};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Assignments and endings of rooms that may wait for [`Control::run`].
const NOTICES_MAX: usize = 256;
/// News of a room's sessions that may wait for its socket: each session connects once and closes once, in some hurry twice.
const ROOM_EVENTS_MAX: usize = 4 * limits::PARTICIPANTS_PER_ROOM_MAX;

/// What the node tells the edge about itself, and how it reaches it.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) region: Region,
    pub(crate) token: Secret,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) edges: Vec<EdgeUrl>,
    /// Where clients reach its shards.
    pub(crate) candidates: Vec<ShardInfo>,
    /// Sessions that it takes.
    pub(crate) sessions_max: u32,
    pub(crate) shards: Arc<[Shard]>,
    /// Its recorder, where there is a storage.
    pub(crate) recorder: Option<Recorder>,
    /// Seed of the spread of its retries.
    pub(crate) seed: u64,
}

impl Node {
    fn load(&self) -> NodeLoad {
        let mut load = NodeLoad::default();
        for report in self.shards.iter().map(Shard::report) {
            load.rooms = load.rooms.saturating_add(clamp(report.rooms as u64));
            load.sessions = load.sessions.saturating_add(clamp(report.sessions as u64));
            load.packets_out_per_s = load.packets_out_per_s.saturating_add(clamp(report.datagrams_out_per_s));
            load.busiest_shard_permille = load.busiest_shard_permille.max(report.busy_permille);
        }
        load
    }
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Distributes assignments to shards, and shards' news to rooms.
pub(crate) struct Control {
    node: Arc<Node>,
    rooms: BTreeMap<RoomId, Served>,
    events: mpsc::Receiver<Event>,
    /// Shards that have lost their sessions.
    restarts: mpsc::Receiver<u16>,
    draining: watch::Receiver<bool>,
    standing: watch::Sender<Standing>,
    samples: Samples,
}

/// A room that this node serves.
struct Served {
    epoch: u64,
    shard: u16,
    events: mpsc::Sender<NodeToRoom>,
}

/// Something that needs the table of rooms.
enum Notice {
    /// The Fleet object gave us a room.
    Assigned(Box<Assignment>),
    /// A room's link has ended: the room is no longer ours.
    Ended { room: RoomId, epoch: u64 },
}

impl Control {
    /// `events` come from all shards; once `draining` is true, the edge is told and no more rooms are taken.
    pub(crate) fn new(
        node: Node,
        events: mpsc::Receiver<Event>,
        restarts: mpsc::Receiver<u16>,
        draining: watch::Receiver<bool>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        let samples = quality::start(node.edges.clone(), node.token.clone());
        Self { node: Arc::new(node), rooms: BTreeMap::new(), events, restarts, draining, standing, samples }
    }

    /// Runs until the shards are gone.
    pub(crate) async fn run(mut self) {
        let (notices, mut noticed) = mpsc::channel(NOTICES_MAX);
        let fleet = FleetLink {
            edges: self.node.edges.clone(),
            node: self.node.id.clone(),
            region: self.node.region.clone(),
            token: self.node.token.clone(),
            member: MediaMember { node: Arc::clone(&self.node), notices: notices.clone() },
            draining: self.draining.clone(),
            standing: self.standing.clone(),
            seed: self.node.seed,
        };
        tokio::spawn(fleet.run());
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.tell_room(event),
                    None => return,
                },
                Some(shard) = self.restarts.recv() => self.retire_rooms(shard),
                notice = noticed.recv() => match notice {
                    Some(Notice::Assigned(assignment)) => self.assign(*assignment, &notices).await,
                    Some(Notice::Ended { room, epoch }) => self.end(&room, epoch),
                    None => return,
                },
            }
        }
    }

    /// Serves a room from here on. The same assignment again is the same session again; an older one is refused.
    async fn assign(&mut self, assignment: Assignment, notices: &mpsc::Sender<Notice>) {
        let Assignment { room, epoch, shard: index, ticket, session } = assignment;
        let Some(shard) = self.node.shards.get(usize::from(index)) else {
            tracing::warn!(%room, epoch, shard = index, "the edge assigned a room to a shard that does not exist");
            return;
        };
        if *self.draining.borrow()
            || (!self.rooms.contains_key(&room) && self.rooms.len() >= limits::ROOMS_PER_NODE_MAX)
        {
            tracing::warn!(%room, epoch, rooms = self.rooms.len(), "assignment refused: the node is draining or full");
            return;
        }
        let before = self.rooms.get(&room).map(|served| (served.epoch, served.shard));
        if before.is_some_and(|(served, _)| served > epoch) {
            tracing::warn!(%room, epoch, "assignment refused: its epoch is outdated");
            return;
        }
        if let Some((_, other)) = before.filter(|(_, other)| *other != index)
            && let Some(other) = self.node.shards.get(usize::from(other))
        {
            other.tell(Command::Control { room: room.clone(), message: RoomToNode::Release {} }).await;
        }
        let first = session.as_ref().map(|session| (&session.session, &session.participant));
        tracing::info!(%room, epoch, shard = index, ?first, "assigned");
        if let Some(session) = session {
            shard.tell(Command::Control { room: room.clone(), message: RoomToNode::SetSession { session } }).await;
        }
        if before.is_some_and(|(served, _)| served == epoch) {
            return;
        }
        // The link of the epoch before ends when its end of this channel is dropped.
        let (events, receiver) = mpsc::channel(ROOM_EVENTS_MAX);
        let link =
            RoomLink::new(Arc::clone(&self.node), room.clone(), epoch, index, Secret::from(ticket), events.downgrade());
        self.rooms.insert(room, Served { epoch, shard: index, events });
        tokio::spawn(link.run(receiver, self.draining.clone(), notices.clone()));
    }

    fn end(&mut self, room: &RoomId, epoch: u64) {
        if self.rooms.get(room).is_some_and(|served| served.epoch == epoch) {
            self.rooms.remove(room);
            tracing::info!(%room, epoch, "room no longer served");
        }
    }

    /// A shard has lost its sessions: its rooms are told that it drains, so that they move at once.
    fn retire_rooms(&self, shard: u16) {
        for (room, served) in self.rooms.iter().filter(|(_, served)| served.shard == shard) {
            if let Err(error) = served.events.try_send(NodeToRoom::Draining {}) {
                tracing::warn!(%room, %error, "could not notify a room that its shard has ended");
            }
        }
    }

    fn tell_room(&self, event: Event) {
        let (room, message) = match event.output {
            Output::Quality(sample) => {
                if self.samples.try_send(sample).is_err() {
                    tracing::debug!("quality sample dropped: the queue is full");
                }
                return;
            }
            Output::SessionConnected { room, session } => (room, NodeToRoom::SessionConnected { session }),
            Output::SessionClosed { room, session, end } => (room, NodeToRoom::SessionClosed { session, end }),
            Output::LayersWanted { room, session, mid, rids } => {
                (room, NodeToRoom::LayersWanted { session, mid, rids })
            }
            Output::VideoLimited { room, session, estimate_bps, slots } => {
                (room, NodeToRoom::VideoLimited { session, estimate_bps, slots })
            }
            Output::VideoUndecodable { room, session, mids } => (room, NodeToRoom::VideoUndecodable { session, mids }),
        };
        let Some(served) = self.rooms.get(&room).filter(|served| served.shard == event.shard) else {
            tracing::debug!(%room, shard = event.shard, ?message, "message for a room that is no longer served");
            return;
        };
        if let Err(error) = served.events.try_send(message) {
            tracing::warn!(%room, %error, "could not report a session event to the room");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::tests::good;
    use crate::{identity, node, record};
    use std::time::Duration;
    use tokio::sync::mpsc::error::TryRecvError;

    #[tokio::test]
    async fn the_rooms_of_a_shard_whose_thread_has_ended_move_and_those_of_the_others_stay() {
        let config = good(&["--listen=127.0.0.1:0", "--shards=2"]);
        let (told, events) = mpsc::channel(8);
        let identity = identity::make().expect("an identity");
        let (outlet, _) = record::queue();
        let shards = node::start_shards(&config, Clock::start(), &identity, &told, &outlet).expect("start");
        let (restarted, restarts) = mpsc::channel(2);
        let ((draining, is_draining), (standing, _)) = (watch::channel(false), watch::channel(Standing::default()));
        let node = Node {
            id: config.node,
            region: config.region,
            token: config.token,
            fingerprint: identity.fingerprint(),
            edges: config.edges,
            candidates: Vec::new(),
            sessions_max: config.sessions_max,
            shards: Arc::clone(&shards),
            recorder: None,
            seed: 1,
        };
        let mut control = Control::new(node, events, restarts, is_draining, standing);
        let mut rooms = ["zero", "one", "two"].map(|name| RoomId::parse(name).expect("a room")).map(|room| {
            let (events, received) = mpsc::channel(2);
            let shard = u16::from(room.as_str() == "one");
            control.rooms.insert(room, Served { epoch: 1, shard, events });
            received
        });
        let running = tokio::spawn(control.run());
        restarted.send(1).await.expect("runs");
        let news = tokio::time::timeout(Duration::from_secs(10), rooms[1].recv()).await.expect("its room is told");
        assert!(matches!(news, Some(NodeToRoom::Draining {})), "{news:?}");
        for other in [0, 2] {
            assert_eq!(rooms[other].try_recv().err(), Some(TryRecvError::Empty), "room {other} stays");
        }
        assert!(!*draining.borrow(), "the node goes on");
        running.abort();
        crate::shutdown::stop(&shards).await;
    }
}
