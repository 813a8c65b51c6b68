//! The subscribers' side: one continuous stream for each slot, repaired and sealed.

pub mod arena;
pub mod config;
pub mod outgoing;
pub mod pacer;
pub mod probing;
pub mod redundancy;
pub mod rewrite;
pub mod rounds;
pub mod slot;
mod slowed;
mod template;
pub mod throttle;
pub mod undecodable;
pub mod writing;
