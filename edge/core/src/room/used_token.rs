//! Join tokens that are good for one join (`jti`, RFC 7519 §4.1.7), remembered until they expire, also after the room has ended.

use super::Room;
use super::join::JoinError;
use serde::{Deserialize, Serialize};
use shared::token::JoinClaims;
use shared::{AttemptId, TokenId, UnixMillis, limits};

/// The one join of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UsedToken {
    /// Repeating the same join is no second one: its answer may have been lost.
    attempt: AttemptId,
    until: UnixMillis,
}

impl Room {
    /// Whether the token is good for this join.
    pub(super) fn check_unused(&self, claims: &JoinClaims, attempt: &AttemptId) -> Result<(), JoinError> {
        let Some(jti) = &claims.jti else { return Ok(()) };
        match self.used_tokens.get(jti) {
            Some(used) if used.attempt == *attempt => Ok(()),
            Some(_) => Err(JoinError::TokenUsed),
            // Forgetting one would let it open a second join.
            None if self.used_tokens.len() >= limits::USED_TOKENS_PER_ROOM_MAX => Err(JoinError::TooManyTokens),
            None => Ok(()),
        }
    }

    pub(super) fn note_used(&mut self, claims: &JoinClaims, attempt: &AttemptId) {
        if let (Some(jti), Some(until)) = (&claims.jti, claims.jti_until)
            && !self.used_tokens.contains(jti)
        {
            self.used_tokens.insert(jti.clone(), UsedToken { attempt: attempt.clone(), until });
        }
    }

    pub(super) fn used_token_deadline(&self, jti: &TokenId) -> Option<UnixMillis> {
        self.used_tokens.get(jti).map(|used| used.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Config;
    use shared::token::Grants;
    use shared::{ParticipantId, RoomId};

    fn claims(jti: &str) -> JoinClaims {
        JoinClaims {
            sub: ParticipantId::parse("ada").expect("valid"),
            room: RoomId::parse("daily").expect("valid"),
            name: String::new(),
            grants: Grants::default(),
            participants_max: None,
            jti: Some(TokenId::parse(jti).expect("valid")),
            jti_until: Some(UnixMillis(1)),
            guest: None,
        }
    }

    #[test]
    fn a_room_remembers_a_bounded_number_of_tokens_and_forgets_none_for_a_new_one() {
        let mut room = Room::new(RoomId::parse("daily").expect("valid"), Config::default(), Box::new(|_| {}));
        let attempt = AttemptId::parse("a").expect("valid");
        for number in 0..limits::USED_TOKENS_PER_ROOM_MAX {
            let claims = claims(&format!("t{number}"));
            assert_eq!(room.check_unused(&claims, &attempt), Ok(()));
            room.note_used(&claims, &attempt);
        }
        assert_eq!(room.check_unused(&claims("new"), &attempt), Err(JoinError::TooManyTokens));
        assert_eq!(room.check_unused(&claims("t0"), &attempt), Ok(()), "the same join");
        let other = AttemptId::parse("b").expect("valid");
        assert_eq!(room.check_unused(&claims("t0"), &other), Err(JoinError::TokenUsed));
    }
}
