//! Detects participants that vanished without a close frame: their media does not reach the node, and they send no
//! pings.
//!
//! The platform answers pings without waking the room, and records the time of the last one. The room queries it only
//! for participants without media, so that a healthy room is never woken.

use super::media_session::MediaState;
use super::member::{Absence, Member};
use super::{Output, Room};
use crate::SocketId;
use shared::signal::close_code;
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};
use std::collections::BTreeSet;

impl Room {
    /// Notes since when nothing of a participant's media reaches a node.
    pub(super) fn note_silence(&mut self, now: UnixMillis) {
        for participant in self.touched_members() {
            let Some(member) = self.members.get(&participant) else { continue };
            let silent = member.socket.is_some() && !self.is_flowing(member);
            if silent != member.silent_since.is_some()
                && let Some(member) = self.members.get_mut(&participant)
            {
                member.silent_since = silent.then_some(now);
            }
        }
    }

    /// Participants whom this input may have changed, or their session, or its node.
    pub(super) fn touched_members(&self) -> BTreeSet<ParticipantId> {
        if !self.assignments.changed().is_empty() {
            return self.members.keys().chain(self.members.changed()).cloned().collect();
        }
        let of_session = |id| Some(self.sessions.get(id)?.participant.clone());
        let of_sessions = self.sessions.changed().iter().filter_map(of_session);
        self.members.changed().iter().cloned().chain(of_sessions).collect()
    }

    fn is_flowing(&self, member: &Member) -> bool {
        self.sessions.get(&member.session).is_some_and(|session| {
            session.media == MediaState::Up && session.epoch.is_some_and(|epoch| self.assignments.contains(&epoch))
        })
    }

    /// When the pings of a participant must be checked.
    pub(super) fn silence_deadline(member: &Member) -> Option<UnixMillis> {
        member.socket.and(member.silent_since).map(|since| since.plus_ms(limits::CLIENT_SILENCE_MS))
    }

    pub(super) fn silence_due(&mut self, now: UnixMillis, participant: &ParticipantId) {
        let Some(member) = self.members.get_mut(participant) else { return };
        if let Some(socket) = member.socket {
            // Where the answer is lost, it is asked again.
            member.silent_since = Some(now);
            self.news.heard_asks.push(Output::AskHeard { socket });
        }
    }

    /// When a silent client last sent `ping`; `None` if never.
    pub(super) fn heard(&mut self, now: UnixMillis, socket: SocketId, at: Option<UnixMillis>) {
        let of_socket = |member: &&Member| member.socket == Some(socket) && member.silent_since.is_some();
        let Some(participant) = self.members.values().find(of_socket).map(|member| member.id.clone()) else { return };
        let alive_at = at.filter(|at| now.since_ms(*at) < limits::CLIENT_SILENCE_MS);
        let Some(alive_at) = alive_at else {
            self.refuse_waiting(&participant, ErrorCode::Timeout);
            self.close_client(socket, close_code::NORMAL);
            self.client_lost(&participant, socket, Absence::lost(now));
            return;
        };
        if let Some(member) = self.members.get_mut(&participant) {
            member.silent_since = Some(alive_at);
        }
    }
}
