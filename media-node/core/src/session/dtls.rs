//! DTLS 1.2 and 1.3 (RFC 6347, RFC 9147) with the SRTP keys it negotiates (RFC 5764).
//!
//! No close_notify is ever sent: a browser that receives one gives the transport up, while one that hears nothing moves
//! to the session's next node. A session ends by being dropped.

pub mod client_hello;
mod fragments;
mod gate;
mod identity;

pub use client_hello::ClientHello;
pub use gate::{Admission, Gate};
pub use identity::{Identity, IdentityError};

use super::srtp::{self, Opener, Profile, Sealer, Side};
use client_hello::{Offer, Version};
use identity::HANDSHAKE_TIMEOUT;
use shared::rtp_parameters::Fingerprint;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Initial size of the buffer for datagrams: more than our MTU.
const BUFFER_BYTES: usize = 2_048;
/// Largest size that one poll may request: a whole record (RFC 6347 §4.1).
const BUFFER_BYTES_MAX: usize = 1 << 15;
/// A client repeats its hello for longer than this (RFC 6347 §4.2.4.1); a hello that is not repeated may be forged.
const REPEATS_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub enum Event {
    /// The handshake is complete, and with the right client.
    Connected {
        /// For packets from the other side.
        opener: Opener,
        /// For packets to the other side.
        sealer: Sealer,
        profile: Profile,
    },
    Ended(DtlsError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    #[error("closed by the other side")]
    Closed,
    /// The other side's certificate is not the announced one.
    #[error("the certificate is not the one that was announced")]
    WrongFingerprint,
    #[error("no SRTP profile in common")]
    NoSrtpProfile,
    /// Any other fatal DTLS error.
    #[error("the handshake failed")]
    Handshake,
}

pub struct Dtls {
    /// The certificates that the other side may present.
    remotes: Box<[Fingerprint]>,
    side: Side,
    state: State,
    deadline: Option<Instant>,
    datagrams: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

enum State {
    /// Server: collecting the ClientHello, whose SRTP profiles determine the version.
    Listening(Listening),
    /// During the handshake or after it.
    Running(Box<Association>),
    /// Permanently silent.
    Ended,
}

#[derive(Default)]
struct Listening {
    hello: ClientHello,
    refused: Option<RefusedHello>,
}

/// The client's offer cannot be accepted, or the hello is forged.
#[derive(Clone, Copy)]
struct RefusedHello {
    /// The first one came then.
    since: Instant,
    is_repeated: bool,
    error: DtlsError,
}

struct Association {
    dtls: dimpl::Dtls,
    gate: Gate,
    is_peer_right: bool,
    is_connected: bool,
    keys: Option<(Opener, Sealer, Profile)>,
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Listening(_) => "listening",
            State::Running(association) if association.is_connected => "connected",
            State::Running(_) => "handshaking",
            State::Ended => "ended",
        };
        f.debug_struct("Dtls").field("side", &self.side).field("state", &state).finish_non_exhaustive()
    }
}

impl Dtls {
    /// Waits for a client whose certificate has one of these digests (RFC 8122 §5).
    pub fn server(remotes: impl Into<Box<[Fingerprint]>>) -> Self {
        Self::new(remotes.into(), Side::Server, State::Listening(Listening::default()))
    }

    /// Starts a handshake with a server whose certificate has this digest (a client's half, for tests and load).
    pub fn client(now: Instant, identity: &Identity, remote: Fingerprint) -> Self {
        let mut dtls = identity.dtls(Version::Any, now);
        dtls.set_active(true);
        let mut client = Self::new([remote].into(), Side::Client, State::Running(Association::new(dtls)));
        client.handle_timeout(now);
        client
    }

    fn new(remotes: Box<[Fingerprint]>, side: Side, state: State) -> Self {
        Self { remotes, side, state, deadline: None, datagrams: VecDeque::new(), events: VecDeque::new() }
    }

    /// Takes a datagram of the other side; false if it was invalid here.
    pub fn handle_datagram(&mut self, now: Instant, identity: &Identity, datagram: &[u8]) -> bool {
        match &mut self.state {
            State::Listening(listening) => {
                if !listening.hello.push(datagram) {
                    return false;
                }
                match listening.hello.offer() {
                    Some(offer) => self.answer(now, identity, offer),
                    None => true,
                }
            }
            State::Running(association) if self.side == Side::Server && !association.is_connected => {
                match association.admit(&self.remotes, datagram) {
                    Admission::Admitted => self.handle_admitted(now, datagram),
                    Admission::Held => true,
                    Admission::Refused => false,
                    Admission::Released(datagrams) => {
                        datagrams.iter().filter(|datagram| self.handle_admitted(now, datagram)).count() > 0
                    }
                }
            }
            State::Running(_) => self.handle_admitted(now, datagram),
            State::Ended => false,
        }
    }

    fn handle_admitted(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let State::Running(association) = &mut self.state else { return false };
        let in_time = association.dtls.handle_timeout(now);
        let taken = association.dtls.handle_packet(datagram);
        // RFC 6347 §4.1.2.7: unauthentic records are dropped, since anybody may have sent them; a handshake
        // that cannot continue ends by its own timer. Only authentic records can end the association.
        let is_ended = association.is_connected && taken.as_ref().is_err_and(is_final);
        let made_sense = taken.is_ok();
        self.drain(in_time.is_ok() && !is_ended);
        made_sense
    }

