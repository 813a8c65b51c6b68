//! What the application's server asks of a room and is answered.

use super::ban::Judge;
use super::guest::GuestStanding;
use super::moderation::Verb;
use super::recording::{RecordingAnswer, RecordingAsk};
use super::topology::Meta;
use super::{Output, Room};
use serde::{Deserialize, Serialize};
use shared::signal::{BanInfo, ParticipantInfo, RoomChange};
use shared::{ErrorCode, ParticipantId, UnixMillis, api, limits};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Makes the room; one that there is stays as it is.
    Create {
        change: RoomChange,
    },
    Show,
    Participants,
    Participant {
        participant: ParticipantId,
    },
    Bans,
    Recordings {
        request: RecordingAsk,
        /// The participant whose join token the request brought.
        by: Option<ParticipantId>,
    },
    /// A guest comes in: makes the room where there is none.
    Enter {
        participant: ParticipantId,
        /// Of a guest who was never here before: where they ask from.
        from: Option<String>,
    },
    /// A guest asks to be let in.
    Knock {
        participant: ParticipantId,
        name: String,
        /// The code for where they ask from.
        from: Option<String>,
        /// Whether the guest was here before, and has the id from then.
        is_known: bool,
    },
    /// Does what a moderator may do.
    Moderate {
        verb: Verb,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Room {
        room: api::Room,
        made: bool,
    },
    Participants {
        /// In the order of joining.
        participants: Vec<ParticipantInfo>,
    },
    Participant {
        participant: ParticipantInfo,
    },
    /// Bans, the latest first.
    Bans {
        bans: Vec<BanInfo>,
    },
    Recordings(RecordingAnswer),
    Guest {
        standing: GuestStanding,
    },
    Done,
    Refused {
        code: ErrorCode,
    },
}

impl Room {
    /// Whether the room exists: it has participants, or waits for one to come back.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.meta().is_some()
    }

    pub(super) fn asked(&mut self, now: UnixMillis, request: u64, ask: Ask) {
        let answer = self.answer(now, ask).unwrap_or_else(|code| Answer::Refused { code });
        self.news.direct.push(Output::Answer { request, answer });
    }

    fn answer(&mut self, now: UnixMillis, ask: Ask) -> Result<Answer, ErrorCode> {
        match ask {
            Ask::Create { change } => Ok(self.create(now, &change)),
            Ask::Enter { participant, from } => {
                let is_banned =
                    self.bans.contains(&participant) || from.is_some_and(|from| self.is_banned_from(now, &from));
                if is_banned { Err(ErrorCode::Banned) } else { Ok(self.create(now, &RoomChange::default())) }
            }
            Ask::Recordings { request, by } => {
                by.map_or(Ok(()), |participant| self.check_record_token(&participant))?;
                self.recording_answer(now, request).map_err(|error| error.code())
            }
            Ask::Show
            | Ask::Participants
            | Ask::Participant { .. }
            | Ask::Bans
            | Ask::Knock { .. }
            | Ask::Moderate { .. }
                if !self.exists() && !self.outlives(&ask) =>
            {
                Err(ErrorCode::UnknownRoom)
            }
            Ask::Show => Ok(self.shown(false)),
            Ask::Participants => Ok(Answer::Participants { participants: self.roster() }),
            Ask::Participant { participant } => self.participant(&participant),
            Ask::Knock { participant, name, from, is_known } => self.knock(now, &participant, name, from, is_known),
            Ask::Bans => Ok(Answer::Bans { bans: self.ban_infos() }),
            Ask::Moderate { verb } => {
                self.check_verb(Judge::Application, &verb).map_err(|error| error.code())?;
                let shows_room = matches!(verb, Verb::UpdateRoom { .. });
                let shows = match &verb {
                    Verb::UpdateParticipant { participant, .. } => Some(participant.clone()),
                    Verb::Remove { .. }
                    | Verb::LiftBan { .. }
                    | Verb::AnswerGuest { .. }
                    | Verb::MuteTrack { .. }
                    | Verb::UpdateRoom { .. }
                    | Verb::End { .. } => None,
                };
                self.carry_out(now, Judge::Application, verb);
                match shows {
                    Some(participant) => self.participant(&participant),
                    None if shows_room => Ok(self.shown(false)),
                    None => Ok(Answer::Done),
                }
            }
        }
    }

    /// Whether it is about something that is kept without a room.
    fn outlives(&self, ask: &Ask) -> bool {
        !self.bans.is_empty() && matches!(ask, Ask::Bans | Ask::Moderate { verb: Verb::LiftBan { .. } })
    }

    fn create(&mut self, now: UnixMillis, change: &RoomChange) -> Answer {
        if self.exists() {
            return self.shown(false);
        }
        let meta = Meta {
            empty_since: Some(now),
            empty_timeout_ms: limits::CREATED_ROOM_LIFETIME_MS,
            ..Meta::new(limits::PARTICIPANTS_PER_ROOM_DEFAULT, now)
        };
        self.meta.insert((), meta);
        self.update_room(change);
        self.shown(true)
    }

    fn participant(&self, participant: &ParticipantId) -> Result<Answer, ErrorCode> {
        let member = self.members.get(participant).ok_or(ErrorCode::UnknownParticipant)?;
        Ok(Answer::Participant { participant: self.info(member) })
    }

    fn shown(&self, made: bool) -> Answer {
        let info = self.room_info();
        let (created_at, empty_timeout_ms) =
            self.meta().map_or_else(Default::default, |meta| (meta.created_at, meta.empty_timeout_ms));
        let room = api::Room {
            name: self.id.clone(),
            created_at,
            participants: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            locked: info.locked,
            metadata: info.metadata,
            participants_max: info.participants_max,
            empty_timeout_ms,
        };
        Answer::Room { room, made }
    }
}
