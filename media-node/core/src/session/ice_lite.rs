//! The lite half of ICE (RFC 8445 §2.5): answers connectivity checks, and finds the client's path.
//!
//! A check shows that the client wants media, and its source address shows where; but a client can forge that address.
//! So only answers and a bounded handshake are sent to an address before the client has answered one of our checks
//! there (RFC 7675). Among proven addresses media follows the client's authentic packets, whatever it nominates;
//! without any, the newest nomination counts, and after that a path that answers while the current one does not.

mod pair;

use crate::path::Path;
use crate::stun::{self, BindingRequest, BindingSuccess, Request, Response, Role, TransactionIds};
use aws_lc_rs::hmac;
pub use pair::CONSENT_TIMEOUT;
use pair::Pair;
use shared::rtp_parameters::IceParameters;
use std::time::{Duration, Instant};

/// Most remembered paths of one client: host, VPN, IPv4, IPv6, each over UDP and TCP, relays and a few NAT rebindings.
pub const PATHS_PER_SESSION_MAX: usize = 12;
/// A path without authentic packets for this long may be replaced by another. Browsers send reports every second.
const QUIET_AFTER: Duration = Duration::from_millis(1_500);
/// Packets on a former path arrive for this long, and do not move media back.
const LATE_PACKETS: Duration = Duration::from_millis(250);
/// A current path that does not answer for this long is replaced by one that does: four of our checks.
const DOUBT_FOR: Duration = Duration::from_millis(1_800);

/// One client's ICE agent on our side: always lite, so always controlled (RFC 8445 §6.1.1).
#[derive(Debug)]
pub struct IceLite {
    node_ufrag: Box<str>,
    client_ufrag: Box<str>,
    key: hmac::Key,
    /// Signs our own checks. If the edge does not know the client's password, the client's checks are proof enough.
    client_key: Option<hmac::Key>,
    pairs: Vec<Pair>,
    /// The destination of media: the client has answered there.
    selected: Option<Path>,
    /// Time of the last authentic packet on the selected path.
    heard_at: Option<Instant>,
    left: Option<(Path, Instant)>,
    /// The last source of the handshake.
    handshake: Option<Path>,
    doubt: Option<Doubt>,
    last_check_at: Option<Instant>,
}

/// The selected path is silent while another one answers.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Instant,
    other: Path,
}

/// The result of an authentic check.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// The response for the check's sender.
    pub answer: Vec<u8>,
    /// True if packets from the path belong to the client from here on.
    pub is_verified: bool,
    /// A path evicted to make room.
    pub forgotten: Option<Path>,
}

impl IceLite {
    pub fn new(parameters: &IceParameters) -> Self {
        Self {
            node_ufrag: parameters.node_ufrag.as_str().into(),
            client_ufrag: parameters.client_ufrag.as_str().into(),
            key: stun::key(&parameters.node_pwd),
            client_key: client_key(parameters),
            pairs: Vec::with_capacity(PATHS_PER_SESSION_MAX),
            selected: None,
            heard_at: None,
            left: None,
            handshake: None,
            doubt: None,
            last_check_at: None,
        }
    }

    /// Our user fragment, by which the demultiplexer finds the session.
    pub fn node_ufrag(&self) -> &str {
        &self.node_ufrag
    }

    /// Takes the credentials of an ICE restart. Media continues on the old path until the client is heard on another
    /// one (RFC 8445 §9).
    pub fn restart(&mut self, parameters: &IceParameters) {
        self.node_ufrag = parameters.node_ufrag.as_str().into();
        self.client_ufrag = parameters.client_ufrag.as_str().into();
        self.key = stun::key(&parameters.node_pwd);
        self.client_key = client_key(parameters);
        self.pairs.iter_mut().for_each(Pair::forget_asked);
    }

