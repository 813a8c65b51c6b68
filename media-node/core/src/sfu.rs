//! One shard of a media node: datagrams, control messages and time in, datagrams and events out.

use crate::session::dtls::Identity;
use crate::stats::Stats;
use shared::control::{RoomToNode, SessionEnd};
use shared::{RoomId, SessionId};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// Something that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram of the shard's socket; it is decrypted where it lies.
    Datagram {
        /// Who sent it.
        from: SocketAddr,
        /// What it says.
        bytes: &'a mut [u8],
    },
    /// A Room object's message. The session inside the Fleet object's `assign` is one as well (`SetSession`).
    ///
    /// Frames that concern the control socket itself (`refused`, `error`) change nothing here.
    Control {
        /// Which room.
        room: RoomId,
        /// What it says.
        message: RoomToNode,
    },
    /// The time that [`Sfu::poll_timeout`] named has come.
    Deadline,
}

/// Something the room wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// ICE and DTLS are done: media flows.
    SessionConnected {
        /// Of which room.
        room: RoomId,
        /// Which.
        session: SessionId,
    },
    /// A session ended by itself.
    SessionClosed {
        /// Of which room.
        room: RoomId,
        /// Which.
        session: SessionId,
        /// Why.
        end: SessionEnd,
    },
}

/// Datagrams for one destination that lie back to back: one call with UDP GSO sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// All datagrams of the run.
    pub bytes: &'a [u8],
    /// Length of each datagram but the last, which may be shorter.
    pub segment_bytes: usize,
    /// How many datagrams there are; at least 1.
    pub segments: usize,
}

/// What a shard is made with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's certificate: one for all shards.
    pub identity: Identity,
    /// Drawn from the operating system by the shell, named by a test.
    pub seed: u64,
}

/// One shard: every session whose clients send to its UDP port.
///
/// The shell gives it everything that one read brought, then drains it:
/// ```text
/// for (from, bytes) in batch { sfu.handle_input(now, Input::Datagram { from, bytes }); }
/// while let Some(runs) = sfu.poll_transmits(now) { for run in runs { socket.send(run) } }
/// while let Some(output) = sfu.poll_output() { .. }
/// wait_until(sfu.poll_timeout());
/// ```
#[derive(Debug)]
pub struct Sfu {
    config: Config,
    outputs: VecDeque<Output>,
    stats: Stats,
}

impl Sfu {
    /// An empty shard.
    pub fn new(config: Config) -> Self {
        Self { config, outputs: VecDeque::new(), stats: Stats::default() }
    }

    /// Takes note of what happened. Datagrams that follow from it wait until [`Self::poll_transmits`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { from: _, bytes } => {
                self.stats.datagrams_in += 1;
                self.stats.bytes_in += bytes.len() as u64;
            }
            Input::Control { .. } | Input::Deadline => {}
        }
        let _ = (now, &self.config.identity);
    }

    /// The next event for a room.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Writes and seals what waits to be sent, as much as the arena takes; call it until it returns nothing.
    pub fn poll_transmits(&mut self, _now: Instant) -> Option<impl Iterator<Item = Run<'_>>> {
        None::<std::iter::Empty<Run<'_>>>
    }

    /// When to come back with [`Input::Deadline`], if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The sessions of a room whose media is up, as a `hello` says them.
    pub fn connected_sessions(&self, _room: &RoomId) -> Vec<SessionId> {
        Vec::new()
    }

    /// How many rooms have a session here.
    pub fn room_count(&self) -> usize {
        0
    }

    /// How many sessions are open.
    pub fn session_count(&self) -> usize {
        0
    }

    /// What was counted so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}
