//! A node that does not know its address gets the one that the edge sees, and rooms once another node has reached it.

use super::*;
use shared::control::{ProbeCredential, Reach};
use std::collections::BTreeSet;
use std::net::IpAddr;

fn credential() -> ProbeCredential {
    ProbeCredential { ufrag: "probe".into(), pwd: "secret".into(), over_tcp: true }
}

/// A node's registration without its address: two threads on two ports.
fn unaddressed(node: &str, unspecified: &str) -> NodeRegistration {
    let at = |port| vec![SocketAddr::new(unspecified.parse().unwrap(), port)];
    let shards = vec![ShardInfo { shard: 0, candidates: at(7000) }, ShardInfo { shard: 1, candidates: at(7001) }];
    NodeRegistration { shards, tcp_candidates: at(443), probe: Some(credential()), ..registration(node) }
}

fn seen() -> IpAddr {
    [192, 0, 2, 7].into()
}

fn of_threads() -> Vec<SocketAddr> {
    [7000, 7001].map(|port| SocketAddr::new(seen(), port)).into()
}

fn over_tcp() -> Vec<SocketAddr> {
    vec![SocketAddr::new(seen(), 443)]
}

/// The answer of a prober that reaches everything over TCP.
fn probed(probe: u64, answered: Vec<SocketAddr>) -> NodeToFleet {
    NodeToFleet::Probed { probe, answered, answered_tcp: Some(over_tcp()) }
}

impl Stage {
    /// Registers a node whose connection comes from `seen`.
    fn registers_from(&mut self, socket: u64, registration: NodeRegistration, seen: Option<IpAddr>) -> Vec<Output> {
        let claims = NodeClaims { sub: registration.node.clone(), region: region() };
        let socket = SocketId(socket);
        let attachment = Attachment { socket, opened_at: self.now, claims, address: seen, heartbeat: None };
        self.sockets.insert(socket, attachment.clone());
        self.input(Input::SocketOpened(attachment));
        self.says(socket, NodeToFleet::Register(registration))
    }
}

/// The number of the probe that `socket` is told to make of both threads of the node.
fn probe_at(outputs: &[Output], expected: SocketId) -> Option<u64> {
    outputs.iter().find_map(|output| match output {
        Output::Send { socket, message: FleetToNode::Probe { probe, addresses, tcp, credential: shown } } => {
            assert_eq!((*socket, addresses, shown), (expected, &of_threads(), &credential()));
            assert_eq!(*tcp, over_tcp());
            Some(*probe)
        }
        _ => None,
    })
}

fn reach(outputs: &[Output]) -> Option<Reach> {
    sent(outputs).into_iter().find_map(|message| match message {
        FleetToNode::SetReach { address, reach } => {
            assert_eq!(address, seen());
            Some(reach)
        }
        _ => None,
    })
}

#[test]
fn a_node_gets_rooms_once_another_has_reached_it_at_the_address_that_the_edge_sees() {
    check(|stage| {
        let prober = stage.registered(1, "media-1");
        stage.says(prober, NodeToFleet::Draining {});
        assert_eq!(stage.place(&[]).0, NOBODY);
        let prober = stage.registered(2, "media-2");
        let full = NodeLoad { sessions: 100, ..NodeLoad::default() };
        stage.says(prober, NodeToFleet::Heartbeat { load: full });
        let outputs = stage.registers_from(3, unaddressed("media-3", "0.0.0.0"), Some(seen()));
        assert_eq!(sent(&outputs)[0], FleetToNode::Registered {});
        assert_eq!(reach(&outputs), Some(Reach::Probing {}));
        let probe = probe_at(&outputs, prober).unwrap();
        assert_eq!(stage.place(&[]).0, NOBODY, "it may be unreachable");
        let outputs = stage.says(prober, probed(probe, of_threads()));
        assert_eq!(reach(&outputs), Some(Reach::Reached {}));
        let (PlaceAnswer::Placed(placement), _) = stage.place(&[]) else { panic!("it was reached") };
        assert_eq!(placement.candidates, of_threads()[..1]);
        assert_eq!(placement.tcp_candidates, [SocketAddr::new(seen(), 443)]);
    });
}

