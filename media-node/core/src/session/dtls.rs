//! DTLS 1.2 and 1.3 (RFC 6347, RFC 9147) with the SRTP keys it negotiates (RFC 5764).
//!
//! Nothing here says goodbye: a browser that hears close_notify gives the transport up, while one that hears nothing moves
//! to the session's next node. A session ends by being dropped.

pub mod client_hello;
mod identity;

pub use client_hello::ClientHello;
pub use identity::{Identity, IdentityError};

use super::srtp::{self, Opener, Profile, Sealer, Side};
use client_hello::{Offer, Version};
use shared::rtp_parameters::Fingerprint;
use std::collections::VecDeque;
use std::time::Instant;

/// First size of the buffer that datagrams are made in: more than our MTU.
const BUFFER_BYTES: usize = 2_048;
/// Most that one poll may ask the buffer to grow to: a whole record (RFC 6347 §4.1).
const BUFFER_BYTES_MAX: usize = 1 << 15;

#[derive(Debug)]
pub enum Event {
    /// The handshake is done, and with the right client.
    Connected {
        /// Authenticates and decrypts what the other side sends.
        opener: Opener,
        /// Encrypts what the other side is sent.
        sealer: Sealer,
        profile: Profile,
    },
    Ended(DtlsError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    #[error("closed by the other side")]
    Closed,
    /// The other side's certificate is not the one that was announced.
    #[error("the certificate is not the one that was announced")]
    WrongFingerprint,
    #[error("no SRTP profile in common")]
    NoSrtpProfile,
    /// Anything else that DTLS gives up for.
    #[error("the handshake failed")]
    Handshake,
}

pub struct Dtls {
    /// The certificates that the other side may show.
    remotes: Box<[Fingerprint]>,
    side: Side,
    state: State,
    deadline: Option<Instant>,
    datagrams: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

enum State {
    /// Server: collecting the ClientHello, to choose the version by the SRTP profiles it lists.
    Listening(ClientHello),
    /// In the handshake or behind it.
    Running(Box<Association>),
    /// Over: silent for good.
    Ended,
}

struct Association {
    dtls: dimpl::Dtls,
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
        Self::new(remotes.into(), Side::Server, State::Listening(ClientHello::default()))
    }

    /// Begins a handshake with a server whose certificate has this digest (a client's half, for tests and load).
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

    /// Takes a datagram of the other side; false if it made no sense here.
    pub fn handle_datagram(&mut self, now: Instant, identity: &Identity, datagram: &[u8]) -> bool {
        match &mut self.state {
            State::Listening(hello) => {
                if !hello.push(datagram) {
                    return false;
                }
                if let Some(offer) = hello.offer() {
                    self.answer(now, identity, offer);
                }
                true
            }
            State::Running(association) => {
                let in_time = association.dtls.handle_timeout(now);
                let taken = association.dtls.handle_packet(datagram);
                // RFC 6347 §4.1.2.7: what is not authentic is dropped, since anybody may have sent it; a handshake that
                // cannot go on ends by its own timer. Only what comes under the keys can end the association.
                let is_ended = association.is_connected && taken.as_ref().is_err_and(is_final);
                let made_sense = taken.is_ok();
                self.drain(in_time.is_ok() && !is_ended);
                made_sense
            }
            State::Ended => false,
        }
    }

    /// Lets time pass: retransmissions, and giving up.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Running(association) = &mut self.state {
            let result = association.dtls.handle_timeout(now);
            self.drain(result.is_ok());
        }
    }

    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The ClientHello is whole: chooses the version and goes through its datagrams again.
    fn answer(&mut self, now: Instant, identity: &Identity, offer: Offer) {
        let State::Listening(hello) = std::mem::replace(&mut self.state, State::Ended) else { return };
        let Some(version) = offer.version() else {
            self.events.push_back(Event::Ended(DtlsError::NoSrtpProfile));
            return;
        };
        self.state = State::Running(Association::new(identity.dtls(version, now)));
        for datagram in hello.into_datagrams() {
            self.handle_datagram(now, identity, &datagram);
        }
    }

    /// Collects what the library wants to send and to say.
    fn drain(&mut self, is_alive: bool) {
        let State::Running(association) = &mut self.state else { return };
        let was_connected = association.is_connected;
        let polled = association.poll(&self.remotes, self.side, &mut self.datagrams);
        match polled {
            Ok(deadline) if is_alive => self.deadline = Some(deadline),
            Ok(_) => return self.end(if was_connected { DtlsError::Closed } else { DtlsError::Handshake }),
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
        Box::new(Self { dtls, is_peer_right: false, is_connected: false, keys: None })
    }

    /// Goes through everything the library has to say; returns when it wants to be called again.
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

/// Whether an error says that the other side has ended the association.
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
