//! One participant: what is known about them, and how they go.

use super::Room;
use super::ban::Judge;
use super::media_session::MediaState;
use super::news::Reply;
use super::renegotiate::Renegotiation;
use super::resume_secret::ResumeSecrets;
use super::slot::Slot;
use super::standing::Lost;
use super::track::Track;
use crate::SocketId;
use serde::{Deserialize, Serialize};
use shared::signal::{ConnectionState, EdgeToClient, LeaveReason, ParticipantChange, ParticipantInfo};
use shared::token::{self, Grants};
use shared::{AttemptId, ErrorCode, ParticipantId, SessionId, UnixMillis, limits};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) id: ParticipantId,
    pub(super) name: String,
    pub(super) grants: Grants,
    /// The grants of their token, without a moderator's changes.
    #[serde(default, skip_serializing_if = "Grants::are_default")]
    pub(super) token: Grants,
    /// Whether the token is one that the edge made for a guest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) guest: bool,
    /// What a moderator or the application's server said, which stands above the token.
    #[serde(default)]
    pub(super) change: ParticipantChange,
    /// Whether its grants are a guest's decision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) changed_by_guest: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<Lost>,
    pub(super) joined_at: UnixMillis,
    /// Lower numbers joined earlier.
    pub(super) order: u64,
    /// The client's name for the join that made them a participant.
    pub(super) attempt: AttemptId,
    /// Where a guest came from, for as long as it matters whether they are banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    pub(super) resume_secrets: ResumeSecrets,
    /// Their signaling socket; while there is none, `absence` says since when.
    pub(super) socket: Option<SocketId>,
    pub(super) absence: Option<Absence>,
    /// Whether they were told `joined`: before that, they are told nothing else.
    pub(super) answered: bool,
    pub(super) session: SessionId,
    /// Whether media was ever up, so that its absence is a loss.
    pub(super) was_connected: bool,
    pub(super) waiting: Option<Waiting>,
    pub(super) tracks: Vec<Track>,
    pub(super) slots: Vec<Slot>,
    pub(super) view: Vec<ParticipantId>,
    /// Lines of the tiles of those in the view; nothing where the client does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) view_lines: Option<BTreeMap<ParticipantId, u16>>,
    /// The slots of each kind that they were last asked to offer.
    pub(super) sections_asked: (u8, u8),
    /// When they raised their hand; `None` while it is down.
    #[serde(default)]
    pub(super) hand_raised_at: Option<UnixMillis>,
    /// Since when no media of theirs reaches a node while their socket is open, or when they last said `ping` since then.
    #[serde(default)]
    pub(super) silent_since: Option<UnixMillis>,
    /// When they last said that their transport is dead.
    pub(super) dead_at: Option<UnixMillis>,
    /// An ICE restart that waits until it is known which TURN nodes there are.
    #[serde(default)]
    pub(super) restart: Option<Restart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Absence {
    pub(super) since: UnixMillis,
    /// Their page is gone: they come back at once, by a reload, or not at all.
    pub(super) page_closed: bool,
}

impl Absence {
    /// The socket was lost without a word.
    pub(super) fn lost(since: UnixMillis) -> Self {
        Self { since, page_closed: false }
    }

    /// When they are no longer waited for.
    pub(super) fn ends_at(self) -> UnixMillis {
        self.since.plus_ms(if self.page_closed { limits::RELOAD_WINDOW_MS } else { limits::RESUME_WINDOW_MS })
    }

    pub(super) fn reason(self) -> LeaveReason {
        if self.page_closed { LeaveReason::Left } else { LeaveReason::TimedOut }
    }
}

/// An ICE restart that waits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restart {
    pub(super) request: Renegotiation,
    pub(super) since: UnixMillis,
}

impl Restart {
    /// When it is answered with what is known.
    pub(super) fn answered_at(&self) -> UnixMillis {
        self.since.plus_ms(limits::TURN_NODES_TIMEOUT_MS)
    }
}

impl Member {
    /// As what this participant decides about others, if they may.
    pub(super) fn judge(&self) -> Judge {
        // Rows from before the field was stored tell it by the address or the id.
        let is_guest = self.guest || self.from.is_some() || token::is_guest_id(&self.id);
        if is_guest { Judge::Guest } else { Judge::Application }
    }
}

/// A request that waits for a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) in_reply_to: Option<u32>,
    /// Whether it is their `join`.
    pub(super) first: bool,
    /// Whether the client offered with a connection that has never been answered.
    pub(super) new_connection: bool,
    pub(super) session: SessionId,
    pub(super) tracks: Vec<Track>,
}

impl Room {
    /// What everybody knows about a participant.
    pub(super) fn info(&self, member: &Member) -> ParticipantInfo {
        ParticipantInfo {
            id: member.id.clone(),
            name: member.name.clone(),
            metadata: member.change.metadata.clone().unwrap_or_default(),
            grants: member.grants,
            joined_at: member.joined_at,
            connection: self.connection(member),
            hand_raised_at: member.hand_raised_at,
            tracks: member.tracks.iter().map(Into::into).collect(),
        }
    }

