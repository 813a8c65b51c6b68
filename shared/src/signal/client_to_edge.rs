//! What a client says, and the only way in for its frames.

use super::conversation::check_text;
use super::{BanTerm, Reaction, TrackSource};
use crate::error_code::ErrorCode;
use crate::ids::{AttemptId, MessageId, Mid, ParticipantId, SessionId, TrackId};
use crate::limits;
use crate::token::Grants;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientToEdge {
    /// Enters the room: one round trip, answered by `joined` or `error`.
    Join {
        /// The client's name for this try: joining twice with one is joining once.
        attempt: AttemptId,
        /// SDP of the client's offer (RFC 8829).
        offer: String,
        /// What the sections it publishes are.
        #[serde(default)]
        tracks: Vec<TrackIntent>,
    },
    /// Takes up a session after its socket was lost; answered by `resumed` or `error`.
    Resume {
        /// The session that `joined` named.
        session: SessionId,
        /// The secret that came with it.
        resume_token: String,
        /// The number of the last chat message that the client has; all are told again where it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        chat_after: Option<u64>,
    },
    /// Offers again: more slots, other tracks, an ICE restart. Answered by `negotiated` or `error`.
    Negotiate {
        /// SDP of the new offer.
        offer: String,
        /// What the sections it publishes are.
        #[serde(default)]
        tracks: Vec<TrackIntent>,
        /// Why.
        reason: NegotiateReason,
    },
    /// Mutes or unmutes one of the client's own tracks.
    SetMuted {
        /// The section that publishes it.
        mid: Mid,
        /// Whether it is silent or dark.
        muted: bool,
    },
    /// Whose video the user looks at, most wanted first; replaces the view before.
    View {
        /// At most 24.
        participants: Vec<ParticipantId>,
    },
    /// Writes in the chat; needs the grant `chat`. Writing twice under one name is writing once.
    Chat {
        /// The client's name for the message.
        message: MessageId,
        /// What it says.
        text: String,
    },
    /// Shows a sign for a moment; needs the grant `chat`.
    React {
        /// Which.
        reaction: Reaction,
    },
    /// Raises or lowers the own hand; needs the grant `chat`.
    RaiseHand {
        /// Whether it is up.
        raised: bool,
    },
    /// Lowers somebody's hand; needs the grant `moderate`.
    LowerHand {
        /// Whose.
        participant: ParticipantId,
    },
    /// Removes a participant; needs the grant `moderate`.
    Kick {
        /// Whom.
        participant: ParticipantId,
        /// Told to them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        reason: Option<String>,
        /// Keeps them out for a time or for good; then they need not be in the room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        ban: Option<BanTerm>,
    },
    /// Asks who is banned; needs the grant `moderate`. Answered by `bans`.
    ListBans {},
    /// Lets somebody in again; needs the grant `moderate`.
    LiftBan {
        /// Whom.
        participant: ParticipantId,
    },
    /// Mutes a track of anybody; needs the grant `moderate`. Others receive nothing of it until its publisher unmutes it with `set_muted`:
    /// nobody can unmute somebody else.
    MuteTrack {
        /// Whose track it is.
        participant: ParticipantId,
        /// Which.
        track: TrackId,
    },
    /// Changes what is known about a participant or what they may do; needs the grant `moderate`. What is not named stays.
    UpdateParticipant {
        /// Whom.
        participant: ParticipantId,
        /// The changes.
        #[serde(flatten)]
        change: ParticipantChange,
    },
    /// Changes the room; needs the grant `moderate`. What is not named stays.
    UpdateRoom {
        /// The changes.
        #[serde(flatten)]
        change: RoomChange,
    },
    /// Ends the room for everybody; needs the grant `moderate`.
    EndRoom {
        /// Told to everybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        reason: Option<String>,
    },
    /// Records everything that is published in the room; needs the grant `record`. What is recorded already is left so.
    StartRecording {},
    /// Ends the recording, if there is one; needs the grant `record`.
    StopRecording {},
    /// Leaves for good; answered by `done` and a normal close.
    Leave {},
}

