//! A media node: the real cores of its control and its shard, and a shell around both.

use crate::check::Breaches;
use crate::clock::Clock;
use crate::net::Datagram;
use media_core::congestion::bandwidth::Bandwidth;
use media_core::control::{self, Control, Output as ControlOutput};
use media_core::places::Places;
use media_core::session::dtls::Identity;
use media_core::sfu::{self, Sfu};
use media_core::stats::Stats;
use node_core::line::{News, SocketKey};
use node_core::membership::FLEET_LINE;
use shared::control::{FleetToNode, Message, NodeLoad, NodeRegistration, RoomToNode, SessionQuality, ShardInfo};
use shared::{ErrorCode, NodeId, Region, RoomId};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sessions of a node, unless a test sets another limit.
pub const SESSIONS_MAX: usize = 100;
const SHARD: u16 = 0;

/// The other end of a control socket.
#[derive(Clone, Debug)]
pub enum Door {
    Fleet,
    Room { room: RoomId, ticket: String },
}

#[derive(Clone, Debug)]
pub enum Output {
    Datagram(Datagram),
    Dial(SocketKey, Door),
    /// Sent over a socket.
    Frame(SocketKey, String),
    HangUp(SocketKey),
}

pub struct Node {
    id: NodeId,
    address: SocketAddr,
    sessions_max: usize,
    config: sfu::Config,
    sfu: Sfu,
    control: Control,
    clock: Clock,
    breaches: Breaches,
    outputs: VecDeque<Output>,
    is_drained: bool,
    /// Quality samples for the Worker.
    pub samples: Vec<SessionQuality>,
}

impl Node {
    #[must_use]
    pub fn new(
        clock: &Clock,
        (id, address): (NodeId, SocketAddr),
        (sessions_max, bandwidth): (usize, Bandwidth),
        seed: u64,
        breaches: Breaches,
    ) -> Self {
        let identity = crate::identity::simulated(seed);
        let registration = registration(id.clone(), address, sessions_max, &identity);
        let config = sfu::Config {
            identity,
            seed,
            started_at: clock.now(),
            wall_clock: clock.unix(),
            places: Arc::new(Places::new(sessions_max)),
            bandwidth,
            probe: None,
        };
        Self {
            id,
            address,
            sessions_max,
            sfu: Sfu::new(config.clone()),
            config,
            control: Control::new(clock.now(), control::Config { registration, edges: 1, records: false, seed }),
            clock: *clock,
            breaches,
            outputs: VecDeque::new(),
            is_drained: false,
            samples: Vec::new(),
        }
    }

    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn stats(&self) -> &Stats {
        self.sfu.stats()
    }

