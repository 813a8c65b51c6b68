//! A room on this shard: its sessions, the tracks they publish, and by which name each is found.

use crate::forward::SourceNumber;
use crate::session::Session;
use crate::slab::Key;
use crate::track::Track;
use shared::control::TrackRef;
use shared::{RoomId, SessionId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub struct Room {
    /// How the edge names it.
    pub id: RoomId,
    pub sessions: BTreeMap<SessionId, Key<Session>>,
    /// Which of its tracks are recorded, as far as they are here.
    pub recorded: BTreeSet<TrackRef>,
    tracks: BTreeMap<TrackRef, Key<Track>>,
    /// By contributing source, to find what a slot was once filled with.
    sources: BTreeMap<SourceNumber, Key<Track>>,
}

impl Room {
    pub fn new(id: RoomId) -> Self {
        Self {
            id,
            sessions: BTreeMap::new(),
            recorded: BTreeSet::new(),
            tracks: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }

    /// The track with this name.
    pub fn track(&self, reference: &TrackRef) -> Option<Key<Track>> {
        self.tracks.get(reference).copied()
    }

    pub fn tracks(&self) -> impl Iterator<Item = (&TrackRef, Key<Track>)> {
        self.tracks.iter().map(|(reference, key)| (reference, *key))
    }

    /// The track with this number.
    pub fn track_by_source(&self, source: SourceNumber) -> Option<Key<Track>> {
        self.sources.get(&source).copied()
    }

    /// Makes a track known. Of two with one number, the newer is found by it.
    pub fn add_track(&mut self, reference: TrackRef, source: SourceNumber, key: Key<Track>) {
        self.tracks.insert(reference, key);
        self.sources.insert(source, key);
    }

    /// Forgets a track.
    pub fn remove_track(&mut self, reference: &TrackRef, source: SourceNumber, key: Key<Track>) {
        if self.track(reference) == Some(key) {
            self.tracks.remove(reference);
        }
        if self.track_by_source(source) == Some(key) {
            self.sources.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::Mid;

    #[test]
    fn of_two_tracks_with_one_number_the_newer_is_found_and_stays_when_the_older_goes() {
        let (old, new) = (Key::numbered(0), Key::numbered(1));
        let reference = |session: &str| TrackRef {
            session: SessionId::parse(session).expect("an id"),
            mid: Mid::parse("0").expect("a mid"),
        };
        let mut room = Room::new(RoomId::parse("r").expect("an id"));
        room.add_track(reference("a"), SourceNumber(7), old);
        room.add_track(reference("b"), SourceNumber(7), new);
        assert_eq!(room.track_by_source(SourceNumber(7)), Some(new));
        room.remove_track(&reference("a"), SourceNumber(7), old);
        assert_eq!((room.track(&reference("a")), room.track(&reference("b"))), (None, Some(new)));
        assert_eq!(room.track_by_source(SourceNumber(7)), Some(new));
    }
}
