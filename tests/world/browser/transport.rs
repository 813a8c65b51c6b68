//! A browser's ICE and DTLS transport: one at a time, restarted by an answer with new credentials.

use super::answer::Answer;
use super::ice::{Checked, Checks, Pair};
use super::offer::{Credentials, Make};
use super::relayed::{Incoming, Relayed};
use crate::clock::Clock;
use crate::net::Datagram;
use media_core::random::Random;
use media_core::session::dtls::{Dtls, Event, Identity};
use media_core::session::srtp::{Opener, Sealer};
use media_core::stun;
use shared::rtp_parameters::Fingerprint;
use shared::signal::IceServer;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A transport is reported as dead after this much silence.
const DEAD_AFTER: Duration = Duration::from_millis(1_500);
/// Room for an SRTP tag and an SRTCP index.
const OVERHEAD_BYTES: usize = media_core::session::srtp::OVERHEAD_BYTES_MAX;

/// The content of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    Rtp(Vec<u8>),
    Rtcp(Vec<u8>),
    /// The handshake is complete: media may flow.
    Connected,
    /// A TURN node refuses to relay, with this code.
    NotRelayed(u16),
}

/// One transport, from the first answer on.
#[derive(Debug)]
pub struct Transport {
    make: Make,
    identity: Identity,
    local: SocketAddr,
    relayed: Vec<Relayed>,
    checks: Checks,
    remote: Fingerprint,
    dtls: Option<Dtls>,
    keys: Option<(Opener, Sealer)>,
    /// The path of DTLS and SRTP: the old one is used until the new checks have nominated one.
    path: Option<Pair>,
    heard_at: Instant,
    is_dead: bool,
    outgoing: Vec<(Pair, Vec<u8>)>,
}

impl Transport {
    #[must_use]
    pub fn new(
        clock: &Clock,
        (make, identity): (Make, Identity),
        local: SocketAddr,
        own: &Credentials,
        answer: &Answer,
    ) -> Self {
        Self {
            make,
            identity,
            local,
            relayed: Vec::new(),
            checks: Checks::new(clock, make, local, own, answer),
            remote: answer.fingerprint,
            dtls: None,
            keys: None,
            path: None,
            heard_at: clock.now(),
            is_dead: false,
            outgoing: Vec::new(),
        }
    }

    /// True if the answer continues the current transport.
    #[must_use]
    pub fn answers(&self, answer: &Answer) -> bool {
        self.checks.is_with(answer)
    }

    /// Takes an answer with other credentials: an ICE restart. If the certificate differs, restarts DTLS and returns
    /// true.
    pub fn restart(&mut self, clock: &Clock, local: SocketAddr, own: &Credentials, answer: &Answer) -> bool {
        self.checks = Checks::new(clock, self.make, local, own, answer);
        self.local = local;
        self.heard_at = clock.now();
        self.is_dead = false;
        let is_renewed = self.remote != answer.fingerprint;
        if is_renewed {
            self.remote = answer.fingerprint;
            (self.dtls, self.keys, self.path) = (None, None, None);
        }
        is_renewed
    }

    /// Gathers at these TURN nodes, and at no others.
    pub fn gather(&mut self, clock: &Clock, servers: &[IceServer]) {
        self.relayed = Relayed::at_all(clock, self.local, servers, self.checks.remotes());
    }

    /// The TURN node on the current path.
    #[must_use]
    pub fn relayed_by(&self) -> Option<SocketAddr> {
        self.path.and_then(|path| self.relay_of(path)).map(Relayed::server)
    }

