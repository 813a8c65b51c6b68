//! The state of the outgoing path: waiting output, and the progress of the current round.

use super::arena::Arena;
use super::writing::Cursor;
use crate::keys::{SessionKey, StreamKey};
use crate::path::Path;
use crate::stats::{DropReason, Stats};
use std::collections::VecDeque;
use std::time::Instant;

/// Most waiting datagrams besides media (responses to checks, handshakes, reports).
const WAITING_MAX: usize = 8_192;

/// Waiting output, and the memory for writing it.
#[derive(Debug, Default)]
pub struct Egress {
    pub arena: Arena,
    /// Responses to checks, handshakes and reports.
    pub waiting: VecDeque<(Path, Vec<u8>)>,
    /// Streams with packets since the last round.
    pub pending_streams: Vec<StreamKey>,
    /// Streams whose packets this round sends.
    pub sending_streams: Vec<StreamKey>,
    /// Sessions with due packets, and the progress of the round.
    pub due_sessions: Vec<SessionKey>,
    pub next_session: usize,
    pub cursor: Cursor,
    pub released: Vec<(StreamKey, u16)>,
    /// Streams whose packets a pacer has dropped.
    pub abandoned: Vec<StreamKey>,
    /// The first time at which a stream's packets have waited long enough for the end of their frame.
    pub held_until: Option<Instant>,
    /// True if a stream's packets must be sent before more are accepted.
    pub is_urgent: bool,
}

impl Egress {
    /// Queues a datagram that is no media.
    pub fn send(&mut self, stats: &mut Stats, to: Path, datagram: Vec<u8>) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((to, datagram));
        } else {
            stats.drop(DropReason::Overflow);
        }
    }

    pub fn write_waiting(&mut self) {
        while self.arena.has_room() {
            let Some((to, datagram)) = self.waiting.pop_front() else { return };
            if let Some(free) = self.arena.free().get_mut(..datagram.len()) {
                free.copy_from_slice(&datagram);
                self.arena.push(to, datagram.len());
            }
        }
    }
}
