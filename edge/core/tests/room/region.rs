//! The requests that one Fleet object gets in a region of a thousand nodes and a hundred thousand rooms.

#![expect(clippy::disallowed_types, reason = "node-core counts in `Instant`")]

use crate::lost_nodes::{NODES, ROOMS_PER_NODE, id, peak, region, registration};
use crate::scripts::act;
use crate::stage::{Stage, next, randomness};
use edge_core::SocketId;
use edge_core::fleet::{self, Fleet, Relays};
use edge_core::room::{Input, Output};
use node_core::line::{News, SocketKey};
use node_core::membership::{self, Membership};
use shared::UnixMillis;
use shared::control::{Message, NodeLoad, NodeToFleet};
use shared::token::{Key, NodeClaims};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

const REQUESTS_PER_S_MAX: f64 = 300.0;
const START: UnixMillis = UnixMillis(1_800_000_000_000);
/// By then every node knows its interval.
const SETTLED_MS: u64 = 30_000;
const MEASURED_MS: u64 = 120_000;

/// The nodes of a region, which all connect to its Fleet object at once, as after a deployment of the edge.
struct Nodes {
    start: Instant,
    now: UnixMillis,
    fleet: Fleet,
    nodes: Vec<Membership>,
    due: BTreeSet<(Instant, usize)>,
    sockets: BTreeMap<SocketId, (usize, SocketKey)>,
    open: Vec<SocketId>,
    requests: Vec<UnixMillis>,
}

impl Nodes {
    #[expect(clippy::disallowed_methods, reason = "the only source of an `Instant`")]
    fn new() -> Self {
        let start = Instant::now();
        let key = Key::new("k", &[7; 32]).expect("a key");
        let node = |number| Membership::new(start, NodeToFleet::Register(registration(number)), 1, number.into());
        Self {
            start,
            now: START,
            fleet: Fleet::new(region(), key, randomness(&Rc::new(Cell::new(1)))),
            nodes: (0..NODES).map(node).collect(),
            due: (0..NODES as usize).map(|number| (start, number)).collect(),
            sockets: BTreeMap::new(),
            open: vec![SocketId(0); NODES as usize],
            requests: Vec::new(),
        }
    }

    fn run_until(&mut self, end: UnixMillis) {
        while let Some((at, number)) = self.due.first().copied() {
            let ms = u64::try_from((at - self.start).as_millis()).expect("a short test");
            if START.plus_ms(ms) > end {
                return;
            }
            self.due.remove(&(at, number));
            self.now = START.plus_ms(ms);
            let load = NodeLoad { rooms: ROOMS_PER_NODE, sessions: 5 * ROOMS_PER_NODE, ..NodeLoad::default() };
            self.nodes[number].handle_deadline(at, load);
            self.carry_out(at, number);
            self.due.extend(self.nodes[number].poll_timeout().map(|next| (next, number)));
        }
    }

    fn carry_out(&mut self, at: Instant, number: usize) {
        while let Some(output) = self.nodes[number].poll_output() {
            match output {
                membership::Output::Dial { socket: key, .. } => {
                    let socket = SocketId(self.sockets.len() as u64);
                    self.sockets.insert(socket, (number, key));
                    self.open[number] = socket;
                    let claims = NodeClaims { sub: id(number as u32), region: region() };
                    let opened =
                        fleet::Attachment { socket, opened_at: self.now, claims, address: None, heartbeat: None };
                    self.ask(at, fleet::Input::SocketOpened(opened));
                    self.nodes[number].handle_news(at, key, News::Opened);
                }
                membership::Output::Send { frame, .. } => {
                    let frame = fleet::Input::Frame { socket: self.open[number], frame: NodeToFleet::parse(&frame) };
                    self.ask(at, frame);
                }
                membership::Output::Close { .. } => panic!("no node is refused"),
            }
        }
    }

