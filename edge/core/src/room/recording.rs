//! The room's recordings: permissions, the recording nodes, and their state.
//!
//! Every assignment during a recording is one segment, which its node seals. The first node that seals a segment after
//! the end builds the files; a node that seals one later, after a crash, builds them again.

mod asks;
mod deletion;
mod listing;
mod order;
mod report;

pub use asks::{RecordingAnswer, RecordingAsk};
pub use listing::{RecordingCursor, RecordingListing};

use super::Room;
use crate::SocketId;
use crate::random;
use deletion::Deletion;
use report::Finisher;
use serde::{Deserialize, Serialize};
use shared::signal::{EdgeToClient, RecordingFile, RecordingInfo, RecordingState};
use shared::{ErrorCode, NodeId, ParticipantId, RecordingId, UnixMillis, limits};
use std::collections::{BTreeMap, BTreeSet};

/// What the keys of all recordings begin with, so that a bucket can be shared and rules of its own can be set for them.
const KEY_PREFIX: &str = "recordings";
/// If no node has built the files within this time, the recording node counts as lost. If it returns, it still builds
/// them.
const FINISH_TIMEOUT_MS: u64 = 3_600_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recording {
    state: RecordingState,
    /// `None` if an application server started it.
    started_by: Option<ParticipantId>,
    started_at: UnixMillis,
    ended_at: Option<UnixMillis>,
    code: Option<ErrorCode>,
    /// The prefix of all its object keys.
    key_prefix: String,
    /// By epoch.
    segments: BTreeMap<u64, Segment>,
    /// The node that is building the files.
    #[serde(default)]
    finisher: Option<Finisher>,
    files: Vec<RecordingFile>,
    manifest: Option<String>,
    /// The progress of its deletion, if it is being deleted.
    #[serde(default)]
    deletion: Option<Deletion>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Segment {
    node: NodeId,
    /// Everything is in the storage.
    is_sealed: bool,
    /// The files contain what it recorded.
    is_used: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordingError {
    #[error("the token does not grant recording")]
    MayNotRecord,
    #[error("no storage for recordings is configured")]
    Unavailable,
    #[error("the room has {} recordings already", limits::RECORDINGS_PER_ROOM_MAX)]
    TooMany,
    #[error("nobody is in the room")]
    RoomEmpty,
    #[error("neither the room nor a recording of it exists")]
    UnknownRoom,
    #[error("the room has no recording {recording}")]
    Unknown { recording: RecordingId },
    #[error("recording {recording} has not finished")]
    NotOver { recording: RecordingId },
    #[error("generating a recording id failed")]
    NoId,
}

impl RecordingError {
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::MayNotRecord => ErrorCode::Forbidden,
            Self::Unavailable => ErrorCode::RecordingUnavailable,
            Self::TooMany => ErrorCode::TooManyRecordings,
            Self::RoomEmpty => ErrorCode::RoomEmpty,
            Self::UnknownRoom => ErrorCode::UnknownRoom,
            Self::Unknown { .. } => ErrorCode::UnknownRecording,
            Self::NotOver { .. } => ErrorCode::RecordingNotOver,
            Self::NoId => ErrorCode::Internal,
        }
    }
}

impl Recording {
    fn info(&self, id: &RecordingId) -> RecordingInfo {
        RecordingInfo {
            id: id.clone(),
            state: self.state,
            started_by: self.started_by.clone(),
            started_at: self.started_at,
            ended_at: self.ended_at,
            code: self.code,
        }
    }

    fn deadline(&self) -> Option<UnixMillis> {
        if let Some(deletion) = self.deletion {
            return deletion.deadline();
        }
        match self.state {
            RecordingState::Starting => Some(self.started_at.plus_ms(limits::RECORDING_START_TIMEOUT_MS)),
            RecordingState::Recording | RecordingState::StorageAway => {
                Some(self.started_at.plus_ms(limits::RECORDING_MS_MAX))
            }
            RecordingState::Finishing => self.ended_at.map(|at| at.plus_ms(FINISH_TIMEOUT_MS)),
            RecordingState::Ready | RecordingState::Empty | RecordingState::Failed => None,
        }
    }

