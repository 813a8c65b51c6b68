//! The microphones that are heard while more are open than a client has slots.
//!
//! Only a node knows the levels, so it is told which microphones are open, and says who should be heard instead.

use crate::room::publish::published::{Publisher, Publishers, Republished};
use crate::room::state::State;
use crate::room::state::tracks::Track;
use crate::steps::step;
use shared::rtp_parameters::MediaKind;
use shared::sorted::{self, SortedMap};
use shared::{TrackId, control, limits};
use std::cmp::Reverse;

/// The microphones as last announced.
pub(crate) struct Microphones {
    heard: Vec<TrackId>,
    /// As last sent to the nodes, by assignment.
    told: SortedMap<u64, control::Microphones>,
}

impl Microphones {
    pub(crate) fn new(state: &State, publishers: &Publishers) -> Self {
        let mut microphones = Self { heard: stored(state).to_vec(), told: SortedMap::new() };
        microphones.told = microphones.on_nodes(publishers);
        microphones
    }

    /// Those that a node has, complete.
    pub(crate) const fn told(&self) -> &SortedMap<u64, control::Microphones> {
        &self.told
    }

    /// Updates the stored list of heard microphones; true if it is another one than before this input.
    pub(crate) fn settle(&mut self, state: &mut State, publishers: &Publishers, republished: &Republished) -> bool {
        let before = stored(state);
        let is_same = before == self.heard && !republished.tracks_changed && republished.toggled.is_empty();
        if is_same && state.assignments.changed().is_empty() {
            return false;
        }
        let heard = if is_listened_to(state) { heard(before, publishers) } else { Vec::new() };
        if heard != before
            && let Some(meta) = state.meta_mut()
        {
            meta.heard.clone_from(&heard);
        }
        let is_changed = heard != self.heard;
        self.heard = heard;
        is_changed
    }

    /// The lists that differ from those last sent, with their assignments; to be called if anything that they contain
    /// has changed.
    pub(crate) fn changed(&mut self, publishers: &Publishers) -> Vec<(u64, control::Microphones)> {
        let now = self.on_nodes(publishers);
        let ended = self.told.keys().filter(|epoch| !now.contains_key(epoch));
        let ended = ended.map(|epoch| (*epoch, control::Microphones::default()));
        let others = now.iter().filter(|(epoch, microphones)| self.told.get(epoch) != Some(microphones));
        let changed = ended.chain(others.map(|(epoch, microphones)| (*epoch, microphones.clone()))).collect();
        self.told = now;
        changed
    }

    /// The open microphones by the assignment of their publishers; none while all of them are heard.
    fn on_nodes(&self, publishers: &Publishers) -> SortedMap<u64, control::Microphones> {
        if self.heard.is_empty() {
            return SortedMap::new();
        }
        let place = |track: &Track| self.heard.iter().position(|heard| *heard == track.id).unwrap_or(usize::MAX);
        let of_publisher = |publisher: &'_ Publisher| {
            let sources = open(publisher).filter_map(|track| Some((place(track), publisher.source(&track.id)?)));
            sources.collect::<Vec<_>>()
        };
        let mut sources: Vec<_> = publishers.values().flat_map(of_publisher).collect();
        sorted::sort_by_key(&mut sources, |(place, _)| *place);
        let mut on_nodes: SortedMap<u64, control::Microphones> = SortedMap::new();
        for (place, source) in sources {
            let Some(epoch) = source.epoch else { continue };
            let microphones = on_nodes.get_or_default(epoch);
            let list = if place == usize::MAX { &mut microphones.waiting } else { &mut microphones.heard };
            list.push(source.track);
        }
        on_nodes
    }
}

/// False if the room's node is of a version that does not listen; then those opened last are heard.
fn is_listened_to(state: &State) -> bool {
    let current = state.meta().and_then(|meta| state.assignments.get(&meta.current?));
    current.is_none_or(|assignment| assignment.reports_loudest != Some(false))
}

fn stored(state: &State) -> &[TrackId] {
    state.meta().map_or(&[], |meta| &meta.heard)
}

fn open(publisher: &Publisher) -> impl Iterator<Item = &Track> {
    step();
    publisher.tracks.iter().filter(|track| track.kind() == MediaKind::Audio && !track.muted)
}

/// The heard microphones, best first; empty if there are slots for all that are open.
fn heard(before: &[TrackId], publishers: &Publishers) -> Vec<TrackId> {
    let mut open: Vec<&Track> = publishers.values().flat_map(open).collect();
    if open.len() <= limits::SLOTS_PER_KIND_MAX {
        return Vec::new();
    }
    if before.is_empty() {
        // So far all of them were heard, and any of them may be speaking: the newest ones wait.
        sorted::sort_by_key(&mut open, |track| track.opened());
        open.truncate(limits::SLOTS_PER_KIND_MAX);
        open.reverse();
        return open.into_iter().map(|track| track.id.clone()).collect();
    }
    sorted::sort_by_key(&mut open, |track| Reverse(track.opened()));
    let place = |track: &&Track| before.iter().position(|heard| *heard == track.id).unwrap_or(usize::MAX);
    sorted::sort_by_cached_key(&mut open, place);
    open.truncate(limits::SLOTS_PER_KIND_MAX);
    open.into_iter().map(|track| track.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::signal::TrackSource;
    use shared::{Mid, ParticipantId, SessionId};

    const MAX: u32 = limits::SLOTS_PER_KIND_MAX as u32;

    fn id(number: u32) -> TrackId {
        TrackId::parse(&format!("t{number}")).unwrap()
    }

    /// A publisher for each microphone, opened in the order of the numbers.
    fn publishers(open: impl IntoIterator<Item = u32>) -> Publishers {
        let publisher = |number: u32| {
            let track = Track {
                id: id(number),
                mid: Mid::parse("0").unwrap(),
                source: TrackSource::Microphone,
                muted: false,
                silenced: false,
                csrc: number,
                unmuted: 0,
            };
            let session = SessionId::parse(&format!("s{number}")).unwrap();
            let tracks = vec![track];
            Publisher { order: u64::from(number), session, epoch: Some(1), tracks }
        };
        let participant = |number| ParticipantId::parse(&format!("p{number}")).unwrap();
        open.into_iter().map(|number| (participant(number), publisher(number))).collect()
    }

    fn check(before: impl IntoIterator<Item = u32>, open: impl IntoIterator<Item = u32>, expected: Vec<u32>) {
        let before: Vec<TrackId> = before.into_iter().map(id).collect();
        let expected: Vec<TrackId> = expected.into_iter().map(id).collect();
        assert_eq!(heard(&before, &publishers(open)), expected);
    }

    #[test]
    fn with_a_slot_for_each_there_is_nothing_to_choose() {
        check([], 1..=MAX, vec![]);
        check((1..=MAX).rev(), 1..=MAX, vec![]);
    }

    #[test]
    fn those_heard_so_far_stay_and_the_newest_waits() {
        check([], 1..=MAX + 1, (1..=MAX).rev().collect());
        check((1..=MAX).rev(), 1..=MAX + 6, (1..=MAX).rev().collect());
    }

    #[test]
    fn a_place_that_becomes_free_goes_to_the_one_opened_last() {
        let left = (1..=MAX).filter(|number| *number != 7);
        check(1..=MAX, left.clone().chain([40, 50, 45]), left.chain([50]).collect());
    }
}
