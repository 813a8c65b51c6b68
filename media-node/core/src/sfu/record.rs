//! Which tracks are copied for the recorder, and the copying.

use super::Sfu;
use crate::keys::{RoomKey, SessionKey, TrackKey};
use crate::record::tap::Taken;
use shared::RoomId;
use shared::control::{RecordingOrder, TrackRef};
use std::time::Instant;

impl Sfu {
    /// Sets what is copied of a room.
    pub(super) fn set_recording(&mut self, now: Instant, id: &RoomId, order: Option<&RecordingOrder>) {
        let Some(key) = self.rooms_by_id.get(id).copied() else { return };
        let Some(room) = self.rooms.get_mut(key) else { return };
        let participants = order.into_iter().flat_map(|order| &order.participants);
        let wanted = participants.flat_map(|participant| &participant.tracks).map(|track| track.track.clone());
        room.recorded = wanted.collect();
        self.open_taps(now, key);
    }

    /// Tracks that are to be copied get a number, those that are not lose it.
    pub(super) fn open_taps(&mut self, now: Instant, key: RoomKey) {
        let Some(room) = self.rooms.get(key) else { return };
        let mut opened = Vec::new();
        for (reference, track_key) in room.tracks() {
            let Some(track) = self.tracks.get_mut(track_key) else { continue };
            match (track.tap, room.recorded.contains(reference)) {
                (None, true) => {
                    track.tap = Some(self.tap.open(&room.id, reference));
                    opened.push(track_key);
                }
                (Some(_), false) => track.tap = None,
                (None, false) | (Some(_), true) => {}
            }
        }
        for track in opened {
            self.want_keyframe(now, track);
        }
    }

    /// The recorder cannot go on with a track without a key frame, or wants one so that a player can jump there.
    pub fn want_recorded_keyframe(&mut self, now: Instant, room: &RoomId, track: &TrackRef) {
        let room = self.rooms_by_id.get(room).and_then(|key| self.rooms.get(*key));
        if let Some(track) = room.and_then(|room| room.track(track)) {
            self.want_keyframe(now, track);
        }
    }

    /// Copies the packets that a track has just taken in.
    pub(super) fn copy_fresh(&mut self, now: Instant, session: SessionKey, track: TrackKey) {
        let Some(track) = self.tracks.get(track) else { return };
        let Some(tap) = track.tap else { return };
        let session = self.sessions.get(session);
        for packet in track.fresh() {
            let captured = session.and_then(|session| track.captured(packet.facts.timestamp, &session.clock_offset));
            let taken = Taken {
                tap,
                index: packet.facts.index,
                timestamp: packet.facts.timestamp,
                marker: packet.facts.marker,
                received_us: self.clock.at(now).unix_micros(),
                captured_us: captured.map(|at| at.unix_micros()),
                payload: 0..0,
            };
            if self.tap.take(taken, packet.payload) {
                self.stats.recorded += 1;
            } else {
                self.stats.record_overflows += 1;
            }
        }
    }
}
