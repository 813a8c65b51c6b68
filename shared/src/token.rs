//! Join tokens, node tokens, dial tickets and guest passes: JWTs (RFC 7519) signed with HS256, told apart by `aud`.

mod grants;
mod hs256;

pub use grants::Grants;

use crate::error_code::ErrorCode;
use crate::ids::{Attribute, IdError, NodeId, ParticipantId, Region, RoleName, RoomId, TemplateName, TokenId};
use crate::json::{Document, Reader};
use crate::limits;
use crate::sorted::SortedMap;
use crate::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinClaims {
    pub sub: ParticipantId,
    pub room: RoomId,
    #[serde(default)]
    pub name: String,
    /// Without effect if the token has a role, or attributes to which the deployment gives one.
    #[serde(default)]
    pub grants: Grants,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub attributes: Attributes,
    #[serde(default, skip_serializing_if = "Bandwidth::is_unlimited")]
    pub bandwidth: Bandwidth,
    /// The room's limit; counts only in the token of the first participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participants_max: Option<u32>,
    /// The template of the room, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// Limits the token to one join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    /// Time until which a used `jti` must be remembered; [`verify`] sets it and ignores the token's own value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti_until: Option<UnixMillis>,
    /// Present for guests, for whom no application vouches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
}

impl JoinClaims {
    /// Claims with the default grants and nothing else.
    #[must_use]
    pub fn new(sub: ParticipantId, room: RoomId) -> Self {
        Self {
            sub,
            room,
            name: String::new(),
            grants: Grants::default(),
            role: None,
            attributes: Attributes::new(),
            bandwidth: Bandwidth::default(),
            participants_max: None,
            template: None,
            jti: None,
            jti_until: None,
            guest: None,
        }
    }
}

/// The application's own facts about a participant, such as its role there.
pub type Attributes = SortedMap<Attribute, Attribute>;

/// The edge's record of an admitted guest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// Creation time of the room in which the guest moderates and records: a later room of the same name has another
    /// host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<UnixMillis>,
    /// The guest's address as a code that can only be compared. The Worker sets it and ignores the token's own value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

const GUEST_PREFIX: &str = "guest-";
/// 128 bits in hexadecimal.
const GUEST_DIGITS: usize = 32;

/// Builds a guest's id from random digits.
pub fn guest_id(digits: &str) -> Result<ParticipantId, IdError> {
    ParticipantId::parse(&format!("{GUEST_PREFIX}{digits}"))
}

/// True if the id has the form of a guest's.
#[must_use]
pub fn is_guest_id(participant: &ParticipantId) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = participant.as_str().strip_prefix(GUEST_PREFIX);
    digits.is_some_and(|digits| digits.len() == GUEST_DIGITS && digits.bytes().all(is_digit))
}

/// Limits on a participant's media, in bits per second with the headers of RTP; no limit if absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "openapi", schemars(deny_unknown_fields))]
#[serde(default)]
pub struct Bandwidth {
    /// For all video that the participant sends together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[cfg_attr(feature = "openapi", schemars(range(min = 50_000, max = 4_294_967_295_i64)))]
    pub send_bps_max: Option<u32>,
    /// For everything that the participant receives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    #[cfg_attr(feature = "openapi", schemars(range(min = 50_000, max = 4_294_967_295_i64)))]
    pub receive_bps_max: Option<u32>,
}

impl Bandwidth {
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// True if neither limit is above the other's.
    #[must_use]
    pub fn is_within(&self, other: Self) -> bool {
        let is_below = |own: Option<u32>, most: Option<u32>| most.is_none_or(|most| own.is_some_and(|own| own <= most));
        is_below(self.send_bps_max, other.send_bps_max) && is_below(self.receive_bps_max, other.receive_bps_max)
    }

    /// Checks what the types cannot express.
    pub fn check_bounds(&self) -> Result<(), &'static str> {
        let is_enough = |bps: Option<u32>| bps.is_none_or(|bps| bps >= limits::BANDWIDTH_BPS_MIN);
        if is_enough(self.send_bps_max) && is_enough(self.receive_bps_max) {
            return Ok(());
        }
        Err("send_bps_max and receive_bps_max must be 50000 or more")
    }
}

/// Lets a node register with its region's Fleet object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeClaims {
    pub sub: NodeId,
    pub region: Region,
}

/// Lets a node open the socket to an assigned room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketClaims {
    pub sub: NodeId,
    pub room: RoomId,
    pub epoch: u64,
}

