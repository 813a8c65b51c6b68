//! What a moderator, or the application's server, does to a room: remove, mute, change, lock, end.

use super::Room;
use super::ban::Judge;
use super::topology::{Meta, Placing};
use crate::SocketId;
use serde::{Deserialize, Serialize};
use shared::signal::{BanTerm, EdgeToClient, LeaveReason, ParticipantChange, RoomChange, close_code};
use shared::{ErrorCode, ParticipantId, TrackId, UnixMillis, limits};

/// An ended room is forgotten after this long: at once, but late enough that the next epoch, which begins with the time, is a higher one.
const ENDED_ROOM_LIFETIME_MS: u64 = 1;

/// One thing that only a moderator or the application's server may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    Remove {
        participant: ParticipantId,
        /// Told to them.
        reason: Option<String>,
        /// Keeps them out as well; then they need not be in the room.
        #[serde(default)]
        ban: Option<BanTerm>,
    },
    LiftBan {
        participant: ParticipantId,
    },
    AnswerGuest {
        participant: ParticipantId,
        admit: bool,
    },
    /// Mutes a track until its publisher unmutes it.
    MuteTrack {
        participant: ParticipantId,
        track: TrackId,
    },
    /// Changes what is known about a participant or what they may do.
    UpdateParticipant {
        participant: ParticipantId,
        change: ParticipantChange,
    },
    UpdateRoom {
        change: RoomChange,
    },
    End {
        /// Told to everybody.
        reason: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ModerationError {
    #[error("the token does not grant moderating")]
    MayNotModerate,
    #[error("no participant is {participant}")]
    UnknownParticipant { participant: ParticipantId },
    #[error("no guest {participant} waits")]
    UnknownGuest { participant: ParticipantId },
    #[error("{participant} has no track {track}")]
    UnknownTrack { participant: ParticipantId, track: TrackId },
    #[error("{participant} is not banned")]
    UnknownBan { participant: ParticipantId },
    #[error("the room has {} bans already", limits::BANS_PER_ROOM_MAX)]
    TooManyBans,
}

impl ModerationError {
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::MayNotModerate => ErrorCode::Forbidden,
            Self::UnknownParticipant { .. } | Self::UnknownGuest { .. } => ErrorCode::UnknownParticipant,
            Self::UnknownTrack { .. } => ErrorCode::UnknownTrack,
            Self::UnknownBan { .. } => ErrorCode::UnknownBan,
            Self::TooManyBans => ErrorCode::TooManyBans,
        }
    }
}

impl Room {
    /// Does what a participant asks for, if they may.
    pub(super) fn moderate(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        participant: &ParticipantId,
        in_reply_to: Option<u32>,
        verb: Verb,
    ) -> Result<(), ModerationError> {
        let moderator = self.members.get(participant).filter(|member| member.grants.moderate);
        let judge = moderator.ok_or(ModerationError::MayNotModerate)?.judge();
        self.check_verb(judge, &verb)?;
        // Answered first, because the request may remove its own sender.
        self.news.done(socket, in_reply_to);
        self.carry_out(now, judge, verb);
        Ok(())
    }

    pub(super) fn list_bans(
        &mut self,
        socket: SocketId,
        participant: &ParticipantId,
        in_reply_to: Option<u32>,
    ) -> Result<(), ModerationError> {
        if !self.members.get(participant).is_some_and(|member| member.grants.moderate) {
            return Err(ModerationError::MayNotModerate);
        }
        let bans = self.ban_infos();
        self.news.send_client(socket, EdgeToClient::Bans { in_reply_to, bans });
        Ok(())
    }

    /// Whether there is what the verb names.
    pub(super) fn check_verb(&self, judge: Judge, verb: &Verb) -> Result<(), ModerationError> {
        let member = |participant: &ParticipantId| {
            let unknown = || ModerationError::UnknownParticipant { participant: participant.clone() };
            self.members.get(participant).ok_or_else(unknown)
        };
        match verb {
            Verb::Remove { participant, ban: Some(_), .. } => {
                self.has_room_for_ban(judge, participant).then_some(()).ok_or(ModerationError::TooManyBans)
            }
            Verb::Remove { participant, ban: None, .. } | Verb::UpdateParticipant { participant, .. } => {
                member(participant).map(|_| ())
            }
            Verb::LiftBan { participant } => {
                let unknown = || ModerationError::UnknownBan { participant: participant.clone() };
                self.bans.contains(participant).then_some(()).ok_or_else(unknown)
            }
            Verb::AnswerGuest { participant, .. } => {
                let unknown = || ModerationError::UnknownGuest { participant: participant.clone() };
                self.is_waiting_guest(participant).then_some(()).ok_or_else(unknown)
            }
            Verb::MuteTrack { participant, track } => {
                let has = member(participant)?.tracks.iter().any(|of_member| of_member.id == *track);
                let unknown =
                    || ModerationError::UnknownTrack { participant: participant.clone(), track: track.clone() };
                has.then_some(()).ok_or_else(unknown)
            }
            Verb::UpdateRoom { .. } | Verb::End { .. } => Ok(()),
        }
    }