    fn connection(&self, member: &Member) -> ConnectionState {
        let session = self.sessions.get(&member.session);
        let media = session.map_or(MediaState::New, |session| session.media);
        let served = session.and_then(|session| session.epoch).is_some_and(|epoch| self.assignments.contains(&epoch));
        match media {
            MediaState::Up if served && member.socket.is_some() => ConnectionState::Connected,
            MediaState::New if !member.was_connected && member.socket.is_some() => ConnectionState::Connecting,
            MediaState::New | MediaState::Up | MediaState::Ended => ConnectionState::Reconnecting,
        }
    }

    /// Everybody, in the order of joining.
    pub(super) fn roster(&self) -> Vec<ParticipantInfo> {
        let mut members: Vec<_> = self.members.values().collect();
        members.sort_by_key(|member| member.order);
        members.into_iter().map(|member| self.info(member)).collect()
    }

    /// Makes this their session and these their tracks; the session before is over.
    pub(super) fn adopt(&mut self, participant: &ParticipantId, session: SessionId, tracks: Vec<Track>) {
        let Some(member) = self.members.get_mut(participant) else { return };
        let before = std::mem::replace(&mut member.session, session.clone());
        member.tracks = tracks;
        let of_session = self.sessions.get(&session);
        let offered = of_session.into_iter().flat_map(|session| session.slots());
        let slots = offered.map(|(mid, kind, number)| {
            let known = member.slots.iter().find(|slot| slot.mid == *mid && slot.kind == kind);
            Slot { mid: mid.clone(), kind, number, playing: known.and_then(|slot| slot.playing.clone()) }
        });
        member.slots = slots.collect();
        if before != session {
            self.close_session(&before);
        }
    }

    /// Ends a session, and tells its node.
    pub(super) fn close_session(&mut self, id: &SessionId) {
        if let Some(epoch) = self.sessions.remove(id).and_then(|session| session.epoch) {
            self.news.closed_sessions.push((epoch, id.clone()));
        }
    }

    pub(super) fn remove_member(&mut self, participant: &ParticipantId, reason: LeaveReason) {
        let Some(member) = self.members.remove(participant) else { return };
        self.keep_standing(&member);
        self.keep_departed(&member);
        if let Some(waiting) = &member.waiting {
            self.close_session(&waiting.session);
        }
        self.close_session(&member.session);
        if let Some(socket) = member.socket {
            self.forget_participant_of(socket);
        }
        self.news.left.push((participant.clone(), reason));
    }

    /// A request that waits for a node is answered with an error; without its first session a participant is none.
    pub(super) fn fail_waiting(&mut self, participant: &ParticipantId, code: ErrorCode) {
        self.refuse_waiting(participant, code);
        let Some(member) = self.members.get_mut(participant) else { return };
        let Some(waiting) = member.waiting.take() else { return };
        if waiting.first {
            self.remove_member(participant, LeaveReason::TimedOut);
        } else {
            self.close_session(&waiting.session);
        }
    }

    /// A request that waits for a node will not be answered otherwise, as its socket is about to close.
    pub(super) fn refuse_waiting(&mut self, participant: &ParticipantId, code: ErrorCode) {
        let Some(member) = self.members.get(participant) else { return };
        let waiting = member.waiting.as_ref().map(|waiting| waiting.in_reply_to);
        let restart = member.restart.as_ref().map(|restart| restart.request.in_reply_to);
        if let (Some(in_reply_to), Some(socket)) = (waiting.or(restart), member.socket) {
            self.news.refuse(socket, in_reply_to, code, waiting_error(code));
        }
    }

    /// Queues an answer that shows the room as it is after this input.
    pub(super) fn reply(&mut self, participant: &ParticipantId, reply: Reply) {
        let Some(member) = self.members.get_mut(participant) else { return };
        // A client that lost its socket meanwhile asks again.
        if member.socket.is_some() {
            member.answered = true;
            self.news.replies.push((participant.clone(), reply));
        }
    }

    /// The participant's socket is told a last thing and closed.
    pub(super) fn send_off(&mut self, participant: &ParticipantId, message: EdgeToClient, code: u16) {
        let Some(socket) = self.members.get(participant).and_then(|member| member.socket) else { return };
        self.news.send_client(socket, message);
        self.close_client(socket, code);
    }
}

/// What a developer reads about a request that waited in vain.
const fn waiting_error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::SessionExpired => "the node has forgotten this connection: offer with a new one",
        ErrorCode::Replaced => "the same participant joined again",
        ErrorCode::Kicked => "a moderator removed the participant",
        ErrorCode::RoomClosed => "the room was ended",
        ErrorCode::NotJoined => "the participant left",
        ErrorCode::RateLimited | ErrorCode::MalformedFrame => "too many bad frames",
        ErrorCode::Timeout => "the client says no ping",
        _ => "no media node could be found",
    }
}
