//! A whole TURN server under any sequence of datagrams, requests, times and failures: its tables stay bounded, nothing is relayed that the
//! policy forbids, and no stranger gets a long answer.

use shared::UnixMillis;
use shared::turn_credential::{Credential, TurnKeys, TurnPolicy, TurnUser};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use turn_core::auth::{Authenticator, IntegrityKey};
use turn_core::message::{AttributeType as A, Class, Message, MessageWriter, Method};
use turn_core::peer_policy::PeerPolicy;
use turn_core::pool::Pool;
use turn_core::{AllocationId, Config, FiveTuple, Now, Output, RelayOpened, ToPeer, TurnServer};

const CLIENTS: u8 = 6;
const ALLOCATIONS_PER_USER: u32 = 1;
const PORTS: std::ops::RangeInclusive<u16> = 50_000..=50_003;
/// No answer is longer: whoever forges a sender's address gains nothing by it.
const ANSWER_BYTES_MAX: usize = 256;
/// Steps of one script: enough to fill every table.
const STEPS_MAX: usize = 256;
const METHODS: [Method; 6] =
    [Method::Allocate, Method::Refresh, Method::CreatePermission, Method::ChannelBind, Method::Send, Method::Binding];
const PEERS: [&str; 8] = [
    "93.184.216.34:7000",
    "93.184.216.34:22",
    "8.8.8.8:53",
    "10.0.0.1:80",
    "127.0.0.1:80",
    "93.184.216.99:50001",
    "[2600::7]:7000",
    "[::1]:80",
];

/// Plays `bytes` as a script.
pub fn check(bytes: &[u8]) {
    let mut play = Play::new();
    let mut script = Script(bytes);
    for _ in 0..STEPS_MAX {
        let (Some(kind), Some(client)) = (script.byte(), script.byte()) else { return };
        play.step(kind % 8, client % CLIENTS, &mut script);
        play.check();
    }
}

/// What is left of the script.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte; a script that has ended says zero.
    fn small(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.small()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }
}

/// The server and the world around it.
struct Play {
    server: TurnServer,
    policy: PeerPolicy,
    now: Now,
    nonces: BTreeMap<u8, Vec<u8>>,
    relays: BTreeMap<AllocationId, SocketAddr>,
    /// How many of the next sockets cannot be opened.
    failures: u8,
    token: [u8; 8],
}

impl Play {
    fn new() -> Self {
        let policy = PeerPolicy {
            allowed: vec![],
            own: vec![],
            relayed: vec![address("93.184.216.99:0").ip()],
            relay_ports: PORTS,
            media_nodes: BTreeSet::from([address(PEERS[0])]),
        };
        let config = Config {
            authenticator: Authenticator::new("rotunda", keys(), [9; 20]),
            policy: policy.clone(),
            relay_v4: Some(address("93.184.216.99:0").ip()),
            relay_v6: Some(address("[2600::99]:0").ip()),
            sfu_bytes_per_s: 2_000,
            p2p_bytes_per_s: 1_000,
            pool: Pool::new(PORTS, ALLOCATIONS_PER_USER, 7),
        };
        let now = Now { instant: Instant::now(), unix: UnixMillis(1_800_000_000_000) };
        let (nonces, relays) = (BTreeMap::new(), BTreeMap::new());
        Self { server: TurnServer::new(config), policy, now, nonces, relays, failures: 0, token: [0; 8] }
    }

    fn step(&mut self, kind: u8, client: u8, script: &mut Script<'_>) {
        match kind {
            0 => self.datagram(client, script.bytes()),
            1..=3 => {
                let request = self.request(client, script);
                self.datagram(client, &request);
            }
            4 => {
                let [high, low] = (0x4000 | u16::from(script.small() % 8)).to_be_bytes();
                let data = script.bytes();
                self.datagram(client, &[&[high, low, 0, data.len() as u8], data].concat());
            }
            5 => self.peer_data(client, script),
            6 => {
                let seconds = u64::from(script.small()) * 4;
                self.now.instant += Duration::from_secs(seconds);
                self.now.unix = self.now.unix.plus_ms(seconds * 1_000);
                self.server.handle_timeout(self.now);
                self.drain();
            }
            _ => self.event(client, script),
        }
    }

    /// Bytes of a client, with every promise about what the server does with them.
    fn datagram(&mut self, client: u8, bytes: &[u8]) {
        let route = self.server.handle_client(self.now, tuple(client), bytes);
        if let Some(ToPeer { allocation, peer, payload, .. }) = route {
            assert!(self.relays.contains_key(&allocation), "from a socket that is open");
            assert!(payload.end <= bytes.len() && payload.start <= payload.end);
            assert!(self.policy.allows(policy_of(client), peer), "{peer} is forbidden");
        }
        self.drain();
    }

    fn peer_data(&mut self, place: u8, script: &mut Script<'_>) {
        let Some(id) = self.relays.keys().nth(usize::from(place) % self.relays.len().max(1)).copied() else { return };
        let (peer, bytes) = (peer(script.small()), usize::from(script.small()));
        if let Some(to) = self.server.handle_peer(self.now, id, peer, bytes) {
            let client = (0..CLIENTS).find(|client| tuple(*client) == to.client).expect("one of ours");
            assert!(self.policy.allows(policy_of(client), peer), "{peer} is forbidden");
            let mut header = Vec::new();
            self.server.indication_header(peer, bytes as u16, &mut header);
            assert!(header.len() <= 52);
        }
        self.drain();
    }

