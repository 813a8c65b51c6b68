//! A node's sockets to the edge: which rooms it serves, under which epochs, and how it stops.
//!
//! [`Control`] is handed news of sockets and shards, and returns orders for them. The shell waits for the earliest of
//! its inputs and [`Control::poll_timeout`], then carries out everything that [`Control::poll_output`] returns.

mod drain;
mod output;
mod rooms;
mod served;

pub use output::Output;

use crate::sfu;
use drain::Drain;
use node_core::line::{News, SocketKey};
use node_core::membership::{self, FLEET_LINE, Membership, Order, Standing};
use rooms::Rooms;
use shared::control::{NodeLoad, NodeRegistration, NodeToFleet, NodeToRoom};
use shared::{RoomId, SessionId};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Clone, Debug)]
pub struct Config {
    pub registration: NodeRegistration,
    /// The number of addresses of the edge, tried in turn.
    pub edges: usize,
    /// False if the node has no storage for recordings.
    pub records: bool,
    /// Seed for the jitter of retries.
    pub seed: u64,
}

#[derive(Debug)]
pub enum Input {
    Socket {
        socket: SocketKey,
        news: News,
    },
    /// The answer to [`Output::AskConnected`].
    Connected {
        socket: SocketKey,
        sessions: Vec<SessionId>,
    },
    /// An event of a shard.
    Shard {
        shard: u16,
        output: sfu::Output,
    },
    /// A shard has lost its sessions.
    ShardLost {
        shard: u16,
    },
    /// A recording's message to its room.
    Recording {
        room: RoomId,
        epoch: u64,
        message: NodeToRoom,
    },
    /// The answer to [`Output::RenewTicket`]; no ticket if the edge could not be asked.
    Ticket {
        room: RoomId,
        epoch: u64,
        ticket: Option<String>,
    },
    /// The answer to [`Output::Probe`].
    Probed {
        probe: u64,
        answered: Vec<SocketAddr>,
        answered_tcp: Vec<SocketAddr>,
    },
    /// The node is to stop once its rooms have moved, at the latest at this time.
    Drain {
        until: Instant,
    },
    /// The time returned by [`Control::poll_timeout`] has come.
    Deadline {
        load: NodeLoad,
    },
}

#[derive(Debug)]
pub struct Control {
    fleet: Membership,
    rooms: Rooms,
    drain: Option<Drain>,
    outputs: VecDeque<Output>,
}

impl Control {
    /// A node that dials the Fleet object at once.
    #[must_use]
    pub fn new(now: Instant, config: Config) -> Self {
        let Config { registration, edges, records, seed } = config;
        let rooms = Rooms::new(registration.node.clone(), registration.shards.len(), edges, records, seed);
        let fleet = Membership::new(now, NodeToFleet::Register(registration), edges, seed);
        Self { fleet, rooms, drain: None, outputs: VecDeque::new() }
    }

    #[must_use]
    pub fn standing(&self) -> Standing {
        self.fleet.standing()
    }

    /// Served rooms with their epochs.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomId, u64)> {
        self.rooms.iter()
    }

    pub fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Socket { socket, news } if socket.line == FLEET_LINE => {
                match self.fleet.handle_news(now, socket, news) {
                    Some(Order::Assign(assignment)) => self.rooms.assign(now, *assignment),
                    Some(Order::Probe { probe, addresses, tcp, credential }) => {
                        self.outputs.push_back(Output::Probe { probe, addresses, tcp, credential });
                    }
                    Some(Order::SetMediaNodes(_)) => {
                        tracing::warn!("the edge sent a TURN node's message to this media node");
                    }
                    None => {}
                }
            }
            Input::Socket { socket, news } => self.rooms.handle_news(now, socket, news),
            Input::Connected { socket, sessions } => self.rooms.handle_connected(socket, sessions),
            Input::Shard { shard, output } => self.handle_event(shard, output),
            Input::ShardLost { shard } => self.rooms.retire(shard),
            Input::Recording { room, epoch, message } => self.rooms.handle_recording(&room, epoch, message),
            Input::Ticket { room, epoch, ticket } => self.rooms.handle_ticket(now, &room, epoch, ticket),
            Input::Probed { probe, answered, answered_tcp } => {
                let answered_tcp = Some(answered_tcp);
                self.fleet.say(&NodeToFleet::Probed { probe, answered, answered_tcp });
            }
            Input::Drain { until } => self.begin_draining(now, until),
            Input::Deadline { load } => self.handle_deadline(now, load),
        }
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        let fleet = self.fleet.poll_output().map(|output| match output {
            membership::Output::Dial { socket, edge } => Output::DialFleet { socket, edge },
            membership::Output::Send { socket, frame } => Output::Send { socket, frame },
            membership::Output::Close { socket } => Output::Close { socket },
        });
        fleet.or_else(|| self.rooms.poll_output()).or_else(|| self.outputs.pop_front())
    }

    /// The latest time for [`Input::Deadline`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let look_at = self.drain.as_ref().and_then(Drain::look_at);
        [self.fleet.poll_timeout(), self.rooms.poll_timeout(), look_at].into_iter().flatten().min()
    }

    fn handle_event(&mut self, shard: u16, output: sfu::Output) {
        let (room, message) = match output {
            sfu::Output::Quality(sample) => return self.outputs.push_back(Output::Sample(sample)),
            sfu::Output::SessionConnected { room, session } => (room, NodeToRoom::SessionConnected { session }),
            sfu::Output::SessionClosed { room, session, end } => (room, NodeToRoom::SessionClosed { session, end }),
            sfu::Output::LayersWanted { room, session, mid, rids } => {
                (room, NodeToRoom::LayersWanted { session, mid, rids })
            }
            sfu::Output::VideoLimited { room, session, estimate_bps, reason, slots } => {
                (room, NodeToRoom::VideoLimited { session, estimate_bps, reason: Some(reason), slots })
            }
            sfu::Output::VideoUndecodable { room, session, mids } => {
                (room, NodeToRoom::VideoUndecodable { session, mids })
            }
            sfu::Output::Loudest { room, microphones } => (room, NodeToRoom::Loudest { microphones }),
        };
        self.rooms.handle_event(shard, &room, message);
    }

    fn begin_draining(&mut self, now: Instant, until: Instant) {
        if self.drain.is_none() {
            self.fleet.begin_draining();
            self.rooms.begin_draining();
            self.drain = Some(Drain::begin(now, until));
        }
    }

    fn handle_deadline(&mut self, now: Instant, load: NodeLoad) {
        self.fleet.handle_deadline(now, load);
        self.rooms.handle_deadline(now);
        let has_announced = self.fleet.standing().has_announced_draining;
        if self.drain.as_mut().is_some_and(|drain| drain.look(now, has_announced, load.sessions)) {
            self.outputs.push_back(Output::Drained);
        }
    }
}

#[cfg(test)]
mod tests;
