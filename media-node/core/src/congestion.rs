//! Congestion control: what clients are told about the arrival of their packets, and how much they are sent.

mod acknowledged;
pub mod allocate;
pub mod arrivals;
pub mod bandwidth;
mod base;
mod capacity;
mod cluster;
pub mod controller;
mod delay;
pub mod limited;
mod loss;
pub mod overload;
mod probe;
mod rate;
mod reported;
pub mod sent;
pub mod uplink;