    fn event(&mut self, client: u8, script: &mut Script<'_>) {
        match script.small() % 4 {
            0 => {
                self.policy.media_nodes = match script.small() % 2 {
                    0 => BTreeSet::new(),
                    _ => BTreeSet::from([address(PEERS[0]), address(PEERS[3])]),
                };
                self.server.set_media_nodes(self.policy.media_nodes.clone());
            }
            1 => self.server.link_closed(tuple(client)),
            2 => self.failures = script.small() % 16,
            _ => {
                self.nonces.remove(&client);
            }
        }
        self.drain();
    }

    /// A request that is signed as well as the client can.
    fn request(&mut self, client: u8, script: &mut Script<'_>) -> Vec<u8> {
        let method = METHODS[usize::from(script.small()) % METHODS.len()];
        let transaction = [script.small() % 4; 12];
        // Send is never a request.
        let class = if method == Method::Send { Class::Indication } else { Class::Request };
        let mut writer = MessageWriter::new(method, class, transaction);
        if method == Method::Allocate {
            writer = writer.with(A::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        }
        for _ in 0..script.small() % 5 {
            writer = self.attribute(writer, script);
        }
        let Some(nonce) = self.nonces.get(&client).filter(|_| class == Class::Request) else { return writer.finish() };
        let Credential { username, password } = keys().mint(&user(client));
        writer
            .with(A::USERNAME, username.as_bytes())
            .with(A::REALM, b"rotunda")
            .with(A::NONCE, nonce)
            .signed(&IntegrityKey::long_term(&username, "rotunda", &password))
            .finish()
    }

    fn attribute(&self, writer: MessageWriter, script: &mut Script<'_>) -> MessageWriter {
        let (kind, value) = (script.small(), script.small());
        match kind % 8 {
            0 | 1 => writer.with_address(A::XOR_PEER_ADDRESS, peer(value)),
            2 => writer.with(A::CHANNEL_NUMBER, &[0x40, value % 8, 0, 0]),
            3 => writer.with(A::LIFETIME, &(u32::from(value) * 32).to_be_bytes()),
            4 => writer.with(A::EVEN_PORT, &[value]),
            5 => writer.with(A::REQUESTED_ADDRESS_FAMILY, &[value % 4, 0, 0, 0]),
            6 => writer.with(A::RESERVATION_TOKEN, &self.token),
            _ => writer.with(A(u16::from(value)), script.bytes()),
        }
    }

    /// Does what the server wants, as a shell would.
    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, bytes } => self.answered(to, &bytes),
                Output::OpenRelay { allocation, address } => {
                    assert!(PORTS.contains(&address.port()));
                    let fails = self.failures > 0;
                    self.failures = self.failures.saturating_sub(1);
                    if !fails {
                        assert!(!self.relays.values().any(|open| *open == address), "a port is given once");
                        self.relays.insert(allocation, address);
                    }
                    let opened = if fails { RelayOpened::No } else { RelayOpened::Yes };
                    self.server.relay_opened(self.now, allocation, opened);
                }
                Output::CloseRelay { allocation } => {
                    assert!(self.relays.remove(&allocation).is_some(), "what is closed was open");
                }
            }
        }
    }

    fn answered(&mut self, to: FiveTuple, bytes: &[u8]) {
        assert!(bytes.len() <= ANSWER_BYTES_MAX, "{} bytes", bytes.len());
        let answer = Message::parse(bytes).expect("the server writes sound messages");
        assert!(matches!(answer.class, Class::Success | Class::Error));
        let client = (0..CLIENTS).find(|client| tuple(*client) == to).expect("one of ours");
        if let Some(nonce) = answer.value(A::NONCE) {
            self.nonces.insert(client, nonce.to_vec());
        }
        if let Some(Ok(token)) = answer.value(A::RESERVATION_TOKEN).map(<[u8; 8]>::try_from) {
            self.token = token;
        }
    }

    /// What holds after every step.
    fn check(&self) {
        assert_eq!(self.relays.len(), self.server.allocation_count(), "every allocation has its socket, and no other");
        assert!(self.relays.len() <= usize::from(CLIENTS));
        let users: BTreeSet<String> = (0..CLIENTS).map(|client| user(client).owner()).collect();
        assert!(self.relays.len() <= users.len() * ALLOCATIONS_PER_USER as usize);
        assert_eq!(self.server.poll_timeout().is_some(), !self.relays.is_empty(), "every allocation ends");
        assert!(self.server.poll_timeout().is_none_or(|at| at <= self.now.instant + Duration::from_secs(3_600)));
    }
}

/// Two clients of each of three users, one of whom is a peer-to-peer one.
fn user(client: u8) -> TurnUser {
    let (room, participant) = ("daily".parse().expect("a room"), format!("user-{}", client / 2));
    let participant = participant.parse().expect("a name");
    TurnUser { expires_at: UnixMillis(1_800_000_600_000), policy: policy_of(client), room, participant }
}

fn policy_of(client: u8) -> TurnPolicy {
    if client < 4 { TurnPolicy::Sfu } else { TurnPolicy::P2p }
}

fn tuple(client: u8) -> FiveTuple {
    FiveTuple { link: 0, client: SocketAddr::from(([198, 51, 100, 7], 4_000 + u16::from(client))) }
}

fn peer(number: u8) -> SocketAddr {
    address(PEERS[usize::from(number) % PEERS.len()])
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn keys() -> TurnKeys {
    TurnKeys::parse("k:the secret of the edge and of the server").expect("keys")
}
