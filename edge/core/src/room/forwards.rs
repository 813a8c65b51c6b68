//! What plays where: everybody's slots filled out of everybody's tracks, and what the nodes are told about it.

use super::Room;
use super::member::Member;
use super::slot::{self, Candidate, Candidates, Slot};
use super::track::Track;
use shared::control::{Forward, TrackRef};
use shared::rtp_parameters::MediaKind;
use shared::signal::{SlotInfo, TrackSource};
use shared::{Mid, ParticipantId, SessionId, TrackId, limits};
use std::collections::BTreeMap;

/// What plays where, as the nodes know it: by the assignment, the receiving session and its slot.
pub(super) type Forwards = BTreeMap<Place, Played>;
type Place = (u64, SessionId, Mid);

/// What plays in a slot, and how well it shall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Played {
    track: TrackRef,
    lines_max: Option<u16>,
    priority: u8,
}

impl Played {
    pub(super) fn forward(&self, session: SessionId, mid: Mid) -> Forward {
        let Self { track, lines_max, priority } = self.clone();
        Forward { session, mid, track: Some(track), lines_max, priority }
    }
}

/// Every published track that nodes may forward.
type Published<'a> = BTreeMap<&'a TrackId, (Option<u64>, &'a SessionId, &'a Track)>;

/// The lines of a tile that is not on screen: its picture shall be there when it is, but need not be sharp.
const UNSEEN_LINES: u16 = 1;
/// The priority of a camera nobody has put into the view: behind all that are.
const UNSEEN_PRIORITY: u8 = 25;
const _: () = assert!(limits::VIEW_PARTICIPANTS_MAX < UNSEEN_PRIORITY as usize);

/// What one participant is told about their slots.
pub(super) struct ChangedSlots {
    pub(super) participant: ParticipantId,
    pub(super) slots: Vec<SlotInfo>,
    pub(super) sections_needed: Option<(u8, u8)>,
}

/// What changes for one participant.
struct Filled {
    participant: ParticipantId,
    slots: Option<Vec<Slot>>,
    sections_needed: Option<(u8, u8)>,
}

impl Room {
    /// Fills the slots anew that this input may have changed: everybody's, or those of whoever looks at others.
    pub(super) fn fill_slots(&mut self) -> Vec<ChangedSlots> {
        let mut changed = Vec::new();
        for Filled { participant, slots, sections_needed } in self.filled_slots() {
            let Some(member) = self.members.get_mut(&participant) else { continue };
            let mut infos = Vec::new();
            if let Some(slots) = slots {
                let differs = |(now, before): &(&Slot, &Slot)| now.playing != before.playing;
                infos.extend(slots.iter().zip(&member.slots).filter(differs).map(|(now, _)| SlotInfo::from(now)));
                member.slots = slots;
                self.news.forwards_stale = true;
            }
            if let Some(asked) = sections_needed {
                member.sections_asked = asked;
            }
            changed.push(ChangedSlots { participant, slots: infos, sections_needed });
        }
        changed
    }

    fn filled_slots(&self) -> Vec<Filled> {
        if !self.news.slots_stale && self.news.views_stale.is_empty() && self.news.toggled.is_empty() {
            return Vec::new();
        }
        let (everything, nothing) = (self.candidates(), Candidates::default());
        let stale = |member: &&Member| {
            let is_touched =
                || self.news.toggled.iter().any(|toggled| everything.touches(toggled, &member.slots, &member.id));
            self.news.slots_stale || self.news.views_stale.contains(&member.id) || is_touched()
        };
        let members = self.members.values().filter(|member| !member.slots.is_empty()).filter(stale);
        let mut filled = Vec::new();
        for member in members {
            let candidates = if member.grants.subscribe { &everything } else { &nothing };
            let slots = slot::assign(&member.slots, candidates, &member.id, &member.view);
            let sections_needed = sections_needed(member, candidates);
            if slots.is_some() || sections_needed.is_some() {
                filled.push(Filled { participant: member.id.clone(), slots, sections_needed });
            }
        }
        filled
    }

