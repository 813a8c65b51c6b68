//! Recording: published media becomes WebM, or MP4 for H.264, without any decoding.
//!
//! On the shard a [`tap::Tap`] copies packets into a bounded batch. Everything else happens on another thread: a
//! [`segment::Segment`] reorders packets ([`reorder`]), assembles frames ([`assemble`]), both on the room's clock
//! ([`clock`]), and writes frames into parts ([`webm`], [`mp4`]). At the end [`remux`] builds playable files from
//! parts, and [`timeline`] one manifest from those of all segments.

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
