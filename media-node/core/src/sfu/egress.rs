//! The way out: what one read brought is written per subscriber, sealed, and handed over in runs.

use super::Sfu;
use crate::egress::arena::Arena;
use crate::egress::writing::{Cursor, Due, Writing};
use crate::ingress::track::Subscriber;
use crate::keys::{SessionKey, TrackKey};
use crate::stats::{DropReason, Stats};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// Most datagrams besides media (answers to checks, handshakes, reports) that wait to be sent.
const WAITING_MAX: usize = 8_192;

/// What waits to be sent, and where it is written.
#[derive(Debug, Default)]
pub(super) struct Egress {
    pub(super) arena: Arena,
    /// Datagrams besides media.
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Tracks with packets that came since the last round.
    pub(super) pending_tracks: Vec<TrackKey>,
    /// Tracks whose packets this round sends.
    sending_tracks: Vec<TrackKey>,
    /// Sessions that something is due for, and how far the round is.
    pub(super) due_sessions: Vec<SessionKey>,
    next_session: usize,
    cursor: Cursor,
    released: Vec<(TrackKey, u16)>,
    /// When the first track whose packets wait for the end of their frame has waited long enough.
    pub(super) held_until: Option<Instant>,
    /// A track's packets are to be sent before more are taken in.
    pub(super) is_urgent: bool,
}

impl Egress {
    /// Lets a datagram besides media wait.
    pub(super) fn send(&mut self, stats: &mut Stats, to: SocketAddr, datagram: Vec<u8>) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((to, datagram));
        } else {
            stats.drop(DropReason::Overflow);
        }
    }

    fn write_waiting(&mut self) {
        while self.arena.has_room() {
            let Some((to, datagram)) = self.waiting.pop_front() else { return };
            if let Some(free) = self.arena.free().get_mut(..datagram.len()) {
                free.copy_from_slice(&datagram);
                self.arena.push(to, datagram.len());
            }
        }
    }
}

impl Sfu {
    /// Fills the arena; false if there is nothing to send.
    pub(super) fn fill_arena(&mut self, now: Instant) -> bool {
        self.egress.is_urgent = false;
        self.egress.arena.clear();
        self.egress.write_waiting();
        if self.egress.sending_tracks.is_empty() {
            self.begin_round(now);
        }
        self.write_round(now);
        let totals = self.egress.arena.totals();
        self.stats.datagrams_out += totals.datagrams as u64;
        self.stats.bytes_out += totals.bytes as u64;
        self.stats.runs_out += totals.runs as u64;
        totals.datagrams > 0
    }

    /// A track's packets wait for the end of their frame, but not longer than this.
    pub(super) fn hold_until(&mut self, until: Instant) {
        let earliest = self.egress.held_until.map_or(until, |known| known.min(until));
        self.egress.held_until = Some(earliest);
    }

    /// Everything that came and need not wait longer becomes due for those who take it.
    fn begin_round(&mut self, now: Instant) {
        if self.egress.pending_tracks.is_empty() {
            return;
        }
        let Self { tracks, sessions, egress, .. } = self;
        let Egress { pending_tracks, sending_tracks, due_sessions, .. } = egress;
        pending_tracks.retain(|key| {
            let Some(track) = tracks.get_mut(*key).filter(|track| track.has_pending()) else { return false };
            if track.is_held(now) {
                return true;
            }
            track.begin_sending(now);
            sending_tracks.push(*key);
            for Subscriber { session, slot } in &track.subscribers {
                let found = sessions.get_mut(*session);
                if found.is_some_and(|found| found.add_due(Due::Fresh { slot: *slot, track: *key })) {
                    due_sessions.push(*session);
                }
            }
            false
        });
        let held = pending_tracks.iter().filter_map(|key| tracks.get(*key)?.held_until());
        egress.held_until = held.min();
    }

    /// Writes what is due until the arena is full or the round is over.
    fn write_round(&mut self, now: Instant) {
        let at = self.moment(now);
        while let Some(key) = self.egress.due_sessions.get(self.egress.next_session).copied() {
            let redundancy = self.sessions.get(key).map_or(0, |session| session.redundancy.depth(now));
            let mut writing = Writing {
                tracks: &self.tracks,
                arena: &mut self.egress.arena,
                stats: &mut self.stats,
                released: &mut self.egress.released,
                at,
                redundancy,
            };
            let session = self.sessions.get_mut(key);
            let is_done = session.is_none_or(|session| session.write_due(&mut self.egress.cursor, &mut writing));
            self.release(key);
            if !is_done {
                return;
            }
            self.egress.cursor = Cursor::default();
            self.egress.next_session += 1;
        }
        self.egress.due_sessions.clear();
        self.egress.next_session = 0;
        while let Some(key) = self.egress.sending_tracks.pop() {
            if let Some(track) = self.tracks.get_mut(key) {
                track.end_sending();
            }
        }
    }

    /// Slots that another track has taken over no longer take the one before.
    fn release(&mut self, session: SessionKey) {
        while let Some((track, slot)) = self.egress.released.pop() {
            self.unsubscribe(track, Subscriber { session, slot });
        }
    }
}
