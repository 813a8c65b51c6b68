//! The controlling half of ICE (RFC 8445): checks every candidate, nominates the first that answers, keeps consent alive.

use super::offer::{Credentials, Make};
use crate::clock::Clock;
use aws_lc_rs::{constant_time, hmac};
use media_core::random::Random;
use media_core::stun::{self, BindingRequest, Request, Response, Role, TransactionId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A pair that is not yet writable is checked at this interval.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Remembered transactions: responses to older ones are ignored.
const TRANSACTIONS_KEPT: usize = 32;

/// A browser's way of checking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Habit {
    /// The first checks already nominate, before one was answered (RFC 5245 §8.1.1.2).
    is_aggressive: bool,
    /// Checks that keep consent nominate as well.
    renominates: bool,
    consent_interval: Duration,
}

impl Habit {
    const fn of(make: Make) -> Self {
        match make {
            Make::Chromium => {
                Self { is_aggressive: false, renominates: true, consent_interval: Duration::from_millis(480) }
            }
            // RFC 7675 §5.1: every 5 s, as plain Binding requests.
            Make::Firefox => Self { is_aggressive: true, renominates: false, consent_interval: Duration::from_secs(5) },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

/// One generation of credentials, and the checks made with them.
#[derive(Clone, Debug)]
pub struct Checks {
    habit: Habit,
    remotes: Vec<SocketAddr>,
    pairs: Vec<Pair>,
    node_ufrag: String,
    client_ufrag: String,
    key: hmac::Key,
    /// Signs the node's checks.
    own_key: hmac::Key,
    sent: Vec<(TransactionId, Pair, bool)>,
    valid: Option<Pair>,
    nominated: Option<Pair>,
    next_at: Instant,
}

/// The effect of a response to a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The first check over this path succeeded.
    Valid(Pair),
    /// This path must be used.
    Nominated(Pair),
    /// The node is still there.
    Alive,
}

impl Checks {
    /// Checks from `local` to every candidate of the answer.
    #[must_use]
    pub fn new(
        clock: &Clock,
        make: Make,
        local: SocketAddr,
        own: &Credentials,
        answer: &super::answer::Answer,
    ) -> Self {
        let mut checks = Self {
            habit: Habit::of(make),
            remotes: answer.candidates.clone(),
            pairs: Vec::new(),
            node_ufrag: answer.ufrag.clone(),
            client_ufrag: own.ufrag.clone(),
            key: stun::key(&answer.pwd),
            own_key: stun::key(&own.pwd),
            sent: Vec::new(),
            valid: None,
            nominated: None,
            next_at: clock.now(),
        };
        checks.add_local(clock, local);
        checks
    }

    /// Also checks from another local address, unless a path is found already.
    pub fn add_local(&mut self, clock: &Clock, local: SocketAddr) {
        let reachable = self.remotes.iter().filter(|remote| remote.is_ipv4() == local.is_ipv4());
        self.pairs.extend(reachable.map(|remote| Pair { local, remote: *remote }));
        if self.valid.is_none() {
            self.next_at = clock.now();
        }
    }

    #[must_use]
    pub fn remotes(&self) -> &[SocketAddr] {
        &self.remotes
    }

    /// True if the checks use the credentials of `answer`.
    #[must_use]
    pub fn is_with(&self, answer: &super::answer::Answer) -> bool {
        self.node_ufrag == answer.ufrag
    }

    /// The path of an answered nomination.
    #[must_use]
    pub fn nominated(&self) -> Option<Pair> {
        self.nominated
    }

    #[must_use]
    pub fn next_at(&self) -> Instant {
        self.next_at
    }

    pub fn poll(&mut self, clock: &Clock, random: &mut Random) -> Vec<(Pair, Vec<u8>)> {
        if clock.now() < self.next_at {
            return Vec::new();
        }
        let is_done = self.nominated.is_some();
        self.next_at = clock.now() + if is_done { self.habit.consent_interval } else { CHECK_INTERVAL };
        let pairs = self.valid.map_or_else(|| self.pairs.clone(), |pair| vec![pair]);
        pairs.into_iter().map(|pair| (pair, self.request(pair, random))).collect()
    }

    fn request(&mut self, pair: Pair, random: &mut Random) -> Vec<u8> {
        let mut transaction = [0; 12];
        transaction[..8].copy_from_slice(&random.next_u64().to_be_bytes());
        transaction[8..].copy_from_slice(&random.next_u32().to_be_bytes());
        let use_candidate = match self.nominated {
            Some(_) => self.habit.renominates,
            None => self.habit.is_aggressive || self.valid.is_some(),
        };
        if self.sent.len() == TRANSACTIONS_KEPT {
            self.sent.remove(0);
        }
        self.sent.push((transaction, pair, use_candidate));
        let (receiver_ufrag, sender_ufrag) = (self.node_ufrag.as_str(), self.client_ufrag.as_str());
        Request { transaction, receiver_ufrag, sender_ufrag, use_candidate, role: Role::Controlling }.to_vec(&self.key)
    }

    /// Answers a check of the node's; `None` if it does not use our credentials.
    #[must_use]
    pub fn answer(&self, pair: Pair, check: &[u8]) -> Option<Vec<u8>> {
        let request = BindingRequest::parse(check)?;
        let is_ours = request.receiver_ufrag == self.client_ufrag && request.sender_ufrag == self.node_ufrag;
        let is_right = is_ours && request.role == Some(Role::Controlled) && request.is_authentic(&self.own_key);
        is_right.then(|| Response::Success { mapped: pair.remote }.to_vec(&request, &self.own_key))
    }

    /// Takes the node's response to a check; `None` if it answers none of ours.
    pub fn handle_answer(&mut self, clock: &Clock, answer: &[u8]) -> Option<Checked> {
        let is_success = answer.first_chunk() == Some(&[0x01, 0x01]);
        let transaction = answer.get(8..20)?;
        let position = self.sent.iter().position(|(sent, ..)| sent == transaction)?;
        if !is_success || !is_authentic(answer, &self.key) {
            return None;
        }
        let (_, pair, was_nomination) = self.sent.remove(position);
        let is_first = self.valid.is_none();
        self.valid = self.valid.or(Some(pair));
        if was_nomination && self.nominated.is_none() {
            self.nominated = Some(pair);
            return Some(Checked::Nominated(pair));
        }
        if is_first {
            // The nomination follows at once.
            self.next_at = clock.now();
            return Some(Checked::Valid(pair));
        }
        Some(Checked::Alive)
    }
}

/// RFC 8489 §14.5: MESSAGE-INTEGRITY covers the message before it, with a length as if it ended there. Ours are
/// followed by FINGERPRINT alone.
fn is_authentic(message: &[u8], key: &hmac::Key) -> bool {
    let Some(at) = message.len().checked_sub(8 + 24).filter(|at| *at >= stun::HEADER_BYTES) else { return false };
    let (covered, rest) = message.split_at(at);
    if rest[..4] != [0, 8, 0, 20] {
        return false;
    }
    let mut context = hmac::Context::with_key(key);
    context.update(&covered[..2]);
    context.update(&((at + 24 - stun::HEADER_BYTES) as u16).to_be_bytes());
    context.update(&covered[4..]);
    constant_time::verify_slices_are_equal(context.sign().as_ref(), &rest[4..24]).is_ok()
}
