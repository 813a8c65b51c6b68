//! The edge: real Room and Fleet cores in objects that store rows, hold sockets and may sleep after every step.

mod object;

pub use object::{Core, Object};

use crate::check::Breaches;
use crate::clock::Clock;
use edge_core::fleet::{self, Fleet, PlaceAnswer, PlaceRequest, Relays};
use edge_core::room::{self, Room};
use edge_core::{Random as EdgeRandom, SocketId};
use media_core::random::Random;
use shared::control::{Message, NodeToFleet, NodeToRoom};
use shared::signal::ClientFrame;
use shared::token::{self, Grants, JoinClaims, Key, NodeClaims, TicketClaims};
use shared::turn_credential::TurnKeys;
use shared::{NodeId, ParticipantId, Region, RoomId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

/// The only region of a world.
pub const REGION: &str = "eu-central";
const SECRET: &[u8] = b"the simulated deployment's secret";
const TOKEN_LIFETIME_MS: u64 = 3_600_000;

/// A side effect for the world.
#[derive(Clone, Debug)]
pub enum Effect {
    Send(SocketId, String),
    Close(SocketId, u16),
    Ask(RoomId, PlaceRequest),
    Answer(RoomId, u64, PlaceAnswer),
    /// A room's request for TURN nodes.
    AskTurn(RoomId, u64),
    /// The Fleet object's list of TURN nodes for a room.
    AnswerTurn(RoomId, u64, Relays),
}

/// The destination of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    Client(RoomId),
    Node(RoomId),
    Fleet,
}

/// All objects and sockets of the edge.
pub struct Edge {
    clock: Clock,
    breaches: Breaches,
    random: Rc<RefCell<Random>>,
    is_sleepy: bool,
    asleep_after: Option<u64>,
    steps: u64,
    next_socket: u64,
    doors: BTreeMap<SocketId, Door>,
    rooms: BTreeMap<RoomId, Object<Room>>,
    fleet: Object<Fleet>,
    effects: Vec<Effect>,
    asked: BTreeMap<u64, (RoomId, u64)>,
    questions: u64,
}

impl Edge {
    #[must_use]
    pub fn seeded(clock: &Clock, seed: u64, breaches: Breaches) -> Self {
        Self {
            clock: *clock,
            breaches,
            random: Rc::new(RefCell::new(Random::seeded(seed))),
            is_sleepy: false,
            asleep_after: None,
            steps: 0,
            next_socket: 1,
            doors: BTreeMap::new(),
            rooms: BTreeMap::new(),
            fleet: Object::default(),
            effects: Vec::new(),
            asked: BTreeMap::new(),
            questions: 0,
        }
    }

    /// Makes every object sleep after every step.
    pub fn sleep_always(&mut self) {
        self.is_sleepy = true;
    }

    /// Makes all objects sleep once, after the step with this number.
    pub fn sleep_after(&mut self, step: u64) {
        self.asleep_after = Some(step);
    }

    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The number of stored rows of all rooms, without those of past calls, which stay for a week.
    #[must_use]
    pub fn rows(&self) -> usize {
        let lasts = |key: &&String| !key.starts_with("call/");
        self.rooms.values().map(|object| object.rows().keys().filter(lasts).count()).sum()
    }

    /// The randomness of the cores: one sequence, which continues when an object wakes.
    fn randomness(&self) -> EdgeRandom {
        let random = self.random.clone();
        Box::new(move |buffer| buffer.iter_mut().for_each(|byte| *byte = random.borrow_mut().next_u64() as u8))
    }

    /// The wall clock was set.
    pub fn set_clock(&mut self, clock: &Clock) {
        self.clock = *clock;
    }

