//! The setting `TOKEN_ISSUERS`.

use serde::Deserialize;
use shared::sorted::SortedMap;
use shared::token::Grants;
use shared::{ParticipantId, json, limits};

/// The accepted issuers; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuers(Vec<Issuer>);

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// The address of its keys (RFC 7517 §5); by default `{issuer}/.well-known/jwks.json`.
    #[serde(default)]
    jwks_url: Option<String>,
    /// One of the audiences (`aud`) of its tokens.
    pub(super) audience: String,
    /// Precedes its participants' ids, so that no two issuers name the same participant.
    #[serde(default)]
    pub(super) id_prefix: String,
    /// True if its tokens are good for every room.
    #[serde(default)]
    pub(super) any_room: bool,
    #[serde(default)]
    pub(super) claims: Paths,
    /// The grants of those who have no role, or one that is not listed.
    #[serde(default)]
    pub(super) grants: Grants,
    #[serde(default)]
    pub(super) roles: SortedMap<String, Grants>,
}

/// Claims by their paths: names with dots between them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Paths {
    pub(super) id: String,
    pub(super) name: String,
    /// A room, or a list of rooms.
    pub(super) room: Option<String>,
    pub(super) role: Option<String>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { id: "sub".into(), name: "name".into(), room: None, role: None }
    }
}

impl Issuers {
    /// Reads a JSON list; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let issuers: Vec<Issuer> = json::from_str(text).map_err(|error| error.to_string())?;
        if issuers.len() > limits::TOKEN_ISSUERS_MAX {
            return Err(format!("more than {} issuers", limits::TOKEN_ISSUERS_MAX));
        }
        for (place, issuer) in issuers.iter().enumerate() {
            issuer.check().map_err(|mistake| format!("{}: {mistake}", issuer.issuer))?;
            if issuers.iter().take(place).any(|other| other.issuer == issuer.issuer) {
                return Err(format!("{} is there twice", issuer.issuer));
            }
        }
        Ok(Self(issuers))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Issuer> {
        self.0.iter().find(|issuer| issuer.issuer == name)
    }
}

impl Issuer {
    #[must_use]
    pub fn jwks_url(&self) -> String {
        let usual = || format!("{}/.well-known/jwks.json", self.issuer.trim_end_matches('/'));
        self.jwks_url.clone().unwrap_or_else(usual)
    }

    fn check(&self) -> Result<(), &'static str> {
        let is_prefix = self.id_prefix.is_empty() || ParticipantId::parse(&self.id_prefix).is_ok();
        match () {
            () if !is_safe(&self.jwks_url()) => Err("the keys need an https URL"),
            () if self.audience.is_empty() => Err("audience is empty"),
            () if !is_prefix => Err("id_prefix has characters that ids do not have"),
            () if self.any_room == self.claims.room.is_some() => Err("either claims.room or any_room is needed"),
            () if !self.roles.is_empty() && self.claims.role.is_none() => Err("roles need claims.role"),
            () => Ok(()),
        }
    }
}

/// Keys that came in clear text could be anybody's; on the machine itself nobody can change them.
fn is_safe(url: &str) -> bool {
    let is_local = |rest: &str| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "localhost" | "127.0.0.1")
    };
    url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty())
        || url.strip_prefix("http://").is_some_and(is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_mistake(text: &str, expected: &str) {
        let mistake = Issuers::parse(text).expect_err("a mistake");
        assert!(mistake.contains(expected), "{mistake}");
    }

    #[test]
    fn says_what_is_wrong() {
        let with = |fields: &str| format!(r#"[{{ "issuer": "https://id.example", "audience": "app", {fields} }}]"#);
        check_mistake("{}", "expected a sequence");
        check_mistake(r#"[{ "issuer": "https://id.example" }]"#, "audience");
        check_mistake(&with(r#""anyroom": true"#), "unknown field `anyroom`");
        check_mistake(&with(r#""grants": {}"#), "either claims.room or any_room");
        check_mistake(&with(r#""any_room": true, "claims": { "room": "room" }"#), "either claims.room or any_room");
        check_mistake(&with(r#""any_room": true, "roles": { "host": {} }"#), "roles need claims.role");
        check_mistake(&with(r#""any_room": true, "id_prefix": "a|""#), "id_prefix");
        for url in
            ["http://id.example/keys", "http://127.0.0.1.example/", "http://127.0.0.1@id.example/", "ftp://a", ""]
        {
            check_mistake(&with(&format!(r#""any_room": true, "jwks_url": "{url}""#)), "an https URL");
        }
        let twice = with(r#""any_room": true"#).replace(['[', ']'], "");
        check_mistake(&format!("[{twice}, {twice}]"), "there twice");
        check_mistake(&format!("[{}]", vec![twice; limits::TOKEN_ISSUERS_MAX + 1].join(",")), "more than");
    }

    #[test]
    fn keys_are_at_the_usual_place_unless_it_says_otherwise() {
        let of = |fields: &str| {
            let text =
                format!(r#"[{{ "issuer": "https://id.example/", "audience": "a", "any_room": true {fields} }}]"#);
            Issuers::parse(&text).expect("valid").find("https://id.example/").map(Issuer::jwks_url)
        };
        assert_eq!(of("").as_deref(), Some("https://id.example/.well-known/jwks.json"));
        assert_eq!(of(r#", "jwks_url": "http://localhost:8/k""#).as_deref(), Some("http://localhost:8/k"));
        assert_eq!(Issuers::parse(" "), Ok(Issuers::default()));
    }
}
