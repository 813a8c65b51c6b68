//! Join tokens that are good for one join.

use crate::room::outbox::Reason;
use crate::room::state::State;
use crate::room::state::used_tokens::UsedToken;
use shared::token::JoinClaims;
use shared::{AttemptId, ErrorCode, limits};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("this token was good for one join")]
    Used,
    #[error("too many single-use tokens have been used: wait until some expire")]
    TooMany,
}

impl Reason for TokenError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Used => ErrorCode::TokenUsed,
            Self::TooMany => ErrorCode::RateLimited,
        }
    }
}

/// Checks that the token is good for a join. `standing` is the attempt of the participant's current session if this
/// join repeats the one that made it.
pub(crate) fn check_unused(state: &State, claims: &JoinClaims, standing: Option<&AttemptId>) -> Result<(), TokenError> {
    let Some(jti) = &claims.jti else { return Ok(()) };
    match state.used_tokens.get(jti) {
        // The client chooses the attempt, which says nothing once that join is over.
        Some(used) if standing == Some(&used.attempt) => Ok(()),
        Some(_) => Err(TokenError::Used),
        // Forgetting a token would let it admit a second join.
        None if state.used_tokens.len() >= limits::USED_TOKENS_PER_ROOM_MAX => Err(TokenError::TooMany),
        None => Ok(()),
    }
}

pub(crate) fn note_used(state: &mut State, claims: &JoinClaims, attempt: &AttemptId) {
    if let (Some(jti), Some(until)) = (&claims.jti, claims.jti_until)
        && !state.used_tokens.contains(jti)
    {
        state.used_tokens.insert(jti.clone(), UsedToken { attempt: attempt.clone(), until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::state::rows::Snapshot;

    use shared::{ParticipantId, RoomId, TokenId, UnixMillis};

    fn claims(jti: &str) -> JoinClaims {
        JoinClaims {
            jti: Some(TokenId::parse(jti).expect("valid")),
            jti_until: Some(UnixMillis(1)),
            ..JoinClaims::new(ParticipantId::parse("ada").expect("valid"), RoomId::parse("daily").expect("valid"))
        }
    }

    #[test]
    fn a_room_remembers_a_bounded_number_of_tokens_and_forgets_none_for_a_new_one() {
        let state = &mut State::new(RoomId::parse("daily").expect("valid"), Snapshot::default(), Box::new(|_| None));
        let attempt = AttemptId::parse("a").expect("valid");
        for number in 0..limits::USED_TOKENS_PER_ROOM_MAX {
            let claims = claims(&format!("t{number}"));
            assert_eq!(check_unused(state, &claims, None), Ok(()));
            note_used(state, &claims, &attempt);
        }
        assert_eq!(check_unused(state, &claims("new"), None), Err(TokenError::TooMany));
        assert_eq!(check_unused(state, &claims("t0"), Some(&attempt)), Ok(()), "the same join");
        let other = AttemptId::parse("b").expect("valid");
        assert_eq!(check_unused(state, &claims("t0"), Some(&other)), Err(TokenError::Used));
        assert_eq!(check_unused(state, &claims("t0"), None), Err(TokenError::Used), "its join is over");
    }
}