    /// Side effects in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let alarms = self.rooms.values().filter_map(Object::alarm_at).chain(self.fleet.alarm_at());
        alarms.min().map(|at| self.clock.instant_of(at))
    }

    /// Fires due alarms.
    pub fn handle_timeout(&mut self, clock: &Clock) {
        self.clock = *clock;
        if self.fleet.take_alarm(clock.unix()) {
            self.step_fleet(fleet::Input::Deadline);
        }
        let due: Vec<RoomId> =
            self.rooms.iter_mut().filter_map(|(id, room)| room.take_alarm(clock.unix()).then(|| id.clone())).collect();
        for room in due {
            self.step_room(&room, room::Input::Deadline);
        }
    }

    /// Opens a client's socket with a token for `room`.
    pub fn accept_client(&mut self, clock: &Clock, room: &RoomId, participant: &ParticipantId) -> SocketId {
        self.clock = *clock;
        let grants = Grants { moderate: true, ..Grants::default() };
        let name = participant.to_string();
        let claims = JoinClaims { name, grants, ..JoinClaims::new(participant.clone(), room.clone()) };
        let token = token::sign(claims, &key(), clock.unix(), TOKEN_LIFETIME_MS).expect("signs");
        let claims = token::verify(&token, &[key()], clock.unix()).expect("its own token");
        let socket = self.open(Door::Client(room.clone()));
        let attachment =
            room::Attachment::Client { socket, opened_at: clock.unix(), claims, near: Vec::new(), trace: None };
        self.rooms.entry(room.clone()).or_default().attach(&self.breaches, clock, socket, &attachment);
        self.step_room(room, room::Input::SocketOpened(attachment));
        socket
    }

    /// Opens a node's socket to a room with its ticket; `None` if the ticket is invalid.
    pub fn accept_node(&mut self, clock: &Clock, room: &RoomId, ticket: &str) -> Option<SocketId> {
        self.clock = *clock;
        let claims: TicketClaims = token::verify(ticket, &[key()], clock.unix()).ok()?;
        if claims.room != *room {
            return None;
        }
        let socket = self.open(Door::Node(room.clone()));
        let attachment = room::Attachment::Node { socket, opened_at: clock.unix(), claims };
        self.rooms.entry(room.clone()).or_default().attach(&self.breaches, clock, socket, &attachment);
        self.step_room(room, room::Input::SocketOpened(attachment));
        Some(socket)
    }

    pub fn accept_fleet(&mut self, clock: &Clock, node: &NodeId) -> SocketId {
        self.clock = *clock;
        let socket = self.open(Door::Fleet);
        let claims = NodeClaims { sub: node.clone(), region: region() };
        let attachment = fleet::Attachment { socket, opened_at: clock.unix(), claims, address: None, heartbeat: None };
        self.fleet.attach(&self.breaches, clock, socket, &attachment);
        self.step_fleet(fleet::Input::SocketOpened(attachment));
        socket
    }

    fn open(&mut self, door: Door) -> SocketId {
        let socket = SocketId(self.next_socket);
        self.next_socket += 1;
        self.doors.insert(socket, door);
        socket
    }

    /// Delivers a frame of a client or a node; drops it if the socket is closed.
    pub fn handle_frame(&mut self, clock: &Clock, socket: SocketId, text: &str) {
        self.clock = *clock;
        match self.doors.get(&socket).cloned() {
            Some(Door::Client(room)) => {
                self.step_room(&room, room::Input::ClientFrame { socket, frame: ClientFrame::parse(text) });
            }
            Some(Door::Node(room)) => {
                self.step_room(&room, room::Input::NodeFrame { socket, frame: NodeToRoom::parse(text) });
            }
            Some(Door::Fleet) => self.step_fleet(fleet::Input::Frame { socket, frame: NodeToFleet::parse(text) }),
            None => {}
        }
    }

    /// The peer closed a socket, or the connection broke.
    pub fn handle_closed(&mut self, clock: &Clock, socket: SocketId, going_away: bool) {
        self.clock = *clock;
        match self.doors.remove(&socket) {
            Some(Door::Client(room) | Door::Node(room)) => {
                self.rooms.entry(room.clone()).or_default().detach(socket);
                self.step_room(&room, room::Input::SocketClosed { socket, going_away });
            }
            Some(Door::Fleet) => {
                self.fleet.detach(socket);
                self.step_fleet(fleet::Input::SocketClosed { socket });
            }
            None => {}
        }
    }

    /// Delivers a room's request to the Fleet object.
    pub fn handle_ask(&mut self, clock: &Clock, room: RoomId, ask: PlaceRequest) {
        self.clock = *clock;
        self.questions += 1;
        let request = self.questions;
        self.asked.insert(request, (room, ask.epoch));
        self.step_fleet(fleet::Input::Place { request, ask });
        if let Some((room, _)) = self.asked.remove(&request) {
            self.breaches.add(clock, format!("the fleet does not answer room {room} at once"));
        }
    }

    /// Delivers the Fleet object's answer to the room.
    pub fn handle_answer(&mut self, clock: &Clock, room: &RoomId, epoch: u64, answer: PlaceAnswer) {
        self.clock = *clock;
        self.step_room(room, room::Input::FleetAnswered { epoch, answer });
    }

    /// Delivers a room's request for TURN nodes to the Fleet object.
    pub fn handle_turn_ask(&mut self, clock: &Clock, room: RoomId, epoch: u64) {
        self.clock = *clock;
        let random = self.randomness();
        let core = self.fleet.wake(&self.breaches, &self.clock, |now, rows, sockets| {
            Fleet::restore(region(), key(), random, now, rows, sockets)
        });
        let relays = core.relays(self.clock.unix());
        self.effects.push(Effect::AnswerTurn(room, epoch, relays));
    }

    /// Delivers the list of TURN nodes to the room.
    pub fn handle_turn_answer(&mut self, clock: &Clock, room: &RoomId, epoch: u64, relays: Relays) {
        self.clock = *clock;
        self.step_room(room, room::Input::TurnAnswered { epoch, relays });
    }

    /// Makes a request of the application's server to a room.
    pub fn moderate(&mut self, clock: &Clock, room: &RoomId, verb: room::Verb) {
        self.clock = *clock;
        self.step_room(room, room::Input::Asked { request: 0, ask: room::Ask::Moderate { verb } });
    }

    /// Kills and restarts the runtime: all sockets close, stored rows remain. Returns the closed sockets.
    pub fn restart(&mut self) -> Vec<SocketId> {
        self.rooms.values_mut().for_each(Object::forget_sockets);
        self.fleet.forget_sockets();
        std::mem::take(&mut self.doors).into_keys().collect()
    }

    fn step_room(&mut self, id: &RoomId, input: room::Input) {
        let mut object = self.rooms.remove(id).unwrap_or_default();
        let random = self.randomness();
        let core = object.wake(&self.breaches, &self.clock, |now, rows, sockets| {
            let archived = rows.iter().filter(|row| row.key.starts_with(room::ARCHIVED));
            let archived: BTreeMap<_, _> = archived.map(|row| (row.key.clone(), row.value.clone())).collect();
            let archive = Box::new(move |key: &str| archived.get(key).cloned());
            Room::restore(id.clone(), config(), random, now, (rows, archive), sockets)
        });
        // Waking is a step of its own, for example for a member whose socket closed meanwhile.
        let woken: Vec<_> = std::iter::from_fn(|| core.poll_output()).collect();
        core.handle_input(self.clock.unix(), input);
        let handled: Vec<_> = std::iter::from_fn(|| core.poll_output()).collect();
        let deadline = core.poll_timeout();
        for outputs in [&woken, &handled] {
            self.check_order(outputs.iter().map(|output| matches!(output, room::Output::Store(_))));
        }
        let outputs: Vec<_> = woken.into_iter().chain(handled).collect();
        let is_asked = |output: &room::Output| {
            if let room::Output::AskHeard { socket } = output { Some(*socket) } else { None }
        };
        let silent: Vec<SocketId> = outputs.iter().filter_map(is_asked).collect();
        for output in outputs {
            self.carry_out(id, &mut object, output);
        }
        object.arm(deadline);
        if self.sleeps() {
            object.sleep();
        }
        if !object.is_forgettable() {
            self.rooms.insert(id.clone(), object);
        }
        // Clients of this world send `ping` as long as their socket is open.
        for socket in silent {
            let at = self.doors.contains_key(&socket).then(|| self.clock.unix());
            self.step_room(id, room::Input::Heard { socket, at });
        }
    }

    fn carry_out(&mut self, id: &RoomId, object: &mut Object<Room>, output: room::Output) {
        match output {
            room::Output::Store(changes) => object.store(&self.breaches, &self.clock, changes),
            room::Output::SendClient { socket, message } => self.send(socket, message.to_json()),
            room::Output::SendClients { sockets, message } => {
                sockets.into_iter().for_each(|socket| self.send(socket, message.to_json()));
            }
            room::Output::SendNode { socket, message } => self.send(socket, message.to_json()),
            room::Output::CloseClient { socket, code } | room::Output::CloseNode { socket, code } => {
                object.detach(socket);
                self.close(socket, code);
            }
            // The application's server of this world does not read the answers.
            room::Output::Answer { .. } => {}
            room::Output::AnswerReport { .. } => unreachable!("no node of this world records"),
            room::Output::AskFleet(request) => self.effects.push(Effect::Ask(id.clone(), request)),
            room::Output::AskHeard { .. } => {}
            room::Output::AskTurn { epoch, .. } => self.effects.push(Effect::AskTurn(id.clone(), epoch)),
        }
    }

    fn step_fleet(&mut self, input: fleet::Input) {
        let random = self.randomness();
        let mut object = std::mem::take(&mut self.fleet);
        let core = object.wake(&self.breaches, &self.clock, |now, rows, sockets| {
            Fleet::restore(region(), key(), random, now, rows, sockets)
        });
        core.handle_input(self.clock.unix(), input);
        let outputs: Vec<_> = std::iter::from_fn(|| core.poll_output()).collect();
        let deadline = core.poll_timeout();
        self.check_order(outputs.iter().map(|output| matches!(output, fleet::Output::Store(_))));
        for output in outputs {
            match output {
                fleet::Output::Store(changes) => object.store(&self.breaches, &self.clock, changes),
                fleet::Output::Attach(attachment) => {
                    object.attach(&self.breaches, &self.clock, attachment.socket, &attachment);
                }
                fleet::Output::Send { socket, message } => self.send(socket, message.to_json()),
                fleet::Output::Close { socket, code } => {
                    object.detach(socket);
                    self.close(socket, code);
                }
                fleet::Output::Answer { request, answer } => match self.asked.remove(&request) {
                    Some((room, epoch)) => self.effects.push(Effect::Answer(room, epoch, answer)),
                    None => self.breaches.add(&self.clock, "the fleet answers a question that nobody asked".into()),
                },
                // This world has one region.
                fleet::Output::Tell(_) => {}
            }
        }
        object.arm(deadline);
        if self.sleeps() {
            object.sleep();
        }
        self.fleet = object;
    }

    /// True if the object that took this step sleeps now.
    fn sleeps(&mut self) -> bool {
        self.steps += 1;
        self.is_sleepy || self.asleep_after == Some(self.steps)
    }

    /// Checks that storage comes before messages.
    fn check_order(&self, is_store: impl Iterator<Item = bool>) {
        if !is_store.map(|is_store| !is_store).is_sorted() {
            self.breaches.add(&self.clock, "something was said before it was stored".into());
        }
    }

    fn send(&mut self, socket: SocketId, text: String) {
        if self.doors.contains_key(&socket) {
            self.effects.push(Effect::Send(socket, text));
        } else {
            self.breaches.add(&self.clock, format!("a frame for a socket that is closed: {text}"));
        }
    }

    fn close(&mut self, socket: SocketId, code: u16) {
        self.doors.remove(&socket);
        self.effects.push(Effect::Close(socket, code));
    }
}

fn key() -> Key {
    Key::new("simulated", SECRET).expect("long enough")
}

/// Shared by edge and TURN nodes.
pub(crate) fn turn_keys() -> TurnKeys {
    TurnKeys::parse("simulated:the simulated deployment's relays").expect("a list of keys")
}

fn config() -> room::Config {
    room::Config { turn_keys: Some(turn_keys()), ..room::Config::default() }
}

fn region() -> Region {
    Region::parse(REGION).expect("a region's name")
}
