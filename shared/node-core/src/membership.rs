//! A node's place in its region's fleet: registers, reports load and draining, receives orders.

mod standing;

pub use standing::{Standing, Unreached};

use crate::line::{Line, News, SocketKey};
use crate::random::Random;
use shared::control::{Assignment, FleetToNode, Message, NodeLoad, NodeToFleet, ProbeCredential, Reach};
use shared::limits;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// The number of the line to the Fleet object.
pub const FLEET_LINE: u64 = 0;
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(limits::HEARTBEAT_INTERVAL_MS);
const HEARTBEAT_INTERVAL_MAX: Duration = Duration::from_millis(limits::HEARTBEAT_INTERVAL_MS_MAX);

/// Orders from the Fleet object to a registered node.
#[derive(Debug)]
pub enum Order {
    /// Serve this room.
    Assign(Box<Assignment>),
    /// The complete list of media node addresses.
    SetMediaNodes(Vec<SocketAddr>),
    /// Find out which of another node's addresses answer.
    Probe { probe: u64, addresses: Vec<SocketAddr>, tcp: Vec<SocketAddr>, credential: ProbeCredential },
}

#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Opens a socket to the Fleet object, at this address of the edge.
    Dial {
        socket: SocketKey,
        edge: usize,
    },
    Send {
        socket: SocketKey,
        frame: String,
    },
    Close {
        socket: SocketKey,
    },
}

/// The node continues to work without the socket.
#[derive(Debug)]
pub struct Membership {
    registration: NodeToFleet,
    line: Line,
    heartbeat_at: Option<Instant>,
    interval: Duration,
    /// True until the second heartbeat of a socket, which is sent at a random time within the interval: nodes that connect
    /// together, for instance after a deployment of the edge, must not send all their heartbeats together.
    is_in_step: bool,
    random: Random,
    is_draining: bool,
    standing: Standing,
    outputs: VecDeque<Output>,
}

