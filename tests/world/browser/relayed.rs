//! A browser's path to its node through a TURN node (RFC 8656): an allocation, permissions for the node's addresses,
//! and data in indications.

use crate::clock::Clock;
use crate::net::Datagram;
use media_core::random::Random;
use shared::signal::IceServer;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use turn_core::auth::IntegrityKey;
use turn_core::message::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};

/// An unanswered request is repeated after this time.
const RESEND_AFTER: Duration = Duration::from_millis(250);
/// REQUESTED-TRANSPORT: UDP (RFC 8656 §18.7).
const UDP: [u8; 4] = [17, 0, 0, 0];

/// A message from the TURN node.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Peers can be reached from this address.
    Ready(SocketAddr),
    /// A peer's datagram.
    Data(SocketAddr, Vec<u8>),
    /// The TURN node refused, with this code.
    Refused(u16),
}

#[derive(Debug)]
pub struct Relayed {
    local: SocketAddr,
    server: SocketAddr,
    username: String,
    password: String,
    /// Realm and nonce from the first refusal.
    challenge: Option<(Vec<u8>, Vec<u8>)>,
    peers: Vec<SocketAddr>,
    address: Option<SocketAddr>,
    /// The pending request; repetitions have the same id.
    asked: Option<TransactionId>,
    /// The time of the next request or repetition; `None` once everything is answered.
    ask_at: Option<Instant>,
}

impl Relayed {
    /// Allocations from `local` at every listed TURN node, for reaching `peers`.
    #[must_use]
    pub fn at_all(clock: &Clock, local: SocketAddr, servers: &[IceServer], peers: &[SocketAddr]) -> Vec<Self> {
        let relayed = |server: SocketAddr, named: &IceServer| Self {
            local,
            server,
            username: named.username.clone().unwrap_or_default(),
            password: named.credential.clone().unwrap_or_default(),
            challenge: None,
            peers: peers.to_vec(),
            address: None,
            asked: None,
            ask_at: Some(clock.now()),
        };
        let at = |named| move |url: &String| Some(relayed(server(url)?, named));
        servers.iter().flat_map(|named| named.urls.iter().filter_map(at(named))).collect()
    }

    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The relayed address, once allocated.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ask_at
    }

    pub fn poll(&mut self, clock: &Clock, random: &mut Random) -> Option<Datagram> {
        self.ask_at.filter(|at| *at <= clock.now())?;
        self.ask_at = Some(clock.now() + RESEND_AFTER);
        let asked = *self.asked.get_or_insert_with(|| transaction(random));
        let mut message = match self.address {
            None => MessageWriter::new(Method::Allocate, Class::Request, asked)
                .with(AttributeType::REQUESTED_TRANSPORT, &UDP),
            Some(_) => MessageWriter::new(Method::CreatePermission, Class::Request, asked),
        };
        for peer in self.peers.iter().filter(|_| self.address.is_some()) {
            message = message.with_address(AttributeType::XOR_PEER_ADDRESS, *peer);
        }
        if let (Some((realm, nonce)), Some(key)) = (&self.challenge, self.key()) {
            message = message
                .with(AttributeType::USERNAME, self.username.as_bytes())
                .with(AttributeType::REALM, realm)
                .with(AttributeType::NONCE, nonce)
                .signed(&key);
        }
        Some(self.datagram(message.finish()))
    }

    fn key(&self) -> Option<IntegrityKey> {
        let (realm, _) = self.challenge.as_ref()?;
        Some(IntegrityKey::long_term(&self.username, std::str::from_utf8(realm).ok()?, &self.password))
    }

    fn datagram(&self, bytes: Vec<u8>) -> Datagram {
        Datagram { from: self.local, to: self.server, bytes }
    }

    /// A datagram to a peer (RFC 8656 §11.1).
    #[must_use]
    pub fn wrap(&self, peer: SocketAddr, data: &[u8], random: &mut Random) -> Datagram {
        let message = MessageWriter::new(Method::Send, Class::Indication, transaction(random))
            .with_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .with(AttributeType::DATA, data);
        self.datagram(message.finish())
    }

    pub fn handle_datagram(&mut self, clock: &Clock, bytes: &[u8]) -> Option<Incoming> {
        let message = Message::parse(bytes)?;
        match message.class {
            Class::Indication => {
                let peer = message.xor_address(message.value(AttributeType::XOR_PEER_ADDRESS)?)?;
                message.value(AttributeType::DATA).map(|data| Incoming::Data(peer, data.to_vec()))
            }
            Class::Error | Class::Success if self.asked != Some(message.transaction) => None,
            Class::Error => self.handle_refusal(clock, &message),
            Class::Success => {
                self.key().filter(|key| message.is_signed_with(key)).and_then(|_| self.advance(clock, &message))
            }
            Class::Request => None,
        }
    }

    /// RFC 8489 §9.2.5: an answer with a realm and a nonce asks for credentials; a second one refuses them.
    fn handle_refusal(&mut self, clock: &Clock, message: &Message<'_>) -> Option<Incoming> {
        let value = |kind| message.value(kind).map(<[u8]>::to_vec);
        let challenge = (value(AttributeType::REALM), value(AttributeType::NONCE));
        if let ((Some(realm), Some(nonce)), None) = (challenge, &self.challenge) {
            self.challenge = Some((realm, nonce));
            self.ask_next(clock);
            return None;
        }
        self.ask_at = None;
        let code = message.value(AttributeType::ERROR_CODE).and_then(|value| value.get(2..4));
        Some(Incoming::Refused(code.map_or(0, |code| u16::from(code[0]) * 100 + u16::from(code[1]))))
    }

    fn advance(&mut self, clock: &Clock, message: &Message<'_>) -> Option<Incoming> {
        match self.address {
            None => {
                let value = message.value(AttributeType::XOR_RELAYED_ADDRESS)?;
                self.address = message.xor_address(value);
                self.ask_next(clock);
                None
            }
            Some(address) => self.ask_at.take().map(|_| Incoming::Ready(address)),
        }
    }

    fn ask_next(&mut self, clock: &Clock) {
        (self.asked, self.ask_at) = (None, Some(clock.now()));
    }
}

fn transaction(random: &mut Random) -> TransactionId {
    let mut transaction = [0; 12];
    transaction[..8].copy_from_slice(&random.next_u64().to_be_bytes());
    transaction[8..].copy_from_slice(&random.next_u32().to_be_bytes());
    transaction
}

/// The address in a `turn:` URI (RFC 7065), which is always UDP in this world.
fn server(url: &str) -> Option<SocketAddr> {
    url.strip_prefix("turn:")?.split('?').next()?.parse().ok()
}