    fn relay_of(&self, pair: Pair) -> Option<&Relayed> {
        self.relayed.iter().find(|relayed| relayed.address() == Some(pair.local))
    }

    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.keys.is_some() && self.path.is_some()
    }

    /// True if the latest checks have found and nominated a path.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.checks.nominated().is_some()
    }

    /// True once when the node has fallen silent.
    pub fn poll_death(&mut self, clock: &Clock) -> bool {
        let is_due = !self.is_dead && self.death_at() <= clock.now();
        self.is_dead |= is_due;
        is_due
    }

    fn death_at(&self) -> Instant {
        self.heard_at + DEAD_AFTER
    }

    /// The latest time for [`Self::poll_transmits`].
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let dtls = self.dtls.as_ref().and_then(Dtls::poll_timeout);
        let death = if self.is_dead { None } else { Some(self.death_at()) };
        let relayed = self.relayed.iter().filter_map(Relayed::poll_timeout);
        [dtls, death].into_iter().flatten().chain(relayed).fold(self.checks.next_at(), Instant::min)
    }

    pub fn poll_transmits(&mut self, clock: &Clock, random: &mut Random) -> Vec<Datagram> {
        self.outgoing.extend(self.checks.poll(clock, random));
        if let Some(dtls) = &mut self.dtls
            && dtls.poll_timeout().is_some_and(|at| at <= clock.now())
        {
            dtls.handle_timeout(clock.now());
        }
        self.flush_dtls();
        let mut datagrams: Vec<_> = self.relayed.iter_mut().filter_map(|relayed| relayed.poll(clock, random)).collect();
        for (pair, bytes) in std::mem::take(&mut self.outgoing) {
            match self.relay_of(pair) {
                Some(relayed) => datagrams.push(relayed.wrap(pair.remote, &bytes, random)),
                // A path from an address that a restart gave up leads nowhere, unless it is one of the host.
                None if pair.local.ip() != self.local.ip() => {}
                None => datagrams.push(Datagram { from: pair.local, to: pair.remote, bytes }),
            }
        }
        datagrams
    }

    pub fn handle_datagram(&mut self, clock: &Clock, datagram: Datagram) -> Option<Received> {
        let Some(relayed) = self.relayed.iter_mut().find(|relayed| relayed.server() == datagram.from) else {
            let pair = Pair { local: datagram.to, remote: datagram.from };
            return self.handle_bytes(clock, pair, datagram.bytes);
        };
        let relay = relayed.address();
        match relayed.handle_datagram(clock, &datagram.bytes)? {
            Incoming::Ready(address) => self.checks.add_local(clock, address),
            Incoming::Data(remote, bytes) => return self.handle_bytes(clock, Pair { local: relay?, remote }, bytes),
            Incoming::Refused(code) => return Some(Received::NotRelayed(code)),
        }
        None
    }

    fn handle_bytes(&mut self, clock: &Clock, pair: Pair, mut bytes: Vec<u8>) -> Option<Received> {
        match bytes.first()? {
            0..=3 if !stun::is_success(&bytes) => {
                let answer = self.checks.answer(pair, &bytes)?;
                self.outgoing.push((pair, answer));
                None
            }
            0..=3 => {
                let checked = self.checks.handle_answer(clock, &bytes)?;
                self.heard_at = clock.now();
                self.handle_checked(clock, checked);
                None
            }
            20..=63 => self.handle_dtls(clock, &bytes),
            _ => {
                let received = self.open(&mut bytes);
                self.heard_at = if received.is_some() { clock.now() } else { self.heard_at };
                received
            }
        }
    }

    fn handle_checked(&mut self, clock: &Clock, checked: Checked) {
        match checked {
            // DTLS does not wait for the nomination.
            Checked::Valid(pair) => self.begin_dtls(clock, pair),
            Checked::Nominated(pair) => {
                self.begin_dtls(clock, pair);
                self.path = Some(pair);
            }
            Checked::Alive => {}
        }
    }

    fn begin_dtls(&mut self, clock: &Clock, pair: Pair) {
        if self.dtls.is_none() {
            self.dtls = Some(Dtls::client(clock.now(), &self.identity, self.remote));
            self.path = Some(pair);
            self.flush_dtls();
        }
    }

    fn handle_dtls(&mut self, clock: &Clock, bytes: &[u8]) -> Option<Received> {
        let dtls = self.dtls.as_mut()?;
        dtls.handle_datagram(clock.now(), &self.identity, bytes);
        let mut received = None;
        while let Some(event) = dtls.poll_event() {
            match event {
                Event::Connected { opener, sealer, .. } => {
                    self.keys = Some((opener, sealer));
                    received = Some(Received::Connected);
                }
                Event::Ended(_) => self.keys = None,
            }
        }
        self.flush_dtls();
        received
    }

    fn flush_dtls(&mut self) {
        let (Some(dtls), Some(path)) = (&mut self.dtls, self.path) else { return };
        self.outgoing.extend(std::iter::from_fn(|| dtls.poll_transmit()).map(|bytes| (path, bytes)));
    }

    fn open(&mut self, bytes: &mut Vec<u8>) -> Option<Received> {
        let (opener, _) = self.keys.as_mut()?;
        if media_core::rtp::is_rtcp(bytes) {
            let length = opener.open_rtcp(bytes).ok()?;
            bytes.truncate(length);
            return Some(Received::Rtcp(std::mem::take(bytes)));
        }
        let header_bytes = media_core::rtp::RtpHeader::parse(bytes)?.header_bytes();
        let length = opener.open_rtp(bytes, header_bytes).ok()?.bytes;
        bytes.truncate(length);
        Some(Received::Rtp(std::mem::take(bytes)))
    }

    /// Seals and sends an RTP packet; drops it before the handshake is complete.
    pub fn send_rtp(&mut self, mut packet: Vec<u8>, header_bytes: usize, ssrc: u32, index: u64) {
        let (Some((_, sealer)), Some(path)) = (&self.keys, self.path) else { return };
        let plain_bytes = packet.len();
        packet.resize(plain_bytes + OVERHEAD_BYTES, 0);
        if let Some(bytes) = sealer.seal_rtp(&mut packet, header_bytes, plain_bytes, ssrc, index) {
            packet.truncate(bytes);
            self.outgoing.push((path, packet));
        }
    }

    pub fn send_rtcp(&mut self, mut compound: Vec<u8>) {
        let (Some((_, sealer)), Some(path)) = (&mut self.keys, self.path) else { return };
        let plain_bytes = compound.len();
        compound.resize(plain_bytes + OVERHEAD_BYTES, 0);
        if let Some(bytes) = sealer.seal_rtcp(&mut compound, plain_bytes) {
            compound.truncate(bytes);
            self.outgoing.push((path, compound));
        }
    }
}
