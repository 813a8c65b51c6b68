//! A TURN node: the real core, its sockets in the simulated network, and its registration with the Fleet object.

use crate::check::Breaches;
use crate::clock::Clock;
use crate::net::Datagram;
use node_core::line::{News, SocketKey};
use node_core::membership::{Membership, Order, Output as MembershipOutput};
use shared::control::{NodeLoad, NodeToFleet, TurnRegistration};
use shared::{NodeId, Region};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use turn_core::auth::Authenticator;
use turn_core::peer_policy::PeerPolicy;
use turn_core::pool::{Pool, Quotas};
use turn_core::{AllocationId, Config, FiveTuple, Framing, Now, Output as TurnOutput, RelayOpened, TurnServer};

/// The port of every TURN node (RFC 8656 §3); a firewall may block everything else.
pub const TURN_PORT: u16 = 3_478;
const RELAY_PORTS: std::ops::RangeInclusive<u16> = 50_000..=50_099;
const REALM: &str = "simulated";
const ALLOCATIONS_MAX: u32 = 50;
/// Each ICE restart allocates anew, and old allocations expire only after ten minutes.
const QUOTAS: Quotas = Quotas { per_user: 20, per_address: 1_000 };
const BYTES_PER_S: u64 = 10_000_000;

#[derive(Clone, Debug)]
pub enum Output {
    Datagram(Datagram),
    /// Opens a socket to the Fleet object.
    Dial(SocketKey),
    /// Sent over the socket.
    Frame(SocketKey, String),
    HangUp(SocketKey),
}

pub struct Relay {
    id: NodeId,
    address: SocketAddr,
    server: TurnServer,
    membership: Membership,
    clock: Clock,
    breaches: Breaches,
    outputs: VecDeque<Output>,
    opened: BTreeMap<SocketAddr, AllocationId>,
}

impl Relay {
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
            pool: Pool::new(RELAY_PORTS, QUOTAS, pool_seed),
        };
        let address = SocketAddr::new(host, TURN_PORT);
        let registration = NodeToFleet::RegisterTurn(TurnRegistration {
            node: id.clone(),
            region: Region::parse(crate::edge::REGION).expect("a region's name"),
            urls: vec![format!("turn:{address}?transport=udp")],
            allocations_max: ALLOCATIONS_MAX,
        });
        Self {
            id,
            address,
            server: TurnServer::new(config),
            membership: Membership::new(clock.now(), registration, 1, seed),
            clock: *clock,
            breaches,
            outputs: VecDeque::new(),
            opened: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.id
    }

    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.address.ip()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.membership.poll_timeout(), self.server.poll_timeout()].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, clock: &Clock) {
        self.clock = *clock;
        let load = NodeLoad { sessions: self.server.allocation_count() as u32, ..NodeLoad::default() };
        self.membership.handle_deadline(clock.now(), load);
        let now = self.now();
        self.server.handle_timeout(now);
        self.drain();
    }

    pub fn handle_news(&mut self, clock: &Clock, socket: SocketKey, news: News) {
        self.clock = *clock;
        match self.membership.handle_news(clock.now(), socket, news) {
            Some(Order::SetMediaNodes(addresses)) => {
                self.server.set_media_nodes(self.now(), addresses.into_iter().collect());
            }
            Some(other @ (Order::Assign(_) | Order::Probe { .. })) => {
                self.breaches.add(clock, format!("{}: the fleet says {other:?}", self.id));
            }
            None => {}
        }
        self.drain();
    }

    /// True if a datagram to this address arrives here.
    #[must_use]
    pub fn hears(&self, address: SocketAddr) -> bool {
        address == self.address || self.opened.contains_key(&address)
    }

    /// Takes a datagram of a client or of a peer.
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
        while let Some(output) = self.membership.poll_output() {
            self.outputs.push_back(match output {
                MembershipOutput::Dial { socket, .. } => Output::Dial(socket),
                MembershipOutput::Send { socket, frame } => Output::Frame(socket, frame),
                MembershipOutput::Close { socket } => Output::HangUp(socket),
            });
        }
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
                // Browsers of this world use UDP, allocations for TCP need streams, and there is no kernel.
                TurnOutput::Connect { .. }
                | TurnOutput::Join { .. }
                | TurnOutput::Disconnect { .. }
                | TurnOutput::Switch { .. } => {}
            }
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.clock.now(), unix: self.clock.unix() }
    }
}
