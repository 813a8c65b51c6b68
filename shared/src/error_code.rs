//! Stable error codes; a code never changes its meaning.

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $retry:literal;)*) => {
        /// The reason for a refusal, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// True if the same request may succeed later unchanged.
            #[must_use]
            pub const fn may_retry(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }
        }
    };
}

error_codes! {
    /// The frame is not JSON, not text, or has no `type`.
    MalformedFrame = "malformed_frame", false;
    /// The frame is larger than its type may be.
    FrameTooLarge = "frame_too_large", false;
    /// No message has this `type`.
    UnknownMessage = "unknown_message", false;
    /// A field is missing, of the wrong type or out of bounds.
    InvalidMessage = "invalid_message", false;
    /// The edge does not speak this version of the protocol.
    UnsupportedVersion = "unsupported_version", false;
    /// The path or object does not exist.
    NotFound = "not_found", false;
    /// The token is missing, unreadable, signed with an unknown key, for another purpose, or has an invalid `name`.
    BadToken = "bad_token", false;
    /// The token has expired or is not valid yet.
    TokenExpired = "token_expired", false;
    /// The keys of the token's issuer cannot be read now.
    IssuerUnavailable = "issuer_unavailable", true;
    /// The single-use token (`jti`) has been used.
    TokenUsed = "token_used", false;
    /// The token is for another room.
    WrongRoom = "wrong_room", false;
    /// The token does not grant this.
    Forbidden = "forbidden", false;
    /// The first frame did not arrive in time.
    Timeout = "timeout", true;
    /// Too many frames, sockets or requests.
    RateLimited = "rate_limited", true;
    /// The request needs a `join` first.
    NotJoined = "not_joined", false;
    /// This socket has joined already.
    AlreadyJoined = "already_joined", false;
    /// The room has reached its limit of participants.
    RoomFull = "room_full", true;
    /// The room has reached its limit of publishers.
    TooManyPublishers = "too_many_publishers", true;
    /// The room is locked; only moderators and current participants may enter.
    RoomLocked = "room_locked", true;
    /// A moderator or the application ended the room.
    RoomClosed = "room_closed", false;
    /// The call's longest duration is over.
    TimeLimit = "time_limit", false;
    /// The call has not started: until `starts_at`, only moderators may enter.
    NotStarted = "not_started", true;
    /// The call's state does not allow this.
    WrongState = "wrong_state", false;
    /// The room has turned this feature off, or does not have it.
    FeatureOff = "feature_off", false;
    /// Only invited participants may enter the room.
    NotInvited = "not_invited", false;
    /// The participant is in the room already, and the room admits nobody twice.
    DuplicateIdentity = "duplicate_identity", true;
    /// The session no longer exists: after `resume` join again, after `negotiate` offer a new transport.
    SessionExpired = "session_expired", false;
    /// The offer cannot be accepted; the message names the line and the attribute.
    InvalidOffer = "invalid_offer", false;
    /// The offer has more sections than allowed.
    TooManySections = "too_many_sections", false;
    /// No section of the offer, or a published section, has a supported media type, protocol and codec.
    UnsupportedMedia = "unsupported_media", false;
    /// No participant has this id.
    UnknownParticipant = "unknown_participant", false;
    /// The participant has lost its connection; it may return soon.
    ParticipantAway = "participant_away", true;
    /// The section publishes no track, or the participant has no such track.
    UnknownTrack = "unknown_track", false;
    /// No healthy media node has capacity.
    NoMediaNode = "no_media_node", true;
    /// The media node failed or lost its connection to the edge.
    MediaNodeLost = "media_node_lost", true;
    /// A node's message belongs to an assignment that has ended.
    StaleEpoch = "stale_epoch", false;
    /// The same participant joined elsewhere.
    Replaced = "replaced", false;
    /// No room has this name, and a join token may not create it.
    UnknownRoom = "unknown_room", false;
    /// The API key or its secret is missing or wrong.
    BadApiKey = "bad_api_key", false;
    /// The path, the query or the body is invalid; the message says how.
    InvalidRequest = "invalid_request", false;
    /// The path does not support this method; `Allow` lists those it does.
    MethodNotAllowed = "method_not_allowed", false;
    /// The body must be `application/json`.
    UnsupportedMediaType = "unsupported_media_type", false;
    /// The body is larger than 64 KiB.
    BodyTooLarge = "body_too_large", false;
    /// A moderator removed the participant.
    Kicked = "kicked", false;
    /// A moderator banned the participant from the room.
    Banned = "banned", false;
    /// A moderator did not let the guest in.
    NotAdmitted = "not_admitted", false;
    /// The room has reached its limit of bans: lift some.
    TooManyBans = "too_many_bans", false;
    /// No participant with this id is banned.
    UnknownBan = "unknown_ban", false;
    /// The deployment has no role of this name.
    UnknownRole = "unknown_role", false;
    /// The deployment has no template of this name.
    UnknownTemplate = "unknown_template", false;
    /// The deployment has no region of this name.
    UnknownRegion = "unknown_region", false;
    /// Recording is off: no storage is configured.
    RecordingUnavailable = "recording_unavailable", false;
    /// The recording could not be made or finished.
    RecordingFailed = "recording_failed", false;
    /// The room has reached its limit of recordings: delete some.
    TooManyRecordings = "too_many_recordings", false;
    /// The room has no recording with this id.
    UnknownRecording = "unknown_recording", false;
    /// The recording is running or being finished; it can be deleted afterwards.
    RecordingNotOver = "recording_not_over", true;
    /// Nobody is in the room, so there is nothing to record.
    RoomEmpty = "room_empty", true;
    /// The recording storage failed, or has not finished yet.
    StorageUnavailable = "storage_unavailable", true;
    /// The disk for recorded data is full; recording continues in memory, which is limited.
    DiskFull = "disk_full", true;
    /// An internal error of the server.
    Internal = "internal", true;
}

