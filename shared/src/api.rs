//! The HTTP API for an application's server: requests, answers and operations.
//!
//! Lengths are counted in characters, as in JSON Schema. Unknown fields are refused, so that a mistyped option is not
//! ignored silently.

#[cfg(feature = "openapi")]
pub mod openapi;
pub mod operation;
mod recording;

pub use recording::{PlayableFile, Recording, RecordingList};

use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, Region, RoleName, RoomId, TemplateName};
use crate::limits;
use crate::signal::{
    ActInfo, BanInfo, BanTerm, CallInfo, CallState, Duplicates, Features, ParticipantChange, ParticipantInfo,
    QualityProfile, RoomChange, RoomType,
};
use crate::sorted::{SortedMap, SortedSet};
use crate::text::Text;
use crate::time::UnixMillis;
use crate::token::{Attributes, Bandwidth, Grants};
use serde::{Deserialize, Deserializer, Serialize};

/// Path of the OpenAPI document.
pub const OPENAPI_PATH: &str = "/v1/openapi.json";

/// A request for a join token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The room that the token is for; it need not exist.
    pub room: RoomId,
    /// The participant's id.
    #[cfg_attr(feature = "openapi", schemars(regex(pattern = r"^[A-Za-z0-9\-_.:@]+$")))]
    pub participant: ParticipantId,
    /// Display name.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schemars(schema_with = "crate::text::schema::name"))]
    pub name: String,
    /// If absent: publish, subscribe and chat, but neither moderate nor record.
    #[serde(default)]
    pub grants: Grants,
    /// One of the deployment's roles, whose grants count instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Facts about the participant that the application states and everybody in the room sees: at most 4 names, each
    /// with a value. The deployment can give roles to them.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    #[cfg_attr(feature = "openapi", schemars(with = "std::collections::BTreeMap<crate::ids::Attribute, crate::ids::Attribute>", extend("maxProperties" = 4)))]
    pub attributes: Attributes,
    /// Limits on the participant's media; none if absent.
    #[serde(default, deserialize_with = "bandwidth", skip_serializing_if = "Bandwidth::is_unlimited")]
    pub bandwidth: Bandwidth,
    /// The room's limit of participants; applies if this is the first participant to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 1000)))]
    pub participants_max: Option<u32>,
    /// One of the deployment's templates; applies if this is the first participant to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// The token's lifetime; its expiry removes nobody from the room.
    #[serde(default = "lifetime_s_default")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 30, max = 86_400)))]
    pub lifetime_s: u32,
    /// If true, the token admits one join only; resuming a lost connection needs no token.
    #[serde(default)]
    pub single_use: bool,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Token {
    /// For the client, which must send it to this deployment only.
    pub token: String,
    pub expires_at: UnixMillis,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a secret.
        f.debug_struct("Token").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The properties of a new room, all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RoomRequest {
    /// The room's name; random if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<RoomId>,
    /// One of the deployment's templates, whose values count where this request has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateName>,
    /// If true, the room refuses new participants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Free text that everybody in the room can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(schema_with = "crate::text::schema::optional_room_metadata"))]
    pub metadata: Option<String>,
    /// Maximum number of participants.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 1000)))]
    pub participants_max: Option<u32>,
    /// Up to this many participants, 2 or 3, send their media directly to each other; 0 means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = [null, 0, 2, 3])))]
    pub peer_to_peer_max: Option<u32>,
    /// Lifetime of an empty room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1000, max = 3_600_000)))]
    pub empty_timeout_ms: Option<u64>,
    /// The longest duration of the call, from its start: 7 days at most. 0 lifts the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 604_800_000)))]
    pub duration_ms_max: Option<u64>,
    /// The start of the call, before which only moderators can join; a time in the past opens the room. Milliseconds since
    /// 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 32_503_680_000_000_i64)))]
    pub starts_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_type: Option<RoomType>,
    /// If true, the room is in the list of public rooms; has no effect while it is `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Replaces all features; those that are absent are on. One that is turned off ends where it is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// The region whose nodes serve the room if any has capacity, or a continent (`AF`, `AS`, `EU`, `NA`, `OC`, `SA`);
    /// `nearest` is the one nearest to the first participant. Counts when the room next needs a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// If true, guests wait until a moderator admits them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lobby: Option<bool>,
    /// The participants who may join besides moderators; replaces all. An empty list lifts the limit, unless the room is
    /// `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = 200)))]
    pub invited: Option<Vec<ParticipantId>>,
}

/// Changes to a room; absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RoomPatch {
    /// If true, the room refuses new participants; moderators and current participants may enter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Free text that everybody in the room can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(schema_with = "crate::text::schema::optional_room_metadata"))]
    pub metadata: Option<String>,
    /// Maximum number of participants; lowering it removes nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1, max = 1000)))]
    pub participants_max: Option<u32>,
    /// Up to this many participants, 2 or 3, send their media directly to each other; 0 means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("enum" = [null, 0, 2, 3])))]
    pub peer_to_peer_max: Option<u32>,
    /// Lifetime of an empty room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1000, max = 3_600_000)))]
    pub empty_timeout_ms: Option<u64>,
    /// The longest duration of the call, from its start: 7 days at most. 0 lifts the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 604_800_000)))]
    pub duration_ms_max: Option<u64>,
    /// The start of the call, before which only moderators can join; a time in the past opens the room. Milliseconds since
    /// 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 0, max = 32_503_680_000_000_i64)))]
    pub starts_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_type: Option<RoomType>,
    /// If true, the room is in the list of public rooms; has no effect while it is `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Replaces all features; those that are absent are on. One that is turned off ends where it is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// The region whose nodes serve the room if any has capacity, or a continent (`AF`, `AS`, `EU`, `NA`, `OC`, `SA`);
    /// `nearest` is the one nearest to the first participant. Counts when the room next needs a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// If true, guests wait until a moderator admits them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lobby: Option<bool>,
    /// The participants who may join besides moderators; replaces all. An empty list lifts the limit, unless the room is
    /// `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(length(max = 200)))]
    pub invited: Option<Vec<ParticipantId>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Room {
    pub name: RoomId,
    /// Milliseconds since 1970.
    pub created_at: UnixMillis,
    pub participants: u32,
    /// If true, the room refuses new participants.
    pub locked: bool,
    /// Free text of the application.
    pub metadata: String,
    /// Maximum number of participants.
    pub participants_max: u32,
    /// Lifetime of an empty room.
    pub empty_timeout_ms: u64,
    pub state: CallState,
    /// The longest duration of the call; null without a limit.
    pub duration_ms_max: Option<u64>,
    /// The scheduled start of the call; null without a schedule.
    pub starts_at: Option<UnixMillis>,
    /// Null until the call is `active`.
    pub started_at: Option<UnixMillis>,
    /// The time at which the call ends by itself; null before its start and without a limit.
    pub ends_at: Option<UnixMillis>,
    pub room_type: RoomType,
    pub public: bool,
    pub features: Features,
    /// Null if clients may choose.
    pub quality: Option<QualityProfile>,
    pub duplicates: Duplicates,
    /// Null for the one nearest to the first participant.
    pub region: Option<Region>,
    pub lobby: bool,
    #[cfg_attr(feature = "openapi", schemars(with = "std::collections::BTreeSet<ParticipantId>"))]
    pub invited: SortedSet<ParticipantId>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PauseRequest {
    /// Shown to everybody in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(schema_with = "crate::text::schema::optional_reason"))]
    pub reason: Option<String>,
}

/// The audit trail of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ActList {
    /// Newest first, out of the last 200 of the last week.
    pub acts: Vec<ActInfo>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The calls under a room's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct CallList {
    /// Newest first: the current call, and those that were active in the last week.
    pub calls: Vec<CallInfo>,
}

/// One page of all rooms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RoomList {
    /// The rooms, in no particular order. A page may have fewer than requested, or none, without being the last.
    pub rooms: Vec<Room>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// All participants in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ParticipantList {
    /// In the order in which they joined.
    pub participants: Vec<ParticipantInfo>,
}

