//! Assigns tracks to all participants' slots, and tells the nodes about changes.

use super::Room;
use super::candidates::Candidates;
use super::member::Member;
use super::published::{Republished, Source};
use super::slot::{self, Slot};
use crate::steps::step;
use shared::control::{Forward, TrackRef};
use shared::rtp_parameters::MediaKind;
use shared::signal::{SlotInfo, TrackSource};
use shared::{Mid, ParticipantId, SessionId, limits};
use std::collections::{BTreeMap, BTreeSet};

/// The tracks in all slots as last sent to the nodes, by receiving session.
pub(super) type Forwards = BTreeMap<SessionId, Received>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// The session's assignment.
    pub(super) epoch: u64,
    by_slot: BTreeMap<Mid, Played>,
}

/// The track in a slot, with its size limit and priority.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Played {
    track: TrackRef,
    lines_max: Option<u16>,
    priority: u8,
}

impl Received {
    pub(super) fn forwards(&self, session: &SessionId) -> impl Iterator<Item = Forward> {
        self.by_slot.iter().map(|(mid, played)| played.forward(session, mid))
    }
}

impl Played {
    fn forward(&self, session: &SessionId, mid: &Mid) -> Forward {
        let Self { track, lines_max, priority } = self.clone();
        Forward { session: session.clone(), mid: mid.clone(), track: Some(track), lines_max, priority }
    }
}

/// The size limit for a video that is not on screen: it should play at once when it appears, but need not be sharp.
const UNSEEN_LINES: u16 = 1;
/// The priority of a camera outside the view: after all cameras in the view.
const UNSEEN_PRIORITY: u8 = 25;
const _: () = assert!(limits::VIEW_PARTICIPANTS_MAX < UNSEEN_PRIORITY as usize);

/// The slot messages for one participant.
pub(super) struct ChangedSlots {
    pub(super) participant: ParticipantId,
    pub(super) slots: Vec<SlotInfo>,
    pub(super) sections_needed: Option<(u8, u8)>,
}

struct Filled {
    participant: ParticipantId,
    slots: Option<Vec<Slot>>,
    sections_needed: Option<(u8, u8)>,
}

impl Room {
    /// Reassigns the slots that this input may have changed.
    pub(super) fn fill_slots(&mut self, republished: &Republished) -> Vec<ChangedSlots> {
        let mut changed = Vec::new();
        for Filled { participant, slots, sections_needed } in self.filled_slots(republished) {
            let Some(member) = self.members.get_mut(&participant) else { continue };
            let mut infos = Vec::new();
            if let Some(slots) = slots {
                let differs = |(now, before): &(&Slot, &Slot)| now.playing != before.playing;
                infos.extend(slots.iter().zip(&member.slots).filter(differs).map(|(now, _)| SlotInfo::from(now)));
                member.slots = slots;
            }
            if let Some(asked) = sections_needed {
                member.sections_asked = asked;
            }
            changed.push(ChangedSlots { participant, slots: infos, sections_needed });
        }
        changed
    }

    fn filled_slots(&self, republished: &Republished) -> Vec<Filled> {
        if self.members.changed().is_empty() && !republished.tracks_changed && republished.toggled.is_empty() {
            return Vec::new();
        }
        let (everything, nothing) = (self.candidates(), Candidates::default());
        let mut filled = Vec::new();
        for member in self.viewers_to_fill(republished, &everything) {
            let candidates = if member.grants.subscribe { &everything } else { &nothing };
            let slots = slot::assign(&member.slots, candidates, &member.id, &member.view);
            let sections_needed = sections_needed(member, candidates);
            if slots.is_some() || sections_needed.is_some() {
                filled.push(Filled { participant: member.id.clone(), slots, sections_needed });
            }
        }
        filled
    }

