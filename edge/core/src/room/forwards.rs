//! What plays where: everybody's slots filled out of everybody's tracks, and what the nodes are told about it.

use super::Room;
use super::member::Member;
use super::slot::{self, Candidate, Candidates, Slot};
use shared::control::{Forward, TrackRef};
use shared::rtp_parameters::MediaKind;
use shared::signal::SlotInfo;
use shared::{Mid, ParticipantId, SessionId};
use std::collections::BTreeMap;

/// What plays where, as the nodes know it: the assignment, the receiving session, its slot, the track.
pub(super) type Forwards = BTreeMap<(u64, SessionId, Mid), TrackRef>;

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
            return Vec::new();
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
        for (key, track) in &self.told_forwards {
            if told.get(key) != Some(track) {
                let (epoch, session, mid) = key.clone();
                changed.push((epoch, Forward::new(session, mid, Some(track.clone()))));
            }
        }
        changed
    }

    /// What shall play where: between sessions of one assignment, as one node has both.
    pub(super) fn forwards(&self) -> Forwards {
        let epoch_of = |session: &SessionId| self.sessions.get(session).and_then(|session| session.epoch);
        let mut published = BTreeMap::new();
        for member in self.members.values() {
            for track in member.tracks.iter().filter(|track| !track.silenced) {
                published.insert(&track.id, (epoch_of(&member.session), &member.session, &track.mid));
            }
        }
        let mut forwards = Forwards::new();
        for member in self.members.values() {
            let Some(epoch) = epoch_of(&member.session) else { continue };
            for slot in &member.slots {
                let track = slot.playing.as_ref().and_then(|playing| published.get(&playing.track));
                if let Some((Some(of), session, mid)) = track
                    && *of == epoch
                {
                    let track = TrackRef { session: (*session).clone(), mid: (*mid).clone() };
                    forwards.insert((epoch, member.session.clone(), slot.mid.clone()), track);
                }
            }
        }
        forwards
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