    fn candidates(&self) -> Candidates<'_> {
        let mut publishers: Vec<_> = self.members.values().filter(|member| !member.tracks.is_empty()).collect();
        publishers.sort_by_key(|member| member.order);
        let mut candidates = Candidates::default();
        for member in publishers {
            for track in &member.tracks {
                candidates.push(Candidate { participant: &member.id, track });
            }
        }
        candidates
    }

    /// What plays differently than the nodes were told.
    pub(super) fn changed_forwards(&mut self) -> Vec<(u64, Forward)> {
        if !self.news.forwards_stale {
            return self.changed_sizes();
        }
        let wanted = self.forwards();
        let told = std::mem::replace(&mut self.told_forwards, wanted);
        let mut changed = Vec::new();
        for (epoch, session, mid) in told.keys().filter(|key| !self.told_forwards.contains_key(key)) {
            // A session that is gone takes its forwards with it.
            if self.sessions.get(session).is_some_and(|session| session.epoch == Some(*epoch)) {
                changed.push((*epoch, Forward::new(session.clone(), mid.clone(), None)));
            }
        }
        for (place, played) in &self.told_forwards {
            if told.get(place) != Some(played) {
                changed.push(forward(place, played));
            }
        }
        changed
    }

    /// The same plays, but for those who look at others it is larger, smaller or more important than the nodes were told.
    fn changed_sizes(&mut self) -> Vec<(u64, Forward)> {
        if self.news.views_stale.is_empty() {
            return Vec::new();
        }
        let published = self.published();
        let viewers = self.news.views_stale.iter().filter_map(|viewer| self.members.get(viewer));
        let played: Vec<_> = viewers.flat_map(|viewer| self.forwards_to(viewer, &published)).collect();
        let mut changed = Vec::new();
        for (place, played) in played {
            if self.told_forwards.get(&place).is_some_and(|told| *told != played) {
                changed.push(forward(&place, &played));
                self.told_forwards.insert(place, played);
            }
        }
        changed
    }

    /// What shall play where: between sessions of one assignment, as one node has both.
    pub(super) fn forwards(&self) -> Forwards {
        let published = self.published();
        self.members.values().flat_map(|member| self.forwards_to(member, &published)).collect()
    }

    fn published(&self) -> Published<'_> {
        let mut published = Published::new();
        for member in self.members.values() {
            for track in member.tracks.iter().filter(|track| !track.silenced) {
                published.insert(&track.id, (self.epoch_of(&member.session), &member.session, track));
            }
        }
        published
    }

    fn epoch_of(&self, session: &SessionId) -> Option<u64> {
        self.sessions.get(session).and_then(|session| session.epoch)
    }

    fn forwards_to(&self, viewer: &Member, published: &Published<'_>) -> Vec<(Place, Played)> {
        let Some(epoch) = self.epoch_of(&viewer.session) else { return Vec::new() };
        let played = |slot: &Slot| {
            let playing = slot.playing.as_ref()?;
            let (of, session, track) = published.get(&playing.track)?;
            let (lines_max, priority) = demand(viewer, &playing.participant, track.source);
            let track = TrackRef { session: (*session).clone(), mid: track.mid.clone() };
            let place = (epoch, viewer.session.clone(), slot.mid.clone());
            (*of == Some(epoch)).then_some((place, Played { track, lines_max, priority }))
        };
        viewer.slots.iter().filter_map(played).collect()
    }
}

fn forward((epoch, session, mid): &Place, played: &Played) -> (u64, Forward) {
    (*epoch, played.forward(session.clone(), mid.clone()))
}

/// The most lines of a track that a viewer can see, and its place among what they receive: sound and screens, then cameras in the order of
/// the view.
fn demand(viewer: &Member, publisher: &ParticipantId, source: TrackSource) -> (Option<u16>, u8) {
    match source {
        TrackSource::Microphone | TrackSource::ScreenAudio | TrackSource::Screen => (None, 0),
        TrackSource::Camera => {
            let seen = (1..).zip(&viewer.view).find(|(_, seen)| *seen == publisher).map(|(place, _)| place);
            let lines_max = viewer.view_lines.as_ref().and_then(|lines| match seen {
                Some(_) => lines.get(publisher).copied(),
                None => Some(UNSEEN_LINES),
            });
            (lines_max, seen.unwrap_or(UNSEEN_PRIORITY))
        }
    }
}

/// The slots that a client shall offer, where that is more than it was asked for already.
fn sections_needed(member: &Member, candidates: &Candidates<'_>) -> Option<(u8, u8)> {
    let count = |kind: MediaKind| {
        let has = member.slots.iter().filter(|slot| slot.kind == kind).count();
        (has, slot::needed(has, candidates.others(kind, &member.id).count()))
    };
    let (audio, more_audio) = count(MediaKind::Audio);
    let (video, more_video) = count(MediaKind::Video);
    if more_audio.is_none() && more_video.is_none() {
        return None;
    }
    let or = |more: Option<u8>, has: usize| more.unwrap_or_else(|| u8::try_from(has).unwrap_or(u8::MAX));
    let needed = (or(more_audio, audio), or(more_video, video));
    (needed.0 > member.sections_asked.0 || needed.1 > member.sections_asked.1).then_some(needed)
}