/// Changes to a participant for the lifetime of the room; absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ParticipantPatch {
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(schema_with = "crate::text::schema::optional_name"))]
    pub name: Option<String>,
    /// Free text that everybody in the room can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(schema_with = "crate::text::schema::optional_participant_metadata"))]
    pub metadata: Option<String>,
    /// Replaces all grants of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grants: Option<Grants>,
    /// Replaces all grants of the token by those of the role. A new `host` takes the place of the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Replaces both limits of the token; `{}` lifts them.
    #[serde(deserialize_with = "optional_bandwidth", skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
}

/// Bans a participant from a room, and removes them if they are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BanRequest {
    /// The duration of the ban: 1 s to a year. If absent, until it is lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1000, max = 31_536_000_000_i64)))]
    pub lasts_ms: Option<u64>,
    /// If true, all guests at the same address are removed too, and no guest from there is admitted: for a day at most.
    /// If false, an earlier ban for the address stays one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub address: bool,
    /// Shown to the participant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(schema_with = "crate::text::schema::optional_reason"))]
    pub reason: Option<String>,
}

/// The bans of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BanList {
    /// Newest first.
    pub bans: Vec<BanInfo>,
}

/// The reason a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Failure {
    /// For programs; a code never changes its meaning.
    pub code: ErrorCode,
    /// For developers; may change.
    pub message: String,
    /// The request's id in the edge's logs.
    pub request_id: String,
}

