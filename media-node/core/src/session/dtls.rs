//! DTLS 1.2 and 1.3 (RFC 6347, RFC 9147) with the SRTP keys it negotiates (RFC 5764).
//!
//! No close_notify is ever sent: a browser that receives one gives the transport up, while one that hears nothing moves
//! to the session's next node. A session ends by being dropped.

mod answering;
mod association;
pub mod client_hello;
mod error;
mod fragments;
mod gate;
mod identity;

pub use client_hello::ClientHello;
pub use error::DtlsError;
pub use gate::{Admission, Gate};
pub use identity::{Identity, IdentityError};

use super::srtp::{Opener, Profile, Sealer, Side};
use answering::Answering;
use association::Association;
use client_hello::Version;
use shared::rtp_parameters::Fingerprint;
use std::collections::VecDeque;
use std::time::Instant;

/// A fatal alert (RFC 5246 §7.2), in the clear because there are no keys, with a number that no other record of the
/// handshake has.
const UNSUPPORTED_CERTIFICATE: [u8; 15] = [21, 0xfe, 0xfd, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 2, 43];

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
    /// Server: until a handshake is complete.
    Answering(Answering),
    /// Client, or a complete handshake.
    Running(Box<Association>),
    /// Permanently silent.
    Ended,
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Answering(_) => "answering",
            State::Running(association) if association.is_connected() => "connected",
            State::Running(_) => "handshaking",
            State::Ended => "ended",
        };
        f.debug_struct("Dtls").field("side", &self.side).field("state", &state).finish_non_exhaustive()
    }
}

impl Dtls {
    /// Waits for a client whose certificate has one of these digests (RFC 8122 §5).
    pub fn server(remotes: impl Into<Box<[Fingerprint]>>) -> Self {
        Self::new(remotes.into(), Side::Server, State::Answering(Answering::default()))
    }

    /// Starts a handshake with a server whose certificate has this digest (a client's half, for tests and load).
    pub fn client(now: Instant, identity: &Identity, remote: Fingerprint) -> Self {
        let mut dtls = identity.dtls(Version::Any, now);
        dtls.set_active(true);
        let mut client = Self::new([remote].into(), Side::Client, State::Running(Box::new(Association::new(dtls))));
        client.handle_timeout(now);
        client
    }

    fn new(remotes: Box<[Fingerprint]>, side: Side, state: State) -> Self {
        Self { remotes, side, state, deadline: None, datagrams: VecDeque::new(), events: VecDeque::new() }
    }

    /// Takes a datagram of the other side; false if it was invalid here.
    pub fn handle_datagram(&mut self, now: Instant, identity: &Identity, datagram: &[u8]) -> bool {
        let made_sense = match &mut self.state {
            State::Answering(answering) => answering.handle_datagram(now, identity, &self.remotes, datagram),
            State::Running(association) => association.handle_datagram(now, datagram),
            State::Ended => false,
        };
        self.drain();
        made_sense
    }

    /// Handles retransmissions and timeouts.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Answering(answering) => answering.handle_timeout(now),
            State::Running(association) => association.handle_timeout(now),
            State::Ended => {}
        }
        self.drain();
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

    /// Collects the output of the handshakes.
    fn drain(&mut self) {
        let was_connected = matches!(&self.state, State::Running(association) if association.is_connected());
        let polled = match &mut self.state {
            State::Answering(answering) => match answering.poll(&self.remotes, &mut self.datagrams) {
                Ok(Some(association)) => {
                    let deadline = association.deadline();
                    self.state = State::Running(association);
                    Ok(deadline)
                }
                Ok(None) => Ok(answering.poll_timeout()),
                Err(error) => Err(error),
            },
            State::Running(association) => {
                association.poll(&self.remotes, self.side, &mut self.datagrams).map(|()| association.deadline())
            }
            State::Ended => return,
        };
        match polled {
            Ok(deadline) => self.deadline = deadline,
            Err(error) => return self.end(error),
        }
        if let State::Running(association) = &mut self.state
            && association.is_connected()
            && !was_connected
        {
            let Some((opener, sealer, profile)) = association.take_keys() else {
                return self.end(DtlsError::NoSrtpProfile);
            };
            self.events.push_back(Event::Connected { opener, sealer, profile });
        }
    }

    fn end(&mut self, error: DtlsError) {
        self.state = State::Ended;
        self.deadline = None;
        if error == DtlsError::UnsupportedCertificate {
            self.datagrams.push_back(UNSUPPORTED_CERTIFICATE.to_vec());
        }
        self.events.push_back(Event::Ended(error));
    }
}

#[cfg(test)]
mod tests;
