//! A server's handshakes until one of them is complete.
//!
//! Anybody who can forge the client's address can send a valid ClientHello, and nothing in it tells that from the
//! client's. So each of them gets a handshake of its own; the rest of the client's messages fits only the one that
//! answers the client's hello, because it signs the whole handshake (RFC 5246 §7.4.8) or encrypts with its keys.

use super::super::srtp::Side;
use super::association::Association;
use super::client_hello::{ClientHello, Offer};
use super::error::DtlsError;
use super::fragments::{Attempt, Fragment};
use super::identity::{HANDSHAKE_TIMEOUT, Identity};
use shared::rtp_parameters::Fingerprint;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A client repeats its hello for longer than this (RFC 6347 §4.2.4.1); a hello that is not repeated may be forged.
const REPEATS_AFTER: Duration = Duration::from_secs(5);
/// Handshakes at the same time: the client's own, and some with forged hellos.
const HANDSHAKES_MAX: usize = 16;
/// A further hello ends the oldest handshake, but not before this age: it may be the client's, which takes two round
/// trips, and each costs a signature.
const ENDED_AFTER: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Answering {
    /// Incomplete ones.
    hello: ClientHello,
    handshakes: VecDeque<Handshake>,
    refused: Option<RefusedHello>,
    /// First flights that are not sent yet.
    flights: VecDeque<Vec<u8>>,
    /// Set once no handshake can succeed.
    over: Option<DtlsError>,
}

/// The answer to a ClientHello.
struct Handshake {
    hello: Attempt,
    since: Instant,
    association: Box<Association>,
    /// True if its next output is not sent.
    is_silent: bool,
}

impl Handshake {
    /// `None` if it was invalid here.
    fn handle_datagram(&mut self, now: Instant, remotes: &[Fingerprint], datagram: &[u8]) -> Option<()> {
        self.association.handle_unproven(now, remotes, datagram).then_some(())
    }
}

/// The client's offer cannot be accepted, or the hello is forged.
#[derive(Clone, Copy)]
struct RefusedHello {
    /// The first one came then.
    since: Instant,
    is_repeated: bool,
    error: DtlsError,
}

impl RefusedHello {
    fn ends_at(&self) -> Instant {
        self.since + HANDSHAKE_TIMEOUT
    }
}

impl Answering {
    /// Takes a datagram; false if it was invalid here.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        identity: &Identity,
        remotes: &[Fingerprint],
        datagram: &[u8],
    ) -> bool {
        let Some(hello) = Fragment::first(datagram).filter(ClientHello::has) else {
            let handshakes = self.handshakes.iter_mut();
            return handshakes.filter_map(|one| one.handle_datagram(now, remotes, datagram)).count() > 0;
        };
        let mut made_sense = false;
        // A part of a hello may fit several.
        for handshake in self.handshakes.iter_mut().filter(|one| one.hello.agrees_with(&hello)) {
            made_sense |= handshake.handle_datagram(now, remotes, datagram).is_some();
        }
        if self.hello.push(datagram)
            && let Some(offer) = self.hello.offer()
        {
            return made_sense | self.answer(now, identity, remotes, offer);
        }
        made_sense
    }

    /// Begins a handshake, whose version depends on the offer. False if the library does not answer the hello.
    fn answer(&mut self, now: Instant, identity: &Identity, remotes: &[Fingerprint], offer: Offer) -> bool {
        let Some(hello) = self.hello.take_whole() else { return false };
        if self.handshakes.iter().any(|one| one.hello.message() == hello.message()) {
            return false;
        }
        let Some(version) = offer.version() else {
            self.refuse(now, DtlsError::NoSrtpProfile);
            return false;
        };
        if self.handshakes.len() >= HANDSHAKES_MAX {
            if self.handshakes.front().is_some_and(|oldest| now < oldest.since + ENDED_AFTER) {
                return false;
            }
            self.handshakes.pop_front();
        }
        let mut association = Box::new(Association::new(identity.dtls(version, now)));
        for datagram in hello.datagrams() {
            association.handle_unproven(now, remotes, datagram);
        }
        let mut flight = VecDeque::new();
        let polled = association.poll(remotes, Side::Server, &mut flight);
        if polled.is_err() || flight.is_empty() {
            self.refuse(now, DtlsError::Handshake);
            return false;
        }
        self.flights.append(&mut flight);
        self.handshakes.push_back(Handshake { hello, since: now, association, is_silent: false });
        true
    }

    fn refuse(&mut self, now: Instant, error: DtlsError) {
        let refused = self.refused.get_or_insert(RefusedHello { since: now, is_repeated: false, error });
        refused.is_repeated |= now >= refused.since + REPEATS_AFTER;
        refused.error = error;
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        // A flight for a forged hello would confuse a client that has lost its own, which repeats its hello then.
        let is_silent = self.handshakes.len() > 1;
        for handshake in &mut self.handshakes {
            handshake.is_silent = is_silent;
            handshake.association.handle_timeout(now);
        }
        if let Some(refused) = self.refused.take_if(|refused| now >= refused.ends_at())
            && refused.is_repeated
            && self.handshakes.is_empty()
        {
            self.over = Some(refused.error);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = self.handshakes.iter().filter_map(|one| one.association.deadline());
        deadlines.chain(self.refused.map(|refused| refused.ends_at())).min()
    }

    /// Handles all output; returns the complete handshake.
    pub(super) fn poll(
        &mut self,
        remotes: &[Fingerprint],
        datagrams: &mut VecDeque<Vec<u8>>,
    ) -> Result<Option<Box<Association>>, DtlsError> {
        datagrams.append(&mut self.flights);
        let mut index = 0;
        while let Some(Handshake { association, is_silent, .. }) = self.handshakes.get_mut(index) {
            let mut flight = VecDeque::new();
            let polled = association.poll(remotes, Side::Server, &mut flight);
            if !std::mem::take(is_silent) {
                datagrams.append(&mut flight);
            }
            match polled {
                Ok(()) if association.is_connected() => {
                    return Ok(self.handshakes.remove(index).map(|one| one.association));
                }
                Ok(()) => index += 1,
                Err(error) => {
                    self.handshakes.remove(index);
                    self.over = self.handshakes.is_empty().then_some(error);
                }
            }
        }
        self.over.map_or(Ok(None), Err)
    }
}
