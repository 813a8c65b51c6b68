//! The lite half of ICE (RFC 8445 §2.5): answers connectivity checks, and finds out where the client is.
//!
//! A check says that the client wants media, and its source address says where; a client can forge that address. So
//! nothing but answers and a bounded handshake goes to an address before the client has answered a check of ours there
//! (RFC 7675). Among such addresses media follows the client's authentic packets, whatever it nominates; where none
//! come, the newest nomination counts, and after that a path that answers while the one in use does not.

mod path;

use crate::stun::{self, BindingRequest, BindingSuccess, Request, Response, Role, TransactionIds};
use aws_lc_rs::hmac;
pub use path::CONSENT_TIMEOUT;
use path::Path;
use shared::rtp_parameters::IceParameters;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Most addresses of one client that are remembered: host, VPN, IPv4, IPv6, relays and a few NAT rebindings.
pub const ADDRESSES_PER_SESSION_MAX: usize = 8;
/// A path that nothing authentic came over for this long may be given up for another. Browsers send reports every second.
const QUIET_AFTER: Duration = Duration::from_millis(1_500);
/// Packets of a path that was left arrive for this long, and do not draw media back.
const LATE_PACKETS: Duration = Duration::from_millis(250);
/// A path in use that does not answer for this long is given up for one that does: four checks of ours.
const DOUBT_FOR: Duration = Duration::from_millis(1_800);

/// One client's ICE agent on our side: always lite, so always controlled (RFC 8445 §6.1.1).
#[derive(Debug)]
pub struct IceLite {
    node_ufrag: Box<str>,
    client_ufrag: Box<str>,
    key: hmac::Key,
    /// Signs our own checks. Where the edge does not know the client's password, checks of the client are proof enough.
    client_key: Option<hmac::Key>,
    paths: Vec<Path>,
    /// Where media goes: the client answered there.
    selected: Option<SocketAddr>,
    /// When something authentic last came over the selected path.
    heard_at: Option<Instant>,
    left: Option<(SocketAddr, Instant)>,
    /// Where the handshake last came from.
    handshake: Option<SocketAddr>,
    doubt: Option<Doubt>,
    last_check_at: Option<Instant>,
}

/// The selected path is silent while another one answers.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Instant,
    other: SocketAddr,
}

/// What came of an authentic check.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// To be sent back to where the check came from.
    pub answer: Vec<u8>,
    /// Whether the client may be heard at the address from here on.
    pub is_verified: bool,
    /// An address that had to make room for it.
    pub forgotten: Option<SocketAddr>,
}

impl IceLite {
    /// An agent that nobody has checked yet.
    pub fn new(parameters: &IceParameters) -> Self {
        Self {
            node_ufrag: parameters.node_ufrag.as_str().into(),
            client_ufrag: parameters.client_ufrag.as_str().into(),
            key: stun::key(&parameters.node_pwd),
            client_key: client_key(parameters),
            paths: Vec::with_capacity(ADDRESSES_PER_SESSION_MAX),
            selected: None,
            heard_at: None,
            left: None,
            handshake: None,
            doubt: None,
            last_check_at: None,
        }
    }

    /// Our user fragment: what the demultiplexer knows the session by.
    pub fn node_ufrag(&self) -> &str {
        &self.node_ufrag
    }

    /// Takes the credentials of an ICE restart. Media goes on between the old addresses until the client is heard at another
    /// one (RFC 8445 §9).
    pub fn restart(&mut self, parameters: &IceParameters) {
        self.node_ufrag = parameters.node_ufrag.as_str().into();
        self.client_ufrag = parameters.client_ufrag.as_str().into();
        self.key = stun::key(&parameters.node_pwd);
        self.client_key = client_key(parameters);
        self.paths.iter_mut().for_each(Path::forget_asked);
    }

    /// Answers a check; nothing if it is not authentic.
    pub fn handle_check(&mut self, now: Instant, from: SocketAddr, request: &BindingRequest<'_>) -> Option<Checked> {
        let is_ours = request.receiver_ufrag == &*self.node_ufrag && request.sender_ufrag == &*self.client_ufrag;
        if !is_ours || !request.is_authentic(&self.key) {
            return None;
        }
        // RFC 8489 §6.3.1: before anything else is looked at.
        if !request.unknown().types().is_empty() {
            return Some(self.refuse(Response::UnknownAttribute, request));
        }
        // RFC 8445 §6.1.1 makes the full agent controlling against a lite one. One that believes otherwise takes the
        // other role when it hears 487 (§7.2.5.1), and until then would wait for a nomination that never comes.
        if request.role == Some(Role::Controlled) {
            return Some(self.refuse(Response::RoleConflict, request));
        }
        self.last_check_at = Some(now);
        let forgotten = self.note_check(now, from, request.use_candidate);
        self.reconsider(now, from);
        let answer = Response::Success { mapped: from }.to_vec(request, &self.key);
        Some(Checked { answer, is_verified: true, forgotten })
    }