/// What becomes of a participant; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(default)]
pub struct ParticipantChange {
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub name: Option<String>,
    /// Free text that the application keeps with them; everybody in the room can read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub metadata: Option<String>,
    /// All that they may do, in place of what their token says, for as long as they are in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub grants: Option<Grants>,
}

impl ParticipantChange {
    /// Bounds that types alone cannot say.
    pub fn check_bounds(&self) -> Result<(), &'static str> {
        if self.name.as_ref().is_some_and(|name| name.chars().count() > limits::NAME_CHARS_MAX) {
            return Err("name is too long");
        }
        if self
            .metadata
            .as_ref()
            .is_some_and(|metadata| metadata.chars().count() > limits::PARTICIPANT_METADATA_CHARS_MAX)
        {
            return Err("metadata is too long");
        }
        Ok(())
    }
}

/// What becomes of a room; what is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(default)]
pub struct RoomChange {
    /// Whether newcomers stay outside; whoever is in the room may come back, and moderators may come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub locked: Option<bool>,
    /// Free text that the application keeps with the room; everybody in it can read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub metadata: Option<String>,
    /// Most participants; nobody is removed where there are more already.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub participants_max: Option<u32>,
    /// The room is forgotten when it was empty for this long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
    pub empty_timeout_ms: Option<u64>,
}

impl RoomChange {
    /// Bounds that types alone cannot say.
    pub fn check_bounds(&self) -> Result<(), &'static str> {
        let most = u32::try_from(limits::PARTICIPANTS_PER_ROOM_MAX).unwrap_or(u32::MAX);
        if self.metadata.as_ref().is_some_and(|metadata| metadata.chars().count() > limits::ROOM_METADATA_CHARS_MAX) {
            return Err("metadata is too long");
        }
        if self.participants_max.is_some_and(|max| !(1..=most).contains(&max)) {
            return Err("participants_max is out of bounds");
        }
        let kept = limits::EMPTY_TIMEOUT_MS_MIN..=limits::EMPTY_TIMEOUT_MS_MAX;
        if self.empty_timeout_ms.is_some_and(|ms| !kept.contains(&ms)) {
            return Err("empty_timeout_ms is out of bounds");
        }
        Ok(())
    }
}

/// What one published section is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct TrackIntent {
    /// The section's identification tag in the offer.
    pub mid: Mid,
    /// What it shows or sounds.
    pub source: TrackSource,
    /// Whether it starts muted.
    #[serde(default)]
    pub muted: bool,
}

/// Why a client offers again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum NegotiateReason {
    /// Other tracks or more slots, on the same transport.
    Sections,
    /// The client's addresses changed: an ICE restart on the same node.
    IceRestart,
    /// No RTP, RTCP or STUN reply came for 1.5 s, or the node is about to stop: any healthy node may answer.
    TransportDead,
    /// The client made a new `RTCPeerConnection`: a fresh transport, nothing is carried over.
    NewTransport,
}

/// One frame of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFrame {
    /// Its number, to be named by the answer.
    pub id: Option<u32>,
    /// What it says.
    pub message: ClientToEdge,
}

/// Why a frame says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than any frame, or than a frame of its type.
    #[error("the frame has {bytes} bytes, {bytes_max} are allowed")]
    TooLarge {
        /// Its number, where it could be read.
        id: Option<u32>,
        /// Its size.
        bytes: usize,
        /// The bound it broke.
        bytes_max: usize,
    },
    /// Not a JSON object with a `type`.
    #[error("the frame is not a JSON object with a type")]
    Malformed,
    /// A `type` that nobody knows.
    #[error("no message has this type")]
    UnknownType {
        /// Its number, where it has one.
        id: Option<u32>,
    },
    /// A known `type` with wrong fields.
    #[error("{detail}")]
    Invalid {
        /// Its number, where it has one.
        id: Option<u32>,
        /// What is wrong, for the developer of the client.
        detail: Box<str>,
    },
}

