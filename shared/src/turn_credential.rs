//! Time-limited TURN credentials: minted by the edge for one participant, checked by a TURN node without asking anybody.
//!
//! The user name says when it ends and what it may reach; the password is `base64(HMAC-SHA1(secret, username))`, the form of
//! draft-uberti-behave-turn-rest-00 §2.2 that coturn's `use-auth-secret` has too.

use crate::ids::ParticipantId;
use crate::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// What a credential may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TurnPolicy {
    /// Only media nodes of this deployment.
    Sfu,
    /// Other participants: global unicast addresses and our own relayed ones.
    P2p,
}

impl TurnPolicy {
    /// The text in a user name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sfu => "sfu",
            Self::P2p => "p2p",
        }
    }
}

/// What a user name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnUser {
    /// Allocations can be made until then.
    pub expires_at: UnixMillis,
    /// What they may reach.
    pub policy: TurnPolicy,
    /// Whose they are.
    pub participant: ParticipantId,
}

/// The user name is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a TURN user name is SECONDS:POLICY:PARTICIPANT")]
pub struct TurnUserError;

impl TurnUser {
    /// Reads `SECONDS:POLICY:PARTICIPANT`.
    pub fn parse(username: &str) -> Result<Self, TurnUserError> {
        let mut parts = username.splitn(3, ':');
        let mut next = || parts.next().ok_or(TurnUserError);
        let digits = next()?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TurnUserError);
        }
        let seconds: u64 = digits.parse().map_err(|_| TurnUserError)?;
        let policy = match next()? {
            "sfu" => TurnPolicy::Sfu,
            "p2p" => TurnPolicy::P2p,
            _ => return Err(TurnUserError),
        };
        let participant = ParticipantId::parse(next()?).map_err(|_| TurnUserError)?;
        Ok(Self { expires_at: UnixMillis(seconds.saturating_mul(1000)), policy, participant })
    }

    /// The user name.
    #[must_use]
    pub fn username(&self) -> String {
        format!("{}:{}:{}", self.expires_at.as_secs(), self.policy.as_str(), self.participant)
    }
}

/// The password that belongs to a user name.
#[must_use]
pub fn password(username: &str, secret: &[u8]) -> String {
    // HMAC takes keys of any length (RFC 2104 §3).
    let mac = Hmac::<Sha1>::new_from_slice(secret).map(|mac| mac.chain_update(username).finalize().into_bytes());
    mac.map(|tag| STANDARD.encode(tag)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_again_what_it_read() {
        for username in ["1800000600:sfu:ada", "1800000600:p2p:grace@example.org:8"] {
            assert_eq!(TurnUser::parse(username).map(|user| user.username()).as_deref(), Ok(username));
        }
    }

    #[test]
    fn refuses_other_user_names() {
        for username in [
            "",
            "ada",
            "1800000600",
            "1800000600:ada",
            "1800000600:all:ada",
            "-1:sfu:ada",
            "+1:sfu:ada",
            "1:sfu:",
            "1:sfu:a b",
        ] {
            assert_eq!(TurnUser::parse(username), Err(TurnUserError), "{username:?}");
        }
    }

    #[test]
    fn makes_the_password_that_coturn_makes() {
        // printf %s 1800000600:sfu:ada | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(password("1800000600:sfu:ada", b"north"), "t1bbk73DDwXTynu/IkPvm8ngwx4=");
    }
}
