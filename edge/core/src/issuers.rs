//! Tokens of other issuers, such as identity providers: which are accepted, and what their claims mean here.
//!
//! The caller checks the signature: the platform has RSA and elliptic curves, and code for them would enlarge the
//! Worker.

mod claims;
mod keys;
mod own;
mod settings;

pub use keys::{Jwk, KeyCache, Search};
pub use own::{OwnKeys, OwnToken};
pub use settings::{Issuer, Issuers};

use serde::Deserialize;
use serde_json::Value;
use shared::token::{Parts, TokenError};

/// RFC 7518 §3.1, RFC 8037 §3.1. Never a MAC: the key that checks one also signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// The name in a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A token of a known issuer, whose signature is yet to be checked.
#[derive(Debug)]
pub struct Unverified<'a> {
    pub issuer: &'a Issuer,
    pub algorithm: Algorithm,
    pub key_id: Option<String>,
    /// The signed text (RFC 7515 §5.1).
    pub signed: &'a str,
    pub signature: Vec<u8>,
    payload: Value,
}

#[derive(Deserialize)]
struct Header {
    alg: Value,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515 §4.1.11); none is.
    crit: Option<Value>,
}

impl Issuers {
    /// `None` for a token of our own, which is signed with HS256.
    pub fn read<'a>(&'a self, token: &'a str) -> Result<Option<Unverified<'a>>, TokenError> {
        let parts = Parts::of(token).ok_or(TokenError::Bad)?;
        let header: Header = read(parts.header())?;
        if header.alg == "HS256" || self.is_empty() {
            return Ok(None);
        }
        let algorithm = serde_json::from_value(header.alg).map_err(|_| TokenError::Bad)?;
        let payload: Value = read(parts.claims())?;
        let issuer = payload.get("iss").and_then(Value::as_str).and_then(|name| self.find(name));
        let issuer = issuer.filter(|_| header.crit.is_none()).ok_or(TokenError::Bad)?;
        let signature = parts.signature().ok_or(TokenError::Bad)?;
        Ok(Some(Unverified { issuer, algorithm, key_id: header.kid, signed: parts.signed, signature, payload }))
    }
}

fn read<T: serde::de::DeserializeOwned>(json: Option<String>) -> Result<T, TokenError> {
    json.and_then(|json| serde_json::from_str(&json).ok()).ok_or(TokenError::Bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;
    use shared::limits;

    fn token(header: &Value, payload: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(payload), URL_SAFE_NO_PAD.encode([1, 2]))
    }

    fn issuers() -> Issuers {
        Issuers::parse(r#"[{ "issuer": "https://id.example", "audience": "app", "any_room": true }]"#).expect("valid")
    }

    /// The token's algorithm, or `None` for one of our own.
    fn read(header: &Value, payload: &Value) -> Result<Option<&'static str>, TokenError> {
        let (issuers, token) = (issuers(), token(header, payload));
        issuers.read(&token).map(|found| found.map(|found| found.algorithm.as_str()))
    }

    #[test]
    fn the_issuer_and_the_algorithm_decide() {
        let known = json!({ "iss": "https://id.example" });
        for name in ["RS256", "ES256", "EdDSA"] {
            assert_eq!(read(&json!({ "alg": name }), &known), Ok(Some(name)));
        }
        assert_eq!(read(&json!({ "alg": "HS256" }), &known), Ok(None));
        for name in [json!("none"), json!("HS384"), json!("RS512"), json!("rs256"), json!(7), Value::Null] {
            assert_eq!(read(&json!({ "alg": name }), &known), Err(TokenError::Bad), "{name}");
        }
        for payload in [json!({}), json!({ "iss": "https://id.example/" }), json!({ "iss": 7 }), json!([])] {
            assert_eq!(read(&json!({ "alg": "RS256" }), &payload), Err(TokenError::Bad), "{payload}");
        }
        assert_eq!(read(&json!({ "alg": "RS256", "crit": ["b64"] }), &known), Err(TokenError::Bad));
    }

    #[test]
    fn without_issuers_every_token_is_our_own() {
        let token = token(&json!({ "alg": "RS256" }), &json!({}));
        assert!(Issuers::default().read(&token).expect("readable").is_none());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let issuers = issuers();
        for text in ["", ".", "..", "a.b.c", "e30.e30", "e30.e30.!", &"x".repeat(limits::TOKEN_BYTES_MAX + 1)] {
            assert!(issuers.read(text).is_err(), "{text:.20}");
        }
    }
}
