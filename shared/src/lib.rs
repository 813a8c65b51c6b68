//! What two Rotunda programs read: ids, limits, time, error codes, signaling and control messages, RTP parameters, tokens.
//!
//! May be here: types that cross a wire, their validation, and bounds that more than one program obeys.
//! May not be here: I/O, a clock (`now` is an argument), randomness, anything only one program needs.
//! Builds for wasm32 and native targets.

pub mod control;
pub mod error_code;
pub mod ids;
pub mod limits;
pub mod rtp_parameters;
pub mod signal;
pub mod time;
pub mod token;
#[cfg(feature = "typescript")]
pub mod typescript;

pub use error_code::ErrorCode;
pub use ids::{AttemptId, Mid, NodeId, ParticipantId, Region, RoomId, SessionId, TrackId};
pub use time::UnixMillis;
