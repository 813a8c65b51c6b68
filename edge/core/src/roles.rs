//! The roles of a deployment: named grants, and the roles that attributes of a participant give.

use serde::Deserialize;
use shared::sorted::SortedMap;
use shared::token::{Attributes, Grants, JoinClaims, TokenError};
use shared::{Attribute, RoleName, json, limits};

pub const HOST: &str = "host";
/// A moderator who may become the host.
pub const COHOST: &str = "cohost";
/// A moderator who may also remove or replace the host.
pub const ADMIN: &str = "admin";

/// The setting `ROLES`, with the built-in roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    grants: SortedMap<RoleName, Grants>,
    attributes: SortedMap<Attribute, SortedMap<Attribute, RoleName>>,
    /// The roles whose participants may become the host, the first ones first.
    successors: Vec<RoleName>,
    pub host_absence_ms: u64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Setting {
    roles: SortedMap<String, Grants>,
    attributes: SortedMap<Attribute, SortedMap<Attribute, RoleName>>,
    successors: Vec<RoleName>,
    host_absence_ms: u64,
}

impl Default for Setting {
    fn default() -> Self {
        // A participant would gain grants that nobody gave them.
        Self {
            roles: SortedMap::new(),
            attributes: SortedMap::new(),
            successors: vec![cohost()],
            host_absence_ms: limits::HOST_ABSENCE_MS_DEFAULT,
        }
    }
}

/// The built-in roles, each of which a deployment can override.
fn built_in() -> SortedMap<RoleName, Grants> {
    let receives = Grants { subscribe: true, ..Grants::NONE };
    let sends = Grants { publish: true, chat: true, ..Grants::NONE };
    let all = [
        (HOST, Grants::ALL),
        (COHOST, Grants::ALL),
        (ADMIN, Grants::ALL),
        ("participant", Grants::default()),
        ("viewer", receives),
        ("broadcaster", sends),
        ("receiver", receives),
    ];
    all.into_iter().filter_map(|(name, grants)| Some((RoleName::parse(name).ok()?, grants))).collect()
}

impl Default for Roles {
    fn default() -> Self {
        Self::of(Setting::default(), built_in())
    }
}

impl Roles {
    /// Reads a JSON object; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let setting: Setting = json::from_str(text).map_err(|error| error.to_string())?;
        let mut grants = built_in();
        for (name, of_role) in &setting.roles {
            let name = RoleName::parse(name).map_err(|error| format!("roles: {error}"))?;
            grants.insert(name, *of_role);
        }
        let roles = Self::of(setting, grants);
        roles.check()?;
        Ok(roles)
    }

    fn of(setting: Setting, grants: SortedMap<RoleName, Grants>) -> Self {
        let Setting { attributes, successors, host_absence_ms, .. } = setting;
        Self { grants, attributes, successors, host_absence_ms }
    }

    fn check(&self) -> Result<(), String> {
        let absences = limits::HOST_ABSENCE_MS_MIN..=limits::HOST_ABSENCE_MS_MAX;
        if self.grants.len() > limits::ROLES_MAX {
            return Err(format!("roles: more than {} with the built-in ones", limits::ROLES_MAX));
        }
        if self.attributes.values().map(SortedMap::len).sum::<usize>() > limits::ROLE_ATTRIBUTES_MAX {
            return Err(format!("attributes: more than {} values", limits::ROLE_ATTRIBUTES_MAX));
        }
        if !absences.contains(&self.host_absence_ms) {
            return Err(format!("host_absence_ms: must be {} to {}", absences.start(), absences.end()));
        }
        for (name, role) in
            self.attributes.iter().flat_map(|(name, values)| values.values().map(move |role| (name, role)))
        {
            self.grants(role)
                .map(drop)
                .ok_or_else(|| format!("attributes: {name} gives the role {role}, which is not there"))?;
        }
        for (place, role) in self.successors.iter().enumerate() {
            self.grants(role).map(drop).ok_or_else(|| format!("successors: the role {role} is not there"))?;
            if self.successors.iter().take(place).any(|earlier| earlier == role) {
                return Err(format!("successors: {role} is there twice"));
            }
        }
        match self.grants(&host()) {
            Some(Grants { hidden: false, moderate: true, .. }) => Ok(()),
            Some(_) | None => Err("roles: the host must moderate, and cannot be hidden".into()),
        }
    }

    #[must_use]
    pub fn grants(&self, role: &RoleName) -> Option<Grants> {
        self.grants.get(role).copied()
    }

    /// The place of a role among those that may become the host.
    pub(crate) fn succession(&self, role: &RoleName) -> Option<usize> {
        self.successors.iter().position(|successor| successor == role)
    }

    /// Gives a token the grants of its role or, without one, of the role that its attributes give. A guest's grants are
    /// the edge's own decision.
    pub fn apply(&self, mut claims: JoinClaims) -> Result<JoinClaims, TokenError> {
        if claims.attributes.len() > limits::ATTRIBUTES_PER_PARTICIPANT_MAX {
            return Err(TokenError::Bad);
        }
        claims.role = claims.role.or_else(|| self.role_by(&claims.attributes).cloned());
        if let Some(role) = claims.role.as_ref().filter(|_| claims.guest.is_none()) {
            claims.grants = self.grants(role).ok_or(TokenError::Bad)?;
        }
        Ok(claims)
    }

    fn role_by(&self, attributes: &Attributes) -> Option<&RoleName> {
        attributes.iter().find_map(|(name, value)| self.attributes.get(name)?.get(value))
    }
}

#[must_use]
pub fn host() -> RoleName {
    RoleName::parse(HOST).unwrap_or_default()
}

