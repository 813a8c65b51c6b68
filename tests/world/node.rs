//! A media node: the real shard core, and the control plane as `media-node/src/control` runs it.

use crate::check::Breaches;
use crate::clock::Clock;
use crate::net::Datagram;
use edge_core::SocketId;
use media_core::congestion::bandwidth::Bandwidth;
use media_core::places::Places;
use media_core::random::Random;
use media_core::session::dtls::Identity;
use media_core::sfu::{Config, Input, Output as SfuOutput, Sfu};
use media_core::stats::Stats;
use shared::control::{
    Assignment, FleetToNode, Message, NodeLoad, NodeRegistration, NodeToFleet, NodeToRoom, RoomToNode, SessionQuality,
    ShardInfo, WelcomeParts,
};
use shared::{NodeId, Region, RoomId, limits};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As in the shell: between half and all of a bound that doubles with every failure.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LONGEST: Duration = Duration::from_secs(4);
const SESSIONS_MAX: usize = 100;

/// The other end of a node's control socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The Fleet object.
    Fleet,
    /// A room that it serves, by the assignment with this epoch.
    Room(RoomId, u64),
}

/// What a node wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this.
    Datagram(Datagram),
    /// Open a control socket, to a room with this ticket.
    Dial(Peer, String),
    /// Say this over a socket.
    Frame(SocketId, String),
    /// Close a socket.
    HangUp(SocketId),
}

pub struct Node {
    id: NodeId,
    address: SocketAddr,
    identity: Identity,
    sfu: Sfu,
    clock: Clock,
    random: Random,
    breaches: Breaches,
    outputs: VecDeque<Output>,
    fleet: Line,
    heartbeat_at: Instant,
    rooms: BTreeMap<RoomId, Served>,
    is_draining: bool,
    /// What it would tell the Worker of its sessions.
    pub samples: Vec<SessionQuality>,
}

/// A room that the node serves.
struct Served {
    epoch: u64,
    ticket: String,
    line: Line,
    /// Of the welcome on the line that is up.
    parts: WelcomeParts,
}

/// One control socket.
#[derive(Clone, Copy, Debug)]
struct Line {
    state: State,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down(Instant),
    Dialling,
    Up(SocketId),
}

