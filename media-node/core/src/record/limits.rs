//! The recorder's limits, with their reasons.

use std::time::Duration;

/// Longest part, and thus the most that a killed process loses.
pub const PART_MS_MAX: u64 = 5_000;
/// Largest part: 5 s of 6 Mbit/s; a part is held in memory until it is sealed.
pub const PART_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Time for which a packet waits for an earlier one: NACKs and retransmissions take a few round trips.
pub const REORDER_HOLD: Duration = Duration::from_millis(1_000);
/// Most packets of a track that wait for an earlier one: 1 s of 4 Mbit/s.
pub const REORDER_PACKETS_MAX: usize = 512;
/// Largest frame: a key frame of a large screen in VP8.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most entries of one batch that leaves the shard: as many as a few reads of the socket bring.
pub const BATCH_PACKETS_MAX: usize = 2_048;
/// Most payload of one batch.
pub const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Most rows of a segment's manifest; 12 hours of 64 publishers with a part every 5 s need most of them.
pub const ROWS_MAX: usize = 2_000_000;
/// Interval of requested key frames, so that a player can seek close to any position.
pub const KEYFRAME_INTERVAL_MS: u64 = 20_000;
/// Losses closer to each other than this are one gap.
pub const GAP_MERGE_MS: u64 = 1_000;