impl ErrorCode {
    /// The HTTP status of an answer with this code (RFC 9110 §15).
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::MalformedFrame
            | Self::UnknownMessage
            | Self::InvalidMessage
            | Self::InvalidRequest
            | Self::UnsupportedVersion
            | Self::InvalidOffer
            | Self::TooManySections
            | Self::UnsupportedMedia => 400,
            Self::BadToken | Self::TokenExpired | Self::TokenUsed | Self::BadApiKey => 401,
            Self::WrongRoom
            | Self::FeatureOff
            | Self::NotInvited
            | Self::Forbidden
            | Self::Kicked
            | Self::Banned
            | Self::NotAdmitted => 403,
            Self::NotFound
            | Self::UnknownRoom
            | Self::UnknownParticipant
            | Self::UnknownTrack
            | Self::UnknownBan
            | Self::UnknownRole
            | Self::UnknownTemplate
            | Self::UnknownRegion
            | Self::UnknownRecording => 404,
            Self::MethodNotAllowed => 405,
            Self::Timeout => 408,
            Self::NotJoined
            | Self::AlreadyJoined
            | Self::ParticipantAway
            | Self::RoomFull
            | Self::RoomLocked
            | Self::NotStarted
            | Self::WrongState
            | Self::DuplicateIdentity
            | Self::TooManyPublishers
            | Self::Replaced
            | Self::TooManyRecordings
            | Self::TooManyBans
            | Self::RecordingNotOver
            | Self::RoomEmpty
            | Self::StaleEpoch => 409,
            Self::RoomClosed | Self::TimeLimit | Self::SessionExpired => 410,
            Self::FrameTooLarge | Self::BodyTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited => 429,
            Self::Internal | Self::RecordingFailed => 500,
            Self::DiskFull => 507,
            Self::NoMediaNode
            | Self::MediaNodeLost
            | Self::RecordingUnavailable
            | Self::StorageUnavailable
            | Self::IssuerUnavailable => 503,
        }
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_same_in_json_and_in_text() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(code).expect("json"), format!("\"{code}\""));
        }
    }
}
