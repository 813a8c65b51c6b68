//! The publishers' side: each stream is received once, repaired, kept for a while and queued for its subscribers.

pub mod cache;
pub mod keyframe;
pub mod missing;
mod queue;
pub mod rate;
pub mod receive;
mod reordering;
pub mod stream;
pub mod thinning;
pub mod track;
pub mod voice;
pub mod wanted;
