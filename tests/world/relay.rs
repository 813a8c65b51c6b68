//! A TURN node: the real core, its sockets in the simulated network, and its registration with the Fleet object.

use crate::check::Breaches;
use crate::clock::Clock;
use crate::net::Datagram;
use edge_core::SocketId;
use shared::control::{FleetToNode, Message, NodeLoad, NodeToFleet, TurnRegistration};
use shared::{NodeId, Region, limits};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use turn_core::auth::Authenticator;
use turn_core::peer_policy::PeerPolicy;
use turn_core::pool::Pool;
use turn_core::{AllocationId, Config, FiveTuple, Framing, Now, Output as TurnOutput, RelayOpened, TurnServer};

/// Where clients reach every TURN node (RFC 8656 §3); a firewall may let nothing else through.
pub const TURN_PORT: u16 = 3_478;
const RELAY_PORTS: std::ops::RangeInclusive<u16> = 50_000..=50_099;
const REALM: &str = "simulated";
const REDIAL_AFTER: Duration = Duration::from_millis(300);
const ALLOCATIONS_MAX: u32 = 50;
/// Each restart of ICE allocates anew, and what it leaves behind ends by itself only after ten minutes.
const ALLOCATIONS_PER_USER_MAX: u32 = 20;
const BYTES_PER_S: u64 = 10_000_000;

/// What a TURN node wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this.
    Datagram(Datagram),
    /// Open a socket to the Fleet object.
    Dial,
    /// Say this over the socket.
    Frame(SocketId, String),
}

/// A TURN node.
pub struct Relay {
    id: NodeId,
    address: SocketAddr,
    server: TurnServer,
    clock: Clock,
    breaches: Breaches,
    outputs: VecDeque<Output>,
    opened: BTreeMap<SocketAddr, AllocationId>,
    socket: Option<SocketId>,
    dial_at: Option<Instant>,
    heartbeat_at: Instant,
}