    /// All participants if tracks were added or removed; otherwise the changed participants, and those affected by a
    /// muted or unmuted track.
    fn viewers_to_fill(&self, republished: &Republished, everything: &Candidates<'_>) -> Vec<&Member> {
        let Republished { tracks_changed, toggled, moved: _ } = republished;
        let viewers: Vec<&Member> = match (tracks_changed, toggled.is_empty()) {
            (false, true) => self.members.changed().iter().filter_map(|id| self.members.get(id)).collect(),
            (false, false) => {
                let is_touched = |member: &&Member| {
                    self.members.changed().contains(&member.id)
                        || toggled.iter().any(|toggled| everything.touches(toggled, &member.slots, &member.id))
                };
                self.members.values().filter(is_touched).collect()
            }
            (true, _) => self.members.values().collect(),
        };
        viewers.into_iter().filter(|member| !member.slots.is_empty()).collect()
    }

    /// The slots that differ from the state last sent to the nodes.
    pub(super) fn changed_forwards(&mut self, republished: &Republished) -> Vec<(u64, Forward)> {
        for id in self.sessions.changed() {
            // A session that is gone takes its forwards with it.
            if !self.sessions.contains(id) {
                self.told_forwards.remove(id);
            }
        }
        let mut changed = Vec::new();
        for participant in self.viewers_to_forward(republished) {
            let Some((session, received)) = self.members.get(&participant).and_then(|viewer| self.received(viewer))
            else {
                continue;
            };
            let told = self.told_forwards.insert(session.clone(), received.clone());
            let before = told.filter(|told| told.epoch == received.epoch).map(|told| told.by_slot).unwrap_or_default();
            let ended = before.keys().filter(|mid| !received.by_slot.contains_key(mid));
            let ended = ended.map(|mid| Forward::new(session.clone(), mid.clone(), None));
            let begun = received.by_slot.iter().filter(|(mid, played)| before.get(mid) != Some(played));
            let begun = begun.map(|(mid, played)| played.forward(&session, mid));
            changed.extend(ended.chain(begun).map(|forward| (received.epoch, forward)));
        }
        // A slot is free before it is needed again.
        let place =
            |(_, forward): &(u64, Forward)| (forward.track.is_some(), forward.session.clone(), forward.mid.clone());
        changed.sort_by_cached_key(place);
        changed
    }

    /// The participants whose received tracks, or the way they receive them, may have changed.
    fn viewers_to_forward(&self, republished: &Republished) -> BTreeSet<ParticipantId> {
        let of_session = |id| Some(self.sessions.get(id)?.participant.clone());
        let of_sessions = self.sessions.changed().iter().filter_map(of_session);
        let mut viewers: BTreeSet<ParticipantId> = self.members.changed().iter().cloned().chain(of_sessions).collect();
        if !republished.moved.is_empty() {
            let is_moved = |slot: &Slot| {
                step();
                slot.playing.as_ref().is_some_and(|playing| republished.moved.contains(&playing.track))
            };
            let reached = self.members.values().filter(|member| member.slots.iter().any(is_moved));
            viewers.extend(reached.map(|member| member.id.clone()));
        }
        viewers
    }

    /// Recomputes all forwards after hibernation.
    pub(super) fn all_forwards(&self) -> Forwards {
        self.members.values().filter_map(|viewer| self.received(viewer)).collect()
    }

    /// A viewer's forwards: only from sessions of the same assignment, because one node must have both. Empty until a
    /// node has the viewer's session.
    fn received(&self, viewer: &Member) -> Option<(SessionId, Received)> {
        let epoch = self.sessions.get(&viewer.session)?.epoch?;
        let played = |slot: &Slot| {
            step();
            let playing = slot.playing.as_ref()?;
            let Source { epoch: of, track, source } =
                self.publishers.get(&playing.participant)?.source(&playing.track)?;
            let (lines_max, priority) = demand(viewer, &playing.participant, source);
            (of == Some(epoch)).then(|| (slot.mid.clone(), Played { track, lines_max, priority }))
        };
        let by_slot = viewer.slots.iter().filter_map(played).collect();
        Some((viewer.session.clone(), Received { epoch, by_slot }))
    }
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

/// The number of slots to request from a client, if it is more than already requested.
fn sections_needed(member: &Member, candidates: &Candidates<'_>) -> Option<(u8, u8)> {
    let count = |kind: MediaKind| {
        let has = member.slots.iter().filter(|slot| slot.kind == kind).count();
        (has, slot::needed(has, candidates.count(kind, &member.id)))
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