    fn ask(&mut self, at: Instant, input: fleet::Input) {
        self.requests.push(self.now);
        self.fleet.handle_input(self.now, input);
        while let Some(output) = self.fleet.poll_output() {
            match output {
                fleet::Output::Send { socket, message } => {
                    let (number, key) = self.sockets[&socket];
                    let before = self.nodes[number].poll_timeout();
                    self.nodes[number].handle_news(at, key, News::Frame(message.to_json()));
                    // The node that is being asked takes its place in the queue afterwards.
                    if before.is_some_and(|before| self.due.remove(&(before, number))) {
                        self.due.extend(self.nodes[number].poll_timeout().map(|next| (next, number)));
                    }
                }
                fleet::Output::Close { .. } => panic!("no node falls silent"),
                fleet::Output::Store(_)
                | fleet::Output::Attach(_)
                | fleet::Output::Answer { .. }
                | fleet::Output::Tell(_) => {}
            }
        }
    }
}

/// The requests of a room in an hour: it is new, five people are in it, and every six minutes on average another one
/// takes the place of one of them.
fn asks_of_a_room(seed: u64) -> usize {
    let random = Cell::new(seed);
    let mut stage = Stage::new(seed);
    let names = ["ada", "grace", "edsger", "barbara", "alan", "leslie"];
    let mut asks = 0;
    let mut does = |stage: &mut Stage, step: &str| {
        for output in act(stage, step) {
            match output {
                Output::AskFleet(_) => asks += 1,
                Output::AskTurn { epoch, region } => {
                    asks += 1;
                    let nodes = vec![vec!["turn:127.0.0.1:3478".into()]];
                    stage.input(Input::TurnAnswered { epoch, relays: Relays::from([(region, nodes)]) });
                }
                _ => {}
            }
        }
    };
    let joins = |stage: &mut Stage, does: &mut dyn FnMut(&mut Stage, &str), name: &str, attempt: usize| {
        does(stage, &format!("{name} opens"));
        does(stage, &format!("{name} joins {} mic slots=1", char::from(b'a' + (attempt % 26) as u8)));
    };
    joins(&mut stage, &mut does, names[0], 0);
    for step in ["fleet gives node-a e1", "node-a dials e1", "node-a hello e1", "node-a up ada"] {
        does(&mut stage, step);
    }
    for name in &names[1..5] {
        joins(&mut stage, &mut does, name, 0);
        does(&mut stage, &format!("node-a up {name}"));
    }
    let mut ms = 0;
    for turn in 5.. {
        let pause = next(&random) % (2 * 6 * 60_000);
        ms += pause;
        if ms > 3_600_000 {
            break;
        }
        does(&mut stage, &format!("wait {pause}"));
        does(&mut stage, &format!("{} leaves", names[(turn + 1) % names.len()]));
        joins(&mut stage, &mut does, names[turn % names.len()], turn / names.len() + 1);
        does(&mut stage, &format!("node-a up {}", names[turn % names.len()]));
    }
    asks
}

// Holds S3-DEP-09.
#[test]
fn a_thousand_nodes_and_their_rooms_ask_one_fleet_object_less_than_300_times_a_second() {
    let mut nodes = Nodes::new();
    nodes.run_until(START.plus_ms(SETTLED_MS + MEASURED_MS));
    let measured: Vec<_> = nodes.requests.iter().filter(|at| at.since_ms(START) >= SETTLED_MS).copied().collect();
    let beats_a_second = measured.len() as f64 * 1_000.0 / MEASURED_MS as f64;
    let heartbeats = peak(&measured, 1_000) as f64;
    let sample = 50;
    let asks: usize = (0..sample).map(|room| asks_of_a_room(room * 7_919 + 1)).sum();
    let asks_of_each = asks as f64 / sample as f64;
    let rooms_a_second = asks_of_each * f64::from(NODES * ROOMS_PER_NODE) / 3_600.0;
    // Rooms ask independently of each other: a Poisson process, and an hour has 3,600 seconds.
    let rooms = rooms_a_second + 4.0 * rooms_a_second.sqrt();
    if std::env::var_os("SHOW").is_some() {
        eprintln!(
            "in the worst second {heartbeats} of nodes (average {beats_a_second:.0}) and {rooms:.0} of rooms \
             (average {rooms_a_second:.0}, {asks_of_each:.1} for each room and hour)"
        );
    }
    assert!(beats_a_second <= 80.0, "{beats_a_second}");
    assert!(heartbeats + rooms < REQUESTS_PER_S_MAX, "{heartbeats} heartbeats and {rooms} of rooms");
}
