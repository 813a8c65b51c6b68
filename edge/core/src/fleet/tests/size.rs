//! A region of two hundred nodes and twenty thousand rooms.

use super::{NOW, key, region};
use crate::SocketId;
use crate::fleet::{Attachment, Fleet, Input, Output, PlaceAnswer, PlaceRequest};
use crate::random::tests::seeded;
use shared::control::{NodeLoad, NodeRegistration, NodeToFleet, ShardInfo};
use shared::rtp_parameters::Fingerprint;
use shared::token::NodeClaims;
use shared::{NodeId, RoomId, UnixMillis, limits};

const NODES: u32 = 200;
const ROOMS: u32 = 20_000;
/// Each node gets one a second.
const ROOMS_PER_S: u32 = 200;
const SHARDS: u16 = 4;
const SESSIONS_PER_SHARD: u32 = 500;
/// A node's sessions, at least and at most, as a multiple of the average.
const EVEN: std::ops::RangeInclusive<f64> = 0.8..=1.2;

struct Crowd {
    fleet: Fleet,
    now: UnixMillis,
    /// The sessions of each thread of each node.
    threads: Vec<[u32; SHARDS as usize]>,
    rooms: Vec<u32>,
}

impl Crowd {
    fn new() -> Self {
        let fleet = Fleet::new(region(), key(), seeded(1));
        let mut crowd = Self {
            fleet,
            now: NOW,
            threads: vec![[0; SHARDS as usize]; NODES as usize],
            rooms: vec![0; NODES as usize],
        };
        for number in 0..NODES {
            let claims = NodeClaims { sub: id(number), region: region() };
            let attachment =
                Attachment { socket: socket(number), opened_at: NOW, claims, address: None, heartbeat: None };
            crowd.input(Input::SocketOpened(attachment));
            crowd.says(number, NodeToFleet::Register(registration(number)));
        }
        // Nodes send their first heartbeat as they register, and hear how long the interval is in a region of this size.
        (0..NODES).for_each(|number| crowd.heartbeat(number));
        crowd
    }

    fn input(&mut self, input: Input) -> Option<PlaceAnswer> {
        self.fleet.handle_input(self.now, input);
        let outputs = std::iter::from_fn(|| self.fleet.poll_output());
        outputs
            .fold(None, |answer, output| if let Output::Answer { answer, .. } = output { Some(answer) } else { answer })
    }

    fn says(&mut self, number: u32, message: NodeToFleet) {
        self.input(Input::Frame { socket: socket(number), frame: Ok(message) });
    }

    /// Nodes send their heartbeats in turn, evenly spread over the interval.
    fn pass_to(&mut self, end: UnixMillis) {
        let pause = limits::heartbeat_interval_ms(NODES as usize) / u64::from(NODES);
        while self.now < end {
            self.now = self.now.plus_ms(1);
            let (turn, rest) = (self.now.since_ms(NOW) / pause, self.now.since_ms(NOW) % pause);
            if rest == 0 {
                self.heartbeat(u32::try_from(turn % u64::from(NODES)).unwrap());
            }
        }
    }

    fn heartbeat(&mut self, number: u32) {
        let threads = self.threads[number as usize];
        let busiest = threads.into_iter().max().unwrap_or(0) * 1_000 / SESSIONS_PER_SHARD;
        let load = NodeLoad {
            rooms: self.rooms[number as usize],
            sessions: threads.into_iter().sum(),
            busiest_shard_permille: busiest.try_into().unwrap(),
            ..NodeLoad::default()
        };
        self.says(number, NodeToFleet::Heartbeat { load });
    }

    /// Places a room of one to four people, and returns its node.
    fn place(&mut self, room: u32, avoid: Option<u32>) -> u32 {
        let avoid = avoid.map(id).into_iter().collect();
        let ask = PlaceRequest {
            room: RoomId::parse(&format!("r{room}")).unwrap(),
            epoch: 1,
            avoid,
            full: None,
            region: None,
            session: None,
        };
        let Some(PlaceAnswer::Placed(placed)) = self.input(Input::Place { request: 1, ask }) else { panic!("no node") };
        let node: u32 = placed.node.as_str()[1..].parse().unwrap();
        self.threads[node as usize][usize::from(placed.shard)] += people(room);
        self.rooms[node as usize] += 1;
        node
    }

    fn check_even(&self, but: Option<u32>) {
        let sessions: Vec<u32> = (0..NODES)
            .filter(|number| but != Some(*number))
            .map(|number| self.threads[number as usize].into_iter().sum())
            .collect();
        let average = f64::from(sessions.iter().sum::<u32>()) / sessions.len() as f64;
        let (least, most) = (sessions.iter().min().unwrap(), sessions.iter().max().unwrap());
        let shares = [f64::from(*least) / average, f64::from(*most) / average];
        assert!(shares.iter().all(|share| EVEN.contains(share)), "{shares:?} of {average}");
    }
}

fn socket(number: u32) -> SocketId {
    SocketId(u64::from(number))
}

fn id(number: u32) -> NodeId {
    NodeId::parse(&format!("n{number}")).unwrap()
}

fn people(room: u32) -> u32 {
    1 + room.wrapping_mul(2_654_435_761) / (u32::MAX / 4 + 1)
}

fn registration(number: u32) -> NodeRegistration {
    let [_, _, high, low] = number.to_be_bytes();
    let shard = |shard: u16| ShardInfo { shard, candidates: vec![([10, 0, high, low], 7000 + shard).into()] };
    NodeRegistration {
        node: id(number),
        region: region(),
        fingerprint: Fingerprint([3; 32]),
        shards: (0..SHARDS).map(shard).collect(),
        tcp_candidates: Vec::new(),
        sessions_max: SESSIONS_PER_SHARD * u32::from(SHARDS),
        probe: None,
        probe_families: None,
    }
}

#[test]
fn rooms_are_spread_evenly_over_many_nodes_and_again_when_one_is_lost() {
    let mut crowd = Crowd::new();
    let mut of_first = Vec::new();
    for room in 0..ROOMS {
        if crowd.place(room, None) == 0 {
            of_first.push(room);
        }
        crowd.pass_to(NOW.plus_ms(u64::from(room + 1) * 1_000 / u64::from(ROOMS_PER_S)));
    }
    crowd.check_even(None);
    // The first node is lost.
    crowd.input(Input::SocketClosed { socket: socket(0) });
    for room in of_first {
        assert_ne!(crowd.place(room, Some(0)), 0);
    }
    crowd.check_even(Some(0));
}
