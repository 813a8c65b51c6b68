//! The meaning of the claims of another issuer's token.

use super::{Issuer, Unverified};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::token::{self, Attributes, JoinClaims, TokenError};
use shared::{Attribute, ErrorCode, ParticipantId, RoomId, Text, UnixMillis, limits};

impl Unverified<'_> {
    /// The claims, for a token whose signature was checked.
    pub fn claims(&self, room: &RoomId, now: UnixMillis) -> Result<JoinClaims, ErrorCode> {
        let Self { issuer, payload, .. } = self;
        if !says(payload.get("aud"), &issuer.audience) {
            return Err(ErrorCode::BadToken);
        }
        check_time(payload, now).map_err(TokenError::code)?;
        if !issuer.any_room && !says(issuer.claims.room.as_deref().and_then(|path| at(payload, path)), room.as_str()) {
            return Err(ErrorCode::WrongRoom);
        }
        let name = at(payload, &issuer.claims.name).and_then(Value::as_str).unwrap_or_default();
        let role = issuer.claims.role.as_deref().and_then(|path| at(payload, path)?.as_str());
        Ok(JoinClaims {
            // The issuer may allow names that cannot be shown here.
            name: if Text::Name.check(name).is_ok() { name.to_owned() } else { String::new() },
            grants: *role.and_then(|role| issuer.roles.get(role)).unwrap_or(&issuer.grants),
            attributes: role.and_then(attributes_of).unwrap_or_default(),
            ..JoinClaims::new(issuer.participant(payload).ok_or(ErrorCode::BadToken)?, room.clone())
        })
    }
}

impl Issuer {
    /// An id that cannot be used here is replaced by letters made from it.
    fn participant(&self, payload: &Value) -> Option<ParticipantId> {
        let id = at(payload, &self.claims.id)?.as_str().filter(|id| !id.is_empty())?;
        let plain = ParticipantId::parse(&format!("{}{id}", self.id_prefix)).ok().filter(ParticipantId::is_identity);
        let participant = plain.map_or_else(
            || {
                let digest = Sha256::digest(format!("{}\n{id}", self.issuer));
                let letters: String = digest.iter().take(20).map(|byte| format!("{byte:02x}")).collect();
                ParticipantId::parse(&format!("id-{letters}"))
            },
            Ok,
        );
        participant.ok().filter(|participant| !token::is_guest_id(participant))
    }
}

/// The role at the issuer, to which the deployment may give one of its own.
fn attributes_of(role: &str) -> Option<Attributes> {
    Some(Attributes::from([(Attribute::parse("role").ok()?, Attribute::parse(role).ok()?)]))
}

/// The value at a path, such as `app_metadata.role`.
fn at<'a>(payload: &'a Value, path: &str) -> Option<&'a Value> {
    // A claim's name may be a URL, with dots of its own.
    payload.get(path).or_else(|| path.split('.').try_fold(payload, |value, name| value.get(name)))
}

/// True if a text, or one of a list of texts, is the expected one.
fn says(value: Option<&Value>, expected: &str) -> bool {
    match value {
        Some(Value::String(text)) => text == expected,
        Some(Value::Array(texts)) => texts.iter().any(|text| text == expected),
        Some(_) | None => false,
    }
}