impl Membership {
    /// `registration` is the first frame of every socket; the edge has `edges` addresses.
    #[must_use]
    pub fn new(now: Instant, registration: NodeToFleet, edges: usize, seed: u64) -> Self {
        Self {
            registration,
            line: Line::new(now, FLEET_LINE, edges, seed),
            heartbeat_at: None,
            interval: HEARTBEAT_INTERVAL,
            is_in_step: true,
            random: Random::seeded(!seed),
            is_draining: false,
            standing: Standing::default(),
            outputs: VecDeque::new(),
        }
    }

    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.line.dial_at().or(self.heartbeat_at)
    }

    /// Dials, or reports the load, if it is time.
    pub fn handle_deadline(&mut self, now: Instant, load: NodeLoad) {
        if let Some((socket, edge)) = self.line.dial(now) {
            self.outputs.push_back(Output::Dial { socket, edge });
        }
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            let wait = if self.is_in_step { self.random.below(self.interval) } else { self.interval };
            (self.heartbeat_at, self.is_in_step) = (Some(now + wait), false);
            self.say(&NodeToFleet::Heartbeat { load });
        }
    }

    /// Returns an order of the Fleet object.
    pub fn handle_news(&mut self, now: Instant, socket: SocketKey, news: News) -> Option<Order> {
        if self.line.socket() != Some(socket) {
            return None;
        }
        match news {
            News::Opened => self.introduce(now, socket),
            // Ending would hide a wrong token from the operator, and a new deployment of the edge may know the token.
            News::Failed { is_final: true, reason } => {
                tracing::error!(reason, "the edge refused this node");
                self.lose(now);
            }
            News::Failed { is_final: false, reason } => {
                tracing::warn!(reason, "connecting to the edge failed");
                self.lose(now);
            }
            News::Closed { reason } => {
                tracing::warn!(reason, "the socket to the edge closed");
                self.lose(now);
            }
            News::Frame(text) => match FleetToNode::parse(&text) {
                Ok(message) => return self.hear(now, socket, message),
                Err(error) => tracing::warn!(%error, "the edge sent an unreadable frame"),
            },
        }
        None
    }

    fn introduce(&mut self, now: Instant, socket: SocketKey) {
        if self.line.handle_opened(socket) {
            self.outputs.push_back(self.registers(socket));
            (self.heartbeat_at, self.interval, self.is_in_step) = (Some(now), HEARTBEAT_INTERVAL, true);
            self.announce();
        }
    }

    fn hear(&mut self, now: Instant, socket: SocketKey, message: FleetToNode) -> Option<Order> {
        match message {
            FleetToNode::Registered {} => {
                self.line.settle();
                self.standing.is_registered = true;
                tracing::info!("registered");
            }
            FleetToNode::Assign(assignment) => return Some(Order::Assign(assignment)),
            FleetToNode::SetMediaNodes { addresses } => return Some(Order::SetMediaNodes(addresses)),
            FleetToNode::Probe { probe, addresses, tcp, credential } => {
                return Some(Order::Probe { probe, addresses, tcp, credential });
            }
            FleetToNode::SetReach { address, reach } => self.set_reach(address, &reach),
            FleetToNode::SetHeartbeat { interval_ms } => {
                self.interval = Duration::from_millis(interval_ms).clamp(HEARTBEAT_INTERVAL, HEARTBEAT_INTERVAL_MAX);
                self.heartbeat_at = Some(now + self.random.below(self.interval));
            }
            FleetToNode::Refused { code } => {
                if code.may_retry() {
                    tracing::warn!(code = code.as_str(), "the edge refused this socket");
                } else {
                    tracing::error!(code = code.as_str(), "the edge refused this node");
                }
                self.outputs.push_back(Output::Close { socket });
                self.lose(now);
            }
            FleetToNode::Error { code, message } => {
                tracing::warn!(code = code.as_str(), message, "the edge rejected a message");
            }
        }
        None
    }

    fn set_reach(&mut self, address: IpAddr, reach: &Reach) {
        self.standing.unreached = match reach {
            Reach::Probing {} => Some(Unreached::Probing(address)),
            Reach::Silent { addresses, tcp } => {
                let port = addresses.iter().chain(tcp).next().map_or(0, SocketAddr::port);
                let silent = addresses.len() + tcp.len();
                Some(Unreached::Silent { address, silent, port, is_tcp: addresses.is_empty() })
            }
            Reach::Reached {} | Reach::Unprobed {} | Reach::FamilySilent { .. } => None,
        };
        if let Reach::FamilySilent { addresses, tcp } = reach {
            let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
            tracing::warn!(
                ?addresses,
                ?tcp,
                "no {family} for clients, unless nothing else answers: another node's probe got no answer"
            );
            return;
        }
        match self.standing.unreached {
            Some(unreached @ Unreached::Silent { .. }) => tracing::warn!("no rooms: {unreached}"),
            Some(unreached @ Unreached::Probing(_)) => tracing::info!("no rooms yet: {unreached}"),
            None if matches!(reach, Reach::Unprobed {}) => {
                tracing::warn!(%address, "no other node can probe the address that the edge sees: it may be unreachable");
            }
            None => tracing::info!(%address, "another node reached this one"),
        }
    }

    /// Registers with other properties, also on an open socket; `registration` is the first frame of every later one.
    pub fn register_again(&mut self, now: Instant, registration: NodeToFleet) {
        self.registration = registration;
        if let Some(socket) = self.line.open() {
            self.outputs.push_back(self.registers(socket));
            // The Fleet object knows no load of a new registration.
            self.heartbeat_at = Some(now);
            self.announce();
        }
    }

    fn registers(&self, socket: SocketKey) -> Output {
        Output::Send { socket, frame: self.registration.to_json() }
    }

    /// Every socket from here on announces that the node drains.
    pub fn begin_draining(&mut self) {
        self.is_draining = true;
        self.announce();
    }

    fn announce(&mut self) {
        if self.is_draining && self.line.open().is_some() {
            self.say(&NodeToFleet::Draining {});
            self.standing.has_announced_draining = true;
        }
    }

    /// Sends a message, unless the socket is away.
    pub fn say(&mut self, message: &NodeToFleet) {
        if let Some(socket) = self.line.open() {
            self.outputs.push_back(Output::Send { socket, frame: message.to_json() });
        }
    }

    fn lose(&mut self, now: Instant) {
        self.line.back_off(now);
        self.heartbeat_at = None;
        self.standing.is_registered = false;
        self.standing.unreached = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::control::TurnRegistration;
    use shared::{ErrorCode, NodeId, Region};
    use std::collections::BTreeMap;

    struct Node {
        now: Instant,
        membership: Membership,
    }

    impl Node {
        fn new() -> Self {
            Self::seeded(1)
        }

        #[expect(clippy::disallowed_methods, reason = "the only source of an `Instant`")]
        fn seeded(seed: u64) -> Self {
            let now = Instant::now();
            Self { now, membership: Membership::new(now, registration(), 2, seed) }
        }

        /// Lets time pass until it has sent so many heartbeats, and returns their times.
        fn beats(&mut self, socket: SocketKey, count: usize) -> Vec<Instant> {
            let frame = NodeToFleet::Heartbeat { load: load() }.to_json();
            let mut beat = || {
                assert_eq!(self.wait(), [Output::Send { socket, frame: frame.clone() }]);
                self.now
            };
            (0..count).map(|_| beat()).collect()
        }

        /// Lets time pass until the next deadline, and returns the outputs.
        fn wait(&mut self) -> Vec<Output> {
            self.now = self.membership.poll_timeout().expect("a deadline").max(self.now);
            self.membership.handle_deadline(self.now, load());
            self.outputs()
        }

        fn outputs(&mut self) -> Vec<Output> {
            std::iter::from_fn(|| self.membership.poll_output()).collect()
        }

        fn dials(&mut self) -> SocketKey {
            match self.wait()[..] {
                [Output::Dial { socket, .. }] => socket,
                ref other => panic!("{other:?}"),
            }
        }

        /// Dials and opens a socket; returns it and what is said first.
        fn opens(&mut self) -> (SocketKey, Vec<String>) {
            let socket = self.dials();
            self.news(socket, News::Opened);
            (socket, frames(self.outputs()))
        }

        fn news(&mut self, socket: SocketKey, news: News) -> Option<Order> {
            self.membership.handle_news(self.now, socket, news)
        }

        fn closes(&mut self, socket: SocketKey) {
            assert!(self.news(socket, News::Closed { reason: String::new() }).is_none());
        }

        fn fails(&mut self, socket: SocketKey, is_final: bool) {
            assert!(self.news(socket, News::Failed { is_final, reason: String::new() }).is_none());
        }

        fn hears(&mut self, socket: SocketKey, message: &FleetToNode) -> Option<Order> {
            self.news(socket, News::Frame(message.to_json()))
        }
    }

    fn frames(outputs: Vec<Output>) -> Vec<String> {
        let frame = |output| match output {
            Output::Send { frame, .. } => frame,
            other => panic!("{other:?}"),
        };
        outputs.into_iter().map(frame).collect()
    }

    fn registration() -> NodeToFleet {
        registration_of(1)
    }

    fn registration_of(allocations_max: u32) -> NodeToFleet {
        NodeToFleet::RegisterTurn(TurnRegistration {
            node: NodeId::parse("turn-1").expect("an id"),
            region: Region::parse("eu-central").expect("a region"),
            urls: Vec::new(),
            allocations_max,
        })
    }

    fn load() -> NodeLoad {
        NodeLoad { sessions: 3, ..NodeLoad::default() }
    }

    #[test]
    fn registers_first_and_reports_its_load_at_once_and_every_five_seconds() {
        let mut node = Node::new();
        let (socket, said) = node.opens();
        assert_eq!(said, [registration().to_json()]);
        let opened_at = node.now;
        let times = node.beats(socket, 5);
        assert_eq!(times[0], opened_at);
        assert!(times[1] <= opened_at + HEARTBEAT_INTERVAL);
        assert!(times[1..].windows(2).all(|pair| pair[1] - pair[0] == HEARTBEAT_INTERVAL), "{times:?}");
    }

    #[test]
    fn a_changed_registration_is_sent_at_once_with_the_load_and_on_every_later_socket() {
        let mut node = Node::new();
        node.membership.register_again(node.now, registration_of(2));
        assert_eq!(node.outputs(), []);
        let (socket, said) = node.opens();
        assert_eq!(said, [registration_of(2).to_json()]);
        node.beats(socket, 2);
        node.membership.begin_draining();
        assert_eq!(frames(node.outputs()), [NodeToFleet::Draining {}.to_json()]);
        let changed_at = node.now;
        node.membership.register_again(node.now, registration_of(3));
        let said = frames(node.outputs());
        assert_eq!(said, [registration_of(3).to_json(), NodeToFleet::Draining {}.to_json()], "it still drains");
        assert_eq!(node.beats(socket, 1), [changed_at]);
        node.closes(socket);
        let (_, said) = node.opens();
        assert_eq!(said, [registration_of(3).to_json(), NodeToFleet::Draining {}.to_json()]);
    }

    #[test]
    fn the_edge_sets_the_interval_of_a_socket_within_bounds() {
        let mut node = Node::new();
        for (told_ms, expected) in [
            (10_000, Duration::from_secs(10)),
            (0, HEARTBEAT_INTERVAL),
            (u64::MAX, Duration::from_millis(limits::HEARTBEAT_INTERVAL_MS_MAX)),
        ] {
            let (socket, _) = node.opens();
            node.beats(socket, 2);
            let told_at = node.now;
            assert!(node.hears(socket, &FleetToNode::SetHeartbeat { interval_ms: told_ms }).is_none());
            let times = node.beats(socket, 3);
            assert!(times[0] <= told_at + expected);
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == expected), "{told_ms}: {times:?}");
            node.closes(socket);
        }
        let (socket, _) = node.opens();
        let times = node.beats(socket, 3);
        assert_eq!(times[2] - times[1], HEARTBEAT_INTERVAL, "the next socket begins anew");
    }

    #[test]
    fn nodes_that_connect_together_spread_their_heartbeats() {
        let seconds = |told_ms: Option<u64>| {
            let mut counts = BTreeMap::new();
            for seed in 0..1_000 {
                let mut node = Node::seeded(seed);
                let opened_at = node.now;
                let (socket, _) = node.opens();
                node.beats(socket, 1);
                if let Some(interval_ms) = told_ms {
                    node.hears(socket, &FleetToNode::SetHeartbeat { interval_ms });
                }
                let at = node.beats(socket, 1)[0] - opened_at;
                *counts.entry(at.as_secs()).or_insert(0) += 1;
            }
            counts
        };
        for (told_ms, seconds_expected, each) in [(None, 5, 150..250), (Some(10_000), 10, 70..130)] {
            let counts = seconds(told_ms);
            assert_eq!(counts.len(), seconds_expected, "{counts:?}");
            assert!(counts.values().all(|count| each.contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn is_registered_from_the_answer_to_the_loss_of_the_socket() {
        let mut node = Node::new();
        let (socket, _) = node.opens();
        assert!(!node.membership.standing().is_registered);
        assert!(node.hears(socket, &FleetToNode::Registered {}).is_none());
        assert!(node.membership.standing().is_registered);
        node.closes(socket);
        assert!(!node.membership.standing().is_registered);
        assert!(node.hears(socket, &FleetToNode::Registered {}).is_none(), "the socket is lost");
        assert!(!node.membership.standing().is_registered);
    }

    #[test]
    fn says_why_it_gets_no_rooms_until_the_edge_takes_it_back() {
        let mut node = Node::new();
        let (socket, _) = node.opens();
        let address: IpAddr = [203, 0, 113, 8].into();
        let reason = |node: &mut Node, reach| {
            assert!(node.hears(socket, &FleetToNode::SetReach { address, reach }).is_none());
            node.membership.standing().unreached.map(|unreached| unreached.to_string())
        };
        let silent = |ports: &[u16]| Reach::Silent {
            addresses: ports.iter().map(|port| SocketAddr::new(address, *port)).collect(),
            tcp: Vec::new(),
        };
        let probing = reason(&mut node, Reach::Probing {}).expect("a reason");
        assert_eq!(probing, "another node is probing 203.0.113.8, the address that the edge sees");
        let one = reason(&mut node, silent(&[7000])).expect("a reason");
        assert!(
            one.starts_with("UDP port 7000 at 203.0.113.8, the address that the edge sees, did not answer"),
            "{one}"
        );
        let two = reason(&mut node, silent(&[7001, 7002])).expect("a reason");
        assert!(two.contains("UDP port 7001 at") && two.contains("and 1 more, did not answer"), "{two}");
        let tcp = Reach::Silent { addresses: Vec::new(), tcp: vec![SocketAddr::new(address, 443)] };
        let tcp = reason(&mut node, tcp).expect("a reason");
        assert!(tcp.starts_with("TCP port 443 at") && tcp.contains("a firewall drop TCP"), "{tcp}");
        assert_eq!(reason(&mut node, Reach::Reached {}), None);
        assert!(reason(&mut node, silent(&[7000])).is_some());
        assert_eq!(reason(&mut node, Reach::Unprobed {}), None);
        // The next socket has to say it again.
        assert!(reason(&mut node, silent(&[7000])).is_some());
        node.closes(socket);
        assert_eq!(node.membership.standing().unreached, None);
    }

    #[test]
    fn every_socket_hears_that_the_node_drains() {
        let mut node = Node::new();
        node.membership.begin_draining();
        assert_eq!((node.outputs(), node.membership.standing().has_announced_draining), (vec![], false));
        let draining = NodeToFleet::Draining {}.to_json();
        for _ in 0..2 {
            let (socket, said) = node.opens();
            assert_eq!(said, [registration().to_json(), draining.clone()]);
            assert!(node.membership.standing().has_announced_draining);
            node.closes(socket);
        }
        let (_, _) = node.opens();
        node.membership.begin_draining();
        assert_eq!(frames(node.outputs()), [draining], "a socket that is open hears it at once");
    }

    #[test]
    fn a_refused_socket_is_closed_and_dialed_again() {
        let mut node = Node::new();
        let (socket, _) = node.opens();
        let before = node.now;
        assert!(node.hears(socket, &FleetToNode::Refused { code: ErrorCode::Forbidden }).is_none());
        assert_eq!(node.outputs(), [Output::Close { socket }]);
        let again = node.dials();
        assert!(again != socket && node.now > before);
        node.fails(again, true);
        node.dials();
    }

    #[test]
    fn news_of_an_earlier_socket_changes_nothing() {
        let mut node = Node::new();
        let first = node.dials();
        node.fails(first, false);
        let (second, _) = node.opens();
        assert!(node.hears(second, &FleetToNode::Registered {}).is_none());
        node.closes(first);
        assert!(node.membership.standing().is_registered);
        let order = node.hears(second, &FleetToNode::SetMediaNodes { addresses: Vec::new() });
        assert!(matches!(order, Some(Order::SetMediaNodes(_))));
    }
}
