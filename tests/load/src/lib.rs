//! What loads and benchmarks a media node: a stand-in for the edge, and clients with real ICE, DTLS and SRTP.

pub mod client;
pub mod clock;
pub mod local_edge;
pub mod node;
pub mod parameters;
pub mod process;
pub mod publisher;
pub mod shape;
pub mod sink;
