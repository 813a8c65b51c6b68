//! The room's recordings: who may start and stop them, and their state as nodes report it.

use crate::random;
use crate::room::context::{Caller, Context};
use crate::room::handle::audit;
use crate::room::outbox::Reason;
use crate::room::state::State;
use crate::room::state::recordings::Recording;
use shared::signal::{ActKind, RecordingState};
use shared::sorted::SortedMap;
use shared::{ErrorCode, ParticipantId, RecordingId, UnixMillis, limits};

/// The prefix shared by all recordings' keys, so that a bucket can be shared and have its own rules for recordings.
const KEY_PREFIX: &str = "recordings";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error("the token does not grant recording")]
    MayNotRecord,
    #[error("the room is not to be recorded")]
    FeatureOff,
    #[error("no storage for recordings is configured")]
    Unavailable,
    #[error("the room already has {} recordings", limits::RECORDINGS_PER_ROOM_MAX)]
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

impl Reason for RecordingError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::MayNotRecord => ErrorCode::Forbidden,
            Self::FeatureOff => ErrorCode::FeatureOff,
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

pub(crate) fn start(cx: &mut Context<'_>, caller: &Caller) -> Result<(), RecordingError> {
    check_may_record(cx, &caller.participant)?;
    begin(cx, Some(&caller.participant))?;
    audit::note_act(cx, caller, ActKind::StartRecording, None);
    cx.done(caller);
    Ok(())
}

/// Ends the recording on request of a participant.
pub(crate) fn stop(cx: &mut Context<'_>, caller: &Caller) -> Result<(), RecordingError> {
    check_may_record(cx, &caller.participant)?;
    cx.state.end_recording(cx.now);
    audit::note_act(cx, caller, ActKind::StopRecording, None);
    cx.done(caller);
    Ok(())
}

fn check_may_record(cx: &mut Context<'_>, participant: &ParticipantId) -> Result<(), RecordingError> {
    if !cx.state.members.get(participant).is_some_and(|member| member.grants.record) {
        return Err(RecordingError::MayNotRecord);
    }
    if cx.config.can_record { Ok(()) } else { Err(RecordingError::Unavailable) }
}

/// Starts a recording, or returns the running one; the flag is true if it is new.
pub(crate) fn begin(cx: &mut Context<'_>, by: Option<&ParticipantId>) -> Result<(RecordingId, bool), RecordingError> {
    if !cx.config.can_record {
        return Err(RecordingError::Unavailable);
    }
    if !cx.state.features().recording {
        return Err(RecordingError::FeatureOff);
    }
    if let Some(running) = cx.state.running_recording() {
        return Ok((running, false));
    }
    if cx.state.kept_recordings().count() >= limits::RECORDINGS_PER_ROOM_MAX {
        return Err(RecordingError::TooMany);
    }
    Ok((open(cx, by)?, true))
}

fn open(cx: &mut Context<'_>, by: Option<&ParticipantId>) -> Result<RecordingId, RecordingError> {
    // The id must be unguessable, because it is part of keys.
    let id = RecordingId::parse(&random::id(cx.random)).map_err(|_| RecordingError::NoId)?;
    let recording = Recording {
        state: RecordingState::Starting,
        started_by: by.cloned(),
        started_at: cx.now,
        trace: by.and_then(|by| cx.state.members.get(by)?.trace),
        ended_at: None,
        code: None,
        key_prefix: format!("{KEY_PREFIX}/{}/{id}/", cx.state.id),
        segments: SortedMap::new(),
        is_confirmed: false,
        finisher: None,
        files: Vec::new(),
        manifest: None,
        deletion: None,
    };
    cx.state.recordings.insert(id.clone(), recording);
    Ok(id)
}

pub(crate) fn due(state: &mut State, now: UnixMillis, id: &RecordingId) {
    let Some(Recording { state: progress, deletion, .. }) = state.recordings.get(id) else { return };
    if deletion.is_some() {
        state.recordings.remove(id);
        return;
    }
    match *progress {
        RecordingState::Recording | RecordingState::StorageAway => state.end_recording(now),
        RecordingState::Starting | RecordingState::Finishing => {
            if let Some(recording) = state.recordings.get_mut(id) {
                recording.end(now, RecordingState::Failed, Some(ErrorCode::MediaNodeLost));
            }
        }
        RecordingState::Ready | RecordingState::Empty | RecordingState::Failed => {}
    }
}

/// Handles a node's report of the recording's state.
pub(crate) fn note_state(
    state: &mut State,
    now: UnixMillis,
    id: &RecordingId,
    epoch: u64,
    reported: RecordingState,
    code: Option<ErrorCode>,
) {
    let is_of = |recording: &&Recording| recording.state.is_running() && recording.segments.contains_key(&epoch);
    if !state.recordings.get(id).as_ref().is_some_and(is_of) {
        return;
    }
    // A retired node's recording state is not shown to participants.
    let is_current = state.meta().and_then(|meta| meta.current) == Some(epoch);
    let Some(recording) = state.recordings.get_mut(id) else { return };
    recording.is_confirmed |= matches!(reported, RecordingState::Recording | RecordingState::StorageAway);
    match reported {
        RecordingState::Recording | RecordingState::StorageAway if is_current => {
            recording.state = reported;
            recording.code = code.filter(|_| reported == RecordingState::StorageAway);
        }
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
