//! Clients over TCP (RFC 6544, framed as in RFC 4571), for networks that let out no UDP.
//!
//! One port serves all shards. The [`Entrance`] accepts connections on a thread of its own, reads the first check, and
//! hands the connection to the shard whose session it names. From there on [`Connections`] moves the datagrams on the
//! shard's thread, which never waits for a client.

mod closing;
mod connection;
mod connections;
mod entrance;
mod limits;
mod place;
#[cfg(test)]
mod tests;

pub(crate) use closing::Closing;
pub(crate) use connections::{Connections, StreamReport};
pub(crate) use entrance::{Arrival, Entrance, Refusal};
