//! The public state of the room: participants, properties, recordings.

use crate::room::state::State;
use crate::room::state::members::Member;
use shared::signal::{EdgeToClient, LeaveReason, ParticipantInfo, RecordingInfo, RoomInfo};
use shared::sorted::SortedMap;
use shared::{ParticipantId, RecordingId};

/// The public state as last sent.
pub(crate) struct Told {
    infos: SortedMap<ParticipantId, Known>,
    room: RoomInfo,
    recordings: SortedMap<RecordingId, RecordingInfo>,
    /// The latest revision of the roster.
    revision: u64,
}

struct Known {
    info: ParticipantInfo,
    /// Only the participant was told.
    audience: bool,
}

/// The changes of one input to the participants.
#[derive(Default)]
pub(crate) struct Changed {
    /// For everybody, and whether they are new.
    pub(crate) infos: Vec<(bool, ParticipantInfo)>,
    pub(crate) left: Vec<(ParticipantId, LeaveReason)>,
    /// Of the audience, for the participant alone.
    pub(crate) own: Vec<ParticipantInfo>,
}

impl Told {
    pub(crate) fn new(state: &State) -> Self {
        let known = |member: &Member| Known { info: state.info(member), audience: member.audience };
        let infos = state.members.values().map(|member| (member.id.clone(), known(member))).collect();
        Self { infos, room: state.room_info(), recordings: recordings(state), revision: state.roster_revision() }
    }

    /// The room's properties, if this input changed them.
    pub(crate) fn changed_room(&mut self, state: &State) -> Option<EdgeToClient> {
        let told = std::mem::replace(&mut self.room, state.room_info());
        (told != self.room).then(|| EdgeToClient::RoomUpdated { room: self.room.clone() })
    }

    /// The participants who left or whose public state this input changed; their changes get the next revision.
    pub(crate) fn changed_infos(&mut self, state: &mut State, left: &[(ParticipantId, LeaveReason)]) -> Changed {
        let mut changed = Changed::default();
        let revision = self.revision.max(state.departures_revision()).saturating_add(1);
        for (participant, reason) in left {
            // A participant who left and returned within one input is new.
            let was_listed = self.infos.remove(participant).is_none_or(|known| !known.audience);
            if was_listed {
                changed.left.push((participant.clone(), *reason));
            }
            self.revision = revision;
            if let Some(departures) = state.meta_mut().and_then(|meta| meta.departures.as_mut()) {
                departures.note(revision, was_listed.then_some(participant));
            }
        }
        for participant in state.touched_members() {
            let Some(member) = state.members.get(&participant) else {
                self.infos.remove(&participant);
                continue;
            };
            let (info, audience) = (state.info(member), member.audience);
            let known = self.infos.insert(participant, Known { info: info.clone(), audience });
            let is_new = known.as_ref().is_none_or(|known| known.audience);
            let is_same = known.as_ref().is_some_and(|known| known.info == info && known.audience == audience);
            if is_same {
                continue;
            }
            if known.is_none_or(|known| known.audience != audience || !is_same_but_connection(known.info, &info)) {
                self.revision = revision;
                if let Some(member) = state.members.get_mut(&info.id) {
                    member.revision = revision;
                }
            }
            match audience {
                true => changed.own.push(info),
                false => changed.infos.push((is_new, info)),
            }
        }
        if state.meta().is_none() {
            // The next room has revisions of its own.
            self.revision = 0;
        }
        changed
    }

    /// One message for each recording whose public state differs from the one last sent.
    pub(crate) fn changed_recordings(&mut self, state: &State) -> Vec<EdgeToClient> {
        if state.recordings.changed().is_empty() {
            return Vec::new();
        }
        let changed = state.recordings.changed().iter();
        let changed = changed.filter_map(|id| Some(state.recordings.get(id)?.info(id)));
        let news = changed.filter(|info| self.recordings.get(&info.id) != Some(info));
        let news = news.map(|recording| EdgeToClient::RecordingUpdated { recording }).collect();
        self.recordings = recordings(state);
        news
    }
}

/// True if nothing differs but the connection, of which a difference contains the current state.
fn is_same_but_connection(known: ParticipantInfo, info: &ParticipantInfo) -> bool {
    ParticipantInfo { connection: info.connection, ..known } == *info
}

fn recordings(state: &State) -> SortedMap<RecordingId, RecordingInfo> {
    state.recordings.iter().map(|(id, recording)| (id.clone(), recording.info(id))).collect()
}
