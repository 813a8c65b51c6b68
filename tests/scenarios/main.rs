//! Behaviours of a whole deployment, one a file: the real cores on a virtual clock.

mod arrivals;
mod chat;
mod congestion;
mod drain;
mod edge_restart;
mod forward;
mod hibernate;
mod join;
mod late_join;
mod leave;
mod loss;
mod mute;
mod node_lost;
mod partition;
mod relay;
mod reload;
mod repair;
mod roaming;
mod seeds;
mod slots;
mod slow_links;
