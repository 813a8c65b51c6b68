//! Recording requests over HTTP, from the application's server or a participant with the grant `record`: lists and
//! deletes recordings, which outlive the room.
//!
//! For a deletion the room stores the decision, the Worker deletes the objects, then the room removes its entry. A failed
//! node may return with parts of a deleted recording. The room remembers the deletion for as long as that can take, and
//! has those parts deleted too.

use crate::room::asks::{Answer, RecordingAnswer, RecordingAsk, RecordingCursor, RecordingListing};
use crate::room::context::Context;
use crate::room::handle::record;
use crate::room::handle::record::RecordingError;
use crate::room::state::State;
use crate::room::state::recordings::{Deletion, Recording};
use shared::sorted;
use shared::{RecordingId, UnixMillis, limits};

/// Answers requests about recordings, which outlive the room.
pub(crate) fn answer(cx: &mut Context<'_>, ask: RecordingAsk) -> Result<Answer, RecordingError> {
    let answer = match ask {
        RecordingAsk::Start => {
            let (id, made) = start(cx)?;
            RecordingAnswer::One { listing: listing(cx.state, &id)?, made }
        }
        RecordingAsk::Stop { recording } => {
            if listing(cx.state, &recording)?.recording.state.is_running() {
                cx.state.end_recording(cx.now);
            }
            RecordingAnswer::One { listing: listing(cx.state, &recording)?, made: false }
        }
        RecordingAsk::List { after, limit } => {
            if is_unknown(cx.state) {
                return Err(RecordingError::UnknownRoom);
            }
            let (listings, next) = page(cx.state, after.as_ref(), limit);
            RecordingAnswer::Page { listings, next }
        }
        RecordingAsk::Show { recording } => {
            RecordingAnswer::One { listing: listing(cx.state, &recording)?, made: false }
        }
        RecordingAsk::Doom { recording } => RecordingAnswer::Doomed { key_prefix: doom(cx.state, &recording)? },
        RecordingAsk::Forget { recording } => {
            forget(cx.state, cx.now, &recording);
            return Ok(Answer::Done);
        }
    };
    Ok(Answer::Recordings(answer))
}

fn start(cx: &mut Context<'_>) -> Result<(RecordingId, bool), RecordingError> {
    if !cx.state.exists() {
        return Err(RecordingError::UnknownRoom);
    }
    if cx.state.members.is_empty() {
        return Err(RecordingError::RoomEmpty);
    }
    record::begin(cx, None)
}

/// True if there is neither a room nor a recording from an earlier one.
fn is_unknown(state: &State) -> bool {
    !state.exists() && state.kept_recordings().next().is_none()
}

/// `UnknownRoom` if there is neither a room nor any recording from one.
pub(crate) fn unknown(state: &State, recording: &RecordingId) -> RecordingError {
    if is_unknown(state) {
        return RecordingError::UnknownRoom;
    }
    RecordingError::Unknown { recording: recording.clone() }
}

impl Recording {
    fn listing(&self, id: &RecordingId) -> RecordingListing {
        RecordingListing { recording: self.info(id), files: self.files.clone(), manifest: self.manifest.clone() }
    }
}

/// One recording, if it is not deleted.
pub(crate) fn listing(state: &State, id: &RecordingId) -> Result<RecordingListing, RecordingError> {
    let recording = state.recordings.get(id).filter(|recording| !recording.is_deleted());
    recording.map(|recording| recording.listing(id)).ok_or_else(|| unknown(state, id))
}

/// At most `limit` recordings older than the cursor, and the next cursor if there are more.
pub(crate) fn page(
    state: &State,
    after: Option<&RecordingCursor>,
    limit: usize,
) -> (Vec<RecordingListing>, Option<RecordingCursor>) {
    let place =
        |id: &RecordingId, recording: &Recording| RecordingCursor { started_at: recording.started_at, id: id.clone() };
    let placed = state.kept_recordings().map(|(id, recording)| (place(id, recording), recording));
    let mut rest: Vec<_> = placed.filter(|(place, _)| after.is_none_or(|after| place < after)).collect();
    sorted::sort_by(&mut rest, |(a, _), (b, _)| b.cmp(a));
    let has_more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| has_more).map(|(place, _)| place.clone());
    (rest.into_iter().map(|(place, recording)| recording.listing(&place.id)).collect(), next)
}

/// Marks a recording for deletion and returns its key prefix. From then on no node builds its files.
pub(crate) fn doom(state: &mut State, id: &RecordingId) -> Result<String, RecordingError> {
    let progress = listing(state, id)?.recording.state;
    if !progress.is_over() {
        return Err(RecordingError::NotOver { recording: id.clone() });
    }
    let recording = state.recordings.get_mut(id).ok_or_else(|| RecordingError::Unknown { recording: id.clone() })?;
    recording.deletion = Some(Deletion::Begun);
    Ok(recording.key_prefix.clone())
}

/// Removes a recording whose objects have all been deleted.
pub(crate) fn forget(state: &mut State, now: UnixMillis, id: &RecordingId) {
    let Some(recording) = state.recordings.get(id) else { return };
    if recording.deletion != Some(Deletion::Begun) {
        return;
    }
    if recording.is_complete() {
        // Every node with a part of it has seen it in the files.
        state.recordings.remove(id);
    } else if let Some(recording) = state.recordings.get_mut(id) {
        recording.deletion = Some(Deletion::Done { at: now });
        recording.files.clear();
        recording.manifest = None;
    }
    bound_deleted(state);
}

fn bound_deleted(state: &mut State) {
    let at = |(id, recording): (&RecordingId, &Recording)| match recording.deletion {
        Some(Deletion::Done { at }) => Some((at, id.clone())),
        Some(Deletion::Begun) | None => None,
    };
    let mut deleted: Vec<_> = state.recordings.iter().filter_map(at).collect();
    sorted::sort_by(&mut deleted, Ord::cmp);
    let too_many = deleted.len().saturating_sub(limits::DELETED_RECORDINGS_PER_ROOM_MAX);
    for (_, id) in deleted.into_iter().take(too_many) {
        state.recordings.remove(&id);
    }
}
