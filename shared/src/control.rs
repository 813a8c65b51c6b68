//! Control messages between a node and the edge: JSON text frames over WebSockets opened by the node.
//!
//! A node has one socket to its region's Fleet object and one to each Room object it serves. Messages that set state
//! are complete and idempotent.

mod fleet;
mod quality;
mod recording;
mod room;
mod welcome;

pub use fleet::{
    Assignment, FleetToNode, HostLoad, NodeLoad, NodeRegistration, NodeToFleet, ProbeCredential, Reach, ShardInfo,
    TurnRegistration,
};
pub use quality::{Grade, QualityLimit, QualityReport, SessionQuality, TrackQuality};
pub use recording::{
    RecordedParticipant, RecordedTrack, RecordingOrder, RecordingReport, RecordingVerdict, SegmentOutcome,
};
pub use room::{Forward, Microphones, NodeToRoom, RoomToNode, SessionEnd, TrackRef};
pub use welcome::{TooManyParts, WelcomeParts, chunks, divide_welcome};

use crate::error_code::ErrorCode;
use crate::json::{Document, Tagged};
use crate::limits;
use serde::Serialize;

/// The WebSocket sub-protocol of both kinds of control socket; it carries the protocol version.
pub const SUBPROTOCOL: &str = "rotunda-node.v1";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("the frame has {bytes} bytes; at most {} are allowed", limits::CONTROL_FRAME_BYTES_MAX)]
    TooLarge { bytes: usize },
    /// Not a JSON object with a `type`.
    #[error("the frame is not a JSON object with a type")]
    Malformed,
    /// An unknown `type`, or invalid fields.
    #[error("message {kind}: {detail}")]
    Invalid { kind: Box<str>, detail: Box<str> },
}

impl ControlError {
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::FrameTooLarge,
            Self::Malformed => ErrorCode::MalformedFrame,
            Self::Invalid { .. } => ErrorCode::InvalidMessage,
        }
    }
}

pub trait Message: Serialize + Tagged {
    /// Parses one text frame; its size is checked first.
    fn parse(text: &str) -> Result<Self, ControlError> {
        if text.len() > limits::CONTROL_FRAME_BYTES_MAX {
            return Err(ControlError::TooLarge { bytes: text.len() });
        }
        let document = Document::parse(text).map_err(|_| ControlError::Malformed)?;
        let kind = document.reader().field("type").ok().flatten().and_then(|kind| kind.as_text());
        let kind = kind.ok_or(ControlError::Malformed)?;
        document.message().map_err(|error| ControlError::Invalid {
            kind: kind.chars().take(32).collect(),
            detail: error.to_string().into(),
        })
    }

    #[must_use]
    fn to_json(&self) -> String {
        // Strings, numbers and lists of them always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Message for NodeToFleet {}
impl Message for FleetToNode {}
impl Message for NodeToRoom {}
impl Message for RoomToNode {}
impl Message for SegmentOutcome {}
impl Message for RecordingVerdict {}

#[cfg(test)]
mod tests;
