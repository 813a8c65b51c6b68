//! One recording and its segments.
//!
//! Every assignment during a recording is one segment, which its node seals. The first node that seals a segment after
//! the end builds the files; a node that seals one later, after a crash, builds them again.

use serde::{Deserialize, Serialize};
use shared::json::tagged;
use shared::signal::{RecordingFile, RecordingInfo, RecordingState};
use shared::sorted::SortedMap;
use shared::trace::Trace;
use shared::{ErrorCode, NodeId, ParticipantId, RecordingId, UnixMillis, limits};

/// If no node has built the files within this time, the recording node counts as lost. If it returns, it still builds
/// them.
const FINISH_TIMEOUT_MS: u64 = 3_600_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recording {
    pub(crate) state: RecordingState,
    /// `None` if an application server started it.
    pub(crate) started_by: Option<ParticipantId>,
    pub(crate) started_at: UnixMillis,
    pub(crate) ended_at: Option<UnixMillis>,
    pub(crate) code: Option<ErrorCode>,
    pub(crate) key_prefix: String,
    /// The trace of the participant who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<Trace>,
    /// By epoch.
    pub(crate) segments: SortedMap<u64, Segment>,
    /// True once a node has said that it records.
    #[serde(default = "yes")]
    pub(crate) is_confirmed: bool,
    /// The node that is building the files.
    #[serde(default)]
    pub(crate) finisher: Option<Finisher>,
    pub(crate) files: Vec<RecordingFile>,
    pub(crate) manifest: Option<String>,
    /// The progress of its deletion, if it is being deleted.
    #[serde(default)]
    pub(crate) deletion: Option<Deletion>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub(crate) node: NodeId,
    /// True once the node was sent the order; others have nothing to seal.
    #[serde(default = "yes")]
    pub(crate) is_ordered: bool,
    pub(crate) is_sealed: bool,
    /// True once the files contain the segment.
    pub(crate) is_used: bool,
}

/// Rows stored before a field existed count as if it was true, so that nothing is given up too early.
fn yes() -> bool {
    true
}

/// The node that builds the files: two at once would overwrite and delete each other's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finisher {
    pub(crate) epoch: u64,
    pub(crate) heard_at: UnixMillis,
}

#[tagged("type")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion {
    /// Its objects are being deleted. It stays listed until that is done, so that the deletion can be retried.
    Begun,
    /// All its objects are deleted, but nodes may still upload parts.
    Done { at: UnixMillis },
}

impl Deletion {
    pub(crate) const fn deadline(self) -> Option<UnixMillis> {
        match self {
            Self::Begun => None,
            Self::Done { at } => Some(at.plus_ms(limits::DELETED_RECORDING_MS)),
        }
    }
}

impl Recording {
    pub(crate) fn info(&self, id: &RecordingId) -> RecordingInfo {
        RecordingInfo {
            id: id.clone(),
            state: self.state,
            started_by: self.started_by.clone(),
            started_at: self.started_at,
            ended_at: self.ended_at,
            code: self.code,
        }
    }

    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        if let Some(deletion) = self.deletion {
            return deletion.deadline();
        }
        match self.state {
            RecordingState::Starting => Some(self.started_at.plus_ms(limits::RECORDING_START_TIMEOUT_MS)),
            RecordingState::Recording | RecordingState::StorageAway => {
                Some(self.started_at.plus_ms(limits::RECORDING_MS_MAX))
            }
            RecordingState::Finishing => self.ended_at.map(|at| at.plus_ms(self.finish_timeout_ms())),
            RecordingState::Ready | RecordingState::Empty | RecordingState::Failed => None,
        }
    }

    /// A node that has never answered may have lost the order with its socket, and then nobody builds the files.
    fn finish_timeout_ms(&self) -> u64 {
        let is_known = self.is_confirmed || self.segments.values().any(|segment| segment.is_sealed);
        if is_known { FINISH_TIMEOUT_MS } else { limits::RECORDING_START_TIMEOUT_MS }
    }

    /// Segments without an order end with the recording: their nodes do not know of it.
    pub(crate) fn end(&mut self, now: UnixMillis, state: RecordingState, code: Option<ErrorCode>) {
        self.segments.retain(|_, segment| segment.is_ordered);
        self.ended_at = self.ended_at.or(Some(now));
        self.state = state;
        self.code = code;
    }
}

impl Recording {
    /// Ends the recording; without any segment there was no media either.
    pub(crate) fn stop(&mut self, now: UnixMillis) {
        self.end(now, RecordingState::Finishing, None);
        if self.segments.is_empty() {
            self.state = RecordingState::Empty;
        }
    }

    pub(crate) const fn is_deleted(&self) -> bool {
        matches!(self.deletion, Some(Deletion::Done { .. }))
    }
}
