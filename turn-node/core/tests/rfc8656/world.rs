//! A server with a clock and named sockets that do not exist, and clients with credentials.

use shared::UnixMillis;
use shared::turn_credential::{TurnKeys, TurnPolicy, TurnUser};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use turn_core::auth::{Authenticator, IntegrityKey};
use turn_core::flow::{Flow, Until};
use turn_core::message::{AttributeType as A, Class, Message, MessageWriter, Method};
use turn_core::peer_policy::PeerPolicy;
use turn_core::pool::{Pool, Quotas};
use turn_core::{
    AllocationId, Config, ConnectionId, FiveTuple, Framing, Now, Output, RelayOpened, ToPeer, Transport, TurnServer,
};

pub(crate) const KEYS: &str = "new:the newest secret of edge and turn node,old:the secret of edge and turn node";
pub(crate) const NODE: &str = "93.184.216.34:7000";
pub(crate) const UDP: &[u8] = &[17, 0, 0, 0];
pub(crate) const TCP: &[u8] = &[6, 0, 0, 0];

pub(crate) struct World {
    pub(crate) server: TurnServer,
    pool: Pool,
    pub(crate) now: Now,
    pub(crate) relays: Vec<(AllocationId, SocketAddr)>,
    /// The transport of the last opened relay.
    pub(crate) transport: Option<Transport>,
    /// Outputs about connections with peers, in order.
    pub(crate) links: Vec<Link>,
    /// Changes of flows, in order.
    pub(crate) flows: Vec<(Flow, Until)>,
    /// The number of further sockets that cannot be opened, and the reason.
    pub(crate) failures: (u32, RelayOpened),
    /// Ports held by other programs.
    pub(crate) foreign: BTreeSet<u16>,
}

/// See [`Output`]'s variants of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Connect(ConnectionId, SocketAddr),
    Join(ConnectionId, FiveTuple),
    Disconnect(ConnectionId),
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) tuple: FiveTuple,
    pub(crate) username: String,
    pub(crate) keys: TurnKeys,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) next_transaction: u8,
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("address")
}

