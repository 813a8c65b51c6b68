//! Between a node and a Room object that it serves: sessions and what plays in their slots.

use super::RecordingOrder;
use crate::error_code::ErrorCode;
use crate::ids::{Mid, NodeId, RecordingId, SessionId};
use crate::rtp_parameters::Session;
use crate::signal::RecordingState;
use serde::{Deserialize, Serialize};

/// What the Room object tells its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RoomToNode {
    /// The answer to `hello`: all that there shall be; what is not in it shall be closed.
    Welcome {
        /// Every session.
        sessions: Vec<Session>,
        /// Every slot in which something plays.
        forwards: Vec<Forward>,
        /// What is to be recorded; nothing ends it.
        #[serde(default)]
        recording: Option<RecordingOrder>,
    },
    /// Opens a session, or replaces what is known about it.
    SetSession {
        /// All about it.
        session: Session,
    },
    /// Closes a session.
    CloseSession {
        /// Which.
        session: SessionId,
    },
    /// Sets what plays in these slots; slots that are not named keep theirs.
    SetForwards {
        /// The changed ones.
        forwards: Vec<Forward>,
    },
    /// Sets what is to be recorded; nothing ends it.
    SetRecording {
        /// All of it.
        recording: Option<RecordingOrder>,
    },
    /// The assignment is over: close every session of the room, then the socket. Clients must not notice: no DTLS or SCTP goodbye.
    Release {},
    /// The socket will not be served; it is closed next.
    Refused {
        /// Why: `stale_epoch`, `bad_token`.
        code: ErrorCode,
    },
    /// A frame could not be read.
    Error {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for developers.
        message: String,
    },
}

/// What plays in one slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The receiving session.
    pub session: SessionId,
    /// Its slot.
    pub mid: Mid,
    /// The track; nothing stops the slot.
    pub track: Option<TrackRef>,
}

/// One published track, as a node knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrackRef {
    /// The publishing session.
    pub session: SessionId,
    /// Its section.
    pub mid: Mid,
}

/// What a node tells a Room object that it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeToRoom {
    /// The first frame of a socket; answered by `welcome` or `refused`.
    Hello {
        /// Who.
        node: NodeId,
        /// The assignment it serves.
        epoch: u64,
        /// Sessions that are open here, and whether their media is up.
        connected: Vec<SessionId>,
    },
    /// ICE and DTLS are done: media flows.
    SessionConnected {
        /// Which.
        session: SessionId,
    },
    /// A session ended by itself.
    SessionClosed {
        /// Which.
        session: SessionId,
        /// Why.
        end: SessionEnd,
    },
    /// How the recording goes here: `recording`, `storage_away`, or `failed` with a code.
    RecordingState {
        /// Which.
        recording: RecordingId,
        /// How.
        state: RecordingState,
        /// Why it failed.
        code: Option<ErrorCode>,
    },
    /// The node will stop: place the room anew, clients should move.
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
    /// The node is full.
    Refused,
}
