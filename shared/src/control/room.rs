//! Messages between a node and a Room object: sessions, and the tracks in their slots.

use super::RecordingOrder;
use crate::error_code::ErrorCode;
use crate::ids::{Mid, NodeId, RecordingId, SessionId};
use crate::json::tagged;
use crate::rtp_parameters::Session;
use crate::signal::{EstimateReason, RecordingState, VideoLimit};
use serde::{Deserialize, Serialize};

/// Messages from a Room object to its node.
#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomToNode {
    /// A part of the `welcome` that follows on the same socket; takes effect together with it.
    WelcomePart {
        sessions: Vec<Session>,
        forwards: Vec<Forward>,
    },
    /// The answer to `hello`: together with its parts, the complete state. The node closes everything that is not in
    /// it.
    Welcome {
        sessions: Vec<Session>,
        /// Every slot that plays a track.
        forwards: Vec<Forward>,
        /// `None` ends the recording.
        #[serde(default)]
        recording: Option<RecordingOrder>,
        #[serde(default, skip_serializing_if = "Microphones::is_empty")]
        microphones: Microphones,
    },
    /// Opens a session or replaces its parameters.
    SetSession {
        session: Session,
    },
    CloseSession {
        session: SessionId,
    },
    /// Sets the tracks of these slots; other slots keep their tracks.
    SetForwards {
        forwards: Vec<Forward>,
    },
    SetRecording {
        #[serde(default)]
        recording: Option<RecordingOrder>,
    },
    /// Replaces the microphones that the node listens to.
    SetMicrophones {
        microphones: Microphones,
    },
    /// The assignment is over: close the room's sessions, then the socket, without a DTLS close_notify or SCTP
    /// shutdown, so that clients do not notice.
    Release {},
    /// The edge will not serve this socket and is about to close it.
    Refused {
        /// `stale_epoch` or `bad_token`.
        code: ErrorCode,
    },
    /// The edge could not parse a frame.
    Error {
        code: ErrorCode,
        message: String,
    },
}

/// The track of one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    pub session: SessionId,
    pub mid: Mid,
    /// `None` stops the slot.
    #[serde(default)]
    pub track: Option<TrackRef>,
    /// The height of the viewer's tile in lines; `None` means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_max: Option<u16>,
    /// If the client's downlink is too slow for all slots, lower numbers are served first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub priority: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_first(priority: &u8) -> bool {
    *priority == 0
}

impl Forward {
    /// A slot without a size limit and with the highest priority.
    #[must_use]
    pub const fn new(session: SessionId, mid: Mid, track: Option<TrackRef>) -> Self {
        Self { session, mid, track, lines_max: None, priority: 0 }
    }
}

/// One published track, as a node knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrackRef {
    pub session: SessionId,
    pub mid: Mid,
}

/// The open microphones on a node, while the room has more of them than a client has slots; otherwise none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Microphones {
    /// Those that every client with enough slots hears, best first.
    pub heard: Vec<TrackRef>,
    pub waiting: Vec<TrackRef>,
}

impl Microphones {
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.heard.is_empty() && self.waiting.is_empty()
    }
}

/// Messages from a node to a Room object.
#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeToRoom {
    /// The first frame of a socket; answered by `welcome` or `refused`.
    Hello {
        node: NodeId,
        /// The epoch of the node's assignment.
        epoch: u64,
        /// Open sessions with connected media.
        connected: Vec<SessionId>,
        /// True if the node reports the loudest microphones; absent in an earlier version, which does not.
        #[serde(default)]
        reports_loudest: bool,
    },
    /// ICE and DTLS are connected: media flows.
    SessionConnected { session: SessionId },
    /// A session ended without a request from the room.
    SessionClosed { session: SessionId, end: SessionEnd },
    /// The recording's state on this node: `recording`, `storage_away`, or `failed` with a code.
    RecordingState {
        recording: RecordingId,
        state: RecordingState,
        /// The reason for the failure.
        code: Option<ErrorCode>,
    },
    /// The layers of a published track that a slot or the recorder needs, as rids. Sent when the set changes, and after
    /// each `welcome`.
    LayersWanted { session: SessionId, mid: Mid, rids: Vec<String> },
    /// All slots of a session whose video is smaller than wanted, or paused, because the downlink is too slow. Sent
    /// when a layer changes or a pause begins or ends, not when only the numbers change, and after each `welcome`.
    VideoLimited {
        session: SessionId,
        estimate_bps: u32,
        /// The reason for the estimate; absent from older nodes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<EstimateReason>,
        slots: Vec<VideoLimit>,
    },
    /// All slots of a session whose video comes in a codec that their sections do not have. Sent when that changes, at most
    /// once a second, and after each `welcome`.
    VideoUndecodable { session: SessionId, mids: Vec<Mid> },
    /// The microphones that should be heard instead of those in the last [`Microphones`], best first. Sent when others
    /// speak, at most once a second.
    Loudest { microphones: Vec<TrackRef> },
    /// The node is about to stop: assign the room to another node and move its clients.
    Draining {},
}

/// The reason why a session ended at its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// No verified STUN request for 30 s (RFC 7675).
    ConsentExpired,
    /// The client closed its DTLS association.
    ClosedByClient,
    /// The client's certificate does not match the announced fingerprint.
    WrongFingerprint,
    /// The DTLS handshake failed.
    HandshakeFailed,
    /// The node has no capacity for another session.
    Refused,
}