/// Lets a guest, for whom no application vouches, return with the same identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestClaims {
    pub sub: ParticipantId,
    pub room: RoomId,
    pub grants: Grants,
    /// Creation time of the room to which the grants apply; in any other room the guest has the default grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<UnixMillis>,
}

/// One kind of token, identified by its `aud`.
pub trait Claims: Serialize + DeserializeOwned {
    const AUDIENCE: &'static str;
    /// Longest time between `iat` and `exp`; `None` means no limit.
    const LIFETIME_MS_MAX: Option<u64>;

    /// Called after verification with the time at which the token stops being accepted.
    fn ends_at(&mut self, _at: UnixMillis) {}
}

impl Claims for JoinClaims {
    const AUDIENCE: &'static str = "rotunda-join";
    const LIFETIME_MS_MAX: Option<u64> = Some(limits::JOIN_TOKEN_LIFETIME_MS_MAX);

    fn ends_at(&mut self, at: UnixMillis) {
        self.jti_until = self.jti.is_some().then_some(at);
    }
}

impl Claims for NodeClaims {
    const AUDIENCE: &'static str = "rotunda-node";
    const LIFETIME_MS_MAX: Option<u64> = None;
}

impl Claims for TicketClaims {
    const AUDIENCE: &'static str = "rotunda-ticket";
    const LIFETIME_MS_MAX: Option<u64> = Some(limits::NODE_TICKET_LIFETIME_MS);
}

impl Claims for GuestClaims {
    const AUDIENCE: &'static str = "rotunda-guest";
    const LIFETIME_MS_MAX: Option<u64> = Some(limits::GUEST_PASS_LIFETIME_MS);
}

/// The reason a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Unreadable, signed with an unknown key, or for another purpose.
    #[error("the token is not valid here")]
    Bad,
    /// Expired, not yet valid, or valid for longer than its kind allows.
    #[error("the token's time is over, has not begun, or is too long")]
    Expired,
}

impl TokenError {
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Bad => ErrorCode::BadToken,
            Self::Expired => ErrorCode::TokenExpired,
        }
    }
}

/// A signing secret and its name.
pub struct Key {
    /// The name, in the token's header as `kid` (RFC 7515 §4.1.4).
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Key {
    /// Returns `None` for a secret shorter than 32 bytes (RFC 7518 §3.2: at least the size of the hash).
    #[must_use]
    pub fn new(id: &str, secret: &[u8]) -> Option<Self> {
        // Every signature and check needs a key, so this runs first.
        hs256::install();
        (secret.len() >= 32).then(|| Self {
            id: id.into(),
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        })
    }

    /// Derives a key for another purpose; it does not reveal the secret.
    #[must_use]
    pub fn derived(id: &str, secret: &[u8], purpose: &str) -> Option<Self> {
        Self::new(id, &hs256::code(secret, purpose.as_bytes())?)
    }
}

#[derive(Serialize)]
struct Envelope<C> {
    aud: &'static str,
    iat: u64,
    exp: u64,
    #[serde(flatten)]
    claims: C,
}

/// The protected header (RFC 7515 §4.1).
#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    kid: &'a str,
}

const ALGORITHM: &str = "HS256";

/// Signs a token valid from `now` for `lifetime_ms`.
pub fn sign<C: Claims>(claims: C, key: &Key, now: UnixMillis, lifetime_ms: u64) -> Result<String, TokenError> {
    let header = Header { typ: "JWT", alg: ALGORITHM, kid: &key.id };
    let exp = now.plus_ms(lifetime_ms).as_secs();
    let claims = Envelope { aud: C::AUDIENCE, iat: now.as_secs(), exp, claims };
    let message = format!("{}.{}", encode(&header)?, encode(&claims)?);
    let signature = crypto::sign(message.as_bytes(), &key.encoding, Algorithm::HS256).map_err(|_| TokenError::Bad)?;
    Ok(format!("{message}.{signature}"))
}

fn encode(part: &impl Serialize) -> Result<String, TokenError> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| TokenError::Bad)
}

/// Reads a token signed for this purpose with one of `keys` and valid now.
pub fn verify<C: Claims>(token: &str, keys: &[Key], now: UnixMillis) -> Result<C, TokenError> {
    claims(&opened(token, keys).ok_or(TokenError::Bad)?, now)
}

