//! A whole deployment on one thread: a virtual clock, a seeded network, the real cores of edge and node, and browsers.
//!
//! Start at [`World::seeded`]. A scenario lets guests join, lets time pass, breaks something, and calls
//! [`World::check_all`]: a failure prints the seed that reproduces it.

pub mod browser;
pub mod check;
pub mod clock;
pub mod edge;
pub mod flow;
pub mod identity;
pub mod log;
pub mod net;
pub mod node;
pub mod people;
mod post;
pub mod relay;

use browser::Browser;
use check::Breaches;
use clock::Clock;
use edge::Edge;
use log::ErrorLog;
use media_core::congestion::bandwidth::Bandwidth;
use media_core::random::Random;
use net::Net;
use node::Node;
use post::Post;
use relay::Relay;
use shared::{NodeId, RoomId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// More steps than this without progress in time mean a busy loop.
const STEPS_PER_INSTANT_MAX: u32 = 20_000;

/// Time for a draining node's rooms to move.
pub const DRAIN_TIME: Duration = Duration::from_secs(60);

pub struct World {
    seed: u64,
    clock: Clock,
    random: Random,
    breaches: Breaches,
    log: ErrorLog,
    net: Net,
    post: Post,
    edge: Edge,
    nodes: BTreeMap<String, Node>,
    /// The limits of every node that is started.
    bandwidth: Bandwidth,
    relays: BTreeMap<String, Relay>,
    browsers: BTreeMap<String, Browser>,
    /// Nodes that cannot reach the edge.
    cut_off: BTreeSet<String>,
    /// The room that the scenario is in.
    room: RoomId,
    /// The room of each participant.
    rooms: BTreeMap<String, RoomId>,
    /// Every attempt of a node to open a socket, and whether to the Fleet object.
    dials: Vec<(Duration, String, bool)>,
    addresses: u8,
    /// The edge's messages to clients and nodes, in order.
    said: Vec<String>,
    /// The nodes' messages to the edge, with the time since the start.
    reported: Vec<(Duration, String)>,
    /// True with `WORLD_TRACE=1`: every frame is printed.
    is_traced: bool,
    /// Steps taken at the current instant.
    steps_now: (Option<Instant>, u32),
}

impl World {
    /// A world with one node and no participants. Everything follows from `seed` and the scenario.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::limited(seed, Bandwidth::default())
    }

    /// A world whose nodes have these limits.
    #[must_use]
    pub fn limited(seed: u64, bandwidth: Bandwidth) -> Self {
        let (clock, breaches) = (Clock::default(), Breaches::default());
        let mut random = Random::seeded(seed);
        let mut world = Self {
            seed,
            clock,
            log: ErrorLog::default(),
            net: Net::seeded(random.next_u64()),
            post: Post::default(),
            edge: Edge::seeded(&clock, random.next_u64(), breaches.clone()),
            random,
            breaches,
            nodes: BTreeMap::new(),
            bandwidth,
            relays: BTreeMap::new(),
            browsers: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            room: RoomId::parse("daily").expect("a room's name"),
            rooms: BTreeMap::new(),
            dials: Vec::new(),
            addresses: 0,
            said: Vec::new(),
            reported: Vec::new(),
            is_traced: std::env::var_os("WORLD_TRACE").is_some(),
            steps_now: (None, 0),
        };
        world.start_node("media-1");
        world
    }

    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Goes to another room: from here on, participants join it, and checks concern those in it.
    ///
    /// # Panics
    /// If that is no name of a room.
    pub fn enter(&mut self, room: &str) {
        self.room = RoomId::parse(room).expect("a room's name");
    }

    /// Sets the wall clock of the edge forward or back.
    pub fn step_wall_clock(&mut self, by_ms: i64) {
        self.clock.step(by_ms);
        self.edge.set_clock(&self.clock);
    }

    /// The times since the start of the world at which a node dialed the Fleet object, or a room.
    #[must_use]
    pub fn dials(&self, name: &str, is_fleet: bool) -> Vec<Duration> {
        let is_meant = |(_, node, to_fleet): &&(Duration, String, bool)| node == name && *to_fleet == is_fleet;
        self.dials.iter().filter(is_meant).map(|(at, _, _)| *at).collect()
    }

    /// Randomness for the scenario itself.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    pub fn edge(&mut self) -> &mut Edge {
        &mut self.edge
    }

    /// The edge's messages to clients and nodes, in order.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// The times since the start of the world at which nodes sent a message of this type.
    #[must_use]
    pub fn reports(&self, kind: &str) -> Vec<Duration> {
        let head = format!("{{\"type\":\"{kind}\"");
        self.reported.iter().filter(|(_, text)| text.starts_with(&head)).map(|(at, _)| *at).collect()
    }

    /// A running node.
    ///
    /// # Panics
    /// If no such node runs.
    #[must_use]
    pub fn node(&self, name: &str) -> &Node {
        self.nodes.get(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    /// Names of the running nodes that serve the room.
    #[must_use]
    pub fn serving(&self) -> Vec<String> {
        let serves = |node: &Node| node.rooms().any(|(room, _)| *room == self.room);
        self.nodes.iter().filter(|(_, node)| serves(node)).map(|(name, _)| name.clone()).collect()
    }

    /// Starts a node, which registers by itself.
    pub fn start_node(&mut self, name: &str) {
        self.start_node_for(name, node::SESSIONS_MAX);
    }

    /// Starts a node with a capacity of so many sessions.
    pub fn start_node_for(&mut self, name: &str, sessions_max: usize) {
        self.insert_node(&self.clock(), name, sessions_max);
    }

    /// Starts a node whose wall clock is ahead of the edge's. It reads that clock only now.
    pub fn start_node_ahead(&mut self, name: &str, ahead_ms: i64) {
        let mut clock = self.clock;
        clock.step(ahead_ms);
        self.insert_node(&clock, name, node::SESSIONS_MAX);
    }

    fn insert_node(&mut self, clock: &Clock, name: &str, sessions_max: usize) {
        let id = NodeId::parse(name).expect("a node's name");
        let address = SocketAddr::from((self.next_host(100), 7_000));
        let limits = (sessions_max, self.bandwidth);
        let node = Node::new(clock, (id, address), limits, self.random.next_u64(), self.breaches.clone());
        self.nodes.insert(name.into(), node);
    }

    /// Kills a node: its state is lost, and its sockets break.
    pub fn kill_node(&mut self, name: &str) {
        self.nodes.remove(name);
        self.break_control(name);
    }

    /// Starts a TURN node, which registers by itself.
    pub fn start_relay(&mut self, name: &str) {
        let id = NodeId::parse(name).expect("a node's name");
        let host = IpAddr::from(self.next_host(101));
        let relay = Relay::new(&self.clock, id, host, self.random.next_u64(), self.breaches.clone());
        self.relays.insert(name.into(), relay);
    }

    /// Kills a TURN node: its allocations are lost, and its socket breaks.
    pub fn kill_relay(&mut self, name: &str) {
        self.relays.remove(name);
        self.break_control(name);
    }

    /// The running TURN node that relays a participant's media.
    #[must_use]
    pub fn relay_of(&self, name: &str) -> Option<String> {
        let server = self.browser(name).relayed_by()?;
        self.relays.iter().find(|(_, relay)| relay.host() == server.ip()).map(|(name, _)| name.clone())
    }

    /// Sends SIGTERM to a node.
    pub fn drain_node(&mut self, name: &str) {
        let clock = self.clock;
        self.with_node(name, |node| node.begin_draining(&clock, DRAIN_TIME));
    }

    /// Ends a node's thread for media.
    pub fn lose_shard(&mut self, name: &str) {
        let (clock, seed) = (self.clock, self.random.next_u64());
        self.with_node(name, |node| node.lose_shard(&clock, seed));
    }

    /// Separates a node and the edge; media is not affected.
    pub fn cut_off(&mut self, name: &str) {
        self.cut_off.insert(name.into());
        self.break_control(name);
    }

    pub fn reconnect(&mut self, name: &str) {
        self.cut_off.remove(name);
    }

    /// Reverts every [`Self::cut_off`].
    pub fn reconnect_all(&mut self) {
        self.cut_off.clear();
    }

    /// Sessions and rooms of every running node.
    #[must_use]
    pub fn loads(&self) -> Vec<(String, (usize, usize))> {
        self.nodes.iter().map(|(name, node)| (name.clone(), node.load())).collect()
    }

    fn next_host(&mut self, network: u8) -> Ipv4Addr {
        self.addresses += 1;
        Ipv4Addr::new(10, network, 0, self.addresses)
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.count_step(at);
            self.clock.advance_to(at);
            self.step();
        }
        self.clock.advance_to(end);
    }

    /// Lets time pass until `holds` returns true.
    ///
    /// # Panics
    /// If it does not within `limit`.
    pub fn run_until(&mut self, limit: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.clock.now() + limit;
        while !holds(self) {
            let at = self.next_at().filter(|at| *at <= end);
            let Some(at) = at else { self.fail(&format!("not within {limit:?}: {what}")) };
            self.count_step(at);
            self.clock.advance_to(at);
            self.step();
        }
    }

    fn count_step(&mut self, at: Instant) {
        let steps = if self.steps_now.0 == Some(at) { self.steps_now.1 + 1 } else { 0 };
        self.steps_now = (Some(at), steps);
        if steps > STEPS_PER_INSTANT_MAX {
            self.fail("time stands still: a part wakes for nothing");
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let nodes = self.nodes.values().filter_map(Node::poll_timeout);
        let relays = self.relays.values().filter_map(Relay::poll_timeout);
        let browsers = self.browsers.values().filter_map(Browser::poll_timeout);
        let others = [self.net.next_at(), self.post.next_at(), self.edge.poll_timeout()];
        nodes.chain(relays).chain(browsers).chain(others.into_iter().flatten()).min()
    }

    /// Handles everything that is due, once.
    fn step(&mut self) {
        let clock = self.clock;
        while let Some(datagram) = self.net.receive(clock.now()) {
            self.deliver(datagram);
        }
        self.deliver_post();
        if self.edge.poll_timeout().is_some_and(|at| at <= clock.now()) {
            self.edge.handle_timeout(&clock);
            self.drain_edge();
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= clock.now());
        let nodes: Vec<String> =
            self.nodes.iter().filter(|(_, node)| is_due(node.poll_timeout())).map(|(name, _)| name.clone()).collect();
        for name in nodes {
            self.with_node(&name, |node| node.handle_timeout(&clock));
        }
        let relays = self.relays.iter().filter(|(_, relay)| is_due(relay.poll_timeout()));
        let relays: Vec<String> = relays.map(|(name, _)| name.clone()).collect();
        for name in relays {
            self.with_relay(&name, |relay| relay.handle_timeout(&clock));
        }
        let browsers = self.browsers.iter().filter(|(_, browser)| is_due(browser.poll_timeout()));
        let browsers: Vec<String> = browsers.map(|(name, _)| name.clone()).collect();
        for name in browsers {
            self.with_browser(&name, |browser| browser.handle_timeout(&clock));
        }
    }

    fn deliver(&mut self, datagram: net::Datagram) {
        let clock = self.clock;
        let node = self.nodes.iter().find(|(_, node)| node.address() == datagram.to).map(|(name, _)| name.clone());
        if let Some(name) = node {
            return self.with_node(&name, |node| node.handle_datagram(&clock, datagram));
        }
        let relay = self.relays.iter().find(|(_, relay)| relay.hears(datagram.to)).map(|(name, _)| name.clone());
        if let Some(name) = relay {
            return self.with_relay(&name, |relay| relay.handle_datagram(&clock, datagram));
        }
        let is_meant = |browser: &Browser| browser.address() == datagram.to.ip();
        let name = self.browsers.iter().find(|(_, browser)| is_meant(browser)).map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.with_browser(&name, |browser| browser.handle_datagram(&clock, datagram));
        }
    }

    fn note_said(&mut self, said: String) {
        self.trace(&said);
        self.said.push(said);
    }

    fn trace(&self, said: &str) {
        if self.is_traced {
            println!("{:8.3} s  {said:.400}", self.clock.elapsed().as_secs_f64());
        }
    }

    /// Fails the scenario with the seed and all violations.
    pub fn fail(&self, what: &str) -> ! {
        let breaches = self.breaches.text().unwrap_or_default();
        panic!("seed {}: at {:.3} s: {what}\n{breaches}", self.seed, self.clock.elapsed().as_secs_f64())
    }

    /// Checks that no invariant was violated so far.
    ///
    /// # Panics
    /// If one was.
    pub fn check_all(&self) {
        for error in self.log.take() {
            self.breaches.add(&self.clock, format!("logged as an error: {error}"));
        }
        if self.breaches.text().is_some() {
            self.fail("broken promises");
        }
    }
}