    /// Sessions and rooms in its shard.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.sfu.session_count(), self.sfu.room_count())
    }

    /// Served rooms with their epochs.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomId, u64)> {
        self.control.rooms()
    }

    /// True while the Fleet object has accepted it.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.control.standing().is_registered
    }

    /// True once a draining node may stop.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.sfu.poll_timeout(), self.control.poll_timeout()].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, clock: &Clock) {
        self.clock = *clock;
        if self.sfu.poll_timeout().is_some_and(|at| at <= clock.now()) {
            self.sfu.handle_input(clock.now(), sfu::Input::Deadline);
        }
        if self.control.poll_timeout().is_some_and(|at| at <= clock.now()) {
            let (sessions, rooms) = self.load();
            let load = NodeLoad { rooms: rooms as u32, sessions: sessions as u32, ..NodeLoad::default() };
            self.control.handle_input(clock.now(), control::Input::Deadline { load });
        }
        self.drain();
    }

    pub fn handle_news(&mut self, clock: &Clock, socket: SocketKey, news: News) {
        self.clock = *clock;
        if let News::Frame(text) = &news {
            self.check(socket, text);
        }
        self.control.handle_input(clock.now(), control::Input::Socket { socket, news });
        self.drain();
    }

    /// The edge of this world sends only what a node understands, and has no reason to complain.
    fn check(&self, socket: SocketKey, text: &str) {
        let said = if socket.line == FLEET_LINE {
            FleetToNode::parse(text).map(|message| match message {
                FleetToNode::Registered {} | FleetToNode::Assign(_) => None,
                // The edge's clock was set forward by more than a heartbeat may take.
                FleetToNode::Refused { code: ErrorCode::Timeout } => None,
                other => Some(format!("{other:?}")),
            })
        } else {
            RoomToNode::parse(text).map(|message| match message {
                RoomToNode::Error { .. } => Some(format!("{message:?}")),
                _ => None,
            })
        };
        if let Some(said) = said.unwrap_or_else(|error| Some(error.to_string())) {
            self.breaches.add(&self.clock, format!("{}: the edge says {said}", self.id));
        }
    }

    pub fn handle_datagram(&mut self, clock: &Clock, mut datagram: Datagram) {
        self.clock = *clock;
        let bytes = &mut datagram.bytes;
        self.sfu.handle_input(clock.now(), sfu::Input::Datagram { from: datagram.from.into(), bytes });
        self.drain();
    }

    /// Handles SIGTERM: tells everybody, and continues meanwhile.
    pub fn begin_draining(&mut self, clock: &Clock, time: Duration) {
        self.clock = *clock;
        self.control.handle_input(clock.now(), control::Input::Drain { until: clock.now() + time });
        self.drain();
    }

    /// The shard's thread ends, and another one takes its place: its sessions are lost.
    pub fn lose_shard(&mut self, clock: &Clock, seed: u64) {
        self.clock = *clock;
        self.config.places = Arc::new(Places::new(self.sessions_max));
        self.sfu = Sfu::new(sfu::Config { seed, ..self.config.clone() });
        self.control.handle_input(clock.now(), control::Input::ShardLost { shard: SHARD });
        self.drain();
    }

    /// Carries out what both cores want, until they want nothing more.
    fn drain(&mut self) {
        let now = self.clock.now();
        loop {
            while self.sfu.poll_ufrag().is_some() {}
            self.transmit();
            if let Some(output) = self.sfu.poll_output() {
                self.control.handle_input(now, control::Input::Shard { shard: SHARD, output });
            } else if let Some(output) = self.control.poll_output() {
                self.execute(output);
            } else {
                return;
            }
        }
    }

    fn execute(&mut self, output: ControlOutput) {
        let now = self.clock.now();
        match output {
            ControlOutput::DialFleet { socket, .. } => self.outputs.push_back(Output::Dial(socket, Door::Fleet)),
            ControlOutput::DialRoom { socket, room, ticket, .. } => {
                self.outputs.push_back(Output::Dial(socket, Door::Room { room, ticket }));
            }
            ControlOutput::Send { socket, frame } => self.outputs.push_back(Output::Frame(socket, frame)),
            ControlOutput::Close { socket } => self.outputs.push_back(Output::HangUp(socket)),
            ControlOutput::AskConnected { socket, room, .. } => {
                let sessions = self.sfu.connected_sessions(&room);
                self.control.handle_input(now, control::Input::Connected { socket, sessions });
            }
            ControlOutput::TellShard { room, message, .. } => {
                self.sfu.handle_input(now, sfu::Input::Control { room, message });
            }
            // No world is as old as a ticket when it is renewed, and its nodes know their addresses.
            ControlOutput::Record { .. } | ControlOutput::RenewTicket { .. } | ControlOutput::Probe { .. } => {
                self.breaches.add(&self.clock, format!("{}: {output:?}", self.id));
            }
            ControlOutput::Sample(sample) => self.samples.push(*sample),
            ControlOutput::Drained => self.is_drained = true,
        }
    }

    /// Sends the shard's datagrams.
    fn transmit(&mut self) {
        while let Some(runs) = self.sfu.poll_transmits(self.clock.now()) {
            for run in runs {
                let datagrams = run.bytes.chunks(run.segment_bytes);
                if datagrams.len() != run.segments {
                    self.breaches
                        .add(&self.clock, format!("{}: a run that is not {} datagrams", self.id, run.segments));
                }
                let datagram =
                    |bytes: &[u8]| Datagram { from: self.address, to: run.to.address, bytes: bytes.to_vec() };
                self.outputs.extend(datagrams.map(|bytes| Output::Datagram(datagram(bytes))));
            }
        }
    }
}

fn registration(node: NodeId, address: SocketAddr, sessions_max: usize, identity: &Identity) -> NodeRegistration {
    NodeRegistration {
        node,
        region: Region::parse(crate::edge::REGION).expect("a region's name"),
        fingerprint: identity.fingerprint(),
        shards: vec![ShardInfo { shard: SHARD, candidates: vec![address] }],
        tcp_candidates: Vec::new(),
        sessions_max: sessions_max as u32,
        probe: None,
        probe_families: None,
    }
}