pub(crate) fn client(port: u16, policy: TurnPolicy, participant: &str) -> Client {
    let participant = participant.parse().expect("valid");
    let room = "daily".parse().expect("valid");
    let user = TurnUser { expires_at: UnixMillis(1_800_003_600_000), policy, room, participant };
    let tuple = FiveTuple { link: 0, client: SocketAddr::new([198, 51, 100, 7].into(), port) };
    Client {
        tuple,
        username: user.username(),
        keys: TurnKeys::parse(KEYS).expect("keys"),
        nonce: None,
        next_transaction: 0,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A server with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let policy = PeerPolicy {
            relayed: vec![address("93.184.216.99:0").ip(), address("[2600::99]:0").ip()],
            relay_ports: 50_000..=50_009,
            media_nodes: BTreeSet::from([address(NODE)]),
            allowed: vec![],
            own: vec![],
        };
        let mut config = Config {
            authenticator: Authenticator::new("rotunda", TurnKeys::parse(KEYS).expect("keys"), [9; 20]),
            policy,
            relay_v4: Some(address("93.184.216.99:0").ip()),
            relay_v6: Some(address("[2600::99]:0").ip()),
            sfu_bytes_per_s: 10_000,
            p2p_bytes_per_s: 5_000,
            pool: Pool::new(50_000..=50_009, Quotas { per_user: 3, per_address: 1_000 }, [7; 32]),
        };
        change(&mut config);
        let now = Now { instant: Instant::now(), unix: UnixMillis(1_800_000_000_000) };
        let pool = config.pool.clone();
        Self {
            server: TurnServer::new(config),
            pool,
            now,
            relays: vec![],
            transport: None,
            links: vec![],
            flows: vec![],
            failures: (0, RelayOpened::No),
            foreign: BTreeSet::new(),
        }
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now.instant += Duration::from_secs(seconds);
        self.now.unix = self.now.unix.plus_ms(seconds * 1000);
        self.server.handle_timeout(self.now);
    }

    /// Opens relays as a shell would and returns the sent messages.
    pub(crate) fn drain(&mut self) -> Vec<(FiveTuple, Vec<u8>)> {
        let mut sent = vec![];
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, bytes } => sent.push((to, bytes)),
                Output::OpenRelay { allocation, transport, address, pair } => {
                    self.transport = Some(transport);
                    let opened = self.open(address, pair);
                    if opened == RelayOpened::Yes {
                        self.relays.push((allocation, address));
                    }
                    self.server.relay_opened(self.now, allocation, opened);
                }
                Output::CloseRelay { allocation, .. } => self.relays.retain(|(id, _)| *id != allocation),
                Output::Connect { connection, peer, .. } => self.links.push(Link::Connect(connection, peer)),
                Output::Join { connection, client } => self.links.push(Link::Join(connection, client)),
                Output::Disconnect { connection } => self.links.push(Link::Disconnect(connection)),
                Output::Switch { flow, until } => self.flows.push((flow, until)),
            }
        }
        sent
    }

    pub(crate) fn end(&mut self, client: &mut Client) {
        assert_eq!(self.ask(client, Method::Refresh, &[(A::LIFETIME, vec![0; 4])]).code, 0);
    }

    fn open(&mut self, address: SocketAddr, pair: bool) -> RelayOpened {
        let (left, failure) = self.failures;
        self.failures.0 = left.saturating_sub(1);
        let is_foreign = |port| self.foreign.contains(&port);
        match left {
            0 if is_foreign(address.port()) || (pair && is_foreign(address.port() + 1)) => RelayOpened::No,
            0 => RelayOpened::Yes,
            _ => failure,
        }
    }

    pub(crate) fn raw(&mut self, from: FiveTuple, bytes: &[u8]) -> (Option<ToPeer>, Vec<Vec<u8>>) {
        let route = self.server.handle_client(self.now, from, bytes);
        (route, self.drain().into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// Sends a signed request; repeats it with the nonce from the answer, as clients do.
    pub(crate) fn ask(&mut self, client: &mut Client, method: Method, attributes: &[(A, Vec<u8>)]) -> Answer {
        for _ in 0..2 {
            let bytes = client.request(method, attributes);
            let (_, answers) = self.raw(client.tuple, &bytes);
            let answer = Answer::read(answers.first().expect("an answer"));
            let stale = answer.code == 401 && client.nonce.is_none() || answer.code == 438;
            client.nonce = answer.nonce.clone().or(client.nonce.take());
            if !stale {
                return answer;
            }
        }
        panic!("no credentials were good enough");
    }

    pub(crate) fn allocate(&mut self, client: &mut Client, more: &[(A, Vec<u8>)]) -> Answer {
        let mut attributes = vec![(A::REQUESTED_TRANSPORT, UDP.to_vec())];
        attributes.extend_from_slice(more);
        self.ask(client, Method::Allocate, &attributes)
    }

    pub(crate) fn allocated(policy: TurnPolicy) -> (Self, Client, AllocationId) {
        let mut world = Self::new();
        let mut client = client(4000, policy, "ada");
        assert_eq!(world.allocate(&mut client, &[]).code, 0);
        let id = world.relays[0].0;
        (world, client, id)
    }

    pub(crate) fn permit(&mut self, client: &mut Client, peers: &[&str]) -> u16 {
        let peers: Vec<_> = peers.iter().map(|peer| (A::XOR_PEER_ADDRESS, xor(address(peer)))).collect();
        self.ask(client, Method::CreatePermission, &peers).code
    }

    pub(crate) fn bind(&mut self, client: &mut Client, number: u16, peer: &str) -> u16 {
        let [high, low] = number.to_be_bytes();
        let attributes = [(A::CHANNEL_NUMBER, vec![high, low, 0, 0]), (A::XOR_PEER_ADDRESS, xor(address(peer)))];
        self.ask(client, Method::ChannelBind, &attributes).code
    }

    pub(crate) fn send(&mut self, client: &Client, peer: &str, data: &[u8]) -> Option<ToPeer> {
        let message = MessageWriter::new(Method::Send, Class::Indication, XOR_TRANSACTION)
            .with_address(A::XOR_PEER_ADDRESS, address(peer))
            .with(A::DATA, data)
            .finish();
        let (route, answers) = self.raw(client.tuple, &message);
        assert!(answers.is_empty(), "an indication is never answered");
        route
    }

    pub(crate) fn channel_data(&mut self, client: &Client, number: u16, data: &[u8]) -> Option<ToPeer> {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend_from_slice(data);
        self.raw(client.tuple, &bytes).0
    }

    pub(crate) fn hears(&mut self, id: AllocationId, peer: &str) -> Option<Framing> {
        self.server.handle_peer(self.now, id, address(peer), 100).map(|to| to.framing)
    }
}

/// The transaction of every message that contains addresses, so that IPv6 addresses can be read back.
pub(crate) const XOR_TRANSACTION: [u8; 12] = [0; 12];

/// The value of an address attribute. IPv6 depends on the transaction id, which [`Client::request`] therefore keeps at zero for it.
pub(crate) fn xor(address: SocketAddr) -> Vec<u8> {
    let message =
        MessageWriter::new(Method::Binding, Class::Request, XOR_TRANSACTION).with_address(A::DATA, address).finish();
    message[24..].to_vec()
}

impl Client {
    pub(crate) fn key(&self) -> IntegrityKey {
        IntegrityKey::long_term(
            &self.username,
            "rotunda",
            &self.keys.passwords(&self.username).next().expect("a password"),
        )
    }

    pub(crate) fn request(&mut self, method: Method, attributes: &[(A, Vec<u8>)]) -> Vec<u8> {
        let mut transaction = XOR_TRANSACTION;
        if method == Method::Allocate {
            self.next_transaction = self.next_transaction.wrapping_add(1);
            transaction[0] = self.next_transaction;
        }
        let mut message = MessageWriter::new(method, Class::Request, transaction);
        for (kind, value) in attributes {
            message = message.with(*kind, value);
        }
        let Some(nonce) = &self.nonce else { return message.finish() };
        let message =
            message.with(A::USERNAME, self.username.as_bytes()).with(A::REALM, b"rotunda").with(A::NONCE, nonce);
        message.signed(&self.key()).finish()
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) nonce: Option<Vec<u8>>,
    pub(crate) realm: Option<Vec<u8>>,
    pub(crate) lifetime: Option<u32>,
    pub(crate) relayed: Option<SocketAddr>,
    pub(crate) mapped: Option<SocketAddr>,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let message = Message::parse(bytes).expect("the server writes sound messages");
        let error = message.value(A::ERROR_CODE).map(|value| u16::from(value[2]) * 100 + u16::from(value[3]));
        assert_eq!(error.is_some(), message.class == Class::Error);
        let address = |kind| message.value(kind).and_then(|value| message.xor_address(value));
        Self {
            code: error.unwrap_or(0),
            nonce: message.value(A::NONCE).map(<[u8]>::to_vec),
            realm: message.value(A::REALM).map(<[u8]>::to_vec),
            lifetime: message.value(A::LIFETIME).map(|value| u32::from_be_bytes(value.try_into().expect("four bytes"))),
            relayed: address(A::XOR_RELAYED_ADDRESS),
            mapped: address(A::XOR_MAPPED_ADDRESS),
            bytes: bytes.to_vec(),
        }
    }
}

impl Answer {
    pub(crate) fn value(&self, kind: A) -> Option<Vec<u8>> {
        Message::parse(&self.bytes).expect("sound").value(kind).map(<[u8]>::to_vec)
    }
}
