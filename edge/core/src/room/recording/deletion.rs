//! Deletion of recordings: the room stores the decision, the Worker deletes the objects, then the room removes its
//! entry.
//!
//! A failed node may return with parts of a deleted recording. The room remembers the deletion for as long as that can
//! take, and has those parts deleted too.

use super::super::Room;
use super::{Recording, RecordingError};
use serde::{Deserialize, Serialize};
use shared::{NodeId, RecordingId, UnixMillis, limits};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Deletion {
    /// Its objects are being deleted. It stays listed until that is done, so that the deletion can be retried.
    Begun,
    /// All its objects are deleted, but nodes may still upload parts.
    Done { at: UnixMillis },
}

impl Deletion {
    /// When the entry is removed.
    pub(super) const fn deadline(self) -> Option<UnixMillis> {
        match self {
            Self::Begun => None,
            Self::Done { at } => Some(at.plus_ms(limits::DELETED_RECORDING_MS)),
        }
    }
}

impl Recording {
    /// Whether the recording is no longer listed.
    pub(super) const fn is_deleted(&self) -> bool {
        matches!(self.deletion, Some(Deletion::Done { .. }))
    }
}

impl Room {
    /// Marks a recording for deletion and returns its key prefix. From then on no node builds its files.
    pub(super) fn doom_recording(&mut self, id: &RecordingId) -> Result<String, RecordingError> {
        let state = self.recording_listing(id)?.recording.state;
        if !state.is_over() {
            return Err(RecordingError::NotOver { recording: id.clone() });
        }
        let recording = self.recordings.get_mut(id).ok_or_else(|| RecordingError::Unknown { recording: id.clone() })?;
        recording.deletion = Some(Deletion::Begun);
        Ok(recording.key_prefix.clone())
    }

    /// All objects of a marked recording have been deleted.
    pub(super) fn forget_recording(&mut self, now: UnixMillis, id: &RecordingId) {
        let Some(recording) = self.recordings.get(id) else { return };
        if recording.deletion != Some(Deletion::Begun) {
            return;
        }
        if recording.is_complete() {
            // Every node that had something of it has seen it in the files.
            self.recordings.remove(id);
        } else if let Some(recording) = self.recordings.get_mut(id) {
            recording.deletion = Some(Deletion::Done { at: now });
            recording.files.clear();
            recording.manifest = None;
        }
        self.bound_deleted_recordings();
    }

    fn bound_deleted_recordings(&mut self) {
        let at = |(id, recording): (&RecordingId, &Recording)| match recording.deletion {
            Some(Deletion::Done { at }) => Some((at, id.clone())),
            Some(Deletion::Begun) | None => None,
        };
        let mut deleted: Vec<_> = self.recordings.iter().filter_map(at).collect();
        deleted.sort();
        let too_many = deleted.len().saturating_sub(limits::DELETED_RECORDINGS_PER_ROOM_MAX);
        for (_, id) in deleted.into_iter().take(too_many) {
            self.recordings.remove(&id);
        }
    }

    /// The key prefix of a deleted recording for which a node has uploaded parts.
    pub(super) fn leftovers(&self, node: &NodeId, id: &RecordingId) -> Option<String> {
        let doomed = self.recordings.get(id).filter(|recording| recording.deletion.is_some());
        doomed.filter(|recording| recording.has_node(node)).map(|recording| recording.key_prefix.clone())
    }
}