    fn end(&mut self, now: UnixMillis, state: RecordingState, code: Option<ErrorCode>) {
        self.ended_at = self.ended_at.or(Some(now));
        self.state = state;
        self.code = code;
    }
}

impl Room {
    pub(super) fn start_recording(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        participant: &ParticipantId,
        in_reply_to: Option<u32>,
    ) -> Result<(), RecordingError> {
        self.check_may_record(participant)?;
        self.begin_recording(now, Some(participant))?;
        self.news.done(socket, in_reply_to);
        Ok(())
    }

    pub(super) fn stop_recording(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        participant: &ParticipantId,
        in_reply_to: Option<u32>,
    ) -> Result<(), RecordingError> {
        self.check_may_record(participant)?;
        self.end_recording(now);
        self.news.done(socket, in_reply_to);
        Ok(())
    }

    fn check_may_record(&self, participant: &ParticipantId) -> Result<(), RecordingError> {
        if !self.members.get(participant).is_some_and(|member| member.grants.record) {
            return Err(RecordingError::MayNotRecord);
        }
        if self.config.can_record { Ok(()) } else { Err(RecordingError::Unavailable) }
    }

    /// Starts a recording, or returns the running one; the flag is true if it is new.
    fn begin_recording(
        &mut self,
        now: UnixMillis,
        by: Option<&ParticipantId>,
    ) -> Result<(RecordingId, bool), RecordingError> {
        if !self.config.can_record {
            return Err(RecordingError::Unavailable);
        }
        if let Some(running) = self.running_recording() {
            return Ok((running, false));
        }
        if self.kept_recordings().count() >= limits::RECORDINGS_PER_ROOM_MAX {
            return Err(RecordingError::TooMany);
        }
        Ok((self.new_recording(now, by)?, true))
    }

    fn new_recording(&mut self, now: UnixMillis, by: Option<&ParticipantId>) -> Result<RecordingId, RecordingError> {
        // Nobody shall guess it, because it is part of keys.
        let id = RecordingId::parse(&random::id(&mut self.random)).map_err(|_| RecordingError::NoId)?;
        let recording = Recording {
            state: RecordingState::Starting,
            started_by: by.cloned(),
            started_at: now,
            ended_at: None,
            code: None,
            key_prefix: format!("{KEY_PREFIX}/{}/{id}/", self.id),
            segments: BTreeMap::new(),
            finisher: None,
            files: Vec::new(),
            manifest: None,
            deletion: None,
        };
        self.recordings.insert(id.clone(), recording);
        Ok(id)
    }

    fn running_recording(&self) -> Option<RecordingId> {
        let running = self.recordings.iter().find(|(_, recording)| recording.state.is_running());
        running.map(|(id, _)| id.clone())
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.running_recording().is_some()
    }

    /// The recording in `joined`: the running one, or else the newest that is being finished or has just ended.
    pub(super) fn shown_recording(&self, now: UnixMillis) -> Option<RecordingInfo> {
        let is_news = |recording: &Recording| {
            !recording.state.is_over()
                || recording.ended_at.is_some_and(|at| now.since_ms(at) < limits::RECORDING_TOLD_MS)
        };
        let told = self.kept_recordings().filter(|(_, recording)| is_news(recording));
        let newest = told.max_by_key(|(_, recording)| {
            (recording.state.is_running(), !recording.state.is_over(), recording.started_at)
        });
        newest.map(|(id, recording)| recording.info(id))
    }

    /// Ends the recording: on request, after its maximum duration, or because the room is empty.
    pub(super) fn end_recording(&mut self, now: UnixMillis) {
        let running = self.running_recording();
        if let Some(recording) = running.and_then(|id| self.recordings.get_mut(&id)) {
            // Without an assignment there was no media either.
            let is_empty = recording.segments.is_empty();
            let state = if is_empty { RecordingState::Empty } else { RecordingState::Finishing };
            recording.end(now, state, None);
        }
    }