#[test]
fn a_node_that_does_not_answer_gets_no_rooms_and_is_probed_again() {
    check(|stage| {
        let prober = stage.registered(1, "media-1");
        let outputs = stage.registers_from(2, unaddressed("media-2", "::"), Some(seen()));
        stage.says(prober, NodeToFleet::Draining {});
        let probe = probe_at(&outputs, prober).unwrap();
        let answer = probed;
        // Only the node that was asked knows, and only about this probe.
        assert_eq!(reach(&stage.says(SocketId(2), answer(probe, of_threads()))), None);
        assert_eq!(reach(&stage.says(prober, answer(probe + 1, of_threads()))), None);
        let outputs = stage.says(prober, answer(probe, of_threads()[1..].to_vec()));
        assert_eq!(reach(&outputs), Some(Reach::Silent { addresses: of_threads()[..1].to_vec(), tcp: Vec::new() }));
        assert_eq!(stage.place(&[]).0, NOBODY);
        assert_eq!(reach(&stage.says(prober, answer(probe, of_threads()))), None, "once is enough");
        // Another prober, because the first one drains.
        let prober = stage.registered(3, "media-3");
        stage.says(prober, NodeToFleet::Heartbeat { load: NodeLoad { sessions: 100, ..NodeLoad::default() } });
        for _ in 0..limits::PROBE_INTERVAL_MS / limits::HEARTBEAT_INTERVAL_MS - 1 {
            stage.now = stage.now.plus_ms(limits::HEARTBEAT_INTERVAL_MS);
            for socket in [SocketId(1), SocketId(2), prober] {
                let load = NodeLoad { sessions: 100, ..NodeLoad::default() };
                assert_eq!(sent(&stage.says(socket, NodeToFleet::Heartbeat { load })), []);
            }
        }
        stage.now = stage.now.plus_ms(limits::HEARTBEAT_INTERVAL_MS);
        let outputs = stage.input(Input::Deadline);
        assert_eq!(reach(&outputs), Some(Reach::Probing {}));
        let probe = probe_at(&outputs, prober).unwrap();
        assert_eq!(stage.place(&[]).0, NOBODY);
        stage.says(SocketId(2), NodeToFleet::Heartbeat { load: NodeLoad::default() });
        assert_eq!(reach(&stage.says(prober, answer(probe, of_threads()))), Some(Reach::Reached {}));
        assert!(shard_of(&stage.place(&[]).0).is_some());
    });
}

#[test]
fn a_node_that_answers_over_udp_alone_gets_no_rooms() {
    check(|stage| {
        let prober = stage.registered(1, "media-1");
        let outputs = stage.registers_from(2, unaddressed("media-2", "0.0.0.0"), Some(seen()));
        stage.says(prober, NodeToFleet::Draining {});
        let probe = probe_at(&outputs, prober).unwrap();
        let answer = NodeToFleet::Probed { probe, answered: of_threads(), answered_tcp: Some(Vec::new()) };
        let outputs = stage.says(prober, answer);
        assert_eq!(reach(&outputs), Some(Reach::Silent { addresses: Vec::new(), tcp: over_tcp() }));
        assert_eq!(stage.place(&[]).0, NOBODY);
    });
}

#[test]
fn an_older_prober_says_nothing_about_tcp() {
    check(|stage| {
        let prober = stage.registered(1, "media-1");
        let outputs = stage.registers_from(2, unaddressed("media-2", "0.0.0.0"), Some(seen()));
        let probe = probe_at(&outputs, prober).unwrap();
        let answer = NodeToFleet::Probed { probe, answered: of_threads(), answered_tcp: None };
        assert_eq!(reach(&stage.says(prober, answer)), Some(Reach::Reached {}));
    });
}

