//! The decisions of both native nodes about their control sockets, without I/O: when to dial, what to say first, what
//! a lost socket means.
//!
//! `media-node/core` builds on it for the sockets to rooms. `shared/node-shell` opens the sockets.

pub mod backoff;
pub mod line;
pub mod membership;
pub mod random;
pub mod renewal;
