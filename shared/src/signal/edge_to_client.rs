//! What the edge tells a client.

use super::{BanInfo, ChatMessage, ParticipantInfo, Reaction, RecordingInfo, RoomInfo, SlotInfo};
use crate::error_code::ErrorCode;
use crate::ids::{Mid, ParticipantId, SessionId};
use serde::{Deserialize, Serialize};

/// A reply, or news of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EdgeToClient {
    /// The client is in the room.
    Joined {
        /// The `id` of the `join`.
        in_reply_to: Option<u32>,
        /// The client's own id, from its token.
        participant: ParticipantId,
        /// The new session.
        session: SessionId,
        /// The secret with which the session can be resumed; for this client alone.
        resume_token: String,
        /// SDP of the answer.
        answer: String,
        /// The room itself.
        room: RoomInfo,
        /// Everybody in the room, the client itself included.
        roster: Vec<ParticipantInfo>,
        /// What plays in which of its slots.
        slots: Vec<SlotInfo>,
        /// STUN and TURN servers for `RTCConfiguration.iceServers`.
        ice_servers: Vec<IceServer>,
        /// The number of the last chat message: what comes up to it was there before, what comes after it is news.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        chat_last: u64,
        /// The recording that runs or is being finished.
        #[serde(default)]
        recording: Option<RecordingInfo>,
    },
    /// The client is back; whatever it missed is in the roster and the slots.
    Resumed {
        /// The `id` of the `resume`.
        in_reply_to: Option<u32>,
        /// The secret for the next time, in place of the one that was just used.
        resume_token: String,
        /// The room itself.
        room: RoomInfo,
        /// Everybody in the room, the client itself included.
        roster: Vec<ParticipantInfo>,
        /// What plays in which of its slots.
        slots: Vec<SlotInfo>,
        /// Whether the media transport must be negotiated again, because the node is gone.
        transport_dead: bool,
        /// STUN and TURN servers from here on: credentials run out, and TURN nodes come and go.
        ice_servers: Vec<IceServer>,
        /// The recording that runs or is being finished.
        #[serde(default)]
        recording: Option<RecordingInfo>,
    },
    /// The answer to a further offer.
    Negotiated {
        /// The `id` of the `negotiate`.
        in_reply_to: Option<u32>,
        /// The session from here on: another one where the transport is a new one.
        session: SessionId,
        /// SDP of the answer.
        answer: String,
        /// What plays in which of the client's slots.
        slots: Vec<SlotInfo>,
        /// STUN and TURN servers from here on.
        ice_servers: Vec<IceServer>,
    },
    /// A request without a reply of its own was carried out.
    Done {
        /// Its `id`.
        in_reply_to: Option<u32>,
    },
    /// The answer to `list_bans`.
    Bans {
        /// Its `id`.
        in_reply_to: Option<u32>,
        /// The latest first.
        bans: Vec<BanInfo>,
    },
    /// A request was not carried out; nothing changed.
    Error {
        /// Its `id`, where it could be read.
        in_reply_to: Option<u32>,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for developers.
        message: String,
    },
    /// The socket will not be served; it is closed next.
    Refused {
        /// Why.
        code: ErrorCode,
    },
    /// Somebody joined.
    ParticipantJoined {
        /// Who.
        participant: ParticipantInfo,
    },
    /// The room itself changed.
    RoomUpdated {
        /// The whole of what is known about it.
        room: RoomInfo,
    },
    /// A moderator muted one of the client's own tracks: nobody receives it until `set_muted` says that it is open.
    TrackMuted {
        /// The section that publishes it.
        mid: Mid,
    },
    /// Somebody's name, grants, tracks, mute state or connection changed.
    ParticipantUpdated {
        /// The whole of what is known about them.
        participant: ParticipantInfo,
    },
    /// Somebody is gone.
    ParticipantLeft {
        /// Who.
        participant: ParticipantId,
        /// Why.
        reason: LeaveReason,
    },
    /// What was written: a new message, or, after `joined` and `resumed`, what the client does not have; in order.
    Chat {
        /// At most 12.
        messages: Vec<ChatMessage>,
    },
    /// Somebody shows a sign.
    Reacted {
        /// Who.
        participant: ParticipantId,
        /// Which.
        reaction: Reaction,
    },
    /// Other tracks play in these slots; slots that are not named keep theirs.
    SlotsChanged {
        /// The changed ones.
        slots: Vec<SlotInfo>,
    },
    /// There are more tracks than slots: offer this many receiving sections of each kind.
    SectionsNeeded {
        /// Audio slots in all.
        audio: u8,
        /// Video slots in all.
        video: u8,
    },
    /// The media node is gone or about to stop: `negotiate` with the reason `transport_dead`.
    TransportDead {},
    /// A recording was started, or is further than it was.
    RecordingUpdated {
        /// The whole of what is known about it.
        recording: RecordingInfo,
    },
    /// The client is no longer in the room; the socket is closed next.
    Removed {
        /// `kicked`, `replaced` or `room_closed`.
        code: ErrorCode,
        /// What a moderator wrote.
        reason: Option<String>,
    },
}

/// Why somebody is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// They said so.
    Left,
    /// They did not come back in time.
    TimedOut,
    /// A moderator removed them.
    Kicked,
}

/// One entry of `RTCConfiguration.iceServers` (W3C WebRTC §4.2.4).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The credential is a secret.
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl EdgeToClient {
    /// The frame's JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
