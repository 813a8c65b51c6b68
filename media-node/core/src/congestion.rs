//! Congestion control: what clients are told about the arrival of their packets, so that they know how much to send.

pub mod arrivals;
