//! Signaling between a client and the edge: JSON text frames over a WebSocket.
//!
//! The WebSocket sub-protocol ([`SUBPROTOCOL`]) is the version; the token travels as a second sub-protocol
//! ([`TOKEN_SUBPROTOCOL_PREFIX`]) and is never echoed. Every client frame may carry an `id`; the answer has the same
//! number in `in_reply_to`. Every request is answered: by its own reply, by `done`, or by `error`.

mod audit;
mod ban;
mod call_state;
mod client_to_edge;
mod conversation;
mod edge_to_client;
mod guest;
mod peer;
mod recording;
mod room_change;
mod room_rules;
mod room_state;
mod video_limit;

pub use audit::{ActInfo, ActKind};
pub use ban::{BanInfo, BanTerm};
pub use call_state::{CallEnd, CallInfo, CallState, TRANSITIONS, Transition};
pub use client_to_edge::{ClientFrame, ClientToEdge, FrameError, NegotiateReason, ParticipantChange, TrackIntent};
pub use conversation::{ChatMessage, Reaction};
pub use edge_to_client::{Departure, EdgeToClient, IceServer, LeaveReason, RosterDifference};
pub use guest::GuestInfo;
pub use peer::{PeerCandidate, PeerSignal, PeerSignalKind};
pub use recording::{RecordingFile, RecordingInfo, RecordingState};
pub use room_change::RoomChange;
pub use room_rules::{Duplicates, Features, QualityProfile, RoomType};
pub use room_state::{ConnectionState, DirectInfo, ParticipantInfo, RoomInfo, SlotInfo, TrackInfo, TrackSource};
pub use video_limit::{EstimateReason, VideoLimit};

/// The WebSocket sub-protocol; it carries the version of everything in this module.
pub const SUBPROTOCOL: &str = "rotunda.v1";
/// Precedes the join token in `Sec-WebSocket-Protocol`.
pub const TOKEN_SUBPROTOCOL_PREFIX: &str = "token.";
/// Precedes a resume secret, in place of a join token.
pub const RESUME_SUBPROTOCOL_PREFIX: &str = "resume.";
/// Keeps a client's socket alive; answered without waking the room.
pub const PING: &str = "ping";
/// The answer to [`PING`].
pub const PONG: &str = "pong";

/// WebSocket close codes (RFC 6455 §7.4) that clients act on.
pub mod close_code {
    /// The client left, or the conversation is complete.
    pub const NORMAL: u16 = 1000;
    /// The client's page was closed or reloaded; browsers send this automatically (RFC 6455 §7.4.1).
    pub const GOING_AWAY: u16 = 1001;
    /// Refused; the previous frame contains the reason.
    pub const POLICY: u16 = 1008;
    /// An internal error: reconnect.
    pub const INTERNAL: u16 = 1011;
    /// Removed from the room (kicked, replaced, room closed): do not reconnect automatically.
    pub const REMOVED: u16 = 4001;
    /// The client's page is in the browser's back/forward cache. Pages may not send [`GOING_AWAY`].
    pub const PAGE_HIDDEN: u16 = 4002;

    /// True for codes that a page sends when it is closed or hidden; a lost connection has another code.
    #[must_use]
    pub fn is_page_gone(code: usize) -> bool {
        [GOING_AWAY, PAGE_HIDDEN].map(usize::from).contains(&code)
    }
}

#[cfg(test)]
mod tests;
