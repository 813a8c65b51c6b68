//! What forwarding must know of the codecs' RTP payload formats.

pub mod opus;
pub mod red;
pub mod vp8;
