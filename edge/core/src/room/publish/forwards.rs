//! The tracks in all slots as the nodes must forward them.

use crate::room::publish::published::{Publishers, Republished, Source};
use crate::room::state::State;
use crate::room::state::members::Member;
use crate::room::state::slots::Slot;
use crate::steps::step;
use shared::control::{Forward, TrackRef};
use shared::signal::TrackSource;
use shared::sorted::{self, SortedMap, SortedSet};
use shared::{Mid, ParticipantId, SessionId, limits};

/// The tracks in all slots as last sent to the nodes, by receiving session.
pub(crate) type Forwards = SortedMap<SessionId, Received>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The session's assignment.
    pub(crate) epoch: u64,
    by_slot: SortedMap<Mid, Played>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Played {
    track: TrackRef,
    lines_max: Option<u16>,
    priority: u8,
}

impl Received {
    pub(crate) fn forwards(&self, session: &SessionId) -> impl Iterator<Item = Forward> {
        self.by_slot.iter().map(|(mid, played)| played.forward(session, mid))
    }
}

impl Played {
    fn forward(&self, session: &SessionId, mid: &Mid) -> Forward {
        let Self { track, lines_max, priority } = self.clone();
        Forward { session: session.clone(), mid: mid.clone(), track: Some(track), lines_max, priority }
    }
}

/// The priority of a camera outside a view without sizes: after all cameras in the view.
const UNSEEN_PRIORITY: u8 = 25;
const _: () = assert!(limits::VIEW_PARTICIPANTS_MAX < UNSEEN_PRIORITY as usize);

/// The slots that differ from the state last sent to the nodes. `is_toggled`: the call was paused or resumed.
pub(crate) fn changed(
    told_forwards: &mut Forwards,
    state: &State,
    publishers: &Publishers,
    republished: &Republished,
    is_toggled: bool,
) -> Vec<(u64, Forward)> {
    for id in state.sessions.changed() {
        // A closed session takes its forwards with it.
        if !state.sessions.contains(id) {
            told_forwards.remove(id);
        }
    }
    let mut changed = Vec::new();
    let viewers = match is_toggled {
        true => state.members.keys().cloned().collect(),
        false => viewers_to_forward(state, republished),
    };
    for participant in viewers {
        let viewer = state.members.get(&participant);
        let Some((session, received)) = viewer.and_then(|viewer| received(state, publishers, viewer)) else {
            continue;
        };
        let told = told_forwards.insert(session.clone(), received.clone());
        let before = told.filter(|told| told.epoch == received.epoch).map(|told| told.by_slot).unwrap_or_default();
        let ended = before.keys().filter(|mid| !received.by_slot.contains_key(mid));
        let ended = ended.map(|mid| Forward::new(session.clone(), mid.clone(), None));
        let begun = received.by_slot.iter().filter(|(mid, played)| before.get(mid) != Some(played));
        let begun = begun.map(|(mid, played)| played.forward(&session, mid));
        changed.extend(ended.chain(begun).map(|forward| (received.epoch, forward)));
    }
    // A slot is free before it is needed again.
    let place = |(_, forward): &(u64, Forward)| (forward.track.is_some(), forward.session.clone(), forward.mid.clone());
    sorted::sort_by_cached_key(&mut changed, place);
    changed
}

/// The participants whose received tracks, or the way they receive them, may have changed.
fn viewers_to_forward(state: &State, republished: &Republished) -> SortedSet<ParticipantId> {
    let of_session = |id| Some(state.sessions.get(id)?.participant.clone());
    let of_sessions = state.sessions.changed().iter().filter_map(of_session);
    let mut viewers: SortedSet<ParticipantId> = state.members.changed().iter().cloned().chain(of_sessions).collect();
    if !republished.moved.is_empty() {
        let is_moved = |slot: &Slot| {
            step();
            slot.playing.as_ref().is_some_and(|playing| republished.moved.contains(&playing.track))
        };
        let reached = state.members.values().filter(|member| member.slots.iter().any(is_moved));
        viewers.extend(reached.map(|member| member.id.clone()));
    }
    viewers
}

/// Recomputes all forwards after hibernation.
pub(crate) fn all(state: &State, publishers: &Publishers) -> Forwards {
    state.members.values().filter_map(|viewer| received(state, publishers, viewer)).collect()
}

/// A viewer's forwards: only from sessions of the same assignment, because one node must have both. Empty until a
/// node has the viewer's session.
fn received(state: &State, publishers: &Publishers, viewer: &Member) -> Option<(SessionId, Received)> {
    let epoch = state.sessions.get(&viewer.session)?.epoch?;
    let played = |slot: &Slot| {
        step();
        let playing = slot.playing.as_ref()?;
        let Source { epoch: of, track, source } = publishers.get(&playing.participant)?.source(&playing.track)?;
        let (lines_max, priority) = demand(viewer, &playing.participant, source)?;
        (of == Some(epoch)).then(|| (slot.mid.clone(), Played { track, lines_max, priority }))
    };
    let slots = viewer.slots.iter().filter(|_| !state.is_paused());
    let by_slot = slots.filter_map(played).collect();
    Some((viewer.session.clone(), Received { epoch, by_slot }))
}

/// The useful height of a track for a viewer, and its priority: audio and screens, then cameras in the order of the
/// view. `None` for a camera that is not on screen.
fn demand(viewer: &Member, publisher: &ParticipantId, source: TrackSource) -> Option<(Option<u16>, u8)> {
    match source {
        TrackSource::Microphone | TrackSource::ScreenAudio | TrackSource::Screen => Some((None, 0)),
        TrackSource::Camera => {
            let seen = (1..).zip(&viewer.view).find(|(_, seen)| *seen == publisher).map(|(place, _)| place);
            match (&viewer.view_lines, seen) {
                (Some(_), None) => None,
                (Some(lines), Some(place)) => Some((lines.get(publisher).copied(), place)),
                (None, _) => Some((None, seen.unwrap_or(UNSEEN_PRIORITY))),
            }
        }
    }
}
