//! The setting `TOKEN_PUBLIC_KEYS`: the keys of applications that sign join tokens with Ed25519, so that the deployment
//! shares no secret with them.

use super::{Algorithm, Header, Jwk, read};
use serde::Deserialize;
use serde_json::Value;
use shared::token::{self, Claims, JoinClaims, Parts, TokenError};
use shared::{UnixMillis, json, limits};

/// The accepted keys; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnKeys(Vec<Jwk>);

/// A join token in our own form, whose signature is yet to be checked.
#[derive(Debug)]
pub struct OwnToken<'a> {
    /// Those that may have signed it.
    pub keys: Vec<&'a Jwk>,
    /// The signed text (RFC 7515 §5.1).
    pub signed: &'a str,
    pub signature: Vec<u8>,
    claims: String,
}

impl OwnKeys {
    /// Reads a key set (RFC 7517 §5); the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct KeySet {
            keys: Vec<Jwk>,
        }
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let KeySet { keys } = json::from_str(text).map_err(|error| error.to_string())?;
        if keys.len() > limits::TOKEN_PUBLIC_KEYS_MAX {
            return Err(format!("more than {} keys", limits::TOKEN_PUBLIC_KEYS_MAX));
        }
        for (place, key) in keys.iter().enumerate() {
            let id = key.id().filter(|id| !id.is_empty()).ok_or("a key has no kid")?;
            if !key.serves(Algorithm::EdDsa, Some(id)) || !key.is_whole_ed25519() {
                return Err(format!("{id}: not a public key of Ed25519 (RFC 8037 §2)"));
            }
            if keys.iter().take(place).any(|other| other.id() == Some(id)) {
                return Err(format!("{id} is there twice"));
            }
        }
        Ok(Self(keys))
    }

    /// `None` for other tokens: those of an issuer, and those that are signed with a secret.
    pub fn read<'a>(&'a self, token: &'a str) -> Result<Option<OwnToken<'a>>, TokenError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let parts = Parts::of(token).ok_or(TokenError::Bad)?;
        let header: Header = read(parts.header())?;
        let claims = parts.claims().ok_or(TokenError::Bad)?;
        let payload: Value = read(Some(claims.clone()))?;
        let is_ours = payload.get("iss").is_none() && payload.get("aud").is_some_and(|aud| aud == JoinClaims::AUDIENCE);
        if header.alg != Algorithm::EdDsa.as_str() || !is_ours {
            return Ok(None);
        }
        let keys = self.0.iter().filter(|key| key.serves(Algorithm::EdDsa, header.kid.as_deref())).collect::<Vec<_>>();
        let signature =
            parts.signature().filter(|_| header.crit.is_none() && !keys.is_empty()).ok_or(TokenError::Bad)?;
        Ok(Some(OwnToken { keys, signed: parts.signed, signature, claims }))
    }
}

impl OwnToken<'_> {
    /// The claims, for a token whose signature was checked.
    pub fn claims(&self, now: UnixMillis) -> Result<JoinClaims, TokenError> {
        token::claims(&self.claims, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    /// RFC 8037 §A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn key(kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": X })
    }

    fn keys() -> OwnKeys {
        OwnKeys::parse(&json!({ "keys": [key("a"), key("b")] }).to_string()).expect("valid")
    }

    fn token(header: &Value, payload: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(header), part(payload), URL_SAFE_NO_PAD.encode([1, 2]))
    }

    fn payload() -> Value {
        json!({ "aud": "rotunda-join", "iat": 1_800_000_000, "exp": 1_800_000_600, "sub": "ada", "room": "daily" })
    }

    #[track_caller]
    fn check_mistake(keys: &Value, expected: &str) {
        let mistake = OwnKeys::parse(&json!({ "keys": keys }).to_string()).expect_err("a mistake");
        assert!(mistake.contains(expected), "{mistake}");
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(OwnKeys::parse(" "), Ok(OwnKeys::default()));
        assert!(OwnKeys::parse("[]").is_err());
        check_mistake(&json!([{ "kty": "OKP", "crv": "Ed25519", "x": X }]), "no kid");
        check_mistake(&json!([key("a"), key("a")]), "a is there twice");
        check_mistake(&json!([{ "kty": "EC", "crv": "P-256", "kid": "a", "x": X, "y": X }]), "a: not a public key");
        check_mistake(&json!([{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "short" }]), "a: not a public key");
        check_mistake(&json!([{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": X, "d": X }]), "a: not a public key");
        let many: Vec<Value> = (0..=limits::TOKEN_PUBLIC_KEYS_MAX).map(|number| key(&number.to_string())).collect();
        check_mistake(&json!(many), "more than 8 keys");
    }

    #[test]
    fn the_key_and_the_audience_decide() {
        let keys = keys();
        let count = |header: Value, payload: &Value| {
            keys.read(&token(&header, payload)).map(|read| read.map(|read| read.keys.len()))
        };
        assert_eq!(count(json!({ "alg": "EdDSA", "kid": "b" }), &payload()), Ok(Some(1)));
        assert_eq!(count(json!({ "alg": "EdDSA" }), &payload()), Ok(Some(2)));
        assert_eq!(count(json!({ "alg": "EdDSA", "kid": "c" }), &payload()), Err(TokenError::Bad));
        assert_eq!(count(json!({ "alg": "EdDSA", "crit": ["b64"] }), &payload()), Err(TokenError::Bad));
        assert_eq!(count(json!({ "alg": "HS256" }), &payload()), Ok(None));
        for (name, value) in [("aud", json!("authenticated")), ("iss", json!("https://id.example"))] {
            let mut other = payload();
            other[name] = value;
            assert_eq!(count(json!({ "alg": "EdDSA" }), &other), Ok(None), "{name}");
        }
        assert!(
            OwnKeys::default().read(&token(&json!({ "alg": "EdDSA" }), &payload())).is_ok_and(|read| read.is_none())
        );
    }

    #[test]
    fn the_claims_are_those_of_our_other_tokens() {
        let claims = |payload: &Value| {
            let (keys, token) = (keys(), token(&json!({ "alg": "EdDSA" }), payload));
            keys.read(&token).expect("readable").expect("ours").claims(NOW)
        };
        assert_eq!(claims(&payload()).map(|claims| claims.sub.to_string()), Ok("ada".into()));
        let mut old = payload();
        old["exp"] = json!(1_799_999_000);
        assert_eq!(claims(&old), Err(TokenError::Expired));
        let mut long = payload();
        long["exp"] = json!(1_800_090_000);
        assert_eq!(claims(&long), Err(TokenError::Expired));
    }
}
