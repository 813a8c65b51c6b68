//! The tracks that a participant may receive, ranked for participants with fewer slots than tracks.

use crate::room::publish::published::Toggled;
use crate::room::state::slots::Slot;
use crate::room::state::tracks::Track;
use crate::steps::step;
use shared::ParticipantId;
use shared::rtp_parameters::MediaKind;
use shared::sorted::{self, SortedMap};
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::ops::Range;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) participant: &'a ParticipantId,
    pub(crate) track: &'a Track,
    /// The place in the list of heard microphones; the maximum for any other track.
    pub(crate) place: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Candidates<'a> {
    audio: OfKind<'a>,
    video: OfKind<'a>,
}

#[derive(Debug, Default)]
struct OfKind<'a> {
    /// In the order in which the publishers joined; tracks of one publisher are adjacent.
    joined: Vec<Candidate<'a>>,
    of_publishers: SortedMap<&'a ParticipantId, Range<usize>>,
    /// Indices into `joined`, highest rank first, by the criteria common to all viewers. Computed once, and only if
    /// slots are short.
    ranked: OnceCell<Vec<usize>>,
}

/// The viewer-specific criteria.
#[derive(Clone, Copy, Debug)]
struct Taste {
    seen: usize,
    plays: bool,
}

const INDIFFERENT: Taste = Taste { seen: usize::MAX, plays: false };

impl<'a> Candidates<'a> {
    /// Adds the next track in the order of joining.
    pub(crate) fn push(&mut self, candidate: Candidate<'a>) {
        step();
        match candidate.track.kind() {
            MediaKind::Audio => self.audio.push(candidate),
            MediaKind::Video => self.video.push(candidate),
        }
    }

    /// The number of a kind's tracks that `own` may receive: all except its own.
    pub(crate) fn count(&self, kind: MediaKind, own: &ParticipantId) -> usize {
        let of_kind = self.of_kind(kind);
        of_kind.joined.len().saturating_sub(of_kind.of_publisher(own).len())
    }

    /// True if muting or unmuting a track may change these slots of `own`, which is impossible if every track has a
    /// slot.
    pub(crate) fn touches(&self, toggled: &Toggled, slots: &[Slot], own: &ParticipantId) -> bool {
        step();
        let Toggled { track, kind, muted } = toggled;
        let of_kind = || slots.iter().filter(|slot| slot.kind == *kind);
        let room = of_kind().count();
        if room == 0 || self.count(*kind, own) <= room {
            return false;
        }
        let is_playing = of_kind().any(|slot| slot.playing.as_ref().is_some_and(|playing| playing.track == *track));
        // A playing track can lose its slot only by muting, and another can gain one only by unmuting.
        is_playing == *muted
    }

    /// The tracks of a kind that `own` receives, highest rank first, one for each slot.
    pub(crate) fn choose(
        &self,
        kind: MediaKind,
        slots: &[Slot],
        own: &ParticipantId,
        view: &[ParticipantId],
    ) -> Vec<Candidate<'a>> {
        let of_kind = self.of_kind(kind);
        let is_own = |index: &usize| of_kind.of_publisher(own).contains(index);
        let room = slots.iter().filter(|slot| slot.kind == kind).count();
        if room == 0 {
            return Vec::new();
        }
        if self.count(kind, own) <= room {
            let others = (0..of_kind.joined.len()).filter(|index| !is_own(index));
            return others.filter_map(|index| of_kind.get(index)).collect();
        }
        // A track that is neither seen nor playing ranks behind all others, so the first few of those are enough.
        let mut tastes: SortedMap<usize, Taste> = SortedMap::new();
        let ranked = of_kind.ranked().iter().copied().filter(|index| !is_own(index)).take(room);
        tastes.extend(ranked.map(|index| (index, INDIFFERENT)));
        // Audio does not depend on the view.
        let view = if kind == MediaKind::Video { view } else { &[] };
        for (place, participant) in view.iter().enumerate() {
            for index in of_kind.of_publisher(participant).filter(|index| !is_own(index)) {
                let taste = tastes.get_or_insert_with(index, || INDIFFERENT);
                taste.seen = taste.seen.min(place);
            }
        }
        for slot in slots.iter().filter(|slot| slot.kind == kind) {
            let of_playing = slot.playing.iter().flat_map(|playing| of_kind.of_publisher(&playing.participant));
            for index in of_playing.filter(|index| of_kind.get(*index).is_some_and(|track| plays(slot, &track))) {
                tastes.get_or_insert_with(index, || INDIFFERENT).plays = true;
            }
        }
        let mut wanted: Vec<_> =
            tastes.into_iter().filter_map(|(index, taste)| Some((of_kind.get(index)?, taste))).collect();
        // The sort is stable: among equals, the first to join comes first.
        sorted::sort_by_key(&mut wanted, |(candidate, taste)| rank(candidate, *taste));
        wanted.truncate(room);
        wanted.into_iter().map(|(candidate, _)| candidate).collect()
    }

    const fn of_kind(&self, kind: MediaKind) -> &OfKind<'a> {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }
}

impl<'a> OfKind<'a> {
    fn push(&mut self, candidate: Candidate<'a>) {
        let index = self.joined.len();
        self.joined.push(candidate);
        self.of_publishers.get_or_insert_with(candidate.participant, || index..index).end = index.saturating_add(1);
    }

    fn get(&self, index: usize) -> Option<Candidate<'a>> {
        step();
        self.joined.get(index).copied()
    }

    fn of_publisher(&self, participant: &ParticipantId) -> Range<usize> {
        self.of_publishers.get(participant).cloned().unwrap_or_default()
    }

    fn ranked(&self) -> &[usize] {
        self.ranked.get_or_init(|| {
            let mut ranked: Vec<usize> = (0..self.joined.len()).collect();
            sorted::sort_by_cached_key(&mut ranked, |index| {
                self.get(*index).map(|candidate| rank(&candidate, INDIFFERENT))
            });
            ranked
        })
    }
}

/// Lower values come first.
fn rank(candidate: &Candidate<'_>, Taste { seen, plays }: Taste) -> impl Ord + use<> {
    let shown = candidate.track.kind() == MediaKind::Video;
    let is_screen = shown && candidate.track.is_screen();
    // Unless a node reports who speaks, the one opened last most likely belongs to the next speaker.
    let opened = if shown { 0 } else { candidate.track.opened() };
    (candidate.track.muted, Reverse(is_screen), seen, candidate.place, Reverse(opened), Reverse(plays))
}

pub(crate) fn plays(slot: &Slot, candidate: &Candidate<'_>) -> bool {
    slot.playing.as_ref().is_some_and(|playing| playing.track == candidate.track.id)
}
