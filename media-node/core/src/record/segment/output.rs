//! The output of a segment, and the facts that all its streams need for it.

use shared::control::TrackRef;
use shared::manifest::Row;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A part is complete; its row follows.
    Part {
        key: String,
        bytes: Vec<u8>,
    },
    Row(Row),
    /// A track cannot continue without a key frame, or has had none for long.
    WantKeyframe(TrackRef),
}

/// Common to all streams of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base<'a> {
    pub(super) started_us: i64,
    pub(super) parts_prefix: &'a str,
}

/// Times before the start count as the start.
pub(super) fn millis(us: i64) -> u64 {
    u64::try_from(us / 1_000).unwrap_or(0)
}
