//! Nodes come, get rooms and go; a sleep after any step changes nothing.

mod abroad;
mod reach;
mod size;

use super::*;
use crate::random::tests::seeded;
use shared::RoomId;
use shared::control::{ShardInfo, TurnRegistration};
use shared::rtp_parameters::Fingerprint;
use std::collections::{BTreeMap, BTreeSet};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const HEARTBEAT_TIMEOUT_MS: u64 = limits::HEARTBEATS_MISSED_MAX * limits::HEARTBEAT_INTERVAL_MS;

struct Stage {
    fleet: Fleet,
    now: UnixMillis,
    rows: BTreeMap<String, String>,
    sockets: BTreeMap<SocketId, Attachment>,
    sleeps: bool,
}

fn region() -> Region {
    Region::parse("local").unwrap()
}

fn key() -> Key {
    Key::new("k", &[7; 32]).unwrap()
}

impl Stage {
    fn new(sleeps: bool) -> Self {
        let fleet = Fleet::new(region(), key(), seeded(1));
        Self { fleet, now: NOW, rows: BTreeMap::new(), sockets: BTreeMap::new(), sleeps }
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.fleet.handle_input(self.now, input);
        let outputs = self.drain();
        if self.sleeps {
            self.sleep();
        }
        outputs
    }

    fn drain(&mut self) -> Vec<Output> {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.fleet.poll_output()).collect();
        for output in &outputs {
            match output {
                Output::Store(changes) => {
                    changes.delete.iter().for_each(|key| drop(self.rows.remove(key)));
                    self.rows.extend(changes.put.iter().map(|row| (row.key.clone(), row.value.clone())));
                }
                Output::Attach(attachment) => drop(self.sockets.insert(attachment.socket, attachment.clone())),
                Output::Close { socket, .. } => drop(self.sockets.remove(socket)),
                Output::Send { .. } | Output::Answer { .. } | Output::Tell(_) => {}
            }
        }
        outputs
    }

    fn sleep(&mut self) -> Vec<Output> {
        let row = |(key, value): (&String, &String)| Row { key: key.clone(), value: value.clone() };
        let rows: Vec<Row> = self.rows.iter().map(row).collect();
        let through_json = |attachment: &Attachment| {
            let json = serde_json::to_string(attachment).unwrap();
            assert!(json.len() <= 1024, "{}", json.len());
            serde_json::from_str(&json).unwrap()
        };
        let sockets = self.sockets.values().map(through_json).collect();
        let random = std::mem::replace(&mut self.fleet.random, seeded(0));
        self.fleet = Fleet::restore(region(), key(), random, self.now, &rows, sockets).unwrap();
        self.drain()
    }

    fn open(&mut self, socket: u64, node: &str) -> SocketId {
        let claims = NodeClaims { sub: NodeId::parse(node).unwrap(), region: region() };
        let socket = SocketId(socket);
        let attachment = Attachment { socket, opened_at: self.now, claims, address: None, heartbeat: None };
        self.sockets.insert(socket, attachment.clone());
        assert_eq!(self.input(Input::SocketOpened(attachment)), []);
        socket
    }

    fn says(&mut self, socket: SocketId, message: NodeToFleet) -> Vec<Output> {
        self.input(Input::Frame { socket, frame: Ok(message) })
    }

    /// A node with two shards on two ports.
    fn registered(&mut self, socket: u64, node: &str) -> SocketId {
        let socket = self.open(socket, node);
        let outputs = self.says(socket, NodeToFleet::Register(registration(node)));
        assert_eq!(sent(&outputs), [FleetToNode::Registered {}]);
        socket
    }

    fn turn(&mut self, socket: u64, node: &str, allocations_max: u32) -> (SocketId, Vec<FleetToNode>) {
        let socket = self.open(socket, node);
        let outputs = self.says(socket, NodeToFleet::RegisterTurn(turn_registration(node, allocations_max)));
        (socket, sent(&outputs))
    }

    /// The URIs of this region's TURN nodes for a client.
    fn turn_urls(&mut self) -> Vec<String> {
        self.fleet.relays(self.now).remove(&region()).unwrap_or_default().concat()
    }

    fn place(&mut self, avoid: &[&str]) -> (PlaceAnswer, Vec<Output>) {
        let avoid = avoid.iter().map(|node| NodeId::parse(node).unwrap()).collect();
        let ask = PlaceRequest {
            room: RoomId::parse("daily").unwrap(),
            epoch: 9,
            avoid,
            full: None,
            region: None,
            session: None,
        };
        let outputs = self.input(Input::Place { request: 5, ask });
        let answer = outputs.iter().find_map(|output| match output {
            Output::Answer { request: 5, answer } => Some(answer.clone()),
            _ => None,
        });
        (answer.unwrap(), outputs)
    }
}

