//! Announces changes to the roster: one by one in a small room, gathered for a moment in a large one.
//!
//! Gathered changes are stored, so that they survive a sleep. Nobody is shown in a slot before they are announced.

use crate::room::state::State;
use crate::room::state::meta::Gathered;
use shared::signal::{Departure, EdgeToClient, LeaveReason, ParticipantInfo};
use shared::sorted;
use shared::{ParticipantId, UnixMillis, limits};

/// The changes of this input to the roster.
pub(crate) struct News<'a> {
    pub(crate) left: &'a [(ParticipantId, LeaveReason)],
    pub(crate) infos: Vec<(bool, ParticipantInfo)>,
    /// True if other news of this input need the roster.
    pub(crate) is_urgent: bool,
}

/// The messages that are due, for everybody.
pub(crate) fn messages(state: &mut State, now: UnixMillis, news: News<'_>) -> Vec<EdgeToClient> {
    let is_quiet = news.left.is_empty() && news.infos.is_empty();
    let is_large = state.members.len() >= limits::PRESENCE_GATHERED_FROM;
    let gathered = state.meta().and_then(|meta| meta.gathered.as_ref());
    match gathered {
        None if is_quiet => return Vec::new(),
        None if !is_large || news.is_urgent => return one_by_one(news),
        Some(gathered) if is_quiet && !news.is_urgent && now < gathered.deadline() => return Vec::new(),
        None | Some(_) => {}
    }
    let Some(meta) = state.meta_mut() else { return one_by_one(news) };
    let gathered = meta.gathered.get_or_insert_with(|| Gathered::new(now));
    for (participant, reason) in news.left {
        gathered.changed.remove(participant);
        gathered.left.insert(participant.clone(), *reason);
    }
    for (_, info) in news.infos {
        gathered.left.remove(&info.id);
        gathered.changed.insert(info.id);
    }
    if !news.is_urgent && is_large && now < gathered.deadline() {
        return Vec::new();
    }
    meta.gathered.take().map_or_else(Vec::new, |gathered| together(state, gathered))
}

fn one_by_one(news: News<'_>) -> Vec<EdgeToClient> {
    let left = news.left.iter().cloned();
    let left = left.map(|(participant, reason)| EdgeToClient::ParticipantLeft { participant, reason });
    let infos = news.infos.into_iter().map(|(is_new, participant)| match is_new {
        true => EdgeToClient::ParticipantJoined { participant },
        false => EdgeToClient::ParticipantUpdated { participant },
    });
    left.chain(infos).collect()
}

/// The gathered changes, in as few frames as possible.
fn together(state: &State, gathered: Gathered) -> Vec<EdgeToClient> {
    let changed = gathered.changed.iter().filter_map(|id| state.members.get(id));
    let mut members: Vec<_> = changed.collect();
    sorted::sort_by_key(&mut members, |member| member.order);
    let departure = |(participant, reason)| Departure { participant, reason };
    let left: Vec<Departure> = gathered.left.into_iter().map(departure).collect();
    let mut frames: Vec<(Vec<ParticipantInfo>, Vec<Departure>)> = Vec::new();
    for left in left.chunks(DEPARTURES_PER_FRAME) {
        frames.push((Vec::new(), left.to_vec()));
    }
    let mut room_left = 0;
    for member in members {
        let info = state.info(member);
        let bytes = info.json_bytes_max();
        if bytes > room_left || frames.is_empty() {
            frames.push(Default::default());
            room_left = limits::ROSTER_FRAME_BYTES;
        }
        room_left = room_left.saturating_sub(bytes);
        if let Some((infos, _)) = frames.last_mut() {
            infos.push(info);
        }
    }
    let last = frames.len().saturating_sub(1);
    let revision = |index| (index == last).then(|| state.roster_revision());
    let frames = frames.into_iter().enumerate();
    frames
        .map(|(index, (changed, left))| EdgeToClient::RosterChanged { changed, left, revision: revision(index) })
        .collect()
}

const DEPARTURES_PER_FRAME: usize = limits::ROSTER_FRAME_BYTES / 256;