#[test]
fn without_anybody_who_could_probe_a_node_is_taken_as_it_is() {
    check(|stage| {
        let outputs = stage.registers_from(1, unaddressed("media-1", "0.0.0.0"), Some(seen()));
        assert_eq!(reach(&outputs), Some(Reach::Unprobed {}));
        assert_eq!(shard_of(&stage.place(&[]).0).unwrap().0, "media-1");
        // A node behind the same address knows nothing of the firewall before it.
        let neighbour = unaddressed("media-2", "0.0.0.0");
        assert_eq!(reach(&stage.registers_from(2, neighbour, Some(seen()))), Some(Reach::Unprobed {}));
        // Another one will be asked in due course; until it answers, nothing changes.
        let prober = stage.registered(3, "media-3");
        let beat = |stage: &mut Stage| {
            for socket in [1, 2, 3].map(SocketId) {
                stage.says(socket, NodeToFleet::Heartbeat { load: NodeLoad::default() });
            }
        };
        stage.now = stage.now.plus_ms(HEARTBEAT_TIMEOUT_MS - 1);
        beat(stage);
        stage.now = stage.now.plus_ms(HEARTBEAT_TIMEOUT_MS - 1);
        beat(stage);
        stage.now = stage.now.plus_ms(2);
        let outputs = stage.input(Input::Deadline);
        assert!(probe_at(&outputs, prober).is_some());
        assert_eq!(reach(&outputs), None);
        assert!(shard_of(&stage.place(&["media-3"]).0).is_some());
    });
}

#[test]
fn a_prober_that_says_nothing_is_replaced_a_few_times() {
    check(|stage| {
        let probers: Vec<SocketId> =
            (1..=5).map(|number| stage.registered(number, &format!("media-{number}"))).collect();
        let outputs = stage.registers_from(6, unaddressed("media-6", "0.0.0.0"), Some(seen()));
        let told = |outputs: &[Output]| {
            probers.iter().copied().find(|socket| {
            let of = |output: &&Output| matches!(output, Output::Send { socket: to, message: FleetToNode::Probe { .. } } if to == socket);
            outputs.iter().any(|output| of(&output))
        })
        };
        let mut asked = BTreeSet::from([told(&outputs).unwrap()]);
        let mut last = None;
        for _ in 0..limits::PROBERS_MAX {
            stage.now = stage.now.plus_ms(limits::PROBE_TIMEOUT_MS);
            for number in 1..=6 {
                let outputs = stage.says(SocketId(number), NodeToFleet::Heartbeat { load: NodeLoad::default() });
                asked.extend(told(&outputs));
                last = reach(&outputs).or(last);
            }
        }
        assert_eq!((asked.len(), last), (limits::PROBERS_MAX, Some(Reach::Unprobed {})));
    });
}

#[test]
fn a_node_that_was_silent_stays_out_until_it_answers_and_one_that_was_reached_stays_in() {
    for answers in [false, true] {
        check(|stage| {
            let prober = stage.registered(1, "media-1");
            stage.says(prober, NodeToFleet::Draining {});
            let prober = stage.registered(2, "media-2");
            let outputs = stage.registers_from(3, unaddressed("media-3", "0.0.0.0"), Some(seen()));
            let probe = probe_at(&outputs, prober).unwrap();
            let answered = if answers { of_threads() } else { Vec::new() };
            stage.says(prober, probed(probe, answered));
            // The only prober is lost, and the node connects again.
            stage.sockets.remove(&prober);
            stage.input(Input::SocketClosed { socket: prober });
            let outputs = stage.registers_from(4, unaddressed("media-3", "0.0.0.0"), Some(seen()));
            let silent = Reach::Silent { addresses: of_threads(), tcp: over_tcp() };
            assert_eq!(reach(&outputs), (!answers).then_some(silent));
            assert_eq!(shard_of(&stage.place(&[]).0).is_some(), answers);
            // At another address nothing is known.
            let elsewhere = Some([198, 51, 100, 1].into());
            stage.registers_from(5, unaddressed("media-3", "0.0.0.0"), elsewhere);
            assert!(shard_of(&stage.place(&[]).0).is_some());
        });
    }
}