pub(crate) fn cohost() -> RoleName {
    RoleName::parse(COHOST).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLINIC: &str = r#"{
        "roles": { "therapist": { "moderate": true, "record": true, "admit": true }, "patient": { "screen": false },
            "viewer": { "publish": false } },
        "attributes": { "role": { "therapist": "therapist", "patient": "patient" }, "staff": { "yes": "admin" } },
        "successors": ["therapist"]
    }"#;

    #[track_caller]
    fn check_mistake(text: &str, expected: &str) {
        let mistake = Roles::parse(text).expect_err("a mistake");
        assert!(mistake.contains(expected), "{mistake}");
    }

    // Holds S1-ROOM-03.
    #[test]
    fn the_built_in_roles_grant_what_their_names_say() {
        let roles = Roles::default();
        let letters = |name: &str| {
            let grants = roles.grants(&RoleName::parse(name).expect("valid")).expect("built in");
            let Grants { publish, subscribe, chat, moderate, record, admit, hidden, metadata, .. } = grants;
            let all = [publish, subscribe, chat, moderate, record, admit, hidden, metadata];
            "pscmrahd".chars().zip(all).filter_map(|(letter, has)| has.then_some(letter)).collect::<String>()
        };
        assert_eq!(["host", "cohost", "admin"].map(letters), ["pscmrad"; 3]);
        assert_eq!(letters("participant"), "psc");
        assert_eq!(["viewer", "receiver", "broadcaster"].map(letters), ["s", "s", "pc"]);
        assert_eq!(Roles::parse(" "), Ok(Roles::default()));
        let successors = ["cohost", "participant", "viewer", "admin"];
        let places = successors.map(|name| roles.succession(&RoleName::parse(name).expect("valid")));
        assert_eq!(places, [Some(0), None, None, None], "nobody gains grants by an absence");
    }

    #[test]
    fn says_what_is_wrong() {
        check_mistake("[]", "expected");
        check_mistake(r#"{ "role": {} }"#, "unknown field `role`");
        check_mistake(r#"{ "roles": { "a b": {} } }"#, "roles: role may only contain");
        check_mistake(r#"{ "roles": { "a": { "moderates": true } } }"#, "unknown field `moderates`");
        check_mistake(
            r#"{ "attributes": { "role": { "therapist": "doctor" } } }"#,
            "the role doctor, which is not there",
        );
        check_mistake(r#"{ "successors": ["doctor"] }"#, "the role doctor is not there");
        check_mistake(r#"{ "successors": ["cohost", "cohost"] }"#, "cohost is there twice");
        check_mistake(r#"{ "host_absence_ms": 999 }"#, "must be 1000 to 3600000");
        check_mistake(r#"{ "roles": { "host": {} } }"#, "the host must moderate");
        let many: Vec<String> = (0..limits::ROLES_MAX).map(|number| format!(r#""r{number}": {{}}"#)).collect();
        check_mistake(&format!(r#"{{ "roles": {{ {} }} }}"#, many.join(",")), "more than 32");
        let values: Vec<String> =
            (0..=limits::ROLE_ATTRIBUTES_MAX).map(|number| format!(r#""{number}": "host""#)).collect();
        check_mistake(
            &format!(r#"{{ "attributes": {{ "role": {{ {} }} }} }}"#, values.join(",")),
            "more than 64 values",
        );
    }

    fn applied(claims: &str) -> Result<(String, Grants), TokenError> {
        let claims = json::from_str(&format!(r#"{{ "sub": "ada", "room": "daily", {claims} }}"#)).expect("claims");
        let claims = Roles::parse(CLINIC).expect("valid").apply(claims)?;
        Ok((claims.role.unwrap_or_default().to_string(), claims.grants))
    }

    // Holds S1-ROOM-01.
    #[test]
    fn a_tokens_role_and_else_its_attributes_decide_about_its_grants() {
        let therapist = Grants { moderate: true, record: true, admit: true, ..Grants::default() };
        let patient = Grants { screen: false, ..Grants::default() };
        assert_eq!(applied(r#""role": "therapist""#), Ok(("therapist".into(), therapist)));
        assert_eq!(applied(r#""attributes": { "role": "therapist" }"#), Ok(("therapist".into(), therapist)));
        let both = r#""attributes": { "role": "patient" }, "grants": { "moderate": true }"#;
        assert_eq!(applied(both), Ok(("patient".into(), patient)), "the policy takes precedence over grants");
        let two = r#""role": "patient", "attributes": { "role": "therapist" }"#;
        assert_eq!(applied(two), Ok(("patient".into(), patient)), "a role takes precedence over attributes");
        assert_eq!(applied(r#""attributes": { "staff": "yes" }"#), Ok(("admin".into(), Grants::ALL)));
        let stranger = r#""attributes": { "role": "visitor" }, "grants": { "chat": false }"#;
        assert_eq!(applied(stranger), Ok(("participant".into(), Grants { chat: false, ..Grants::default() })));
        assert_eq!(
            applied(r#""role": "viewer""#),
            Ok(("viewer".into(), Grants { publish: false, ..Grants::default() }))
        );
        assert_eq!(applied(r#""role": "doctor""#), Err(TokenError::Bad));
        let many = r#""attributes": { "a": "1", "b": "1", "c": "1", "d": "1", "e": "1" }"#;
        assert_eq!(applied(many), Err(TokenError::Bad));
        assert_eq!(
            applied(r#""role": "host", "guest": {}"#),
            Ok(("host".into(), Grants::default())),
            "the edge decides"
        );
    }
}
