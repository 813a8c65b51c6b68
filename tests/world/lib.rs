//! A whole deployment on one thread: a virtual clock, a seeded network, the real cores of edge and node, and browsers.
//!
//! Start at [`World::seeded`]. A scenario lets guests join, lets time pass, breaks something, and asks
//! [`World::check_all`]: a failure prints the seed with which it happens again.

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
use media_core::random::Random;
use net::Net;
use node::Node;
use post::Post;
use relay::Relay;
use shared::{NodeId, RoomId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// More steps than this without time passing mean a busy loop.
const STEPS_PER_INSTANT_MAX: u32 = 20_000;

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
    relays: BTreeMap<String, Relay>,
    browsers: BTreeMap<String, Browser>,
    /// Nodes that cannot reach the edge.
    cut_off: BTreeSet<String>,
    room: RoomId,
    addresses: u8,
    /// Everything the edge said to clients and nodes, in order.
    said: Vec<String>,
    /// Whether every frame is printed, as `WORLD_TRACE=1` wants.
    is_traced: bool,
    /// Steps taken at the present instant.
    steps_now: (Option<Instant>, u32),
}

impl World {
    /// A world with one node and nobody in it. Everything that happens follows from `seed` and what the scenario does.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
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
            relays: BTreeMap::new(),
            browsers: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            room: RoomId::parse("daily").expect("a room's name"),
            addresses: 0,
            said: Vec::new(),
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

    /// Randomness for the scenario itself.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The network, to make it worse.
    pub fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    pub fn edge(&mut self) -> &mut Edge {
        &mut self.edge
    }

    /// Everything the edge said to clients and nodes, in order.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// A running node.
    ///
    /// # Panics
    /// If no such node runs.
    #[must_use]
    pub fn node(&self, name: &str) -> &Node {
        self.nodes.get(name).unwrap_or_else(|| panic!("no node {name}"))
    }

    /// The names of the running nodes that serve the room.
    #[must_use]
    pub fn serving(&self) -> Vec<String> {
        let serves = |node: &Node| node.rooms().any(|(room, _)| *room == self.room);
        self.nodes.iter().filter(|(_, node)| serves(node)).map(|(name, _)| name.clone()).collect()
    }

    /// Starts a node; it registers by itself.
    pub fn start_node(&mut self, name: &str) {
        let id = NodeId::parse(name).expect("a node's name");
        let address = SocketAddr::from((self.next_host(100), 7_000));
        let node = Node::new(&self.clock, id, address, self.random.next_u64(), self.breaches.clone());
        self.nodes.insert(name.into(), node);
    }

    /// Kills a node: nothing of it is left, and its sockets break.
    pub fn kill_node(&mut self, name: &str) {
        self.nodes.remove(name);
        self.break_control(name);
    }

    /// Starts a TURN node; it registers by itself.
    pub fn start_relay(&mut self, name: &str) {
        let id = NodeId::parse(name).expect("a node's name");
        let host = IpAddr::from(self.next_host(101));
        let relay = Relay::new(&self.clock, id, host, self.random.next_u64(), self.breaches.clone());
        self.relays.insert(name.into(), relay);
    }

    /// Kills a TURN node: its allocations are gone, and its socket breaks.
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

    /// A node gets SIGTERM.
    pub fn drain_node(&mut self, name: &str) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.begin_draining(&self.clock);
        }
    }

    /// A node and the edge lose each other; media is not concerned.
    pub fn cut_off(&mut self, name: &str) {
        self.cut_off.insert(name.into());
        self.break_control(name);
    }

    /// A node can reach the edge again.
    pub fn reconnect(&mut self, name: &str) {
        self.cut_off.remove(name);
    }

    /// All nodes can reach the edge again.
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

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            self.count_step(at);
            self.clock.advance_to(at);
            self.step();
        }
        self.clock.advance_to(end);
    }

    /// Lets time pass until something holds.
    ///
    /// # Panics
    /// If it does not hold within `limit`.
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

    /// Everything that is due now, once.
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

    /// Prints a participant's events, for debugging.
    fn trace(&self, said: &str) {
        if self.is_traced {
            println!("{:8.3} s  {said:.400}", self.clock.elapsed().as_secs_f64());
        }
    }

    /// Fails the scenario with everything that is known.
    pub fn fail(&self, what: &str) -> ! {
        let breaches = self.breaches.text().unwrap_or_default();
        panic!("seed {}: at {:.3} s: {what}\n{breaches}", self.seed, self.clock.elapsed().as_secs_f64())
    }

    /// Nothing that must hold was broken so far.
    ///
    /// # Panics
    /// If something was.
    pub fn check_all(&self) {
        for error in self.log.take() {
            self.breaches.add(&self.clock, format!("logged as an error: {error}"));
        }
        if self.breaches.text().is_some() {
            self.fail("broken promises");
        }
    }
}
