//! Time-limited TURN credentials: the edge issues them to participants, and TURN nodes verify them without asking the
//! edge.
//!
//! The user name contains expiry, policy and owner; the password is `base64(HMAC-SHA1(secret, username))`, the form of
//! draft-uberti-behave-turn-rest-00 §2.2, which coturn's `use-auth-secret` also uses.

use crate::ids::{ParticipantId, RoomId};
use crate::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// The peers that a credential may reach.
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnUser {
    /// Existing allocations can still be refreshed after this time.
    pub expires_at: UnixMillis,
    pub policy: TurnPolicy,
    /// The owner's room: the same id in two rooms means two participants.
    pub room: RoomId,
    pub participant: ParticipantId,
}

/// Secrets for passwords. The first signs new passwords; all are accepted, so that secrets can be rotated.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnKeys(Vec<Box<[u8]>>);

/// The text is not a list of keys. The error does not quote the text, which is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TURN keys have the form kid:secret,kid:secret, with secrets of {SECRET_BYTES_MIN} bytes or more")]
pub struct TurnKeysError;

/// A user name and password for a TURN node.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// See [`TurnUser`].
    pub username: String,
    pub password: String,
}

/// A shorter secret can be guessed from one credential (RFC 2104 §3 advises at least the size of the hash, 20 bytes).
const SECRET_BYTES_MIN: usize = 32;

/// The user name is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a TURN user name is SECONDS:POLICY:ROOM:PARTICIPANT")]
pub struct TurnUserError;

impl TurnUser {
    /// Reads `SECONDS:POLICY:ROOM:PARTICIPANT`; a participant's name may have colons.
    pub fn parse(username: &str) -> Result<Self, TurnUserError> {
        let mut parts = username.splitn(4, ':');
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
        let room = RoomId::parse(next()?).map_err(|_| TurnUserError)?;
        let participant = ParticipantId::parse(next()?).map_err(|_| TurnUserError)?;
        Ok(Self { expires_at: UnixMillis(seconds.saturating_mul(1000)), policy, room, participant })
    }

    #[must_use]
    pub fn username(&self) -> String {
        format!("{}:{}", self.expires_at.as_secs(), self.owner())
    }

    /// The owner for quotas; the same for every credential of one participant in one room.
    #[must_use]
    pub fn owner(&self) -> String {
        format!("{}:{}:{}", self.policy.as_str(), self.room, self.participant)
    }
}

impl std::fmt::Debug for TurnKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TurnKeys").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}

impl TurnKeys {
    /// Parses `kid:secret,kid:secret`, the form of all our lists of secrets. The ids only help operators when they
    /// replace keys.
    pub fn parse(text: &str) -> Result<Self, TurnKeysError> {
        let secret = |entry: &str| {
            let (id, secret) = entry.trim().split_once(':')?;
            (!id.is_empty() && secret.len() >= SECRET_BYTES_MIN).then(|| secret.as_bytes().into())
        };
        text.split(',').map(secret).collect::<Option<_>>().map(Self).ok_or(TurnKeysError)
    }

    #[must_use]
    pub fn mint(&self, user: &TurnUser) -> Credential {
        let username = user.username();
        let password = self.passwords(&username).next().unwrap_or_default();
        Credential { username, password }
    }

    /// Every valid password of a user name, newest first.
    pub fn passwords(&self, username: &str) -> impl Iterator<Item = String> {
        self.0.iter().map(move |secret| password(username, secret))
    }
}

fn password(username: &str, secret: &[u8]) -> String {
    // HMAC takes keys of any length (RFC 2104 §3).
    let mac = Hmac::<Sha1>::new_from_slice(secret).map(|mac| mac.chain_update(username).finalize().into_bytes());
    mac.map(|tag| STANDARD.encode(tag)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_again_what_it_read() {
        for username in ["1800000600:sfu:daily:ada", "1800000600:p2p:daily:grace@example.org:8"] {
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
            "1800000600:sfu:ada",
            "1800000600:all:daily:ada",
            "-1:sfu:daily:ada",
            "+1:sfu:daily:ada",
            "1:sfu::ada",
            "1:sfu:daily:",
            "1:sfu:daily:a b",
        ] {
            assert_eq!(TurnUser::parse(username), Err(TurnUserError), "{username:?}");
        }
    }

    const NORTH: &str = "north north north north north north";
    const SOUTH: &str = "south south south south south south";

    #[test]
    fn makes_the_password_that_coturn_makes() {
        // printf %s 1800000600:sfu:daily:ada | openssl dgst -sha1 -hmac "$NORTH" -binary | base64
        let user = TurnUser::parse("1800000600:sfu:daily:ada").expect("valid");
        let keys = TurnKeys::parse(&format!("n:{NORTH}")).expect("valid");
        assert_eq!(keys.mint(&user).password, "imQXR6qiWrxDyiC2WDr3MRZr5mQ=");
        assert_eq!(keys.mint(&user).username, "1800000600:sfu:daily:ada");
    }

    #[test]
    fn the_first_key_mints_and_every_key_is_good() {
        let user = TurnUser::parse("1800000600:sfu:daily:ada").expect("valid");
        let before = TurnKeys::parse(&format!("n:{NORTH}")).expect("valid").mint(&user).password;
        let keys = TurnKeys::parse(&format!("s:{SOUTH}, n:{NORTH}")).expect("valid");
        let good: Vec<String> = keys.passwords(&user.username()).collect();
        assert_eq!(good, [keys.mint(&user).password, before]);
        assert_ne!(good[0], good[1]);
    }

    #[test]
    fn refuses_lists_that_are_none_and_never_shows_a_secret() {
        for bad in ["", "secret", &format!(":{NORTH}"), &format!("n:{NORTH},"), "n:short"] {
            assert_eq!(TurnKeys::parse(bad), Err(TurnKeysError), "{bad}");
        }
        let keys = TurnKeys::parse(&format!("n:{NORTH}")).expect("valid");
        assert_eq!(format!("{keys:?}"), "TurnKeys { count: 1, .. }");
    }
}
