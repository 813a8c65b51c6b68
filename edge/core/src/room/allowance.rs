//! How much of what a participant may still say: forgotten in sleep, which only comes where nobody says anything.

use super::Room;
use crate::rate_limit::TokenBucket;
use shared::{ParticipantId, UnixMillis, limits};

/// What one participant may still do, whatever socket they do it on.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    pub(super) frames: TokenBucket,
    pub(super) chat: TokenBucket,
    pub(super) reactions: TokenBucket,
}

impl Allowance {
    fn new(now: UnixMillis) -> Self {
        Self {
            frames: TokenBucket::new(limits::SIGNAL_BURST_FRAMES, limits::SIGNAL_FRAMES_PER_SECOND, now),
            chat: TokenBucket::new(limits::CHAT_BURST_MESSAGES, limits::CHAT_MESSAGES_PER_SECOND, now),
            reactions: TokenBucket::new(limits::REACTION_BURST, limits::REACTIONS_PER_SECOND, now),
        }
    }
}

impl Room {
    pub(super) fn allowance(&mut self, now: UnixMillis, participant: &ParticipantId) -> &mut Allowance {
        self.allowances.entry(participant.clone()).or_insert_with(|| Allowance::new(now))
    }
}
