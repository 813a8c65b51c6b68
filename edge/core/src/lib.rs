//! The decisions of the edge, without I/O: rooms, the fleet, session descriptions.
//!
//! This crate contains state machines and pure functions over `shared`'s messages. Time is [`shared::UnixMillis`],
//! randomness a constructor argument, and storage a list of rows. It contains no clock, socket or Durable Object, and
//! nothing that can panic: in wasm a panic ends every object in the isolate.
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

pub mod connection_key;
pub mod door;
pub mod fleet;
pub mod issuers;
pub mod objects;
pub mod presign;
pub mod random;
pub mod rate_limit;
pub mod roles;
pub mod room;
pub mod secret;
pub mod session_description;
mod steps;
pub mod storage;
pub mod templates;
pub mod turnstile;

pub use random::Random;

/// One WebSocket of a Durable Object: a number of at most 2^53, unique in the object while the socket or its rows
/// exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SocketId(pub u64);

impl SocketId {
    /// The socket of a connection whose name is a [`random::id`].
    pub fn of_connection(name: &str) -> Self {
        // Ten letters of five bits fit 2^53.
        Self(name.bytes().take(10).fold(0, |number, letter| (number << 5) | u64::from(random::value(letter))))
    }
}
