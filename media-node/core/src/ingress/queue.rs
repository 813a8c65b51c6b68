//! Packets of a track on their way to its subscribers: those of one video frame wait briefly for each other.

use crate::packet::Facts;
use std::time::{Duration, Instant};

/// This many video packets are sent before more are accepted: a read of the socket may bring 1,700, and a cache holds
/// 512.
const VIDEO_PACKETS_URGENT: usize = 128;
/// The same for audio, whose cache holds 64.
const AUDIO_PACKETS_URGENT: usize = 16;
/// Most waiting packets of a track, in case the caller does not send urgent ones.
const PENDING_PACKETS_MAX: usize = 256;
/// Time for which a video frame's first packets wait for its last, so that a subscriber gets them in one run.
const HOLD: Duration = Duration::from_millis(1);
/// After this many waits in vain, a track's packets are assumed to arrive one by one, and are sent at once.
const HOLDS_IN_VAIN_MAX: u8 = 4;
/// Packets waiting to be written for the subscribers, by index.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Packets since the last round of sending began.
    pub(super) pending: Vec<u64>,
    pub(super) sending: Vec<u64>,
    pub(super) held_until: Option<Instant>,
    holds_in_vain: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) is_first: bool,
    /// True if waiting packets must be sent before more arrive.
    pub(super) is_urgent: bool,
    pub(super) is_dropped: bool,
}

impl Queue {
    /// Adds a packet, unless too many wait.
    pub(super) fn push(&mut self, now: Instant, facts: &Facts) -> Queued {
        if self.pending.len() >= PENDING_PACKETS_MAX {
            return Queued { is_first: false, is_urgent: true, is_dropped: true };
        }
        let is_first = self.pending.is_empty();
        self.pending.push(facts.index);
        let urgent = if facts.picture.is_some() { VIDEO_PACKETS_URGENT } else { AUDIO_PACKETS_URGENT };
        let is_urgent = self.pending.len() >= urgent;
        let is_worth_waiting = facts.picture.is_some() && self.holds_in_vain < HOLDS_IN_VAIN_MAX;
        if facts.marker || is_urgent {
            self.held_until = None;
        } else if is_first && is_worth_waiting {
            self.held_until = Some(now + HOLD);
        }
        Queued { is_first, is_urgent, is_dropped: false }
    }

    pub(super) fn begin_sending(&mut self, now: Instant) {
        // Waiting is useful if it gathers a frame's packets, or if they arrive together anyway.
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
