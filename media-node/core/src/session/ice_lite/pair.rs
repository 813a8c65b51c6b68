//! One path from which a client sends checks (RFC 8445: a candidate pair), and the proof that the client answers there.

use crate::path::Path;
use crate::stun::TransactionId;
use shared::limits::CONSENT_TIMEOUT_MS;
use std::time::{Duration, Instant};

/// RFC 7675 §5.1: lifetime of consent, and of the proof that the client answers at an address.
pub const CONSENT_TIMEOUT: Duration = Duration::from_millis(CONSENT_TIMEOUT_MS);
/// An older proof is renewed with the client's next check.
const PROOF_RENEWED_AFTER: Duration = Duration::from_secs(10);
/// Wait for the first answer; each further wait is twice as long.
const ASK_WAIT: Duration = Duration::from_millis(250);
/// Most repetitions of one of our checks: 16 s in all. The client's next check starts another series.
const ASKS_MAX: u8 = 6;
/// Most handshake bytes for an unproven address: three flights. A client that forges the source address of its checks
/// cannot direct more than this at a stranger.
const UNPROVEN_BYTES_MAX: usize = 4_096;

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) path: Path,
    /// Time of the client's last check, which is its consent.
    pub(super) checked_at: Instant,
    /// Time of the last authentic packet, apart from checks.
    pub(super) heard_at: Option<Instant>,
    /// True if this pair is the client's newest nomination.
    pub(super) is_nominated: bool,
    proven_at: Option<Instant>,
    asked: Option<Asked>,
    ask_at: Option<Instant>,
    unproven_bytes: usize,
}

/// An unanswered check of ours.
#[derive(Debug)]
struct Asked {
    transaction: TransactionId,
    times: u8,
}

impl Pair {
    pub(super) fn new(now: Instant, path: Path) -> Self {
        Self {
            path,
            checked_at: now,
            heard_at: None,
            is_nominated: false,
            proven_at: None,
            asked: None,
            ask_at: None,
            unproven_bytes: 0,
        }
    }

    /// Notes the client's check, and starts a check of ours unless the proof is recent.
    pub(super) fn note_check(&mut self, now: Instant) {
        self.checked_at = now;
        let is_fresh = self.proven_at.is_some_and(|at| now < at + PROOF_RENEWED_AFTER);
        if !is_fresh {
            self.ask(now);
        }
    }

    /// Starts a check, unless one is pending.
    pub(super) fn ask(&mut self, now: Instant) {
        if self.ask_at.is_none() {
            self.asked = None;
            self.ask_at = Some(now);
        }
    }

    /// The transaction of a due check: `next` for the first time, the same one when repeated.
    pub(super) fn take_ask(&mut self, now: Instant, next: impl FnOnce() -> TransactionId) -> Option<TransactionId> {
        self.ask_at.filter(|at| *at <= now)?;
        let asked = self.asked.get_or_insert_with(|| Asked { transaction: next(), times: 0 });
        self.ask_at = (asked.times < ASKS_MAX).then(|| now + ASK_WAIT * (1 << asked.times));
        asked.times += 1;
        Some(asked.transaction)
    }

    pub(super) fn ask_at(&self) -> Option<Instant> {
        self.ask_at
    }

    pub(super) fn is_asked(&self, transaction: &TransactionId) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.transaction == *transaction)
    }

    /// Notes that the client answers here.
    pub(super) fn prove(&mut self, now: Instant) {
        self.proven_at = Some(now);
        self.asked = None;
        self.ask_at = None;
    }

    pub(super) fn proven_at(&self) -> Option<Instant> {
        self.proven_at
    }

    /// True if media may be sent here.
    pub(super) fn is_proven(&self, now: Instant) -> bool {
        self.proven_at.is_some_and(|at| now < at + CONSENT_TIMEOUT)
    }

    /// Drops a pending check after a change of credentials, because it will not be answered.
    pub(super) fn forget_asked(&mut self) {
        self.asked = None;
        self.ask_at = None;
        self.is_nominated = false;
    }

    /// True if this many handshake bytes may be sent here; they count as sent.
    pub(super) fn takes_handshake(&mut self, now: Instant, bytes: usize) -> bool {
        if self.is_proven(now) {
            return true;
        }
        let fits = self.unproven_bytes + bytes <= UNPROVEN_BYTES_MAX;
        self.unproven_bytes += if fits { bytes } else { 0 };
        fits
    }

    pub(super) fn expires_at(&self) -> Instant {
        self.checked_at + CONSENT_TIMEOUT
    }
}