/// Reads the claims of a token whose signature was checked.
pub fn claims<C: Claims>(json: &str, now: UnixMillis) -> Result<C, TokenError> {
    let document = Document::parse(json).map_err(|_| TokenError::Bad)?;
    let envelope = document.reader();
    let times = Times::of(envelope, C::AUDIENCE).ok_or(TokenError::Bad)?;
    let mut claims = C::deserialize(envelope).map_err(|_| TokenError::Bad)?;
    times.check(now, C::LIFETIME_MS_MAX)?;
    claims.ends_at(UnixMillis(times.exp.saturating_mul(1000)).plus_ms(limits::TOKEN_LEEWAY_MS));
    Ok(claims)
}

/// The claims of a token that one of the keys has signed, as JSON.
fn opened(token: &str, keys: &[Key]) -> Option<String> {
    let parts = Parts::of(token)?;
    let kid = key_id(&parts.header()?)?;
    let named = |key: &&Key| kid.as_ref().is_none_or(|kid| *kid == key.id);
    let signed = |key: &Key| crypto::verify(parts.signature, parts.signed.as_bytes(), &key.decoding, Algorithm::HS256);
    keys.iter().filter(named).any(|key| signed(key).unwrap_or(false)).then(|| parts.claims())?
}

/// A token in its compact form (RFC 7515 §7.1), of a length that is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    /// The header and the claims, as they were signed.
    pub signed: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    #[must_use]
    pub fn of(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= limits::TOKEN_BYTES_MAX)?;
        let (header, claims) = signed.split_once('.')?;
        Some(Self { header, claims, signed, signature })
    }

    /// As JSON, which nobody has checked yet.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        decode(self.header)
    }

    /// As JSON; true only once the signature was checked.
    #[must_use]
    pub fn claims(&self) -> Option<String> {
        decode(self.claims)
    }

    #[must_use]
    pub fn signature(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.signature).ok()
    }
}

/// The key that a header names, if any; `None` if it asks for anything but our one algorithm (RFC 8725 §3.1), or for
/// extensions (RFC 7515 §4.1.11).
fn key_id(header: &str) -> Option<Option<String>> {
    let document = Document::parse(header).ok()?;
    let field = |name| document.reader().field(name).ok();
    if field("alg")?.and_then(|alg| alg.as_text()) != Some(ALGORITHM) || field("crit")?.is_some() {
        return None;
    }
    match field("kid")?.filter(|kid| !kid.is_null()) {
        Some(kid) => Some(Some(kid.as_text()?.to_owned())),
        None => Some(None),
    }
}