/// [`Bandwidth`] without unknown fields: a misspelt limit would be none.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KnownBandwidth {
    send_bps_max: Option<u32>,
    receive_bps_max: Option<u32>,
}

fn bandwidth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bandwidth, D::Error> {
    let KnownBandwidth { send_bps_max, receive_bps_max } = Deserialize::deserialize(deserializer)?;
    Ok(Bandwidth { send_bps_max, receive_bps_max })
}

fn optional_bandwidth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bandwidth>, D::Error> {
    let found: Option<KnownBandwidth> = Deserialize::deserialize(deserializer)?;
    Ok(found.map(|KnownBandwidth { send_bps_max, receive_bps_max }| Bandwidth { send_bps_max, receive_bps_max }))
}

const fn lifetime_s_default() -> u32 {
    limits::JOIN_TOKEN_LIFETIME_S_DEFAULT
}

pub trait Bounds {
    /// Checks what the types cannot express.
    fn check_bounds(&self) -> Result<(), &'static str>;
}

impl Bounds for TokenRequest {
    fn check_bounds(&self) -> Result<(), &'static str> {
        let most = u32::try_from(limits::JOIN_TOKEN_LIFETIME_MS_MAX / 1000).unwrap_or(u32::MAX);
        if !(limits::JOIN_TOKEN_LIFETIME_S_MIN..=most).contains(&self.lifetime_s) {
            return Err("lifetime_s is out of bounds");
        }
        Text::Name.check(&self.name)?;
        if !self.participant.is_identity() {
            return Err("participant must not contain ~");
        }
        if self.attributes.len() > limits::ATTRIBUTES_PER_PARTICIPANT_MAX {
            return Err("attributes has too many names");
        }
        self.bandwidth.check_bounds()?;
        RoomChange { participants_max: self.participants_max, ..RoomChange::default() }.check_bounds()
    }
}

impl Bounds for RoomRequest {
    fn check_bounds(&self) -> Result<(), &'static str> {
        RoomChange::from(self.clone()).check_bounds()
    }
}

impl Bounds for RoomPatch {
    fn check_bounds(&self) -> Result<(), &'static str> {
        RoomChange::from(self.clone()).check_bounds()
    }
}

impl Bounds for PauseRequest {
    fn check_bounds(&self) -> Result<(), &'static str> {
        self.reason.as_deref().map_or(Ok(()), |reason| Text::Reason.check(reason))
    }
}

