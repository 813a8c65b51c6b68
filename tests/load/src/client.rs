//! A client's transport: the controlling half of ICE with one pair, DTLS in the client role, SRTP.

use crate::parameters::ClientNumber;
use anyhow::{Context, Result, bail};
use aws_lc_rs::hmac;
use media_core::session::dtls::{Dtls, Event, Identity};
use media_core::session::srtp::{Opener, Sealer};
use media_core::stun::{self, BindingRequest, Request, Response, Role};
use shared::rtp_parameters::{Fingerprint, IceParameters};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use udp::{Counters, ReceiveBatch, SendBatch, Socket};

/// Checks are repeated this often until one is answered (RFC 8445 §14.3 suggests 500 ms; loopback is quicker).
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Consent is renewed this often (RFC 7675 §5.1).
const CONSENT_INTERVAL: Duration = Duration::from_secs(4);
/// All clients together must be connected within this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Poll interval of the sockets while connecting.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// Messages per read.
const MESSAGES: usize = 32;

/// Memory shared by all clients of a thread.
#[derive(Debug, Default)]
pub struct Memory {
    pub incoming: ReceiveBatch,
    pub outgoing: SendBatch,
    pub counters: Counters,
}

#[derive(Debug)]
pub struct Client {
    ice: IceParameters,
    /// The last bytes of its transactions' numbers.
    salt: u32,
    socket: Socket,
    node: SocketAddr,
    key: hmac::Key,
    dtls: Dtls,
    is_verified: bool,
    keys: Option<(Opener, Sealer)>,
    check_at: Instant,
    checks: u64,
    /// The answer to the node's latest check.
    answer: Option<Vec<u8>>,
}

/// Creates the certificate that all clients of a process share.
pub fn identity() -> Result<Identity> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = rcgen::CertificateParams::default().self_signed(&key)?;
    Ok(Identity::new(certificate.der().to_vec(), key.serialize_der())?)
}

impl Client {
    /// A client that will connect to `node`, whose certificate has this digest.
    pub fn new(number: ClientNumber, node: SocketAddr, identity: &Identity, fingerprint: Fingerprint) -> Result<Self> {
        Self::with(number.ice(), number.0, node, identity, fingerprint)
    }

    /// Like [`Self::new`], with credentials that the edge has chosen.
    pub fn with(
        ice: IceParameters,
        salt: u32,
        node: SocketAddr,
        identity: &Identity,
        fingerprint: Fingerprint,
    ) -> Result<Self> {
        let local: IpAddr = if node.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        Ok(Self::on(Self::bind(local)?, ice, salt, node, identity, fingerprint))
    }

    /// Like [`Self::with`], on a socket of [`Self::bind`].
    pub fn on(
        socket: Socket,
        ice: IceParameters,
        salt: u32,
        node: SocketAddr,
        identity: &Identity,
        fingerprint: Fingerprint,
    ) -> Self {
        let now = Instant::now();
        Self {
            key: stun::key(&ice.node_pwd),
            ice,
            salt,
            socket,
            node,
            dtls: Dtls::client(now, identity, fingerprint),
            is_verified: false,
            keys: None,
            check_at: now,
            checks: 0,
            answer: None,
        }
    }

    pub fn bind(local: IpAddr) -> Result<Socket> {
        Socket::bind((local, 0).into(), false).context("binding a client's socket")
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// True once ICE and DTLS are connected.
    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// Authenticates and decrypts the node's packets.
    pub fn opener(&mut self) -> Option<&mut Opener> {
        self.keys.as_mut().map(|(opener, _)| opener)
    }

    /// Encrypts packets to the node.
    pub fn sealer(&mut self) -> Option<&mut Sealer> {
        self.keys.as_mut().map(|(_, sealer)| sealer)
    }

    /// Sends datagrams to the node, one per message.
    pub fn send<'a>(&self, memory: &mut Memory, datagrams: impl Iterator<Item = &'a [u8]>) {
        let mut sending = memory.outgoing.sending(&self.socket, &mut memory.counters);
        datagrams.for_each(|datagram| sending.run(self.node, datagram, datagram.len()));
    }

