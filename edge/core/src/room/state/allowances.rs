//! Rate limits per participant, across all of the participant's sockets.
//!
//! A bucket that is at least half full refills before a room hibernates, so only emptier ones are stored.

use serde::{Deserialize, Serialize};
use shared::{UnixMillis, limits};

use crate::rate_limit::{Rate, TokenBucket};

const FRAMES: Rate = Rate::per_second(limits::SIGNAL_BURST_FRAMES, limits::SIGNAL_FRAMES_PER_SECOND);
const CHAT: Rate = Rate::per_second(limits::CHAT_BURST_MESSAGES, limits::CHAT_MESSAGES_PER_SECOND);
const REACTIONS: Rate = Rate::per_second(limits::REACTION_BURST, limits::REACTIONS_PER_SECOND);
const BAD_FRAMES: Rate = Rate::new(limits::MALFORMED_FRAMES_MAX - 1, limits::MALFORMED_FRAME_FORGIVEN_MS);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allowance {
    frames: TokenBucket,
    chat: TokenBucket,
    reactions: TokenBucket,
    bad_frames: TokenBucket,
}

impl Allowance {
    pub(crate) fn take_frame(&mut self, now: UnixMillis) -> bool {
        self.frames.take(now, FRAMES)
    }

    pub(crate) fn take_chat(&mut self, now: UnixMillis) -> bool {
        self.chat.take(now, CHAT)
    }

    pub(crate) fn take_reaction(&mut self, now: UnixMillis) -> bool {
        self.reactions.take(now, REACTIONS)
    }

    /// Counts a malformed or excess frame; false if the participant has sent too many.
    pub(crate) fn take_bad_frame(&mut self, now: UnixMillis) -> bool {
        self.bad_frames.take(now, BAD_FRAMES)
    }

    pub(crate) fn full_at(&self) -> UnixMillis {
        let buckets = [self.frames, self.chat, self.reactions, self.bad_frames];
        buckets.into_iter().map(TokenBucket::full_at).max().unwrap_or_default()
    }

    /// The buckets that must outlive this instance; `None` if there are none.
    pub(crate) fn worth_storing(&self, now: UnixMillis) -> Option<Self> {
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
