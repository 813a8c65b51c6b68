//! Why a client is sent less of a picture than its tile could show.

use crate::ids::Mid;
use serde::{Deserialize, Serialize};

/// One receive slot whose video the client's downlink is too slow for. What was measured is of the moment of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct VideoLimit {
    pub mid: Mid,
    /// Bits per second of the largest layer that its tile could show.
    pub wanted_bps: u32,
    /// Bits per second of the layer that plays; null while the video is paused.
    pub given_bps: Option<u32>,
}