impl Relay {
    /// A TURN node that has just been started.
    #[must_use]
    pub fn new(clock: &Clock, id: NodeId, host: IpAddr, seed: u64, breaches: Breaches) -> Self {
        let (mut nonce_seed, mut pool_seed) = ([0; 20], [0; 32]);
        nonce_seed[..8].copy_from_slice(&seed.to_be_bytes());
        pool_seed[..8].copy_from_slice(&seed.to_be_bytes());
        let policy = PeerPolicy {
            // Media nodes of this world have private addresses.
            allowed: vec!["10.0.0.0/8".parse().expect("a network")],
            own: vec![host],
            relayed: vec![host],
            relay_ports: RELAY_PORTS,
            media_nodes: [].into(),
        };
        let config = Config {
            authenticator: Authenticator::new(REALM, crate::edge::turn_keys(), nonce_seed),
            policy,
            relay_v4: Some(host),
            relay_v6: None,
            sfu_bytes_per_s: BYTES_PER_S,
            p2p_bytes_per_s: BYTES_PER_S,
            pool: Pool::new(RELAY_PORTS, ALLOCATIONS_PER_USER_MAX, pool_seed),
        };
        Self {
            id,
            address: SocketAddr::new(host, TURN_PORT),
            server: TurnServer::new(config),
            clock: *clock,
            breaches,
            outputs: VecDeque::new(),
            opened: BTreeMap::new(),
            socket: None,
            dial_at: Some(clock.now()),
            heartbeat_at: clock.now(),
        }
    }

    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    /// Its host in the network.
    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.address.ip()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let heartbeat = self.socket.map(|_| self.heartbeat_at);
        [self.dial_at, heartbeat, self.server.poll_timeout()].into_iter().flatten().min()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, clock: &Clock) {
        self.clock = *clock;
        if self.dial_at.take_if(|at| *at <= clock.now()).is_some() {
            self.outputs.push_back(Output::Dial);
        }
        if let Some(socket) = self.socket.filter(|_| self.heartbeat_at <= clock.now()) {
            self.heartbeat_at = clock.now() + Duration::from_millis(limits::HEARTBEAT_INTERVAL_MS);
            let sessions = self.server.allocation_count() as u32;
            let load = NodeLoad { sessions, ..NodeLoad::default() };
            self.outputs.push_back(Output::Frame(socket, NodeToFleet::Heartbeat { load }.to_json()));
        }
        let now = self.now();
        self.server.handle_timeout(now);
        self.drain();
    }

    /// The socket is open: registers.
    pub fn handle_opened(&mut self, clock: &Clock, socket: SocketId) {
        self.clock = *clock;
        self.socket = Some(socket);
        self.heartbeat_at = clock.now();
        let registration = TurnRegistration {
            node: self.id.clone(),
            region: Region::parse(crate::edge::REGION).expect("a region's name"),
            urls: vec![format!("turn:{}?transport=udp", self.address)],
            allocations_max: ALLOCATIONS_MAX,
        };
        self.outputs.push_back(Output::Frame(socket, NodeToFleet::RegisterTurn(registration).to_json()));
    }

    /// The socket is gone.
    pub fn handle_closed(&mut self, clock: &Clock) {
        self.clock = *clock;
        (self.socket, self.dial_at) = (None, Some(clock.now() + REDIAL_AFTER));
    }

    /// A frame of the Fleet object.
    pub fn handle_frame(&mut self, clock: &Clock, text: &str) {
        self.clock = *clock;
        match FleetToNode::parse(text) {
            Ok(FleetToNode::Registered {}) => {}
            Ok(FleetToNode::SetMediaNodes { addresses }) => {
                self.server.set_media_nodes(addresses.into_iter().collect());
            }
            Ok(other @ (FleetToNode::Assign(_) | FleetToNode::Refused { .. } | FleetToNode::Error { .. })) => {
                self.breaches.add(clock, format!("{}: the fleet says {other:?}", self.id));
            }
            Err(error) => self.breaches.add(clock, format!("{}: {error}", self.id)),
        }
    }

    /// Whether a datagram to this address comes here.
    #[must_use]
    pub fn hears(&self, address: SocketAddr) -> bool {
        address == self.address || self.opened.contains_key(&address)
    }

    /// A datagram of a client or of a peer.
    pub fn handle_datagram(&mut self, clock: &Clock, datagram: Datagram) {
        self.clock = *clock;
        match self.opened.get(&datagram.to) {
            Some(allocation) => self.relay_to_client(*allocation, &datagram),
            None => self.relay_to_peer(&datagram),
        }
        self.drain();
    }

    fn relay_to_peer(&mut self, datagram: &Datagram) {
        let (now, from) = (self.now(), FiveTuple { link: 0, client: datagram.from });
        let Some(route) = self.server.handle_client(now, from, &datagram.bytes) else { return };
        let socket = self.opened.iter().find(|(_, allocation)| **allocation == route.allocation);
        if let (Some((from, _)), Some(payload)) = (socket, datagram.bytes.get(route.payload)) {
            let datagram = Datagram { from: *from, to: route.peer, bytes: payload.to_vec() };
            self.outputs.push_back(Output::Datagram(datagram));
        }
    }

    fn relay_to_client(&mut self, allocation: AllocationId, datagram: &Datagram) {
        let (now, data) = (self.now(), &datagram.bytes);
        let Some(route) = self.server.handle_peer(now, allocation, datagram.from, data.len()) else { return };
        match route.framing {
            Framing::Channel(number) => {
                self.breaches.add(&self.clock, format!("{}: channel {number}, which nobody here binds", self.id));
            }
            Framing::Indication => {
                let mut bytes = Vec::new();
                self.server.indication_header(datagram.from, data.len() as u16, &mut bytes);
                bytes.extend_from_slice(data);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                let datagram = Datagram { from: self.address, to: route.client.client, bytes };
                self.outputs.push_back(Output::Datagram(datagram));
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                TurnOutput::Send { to, bytes } => {
                    let datagram = Datagram { from: self.address, to: to.client, bytes };
                    self.outputs.push_back(Output::Datagram(datagram));
                }
                TurnOutput::OpenRelay { allocation, address, .. } => {
                    self.opened.insert(address, allocation);
                    self.server.relay_opened(self.now(), allocation, RelayOpened::Yes);
                }
                TurnOutput::CloseRelay { allocation, .. } => self.opened.retain(|_, opened| *opened != allocation),
                // Browsers of this world speak UDP, and allocations of TCP need streams.
                TurnOutput::Connect { .. } | TurnOutput::Join { .. } | TurnOutput::Disconnect { .. } => {}
            }
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.clock.now(), unix: self.clock.unix() }
    }
}
