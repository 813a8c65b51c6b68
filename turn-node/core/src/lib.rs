//! A TURN server (RFC 8656, RFC 6062) without I/O: messages in, answers and routes out.
//!
//! Start at [`TurnServer`]. Nothing here knows about sockets, threads or a clock. Data is never copied: the server
//! tells the caller where to send the bytes it holds.

pub mod allocation;
mod answer_limit;
pub mod auth;
pub mod budget;
pub mod connection;
pub mod counters;
pub mod flow;
pub mod limits;
pub mod message;
mod output;
pub mod peer_policy;
pub mod pool;
mod relay_opened;
mod request;
pub mod server;
pub mod stream;

pub use allocation::{AllocationId, Transport};
pub use connection::ConnectionId;
pub use output::{Framing, Output, ToClient, ToPeer};
pub use relay_opened::RelayOpened;
pub use server::{Config, FiveTuple, Now, TurnServer};