    /// `None` if the check is not authentic.
    pub fn handle_check(&mut self, now: Instant, from: Path, request: &BindingRequest<'_>) -> Option<Checked> {
        let is_ours = request.receiver_ufrag == &*self.node_ufrag && request.sender_ufrag == &*self.client_ufrag;
        if !is_ours || !request.is_authentic(&self.key) {
            return None;
        }
        // RFC 8489 §6.3.1: before anything else is examined.
        if !request.unknown().types().is_empty() {
            return Some(self.refuse(Response::UnknownAttribute, request));
        }
        // RFC 8445 §6.1.1 makes the full agent controlling against a lite one. One that believes otherwise changes its
        // role after a 487 (§7.2.5.1), and until then would wait for a nomination that never comes.
        if request.role == Some(Role::Controlled) {
            return Some(self.refuse(Response::RoleConflict, request));
        }
        self.last_check_at = Some(now);
        let forgotten = self.note_check(now, from, request.use_candidate);
        self.reconsider(now, from);
        let answer = Response::Success { mapped: from.address }.to_vec(request, &self.key);
        Some(Checked { answer, is_verified: true, forgotten })
    }

    /// Takes the response to one of our checks; false if it is none.
    pub fn handle_answer(&mut self, now: Instant, from: Path, answer: &BindingSuccess<'_>) -> bool {
        let Some(key) = &self.client_key else { return false };
        // RFC 8445 §7.2.5.2.1: a response from elsewhere proves nothing about the checked path.
        let pair = self.pairs.iter_mut().find(|pair| pair.path == from && pair.is_asked(&answer.transaction));
        let Some(pair) = pair.filter(|_| answer.is_authentic(key)) else { return false };
        pair.prove(now);
        if self.selected == Some(from) {
            self.doubt = None;
        }
        self.reconsider(now, from);
        true
    }

    /// Notes the source of a DTLS datagram. Until the keys exist, answers go back to it, because browsers start the
    /// handshake tens of milliseconds before they nominate.
    pub fn note_dtls_from(&mut self, now: Instant, from: Path) {
        self.handshake = Some(from);
        if self.heard_at.is_none() && self.pair(from).is_some_and(|pair| pair.is_proven(now)) {
            self.select(now, from);
        }
    }

    /// Notes the source of an authentic packet.
    pub fn note_authentic(&mut self, now: Instant, from: Path) {
        if self.selected == Some(from) {
            self.heard_at = Some(now);
        } else {
            self.note_elsewhere(now, from);
        }
    }

    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// The destination of a handshake datagram, if it may be sent: an unproven path gets a limited amount.
    pub fn handshake_to(&mut self, now: Instant, bytes: usize) -> Option<Path> {
        let to = self.selected.or(self.handshake)?;
        self.pair_mut(to)?.takes_handshake(now, bytes).then_some(to)
    }

    /// Paths from which the client has sent checks.
    pub fn paths(&self) -> impl Iterator<Item = Path> {
        self.pairs.iter().map(|pair| pair.path)
    }

    /// True if the client has answered there.
    pub fn is_proven(&self, now: Instant, path: Path) -> bool {
        self.pair(path).is_some_and(|pair| pair.is_proven(now))
    }

    /// The client's last consent to receive (RFC 7675 §5.1), on any path.
    pub fn last_check_at(&self) -> Option<Instant> {
        self.last_check_at
    }

    /// Removes a path that has ended, or that another session has taken over.
    pub fn forget(&mut self, now: Instant, path: Path) {
        self.pairs.retain(|pair| pair.path != path);
        if self.selected == Some(path) {
            self.select_another(now);
        }
    }

    /// Our next check and its destination; its transaction contains `number`, which identifies the session.
    pub fn poll_ask(&mut self, now: Instant, ids: &mut TransactionIds, number: u32) -> Option<(Path, Vec<u8>)> {
        let key = self.client_key.as_ref()?;
        let (to, transaction) =
            self.pairs.iter_mut().find_map(|pair| Some((pair.path, pair.take_ask(now, || ids.next(number))?)))?;
        let (receiver_ufrag, sender_ufrag) = (&*self.client_ufrag, &*self.node_ufrag);
        let request =
            Request { transaction, receiver_ufrag, sender_ufrag, use_candidate: false, role: Role::Controlled };
        Some((to, request.to_vec(key)))
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.pairs.iter().map(Pair::expires_at);
        let asks = self.pairs.iter().filter_map(Pair::ask_at).filter(|_| self.client_key.is_some());
        let doubt = self.doubt.map(|doubt| doubt.since + DOUBT_FOR);
        let proof = self.selected.and_then(|selected| self.pair(selected)?.proven_at()).map(|at| at + CONSENT_TIMEOUT);
        expiry.chain(asks).chain(doubt).chain(proof).min()
    }

