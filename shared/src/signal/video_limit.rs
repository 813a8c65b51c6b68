//! The reason why a client gets less video than its tile could show.

use crate::ids::Mid;
use serde::{Deserialize, Serialize};

/// One receive slot for whose video the client's downlink is too slow. The figures were measured when the message was
/// sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct VideoLimit {
    pub mid: Mid,
    /// Bits per second of the largest layer that the tile could show.
    pub wanted_bps: u32,
    /// Bits per second of the layer that plays; null while the video is paused.
    pub given_bps: Option<u32>,
}