#[test]
fn refuses_addresses_that_it_cannot_complete() {
    let check_refused = |registration: NodeRegistration, seen: Option<IpAddr>| {
        check(|stage| {
            let outputs = stage.registers_from(1, registration.clone(), seen);
            let refused = FleetToNode::Refused { code: ErrorCode::InvalidMessage };
            assert_eq!(sent(&outputs).last(), Some(&refused), "{registration:?}");
            assert_eq!(stage.rows.len(), 0);
        });
    };
    check_refused(unaddressed("media-1", "0.0.0.0"), None);
    check_refused(unaddressed("media-1", "0.0.0.0"), Some("2001:db8::7".parse().unwrap()));
    // An address of its own choice could be anybody's.
    check_refused(unaddressed("media-1", "198.51.100.1"), Some(seen()));
    check_refused(NodeRegistration { probe: None, ..unaddressed("media-1", "0.0.0.0") }, Some(seen()));
    for ufrag in [String::new(), "a:b".into(), "a".repeat(limits::PROBE_CREDENTIAL_BYTES_MAX + 1)] {
        let probe = Some(ProbeCredential { ufrag, ..credential() });
        check_refused(NodeRegistration { probe, ..unaddressed("media-1", "0.0.0.0") }, Some(seen()));
    }
}

/// A node with addresses of both families: an internal and a public IPv4 one, and an IPv6 one.
fn of_both(node: &str, last: u8) -> NodeRegistration {
    let ips = [
        [10, 0, 0, last].into(),
        [198, 51, 100, last].into(),
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()]),
    ];
    let at = |port| ips.map(|ip| SocketAddr::new(ip, port)).to_vec();
    let shards = vec![ShardInfo { shard: 0, candidates: at(7000) }];
    NodeRegistration { shards, tcp_candidates: at(443), probe_families: Some(credential()), ..registration(node) }
}

/// The probes that `socket` is told to make.
fn probes(outputs: &[Output], expected: SocketId) -> Vec<(u64, Vec<SocketAddr>, Vec<SocketAddr>)> {
    let probe = |output: &Output| match output {
        Output::Send { socket, message: FleetToNode::Probe { probe, addresses, tcp, .. } } if *socket == expected => {
            Some((*probe, addresses.clone(), tcp.clone()))
        }
        _ => None,
    };
    outputs.iter().filter_map(probe).collect()
}

/// The address families that clients of a new room are told, over UDP and over TCP.
fn told(stage: &mut Stage) -> [Vec<bool>; 2] {
    let (PlaceAnswer::Placed(placement), _) = stage.place(&["media-1"]) else { panic!("no node") };
    [placement.candidates, placement.tcp_candidates].map(|told| told.iter().map(SocketAddr::is_ipv6).collect())
}

#[test]
fn a_family_that_does_not_answer_is_told_to_no_client_until_it_does() {
    check(|stage| {
        let prober = stage.registers_from(1, of_both("media-1", 1), None);
        assert_eq!(probes(&prober, SocketId(1)), [], "nobody can probe the first node");
        let prober = SocketId(1);
        let outputs = stage.registers_from(2, of_both("media-2", 2), None);
        let [(v4, udp, tcp), (v6, udp6, tcp6)] = &probes(&outputs, prober)[..] else { panic!("{outputs:?}") };
        assert_eq!([udp.len(), tcp.len(), udp6.len(), tcp6.len()], [2, 2, 1, 1]);
        assert!(udp.iter().chain(tcp).all(SocketAddr::is_ipv4) && udp6.iter().chain(tcp6).all(SocketAddr::is_ipv6));
        assert_eq!(reach(&outputs), None, "it is ready at once");
        assert_eq!(told(stage), [vec![false, false, true], vec![false, false, true]]);
        // The internal address is out of the prober's reach, which says nothing about the family.
        let probed = |probe, udp: &[SocketAddr], tcp: &[SocketAddr]| NodeToFleet::Probed {
            probe,
            answered: udp.to_vec(),
            answered_tcp: Some(tcp.to_vec()),
        };
        assert_eq!(sent(&stage.says(prober, probed(*v4, &udp[1..], &tcp[1..]))), []);
        let outputs = stage.says(prober, probed(*v6, udp6, &[]));
        let silent = Reach::FamilySilent { addresses: Vec::new(), tcp: tcp6.clone() };
        assert_eq!(sent(&outputs), [FleetToNode::SetReach { address: udp6[0].ip(), reach: silent }]);
        assert_eq!(told(stage), [vec![false, false], vec![false, false]]);
        // It registers again, and stays without IPv6 until that answers.
        let again = probes(&stage.registers_from(3, of_both("media-2", 2), None), prober);
        assert_eq!(told(stage), [vec![false, false], vec![false, false]]);
        let (probe, udp6, tcp6) = again.iter().find(|(_, udp, _)| udp[0].is_ipv6()).expect("another probe");
        let outputs = stage.says(prober, probed(*probe, udp6, tcp6));
        assert_eq!(sent(&outputs), [FleetToNode::SetReach { address: udp6[0].ip(), reach: Reach::Reached {} }]);
        assert_eq!(told(stage), [vec![false, false, true], vec![false, false, true]]);
    });
}

