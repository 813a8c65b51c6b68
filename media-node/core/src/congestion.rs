//! Congestion control: arrival reports for publishers, and the rate of what clients are sent.

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
mod overflow;
pub mod overload;
mod probe;
mod rate;
pub mod remb;
mod reported;
pub mod reporter;
pub mod sent;
pub mod uplink;