    /// Takes the answer to a check of ours; false if it is none.
    pub fn handle_answer(&mut self, now: Instant, from: SocketAddr, answer: &BindingSuccess<'_>) -> bool {
        let Some(key) = &self.client_key else { return false };
        // RFC 8445 §7.2.5.2.1: an answer from elsewhere proves nothing about the address that was asked.
        let path = self.paths.iter_mut().find(|path| path.address == from && path.is_asked(&answer.transaction));
        let Some(path) = path.filter(|_| answer.is_authentic(key)) else { return false };
        path.prove(now);
        if self.selected == Some(from) {
            self.doubt = None;
        }
        self.reconsider(now, from);
        true
    }

    /// A DTLS datagram came from this address. Until the keys are there its answers go back to it, because browsers start
    /// the handshake tens of milliseconds before they nominate.
    pub fn note_dtls_from(&mut self, now: Instant, from: SocketAddr) {
        self.handshake = Some(from);
        if self.heard_at.is_none() && self.path(from).is_some_and(|path| path.is_proven(now)) {
            self.select(now, from);
        }
    }

    /// A packet from this address was authentic.
    pub fn note_authentic(&mut self, now: Instant, from: SocketAddr) {
        if self.selected == Some(from) {
            self.heard_at = Some(now);
        } else {
            self.note_elsewhere(now, from);
        }
    }

    pub fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// Where a datagram of the handshake goes, if it may: to an address that has not answered, only so much.
    pub fn handshake_to(&mut self, now: Instant, bytes: usize) -> Option<SocketAddr> {
        let to = self.selected.or(self.handshake)?;
        self.path_mut(to)?.takes_handshake(now, bytes).then_some(to)
    }

