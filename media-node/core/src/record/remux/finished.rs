//! The end of a file.

/// Assumed, because no frame follows.
pub(super) const LAST_FRAME_MS: u64 = 20;

/// The result of building a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Replaces the first bytes of the file; `None` without a single frame, and then there is no file.
    pub header: Option<Vec<u8>>,
    /// The time of its first frame, on the clock of the parts.
    pub starts_ms: u64,
    pub duration_ms: u64,
}
