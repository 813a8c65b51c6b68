//! Tokens: only those signed by a known key for this purpose are accepted, and accepted claims can be signed again.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::token::{self, Claims, JoinClaims, Key, NodeClaims, TicketClaims};
use shared::{UnixMillis, limits};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const LIFETIME_MS: u64 = 600_000;
const SECRET: &[u8] = b"a secret that nobody else knows, 42";

/// Reads `bytes` as a token, and as claims signed with the secret.
pub fn check(bytes: &[u8]) {
    let keys = [Key::new("first", SECRET).expect("long enough")];
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_token::<JoinClaims>(text, &keys);
        check_token::<NodeClaims>(text, &keys);
        check_token::<TicketClaims>(text, &keys);
    }
    if let Ok(claims) = serde_json::from_slice(bytes) {
        let signed = token::sign::<AnyClaims>(claims, &keys[0], NOW, LIFETIME_MS).expect("JSON");
        check_token::<JoinClaims>(&signed, &keys);
        let others = [Key::new("first", b"another secret that is long enough").expect("long enough")];
        assert!(token::verify::<JoinClaims>(&signed, &others, NOW).is_err());
        assert!(token::verify::<NodeClaims>(&signed, &keys, NOW).is_err(), "signed for another purpose");
    }
}

fn check_token<C: Claims + PartialEq + Clone + std::fmt::Debug>(text: &str, keys: &[Key]) {
    let Ok(claims) = token::verify::<C>(text, keys, NOW) else { return };
    assert!(text.len() <= limits::TOKEN_BYTES_MAX);
    let signed = token::sign(claims.clone(), &keys[0], NOW, LIFETIME_MS).expect("claims serialise");
    // Escapes in a name may make our text longer than theirs.
    if signed.len() <= limits::TOKEN_BYTES_MAX {
        assert_eq!(token::verify::<C>(&signed, keys, NOW), Ok(claims));
    }
}

/// Arbitrary claims of an API server with the secret.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct AnyClaims(Map<String, Value>);

impl Claims for AnyClaims {
    const AUDIENCE: &'static str = JoinClaims::AUDIENCE;
    const LIFETIME_MS_MAX: Option<u64> = JoinClaims::LIFETIME_MS_MAX;
}