    /// Addresses that the client has checked.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.paths.iter().map(|path| path.address)
    }

    /// Whether the client has answered at this address.
    pub fn is_proven(&self, now: Instant, address: SocketAddr) -> bool {
        self.path(address).is_some_and(|path| path.is_proven(now))
    }

    /// When the client last wanted to hear from us (RFC 7675 §5.1), wherever.
    pub fn last_check_at(&self) -> Option<Instant> {
        self.last_check_at
    }

    /// Another session has this address: it is no longer ours to send to.
    pub fn forget(&mut self, now: Instant, address: SocketAddr) {
        self.paths.retain(|path| path.address != address);
        if self.selected == Some(address) {
            self.select_another(now);
        }
    }

    /// The next check of ours, and where to send it; `number` names the session in its transaction.
    pub fn poll_ask(&mut self, now: Instant, ids: &mut TransactionIds, number: u32) -> Option<(SocketAddr, Vec<u8>)> {
        let key = self.client_key.as_ref()?;
        let (to, transaction) =
            self.paths.iter_mut().find_map(|path| Some((path.address, path.take_ask(now, || ids.next(number))?)))?;
        let (receiver_ufrag, sender_ufrag) = (&*self.client_ufrag, &*self.node_ufrag);
        let request =
            Request { transaction, receiver_ufrag, sender_ufrag, use_candidate: false, role: Role::Controlled };
        Some((to, request.to_vec(key)))
    }

    /// When to call [`Self::handle_timeout`] and [`Self::poll_ask`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.paths.iter().map(Path::expires_at);
        let asks = self.paths.iter().filter_map(Path::ask_at).filter(|_| self.client_key.is_some());
        let doubt = self.doubt.map(|doubt| doubt.since + DOUBT_FOR);
        let proof = self.selected.and_then(|selected| self.path(selected)?.proven_at()).map(|at| at + CONSENT_TIMEOUT);
        expiry.chain(asks).chain(doubt).chain(proof).min()
    }

    /// Lets time pass: gives up what the client no longer checks or answers on. Returns the addresses that are forgotten.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<SocketAddr> {
        let expired: Vec<_> =
            self.paths.iter().filter(|path| path.expires_at() <= now).map(|path| path.address).collect();
        self.paths.retain(|path| now < path.expires_at());
        if self.selected.is_some_and(|selected| !self.is_proven(now, selected)) {
            self.select_another(now);
        }
        if let Some(doubt) = self.doubt.filter(|doubt| doubt.since + DOUBT_FOR <= now) {
            self.doubt = None;
            let was_heard = self.heard_at.is_some_and(|at| at >= doubt.since);
            if !was_heard && self.is_proven(now, doubt.other) {
                self.select(now, doubt.other);
            }
        }
        expired
    }

    fn refuse(&self, response: Response, request: &BindingRequest<'_>) -> Checked {
        Checked { answer: response.to_vec(request, &self.key), is_verified: false, forgotten: None }
    }

    /// Takes note of an authentic check. Returns the address that had to be given up for a new one.
    fn note_check(&mut self, now: Instant, from: SocketAddr, is_nomination: bool) -> Option<SocketAddr> {
        let mut forgotten = None;
        if self.path(from).is_none() {
            forgotten = self.make_room();
            self.paths.push(Path::new(now, from));
        }
        for path in &mut self.paths {
            if path.address == from {
                path.note_check(now);
                path.is_nominated |= is_nomination;
                if self.client_key.is_none() {
                    path.prove(now);
                }
            } else if is_nomination {
                path.is_nominated = false;
            }
        }
        forgotten
    }

    /// Gives up the address that was checked longest ago, if there are too many: one that never answered, where there is one.
    fn make_room(&mut self) -> Option<SocketAddr> {
        if self.paths.len() < ADDRESSES_PER_SESSION_MAX {
            return None;
        }
        let used = [self.selected, self.handshake];
        let unused = self.paths.iter().enumerate().filter(|(_, path)| !used.contains(&Some(path.address)));
        let (oldest, _) = unused.min_by_key(|(_, path)| (path.proven_at().is_some(), path.checked_at))?;
        Some(self.paths.remove(oldest).address)
    }

    #[cold]
    fn note_elsewhere(&mut self, now: Instant, from: SocketAddr) {
        if let Some(path) = self.path_mut(from) {
            path.heard_at = Some(now);
            self.reconsider(now, from);
        }
    }

    /// Something was learned about a path: it may be the one to use.
    fn reconsider(&mut self, now: Instant, from: SocketAddr) {
        let Some(path) = self.path(from).filter(|path| path.is_proven(now)) else { return };
        let Some(selected) = self.selected else { return self.select(now, from) };
        if selected == from {
            return;
        }
        let was_left = self.left.is_some_and(|(left, at)| left == from && now < at + LATE_PACKETS);
        if path.heard_at > self.heard_at && !was_left {
            return self.select(now, from);
        }
        // The client's packets say where it is, and it is not here.
        if self.heard_at.is_some_and(|at| now < at + QUIET_AFTER) {
            return;
        }
        if path.is_nominated {
            return self.select(now, from);
        }
        // Consent checks of Firefox do not nominate. Does the client still answer where media goes?
        if self.doubt.is_none()
            && let Some(path) = self.path_mut(selected).filter(|path| path.checked_at + QUIET_AFTER <= now)
        {
            path.ask(now);
            self.doubt = Some(Doubt { since: now, other: from });
        }
    }

    fn select(&mut self, now: Instant, address: SocketAddr) {
        if self.selected == Some(address) {
            return;
        }
        let heard_at = self.heard_at;
        if let Some(before) = self.selected.and_then(|before| self.path_mut(before)) {
            before.heard_at = heard_at;
        }
        self.left = self.selected.map(|before| (before, now));
        self.heard_at = self.path(address).and_then(|path| path.heard_at);
        self.selected = Some(address);
        self.doubt = None;
    }

    /// The selected path is gone: the one that the client was last heard at, or checked last, takes its place.
    fn select_another(&mut self, now: Instant) {
        let proven = self.paths.iter().filter(|path| path.is_proven(now));
        let best = proven.max_by_key(|path| (path.heard_at, path.checked_at)).map(|path| path.address);
        self.selected = None;
        self.heard_at = None;
        self.doubt = None;
        if let Some(best) = best {
            self.select(now, best);
        }
    }

    fn path(&self, address: SocketAddr) -> Option<&Path> {
        self.paths.iter().find(|path| path.address == address)
    }

    fn path_mut(&mut self, address: SocketAddr) -> Option<&mut Path> {
        self.paths.iter_mut().find(|path| path.address == address)
    }
}

fn client_key(parameters: &IceParameters) -> Option<hmac::Key> {
    (!parameters.client_pwd.is_empty()).then(|| stun::key(&parameters.client_pwd))
}

#[cfg(test)]
mod tests;