    /// Drops paths that the client no longer checks or answers, and returns them.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Path> {
        let expired: Vec<_> = self.pairs.iter().filter(|pair| pair.expires_at() <= now).map(|pair| pair.path).collect();
        self.pairs.retain(|pair| now < pair.expires_at());
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

    /// Notes an authentic check; returns the path evicted to make room for a new one.
    fn note_check(&mut self, now: Instant, from: Path, is_nomination: bool) -> Option<Path> {
        let mut forgotten = None;
        if self.pair(from).is_none() {
            forgotten = self.make_room();
            self.pairs.push(Pair::new(now, from));
        }
        for pair in &mut self.pairs {
            if pair.path == from {
                pair.note_check(now);
                pair.is_nominated |= is_nomination;
                if self.client_key.is_none() {
                    pair.prove(now);
                }
            } else if is_nomination {
                pair.is_nominated = false;
            }
        }
        forgotten
    }

    /// Evicts the path with the oldest check, if there are too many: preferably one that never answered.
    fn make_room(&mut self) -> Option<Path> {
        if self.pairs.len() < PATHS_PER_SESSION_MAX {
            return None;
        }
        let used = [self.selected, self.handshake];
        let unused = self.pairs.iter().enumerate().filter(|(_, pair)| !used.contains(&Some(pair.path)));
        let (oldest, _) = unused.min_by_key(|(_, pair)| (pair.proven_at().is_some(), pair.checked_at))?;
        Some(self.pairs.remove(oldest).path)
    }

    #[cold]
    fn note_elsewhere(&mut self, now: Instant, from: Path) {
        if let Some(pair) = self.pair_mut(from) {
            pair.heard_at = Some(now);
            self.reconsider(now, from);
        }
    }

    /// Reconsiders the selected path after news about a path.
    fn reconsider(&mut self, now: Instant, from: Path) {
        let Some(pair) = self.pair(from).filter(|pair| pair.is_proven(now)) else { return };
        let Some(selected) = self.selected else { return self.select(now, from) };
        if selected == from {
            return;
        }
        let was_left = self.left.is_some_and(|(left, at)| left == from && now < at + LATE_PACKETS);
        if pair.heard_at > self.heard_at && !was_left {
            return self.select(now, from);
        }
        // The client's packets show its path, which is another one.
        if self.heard_at.is_some_and(|at| now < at + QUIET_AFTER) {
            return;
        }
        if pair.is_nominated {
            return self.select(now, from);
        }
        // Firefox's consent checks do not nominate. Does the client still answer at media's destination?
        if self.doubt.is_none()
            && let Some(pair) = self.pair_mut(selected).filter(|pair| pair.checked_at + QUIET_AFTER <= now)
        {
            pair.ask(now);
            self.doubt = Some(Doubt { since: now, other: from });
        }
    }

    fn select(&mut self, now: Instant, path: Path) {
        if self.selected == Some(path) {
            return;
        }
        let heard_at = self.heard_at;
        if let Some(before) = self.selected.and_then(|before| self.pair_mut(before)) {
            before.heard_at = heard_at;
        }
        self.left = self.selected.map(|before| (before, now));
        self.heard_at = self.pair(path).and_then(|pair| pair.heard_at);
        self.selected = Some(path);
        self.doubt = None;
    }

    /// Replaces a lost selected path by the one with the client's latest packet or check.
    fn select_another(&mut self, now: Instant) {
        let proven = self.pairs.iter().filter(|pair| pair.is_proven(now));
        let best = proven.max_by_key(|pair| (pair.heard_at, pair.checked_at)).map(|pair| pair.path);
        self.selected = None;
        self.heard_at = None;
        self.doubt = None;
        if let Some(best) = best {
            self.select(now, best);
        }
    }

    fn pair(&self, path: Path) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.path == path)
    }

    fn pair_mut(&mut self, path: Path) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.path == path)
    }
}

fn client_key(parameters: &IceParameters) -> Option<hmac::Key> {
    (!parameters.client_pwd.is_empty()).then(|| stun::key(&parameters.client_pwd))
}

#[cfg(test)]
mod tests;