fn registration(node: &str) -> NodeRegistration {
    let number = node.bytes().last().unwrap() - b'0';
    let shard = |shard: u16| ShardInfo { shard, candidates: vec![([127, 0, 0, number], 7000 + shard).into()] };
    NodeRegistration {
        node: NodeId::parse(node).unwrap(),
        region: region(),
        fingerprint: Fingerprint([3; 32]),
        shards: vec![shard(0), shard(1)],
        tcp_candidates: vec![([127, 0, 0, number], 443).into()],
        sessions_max: 100,
        probe: None,
        probe_families: None,
    }
}

fn turn_registration(node: &str, allocations_max: u32) -> TurnRegistration {
    let urls = vec![format!("turn:{node}.example.org:3478?transport=udp")];
    TurnRegistration { node: NodeId::parse(node).unwrap(), region: region(), urls, allocations_max }
}

/// The message to TURN nodes that lists the media nodes of these numbers.
fn addresses(nodes: &[u8]) -> FleetToNode {
    let of = |node: &u8| [0, 1].map(|shard| ([127, 0, 0, *node], 7000 + shard).into());
    FleetToNode::SetMediaNodes { addresses: nodes.iter().flat_map(of).collect() }
}

fn sent(outputs: &[Output]) -> Vec<FleetToNode> {
    let message = |output: &Output| match output {
        Output::Send { message, .. } => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

fn shard_of(answer: &PlaceAnswer) -> Option<(String, u16)> {
    match answer {
        PlaceAnswer::Placed(placement) => Some((placement.node.to_string(), placement.shard)),
        PlaceAnswer::Failed { .. } => None,
    }
}

const NOBODY: PlaceAnswer = PlaceAnswer::Failed { code: ErrorCode::NoMediaNode };

/// Plays the same steps with and without a sleep after each.
fn check(play: impl Fn(&mut Stage)) {
    for sleeps in [false, true] {
        play(&mut Stage::new(sleeps));
    }
}

#[test]
fn a_room_goes_to_a_registered_node_with_a_ticket() {
    check(|stage| {
        assert_eq!(stage.place(&[]).0, NOBODY);
        let socket = stage.registered(1, "media-1");
        let (answer, outputs) = stage.place(&[]);
        let expected = Placement {
            node: NodeId::parse("media-1").unwrap(),
            shard: 0,
            candidates: vec![([127, 0, 0, 1], 7000).into()],
            tcp_candidates: vec![([127, 0, 0, 1], 443).into()],
            fingerprint: Fingerprint([3; 32]),
            region: region(),
            relays: Relays::new(),
        };
        assert_eq!(answer, PlaceAnswer::Placed(expected));
        let [FleetToNode::Assign(assignment)] = &sent(&outputs)[..] else { panic!("{outputs:?}") };
        assert_eq!((assignment.epoch, assignment.shard), (9, 0));
        let claims: TicketClaims = token::verify(&assignment.ticket, &[key()], stage.now).unwrap();
        assert_eq!((claims.sub.as_str(), claims.room.as_str(), claims.epoch), ("media-1", "daily", 9));
        stage.sockets.remove(&socket);
        stage.input(Input::SocketClosed { socket });
        assert_eq!(stage.place(&[]).0, NOBODY);
        // It may still serve clients, so it is remembered for a while.
        assert_eq!(stage.rows.len(), 1);
        stage.now = stage.now.plus_ms(limits::MEDIA_NODE_LINGER_MS);
        stage.input(Input::Deadline);
        assert_eq!(stage.rows.len(), 0);
    });
}

#[test]
fn shards_take_turns() {
    check(|stage| {
        stage.registered(1, "media-1");
        let shards: Vec<_> = (0..3).filter_map(|_| shard_of(&stage.place(&[]).0)).map(|(_, shard)| shard).collect();
        assert_eq!(shards, [0, 1, 0]);
    });
}

// Holds S3-DEP-09.
#[test]
fn rooms_that_come_at_once_do_not_all_go_to_one_node() {
    check(|stage| {
        let (first, second) = (stage.registered(1, "media-1"), stage.registered(2, "media-2"));
        for _ in 0..20 {
            stage.place(&[]);
        }
        let given = |socket: SocketId| stage.sockets[&socket].heartbeat.unwrap().assigned;
        assert_eq!((given(first), given(second)), (10, 10));
    });
}

#[test]
fn a_busy_a_draining_and_a_silent_node_get_no_rooms() {
    check(|stage| {
        let busy = stage.registered(1, "media-1");
        let other = stage.registered(2, "media-2");
        let load = NodeLoad { busiest_shard_permille: 900, ..NodeLoad::default() };
        stage.says(busy, NodeToFleet::Heartbeat { load });
        assert_eq!(shard_of(&stage.place(&[]).0).unwrap().0, "media-2");
        stage.says(other, NodeToFleet::Draining {});
        assert_eq!(shard_of(&stage.place(&[]).0).unwrap().0, "media-1");
        // A draining node stays connected because it still has rooms.
        stage.now = stage.now.plus_ms(HEARTBEAT_TIMEOUT_MS - 1);
        stage.says(other, NodeToFleet::Heartbeat { load });
        assert!(stage.fleet.poll_timeout() <= Some(stage.now.plus_ms(1)));
        stage.now = stage.now.plus_ms(1);
        let outputs = stage.input(Input::Deadline);
        let closed: Vec<_> = outputs.iter().filter(|output| matches!(output, Output::Close { .. })).collect();
        assert_eq!(closed, [&Output::Close { socket: busy, code: close_code::POLICY }]);
        assert_eq!(stage.place(&[]).0, NOBODY);
    });
}

#[test]
fn a_large_region_hears_its_nodes_less_often_and_is_as_patient() {
    for (nodes, interval_ms) in [(limits::NODES_PER_HEARTBEAT_INTERVAL, None), (401, Some(10_000))] {
        let mut stage = Stage::new(false);
        let first = stage.registered(1, "media-1");
        for number in 2..=nodes {
            stage.registered(number as u64, &format!("media-{number}"));
        }
        stage.sleep();
        let beat = |stage: &mut Stage| sent(&stage.says(first, NodeToFleet::Heartbeat { load: NodeLoad::default() }));
        let told: Vec<_> =
            interval_ms.map(|interval_ms| FleetToNode::SetHeartbeat { interval_ms }).into_iter().collect();
        assert_eq!(beat(&mut stage), told, "{nodes}");
        assert_eq!(beat(&mut stage), [], "once");
        stage.sleep();
        let silent_ms = interval_ms.map_or(HEARTBEAT_TIMEOUT_MS, |interval_ms| 3 * interval_ms);
        let is_closed = |outputs: Vec<Output>| {
            outputs.iter().any(|it| matches!(it, Output::Close { socket, .. } if *socket == first))
        };
        stage.now = stage.now.plus_ms(silent_ms - 1);
        assert!(!is_closed(stage.input(Input::Deadline)), "{nodes}");
        stage.now = stage.now.plus_ms(1);
        assert!(is_closed(stage.input(Input::Deadline)), "{nodes}");
    }
}

#[test]
fn a_node_that_failed_a_room_gets_it_again_only_as_the_last() {
    check(|stage| {
        stage.registered(1, "media-1");
        assert_eq!(shard_of(&stage.place(&["media-1"]).0).unwrap().0, "media-1");
        stage.registered(2, "media-2");
        for _ in 0..5 {
            assert_eq!(shard_of(&stage.place(&["media-1"]).0).unwrap().0, "media-2");
        }
    });
}

#[test]
fn a_node_that_dials_again_replaces_itself() {
    check(|stage| {
        let before = stage.registered(1, "media-1");
        let socket = stage.open(2, "media-1");
        let outputs = stage.says(socket, NodeToFleet::Register(registration("media-1")));
        assert!(outputs.contains(&Output::Close { socket: before, code: close_code::NORMAL }), "{outputs:?}");
        assert_eq!(stage.input(Input::SocketClosed { socket: before }), []);
        assert!(shard_of(&stage.place(&[]).0).is_some());
    });
}

#[test]
fn refuses_a_registration_that_is_not_the_tokens_or_makes_no_sense() {
    let shard = |shard: u16, addresses: u16| ShardInfo {
        shard,
        candidates: (0..addresses).map(|port| ([127, 0, 0, 1], port).into()).collect(),
    };
    let with = |shards: Vec<ShardInfo>| NodeRegistration { shards, ..registration("media-1") };
    let tcp = |count| vec![([127, 0, 0, 1], 443).into(); count];
    let other_region = NodeRegistration { region: Region::parse("mars").unwrap(), ..registration("media-1") };
    for (registration, code) in [
        (registration("media-2"), ErrorCode::BadToken),
        (other_region, ErrorCode::BadToken),
        (with(vec![]), ErrorCode::InvalidMessage),
        (with(vec![shard(0, 1), shard(0, 1)]), ErrorCode::InvalidMessage),
        (with(vec![shard(0, 0)]), ErrorCode::InvalidMessage),
        (with(vec![shard(0, 9)]), ErrorCode::InvalidMessage),
        (NodeRegistration { tcp_candidates: tcp(9), ..registration("media-1") }, ErrorCode::InvalidMessage),
        (with((0..257).map(|number| shard(number, 1)).collect()), ErrorCode::InvalidMessage),
    ] {
        check(|stage| {
            let socket = stage.open(1, "media-1");
            let outputs = stage.says(socket, NodeToFleet::Register(registration.clone()));
            assert_eq!(sent(&outputs).last(), Some(&FleetToNode::Refused { code }));
            assert!(outputs.contains(&Output::Close { socket, code: close_code::POLICY }));
            assert_eq!((stage.place(&[]).0, stage.rows.len()), (NOBODY, 0));
        });
    }
}

#[test]
fn what_comes_before_registering_or_cannot_be_read_gets_an_error() {
    check(|stage| {
        let socket = stage.open(1, "media-1");
        for message in [NodeToFleet::Draining {}, NodeToFleet::Heartbeat { load: NodeLoad::default() }] {
            let sent = sent(&stage.says(socket, message));
            assert!(matches!(&sent[..], [FleetToNode::Error { code: ErrorCode::NotJoined, .. }]), "{sent:?}");
        }
        let sent = sent(&stage.input(Input::Frame { socket, frame: Err(ControlError::Malformed) }));
        assert!(matches!(&sent[..], [FleetToNode::Error { code: ErrorCode::MalformedFrame, .. }]), "{sent:?}");
        // It must register in time.
        stage.now = stage.now.plus_ms(limits::FIRST_FRAME_TIMEOUT_MS);
        assert!(stage.input(Input::Deadline).contains(&Output::Close { socket, code: close_code::POLICY }));
    });
}

#[test]
fn nodes_whose_sockets_died_with_the_edge_get_no_rooms_and_are_forgotten() {
    let mut stage = Stage::new(false);
    stage.registered(1, "media-1");
    stage.turn(2, "turn-1", 100);
    stage.sockets.clear();
    let [Output::Store(changes)] = &stage.sleep()[..] else { panic!("nothing but the rows changes") };
    assert_eq!((changes.put.len(), &changes.delete[..]), (1, &["turn/turn-1".to_owned()][..]));
    assert_eq!((stage.place(&[]).0, stage.turn_urls()), (NOBODY, vec![]));
    assert!(stage.fleet.poll_timeout() <= Some(stage.now.plus_ms(limits::MEDIA_NODE_LINGER_MS)));
    stage.now = stage.now.plus_ms(limits::MEDIA_NODE_LINGER_MS);
    let deleted = Changes { put: vec![], delete: vec!["node/media-1".into()] };
    let nobody = News { region: region(), media: vec![], turn: vec![] };
    assert_eq!(stage.input(Input::Deadline), [Output::Store(deleted), Output::Tell(nobody)]);
    assert_eq!(stage.fleet.poll_timeout(), None);
}

#[test]
fn rows_of_another_version_are_refused() {
    let row = |key: &str, value: &str| [Row { key: key.into(), value: value.into() }];
    let restore = |rows: &[Row]| Fleet::restore(region(), key(), seeded(1), NOW, rows, vec![]).err();
    let expected = RestoreError::Version { key: "node/a".into(), found: 0, expected: 1 };
    assert_eq!(restore(&row("node/a", r#"{"version":0,"row":{}}"#)), Some(expected));
    for (key, value) in [("node/a", "{}"), ("node/a", r#"{"version":1,"row":{}}"#), ("moon/a", "{}"), ("node/ä", "{}")]
    {
        assert!(matches!(restore(&row(key, value)), Some(RestoreError::Malformed { .. })), "{key} {value}");
    }
}

#[test]
fn a_turn_node_is_told_where_media_nodes_are_and_of_every_change() {
    check(|stage| {
        let first = stage.registered(1, "media-1");
        let (turn, told) = stage.turn(2, "turn-1", 100);
        assert_eq!(told, [FleetToNode::Registered {}, addresses(&[1])]);
        let second = stage.open(3, "media-2");
        let outputs = stage.says(second, NodeToFleet::Register(registration("media-2")));
        assert!(outputs.contains(&Output::Send { socket: turn, message: addresses(&[1, 2]) }), "{outputs:?}");
        // A node that drains, or has lost only the edge, keeps serving its sessions.
        assert_eq!(sent(&stage.says(first, NodeToFleet::Draining {})), []);
        stage.sockets.remove(&first);
        assert_eq!(sent(&stage.input(Input::SocketClosed { socket: first })), []);
        let again = stage.open(4, "media-1");
        assert_eq!(
            sent(&stage.says(again, NodeToFleet::Register(registration("media-1")))),
            [FleetToNode::Registered {}]
        );
        stage.sockets.remove(&again);
        stage.input(Input::SocketClosed { socket: again });
        for _ in 0..limits::MEDIA_NODE_LINGER_MS / limits::HEARTBEAT_INTERVAL_MS - 1 {
            stage.now = stage.now.plus_ms(limits::HEARTBEAT_INTERVAL_MS);
            for socket in [turn, second] {
                assert_eq!(sent(&stage.says(socket, NodeToFleet::Heartbeat { load: NodeLoad::default() })), []);
            }
        }
        stage.now = stage.now.plus_ms(limits::HEARTBEAT_INTERVAL_MS);
        let outputs = stage.input(Input::Deadline);
        assert_eq!(sent(&outputs), [addresses(&[2])]);
    });
}

#[test]
fn clients_are_told_of_a_few_healthy_turn_nodes_the_idle_ones_first() {
    check(|stage| {
        stage.registered(1, "media-1");
        let url = |node: &str| turn_registration(node, 1).urls.remove(0);
        let (busy, _) = stage.turn(2, "turn-1", 100);
        let (draining, _) = stage.turn(3, "turn-2", 100);
        let (full, _) = stage.turn(4, "turn-3", 100);
        let (silent, _) = stage.turn(5, "turn-4", 100);
        stage.turn(6, "turn-5", 100);
        let load = |sessions| NodeToFleet::Heartbeat { load: NodeLoad { sessions, ..NodeLoad::default() } };
        stage.says(busy, load(50));
        stage.says(full, load(100));
        stage.says(draining, NodeToFleet::Draining {});
        stage.sockets.remove(&silent);
        stage.input(Input::SocketClosed { socket: silent });
        let mut firsts = BTreeMap::new();
        for _ in 0..100 {
            let urls = stage.turn_urls();
            assert_eq!(urls.iter().collect::<BTreeSet<_>>(), [&url("turn-1"), &url("turn-5")].into(), "{urls:?}");
            *firsts.entry(urls[0].clone()).or_insert(0) += 1;
        }
        assert!(firsts[&url("turn-5")] > 60 && firsts[&url("turn-1")] > 10, "{firsts:?}");
        let PlaceAnswer::Placed(placement) = stage.place(&[]).0 else { panic!("a node is there") };
        assert_eq!(placement.relays[&region()].len(), limits::TURN_NODES_PER_CLIENT);
        // A silent node is closed, and TURN nodes no longer hear of it.
        stage.now = stage.now.plus_ms(HEARTBEAT_TIMEOUT_MS);
        stage.input(Input::Deadline);
        assert_eq!(stage.turn_urls(), [] as [String; 0]);
    });
}

#[test]
fn a_node_is_of_one_kind_at_a_time() {
    check(|stage| {
        let media = stage.registered(1, "media-1");
        let (turn, _) = stage.turn(2, "media-1", 100);
        assert!(!stage.sockets.contains_key(&media));
        assert_eq!(stage.place(&[]).0, NOBODY);
        assert_eq!(stage.turn_urls().len(), 1);
        let outputs = stage.says(turn, NodeToFleet::Register(registration("media-1")));
        assert_eq!(sent(&outputs), [FleetToNode::Registered {}]);
        assert_eq!(stage.turn_urls(), [] as [String; 0]);
    });
}

#[test]
fn a_turn_node_changes_its_addresses_on_the_same_socket() {
    check(|stage| {
        let socket = stage.open(1, "turn-1");
        let mut registration = turn_registration("turn-1", 5);
        stage.says(socket, NodeToFleet::RegisterTurn(registration.clone()));
        assert_eq!(stage.turn_urls(), registration.urls);
        registration.urls.push("turns:turn-1.example.org:443?transport=tcp".to_owned());
        let outputs = stage.says(socket, NodeToFleet::RegisterTurn(registration.clone()));
        assert_eq!(sent(&outputs).first(), Some(&FleetToNode::Registered {}));
        assert!(!outputs.iter().any(|output| matches!(output, Output::Close { .. })), "{outputs:?}");
        assert_eq!(stage.turn_urls(), registration.urls);
    });
}

#[test]
fn refuses_a_turn_registration_that_is_not_the_tokens_or_makes_no_sense() {
    let with = |urls: &[&str]| TurnRegistration {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        ..turn_registration("turn-1", 1)
    };
    for (registration, code) in [
        (turn_registration("turn-2", 1), ErrorCode::BadToken),
        (with(&[]), ErrorCode::InvalidMessage),
        (with(&["https://example.org"]), ErrorCode::InvalidMessage),
    ] {
        check(|stage| {
            let socket = stage.open(1, "turn-1");
            let outputs = stage.says(socket, NodeToFleet::RegisterTurn(registration.clone()));
            assert_eq!(sent(&outputs).last(), Some(&FleetToNode::Refused { code }));
            assert!(outputs.contains(&Output::Close { socket, code: close_code::POLICY }));
            assert_eq!((stage.turn_urls().len(), stage.rows.len()), (0, 0));
        });
    }
}
