//! Newtypes for every id on the wire; every value is valid.

use crate::limits;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty, or longer than the kind of id allows.
    #[error("{kind} must have 1 to {bytes_max} characters, not {bytes}")]
    Length { kind: &'static str, bytes_max: usize, bytes: usize },
    /// A character outside the allowed set.
    #[error("{kind} may only contain letters, digits and {allowed}")]
    Character { kind: &'static str, allowed: &'static str },
}

/// The rule for one kind of id.
struct Kind {
    name: &'static str,
    bytes_max: usize,
    allowed: &'static str,
}

fn check(text: &str, kind: &Kind) -> Result<(), IdError> {
    let Kind { name, bytes_max, allowed } = *kind;
    if text.is_empty() || text.len() > bytes_max {
        return Err(IdError::Length { kind: name, bytes_max, bytes: text.len() });
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || allowed.as_bytes().contains(&byte)) {
        return Err(IdError::Character { kind: name, allowed });
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $bytes_max:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(type = "string"))]
        pub struct $name(Box<str>);

        impl $name {
            pub const BYTES_MAX: usize = $bytes_max;
            const KIND: Kind = Kind { name: $kind, bytes_max: $bytes_max, allowed: $allowed };

            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text, &Self::KIND)?;
                Ok(Self(text.into()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        #[cfg(feature = "openapi")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let allowed = $allowed.replace('-', "\\-");
                schemars::json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $bytes_max,
                    "pattern": format!("^[A-Za-z0-9{allowed}]+$"),
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check(&text, &Self::KIND)?;
                Ok(Self(text.into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::try_from(String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into()
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A room, as an application names it.
    RoomId, "room", 64, "-_"
);
text_id!(
    /// A participant's id: the token's `sub`. Joining again with the same id replaces the earlier session.
    ParticipantId, "participant", 64, "-_.:@~"
);

impl ParticipantId {
    /// Separates the identity in a token from the number of its seat; tokens cannot contain it.
    const SEAT: char = '~';

    /// The token's `sub`: the same for all participants with one identity, where a room admits several.
    #[must_use]
    pub fn identity(&self) -> Self {
        self.0.split_once(Self::SEAT).map_or_else(|| self.clone(), |(identity, _)| Self(identity.into()))
    }

    /// True for what a token may name: an identity, and not one of its further seats.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        !self.0.contains(Self::SEAT)
    }

    /// The id of this identity's seat with a number from 1; `None` if it would be too long.
    #[must_use]
    pub fn seat(&self, number: usize) -> Option<Self> {
        if number == 1 { Some(self.clone()) } else { Self::parse(&format!("{self}{}{number}", Self::SEAT)).ok() }
    }

    /// The ids of all seats of this participant's identity, in order.
    pub fn seats(&self) -> impl Iterator<Item = Self> + use<> {
        let identity = self.identity();
        (1..=limits::SEATS_PER_IDENTITY_MAX).filter_map(move |number| identity.seat(number))
    }
}

text_id!(
    /// One media session of one participant with one node; a reload or a move to another node creates a new session.
    SessionId, "session", 32, ""
);
text_id!(
    /// One published track of one participant.
    TrackId, "track", 32, "-_"
);
text_id!(
    /// One recording of a room.
    RecordingId, "recording", 32, ""
);
text_id!(
    /// One media or TURN node.
    NodeId, "node", 64, "-_."
);
text_id!(
    /// A deployment region, for instance `eu-central`.
    Region, "region", 32, "-"
);

impl Region {
    /// Names no region: as a room's wish, the one nearest to its first participant.
    pub const NEAREST: &str = "nearest";
}

text_id!(
    /// The client's id for one attempt to join, which makes repeating it harmless.
    AttemptId, "attempt", 64, "-_"
);
text_id!(
    /// The `jti` of a single-use join token (RFC 7519 §4.1.7).
    TokenId, "token", 64, "-_.:"
);
text_id!(
    /// The client's id for one chat message, which makes sending it again harmless.
    MessageId, "message", 64, "-_"
);
text_id!(
    /// The name of a role: a set of grants of the deployment.
    RoleName, "role", 32, "-_."
);

impl RoleName {
    /// The role of participants whose token names none.
    const DEFAULT: &str = "participant";

    #[must_use]
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }
}

impl Default for RoleName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

text_id!(
    /// The name of a template: rules of the deployment for a new room.
    TemplateName, "template", 32, "-_."
);
text_id!(
    /// The name or the value of one of a participant's attributes.
    Attribute, "attribute", 32, "-_.:@"
);
text_id!(
    /// The identification tag of one media section (RFC 8843 §4): a token of RFC 8866 §9, at most as long as a one-byte header extension
    /// (RFC 8285 §4.2) can carry.
    Mid, "mid", 16, "!#$%&'*+-.^_`{|}~"
);

#[cfg(test)]
mod tests {
    use super::{IdError, ParticipantId, RoomId};

    fn check(text: &str, expected: Result<(), IdError>) {
        assert_eq!(RoomId::parse(text).map(|_| ()), expected, "{text:?}");
    }

    #[test]
    fn takes_what_a_url_path_can_carry_unescaped() {
        check("daily-standup_2", Ok(()));
        check(&"r".repeat(64), Ok(()));
    }

    #[test]
    fn refuses_empty_long_and_foreign() {
        check("", Err(IdError::Length { kind: "room", bytes_max: 64, bytes: 0 }));
        check(&"r".repeat(65), Err(IdError::Length { kind: "room", bytes_max: 64, bytes: 65 }));
        for text in ["a/b", "a b", "ä", "a\n", "../x", "a%2f"] {
            check(text, Err(IdError::Character { kind: "room", allowed: "-_" }));
        }
    }

    #[test]
    fn a_seat_leads_back_to_its_identity() {
        let ada = ParticipantId::parse("ada@example.org").expect("valid");
        let second = ada.seat(2).expect("short enough");
        assert_eq!(
            (second.as_str(), second.identity(), ada.seat(1)),
            ("ada@example.org~2", ada.clone(), Some(ada.clone()))
        );
        assert_eq!((ada.is_identity(), second.is_identity(), ada.identity()), (true, false, ada));
        let long = ParticipantId::parse(&"a".repeat(63)).expect("valid");
        assert_eq!(long.seat(2), None);
    }

    #[test]
    fn is_a_plain_string_in_json() {
        let id: ParticipantId = serde_json::from_str(r#""ada@example.org""#).expect("valid");
        assert_eq!(serde_json::to_string(&id).expect("json"), r#""ada@example.org""#);
        assert!(serde_json::from_str::<ParticipantId>(r#""ada lovelace""#).is_err());
    }
}
