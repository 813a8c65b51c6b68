//! The issuers' keys (RFC 7517), remembered for a while and read again when they have changed.

use super::Algorithm;
use serde::{Deserialize, Serialize};
use shared::sorted::SortedMap;
use shared::{UnixMillis, limits};

/// A public key, without anything that the platform need not see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    kty: String,
    #[serde(default, skip_serializing)]
    kid: Option<String>,
    #[serde(default, skip_serializing)]
    alg: Option<String>,
    #[serde(default, rename = "use", skip_serializing)]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    /// The private part, which a public key does not have.
    #[serde(default, skip_serializing)]
    d: Option<String>,
}

/// Letters of a modulus of 2,048 bits (RFC 7518 §3.3) and of 4,096 bits.
const MODULUS_LETTERS: std::ops::RangeInclusive<usize> = 342..=683;

impl Jwk {
    /// JSON for WebCrypto's `importKey`.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// True if it has 32 bytes (RFC 8032 §5.1.5) and no private part.
    pub(super) fn is_whole_ed25519(&self) -> bool {
        const LETTERS: usize = 43;
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        self.x.as_deref().is_some_and(|x| x.len() == LETTERS && x.bytes().all(is_letter)) && self.d.is_none()
    }

    pub(super) fn serves(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        let of_type = match algorithm {
            Algorithm::Rs256 => {
                self.kty == "RSA" && self.n.as_ref().is_some_and(|n| MODULUS_LETTERS.contains(&n.len()))
            }
            Algorithm::Es256 => self.kty == "EC" && self.crv.as_deref() == Some("P-256"),
            Algorithm::EdDsa => self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519"),
        };
        of_type
            && id.is_none_or(|id| self.kid.as_deref() == Some(id))
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == algorithm.as_str())
    }
}

/// The keys of all issuers, in the memory of one isolate.
#[derive(Debug, Default)]
pub struct KeyCache(SortedMap<String, Known>);

#[derive(Debug, Default)]
struct Known {
    keys: Vec<Jwk>,
    /// The time at which they were read.
    at: UnixMillis,
    /// Attempts to read them since a time.
    attempts: u32,
    since: UnixMillis,
}

/// The next step for a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Search {
    Found(Box<Jwk>),
    /// The keys are to be read, after which the search is repeated.
    Read,
    /// The issuer has no such key.
    Unknown,
    /// The keys could not be read lately.
    Away,
}

impl KeyCache {
    /// Finds the key of a token. An answer of [`Search::Read`], which comes only unless the caller `has_read` the keys
    /// just now, counts as an attempt.
    pub fn search(
        &mut self,
        now: UnixMillis,
        issuer: &str,
        (algorithm, id): (Algorithm, Option<&str>),
        has_read: bool,
    ) -> Search {
        let known = self.0.get_or_default(issuer.to_owned());
        let age_ms = now.since_ms(known.at);
        let is_fresh = age_ms < limits::ISSUER_KEYS_FRESH_MS;
        let found = known.keys.iter().find(|key| key.serves(algorithm, id));
        let found = found.filter(|_| age_ms < limits::ISSUER_KEYS_KEPT_MS).cloned();
        let may_read = !has_read && known.may_read(now);
        match found {
            Some(key) if is_fresh || !may_read => Search::Found(Box::new(key)),
            Some(_) | None if may_read => {
                known.attempts = known.attempts.saturating_add(1);
                Search::Read
            }
            Some(_) | None if is_fresh => Search::Unknown,
            Some(_) | None => Search::Away,
        }
    }

    /// Takes a key set that was read; false if it is none.
    pub fn take(&mut self, now: UnixMillis, issuer: &str, text: &str) -> bool {
        #[derive(Deserialize)]
        struct KeySet {
            /// Some may be of types that are unknown here (RFC 7517 §5).
            keys: Vec<serde_json::Value>,
        }
        let Ok(KeySet { keys }) = serde_json::from_str(text) else { return false };
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        let known = self.0.get_or_default(issuer.to_owned());
        known.keys = keys.take(limits::ISSUER_KEYS_MAX).collect();
        known.at = now;
        true
    }
}

impl Known {
    /// Tokens with made-up keys must not make an isolate ask the issuer without end.
    fn may_read(&mut self, now: UnixMillis) -> bool {
        if now.since_ms(self.since) >= limits::ISSUER_READS_PER_MS {
            (self.attempts, self.since) = (0, now);
        }
        self.attempts < limits::ISSUER_READS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NAME: &str = "https://id.example";
    const START: UnixMillis = UnixMillis(1_800_000_000_000);

    fn rsa(id: &str) -> serde_json::Value {
        json!({ "kty": "RSA", "kid": id, "n": "n".repeat(342), "e": "AQAB", "d": "secret" })
    }

    fn set(keys: &[serde_json::Value]) -> String {
        json!({ "keys": keys }).to_string()
    }

    fn search(cache: &mut KeyCache, at: UnixMillis, id: &str) -> &'static str {
        told(cache.search(at, NAME, (Algorithm::Rs256, Some(id)), false))
    }

