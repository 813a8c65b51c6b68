//! Extracts the token from a request and has `shared::token` verify it.

use crate::config::Config;
use crate::internal::ResumeClaims;
use crate::upgrade::Protocols;
use crate::{clock, issuers, log};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge_core::connection_key::{ConnectionKeys, Opened};
use edge_core::door::Address;
use edge_core::room::ResumeKeys;
use edge_core::secret;
use shared::token::{self, Claims, Guest, GuestClaims, JoinClaims, Key, NodeClaims, TicketClaims, TokenError};
use shared::turn_credential::TurnKeys;
use shared::{ErrorCode, RoomId, Text, limits, signal};
use worker::{Env, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    /// The caller may not enter.
    #[error("refused: {0}")]
    Refused(ErrorCode),
    /// A secret of the deployment is missing or unreadable.
    #[error("the secret {0} is missing or not of the form kid:secret,kid:secret with secrets of 32 bytes or more")]
    Secret(&'static str),
}

impl From<TokenError> for AuthError {
    fn from(error: TokenError) -> Self {
        Self::Refused(error.code())
    }
}

/// The claims of a participant who may join `room`, from the token among the offered sub-protocols.
pub(crate) async fn participant(
    protocols: &Protocols,
    room: &RoomId,
    (env, config): (&Env, &Config),
) -> Result<JoinClaims, AuthError> {
    if !protocols.offers(signal::SUBPROTOCOL) {
        return Err(AuthError::Refused(ErrorCode::UnsupportedVersion));
    }
    let token = protocols.token().ok_or(AuthError::Refused(ErrorCode::BadToken))?;
    join_claims(token, room, (env, config)).await
}

/// The claims of a token of our own or of another issuer.
async fn join_claims(token: &str, room: &RoomId, (env, config): (&Env, &Config)) -> Result<JoinClaims, AuthError> {
    let claims = match issuers::verify_own(token, &config.own_keys).await? {
        Some(claims) => claims,
        None => match issuers::verify(token, &config.issuers, room).await? {
            Some(claims) => claims,
            None => token::verify(token, &keys(env, TOKEN_KEYS)?, clock::now())?,
        },
    };
    Ok(config.roles.apply(check_join(claims, room)?)?)
}

pub(crate) fn resume_keys(env: &Env) -> Result<ResumeKeys, AuthError> {
    let secrets = secrets(env, TOKEN_KEYS)?;
    Ok(ResumeKeys::derived(secrets.iter().map(|(_, secret)| secret.as_bytes())))
}

/// Signing keys for the connections of clients without WebSocket.
pub(crate) fn connection_keys(env: &Env) -> Result<ConnectionKeys, AuthError> {
    let secrets = secrets(env, TOKEN_KEYS)?;
    Ok(ConnectionKeys::derived(secrets.iter().map(|(_, secret)| secret.as_bytes())))
}

/// The connection to `room` for which the request presents a key.
pub(crate) fn connection(request: &Request, room: &RoomId, env: &Env) -> Result<Opened, AuthError> {
    let header = request.headers().get("Authorization").ok().flatten().unwrap_or_default();
    let (scheme, key) = header.split_once(' ').unwrap_or_default();
    let keys = connection_keys(env)?;
    let opened = if scheme.eq_ignore_ascii_case("connection") { keys.open(room, key.trim()) } else { None };
    opened.ok_or(AuthError::Refused(ErrorCode::BadToken))
}

/// The resume secret for `room`, if one is offered and has a valid form.
pub(crate) fn resuming(protocols: &Protocols, room: &RoomId, env: &Env) -> Result<ResumeClaims, AuthError> {
    if !protocols.offers(signal::SUBPROTOCOL) {
        return Err(AuthError::Refused(ErrorCode::UnsupportedVersion));
    }
    let secret = protocols.resume_secret().unwrap_or_default();
    let holder = resume_keys(env)?.holder(room, secret).ok_or(AuthError::Refused(ErrorCode::SessionExpired))?;
    Ok(ResumeClaims { secret: secret.into(), holder })
}

/// True if a request has a bearer token (RFC 6750 §2.1).
pub(crate) fn has_bearer(request: &Request) -> bool {
    let header = request.headers().get("Authorization").ok().flatten();
    // RFC 9110 §11.1: the scheme is case-insensitive.
    header.is_some_and(|header| header.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer ")))
}

/// The caller of an HTTP request about `room`.
pub(crate) async fn participant_by_bearer(
    request: &Request,
    room: &RoomId,
    accepted: (&Env, &Config),
) -> Result<JoinClaims, AuthError> {
    join_claims(&bearer_token(request)?, room, accepted).await
}

pub(crate) fn node(request: &Request, env: &Env) -> Result<NodeClaims, AuthError> {
    bearer(request, &keys(env, NODE_KEYS)?)
}

/// The claims of a node that connects to an assigned room.
pub(crate) fn ticket(request: &Request, room: &RoomId, env: &Env) -> Result<TicketClaims, AuthError> {
    let claims: TicketClaims = bearer(request, &ticket_keys(env)?)?;
    if claims.room == *room { Ok(claims) } else { Err(AuthError::Refused(ErrorCode::WrongRoom)) }
}

/// Signs the tickets with which nodes connect to assigned rooms.
pub(crate) fn ticket_key(env: &Env) -> Result<Key, AuthError> {
    ticket_keys(env)?.into_iter().next().ok_or(AuthError::Secret(NODE_KEYS))
}

/// Renews a ticket for its full lifetime, for the node that has it.
pub(crate) fn renew_ticket(node: &NodeClaims, ticket: &str, env: &Env) -> Result<String, AuthError> {
    let claims: TicketClaims = token::verify(ticket, &ticket_keys(env)?, clock::now())?;
    if claims.sub != node.sub {
        return Err(AuthError::Refused(ErrorCode::BadToken));
    }
    Ok(token::sign(claims, &ticket_key(env)?, clock::now(), limits::NODE_TICKET_LIFETIME_MS)?)
}

/// The claims of a guest's pass for `room`.
pub(crate) fn guest(pass: &str, room: &RoomId, env: &Env) -> Result<GuestClaims, AuthError> {
    let claims: GuestClaims = token::verify(pass, &keys(env, TOKEN_KEYS)?, clock::now())?;
    if claims.room == *room { Ok(claims) } else { Err(AuthError::Refused(ErrorCode::WrongRoom)) }
}

/// Signs a pass with which a guest keeps their identity.
pub(crate) fn sign_pass(claims: GuestClaims, env: &Env) -> Result<String, AuthError> {
    let keys = keys(env, TOKEN_KEYS)?;
    let key = keys.first().ok_or(AuthError::Secret(TOKEN_KEYS))?;
    Ok(token::sign(claims, key, clock::now(), limits::GUEST_PASS_LIFETIME_MS)?)
}

/// The room's code for a guest's address.
pub(crate) fn blind(address: Address, room: &RoomId, env: &Env) -> Result<Option<String>, AuthError> {
    let secrets = secrets(env, TOKEN_KEYS)?;
    Ok(secrets.first().and_then(|(_, secret)| secret::blind(secret.as_bytes(), room, address)))
}

/// Signs a join token, as an application's server would.
pub(crate) fn sign_join(claims: JoinClaims, env: &Env, lifetime_ms: u64) -> Result<String, AuthError> {
    let keys = keys(env, TOKEN_KEYS)?;
    let key = keys.first().ok_or(AuthError::Secret(TOKEN_KEYS))?;
    Ok(token::sign(claims, key, clock::now(), lifetime_ms)?)
}

/// The keys of TURN credentials. A deployment without TURN nodes has none; an unreadable secret is logged, and clients
/// that need no relay are still served.
pub(crate) fn turn_keys(env: &Env) -> Option<TurnKeys> {
    let text = env.secret(TURN_KEYS).ok()?.to_string();
    let keys = TurnKeys::parse(&text);
    if let Err(error) = keys {
        log::line(log::Level::Error, "turn_keys_unreadable", &[("error", &error)]);
    }
    keys.ok()
}

/// Signs TURN credentials.
const TURN_KEYS: &str = "TURN_KEYS";
/// The id of the API key in a request (HTTP Basic, RFC 7617), if it is a valid one.
pub(crate) fn api_key(request: &Request, env: &Env) -> Result<Option<String>, AuthError> {
    let keys = match env.secret(API_KEYS) {
        Ok(text) => parse_secrets(&text.to_string()).ok_or(AuthError::Secret(API_KEYS))?,
        // A deployment without keys has no API.
        Err(_) => Vec::new(),
    };
    if keys.iter().any(|(_, secret)| secret.len() < API_SECRET_BYTES_MIN) {
        return Err(AuthError::Secret(API_KEYS));
    }
    let header = request.headers().get("Authorization").ok().flatten().unwrap_or_default();
    Ok(credentials(&header).and_then(|(id, secret)| find_key(&keys, &id, &secret)))
}

/// The content of HTTP Basic: `base64(id:secret)`.
fn credentials(header: &str) -> Option<(String, String)> {
    if header.len() > limits::API_CREDENTIALS_BYTES_MAX {
        return None;
    }
    let (scheme, encoded) = header.split_once(' ')?;
    // RFC 9110 §11.1: the scheme is case-insensitive.
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Compares every key in full, so that timing reveals nothing about the wrong letter. During a rotation, one id may
/// have two secrets.
fn find_key(keys: &[(String, String)], id: &str, secret: &str) -> Option<String> {
    let found = keys.iter().fold(false, |found, (known, ours)| (known == id && secret::is_same(ours, secret)) | found);
    found.then(|| id.to_owned())
}

/// Secrets with which an application's server calls the HTTP API.
const API_KEYS: &str = "API_KEYS";
/// As long as the other secrets, so that nobody can guess it.
const API_SECRET_BYTES_MIN: usize = 32;
/// Secrets with which applications sign join tokens.
const TOKEN_KEYS: &str = "TOKEN_KEYS";
/// Secrets with which operators sign node tokens.
const NODE_KEYS: &str = "NODE_KEYS";

fn check_join(mut claims: JoinClaims, room: &RoomId) -> Result<JoinClaims, AuthError> {
    if claims.room != *room {
        return Err(AuthError::Refused(ErrorCode::WrongRoom));
    }
    // Everybody's roster shows the name, so a token with an invalid one is invalid.
    if Text::Name.check(&claims.name).is_err() || claims.bandwidth.check_bounds().is_err() || !claims.sub.is_identity()
    {
        return Err(AuthError::Refused(ErrorCode::BadToken));
    }
    // Older guest tokens are recognised by the id; they do not say which room the guest hosts.
    if claims.guest.is_none() && token::is_guest_id(&claims.sub) {
        claims.guest = Some(Guest::default());
    }
    Ok(claims)
}

fn bearer<C: Claims>(request: &Request, keys: &[Key]) -> Result<C, AuthError> {
    Ok(token::verify(&bearer_token(request)?, keys, clock::now())?)
}

fn bearer_token(request: &Request) -> Result<String, AuthError> {
    let header = request.headers().get("Authorization").ok().flatten();
    // RFC 9110 §11.1: the scheme is case-insensitive.
    let token = header
        .as_deref()
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let (_, token) = token.ok_or(AuthError::Refused(ErrorCode::BadToken))?;
    Ok(token.trim().to_owned())
}

fn keys(env: &Env, name: &'static str) -> Result<Vec<Key>, AuthError> {
    secrets(env, name)?
        .iter()
        .map(|(id, secret)| Key::new(id, secret.as_bytes()).ok_or(AuthError::Secret(name)))
        .collect()
}

/// Keys of tickets, derived from the node keys: no node token passes for a ticket, and operators need no third secret.
fn ticket_keys(env: &Env) -> Result<Vec<Key>, AuthError> {
    let derived = |(id, secret): &(String, String)| {
        Key::derived(id, secret.as_bytes(), "rotunda ticket key v1").ok_or(AuthError::Secret(NODE_KEYS))
    };
    secrets(env, NODE_KEYS)?.iter().map(derived).collect()
}

fn secrets(env: &Env, name: &'static str) -> Result<Vec<(String, String)>, AuthError> {
    let text = env.secret(name).map_err(|_| AuthError::Secret(name))?.to_string();
    parse_secrets(&text).ok_or(AuthError::Secret(name))
}

fn parse_secrets(text: &str) -> Option<Vec<(String, String)>> {
    let entry = |entry: &str| {
        let (id, secret) = entry.trim().split_once(':')?;
        (!id.is_empty()).then(|| (id.to_owned(), secret.to_owned()))
    };
    text.split(',').map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::ParticipantId;

    #[test]
    fn an_api_key_is_an_id_and_its_whole_secret() {
        let keys = [("a", "one"), ("a", "two"), ("b", "t:hree")].map(|(id, secret)| (id.to_owned(), secret.to_owned()));
        let check = |text: &str, expected: Option<&str>| {
            let header = format!("bAsIc {}", STANDARD.encode(text));
            let found = credentials(&header).and_then(|(id, secret)| find_key(&keys, &id, &secret));
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("a:one", Some("a"));
        check("a:two", Some("a"));
        check("b:t:hree", Some("b"));
        for wrong in ["", ":", "a:", "a:on", "a:onee", "b:one", "c:one", "aone", ":one"] {
            check(wrong, None);
        }
        for header in ["", "Basic", "Basic !", "Bearer YTpvbmU="] {
            assert_eq!(credentials(header).and_then(|(id, secret)| find_key(&keys, &id, &secret)), None, "{header}");
        }
    }

    #[test]
    fn secrets_are_named_and_listed() {
        let expected = [("a".to_owned(), "one".to_owned()), ("b".to_owned(), "t:wo".to_owned())];
        assert_eq!(parse_secrets("a:one, b:t:wo").as_deref(), Some(expected.as_slice()));
        for bad in ["", "secret", ":secret", "a:one,", "a:one,two"] {
            assert_eq!(parse_secrets(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_opens_its_own_room_and_only_with_a_name_that_fits_the_roster() {
        let room = RoomId::parse("daily").expect("valid");
        let claims = |name: &str| JoinClaims {
            name: name.into(),
            ..JoinClaims::new(ParticipantId::parse("ada").expect("valid"), room.clone())
        };
        let check = |name: &str, room: &str, expected: Option<ErrorCode>| {
            let room = RoomId::parse(room).expect("valid");
            assert_eq!(check_join(claims(name), &room).err(), expected.map(AuthError::Refused), "{name} {room}");
        };
        check("Ada", "daily", None);
        check("Ada", "weekly", Some(ErrorCode::WrongRoom));
        check(&"a".repeat(limits::NAME_CHARS_MAX), "daily", None);
        for bad in ["a".repeat(limits::NAME_CHARS_MAX + 1).as_str(), "a\0b", "a\u{202e}b", "\u{200b}"] {
            check(bad, "daily", Some(ErrorCode::BadToken));
        }
    }

    #[test]
    fn a_token_cannot_name_a_seat_that_the_room_gives() {
        let room = RoomId::parse("daily").expect("valid");
        let claims = JoinClaims::new(ParticipantId::parse("ada~2").expect("valid"), room.clone());
        assert_eq!(check_join(claims, &room).err(), Some(AuthError::Refused(ErrorCode::BadToken)));
    }

    #[test]
    fn a_token_with_limits_that_stop_all_media_is_bad() {
        let room = RoomId::parse("daily").expect("valid");
        let error_of = |bandwidth: &str| {
            let text = format!(r#"{{"sub":"ada","room":"daily","bandwidth":{bandwidth}}}"#);
            let claims: JoinClaims = shared::json::from_str(&text).expect("claims");
            check_join(claims, &room).err()
        };
        for fine in ["{}", r#"{"send_bps_max":50000}"#, r#"{"send_bps_max":50000,"receive_bps_max":300000}"#] {
            assert_eq!(error_of(fine), None, "{fine}");
        }
        for bad in [r#"{"send_bps_max":49999}"#, r#"{"receive_bps_max":0}"#] {
            assert_eq!(error_of(bad), Some(AuthError::Refused(ErrorCode::BadToken)), "{bad}");
        }
    }

    #[test]
    fn a_guests_token_of_the_older_form_is_a_guests() {
        let room = RoomId::parse("daily").expect("valid");
        let guest_of = |sub: &str| {
            let text = format!(r#"{{"sub":"{sub}","room":"daily","grants":{{"moderate":true,"record":true}}}}"#);
            let claims: JoinClaims = shared::json::from_str(&text).expect("claims");
            check_join(claims, &room).expect("lets in").guest
        };
        assert_eq!(guest_of("guest-0123456789abcdef0123456789abcdef"), Some(Guest::default()));
        for other in ["ada", "guest-ada", "guest-0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdef"]
        {
            assert_eq!(guest_of(other), None, "{other}");
        }
    }
}
