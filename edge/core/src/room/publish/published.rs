//! An index of all published tracks, derived from the members, so that the cost of an input depends only on what it
//! changes.

use crate::room::state::State;
use crate::room::state::tracks::Track;
use shared::control::TrackRef;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use shared::sorted::{SortedMap, SortedSet};
use shared::{ParticipantId, SessionId, TrackId};

pub(crate) type Publishers = SortedMap<ParticipantId, Publisher>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publisher {
    pub(crate) order: u64,
    pub(crate) session: SessionId,
    pub(crate) epoch: Option<u64>,
    pub(crate) tracks: Vec<Track>,
}

pub(crate) struct Source {
    pub(crate) epoch: Option<u64>,
    pub(crate) track: TrackRef,
    pub(crate) source: TrackSource,
}

#[derive(Debug, Default)]
pub(crate) struct Republished {
    pub(crate) tracks_changed: bool,
    pub(crate) toggled: Vec<Toggled>,
    /// Tracks whose origin, or whose permission to be forwarded, has changed.
    pub(crate) moved: SortedSet<TrackId>,
}

/// A track that was muted or unmuted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toggled {
    pub(crate) track: TrackId,
    pub(crate) kind: MediaKind,
    pub(crate) muted: bool,
}

impl Publisher {
    /// The origin of a track; `None` if nodes must not forward it.
    pub(crate) fn source(&self, track: &TrackId) -> Option<Source> {
        let track = self.tracks.iter().find(|known| known.id == *track && !known.silenced)?;
        let reference = TrackRef { session: self.session.clone(), mid: track.mid.clone() };
        Some(Source { epoch: self.epoch, track: reference, source: track.source })
    }

    /// True if nodes get the track in the same way from both states of the publisher.
    fn gives_alike(&self, before: &Self, track: &Track, as_before: &Track) -> bool {
        let path = |publisher: &Self, track: &Track| {
            (!track.silenced).then(|| (publisher.epoch, publisher.session.clone(), track.mid.clone()))
        };
        path(self, track) == path(before, as_before)
    }
}

impl Republished {
    pub(crate) fn is_empty(&self) -> bool {
        !self.tracks_changed && self.toggled.is_empty() && self.moved.is_empty()
    }

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
            // A new track plays in no slot yet.
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

/// Rebuilds the index after hibernation.
pub(crate) fn all(state: &State) -> Publishers {
    state.members.keys().filter_map(|id| Some((id.clone(), publisher(state, id)?))).collect()
}

/// Updates the index and returns the changes.
pub(crate) fn note(publishers: &mut Publishers, state: &State) -> Republished {
    let of_session = |id| Some(state.sessions.get(id)?.participant.clone());
    let of_sessions = state.sessions.changed().iter().filter_map(of_session);
    let touched: SortedSet<ParticipantId> = state.members.changed().iter().cloned().chain(of_sessions).collect();
    let mut republished = Republished::default();
    for participant in touched {
        let now = publisher(state, &participant);
        republished.compare(publishers.get(&participant), now.as_ref());
        match now {
            Some(now) => drop(publishers.insert(participant, now)),
            None => drop(publishers.remove(&participant)),
        }
    }
    republished
}

fn publisher(state: &State, participant: &ParticipantId) -> Option<Publisher> {
    let member = state.members.get(participant).filter(|member| !member.tracks.is_empty())?;
    let epoch = state.sessions.get(&member.session).and_then(|session| session.epoch);
    Some(Publisher { order: member.order, session: member.session.clone(), epoch, tracks: member.tracks.clone() })
}