impl FrameError {
    /// The code that goes on the wire.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::FrameTooLarge,
            Self::Malformed => ErrorCode::MalformedFrame,
            Self::UnknownType { .. } => ErrorCode::UnknownMessage,
            Self::Invalid { .. } => ErrorCode::InvalidMessage,
        }
    }

    /// The number of the frame, where it could be read.
    #[must_use]
    pub const fn id(&self) -> Option<u32> {
        match self {
            Self::Malformed => None,
            Self::TooLarge { id, .. } | Self::UnknownType { id } | Self::Invalid { id, .. } => *id,
        }
    }
}

/// What every frame has, whatever its type.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<u32>,
}

impl ClientFrame {
    /// Reads one text frame; sizes are checked before anything is parsed.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let bytes = text.len();
        if bytes > limits::OFFER_FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge { id: None, bytes, bytes_max: limits::OFFER_FRAME_BYTES_MAX });
        }
        let head: Head<'_> = serde_json::from_str(text).map_err(|_| FrameError::Malformed)?;
        let id = head.id;
        let Some(bytes_max) = ClientToEdge::frame_bytes_max(&head.kind) else {
            return Err(FrameError::UnknownType { id });
        };
        if bytes > bytes_max {
            return Err(FrameError::TooLarge { id, bytes, bytes_max });
        }
        let invalid = |detail: String| FrameError::Invalid { id, detail: detail.into() };
        let message: ClientToEdge = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        message.check_bounds().map_err(|detail| invalid(detail.into()))?;
        Ok(Self { id, message })
    }

    /// The frame's JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Out<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<u32>,
            #[serde(flatten)]
            message: &'a ClientToEdge,
        }
        // Strings, numbers and lists of them always serialise.
        serde_json::to_string(&Out { id: self.id, message: &self.message }).unwrap_or_default()
    }
}

impl ClientToEdge {
    /// The largest frame of a `type`, or nothing where the type does not exist.
    fn frame_bytes_max(kind: &str) -> Option<usize> {
        match kind {
            "join" | "negotiate" => Some(limits::OFFER_FRAME_BYTES_MAX),
            "resume" | "set_muted" | "view" | "kick" | "list_bans" | "lift_ban" | "mute_track"
            | "update_participant" | "update_room" | "end_room" | "start_recording" | "stop_recording" | "leave" => {
                Some(limits::SIGNAL_FRAME_BYTES_MAX)
            }
            "chat" | "react" | "raise_hand" | "lower_hand" => Some(limits::SIGNAL_FRAME_BYTES_MAX),
            _ => None,
        }
    }

    /// Bounds that types alone cannot say.
    fn check_bounds(&self) -> Result<(), &'static str> {
        match self {
            Self::Join { tracks, .. } | Self::Negotiate { tracks, .. } => {
                if tracks.len() > limits::TRACKS_PER_PARTICIPANT_MAX {
                    return Err("too many tracks");
                }
                Ok(())
            }
            Self::Resume { resume_token, .. } if resume_token.len() > limits::RESUME_TOKEN_BYTES_MAX => {
                Err("resume_token is too long")
            }
            Self::View { participants } if participants.len() > limits::VIEW_PARTICIPANTS_MAX => {
                Err("too many participants")
            }
            Self::Kick { reason: Some(reason), .. } | Self::EndRoom { reason: Some(reason) }
                if reason.chars().count() > limits::REASON_CHARS_MAX =>
            {
                Err("reason is too long")
            }
            Self::Kick { ban: Some(term), .. } => term.check_bounds(),
            Self::UpdateParticipant { change, .. } => change.check_bounds(),
            Self::UpdateRoom { change } => change.check_bounds(),
            Self::Chat { text, .. } => check_text(text),
            Self::Resume { .. }
            | Self::SetMuted { .. }
            | Self::View { .. }
            | Self::Kick { .. }
            | Self::ListBans {}
            | Self::LiftBan { .. }
            | Self::MuteTrack { .. }
            | Self::EndRoom { .. }
            | Self::StartRecording {}
            | Self::StopRecording {}
            | Self::React { .. }
            | Self::RaiseHand { .. }
            | Self::LowerHand { .. }
            | Self::Leave {} => Ok(()),
        }
    }
}
