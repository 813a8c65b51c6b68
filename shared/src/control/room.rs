//! Messages between a node and a Room object: sessions and what plays in their slots.

use super::RecordingOrder;
use crate::error_code::ErrorCode;
use crate::ids::{Mid, NodeId, RecordingId, SessionId};
use crate::rtp_parameters::Session;
use crate::signal::{RecordingState, VideoLimit};
use serde::{Deserialize, Serialize};

/// What the Room object tells its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RoomToNode {
    /// A part of the `welcome` that follows on the same socket; it takes effect only with that.
    WelcomePart {
        sessions: Vec<Session>,
        forwards: Vec<Forward>,
    },
    /// The answer to `hello`: with its parts, the complete state. The node closes everything else.
    Welcome {
        sessions: Vec<Session>,
        /// Every slot that plays a track.
        forwards: Vec<Forward>,
        /// `None` ends the recording.
        #[serde(default)]
        recording: Option<RecordingOrder>,
    },
    /// Opens a session or replaces its parameters.
    SetSession {
        session: Session,
    },
    CloseSession {
        session: SessionId,
    },
    /// Sets what plays in these slots; others keep their track.
    SetForwards {
        forwards: Vec<Forward>,
    },
    SetRecording {
        recording: Option<RecordingOrder>,
    },
    /// The assignment is over: close the room's sessions, then the socket. Clients must not notice: no DTLS or SCTP goodbye.
    Release {},
    /// The edge will not serve this socket and closes it next.
    Refused {
        /// Why: `stale_epoch`, `bad_token`.
        code: ErrorCode,
    },
    /// A frame could not be read.
    Error {
        code: ErrorCode,
        message: String,
    },
}

/// What plays in one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    pub session: SessionId,
    pub mid: Mid,
    /// `None` stops the slot.
    pub track: Option<TrackRef>,
    /// Most lines of picture that the viewer's tile can show; `None` is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines_max: Option<u16>,
    /// Where the client's downlink is too slow for all of its slots, lower numbers are served first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub priority: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_first(priority: &u8) -> bool {
    *priority == 0
}

impl Forward {
    /// A slot without a limit that is served first.
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

/// What a node tells a Room object that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeToRoom {
    /// The first frame of a socket; answered by `welcome` or `refused`.
    Hello {
        node: NodeId,
        /// The assignment it serves.
        epoch: u64,
        /// Open sessions whose media is up.
        connected: Vec<SessionId>,
    },
    /// ICE and DTLS are done: media flows.
    SessionConnected { session: SessionId },
    /// A session ended by itself.
    SessionClosed { session: SessionId, end: SessionEnd },
    /// State of the recording on this node: `recording`, `storage_away`, or `failed` with a code.
    RecordingState {
        recording: RecordingId,
        state: RecordingState,
        /// Why it failed.
        code: Option<ErrorCode>,
    },
    /// The layers of a published track that at least one slot or the recorder needs, as rids of its section. Sent when that
    /// changes, and after each `welcome`.
    LayersWanted { session: SessionId, mid: Mid, rids: Vec<String> },
    /// All slots of a session whose video is smaller than wanted, or paused, because the downlink is too slow for it. Sent when
    /// other layers play or a pause begins or ends, not when only the numbers change, and after each `welcome`.
    VideoLimited { session: SessionId, estimate_bps: u32, slots: Vec<VideoLimit> },
    /// All slots of a session whose video comes in a codec that their sections do not have. Sent when that changes, at most
    /// once a second, and after each `welcome`.
    VideoUndecodable { session: SessionId, mids: Vec<Mid> },
    /// The node is about to stop: place the room elsewhere and let its clients move.
    Draining {},
}

/// Why a session ended at its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// No verified STUN request for 30 s (RFC 7675).
    ConsentExpired,
    /// The client closed its DTLS association.
    ClosedByClient,
    /// The client's certificate is not the one it announced.
    WrongFingerprint,
    /// The DTLS handshake failed.
    HandshakeFailed,
    /// The node has no room for another session.
    Refused,
}
