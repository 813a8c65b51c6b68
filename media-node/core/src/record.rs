//! Recording: what a room publishes becomes WebM, or MP4 where it is H.264, without decoding anything.
//!
//! On the shard a [`tap::Tap`] copies packets into a bounded batch. Everything else happens on another thread: a [`segment::Segment`]
//! puts packets in order ([`reorder`]), frames together ([`assemble`]), both on the room's clock ([`clock`]), and frames into parts
//! ([`webm`], [`mp4`]). At the end [`remux`] makes playable files out of parts, and [`timeline`] one manifest out of those of all segments.

pub mod assemble;
pub mod clock;
pub mod limits;
pub mod mp4;
pub mod remux;
pub mod reorder;
pub mod room_clock;
pub mod segment;
pub mod tap;
pub mod timeline;
pub mod webm;