/// The same rules as for our own tokens (RFC 7519 §4.1.4 to §4.1.6).
fn check_time(payload: &Value, now: UnixMillis) -> Result<(), TokenError> {
    let seconds = |name: &str| payload.get(name).and_then(|value| value.as_f64()).map(|seconds| seconds as u64);
    let leeway = limits::TOKEN_LEEWAY_MS / 1_000;
    let ends = seconds("exp").ok_or(TokenError::Bad)?;
    let begins = seconds("nbf").max(seconds("iat")).unwrap_or(now.as_secs());
    let is_over = ends.saturating_add(leeway) <= now.as_secs();
    let is_early = begins > now.as_secs().saturating_add(leeway);
    let rest_ms = ends.saturating_sub(now.as_secs()).saturating_mul(1_000);
    let is_long = rest_ms > limits::JOIN_TOKEN_LIFETIME_MS_MAX;
    if is_over || is_early || is_long { Err(TokenError::Expired) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, Issuers};
    use super::*;
    use serde_json::json;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const SUPABASE: &str = r#"[{
        "issuer": "https://project.supabase.co/auth/v1", "audience": "authenticated", "id_prefix": "sb:",
        "claims": { "name": "user_metadata.full_name", "room": "app_metadata.rooms", "role": "app_metadata.role" },
        "grants": { "publish": false },
        "roles": { "therapist": { "moderate": true, "record": true }, "patient": {} }
    }]"#;

    /// As Supabase issues it, with the application's own metadata.
    fn payload() -> Value {
        json!({
            "iss": "https://project.supabase.co/auth/v1", "aud": "authenticated", "role": "authenticated",
            "sub": "3f0c9d2e-7a41-4a0e-9b1c-2d7f6a5b8c90", "iat": 1_799_999_000, "exp": 1_800_003_600,
            "email": "ada@example.org", "user_metadata": { "full_name": "Ada Lovelace" },
            "app_metadata": { "provider": "email", "rooms": ["daily", "weekly"], "role": "therapist" }
        })
    }

    fn claims(settings: &str, payload: Value) -> Result<JoinClaims, ErrorCode> {
        let issuers = Issuers::parse(settings).expect("valid");
        let issuer = issuers.find(payload["iss"].as_str().expect("an issuer")).expect("known");
        let unverified = Unverified {
            issuer,
            algorithm: Algorithm::Es256,
            key_id: None,
            signed: "",
            signature: Vec::new(),
            payload,
        };
        unverified.claims(&RoomId::parse("daily").expect("valid"), NOW)
    }

    fn with(change: impl FnOnce(&mut Value)) -> Value {
        let mut payload = payload();
        change(&mut payload);
        payload
    }

    #[test]
    fn a_token_of_supabase_names_the_participant_the_room_and_the_role() {
        let read = claims(SUPABASE, payload()).expect("accepted");
        assert_eq!(read.sub.as_str(), "sb:3f0c9d2e-7a41-4a0e-9b1c-2d7f6a5b8c90");
        assert_eq!((read.room.as_str(), read.name.as_str()), ("daily", "Ada Lovelace"));
        assert!(read.grants.moderate && read.grants.record && read.grants.publish);
        let attributes: Vec<_> = read.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(attributes, [("role", "therapist")]);
        let patient = claims(SUPABASE, with(|payload| payload["app_metadata"]["role"] = json!("patient")));
        assert!(patient.is_ok_and(|read| read.grants.are_default()));
        let stranger = claims(SUPABASE, with(|payload| payload["app_metadata"]["role"] = json!("admin")));
        assert!(stranger.is_ok_and(|read| !read.grants.publish && !read.grants.moderate), "no role of the table");
    }

    #[test]
    fn a_token_for_others_is_refused() {
        type Change = fn(&mut Value);
        let cases: [(Change, ErrorCode); 9] = [
            (|payload| payload["aud"] = json!("anon"), ErrorCode::BadToken),
            (|payload| payload["aud"] = json!(null), ErrorCode::BadToken),
            (|payload| payload["app_metadata"]["rooms"] = json!(["weekly"]), ErrorCode::WrongRoom),
            (|payload| payload["app_metadata"] = json!({}), ErrorCode::WrongRoom),
            (|payload| payload["sub"] = json!(7), ErrorCode::BadToken),
            (|payload| payload["exp"] = json!(1_799_999_969), ErrorCode::TokenExpired),
            (|payload| payload["exp"] = json!("never"), ErrorCode::BadToken),
            (|payload| payload["exp"] = json!(1_800_090_000), ErrorCode::TokenExpired),
            (|payload| payload["nbf"] = json!(1_800_000_031), ErrorCode::TokenExpired),
        ];
        for (number, (change, code)) in cases.into_iter().enumerate() {
            assert_eq!(claims(SUPABASE, with(change)).map(|read| read.sub), Err(code), "{number}");
        }
        for change in [
            (|payload| payload["aud"] = json!(["other", "authenticated"])) as Change,
            |payload| payload["exp"] = json!(1_799_999_971.5),
            |payload| payload["nbf"] = json!(1_800_000_030),
            |payload| payload["app_metadata"]["rooms"] = json!("daily"),
        ] {
            assert!(claims(SUPABASE, with(change)).is_ok());
        }
    }

    #[test]
    fn ids_and_names_that_cannot_be_used_here_are_replaced() {
        let settings = r#"[{ "issuer": "https://a.example", "audience": "app", "any_room": true,
            "claims": { "name": "https://a.example/name" } }]"#;
        let read = |sub: &str, name: &str| {
            let payload = json!({ "iss": "https://a.example", "aud": "app", "exp": 1_800_000_600, "sub": sub,
                "https://a.example/name": name });
            claims(settings, payload)
        };
        let [first, again, other] = ["auth0|1", "auth0|1", "auth0|2"].map(|sub| read(sub, "Ada").expect("accepted"));
        assert_eq!((first.sub.as_str().len(), first.name.as_str()), (43, "Ada"));
        assert_eq!(first.sub, again.sub);
        assert_ne!(first.sub, other.sub);
        assert_eq!(read("ada", &"x".repeat(300)).map(|read| read.name), Ok(String::new()));
        assert_eq!(read(&format!("guest-{}", "a".repeat(32)), "").map(|read| read.sub), Err(ErrorCode::BadToken));
        assert_eq!(read("", "").map(|read| read.sub), Err(ErrorCode::BadToken));
    }
}