fn decode(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The times of a token (RFC 7519 §4.1), in seconds. The caller knows the time, because wasm has no system clock.
struct Times {
    iat: u64,
    exp: u64,
    nbf: Option<u64>,
}

impl Times {
    /// `None` if the token is for another purpose, or has no times.
    fn of(envelope: Reader<'_, '_>, audience: &str) -> Option<Self> {
        let field = |name| envelope.field(name).ok();
        let is_for = field("aud")??.as_text()? == audience;
        let (iat, exp) = (field("iat")??.as_unsigned()?, field("exp")??.as_unsigned()?);
        let nbf = match field("nbf")?.filter(|nbf| !nbf.is_null()) {
            Some(nbf) => Some(nbf.as_unsigned()?),
            None => None,
        };
        is_for.then_some(Self { iat, exp, nbf })
    }

    fn check(&self, now: UnixMillis, lifetime_ms_max: Option<u64>) -> Result<(), TokenError> {
        let leeway_secs = limits::TOKEN_LEEWAY_MS / 1000;
        let over = self.exp.saturating_add(leeway_secs) <= now.as_secs();
        let begins = self.nbf.unwrap_or(self.iat);
        let early = begins > now.as_secs().saturating_add(leeway_secs);
        let lifetime_ms = self.exp.saturating_sub(self.iat).saturating_mul(1000);
        let long = lifetime_ms_max.is_some_and(|max| lifetime_ms > max);
        if over || early || long { Err(TokenError::Expired) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const HOUR_MS: u64 = 3_600_000;

    fn key(id: &str) -> Key {
        Key::new(id, format!("{id:-<32}").as_bytes()).expect("long enough")
    }

    fn claims() -> JoinClaims {
        JoinClaims {
            name: "Ada".into(),
            ..JoinClaims::new(ParticipantId::parse("ada").expect("valid"), RoomId::parse("daily").expect("valid"))
        }
    }

    fn check(token: &str, keys: &[Key], at: UnixMillis, expected: Result<JoinClaims, TokenError>) {
        assert_eq!(verify::<JoinClaims>(token, keys, at), expected);
    }

    #[test]
    fn limits_of_a_newer_version_can_be_read() {
        let read: Bandwidth = serde_json::from_str(r#"{"send_bps_max":50000,"later":1}"#).expect("limits");
        assert_eq!(read, Bandwidth { send_bps_max: Some(50_000), receive_bps_max: None });
    }

    #[test]
    fn opens_with_any_of_the_keys() {
        let token = sign(claims(), &key("b"), NOW, HOUR_MS).expect("signs");
        check(&token, &[key("a"), key("b")], NOW, Ok(claims()));
    }

    #[test]
    fn refuses_foreign_keys_and_changed_tokens() {
        let token = sign(claims(), &key("a"), NOW, HOUR_MS).expect("signs");
        check(&token, &[key("b")], NOW, Err(TokenError::Bad));
        check(&token, &[], NOW, Err(TokenError::Bad));
        check("", &[key("a")], NOW, Err(TokenError::Bad));
        check(&token[..token.len() - 2], &[key("a")], NOW, Err(TokenError::Bad));
        check(&"x".repeat(limits::TOKEN_BYTES_MAX + 1), &[key("a")], NOW, Err(TokenError::Bad));
        // The same name with another secret.
        let impostor = Key::new("a", b"another secret of thirty-two byte").expect("long enough");
        check(&token, &[impostor], NOW, Err(TokenError::Bad));
    }

    #[test]
    fn refuses_unsigned_tokens() {
        // {"alg":"none"} and an empty signature (RFC 8725 §3.1).
        let token = sign(claims(), &key("a"), NOW, HOUR_MS).expect("signs");
        let body = token.split('.').nth(1).expect("has a body");
        check(&format!("eyJhbGciOiJub25lIn0.{body}."), &[key("a")], NOW, Err(TokenError::Bad));
    }

    #[test]
    fn lives_from_iat_to_exp_with_leeway() {
        let token = sign(claims(), &key("a"), NOW, HOUR_MS).expect("signs");
        let leeway_ms = limits::TOKEN_LEEWAY_MS;
        check(&token, &[key("a")], NOW.plus_ms(HOUR_MS + leeway_ms - 1000), Ok(claims()));
        check(&token, &[key("a")], NOW.plus_ms(HOUR_MS + leeway_ms), Err(TokenError::Expired));
        check(&token, &[key("a")], UnixMillis(NOW.0 - leeway_ms), Ok(claims()));
        check(&token, &[key("a")], UnixMillis(NOW.0 - leeway_ms - 1000), Err(TokenError::Expired));
    }

    #[test]
    fn refuses_a_token_that_lives_too_long() {
        let token = sign(claims(), &key("a"), NOW, limits::JOIN_TOKEN_LIFETIME_MS_MAX + 1000).expect("signs");
        check(&token, &[key("a")], NOW, Err(TokenError::Expired));
    }

    #[test]
    fn a_single_use_token_says_until_when_it_opens() {
        let expected = NOW.plus_ms(HOUR_MS + limits::TOKEN_LEEWAY_MS);
        for (jti, expected) in [(Some("a-1"), Some(expected)), (None, None)] {
            let jti = jti.map(|jti| TokenId::parse(jti).expect("valid"));
            // The token's own value does not count.
            let claims = JoinClaims { jti, jti_until: Some(UnixMillis(1)), ..claims() };
            let token = sign(claims, &key("a"), NOW, HOUR_MS).expect("signs");
            let read = verify::<JoinClaims>(&token, &[key("a")], NOW).expect("opens");
            assert_eq!(read.jti_until, expected);
        }
    }

    #[test]
    fn a_token_opens_only_its_own_kind_of_door() {
        let node =
            NodeClaims { sub: NodeId::parse("n1").expect("valid"), region: Region::parse("local").expect("valid") };
        let token = sign(node, &key("a"), NOW, HOUR_MS).expect("signs");
        check(&token, &[key("a")], NOW, Err(TokenError::Bad));
        assert!(verify::<NodeClaims>(&token, &[key("a")], NOW).is_ok());
    }

    #[test]
    fn short_secrets_make_no_key() {
        assert!(Key::new("a", &[1; 31]).is_none());
    }
}
