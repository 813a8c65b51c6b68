//! What the edge decides, without I/O: the room, the fleet, session descriptions.
//!
//! May be here: state machines and pure functions over `shared`'s messages. Time is [`shared::UnixMillis`], randomness a function that the
//! constructor takes, storage a list of rows that goes out and comes back.
//! May not be here: a clock, a socket, a Durable Object, and nothing that can panic: in wasm one panic ends every object of the isolate.
//! Builds for wasm32 and native targets.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::string_slice))]

pub mod door;
pub mod fleet;
pub mod objects;
pub mod presign;
pub mod random;
pub mod rate_limit;
pub mod room;
pub mod secret;
pub mod session_description;
mod steps;
pub mod storage;
pub mod turnstile;

pub use random::Random;

/// One WebSocket of a Durable Object: any number that no other socket of the object has while it or its rows live, at most 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SocketId(pub u64);