    /// Handles due work: checks, consent, DTLS timers.
    pub fn tick(&mut self, now: Instant, memory: &mut Memory) {
        if self.check_at <= now {
            self.check_at = now + if self.is_verified { CONSENT_INTERVAL } else { CHECK_INTERVAL };
            let check = self.check();
            self.send(memory, std::iter::once(check.as_slice()));
        }
        if self.is_verified && !self.is_connected() {
            if self.dtls.poll_timeout().is_some_and(|at| at <= now) {
                self.dtls.handle_timeout(now);
            }
            self.flush(memory);
        }
    }

    /// Takes a datagram that is not media.
    pub fn handle(&mut self, now: Instant, identity: &Identity, datagram: &[u8]) -> Result<()> {
        match datagram.first() {
            // RFC 7983 §7: distinguished by the first byte.
            Some(0..=3) => self.handle_stun(datagram),
            Some(20..=63) => {
                self.dtls.handle_datagram(now, identity, datagram);
            }
            Some(_) | None => {}
        }
        while let Some(event) = self.dtls.poll_event() {
            match event {
                Event::Connected { opener, sealer, .. } => self.keys = Some((opener, sealer)),
                Event::Ended(error) => bail!("client {}: {error}", self.ice.client_ufrag),
            }
        }
        Ok(())
    }

    /// Takes a STUN message: a node whose checks are not answered stops sending (RFC 7675 §5.1).
    pub fn handle_stun(&mut self, datagram: &[u8]) {
        match BindingRequest::parse(datagram) {
            Some(request) => {
                let key = stun::key(&self.ice.client_pwd);
                self.answer = Some(Response::Success { mapped: self.node }.to_vec(&request, &key));
            }
            None => self.is_verified |= stun::is_success(datagram),
        }
    }

    /// Answers the node's latest check.
    pub fn answer_check(&mut self, memory: &mut Memory) {
        if let Some(answer) = self.answer.take() {
            self.send(memory, std::iter::once(answer.as_slice()));
        }
    }

    /// Sends what DTLS has ready; after the handshake this may be its last flight.
    pub fn flush(&mut self, memory: &mut Memory) {
        while let Some(datagram) = self.dtls.poll_transmit() {
            self.send(memory, std::iter::once(datagram.as_slice()));
        }
    }

    fn check(&mut self) -> Vec<u8> {
        self.checks += 1;
        let mut transaction = [0; 12];
        transaction[..8].copy_from_slice(&self.checks.to_be_bytes());
        transaction[8..].copy_from_slice(&self.salt.to_be_bytes());
        let ice = &self.ice;
        let request = Request {
            transaction,
            receiver_ufrag: &self.ice.node_ufrag,
            sender_ufrag: &ice.client_ufrag,
            use_candidate: true,
            role: Role::Controlling,
        };
        request.to_vec(&self.key)
    }
}

pub fn connect(clients: &mut [Client], identity: &Identity, memory: &mut Memory) -> Result<()> {
    let started = Instant::now();
    while let Some(waiting) = clients.iter().find(|client| !client.is_connected()) {
        if started.elapsed() > CONNECT_TIMEOUT {
            bail!("client {} does not connect", waiting.ice.client_ufrag);
        }
        for client in clients.iter_mut() {
            read(client, identity, memory)?;
            client.tick(Instant::now(), memory);
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    clients.iter_mut().for_each(|client| client.flush(memory));
    Ok(())
}

/// Reads a client's pending datagrams; drops media that arrives early.
pub fn read(client: &mut Client, identity: &Identity, memory: &mut Memory) -> Result<()> {
    let mut datagrams = Vec::new();
    memory.incoming.clear();
    while memory.incoming.fill(&client.socket, 0, MESSAGES, &mut memory.counters)? {
        memory.incoming.for_each(|_, datagram| datagrams.push(datagram.to_vec()));
        memory.incoming.clear();
    }
    datagrams.iter().try_for_each(|datagram| client.handle(Instant::now(), identity, datagram))?;
    client.answer_check(memory);
    Ok(())
}
