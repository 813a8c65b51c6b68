//! Loads and benchmarks nodes: a stand-in for the edge, clients with real ICE, DTLS and SRTP, and clients of a TURN
//! server.

pub mod client;
pub mod clock;
pub mod crowd;
pub mod janus;
pub mod local_edge;
pub mod node;
pub mod parameters;
pub mod plain_relay;
pub mod process;
pub mod publisher;
pub mod relay;
pub mod relayed;
pub mod reporter;
pub mod rounds;
pub mod shape;
pub mod sink;
pub mod stopwatch;
pub mod stream;
pub mod veth;
