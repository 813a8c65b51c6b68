//! Rate limits per participant, across all of the participant's sockets.
//!
//! A bucket that is at least half full refills before a room hibernates, so only emptier ones are stored.

use super::Room;
use super::deadline::Deadline;
use crate::rate_limit::{Rate, TokenBucket};
use serde::{Deserialize, Serialize};
use shared::{ParticipantId, UnixMillis, limits};

const FRAMES: Rate = Rate::per_second(limits::SIGNAL_BURST_FRAMES, limits::SIGNAL_FRAMES_PER_SECOND);
const CHAT: Rate = Rate::per_second(limits::CHAT_BURST_MESSAGES, limits::CHAT_MESSAGES_PER_SECOND);
const REACTIONS: Rate = Rate::per_second(limits::REACTION_BURST, limits::REACTIONS_PER_SECOND);
const BAD_FRAMES: Rate = Rate::new(limits::MALFORMED_FRAMES_MAX - 1, limits::MALFORMED_FRAME_FORGIVEN_MS);

/// Maximum number of stored allowances; the fullest is dropped first.
const ALLOWANCES_MAX: usize = 4 * limits::PARTICIPANTS_PER_ROOM_MAX;

/// One participant's remaining allowance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Allowance {
    frames: TokenBucket,
    chat: TokenBucket,
    reactions: TokenBucket,
    bad_frames: TokenBucket,
}

impl Allowance {
    pub(super) fn take_frame(&mut self, now: UnixMillis) -> bool {
        self.frames.take(now, FRAMES)
    }

    pub(super) fn take_chat(&mut self, now: UnixMillis) -> bool {
        self.chat.take(now, CHAT)
    }

    pub(super) fn take_reaction(&mut self, now: UnixMillis) -> bool {
        self.reactions.take(now, REACTIONS)
    }

    /// For a frame that is one too many or cannot be read.
    pub(super) fn take_bad_frame(&mut self, now: UnixMillis) -> bool {
        self.bad_frames.take(now, BAD_FRAMES)
    }

    pub(super) fn full_at(&self) -> UnixMillis {
        let buckets = [self.frames, self.chat, self.reactions, self.bad_frames];
        buckets.into_iter().map(TokenBucket::full_at).max().unwrap_or_default()
    }

    /// The buckets that must outlive this instance; `None` if there are none.
    fn worth_storing(&self, now: UnixMillis) -> Option<Self> {
        let kept =
            |bucket: TokenBucket, rate| if bucket.is_below_half(now, rate) { bucket } else { TokenBucket::default() };
        let is_bad = self.bad_frames.full_at() > now;
        let kept = Self {
            frames: kept(self.frames, FRAMES),
            chat: kept(self.chat, CHAT),
            reactions: kept(self.reactions, REACTIONS),
            bad_frames: if is_bad { self.bad_frames } else { TokenBucket::default() },
        };
        (kept != Self::default()).then_some(kept)
    }
}

impl Room {
    /// Takes tokens from a participant's allowance; returns false if too few are left.
    pub(super) fn spend(&mut self, participant: &ParticipantId, take: impl FnOnce(&mut Allowance) -> bool) -> bool {
        if !self.allowances.contains(participant) {
            if self.allowances.len() >= ALLOWANCES_MAX {
                self.forget_fullest_allowance();
            }
            self.allowances.insert(participant.clone(), Allowance::default());
        }
        self.allowances.get_mut(participant).is_some_and(take)
    }

    fn forget_fullest_allowance(&mut self) {
        let fullest = self.allowances.iter().min_by_key(|(_, allowance)| allowance.full_at());
        if let Some(fullest) = fullest.map(|(participant, _)| participant.clone()) {
            self.allowances.remove(&fullest);
        }
    }

    /// Stores the allowances that must outlive this instance, and schedules their removal once they are full again.
    pub(super) fn write_allowances(
        &mut self,
        now: UnixMillis,
        mut write: impl FnMut(&ParticipantId, Option<&Allowance>),
    ) {
        for participant in self.allowances.take_changed() {
            let worth = self.allowances.get(&participant).and_then(|allowance| allowance.worth_storing(now));
            if worth.as_ref() == self.stored_allowances.get(&participant) {
                continue;
            }
            write(&participant, worth.as_ref());
            let full_at = worth.as_ref().map(Allowance::full_at);
            self.deadlines.set(Deadline::Allowance(participant.clone()), full_at);
            match worth {
                Some(worth) => drop(self.stored_allowances.insert(participant, worth)),
                None => drop(self.stored_allowances.remove(&participant)),
            }
        }
    }
}
