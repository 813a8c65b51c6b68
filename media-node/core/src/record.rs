//! Recording: what a room publishes becomes WebM, without decoding anything.
//!
//! On the shard a [`tap::Tap`] copies packets into a bounded batch. Everything else happens on another thread: what
//! follows puts packets in order ([`reorder`]), frames together ([`assemble`]), both on the room's clock ([`clock`]), and frames into parts
//! ([`webm`]).

pub mod assemble;
pub mod clock;
pub mod limits;
pub mod reorder;
pub mod tap;
pub mod webm;