impl Bounds for BanRequest {
    fn check_bounds(&self) -> Result<(), &'static str> {
        self.reason.as_deref().map_or(Ok(()), |reason| Text::Reason.check(reason))?;
        BanTerm { lasts_ms: self.lasts_ms, address: self.address }.check_bounds()
    }
}

impl Bounds for ParticipantPatch {
    fn check_bounds(&self) -> Result<(), &'static str> {
        ParticipantChange::from(self.clone()).check_bounds()
    }
}

impl From<RoomRequest> for RoomChange {
    fn from(request: RoomRequest) -> Self {
        Self {
            locked: request.locked,
            metadata: request.metadata,
            participants_max: request.participants_max,
            peer_to_peer_max: request.peer_to_peer_max,
            empty_timeout_ms: request.empty_timeout_ms,
            duration_ms_max: request.duration_ms_max,
            starts_at: request.starts_at.map(UnixMillis),
            room_type: request.room_type,
            public: request.public,
            features: request.features,
            quality: request.quality,
            duplicates: request.duplicates,
            region: request.region,
            lobby: request.lobby,
            invited: request.invited,
            spotlight: None,
        }
    }
}

impl From<RoomPatch> for RoomChange {
    fn from(patch: RoomPatch) -> Self {
        Self {
            locked: patch.locked,
            metadata: patch.metadata,
            participants_max: patch.participants_max,
            peer_to_peer_max: patch.peer_to_peer_max,
            empty_timeout_ms: patch.empty_timeout_ms,
            duration_ms_max: patch.duration_ms_max,
            starts_at: patch.starts_at.map(UnixMillis),
            room_type: patch.room_type,
            public: patch.public,
            features: patch.features,
            quality: patch.quality,
            duplicates: patch.duplicates,
            region: patch.region,
            lobby: patch.lobby,
            invited: patch.invited,
            spotlight: None,
        }
    }
}

