//! An index of all published tracks, derived from the members, so that the cost of an input depends only on what it
//! changes.

use super::Room;
use super::candidates::{Candidate, Candidates};
use super::track::Track;
use shared::control::TrackRef;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use shared::{ParticipantId, SessionId, TrackId};
use std::collections::{BTreeMap, BTreeSet};

pub(super) type Publishers = BTreeMap<ParticipantId, Publisher>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publisher {
    order: u64,
    session: SessionId,
    /// The session's assignment.
    epoch: Option<u64>,
    tracks: Vec<Track>,
}

/// A track that a node may forward.
pub(super) struct Source {
    pub(super) epoch: Option<u64>,
    pub(super) track: TrackRef,
    pub(super) source: TrackSource,
}

/// The changes to published tracks caused by this input.
#[derive(Debug, Default)]
pub(super) struct Republished {
    pub(super) tracks_changed: bool,
    pub(super) toggled: Vec<Toggled>,
    /// Tracks whose origin, or whose permission to be forwarded, has changed.
    pub(super) moved: BTreeSet<TrackId>,
}

/// A track that was muted or unmuted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toggled {
    pub(super) track: TrackId,
    pub(super) kind: MediaKind,
    pub(super) muted: bool,
}

impl Publisher {
    /// The origin of a track; `None` if nodes must not forward it.
    pub(super) fn source(&self, track: &TrackId) -> Option<Source> {
        let track = self.tracks.iter().find(|known| known.id == *track && !known.silenced)?;
        let reference = TrackRef { session: self.session.clone(), mid: track.mid.clone() };
        Some(Source { epoch: self.epoch, track: reference, source: track.source })
    }

    /// Whether a track comes to nodes as it does of another of our states.
    fn gives_alike(&self, before: &Self, track: &Track, as_before: &Track) -> bool {
        let path = |publisher: &Self, track: &Track| {
            (!track.silenced).then(|| (publisher.epoch, publisher.session.clone(), track.mid.clone()))
        };
        path(self, track) == path(before, as_before)
    }
}

impl Republished {
    fn compare(&mut self, before: Option<&Publisher>, now: Option<&Publisher>) {
        let (before, now) = match (before, now) {
            (Some(before), Some(now)) => (before, now),
            (None, None) => return,
            (Some(_), None) | (None, Some(_)) => {
                self.tracks_changed = true;
                return;
            }
        };
        let ids = |publisher: &Publisher| publisher.tracks.iter().map(|track| track.id.clone()).collect::<Vec<_>>();
        self.tracks_changed |= before.order != now.order || ids(before) != ids(now);
        for track in &now.tracks {
            // A track that was not there before plays in no slot yet.
            let Some(as_before) = before.tracks.iter().find(|known| known.id == track.id) else { continue };
            if (as_before.muted, as_before.opened()) != (track.muted, track.opened()) {
                let (kind, muted) = (track.kind(), track.muted);
                self.toggled.push(Toggled { track: track.id.clone(), kind, muted });
            }
            if !now.gives_alike(before, track, as_before) {
                self.moved.insert(track.id.clone());
            }
        }
    }
}

impl Room {
    /// Rebuilds the index after hibernation.
    pub(super) fn all_publishers(&self) -> Publishers {
        self.members.keys().filter_map(|id| Some((id.clone(), self.publisher(id)?))).collect()
    }

    /// Updates the index and returns the changes.
    pub(super) fn note_published(&mut self) -> Republished {
        let of_session = |id| Some(self.sessions.get(id)?.participant.clone());
        let of_sessions = self.sessions.changed().iter().filter_map(of_session);
        let touched: BTreeSet<ParticipantId> = self.members.changed().iter().cloned().chain(of_sessions).collect();
        let mut republished = Republished::default();
        for participant in touched {
            let now = self.publisher(&participant);
            republished.compare(self.publishers.get(&participant), now.as_ref());
            match now {
                Some(now) => drop(self.publishers.insert(participant, now)),
                None => drop(self.publishers.remove(&participant)),
            }
        }
        republished
    }

    fn publisher(&self, participant: &ParticipantId) -> Option<Publisher> {
        let member = self.members.get(participant).filter(|member| !member.tracks.is_empty())?;
        let epoch = self.sessions.get(&member.session).and_then(|session| session.epoch);
        Some(Publisher { order: member.order, session: member.session.clone(), epoch, tracks: member.tracks.clone() })
    }

    pub(super) fn candidates(&self) -> Candidates<'_> {
        let mut publishers: Vec<_> = self.publishers.iter().collect();
        publishers.sort_by_key(|(_, publisher)| publisher.order);
        let mut candidates = Candidates::default();
        for (participant, publisher) in publishers {
            publisher.tracks.iter().for_each(|track| candidates.push(Candidate { participant, track }));
        }
        candidates
    }
}
