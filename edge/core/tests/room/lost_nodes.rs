//! A region of a thousand nodes and a hundred thousand rooms loses a node: its rooms are placed again within seconds,
//! and do not ask the Fleet object all at once.

use crate::scripts::act;
use crate::stage::{Stage, randomness};
use edge_core::SocketId;
use edge_core::fleet::{self, Fleet, PlaceAnswer, PlaceRequest};
use edge_core::room::{Input, Output};
use shared::control::{NodeLoad, NodeRegistration, NodeToFleet, ShardInfo};
use shared::rtp_parameters::Fingerprint;
use shared::token::{Key, NodeClaims};
use shared::{NodeId, Region, UnixMillis, limits};
use std::cell::Cell;
use std::rc::Rc;

pub(crate) const NODES: u32 = 1_000;
pub(crate) const ROOMS_PER_NODE: u32 = 100;
/// The rooms of the lost node, which has more than the others.
const LOST_ROOMS: u64 = 3 * ROOMS_PER_NODE as u64;
const REQUESTS_PER_S_MAX: usize = 500;
/// Of other rooms, as [`crate::region`] measures it.
const ROOMS_ASK_PER_S: usize = 180;
/// Short, so that a burst counts even if the rest of its second is quiet.
const WINDOW_MS: u64 = 200;
const REQUESTS_PER_WINDOW_MAX: usize = REQUESTS_PER_S_MAX * WINDOW_MS as usize / 1_000;
const PLACED_WITHIN_MS: u64 = 5_000;

pub(crate) fn id(number: u32) -> NodeId {
    NodeId::parse(&format!("n{number}")).expect("a name")
}

pub(crate) fn region() -> Region {
    Region::parse("local").expect("a name")
}

fn tell(fleet: &mut Fleet, now: UnixMillis, input: fleet::Input) -> Option<PlaceAnswer> {
    fleet.handle_input(now, input);
    let mut answer = None;
    while let Some(output) = fleet.poll_output() {
        if let fleet::Output::Answer { answer: placed, .. } = output {
            answer = Some(placed);
        }
    }
    answer
}

/// A region whose nodes say that they serve a hundred rooms each.
fn fleet(now: UnixMillis) -> Fleet {
    let key = Key::new("k", &[7; 32]).expect("a key");
    let mut fleet = Fleet::new(region(), key, randomness(&Rc::new(Cell::new(1))));
    for number in 0..NODES {
        let claims = NodeClaims { sub: id(number), region: region() };
        let socket = SocketId(u64::from(number));
        tell(
            &mut fleet,
            now,
            fleet::Input::SocketOpened(fleet::Attachment {
                socket,
                opened_at: now,
                claims,
                address: None,
                heartbeat: None,
            }),
        );
        hear(&mut fleet, now, number, NodeToFleet::Register(registration(number)));
    }
    beat(&mut fleet, now, 0..NODES);
    fleet
}

pub(crate) fn registration(number: u32) -> NodeRegistration {
    let [_, _, high, low] = number.to_be_bytes();
    NodeRegistration {
        node: id(number),
        region: region(),
        fingerprint: Fingerprint([3; 32]),
        shards: vec![ShardInfo { shard: 0, candidates: vec![([10, 0, high, low], 7000).into()] }],
        tcp_candidates: Vec::new(),
        sessions_max: 2_000,
        probe: None,
        probe_families: None,
    }
}

fn hear(fleet: &mut Fleet, now: UnixMillis, number: u32, message: NodeToFleet) {
    tell(fleet, now, fleet::Input::Frame { socket: SocketId(u64::from(number)), frame: Ok(message) });
}

fn beat(fleet: &mut Fleet, now: UnixMillis, nodes: std::ops::Range<u32>) {
    let load = NodeLoad { rooms: ROOMS_PER_NODE, sessions: 5 * ROOMS_PER_NODE, ..NodeLoad::default() };
    nodes.for_each(|number| hear(fleet, now, number, NodeToFleet::Heartbeat { load }));
}

/// The rooms of one node, each with a participant whose media is connected.
fn rooms() -> Vec<Stage> {
    let room = |seed| {
        let mut stage = Stage::new(seed);
        let steps =
            ["ada opens", "ada joins a mic slots=1", "fleet gives node-a e1", "node-a dials e1", "node-a hello e1"];
        for step in steps.into_iter().chain(["node-a up ada"]) {
            act(&mut stage, step);
        }
        stage
    };
    (0..LOST_ROOMS).map(|number| room(number * 7_919 + 1)).collect()
}

fn asked(outputs: &[Output]) -> Option<PlaceRequest> {
    outputs.iter().find_map(|output| match output {
        Output::AskFleet(ask) => Some(ask.clone()),
        _ => None,
    })
}

