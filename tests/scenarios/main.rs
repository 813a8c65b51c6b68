//! Behaviours of a whole deployment, one per file: the real cores on a virtual clock.

mod arrivals;
mod bad_links;
mod chat;
mod congestion;
mod drain;
mod edge_restart;
mod forward;
mod full_node;
mod handover;
mod hibernate;
mod join;
mod late_join;
mod leave;
mod loss;
mod mute;
mod node_control;
mod node_lost;
mod partition;
mod relay;
mod reload;
mod repair;
mod roaming;
mod seeds;
mod slots;
mod slow_links;
mod viewing;