impl From<ParticipantPatch> for ParticipantChange {
    fn from(patch: ParticipantPatch) -> Self {
        let ParticipantPatch { name, metadata, grants, role, bandwidth } = patch;
        Self { name, metadata, grants, role, bandwidth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Attribute;
    use crate::json;

    fn token_request(text: &str) -> Result<(), String> {
        let request: TokenRequest = json::from_str(text).map_err(|error| error.to_string())?;
        request.check_bounds().map_err(Into::into)
    }

    #[test]
    fn a_token_request_needs_only_room_and_participant() {
        assert_eq!(token_request(r#"{"room":"daily","participant":"ada"}"#), Ok(()));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (extra, named) in [
            (r#""lifetime_s":29"#, "lifetime_s"),
            (r#""lifetime_s":86401"#, "lifetime_s"),
            (r#""participants_max":0"#, "participants_max"),
            (r#""participants_max":1001"#, "participants_max"),
            (r#""nmae":"Ada""#, "nmae"),
            (r#""grants":{"admin":true}"#, "admin"),
            (r#""grants":[true]"#, "invalid type: sequence"),
            (r#""name":"a\u0000b""#, "name has control characters"),
            (r#""name":"a\u202eb""#, "name has bidirectional"),
            (r#""name":"\u200b""#, "name is blank"),
        ] {
            let error = token_request(&format!(r#"{{"room":"daily","participant":"ada",{extra}}}"#)).expect_err(extra);
            assert!(error.contains(named), "{extra}: {error}");
        }
    }

    /// Every field is set here, so that none is forgotten.
    #[test]
    fn a_body_is_an_object_and_so_is_every_structure_in_it() {
        fn check<T: Serialize + serde::de::DeserializeOwned>(body: &T, structures: usize) {
            let body = serde_json::to_value(body).expect("JSON");
            let parse = |text: &str| json::from_str::<T>(text).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(json::arrays::check_refused(&body, parse), structures, "{body}");
        }
        let (name, metadata) = (Some("Ada".to_string()), Some("{}".to_string()));
        let bandwidth = Bandwidth { send_bps_max: Some(500_000), receive_bps_max: Some(500_000) };
        check(
            &TokenRequest {
                room: RoomId::parse("daily").expect("valid"),
                participant: ParticipantId::parse("ada").expect("valid"),
                name: "Ada".into(),
                grants: Grants::default(),
                role: RoleName::parse("host").ok(),
                attributes: [("role", "therapist")].map(attribute).into(),
                bandwidth,
                participants_max: Some(3),
                template: TemplateName::parse("lesson").ok(),
                lifetime_s: 60,
                single_use: true,
            },
            4,
        );
        let room = Some(RoomId::parse("daily").expect("valid"));
        let (locked, participants_max, empty_timeout_ms) = (Some(true), Some(3), Some(2_000));
        let peer_to_peer_max = Some(2);
        let metadata = || metadata.clone();
        let rules = RoomPatch {
            locked,
            metadata: metadata(),
            participants_max,
            peer_to_peer_max,
            empty_timeout_ms,
            duration_ms_max: Some(60_000),
            starts_at: Some(1_800_000_000_000),
            room_type: Some(RoomType::Video),
            public: Some(true),
            features: Some(Features::default()),
            quality: Some(QualityProfile::Kaa),
            duplicates: Some(Duplicates::Reject),
            region: Region::parse("EU").ok(),
            lobby: Some(true),
            invited: Some(vec![ParticipantId::parse("ada").expect("valid")]),
        };
        check(&rules, 2);
        let request = serde_json::to_value(&rules).expect("JSON");
        let request: RoomRequest = serde_json::from_value(request).expect("the same fields");
        check(&RoomRequest { name: room, template: TemplateName::parse("lesson").ok(), ..request }, 2);
        check(&PauseRequest { reason: Some("a break".into()) }, 1);
        let (grants, bandwidth) = (Some(Grants::default()), Some(bandwidth));
        let role = RoleName::parse("host").ok();
        check(&ParticipantPatch { name, metadata: metadata(), grants, role, bandwidth }, 3);
        check(&BanRequest { lasts_ms: Some(2_000), address: true, reason: Some("spam".into()) }, 1);
    }

    fn attribute((name, value): (&str, &str)) -> (Attribute, Attribute) {
        (Attribute::parse(name).expect("valid"), Attribute::parse(value).expect("valid"))
    }

    #[test]
    fn a_role_takes_the_place_of_grants() {
        let check = |fields: &str| token_request(&format!(r#"{{"room":"r","participant":"p",{fields}}}"#));
        assert_eq!(check(r#""role":"host","attributes":{"a":"1","b":"2","c":"3","d":"4"}"#), Ok(()));
        assert_eq!(check(r#""role":"host","grants":{"record":true}"#), Ok(()), "as in a token");
        assert_eq!(
            check(r#""attributes":{"a":"1","b":"2","c":"3","d":"4","e":"5"}"#),
            Err("attributes has too many names".into())
        );
        for bad in [r#""role":"a role""#, r#""role":"""#, r#""attributes":{"a":"b c"}"#, r#""attributes":{"":"b"}"#] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_limit_leaves_room_for_audio() {
        let check =
            |bandwidth: &str| token_request(&format!(r#"{{"room":"r","participant":"p","bandwidth":{bandwidth}}}"#));
        assert_eq!(check("{}"), Ok(()));
        assert_eq!(check(r#"{"send_bps_max":50000,"receive_bps_max":4000000000}"#), Ok(()));
        let refused = |error: Result<(), String>| error.is_err_and(|error| error.contains("50000 or more"));
        assert!(refused(check(r#"{"send_bps_max":49999}"#)) && refused(check(r#"{"receive_bps_max":0}"#)));
        assert!(check(r#"{"send_bps":60000}"#).is_err());
        assert!(json::from_str::<ParticipantPatch>(r#"{"bandwidth":{"send_bps":60000}}"#).is_err());
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        let check = |name: String| token_request(&format!(r#"{{"room":"r","participant":"p","name":"{name}"}}"#));
        assert_eq!(check("😀".repeat(limits::NAME_CHARS_MAX)), Ok(()));
        assert_eq!(check("a".repeat(limits::NAME_CHARS_MAX + 1)), Err("name is too long".into()));
    }
}