#[test]
fn a_node_of_which_no_family_answers_is_told_as_it_is() {
    check(|stage| {
        stage.registers_from(1, of_both("media-1", 1), None);
        let outputs = stage.registers_from(2, of_both("media-2", 2), None);
        for (probe, _, _) in probes(&outputs, SocketId(1)) {
            let nothing = NodeToFleet::Probed { probe, answered: Vec::new(), answered_tcp: Some(Vec::new()) };
            stage.says(SocketId(1), nothing);
        }
        assert_eq!(told(stage), [vec![false, false, true], vec![false, false, true]]);
    });
}

#[test]
fn a_node_probes_only_families_that_it_has_itself() {
    check(|stage| {
        let prober = stage.registered(1, "media-1");
        let outputs = stage.registers_from(2, of_both("media-2", 2), None);
        let asked = probes(&outputs, prober);
        assert!(asked.len() == 1 && asked[0].1.iter().all(SocketAddr::is_ipv4), "{asked:?}");
        // Nor does one that cannot be reached over IPv6 probe over IPv6.
        let outputs = stage.registers_from(3, of_both("media-3", 3), None);
        let over_ipv6 = |outputs: &[Output], socket| {
            probes(outputs, socket).into_iter().find(|(_, udp, _)| udp[0].is_ipv6()).map(|(probe, _, _)| probe)
        };
        let probe = over_ipv6(&outputs, SocketId(2)).expect("media-2 has IPv6");
        stage.says(SocketId(2), NodeToFleet::Probed { probe, answered: Vec::new(), answered_tcp: None });
        let outputs = stage.registers_from(4, of_both("media-4", 4), None);
        assert_eq!(over_ipv6(&outputs, SocketId(3)), None);
    });
}

#[test]
fn a_node_that_does_not_answer_probes_over_tcp_is_not_asked_to() {
    check(|stage| {
        let prober = stage.registered(1, "media-1");
        stage.says(prober, NodeToFleet::Draining {});
        let prober = stage.registered(2, "media-2");
        let full = NodeLoad { sessions: 100, ..NodeLoad::default() };
        stage.says(prober, NodeToFleet::Heartbeat { load: full });
        let older = ProbeCredential { over_tcp: false, ..credential() };
        let registration = NodeRegistration { probe: Some(older), ..unaddressed("media-3", "0.0.0.0") };
        let outputs = stage.registers_from(3, registration, Some(seen()));
        let [(probe, udp, tcp)] = &probes(&outputs, prober)[..] else { panic!("{outputs:?}") };
        assert_eq!((udp, &tcp[..]), (&of_threads(), &[][..]), "its port for TCP is not probed");
        let answer = NodeToFleet::Probed { probe: *probe, answered: of_threads(), answered_tcp: Some(Vec::new()) };
        assert_eq!(reach(&stage.says(prober, answer)), Some(Reach::Reached {}));
        let (PlaceAnswer::Placed(placement), _) = stage.place(&[]) else { panic!("it was reached") };
        assert_eq!(placement.tcp_candidates, over_tcp(), "clients are told of it");
    });
}
