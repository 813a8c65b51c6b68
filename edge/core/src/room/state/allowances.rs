//! Rate limits per participant, across all of the participant's sockets.
//!
//! A bucket that is at least half full refills before a room hibernates, so only emptier ones are stored.

use serde::{Deserialize, Serialize};
use shared::{UnixMillis, limits};

use crate::rate_limit::{Rate, TokenBucket};

const FRAMES: Rate = Rate::per_second(limits::SIGNAL_BURST_FRAMES, limits::SIGNAL_FRAMES_PER_SECOND);
const CHAT: Rate = Rate::per_second(limits::CHAT_BURST_MESSAGES, limits::CHAT_MESSAGES_PER_SECOND);
const REACTIONS: Rate = Rate::per_second(limits::REACTION_BURST, limits::REACTIONS_PER_SECOND);
const PEER_SIGNALS: Rate = Rate::per_second(limits::PEER_SIGNAL_BURST, limits::PEER_SIGNALS_PER_SECOND);
const PEER_SIGNALED: Rate = Rate::per_second(limits::PEER_SIGNALED_BURST, limits::PEER_SIGNALED_PER_SECOND);
const SEEKS: Rate = Rate::new(limits::SEEK_BURST, limits::SEEK_INTERVAL_MS);
const BAD_FRAMES: Rate = Rate::new(limits::MALFORMED_FRAMES_MAX - 1, limits::MALFORMED_FRAME_FORGIVEN_MS);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allowance {
    frames: TokenBucket,
    chat: TokenBucket,
    reactions: TokenBucket,
    bad_frames: TokenBucket,
    /// Messages to other participants; absent from rows of an earlier version, like the next two.
    #[serde(default)]
    peer_signals: TokenBucket,
    /// Messages from other participants.
    #[serde(default)]
    peer_signaled: TokenBucket,
    #[serde(default)]
    seeks: TokenBucket,
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

    pub(crate) fn take_peer_signal(&mut self, now: UnixMillis) -> bool {
        self.peer_signals.take(now, PEER_SIGNALS)
    }

    /// Counts a message of another participant.
    pub(crate) fn take_peer_signaled(&mut self, now: UnixMillis) -> bool {
        self.peer_signaled.take(now, PEER_SIGNALED)
    }

    pub(crate) fn take_seek(&mut self, now: UnixMillis) -> bool {
        self.seeks.take(now, SEEKS)
    }

    /// Counts a malformed or excess frame; false if the participant has sent too many.
    pub(crate) fn take_bad_frame(&mut self, now: UnixMillis) -> bool {
        self.bad_frames.take(now, BAD_FRAMES)
    }

    pub(crate) fn full_at(&self) -> UnixMillis {
        let buckets = [self.frames, self.chat, self.reactions, self.bad_frames];
        let of_peers = [self.peer_signals, self.peer_signaled, self.seeks];
        buckets.into_iter().chain(of_peers).map(TokenBucket::full_at).max().unwrap_or_default()
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
            peer_signals: kept(self.peer_signals, PEER_SIGNALS),
            peer_signaled: kept(self.peer_signaled, PEER_SIGNALED),
            seeks: kept(self.seeks, SEEKS),
            bad_frames: if is_bad { self.bad_frames } else { TokenBucket::default() },
        };
        (kept != Self::default()).then_some(kept)
    }
}
