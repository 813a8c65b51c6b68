//! Messages from the edge to a client.

use super::{
    BanInfo, ChatMessage, EstimateReason, GuestInfo, ParticipantInfo, PeerSignal, Reaction, RecordingInfo, RoomInfo,
    SlotInfo, VideoLimit,
};
use crate::error_code::ErrorCode;
use crate::ids::{AttemptId, MessageId, Mid, ParticipantId, SessionId};
use crate::json::tagged;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// A reply, or an event in the room.
#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub enum EdgeToClient {
    /// The client has joined the room.
    Joined {
        /// The `id` of the `join`.
        in_reply_to: Option<u32>,
        /// The client's own id, from its token.
        participant: ParticipantId,
        session: SessionId,
        /// The secret for `resume`; only this client gets it.
        resume_token: String,
        answer: String,
        room: RoomInfo,
        /// The participants, including the client itself, without a large room's audience.
        roster: Vec<ParticipantInfo>,
        /// Names this state of the roster, for `resume`; absent from an earlier version of the edge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        revision: Option<u64>,
        slots: Vec<SlotInfo>,
        /// STUN and TURN servers for `RTCConfiguration.iceServers`.
        ice_servers: Vec<IceServer>,
        /// The number of the last chat message before the join; later ones are new.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        chat_last: u64,
        /// The recording that is running or being finished.
        #[serde(default)]
        recording: Option<RecordingInfo>,
    },
    /// The session is resumed; the slots are complete.
    Resumed {
        /// The `id` of the `resume`.
        in_reply_to: Option<u32>,
        /// The secret for the next resume; the one just used expires soon.
        resume_token: String,
        room: RoomInfo,
        /// The participants, including the client itself, without a large room's audience; with `difference`, those who
        /// have changed since the client's `revision`.
        roster: Vec<ParticipantInfo>,
        /// Absent if the roster is complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        difference: Option<RosterDifference>,
        /// Names this state of the roster, for `resume`; absent from an earlier version of the edge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        revision: Option<u64>,
        slots: Vec<SlotInfo>,
        /// If true, the node is gone and the client must negotiate a new media transport.
        transport_dead: bool,
        /// The current STUN and TURN servers, with fresh credentials.
        ice_servers: Vec<IceServer>,
        /// The recording that is running or being finished.
        #[serde(default)]
        recording: Option<RecordingInfo>,
    },
    /// The answer to a further offer.
    Negotiated {
        /// The `id` of the `negotiate`.
        in_reply_to: Option<u32>,
        /// The current session; it differs from the previous one after a change of transport.
        session: SessionId,
        answer: String,
        slots: Vec<SlotInfo>,
        /// The current STUN and TURN servers, with fresh credentials.
        ice_servers: Vec<IceServer>,
    },
    /// A request without its own reply type succeeded.
    Done {
        in_reply_to: Option<u32>,
    },
    /// The answer to `list_bans`.
    Bans {
        in_reply_to: Option<u32>,
        /// Newest first.
        bans: Vec<BanInfo>,
    },
    /// The answer to `list_audience`: one page.
    Audience {
        in_reply_to: Option<u32>,
        participants: Vec<ParticipantInfo>,
        /// For the next page; `None` on the last one.
        next: Option<ParticipantId>,
    },
    /// The answer to `list_peer_servers`.
    PeerServers {
        in_reply_to: Option<u32>,
        ice_servers: Vec<IceServer>,
    },
    /// To those who may admit them: all guests in the lobby, whenever the list changes. Before the first message the lobby is empty.
    GuestsWaiting {
        /// Longest wait first.
        guests: Vec<GuestInfo>,
    },
    /// A request failed and changed nothing.
    Error {
        /// The `id` of the request, if readable.
        in_reply_to: Option<u32>,
        code: ErrorCode,
        message: String,
    },
    /// The edge will not serve this socket and is about to close it.
    Refused {
        code: ErrorCode,
    },
    ParticipantJoined {
        participant: ParticipantInfo,
    },
    /// The room's own properties changed.
    RoomUpdated {
        room: RoomInfo,
    },
    /// A moderator muted one of the client's tracks until the client unmutes it with `set_muted`.
    TrackMuted {
        /// The section that publishes it.
        mid: Mid,
        /// True if the client cannot unmute it, because it may not publish the source.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
        held: bool,
    },
    /// A participant's name, grants, role, tracks, mute state or connection changed.
    ParticipantUpdated {
        participant: ParticipantInfo,
    },
    /// A participant left, timed out or was removed.
    ParticipantLeft {
        participant: ParticipantId,
        reason: LeaveReason,
    },
    /// Changes to the roster of a large room, gathered for a moment; those who stay or join, and those who left.
    RosterChanged {
        changed: Vec<ParticipantInfo>,
        left: Vec<Departure>,
        /// Names this state of the roster, for `resume`; only in the last of several messages.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        revision: Option<u64>,
    },
    /// A new chat message, or, after `joined` and `resumed`, the client's missing messages, in order.
    Chat {
        /// At most 12.
        messages: Vec<ChatMessage>,
    },
    /// To be shown briefly.
    Reacted {
        participant: ParticipantId,
        reaction: Reaction,
    },
    /// A participant looks for others who publish.
    Sought {
        from: ParticipantId,
        /// The `attempt` of its join: the same participant has another one on another device.
        device: AttemptId,
        sent_at: UnixMillis,
    },
    /// A participant's message for this client alone.
    Signaled {
        /// Set by the edge, like `device` and `sent_at`.
        from: ParticipantId,
        /// The `attempt` of its join: the same participant has another one on another device.
        device: AttemptId,
        sent_at: UnixMillis,
        /// This client's own id.
        to: ParticipantId,
        /// The sender's id for the message.
        message: MessageId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        link: Option<u32>,
        signal: PeerSignal,
    },
    /// These slots play other tracks; the remaining slots are unchanged.
    SlotsChanged {
        slots: Vec<SlotInfo>,
    },
    /// There are more tracks than slots: offer this many receiving sections of each kind.
    SectionsNeeded {
        audio: u8,
        video: u8,
    },
    /// The layers of a published track that are in use; the client need not send the others.
    LayersWanted {
        /// The section that publishes it.
        mid: Mid,
        /// Rids of the offer.
        rids: Vec<String>,
    },
    /// The complete list of slots for whose video the downlink is too slow: the node sends a smaller layer, or none.
    VideoLimited {
        /// The estimated rate of the downlink in bits per second.
        estimate_bps: u32,
        /// The reason for the estimate; null if the node does not tell.
        #[serde(default)]
        reason: Option<EstimateReason>,
        slots: Vec<VideoLimit>,
    },
    /// The node sends no video in these slots, because the publisher's codec is none of those that the client has offered
    /// to receive there. In all other slots it can.
    VideoUndecodable {
        mids: Vec<Mid>,
    },
    /// The media node is gone or about to stop: `negotiate` with the reason `transport_dead`.
    TransportDead {},
    /// The edge has lost its connection to the media node, which may still serve the room. If steady media stops as well,
    /// the node is dead: `negotiate` with the reason `transport_dead`.
    NodeAway {},
    /// A recording started, or its state changed.
    RecordingUpdated {
        recording: RecordingInfo,
    },
    /// The client is no longer in the room; the edge is about to close the socket.
    Removed {
        /// `kicked`, `replaced` or `room_closed`.
        code: ErrorCode,
        /// The moderator's text.
        reason: Option<String>,
    },
}

/// Changes to the roster of a resuming client besides the participants in `roster`, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RosterDifference {
    /// Participants to remove, before those in `roster` are added or replaced.
    pub left: Vec<ParticipantId>,
    /// Everybody whose `connection` is `connecting`; those in neither list are connected.
    pub connecting: Vec<ParticipantId>,
    /// Everybody whose `connection` is `reconnecting`.
    pub reconnecting: Vec<ParticipantId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Departure {
    pub participant: ParticipantId,
    pub reason: LeaveReason,
}

/// The reason why a participant left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// The participant sent `leave`.
    Left,
    /// The participant did not resume in time.
    TimedOut,
    /// A moderator removed the participant.
    Kicked,
}

/// One entry of `RTCConfiguration.iceServers` (W3C WebRTC §4.2.4).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    pub urls: Vec<String>,
    /// Only for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub username: Option<String>,
    /// Only for TURN.
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
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}