/// The times of all requests and of the last placement, as the rooms' alarms fire. No node answers before `opens_at`.
fn place_again(fleet: &mut Fleet, stages: &mut [Stage], opens_at: UnixMillis) -> (Vec<UnixMillis>, UnixMillis) {
    let mut requests = Vec::new();
    let mut waiting: Vec<&mut Stage> = stages.iter_mut().collect();
    let mut last = UnixMillis(0);
    while !waiting.is_empty() {
        waiting.sort_by_key(|stage| std::cmp::Reverse(stage.timeout()));
        let Some(stage) = waiting.last_mut() else { break };
        stage.now = stage.now.max(stage.timeout().expect("a room without a node wants one"));
        // Clients are open and say `ping`; only the room's node matters here.
        let outputs = stage.input(Input::Deadline);
        let Some(ask) = asked(&outputs) else { continue };
        let (now, epoch) = (stage.now, ask.epoch);
        requests.push(now);
        let failed = PlaceAnswer::Failed { code: shared::ErrorCode::NoMediaNode };
        let answer = match now < opens_at {
            true => failed,
            false => tell(fleet, now, fleet::Input::Place { request: 1, ask }).expect("an answer"),
        };
        let is_placed = matches!(&answer, PlaceAnswer::Placed(placement) if placement.node != id(0));
        stage.input(Input::FleetAnswered { epoch, answer });
        if is_placed {
            last = last.max(now);
            waiting.pop();
        }
    }
    (requests, last)
}

/// The most requests in any window.
pub(crate) fn peak(requests: &[UnixMillis], window_ms: u64) -> usize {
    let mut sorted = requests.to_vec();
    sorted.sort_unstable();
    let within = |from: &UnixMillis| sorted.iter().filter(|at| *at >= from && at.since_ms(*from) < window_ms).count();
    sorted.iter().map(within).max().unwrap_or(0)
}

/// Everything else that reaches the Fleet object: each node sends a heartbeat, at a moment of its own.
fn heartbeats(from: UnixMillis, to: UnixMillis) -> Vec<UnixMillis> {
    let interval_ms = limits::heartbeat_interval_ms(NODES as usize);
    let times = |number: u32| {
        let first = from.plus_ms(u64::from(number) * 7_919 % interval_ms);
        let next = move |at: &UnixMillis| Some(at.plus_ms(interval_ms));
        std::iter::successors(Some(first), next).take_while(move |at| *at <= to)
    };
    (1..NODES).flat_map(times).collect()
}

#[test]
fn the_rooms_of_a_lost_node_are_placed_again_without_a_rush() {
    let mut stages = rooms();
    let lost_at = stages[0].now;
    let mut fleet = fleet(lost_at);
    // The node's machine loses power: all of its sockets close.
    tell(&mut fleet, lost_at, fleet::Input::SocketClosed { socket: SocketId(0) });
    stages.iter_mut().for_each(|stage| drop(stage.close("node-a")));
    let heard_at = lost_at.plus_ms(limits::NODE_LOST_TIMEOUT_MS / 2);
    beat(&mut fleet, heard_at, 1..NODES);
    let (requests, placed_at) = place_again(&mut fleet, &mut stages, lost_at);
    assert_eq!(requests.len(), stages.len(), "one request for each room");
    let first = *requests.iter().min().expect("requests");
    assert!(placed_at.since_ms(first) <= PLACED_WITHIN_MS, "{} ms", placed_at.since_ms(first));
    assert!(placed_at.since_ms(lost_at) <= limits::NODE_LOST_TIMEOUT_MS, "{} ms", placed_at.since_ms(lost_at));
    let most = peak(&requests, WINDOW_MS);
    assert!(most <= REQUESTS_PER_WINDOW_MAX, "{most} in {WINDOW_MS} ms");
    // One Fleet object for a region of this size is asked this much in its worst second.
    let all = [requests, heartbeats(lost_at, placed_at)].concat();
    let most = peak(&all, 1_000) + ROOMS_ASK_PER_S;
    assert!(most <= REQUESTS_PER_S_MAX, "{most} in a second");
    if std::env::var_os("SHOW").is_some() {
        eprintln!("the Fleet object gets {most} requests in its worst second");
    }
}

#[test]
fn rooms_that_found_no_node_do_not_ask_again_at_once() {
    let mut stages = rooms();
    let lost_at = stages[0].now;
    stages.iter_mut().for_each(|stage| drop(stage.close("node-a")));
    // The region's nodes come back after the rooms have asked in vain for half a minute.
    let opens_at = lost_at.plus_ms(limits::NODE_LOST_TIMEOUT_MS + 30_000);
    let mut fleet = fleet(opens_at);
    let (requests, placed_at) = place_again(&mut fleet, &mut stages, opens_at);
    assert!(placed_at.since_ms(opens_at) <= PLACED_WITHIN_MS, "{} ms", placed_at.since_ms(opens_at));
    let most = peak(&requests, WINDOW_MS);
    assert!(most <= REQUESTS_PER_WINDOW_MAX, "{most} in {WINDOW_MS} ms");
}