    pub(super) fn recording_due(&mut self, now: UnixMillis, id: &RecordingId) {
        let Some(Recording { state, deletion, .. }) = self.recordings.get(id) else { return };
        if deletion.is_some() {
            self.recordings.remove(id);
            return;
        }
        match *state {
            RecordingState::Recording | RecordingState::StorageAway => self.end_recording(now),
            RecordingState::Starting | RecordingState::Finishing => {
                if let Some(recording) = self.recordings.get_mut(id) {
                    recording.end(now, RecordingState::Failed, Some(ErrorCode::MediaNodeLost));
                }
            }
            RecordingState::Ready | RecordingState::Empty | RecordingState::Failed => {}
        }
    }

    /// Handles a node's report of the recording's state.
    pub(super) fn recording_is(
        &mut self,
        now: UnixMillis,
        id: &RecordingId,
        epoch: u64,
        state: RecordingState,
        code: Option<ErrorCode>,
    ) {
        let is_of = |recording: &&Recording| recording.state.is_running() && recording.segments.contains_key(&epoch);
        if !self.recordings.get(id).as_ref().is_some_and(is_of) {
            return;
        }
        // What a retired node still records is not what everybody waits for.
        let is_current = self.meta().and_then(|meta| meta.current) == Some(epoch);
        let Some(recording) = self.recordings.get_mut(id) else { return };
        match state {
            RecordingState::Recording | RecordingState::StorageAway if is_current => recording.state = state,
            RecordingState::Failed if is_current => {
                recording.end(now, RecordingState::Failed, Some(code.unwrap_or(ErrorCode::RecordingFailed)));
            }
            RecordingState::Starting
            | RecordingState::Recording
            | RecordingState::StorageAway
            | RecordingState::Finishing
            | RecordingState::Ready
            | RecordingState::Empty
            | RecordingState::Failed => {}
        }
    }

    /// Adds a segment for every assignment under which a recording runs.
    pub(super) fn note_segments(&mut self) {
        let Some(id) = self.running_recording() else { return };
        let Some(recording) = self.recordings.get(&id) else { return };
        let new = self.assignments.iter().filter(|(epoch, _)| !recording.segments.contains_key(epoch));
        let new: Vec<_> = new.map(|(epoch, assignment)| (*epoch, assignment.node.clone())).collect();
        let room_left = limits::SEGMENTS_PER_RECORDING_MAX.saturating_sub(recording.segments.len());
        if new.is_empty() || room_left == 0 {
            return;
        }
        if let Some(recording) = self.recordings.get_mut(&id) {
            let segment = |node| Segment { node, is_sealed: false, is_used: false };
            recording.segments.extend(new.into_iter().take(room_left).map(|(epoch, node)| (epoch, segment(node))));
        }
    }

    /// Sends the state changes of recordings to all participants.
    pub(super) fn changed_recordings(&self) -> Vec<EdgeToClient> {
        let changed = self.recordings.changed().iter();
        let changed = changed.filter_map(|id| Some(self.recordings.get(id)?.info(id)));
        let news = changed.filter(|info| self.told_recordings.get(&info.id) != Some(info));
        news.map(|recording| EdgeToClient::RecordingUpdated { recording }).collect()
    }

    /// Sets the deadlines that follow from what changed.
    pub(super) fn recording_deadlines(&self, of: &BTreeSet<RecordingId>) -> Vec<(RecordingId, Option<UnixMillis>)> {
        let deadline = |id: &RecordingId| self.recordings.get(id).and_then(Recording::deadline);
        of.iter().map(|id| (id.clone(), deadline(id))).collect()
    }

    /// What everybody was told of every recording.
    pub(super) fn recording_infos(&self) -> BTreeMap<RecordingId, RecordingInfo> {
        self.recordings.iter().map(|(id, recording)| (id.clone(), recording.info(id))).collect()
    }
}
