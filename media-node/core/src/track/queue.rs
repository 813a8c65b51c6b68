//! Packets of a track on their way to its subscribers: those of one video frame wait a moment for each other.

use crate::forward::Facts;
use crate::stats::DropReason;
use std::time::{Duration, Instant};

/// Most packets of a track that wait to be sent at once: what two full reads of the socket can bring.
const PENDING_PACKETS_MAX: usize = 256;
/// How long a video frame's first packets wait for its last, so that a subscriber gets them in one run.
const HOLD: Duration = Duration::from_millis(1);
/// Waits in vain after which a track's packets are taken to come one by one, and are sent at once.
const HOLDS_IN_VAIN_MAX: u8 = 4;
/// Packets that wait to be written for the subscribers, by index.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Came since the last round of sending began.
    pub(super) pending: Vec<u64>,
    /// Are being sent.
    pub(super) sending: Vec<u64>,
    pub(super) held_until: Option<Instant>,
    holds_in_vain: u8,
}

impl Queue {
    /// Adds a packet; says whether it is the first that waits.
    pub(super) fn push(&mut self, now: Instant, facts: &Facts) -> Result<bool, DropReason> {
        if self.pending.len() >= PENDING_PACKETS_MAX {
            return Err(DropReason::Overflow);
        }
        let is_first = self.pending.is_empty();
        self.pending.push(facts.index);
        let is_worth_waiting = facts.vp8.is_some() && self.holds_in_vain < HOLDS_IN_VAIN_MAX;
        if facts.marker {
            self.held_until = None;
        } else if is_first && is_worth_waiting {
            self.held_until = Some(now + HOLD);
        }
        Ok(is_first)
    }

    pub(super) fn begin_sending(&mut self, now: Instant) {
        // Waiting is worth it where it brings a frame's packets together, or where they come together anyway.
        let waited_in_vain = self.held_until.is_some_and(|until| until <= now) && self.pending.len() == 1;
        if waited_in_vain {
            self.holds_in_vain = self.holds_in_vain.saturating_add(1);
        } else if self.pending.len() > 1 {
            self.holds_in_vain = 0;
        }
        self.held_until = None;
        std::mem::swap(&mut self.pending, &mut self.sending);
        self.pending.clear();
    }
}
