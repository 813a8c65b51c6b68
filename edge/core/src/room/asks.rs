//! Requests of the application's server and of moderators, and the answers.

use crate::room::state::guests::GuestStanding;
use serde::{Deserialize, Serialize};
use shared::json::tagged;
use shared::signal::{
    ActInfo, BanInfo, BanTerm, CallInfo, ParticipantChange, ParticipantInfo, RecordingFile, RecordingInfo, RoomChange,
};
use shared::{ErrorCode, ParticipantId, RecordingId, TemplateName, TrackId, UnixMillis, api};

#[tagged("ask")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Creates the room, or leaves an existing one unchanged.
    Create {
        change: RoomChange,
        /// Its values count where `change` has none.
        #[serde(default)]
        template: Option<TemplateName>,
    },
    Show,
    Participants,
    Participant {
        participant: ParticipantId,
    },
    Bans,
    /// The current call and past ones.
    Calls,
    /// The acts of moderators and of the application.
    Audit {
        /// The `next` of an earlier page.
        before: Option<u64>,
        limit: usize,
    },
    Recordings {
        request: RecordingAsk,
        /// The participant whose join token came with the request.
        by: Option<ParticipantId>,
    },
    /// Admits a guest, creating the room if necessary.
    Enter {
        participant: ParticipantId,
        /// The keyed hash of the guest's address.
        from: Option<String>,
        /// Creation time of the room that the guest hosts.
        #[serde(default)]
        made: Option<UnixMillis>,
    },
    /// A page before joining asks what people must know about the room. Creates nothing.
    Lobby {
        /// `None` for a person without a token.
        participant: Option<ParticipantId>,
        /// The keyed hash of a guest's address.
        from: Option<String>,
    },
    /// A guest asks to be admitted from the lobby.
    Knock {
        participant: ParticipantId,
        name: String,
        /// The keyed hash of the guest's address.
        from: Option<String>,
    },
    /// Performs a moderator's action.
    Moderate {
        verb: Verb,
    },
}

#[tagged("answer")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Room {
        room: api::Room,
        made: bool,
    },
    Participants {
        participants: Vec<ParticipantInfo>,
    },
    Participant {
        participant: ParticipantInfo,
    },
    /// Newest first.
    Bans {
        bans: Vec<BanInfo>,
    },
    /// Newest first.
    Calls {
        calls: Vec<CallInfo>,
    },
    /// Newest first.
    Audit {
        acts: Vec<ActInfo>,
        /// `None` on the last page.
        next: Option<u64>,
    },
    Recordings(RecordingAnswer),
    Guest {
        standing: GuestStanding,
    },
    Lobby {
        recorded: bool,
    },
    Done,
    Refused {
        code: ErrorCode,
    },
}

/// A request that only a moderator or the application's server may make.
#[tagged("verb")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    Remove {
        participant: ParticipantId,
        /// Shown to the removed participant.
        reason: Option<String>,
        /// Also keeps the participant out. Then the participant need not be in the room.
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
    /// Mutes a track until its publisher unmutes it or, if it is held, until the publisher may publish its source again.
    MuteTrack {
        participant: ParticipantId,
        track: TrackId,
        #[serde(default)]
        hold: bool,
    },
    /// Changes a participant's data or grants.
    UpdateParticipant {
        participant: ParticipantId,
        change: ParticipantChange,
    },
    UpdateRoom {
        change: RoomChange,
    },
    Start,
    Pause {
        /// Shown to everybody in the room.
        reason: Option<String>,
    },
    Resume,
    End {
        /// Shown to everybody in the room.
        reason: Option<String>,
    },
}

#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingAsk {
    /// Starts a recording; a running one is returned unchanged.
    Start,
    /// Stops a recording; one that has ended is returned unchanged.
    Stop {
        recording: RecordingId,
    },
    List {
        after: Option<RecordingCursor>,
        limit: usize,
    },
    Show {
        recording: RecordingId,
    },
    /// Marks a recording for deletion; the caller deletes its objects next.
    Doom {
        recording: RecordingId,
    },
    /// All its objects have been deleted.
    Forget {
        recording: RecordingId,
    },
}

#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingAnswer {
    One {
        listing: RecordingListing,
        made: bool,
    },
    Page {
        /// Newest first.
        listings: Vec<RecordingListing>,
        /// `None` on the last page.
        next: Option<RecordingCursor>,
    },
    Doomed {
        key_prefix: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingListing {
    pub recording: RecordingInfo,
    pub files: Vec<RecordingFile>,
    pub manifest: Option<String>,
}

/// The end of a page: the next one starts with older recordings. Deleting or starting recordings in between does not
/// shift the pages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordingCursor {
    pub(crate) started_at: UnixMillis,
    pub(crate) id: RecordingId,
}

impl RecordingCursor {
    /// Reads the form written by [`std::fmt::Display`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        /// Digits of the last timestamp that a page can end with: some 30,000 years after 1970.
        const DIGITS_MAX: usize = 15;
        let (started_at, id) = text.split_once('.')?;
        // `parse` would accept a plus sign.
        let digits = started_at.bytes().all(|byte| byte.is_ascii_digit()) && started_at.len() <= DIGITS_MAX;
        let started_at = UnixMillis(started_at.parse().ok().filter(|_| digits)?);
        Some(Self { started_at, id: RecordingId::parse(id).ok()? })
    }
}

impl std::fmt::Display for RecordingCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.started_at.0, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_one_that_a_page_named() {
        let text = "1800000060000.r5m8n2p4q6s9t7v3";
        assert_eq!(RecordingCursor::parse(text).map(|cursor| cursor.to_string()).as_deref(), Some(text));
        for bad in ["", ".", "1.", ".a", "1.a-b", "+1.a", "-1.a", "1.a.b", "1234567890123456.a"] {
            assert_eq!(RecordingCursor::parse(bad), None, "{bad}");
        }
    }
}