    /// Does what [`Self::check_verb`] found possible.
    pub(super) fn carry_out(&mut self, now: UnixMillis, judge: Judge, verb: Verb) {
        match verb {
            Verb::Remove { participant, reason, ban } => {
                if let Some(term) = ban {
                    self.ban(now, judge, &participant, term);
                }
                self.expel(&participant, ErrorCode::Kicked, reason);
            }
            Verb::LiftBan { participant } => drop(self.bans.remove(&participant)),
            Verb::AnswerGuest { participant, admit } => self.answer_guest(&participant, admit),
            Verb::MuteTrack { participant, track } => self.silence(&participant, &track),
            Verb::UpdateParticipant { participant, change } => {
                self.update_participant(now, judge, &participant, change);
            }
            Verb::UpdateRoom { change } => self.update_room(&change),
            Verb::End { reason } => self.end(now, reason.as_deref()),
        }
    }

    fn expel(&mut self, participant: &ParticipantId, code: ErrorCode, reason: Option<String>) {
        self.refuse_waiting(participant, code);
        self.send_off(participant, EdgeToClient::Removed { code, reason }, close_code::REMOVED);
        self.remove_member(participant, LeaveReason::Kicked);
    }

    fn silence(&mut self, participant: &ParticipantId, track: &TrackId) {
        let Some(member) = self.members.get_mut(participant) else { return };
        let waiting = member.waiting.iter_mut().flat_map(|waiting| &mut waiting.tracks);
        let mut mid = None;
        for track in member.tracks.iter_mut().chain(waiting).filter(|of_member| of_member.id == *track) {
            (track.muted, track.silenced) = (true, true);
            mid.get_or_insert_with(|| track.mid.clone());
        }
        if let (true, Some(socket), Some(mid)) = (member.answered, member.socket, mid) {
            self.news.send_client(socket, EdgeToClient::TrackMuted { mid });
        }
    }

    fn update_participant(
        &mut self,
        now: UnixMillis,
        judge: Judge,
        participant: &ParticipantId,
        change: ParticipantChange,
    ) {
        let Some(member) = self.members.get_mut(participant) else { return };
        let ParticipantChange { name, metadata, grants } = change;
        if let Some(name) = name {
            member.name.clone_from(&name);
            member.change.name = Some(name);
        }
        if metadata.is_some() {
            member.change.metadata = metadata;
        }
        if let Some(grants) = grants {
            if !grants.publish {
                member.tracks.clear();
                member.waiting.iter_mut().for_each(|waiting| waiting.tracks.clear());
            }
            self.regrant(now, judge, participant, grants);
        }
    }

    pub(super) fn update_room(&mut self, change: &RoomChange) {
        let Some(meta) = self.meta_mut() else { return };
        if let Some(locked) = change.locked {
            meta.locked = locked;
        }
        if let Some(metadata) = &change.metadata {
            meta.metadata.clone_from(metadata);
        }
        if let Some(max) = change.participants_max.and_then(|max| usize::try_from(max).ok()) {
            meta.participants_max = max.clamp(1, limits::PARTICIPANTS_PER_ROOM_MAX);
        }
        if let Some(ms) = change.empty_timeout_ms {
            meta.empty_timeout_ms = ms.min(limits::EMPTY_TIMEOUT_MS_MAX);
        }
    }

    /// Everybody goes, the nodes are released, and what was set is forgotten; bans and the like are not.
    fn end(&mut self, now: UnixMillis, reason: Option<&str>) {
        let participants: Vec<ParticipantId> = self.members.keys().cloned().collect();
        for participant in participants {
            self.expel(&participant, ErrorCode::RoomClosed, reason.map(Into::into));
        }
        self.keep_judgements(now);
        self.forget_guests();
        let placing = self.meta_mut().and_then(|meta| meta.placing.take());
        if let Some(Placing::Asked { early: Some(early), .. }) = placing {
            self.refuse_node(early.socket, ErrorCode::StaleEpoch);
        }
        let epochs: Vec<u64> = self.assignments.keys().copied().collect();
        for epoch in epochs {
            self.end_assignment(epoch);
        }
        if let Some(meta) = self.meta_mut() {
            let fresh = Meta::new(limits::PARTICIPANTS_PER_ROOM_DEFAULT, now);
            let (epoch, next_csrc, next_order) = (meta.epoch, meta.next_csrc, meta.next_order);
            *meta = Meta {
                epoch,
                next_csrc,
                next_order,
                empty_since: Some(now),
                empty_timeout_ms: ENDED_ROOM_LIFETIME_MS,
                ..fresh
            };
        }
    }
}
