//! A room on this shard: its sessions, its published tracks, and their names.

use crate::keys::{SessionKey, TrackKey};
use crate::loudest::Microphones;
use shared::control::TrackRef;
use shared::{RoomId, SessionId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub struct Room {
    pub id: RoomId,
    pub sessions: BTreeMap<SessionId, SessionKey>,
    /// Recorded tracks that exist here.
    pub recorded: BTreeSet<TrackRef>,
    /// Only while the room has more open microphones than a client has slots.
    pub microphones: Option<Microphones>,
    tracks: BTreeMap<TrackRef, TrackKey>,
}

impl Room {
    pub fn new(id: RoomId) -> Self {
        Self { id, sessions: BTreeMap::new(), recorded: BTreeSet::new(), microphones: None, tracks: BTreeMap::new() }
    }

    pub fn track(&self, reference: &TrackRef) -> Option<TrackKey> {
        self.tracks.get(reference).copied()
    }

    pub fn tracks(&self) -> impl Iterator<Item = (&TrackRef, TrackKey)> {
        self.tracks.iter().map(|(reference, key)| (reference, *key))
    }

    pub fn add_track(&mut self, reference: TrackRef, key: TrackKey) {
        self.tracks.insert(reference, key);
    }

    /// Removes a track, unless another has taken its name.
    pub fn remove_track(&mut self, reference: &TrackRef, key: TrackKey) {
        if self.track(reference) == Some(key) {
            self.tracks.remove(reference);
        }
    }
}
