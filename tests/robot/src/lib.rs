//! A complete client without a browser, on the crate `webrtc`: joins a room through the edge, publishes encoded files,
//! receives others' media.
//!
//! Usable for tests, file publishers and AI participants. Start at [`Robot::join`]; [`Arrival`] does the same in
//! stages.

mod arrival;
pub mod media_file;
mod peer;
mod publisher;
mod receiver;
mod renewal;
mod robot;
mod signaling;

pub use arrival::{Admission, Arrival, Refused, relays_over_udp};
pub use media_file::{Frame, MediaFile, VideoCodec};
pub use publisher::Publisher;
pub use receiver::ReceivedFrame;
pub use robot::{Event, Options, Robot};
pub use signaling::Signaling;
