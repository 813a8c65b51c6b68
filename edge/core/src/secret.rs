//! Comparing secrets, and codes that only their holders can make.

use crate::door::Address;
use crate::random;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use shared::{RoomId, limits};

/// Compares in a time that says nothing about where two secrets differ.
#[must_use]
pub fn is_same(ours: &str, theirs: &str) -> bool {
    let differ = ours.bytes().zip(theirs.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b));
    ours.len() == theirs.len() && differ == 0
}

pub(crate) fn code(key: &[u8], message: &str) -> Option<[u8; 32]> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    Some(mac.chain_update(message).finalize().into_bytes().into())
}

/// What a room keeps of an address: a code that tells whether two are the same, in this room and to nobody without the secret.
#[must_use]
pub fn blind(secret: &[u8], room: &RoomId, address: Address) -> Option<String> {
    let key = code(secret, "rotunda address key v1")?;
    let code = code(&key, &format!("{room}/{}", address.number()))?;
    Some(random::letters(&code, limits::GUEST_ADDRESS_LETTERS))
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
