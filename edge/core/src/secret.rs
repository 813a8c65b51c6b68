//! Comparison of secrets, and codes that only the holder of a secret can compute.

use crate::door::Address;
use crate::random;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::{RoomId, limits};

/// Compares in constant time.
#[must_use]
pub fn is_same(ours: &str, theirs: &str) -> bool {
    let differ = ours.bytes().zip(theirs.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
    ours.len() == theirs.len() && differ == 0
}

pub(crate) fn code(key: &[u8], message: &str) -> Option<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    Some(mac.chain_update(message).finalize().into_bytes().into())
}

/// A room's code for an address: reveals only whether two addresses are the same, and only within this room.
#[must_use]
pub fn blind(secret: &[u8], room: &RoomId, address: Address) -> Option<String> {
    let key = code(secret, "rotunda address key v1")?;
    let code = code(&key, &format!("{room}/{}", address.number()))?;
    Some(random::letters(&code, limits::GUEST_ADDRESS_LETTERS))
}

/// Letters of a signature, 5 bits each.
const TAG_LETTERS: usize = 26;
pub(crate) const BLIND_LETTERS: usize = 16;

/// Keys for signing texts of a room, newest first. A signature lets the Worker refuse a forged text without waking the
/// room that it names.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct RoomKeys(Vec<[u8; 32]>);

impl std::fmt::Debug for RoomKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomKeys").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

impl RoomKeys {
    /// Derives keys for one purpose from secrets that serve another one.
    pub(crate) fn derived<'a>(secrets: impl IntoIterator<Item = &'a [u8]>, purpose: &str) -> Self {
        Self(secrets.into_iter().filter_map(|secret| code(secret, purpose)).collect())
    }

    /// `letters.blind.tag`: the blind part is the same for the same `name` in one room, and meaningless without the key.
    pub(crate) fn sign(&self, room: &RoomId, letters: &str, kind: &str, name: &str) -> Option<String> {
        let key = self.0.first()?;
        // A separate key, so that no blind name is part of a tag.
        let blind = code(&code(key, kind)?, &format!("{room}/{name}"))?;
        let signed = format!("{letters}.{}", random::letters(&blind, BLIND_LETTERS));
        let tag = tag(key, room, &signed)?;
        Some(format!("{signed}.{tag}"))
    }

    #[cfg(test)]
    pub(crate) fn tag(&self, room: &RoomId, signed: &str) -> Option<String> {
        tag(self.0.first()?, room, signed)
    }

    /// The text without its tag; `None` if no key signed it for this room.
    pub(crate) fn signed<'a>(&self, room: &RoomId, text: &'a str) -> Option<&'a str> {
        let (signed, theirs) = text.rsplit_once('.')?;
        let is_ours = |key: &[u8; 32]| tag(key, room, signed).is_some_and(|ours| is_same(&ours, theirs));
        self.0.iter().any(is_ours).then_some(signed)
    }
}

fn tag(key: &[u8; 32], room: &RoomId, signed: &str) -> Option<String> {
    Some(random::letters(&code(key, &format!("{room}/{signed}"))?, TAG_LETTERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blind_address_can_be_compared_within_a_room_alone() {
        let room = |name| RoomId::parse(name).expect("valid");
        let address = |text| Address::parse(text).expect("valid");
        let blind = |secret: &str, name, text| blind(secret.as_bytes(), &room(name), address(text)).expect("a code");
        let ours = blind("secret", "daily", "192.0.2.1");
        assert_eq!(ours.len(), limits::GUEST_ADDRESS_LETTERS);
        assert_eq!(ours, blind("secret", "daily", "::ffff:192.0.2.1"));
        assert_ne!(ours, blind("secret", "daily", "192.0.2.2"));
        assert_ne!(ours, blind("secret", "weekly", "192.0.2.1"));
        assert_ne!(ours, blind("another", "daily", "192.0.2.1"));
    }

    #[test]
    fn only_the_whole_secret_counts() {
        for (theirs, expected) in [("abc", true), ("abd", false), ("ab", false), ("abcd", false), ("", false)] {
            assert_eq!(is_same("abc", theirs), expected, "{theirs}");
        }
    }
}