    fn told(search: Search) -> &'static str {
        match search {
            Search::Found(_) => "found",
            Search::Read => "read",
            Search::Unknown => "unknown",
            Search::Away => "away",
        }
    }

    #[test]
    fn keys_are_read_once_and_again_when_they_are_old() {
        let mut cache = KeyCache::default();
        assert_eq!(search(&mut cache, START, "a"), "read");
        assert!(cache.take(START, NAME, &set(&[rsa("a")])));
        assert_eq!(search(&mut cache, START.plus_ms(limits::ISSUER_KEYS_FRESH_MS - 1), "a"), "found");
        assert_eq!(search(&mut cache, START.plus_ms(limits::ISSUER_KEYS_FRESH_MS), "a"), "read");
    }

    #[test]
    fn a_new_key_is_read_at_once_and_made_up_ones_cost_a_few_reads() {
        let mut cache = KeyCache::default();
        assert!(cache.take(START, NAME, &set(&[rsa("a")])));
        assert_eq!(search(&mut cache, START, "b"), "read");
        assert!(cache.take(START, NAME, &set(&[rsa("a"), rsa("b")])));
        assert_eq!(search(&mut cache, START, "b"), "found");
        let answers: Vec<_> = (0..100).map(|number| search(&mut cache, START, &format!("x{number}"))).collect();
        let reads = answers.iter().filter(|answer| **answer == "read").count();
        assert_eq!(reads, limits::ISSUER_READS_MAX as usize - 1);
        assert_eq!(answers.last(), Some(&"unknown"));
        assert_eq!(search(&mut cache, START, "a"), "found", "the others go on");
        assert_eq!(search(&mut cache, START.plus_ms(limits::ISSUER_READS_PER_MS), "c"), "read");
    }

    #[test]
    fn while_the_issuer_is_away_known_keys_serve_for_a_day() {
        let mut cache = KeyCache::default();
        assert!(cache.take(START, NAME, &set(&[rsa("a")])));
        let at = START.plus_ms(limits::ISSUER_KEYS_FRESH_MS);
        let again = |cache: &mut KeyCache, id| told(cache.search(at, NAME, (Algorithm::Rs256, Some(id)), true));
        assert_eq!([again(&mut cache, "a"), again(&mut cache, "b")], ["found", "away"], "after a failed attempt");
        for _ in 0..limits::ISSUER_READS_MAX {
            assert_eq!(search(&mut cache, at, "a"), "read");
        }
        assert_eq!(search(&mut cache, at, "a"), "found");
        assert_eq!(search(&mut cache, at, "b"), "away", "it may be a new one");
        let later = START.plus_ms(limits::ISSUER_KEYS_KEPT_MS);
        for _ in 0..limits::ISSUER_READS_MAX {
            assert_eq!(search(&mut cache, later, "a"), "read");
        }
        assert_eq!(search(&mut cache, later, "a"), "away");
    }

    #[test]
    fn a_key_serves_one_algorithm_and_only_for_signatures() {
        let ec = |curve: &str| json!({ "kty": "EC", "crv": curve, "x": "x", "y": "y" });
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": "x" });
        let with = |name: &str, value: &str| {
            let mut key = rsa("a");
            key[name] = json!(value);
            key
        };
        for (key, algorithm, serves) in [
            (rsa("a"), Algorithm::Rs256, true),
            (rsa("a"), Algorithm::Es256, false),
            (with("n", "short"), Algorithm::Rs256, false),
            (with("n", &"n".repeat(2_000)), Algorithm::Rs256, false),
            (with("use", "enc"), Algorithm::Rs256, false),
            (with("use", "sig"), Algorithm::Rs256, true),
            (with("alg", "RS512"), Algorithm::Rs256, false),
            (with("alg", "RS256"), Algorithm::Rs256, true),
            (ec("P-256"), Algorithm::Es256, true),
            (ec("P-384"), Algorithm::Es256, false),
            (ed.clone(), Algorithm::EdDsa, true),
            (ed, Algorithm::Es256, false),
        ] {
            let mut cache = KeyCache::default();
            assert!(cache.take(START, NAME, &set(&[json!({ "kty": 7 }), json!("odd"), key.clone()])));
            let found = matches!(cache.search(START, NAME, (algorithm, None), false), Search::Found(_));
            assert_eq!(found, serves, "{key} for {algorithm:?}");
        }
    }

    #[test]
    fn nothing_private_is_passed_on() {
        let key: Jwk = serde_json::from_value(rsa("a")).expect("a key");
        let json = key.to_json().expect("JSON");
        assert!(!json.contains("secret") && !json.contains("kid"), "{json}");
        for text in ["", "{}", "[]", r#"{"keys":7}"#] {
            assert!(!KeyCache::default().take(START, NAME, text), "{text}");
        }
    }
}