    /// Handles retransmissions and timeouts.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Running(association) => {
                let result = association.dtls.handle_timeout(now);
                self.drain(result.is_ok());
            }
            State::Listening(listening) => {
                let is_over = |refused: &mut RefusedHello| now >= refused.since + HANDSHAKE_TIMEOUT;
                match listening.refused.take_if(is_over) {
                    Some(refused) if refused.is_repeated => self.end(refused.error),
                    Some(_) => self.deadline = None,
                    None => {}
                }
            }
            State::Ended => {}
        }
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Chooses the version by the complete ClientHello and processes its datagrams again. Drops a hello that the library
    /// does not answer, and returns false.
    fn answer(&mut self, now: Instant, identity: &Identity, offer: Offer) -> bool {
        let State::Listening(listening) = &mut self.state else { return false };
        let datagrams = listening.hello.take_datagrams();
        let Some(version) = offer.version() else {
            self.refuse_hello(now, DtlsError::NoSrtpProfile);
            return false;
        };
        let running = State::Running(Association::new(identity.dtls(version, now)));
        let before = std::mem::replace(&mut self.state, running);
        for datagram in datagrams {
            self.handle_datagram(now, identity, &datagram);
        }
        if !self.datagrams.is_empty() || !self.events.is_empty() {
            return true;
        }
        self.state = before;
        self.refuse_hello(now, DtlsError::Handshake);
        false
    }

    fn refuse_hello(&mut self, now: Instant, error: DtlsError) {
        let State::Listening(listening) = &mut self.state else { return };
        let refused = listening.refused.get_or_insert(RefusedHello { since: now, is_repeated: false, error });
        refused.is_repeated |= now >= refused.since + REPEATS_AFTER;
        refused.error = error;
        self.deadline = Some(refused.since + HANDSHAKE_TIMEOUT);
    }

    /// Collects the library's output.
    fn drain(&mut self, is_alive: bool) {
        let State::Running(association) = &mut self.state else { return };
        let was_connected = association.is_connected;
        let polled = association.poll(&self.remotes, self.side, &mut self.datagrams);
        match polled {
            Ok(deadline) if is_alive => self.deadline = Some(deadline),
            Ok(_) if was_connected => return self.end(DtlsError::Closed),
            Ok(_) if association.gate.saw_wrong() => return self.end(DtlsError::WrongFingerprint),
            Ok(_) => return self.end(DtlsError::Handshake),
            Err(error) => return self.end(error),
        }
        if association.is_connected && !was_connected {
            let Some((opener, sealer, profile)) = association.keys.take() else {
                return self.end(DtlsError::NoSrtpProfile);
            };
            self.events.push_back(Event::Connected { opener, sealer, profile });
        }
    }

    fn end(&mut self, error: DtlsError) {
        self.state = State::Ended;
        self.deadline = None;
        self.events.push_back(Event::Ended(error));
    }
}

impl Association {
    fn new(dtls: dimpl::Dtls) -> Box<Self> {
        Box::new(Self { dtls, gate: Gate::default(), is_peer_right: false, is_connected: false, keys: None })
    }

    fn admit(&mut self, certificates: &[Fingerprint], datagram: &[u8]) -> Admission {
        let is_dtls_12 = self.dtls.protocol_version() == Some(dimpl::ProtocolVersion::DTLS1_2);
        self.gate.admit(certificates, is_dtls_12, datagram)
    }

    /// Handles all of the library's output; returns the time of its next call.
    fn poll(
        &mut self,
        remotes: &[Fingerprint],
        side: Side,
        datagrams: &mut VecDeque<Vec<u8>>,
    ) -> Result<Instant, DtlsError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                dimpl::Output::Packet(datagram) => datagrams.push_back(datagram.to_vec()),
                dimpl::Output::BufferTooSmall { needed } if needed <= BUFFER_BYTES_MAX => buffer.resize(needed, 0),
                dimpl::Output::BufferTooSmall { .. } => return Err(DtlsError::Handshake),
                dimpl::Output::Timeout(at) => return Ok(at),
                dimpl::Output::PeerCert(certificate) => {
                    self.is_peer_right = remotes.contains(&identity::fingerprint(certificate));
                    if !self.is_peer_right {
                        return Err(DtlsError::WrongFingerprint);
                    }
                }
                // RFC 5763 §5: no media before the fingerprint is known to be the announced one.
                dimpl::Output::KeyingMaterial(_, _) if !self.is_peer_right => return Err(DtlsError::WrongFingerprint),
                dimpl::Output::KeyingMaterial(material, profile) => self.keys = keys(&material, profile, side),
                dimpl::Output::Connected if !self.is_peer_right => return Err(DtlsError::WrongFingerprint),
                dimpl::Output::Connected => self.is_connected = true,
                dimpl::Output::CloseNotify => return Err(DtlsError::Closed),
                // Data channels are not offered, and the library's enum may grow.
                _ => {}
            }
        }
    }
}

/// True if the error means that the other side has ended the association.
fn is_final(error: &dimpl::Error) -> bool {
    let is_alert = |error: &dimpl::SecurityError| matches!(error, dimpl::SecurityError::FatalAlert { .. });
    match error {
        dimpl::Error::ConnectionClosed => true,
        dimpl::Error::SecurityError(error) => is_alert(error),
        _ => false,
    }
}

fn keys(material: &[u8], profile: dimpl::SrtpProfile, side: Side) -> Option<(Opener, Sealer, Profile)> {
    let profile = match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
        _ => return None,
    };
    let (opener, sealer) = srtp::contexts(profile, material, side)?;
    Some((opener, sealer, profile))
}

#[cfg(test)]
mod tests;
