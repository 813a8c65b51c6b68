//! The outgoing path: each round writes and seals packets per subscriber, and hands them over in runs.

use super::{Sfu, Timer};
use crate::egress::pacer;
use crate::egress::rounds::Egress;
use crate::egress::writing::{Cursor, Due, Writing};
use crate::ingress::stream::Subscriber;
use crate::keys::SessionKey;
use crate::session::Session;
use crate::stats::DropReason;
use std::time::Instant;

impl Sfu {
    /// False if there is nothing to send.
    pub(super) fn fill_arena(&mut self, now: Instant) -> bool {
        self.egress.is_urgent = false;
        self.egress.arena.clear();
        self.egress.write_waiting();
        if self.egress.sending_streams.is_empty() {
            self.begin_round(now);
        }
        self.write_round(now);
        let totals = self.egress.arena.totals();
        self.stats.datagrams_out += totals.datagrams as u64;
        self.stats.bytes_out += totals.bytes as u64;
        self.stats.runs_out += totals.runs as u64;
        totals.datagrams > 0
    }

    /// A stream's packets wait for the end of their frame, but not longer than this.
    pub(super) fn hold_until(&mut self, until: Instant) {
        let earliest = self.egress.held_until.map_or(until, |known| known.min(until));
        self.egress.held_until = Some(earliest);
    }

    /// Queues every packet whose hold time is over for each of its subscribers.
    fn begin_round(&mut self, now: Instant) {
        if self.egress.pending_streams.is_empty() {
            return;
        }
        let Self { streams, sessions, egress, .. } = self;
        let Egress { pending_streams, sending_streams, due_sessions, .. } = egress;
        pending_streams.retain(|key| {
            let Some(stream) = streams.get_mut(*key).filter(|stream| stream.has_pending()) else { return false };
            if stream.is_held(now) {
                return true;
            }
            stream.begin_sending(now);
            sending_streams.push(*key);
            for Subscriber { session, slot } in &stream.subscribers {
                let found = sessions.get_mut(*session);
                if found.is_some_and(|found| found.add_due(Due::Fresh { slot: *slot, stream: *key })) {
                    due_sessions.push(*session);
                }
            }
            false
        });
        let held = pending_streams.iter().filter_map(|key| streams.get(*key)?.held_until());
        egress.held_until = held.min();
    }

    /// Writes due packets until the arena is full or the round is over.
    fn write_round(&mut self, now: Instant) {
        let at = self.moment(now);
        while let Some(key) = self.egress.due_sessions.get(self.egress.next_session).copied() {
            if self.sessions.get(key).is_some_and(Session::has_moved) {
                self.follow_path(now, key);
            }
            let redundancy = self.sessions.get(key).map_or(0, |session| session.redundancy_depth(now));
            let mut writing = Writing {
                streams: &self.streams,
                arena: &mut self.egress.arena,
                stats: &mut self.stats,
                released: &mut self.egress.released,
                at,
                redundancy,
            };
            let session = self.sessions.get_mut(key);
            let is_done = session.is_none_or(|session| session.write_due(&mut self.egress.cursor, &mut writing));
            self.release(key);
            self.follow_pacer(now, key);
            if !is_done {
                return;
            }
            self.egress.cursor = Cursor::default();
            self.egress.next_session += 1;
        }
        self.egress.due_sessions.clear();
        self.egress.next_session = 0;
        while let Some(key) = self.egress.sending_streams.pop() {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.end_sending();
            }
        }
    }

    /// Schedules packets held by the pacer. If there are more than can leave in time, they are dropped, and their slots
    /// restart with the next key frame.
    fn follow_pacer(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key).filter(|session| session.pacer.has_held()) else { return };
        if !session.pacer.is_stuck() {
            if !self.deadlines.is_set(Timer::Pace(key)) {
                self.deadlines.set(Timer::Pace(key), Some(now + pacer::GRID));
            }
            return;
        }
        let mut last = None;
        for held in session.pacer.give_up() {
            self.stats.drop(DropReason::Paced);
            if last.replace((held.slot, held.stream)) == Some((held.slot, held.stream)) {
                continue;
            }
            if let Some(slot) = session.slots.get_mut(usize::from(held.slot)) {
                slot.begin_anew(held.stream);
                // It is paused if it still does not fit.
                if slot.overdrawn_since.is_some() {
                    slot.is_given_up = true;
                    continue;
                }
            }
            self.egress.abandoned.push(held.stream);
        }
        while let Some(stream) = self.egress.abandoned.pop() {
            self.want_keyframe(now, stream);
        }
    }

    /// Makes packets held by the pacer due.
    pub(super) fn send_held(&mut self, key: SessionKey) {
        if self.sessions.get_mut(key).is_some_and(|session| session.add_due(Due::Held)) {
            self.egress.due_sessions.push(key);
        }
    }

    /// Unsubscribes a slot that has switched to another stream from the previous one.
    fn release(&mut self, session: SessionKey) {
        while let Some((stream, slot)) = self.egress.released.pop() {
            self.unsubscribe(stream, Subscriber { session, slot });
        }
    }
}
