//! A client's half of signaling: pending requests, and the known state of the room.

use crate::check::SourceName;
use crate::clock::Clock;
use shared::rtp_parameters::MediaKind;
use shared::signal::{
    ChatMessage, ClientFrame, ClientToEdge, ConnectionState, Departure, NegotiateReason, ParticipantInfo,
    RosterDifference, SlotInfo,
};
use shared::{ErrorCode, Mid, ParticipantId, SessionId, TrackId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longest time for the edge to answer a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Join,
    Resume,
    /// For an answer to a further offer.
    Negotiate(NegotiateReason),
    Leave,
    /// Any request that is only executed or refused.
    Other,
}

/// The requests of one socket.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    number: u32,
    pending: BTreeMap<u32, (Asked, Instant)>,
}

impl Requests {
    /// Creates the frame of a request, and records that it needs an answer.
    pub fn frame(&mut self, clock: &Clock, asked: Asked, message: ClientToEdge) -> String {
        self.number += 1;
        self.pending.insert(self.number, (asked, clock.now() + ANSWER_WITHIN));
        ClientFrame { id: Some(self.number), message }.to_json()
    }

    /// The request that a reply answers; `None` if it was never sent, or was answered before.
    pub fn answered(&mut self, in_reply_to: Option<u32>) -> Option<Asked> {
        self.pending.remove(&in_reply_to?).map(|(asked, _)| asked)
    }

    /// True if a matching request is pending.
    #[must_use]
    pub fn is_pending(&self, is_meant: impl Fn(Asked) -> bool) -> bool {
        self.pending.values().any(|(asked, _)| is_meant(*asked))
    }

    /// The socket closed, so no answer will come.
    pub fn forget(&mut self) {
        self.pending.clear();
    }

    /// Requests whose answer is overdue; each is returned once.
    pub fn poll_overdue(&mut self, clock: &Clock) -> Vec<Asked> {
        let is_overdue = |(_, until): &(Asked, Instant)| *until <= clock.now();
        let overdue = self.pending.values().filter(|pending| is_overdue(pending)).map(|(asked, _)| *asked).collect();
        self.pending.retain(|_, pending| !is_overdue(pending));
        overdue
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.values().map(|(_, until)| *until).min()
    }
}

/// The client's knowledge of its room.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// The session and its resume secret.
    pub session: Option<(SessionId, String)>,
    /// All participants, including the client itself.
    pub roster: BTreeMap<ParticipantId, ParticipantInfo>,
    /// The last revision of the roster that the edge has named.
    pub revision: Option<u64>,
    /// The content of each slot, and the time of its assignment.
    pub slots: BTreeMap<Mid, (SlotInfo, Option<Instant>)>,
    /// Chat messages by number.
    pub chat: BTreeMap<u64, ChatMessage>,
    /// Codes of refused requests.
    pub refusals: Vec<ErrorCode>,
    /// Sections requested by the edge.
    pub sections_needed: Option<(u8, u8)>,
}

impl Knowledge {
    pub fn set_roster(&mut self, roster: Vec<ParticipantInfo>) {
        self.roster = roster.into_iter().map(|participant| (participant.id.clone(), participant)).collect();
    }

    pub fn change_roster(&mut self, changed: Vec<ParticipantInfo>, left: &[Departure]) {
        left.iter().for_each(|departure| drop(self.roster.remove(&departure.participant)));
        self.roster.extend(changed.into_iter().map(|participant| (participant.id.clone(), participant)));
    }

    /// Applies what has changed while the client was away.
    pub fn apply(&mut self, changed: Vec<ParticipantInfo>, difference: &RosterDifference) {
        let RosterDifference { left, connecting, reconnecting } = difference;
        left.iter().for_each(|id| drop(self.roster.remove(id)));
        self.roster.extend(changed.into_iter().map(|participant| (participant.id.clone(), participant)));
        for (id, participant) in &mut self.roster {
            participant.connection = match (connecting.contains(id), reconnecting.contains(id)) {
                (true, _) => ConnectionState::Connecting,
                (_, true) => ConnectionState::Reconnecting,
                (false, false) => ConnectionState::Connected,
            };
        }
    }

    pub fn set_slots(&mut self, clock: &Clock, slots: Vec<SlotInfo>) {
        for slot in slots {
            let is_same = self.slots.get(&slot.mid).is_some_and(|(before, _)| *before == slot);
            if !is_same {
                self.slots.insert(slot.mid.clone(), (slot, Some(clock.now())));
            }
        }
    }

    /// The participant who owns the source, by the roster.
    #[must_use]
    pub fn track_of(&self, source: SourceName) -> Option<(&ParticipantInfo, TrackId)> {
        self.roster.values().find_map(|participant| {
            let is_source = |mid: &Mid| SourceName::of(participant.id.as_str(), mid.as_str()) == source;
            let track = participant.tracks.iter().find(|track| is_source(&track.mid))?;
            Some((participant, track.id.clone()))
        })
    }

    /// A violation in the slots alone: no track may play in two, none may play a track of its owner.
    #[must_use]
    pub fn breach(&self, own: &ParticipantId) -> Option<String> {
        let mut tracks = BTreeMap::new();
        for (mid, (slot, _)) in &self.slots {
            if slot.track.is_some() != slot.participant.is_some() {
                return Some(format!("slot {mid} has half a track"));
            }
            if slot.participant.as_ref() == Some(own) {
                return Some(format!("slot {mid} plays the client's own track"));
            }
            let Some(track) = &slot.track else { continue };
            if let Some(other) = tracks.insert(track, mid) {
                return Some(format!("track {track} plays in slots {other} and {mid}"));
            }
        }
        None
    }

    /// A violation between slots and roster once the messages have settled: every slot must play a published track, in
    /// a section of its kind.
    #[must_use]
    pub fn settled_breach(&self, kinds: &BTreeMap<Mid, MediaKind>) -> Option<String> {
        for (mid, (slot, _)) in &self.slots {
            let (Some(track), Some(participant)) = (&slot.track, &slot.participant) else { continue };
            let Some(owner) = self.roster.get(participant) else {
                return Some(format!("slot {mid} plays {track} of {participant}, who is not here"));
            };
            let Some(info) = owner.tracks.iter().find(|info| info.id == *track) else {
                return Some(format!("slot {mid} plays {track}, which {participant} does not publish"));
            };
            if kinds.get(mid) != Some(&info.kind) {
                return Some(format!("slot {mid} plays {track} of another kind"));
            }
        }
        None
    }
}