impl Node {
    /// A node that has just been started.
    #[must_use]
    pub fn new(clock: &Clock, id: NodeId, address: SocketAddr, seed: u64, breaches: Breaches) -> Self {
        let identity = crate::identity::simulated(seed);
        let config = Config {
            identity: identity.clone(),
            seed,
            started_at: clock.now(),
            wall_clock: clock.unix(),
            places: Arc::new(Places::new(SESSIONS_MAX)),
            bandwidth: Bandwidth::default(),
        };
        Self {
            id,
            address,
            identity,
            sfu: Sfu::new(config),
            clock: *clock,
            random: Random::seeded(seed),
            breaches,
            outputs: VecDeque::new(),
            fleet: Line { state: State::Down(clock.now()), failures: 0 },
            heartbeat_at: clock.now(),
            rooms: BTreeMap::new(),
            is_draining: false,
            samples: Vec::new(),
        }
    }

    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Its UDP address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its shard counted.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        self.sfu.stats()
    }

    /// Sessions and rooms in its shard.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.sfu.session_count(), self.sfu.room_count())
    }

    /// Rooms that it serves, with their epochs.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomId, u64)> {
        self.rooms.iter().map(|(room, served)| (room, served.epoch))
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lines = self.rooms.values().map(|served| served.line).chain([self.fleet]);
        let redials = lines.filter_map(|line| if let State::Down(at) = line.state { Some(at) } else { None });
        let heartbeat = matches!(self.fleet.state, State::Up(_)).then_some(self.heartbeat_at);
        redials.chain(heartbeat).chain(self.sfu.poll_timeout()).min()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, clock: &Clock) {
        self.clock = *clock;
        if self.sfu.poll_timeout().is_some_and(|at| at <= clock.now()) {
            self.sfu.handle_input(clock.now(), Input::Deadline);
        }
        if let State::Up(socket) = self.fleet.state
            && self.heartbeat_at <= clock.now()
        {
            self.beat(socket);
        }
        self.redial();
        self.drain();
    }

    fn redial(&mut self) {
        let clock = self.clock;
        if self.fleet.is_due(&clock) {
            self.outputs.push_back(Output::Dial(Peer::Fleet, String::new()));
        }
        for (room, served) in &mut self.rooms {
            if served.line.is_due(&clock) {
                self.outputs.push_back(Output::Dial(Peer::Room(room.clone(), served.epoch), served.ticket.clone()));
            }
        }
    }

    fn beat(&mut self, socket: SocketId) {
        self.heartbeat_at = self.clock.now() + Duration::from_millis(limits::HEARTBEAT_INTERVAL_MS);
        let (sessions, rooms) = self.load();
        let load = NodeLoad { rooms: rooms as u32, sessions: sessions as u32, ..NodeLoad::default() };
        self.outputs.push_back(Output::Frame(socket, NodeToFleet::Heartbeat { load }.to_json()));
    }

    fn line(&mut self, peer: &Peer) -> Option<&mut Line> {
        match peer {
            Peer::Fleet => Some(&mut self.fleet),
            Peer::Room(room, epoch) => {
                self.rooms.get_mut(room).filter(|served| served.epoch == *epoch).map(|served| &mut served.line)
            }
        }
    }

    /// A socket is open: introduces itself.
    pub fn handle_opened(&mut self, clock: &Clock, peer: &Peer, socket: SocketId) {
        self.clock = *clock;
        let (id, is_draining) = (self.id.clone(), self.is_draining);
        let hello = match peer {
            Peer::Fleet => NodeToFleet::Register(self.registration()).to_json(),
            Peer::Room(room, epoch) => {
                NodeToRoom::Hello { node: id, epoch: *epoch, connected: self.sfu.connected_sessions(room) }.to_json()
            }
        };
        let Some(line) = self.line(peer) else { return self.outputs.push_back(Output::HangUp(socket)) };
        line.state = State::Up(socket);
        if let Peer::Room(room, _) = peer
            && let Some(served) = self.rooms.get_mut(room)
        {
            served.parts = WelcomeParts::default();
        }
        self.outputs.push_back(Output::Frame(socket, hello));
        if is_draining {
            self.announce(peer.clone(), socket);
        }
        self.heartbeat_at = self.heartbeat_at.max(clock.now());
    }

    fn announce(&mut self, peer: Peer, socket: SocketId) {
        let text = match peer {
            Peer::Fleet => NodeToFleet::Draining {}.to_json(),
            Peer::Room(..) => NodeToRoom::Draining {}.to_json(),
        };
        self.outputs.push_back(Output::Frame(socket, text));
    }

    fn registration(&self) -> NodeRegistration {
        NodeRegistration {
            node: self.id.clone(),
            region: Region::parse(crate::edge::REGION).expect("a region's name"),
            fingerprint: self.identity.fingerprint(),
            shards: vec![ShardInfo { shard: 0, candidates: vec![self.address] }],
            sessions_max: SESSIONS_MAX as u32,
        }
    }

    /// A dial came to nothing; `is_final` where trying again is in vain.
    pub fn handle_refused(&mut self, clock: &Clock, peer: &Peer, is_final: bool) {
        self.clock = *clock;
        match peer {
            Peer::Room(room, _) if is_final && self.line(peer).is_some() => self.release(room),
            Peer::Room(..) | Peer::Fleet => self.back_off(peer),
        }
    }

    pub fn handle_closed(&mut self, clock: &Clock, peer: &Peer, socket: SocketId) {
        self.clock = *clock;
        // It may break before it is known to be open.
        let is_meant = |line: &mut Line| line.state == State::Up(socket) || line.state == State::Dialling;
        if self.line(peer).is_some_and(is_meant) {
            self.back_off(peer);
        }
    }

    fn back_off(&mut self, peer: &Peer) {
        let spread = f64::from(self.random.next_u16()) / f64::from(u16::MAX);
        let now = self.clock.now();
        if let Some(line) = self.line(peer) {
            let bound = (BACKOFF_FIRST * (1 << line.failures.min(6))).min(BACKOFF_LONGEST);
            line.failures += 1;
            line.state = State::Down(now + bound.mul_f64(0.5 + spread / 2.0));
        }
    }

    /// A frame of the edge.
    pub fn handle_frame(&mut self, clock: &Clock, peer: &Peer, text: &str) {
        self.clock = *clock;
        match peer {
            Peer::Fleet => match FleetToNode::parse(text) {
                Ok(FleetToNode::Registered {}) => self.fleet.failures = 0,
                Ok(FleetToNode::Assign(assignment)) => self.assign(*assignment),
                Ok(
                    refused @ (FleetToNode::Refused { .. }
                    | FleetToNode::SetMediaNodes { .. }
                    | FleetToNode::Error { .. }),
                ) => {
                    self.breaches.add(clock, format!("{}: the fleet says {refused:?}", self.id));
                }
                Err(error) => self.breaches.add(clock, format!("{}: {error}", self.id)),
            },
            Peer::Room(..) if self.line(peer).is_none() => {}
            Peer::Room(room, _) => match RoomToNode::parse(text) {
                Ok(message) => match self.rooms.get_mut(room).map_or(Ok(None), |served| served.parts.take(message)) {
                    Ok(message) => message.into_iter().for_each(|message| self.obey(room, message)),
                    Err(error) => self.breaches.add(clock, format!("{}: {error}", self.id)),
                },
                Err(error) => self.breaches.add(clock, format!("{}: {error}", self.id)),
            },
        }
        self.drain();
    }

    /// Serves a room from here on; as in the shell, the same epoch again is the same session again.
    fn assign(&mut self, assignment: Assignment) {
        let Assignment { room, epoch, ticket, session, .. } = assignment;
        let before = self.rooms.get(&room).map(|served| served.epoch);
        if self.is_draining || before.is_some_and(|served| served > epoch) {
            return;
        }
        if let Some(session) = session {
            self.tell(&room, RoomToNode::SetSession { session });
        }
        if before == Some(epoch) {
            return;
        }
        if let Some(State::Up(socket)) = self.rooms.get(&room).map(|served| served.line.state) {
            self.outputs.push_back(Output::HangUp(socket));
        }
        let line = Line { state: State::Down(self.clock.now()), failures: 0 };
        self.rooms.insert(room, Served { epoch, ticket, line, parts: WelcomeParts::default() });
        self.redial();
    }

    fn obey(&mut self, room: &RoomId, message: RoomToNode) {
        match &message {
            RoomToNode::Welcome { .. } => {
                if let Some(served) = self.rooms.get_mut(room) {
                    served.line.failures = 0;
                }
            }
            RoomToNode::Release {} => return self.release(room),
            RoomToNode::Refused { code } if !code.may_retry() => return self.release(room),
            RoomToNode::Error { .. } => {
                self.breaches.add(&self.clock, format!("{}: the room says {message:?}", self.id));
            }
            RoomToNode::WelcomePart { .. }
            | RoomToNode::SetSession { .. }
            | RoomToNode::CloseSession { .. }
            | RoomToNode::SetForwards { .. }
            | RoomToNode::SetRecording { .. }
            | RoomToNode::Refused { .. } => {}
        }
        self.tell(room, message);
    }

    fn release(&mut self, room: &RoomId) {
        if let Some(Served { line: Line { state: State::Up(socket), .. }, .. }) = self.rooms.remove(room) {
            self.outputs.push_back(Output::HangUp(socket));
        }
        self.tell(room, RoomToNode::Release {});
        self.drain();
    }

    fn tell(&mut self, room: &RoomId, message: RoomToNode) {
        self.sfu.handle_input(self.clock.now(), Input::Control { room: room.clone(), message });
    }

    /// A datagram of the network.
    pub fn handle_datagram(&mut self, clock: &Clock, mut datagram: Datagram) {
        self.clock = *clock;
        self.sfu.handle_input(clock.now(), Input::Datagram { from: datagram.from, bytes: &mut datagram.bytes });
        self.drain();
    }

    /// SIGTERM: tells everybody, and goes on meanwhile.
    pub fn begin_draining(&mut self, clock: &Clock) {
        self.clock = *clock;
        self.is_draining = true;
        let peer = |(room, served): (&RoomId, &Served)| (Peer::Room(room.clone(), served.epoch), served.line);
        let rooms = self.rooms.iter().map(peer);
        let lines: Vec<(Peer, Line)> = rooms.chain([(Peer::Fleet, self.fleet)]).collect();
        for (peer, line) in lines {
            if let State::Up(socket) = line.state {
                self.announce(peer, socket);
            }
        }
    }

    /// Sends what the shard has ready, and tells rooms what happened to their sessions.
    fn drain(&mut self) {
        let now = self.clock.now();
        while let Some(runs) = self.sfu.poll_transmits(now) {
            for run in runs {
                let datagrams = run.bytes.chunks(run.segment_bytes);
                if datagrams.len() != run.segments {
                    self.breaches
                        .add(&self.clock, format!("{}: a run that is not {} datagrams", self.id, run.segments));
                }
                let datagram = |bytes: &[u8]| Datagram { from: self.address, to: run.to, bytes: bytes.to_vec() };
                self.outputs.extend(datagrams.map(|bytes| Output::Datagram(datagram(bytes))));
            }
        }
        while let Some(output) = self.sfu.poll_output() {
            let (room, message) = match output {
                SfuOutput::SessionConnected { room, session } => (room, NodeToRoom::SessionConnected { session }),
                SfuOutput::SessionClosed { room, session, end } => (room, NodeToRoom::SessionClosed { session, end }),
                SfuOutput::LayersWanted { room, session, mid, rids } => {
                    (room, NodeToRoom::LayersWanted { session, mid, rids })
                }
                SfuOutput::Quality(sample) => {
                    self.samples.push(*sample);
                    continue;
                }
                SfuOutput::VideoLimited { room, session, estimate_bps, slots } => {
                    (room, NodeToRoom::VideoLimited { session, estimate_bps, slots })
                }
                SfuOutput::VideoUndecodable { room, session, mids } => {
                    (room, NodeToRoom::VideoUndecodable { session, mids })
                }
            };
            // Without a socket the next hello tells how things are.
            if let Some(Served { line: Line { state: State::Up(socket), .. }, .. }) = self.rooms.get(&room) {
                self.outputs.push_back(Output::Frame(*socket, message.to_json()));
            }
        }
    }
}

impl Line {
    /// Whether to dial now; it counts as done.
    fn is_due(&mut self, clock: &Clock) -> bool {
        let is_due = matches!(self.state, State::Down(at) if at <= clock.now());
        if is_due {
            self.state = State::Dialling;
        }
        is_due
    }
}
