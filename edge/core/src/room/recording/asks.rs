//! Recording requests over HTTP, from the application's server or a participant with the grant `record`.

use super::super::{Answer, Room};
use super::{RecordingCursor, RecordingError, RecordingListing};
use serde::{Deserialize, Serialize};
use shared::{RecordingId, UnixMillis};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RecordingAsk {
    /// Starts a recording; a running one is returned unchanged.
    Start,
    /// Stops a recording; one that has ended is returned unchanged.
    Stop {
        recording: RecordingId,
    },
    List {
        /// The end of the previous page.
        after: Option<RecordingCursor>,
        /// The maximum number of items.
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RecordingAnswer {
    One {
        listing: RecordingListing,
        made: bool,
    },
    Page {
        /// Newest first.
        listings: Vec<RecordingListing>,
        /// The end of this page, if there are more.
        next: Option<RecordingCursor>,
    },
    Doomed {
        /// The prefix of all its object keys.
        key_prefix: String,
    },
}

impl Room {
    /// Answers requests about recordings, which outlive the room.
    pub(in crate::room) fn recording_answer(
        &mut self,
        now: UnixMillis,
        ask: RecordingAsk,
    ) -> Result<Answer, RecordingError> {
        let answer = match ask {
            RecordingAsk::Start => {
                let (id, made) = self.start_recording_by_server(now)?;
                RecordingAnswer::One { listing: self.recording_listing(&id)?, made }
            }
            RecordingAsk::Stop { recording } => {
                if self.recording_listing(&recording)?.recording.state.is_running() {
                    self.end_recording(now);
                }
                RecordingAnswer::One { listing: self.recording_listing(&recording)?, made: false }
            }
            RecordingAsk::List { after, limit } => {
                if self.is_unknown() {
                    return Err(RecordingError::UnknownRoom);
                }
                let (listings, next) = self.recordings_page(after.as_ref(), limit);
                RecordingAnswer::Page { listings, next }
            }
            RecordingAsk::Show { recording } => {
                RecordingAnswer::One { listing: self.recording_listing(&recording)?, made: false }
            }
            RecordingAsk::Doom { recording } => {
                RecordingAnswer::Doomed { key_prefix: self.doom_recording(&recording)? }
            }
            RecordingAsk::Forget { recording } => {
                self.forget_recording(now, &recording);
                return Ok(Answer::Done);
            }
        };
        Ok(Answer::Recordings(answer))
    }

    fn start_recording_by_server(&mut self, now: UnixMillis) -> Result<(RecordingId, bool), RecordingError> {
        if !self.exists() {
            return Err(RecordingError::UnknownRoom);
        }
        if self.members.is_empty() {
            return Err(RecordingError::RoomEmpty);
        }
        self.begin_recording(now, None)
    }

    /// Whether there is neither a room nor anything that was recorded in one.
    fn is_unknown(&self) -> bool {
        !self.exists() && self.kept_recordings().next().is_none()
    }

    /// The reason there is no such recording.
    pub(super) fn unknown_recording(&self, recording: &RecordingId) -> RecordingError {
        if self.is_unknown() {
            return RecordingError::UnknownRoom;
        }
        RecordingError::Unknown { recording: recording.clone() }
    }
}
