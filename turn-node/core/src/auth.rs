//! Long-term credentials (RFC 8489 §9.2) issued by the edge, and nonces that need no memory.

use crate::message::{AttributeType, Message};
use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use shared::UnixMillis;
use shared::turn_credential::{TurnKeys, TurnUser};
use std::net::SocketAddr;

/// Lifetime of a nonce; clients then get 438 and retry with a new one.
pub const NONCE_LIFETIME_MS: u64 = 600_000;
/// Maximum length of a user name; the edge's have fewer than 160 bytes.
const USERNAME_BYTES_MAX: usize = 256;
const NONCE_TAG_BYTES: usize = 10;

#[derive(Clone)]
pub struct IntegrityKey(Hmac<Sha1>);

impl std::fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntegrityKey")
    }
}

impl IntegrityKey {
    /// MD5(username ":" realm ":" password) (RFC 8489 §9.2.2).
    #[must_use]
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        let digest = Md5::digest(format!("{username}:{realm}:{password}").as_bytes());
        Self(keyed(&digest))
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 20] {
        self.0.clone().chain_update(bytes).finalize().into_bytes().into()
    }

    pub(crate) fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.verify_slice(tag).is_ok()
    }
}

pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha1> {
    // HMAC takes keys of any length (RFC 2104 §3).
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

/// The authentication errors (RFC 8489 §9.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// 401: no credentials, or wrong ones.
    Unauthenticated,
    /// 400: integrity without user name, realm or nonce.
    BadRequest,
    /// 438: the nonce is not one of ours, or too old.
    StaleNonce,
}

#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The user name as sent, which owns allocations.
    pub username: Box<str>,
    pub user: TurnUser,
    /// Signs the response.
    pub key: IntegrityKey,
}

/// Checks credentials and issues nonces, without a list of users.
#[derive(Debug)]
pub struct Authenticator {
    realm: Box<str>,
    keys: TurnKeys,
    nonce_key: NonceKey,
}

struct NonceKey(Hmac<Sha1>);

impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey")
    }
}

impl Authenticator {
    /// `nonce_seed` must be random and the same for all threads that serve one address.
    #[must_use]
    pub fn new(realm: &str, keys: TurnKeys, nonce_seed: [u8; 20]) -> Self {
        Self { realm: realm.into(), keys, nonce_key: NonceKey(keyed(&nonce_seed)) }
    }

    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// A nonce for this client: the time and a keyed tag, so that none needs to be remembered.
    #[must_use]
    pub fn nonce(&self, client: SocketAddr, now: UnixMillis) -> String {
        let time = now.0.to_be_bytes();
        hex(&time) + &hex(&self.nonce_tag(client, &time))
    }

    /// The authenticated sender of a request. The credential may have expired; the method decides what an expired one
    /// still permits.
    pub fn authenticate(
        &self,
        message: &Message<'_>,
        client: SocketAddr,
        now: UnixMillis,
    ) -> Result<Authenticated, Rejection> {
        if message.value(AttributeType::MESSAGE_INTEGRITY).is_none() {
            return Err(Rejection::Unauthenticated);
        }
        let text = |kind| message.value(kind).map(std::str::from_utf8);
        let (Some(username), Some(realm), Some(nonce)) =
            (text(AttributeType::USERNAME), text(AttributeType::REALM), message.value(AttributeType::NONCE))
        else {
            return Err(Rejection::BadRequest);
        };
        if !self.is_fresh(nonce, client, now) {
            return Err(Rejection::StaleNonce);
        }
        let username =
            username.ok().filter(|name| name.len() <= USERNAME_BYTES_MAX).ok_or(Rejection::Unauthenticated)?;
        if realm != Ok(&*self.realm) {
            return Err(Rejection::Unauthenticated);
        }
        let user = TurnUser::parse(username).map_err(|_| Rejection::Unauthenticated)?;
        let key = self
            .keys
            .passwords(username)
            .map(|password| IntegrityKey::long_term(username, &self.realm, &password))
            .find(|key| message.is_signed_with(key));
        key.map(|key| Authenticated { username: username.into(), user, key }).ok_or(Rejection::Unauthenticated)
    }

    fn is_fresh(&self, nonce: &[u8], client: SocketAddr, now: UnixMillis) -> bool {
        let Some(raw) = unhex(nonce) else { return false };
        let Some((time, tag)) = raw.split_first_chunk::<8>() else { return false };
        let made = UnixMillis(u64::from_be_bytes(*time));
        // Timing reveals at most the tag for the attacker's own address, which the server would tell anyway.
        tag == self.nonce_tag(client, time) && now.since_ms(made) < NONCE_LIFETIME_MS
    }

    fn nonce_tag(&self, client: SocketAddr, time: &[u8; 8]) -> [u8; NONCE_TAG_BYTES] {
        let mut mac = self.nonce_key.0.clone();
        mac.update(time);
        match client.ip() {
            std::net::IpAddr::V4(ip) => mac.update(&ip.octets()),
            std::net::IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        mac.update(&client.port().to_be_bytes());
        let full: [u8; 20] = mac.finalize().into_bytes().into();
        std::array::from_fn(|at| full[at])
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &[u8]) -> Option<[u8; 8 + NONCE_TAG_BYTES]> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 2 * (8 + NONCE_TAG_BYTES))?;
    let mut bytes = [0; 8 + NONCE_TAG_BYTES];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let pair = text.get(2 * at..2 * at + 2).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}
