//! The decisions of a media node, without I/O: transports, forwarding and feedback, driven by datagrams and time.
//!
//! Start at [`sfu::Sfu::handle_input`]. Sockets, threads and the clock belong to the shell in `media-node/src`.

pub mod codec;
pub mod congestion;
pub mod control;
pub mod deadlines;
pub mod demux;
pub mod egress;
pub mod framing;
pub mod ingress;
pub mod keys;
pub mod loudest;
pub mod packet;
pub mod path;
pub mod places;
pub mod probe;
pub mod quality;
pub use node_core::random;
pub mod record;
pub mod room;
pub mod rtcp;
pub mod rtp;
pub mod rtx;
pub mod session;
pub mod sfu;
pub mod slab;
pub mod stats;
pub mod stun;
pub mod tempo;
pub mod traced;
#[cfg(test)]
mod virtual_time;
