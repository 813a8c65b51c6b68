//! The nodes' reports about their segments, and the choice of the node that builds the files.

use super::super::{Output, Room};
use super::Recording;
use serde::{Deserialize, Serialize};
use shared::control::{RecordingReport, RecordingVerdict, SegmentOutcome};
use shared::signal::{RecordingFile, RecordingState};
use shared::{NodeId, UnixMillis, limits};
use std::collections::BTreeSet;

/// A node that builds the files must report within this time, or another node takes over.
const FINISHER_TIMEOUT_MS: u64 = 4 * limits::RECORDING_FINISHER_INTERVAL_MS;

/// The node that builds the files: two at once would overwrite and delete each other's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finisher {
    epoch: u64,
    heard_at: UnixMillis,
}

impl Recording {
    pub(super) fn has_node(&self, node: &NodeId) -> bool {
        self.segments.values().any(|segment| segment.node == *node)
    }

    /// Whether another node is building the files.
    fn is_finished_by_another(&self, now: UnixMillis, epoch: u64) -> bool {
        let is_at_it = |finisher: &Finisher| now.since_ms(finisher.heard_at) < FINISHER_TIMEOUT_MS;
        self.finisher.as_ref().is_some_and(|finisher| finisher.epoch != epoch && is_at_it(finisher))
    }

    /// Handles a sealed segment and returns the node's next step.
    fn seal(&mut self, now: UnixMillis, node: &NodeId, epoch: u64) -> RecordingVerdict {
        let is_running = self.state.is_running();
        let is_elsewhere = self.is_finished_by_another(now, epoch);
        let Some(segment) = self.segments.get_mut(&epoch).filter(|segment| segment.node == *node) else {
            return RecordingVerdict::Leave {};
        };
        segment.is_sealed = true;
        if segment.is_used {
            return RecordingVerdict::Done { is_complete: self.is_complete() };
        }
        if is_running {
            return RecordingVerdict::Leave {};
        }
        if is_elsewhere {
            return RecordingVerdict::Wait {};
        }
        self.finisher = Some(Finisher { epoch, heard_at: now });
        RecordingVerdict::Finish {}
    }

    /// Handles finished files, which are incomplete if another segment has been sealed in the meantime.
    fn finish(&mut self, of: &BTreeSet<u64>, files: Vec<RecordingFile>, manifest: Option<String>) -> RecordingVerdict {
        let sealed = self.segments.iter().filter(|(_, segment)| segment.is_sealed);
        if sealed.into_iter().any(|(epoch, _)| !of.contains(epoch)) {
            return RecordingVerdict::Finish {};
        }
        for (epoch, segment) in &mut self.segments {
            segment.is_used |= of.contains(epoch);
        }
        self.state = if files.is_empty() { RecordingState::Empty } else { RecordingState::Ready };
        self.code = None;
        self.manifest = manifest.filter(|_| !files.is_empty());
        self.files = files;
        self.finisher = None;
        RecordingVerdict::Done { is_complete: self.is_complete() }
    }

    /// Whether the files contain all segments.
    pub(super) fn is_complete(&self) -> bool {
        self.segments.values().all(|segment| segment.is_used)
    }

    /// Whether these are keys of this recording: only such are ever signed.
    fn owns(&self, files: &[RecordingFile], manifest: &str) -> bool {
        let keys = files.iter().map(|file| file.key.as_str()).chain([manifest]);
        files.len() <= limits::FILES_PER_RECORDING_MAX && keys.into_iter().all(|key| key.starts_with(&self.key_prefix))
    }
}

impl Room {
    /// Handles a node's report, which may arrive long after its socket or the room has closed.
    pub(in crate::room) fn recording_reported(
        &mut self,
        now: UnixMillis,
        call: u64,
        node: &NodeId,
        report: RecordingReport,
    ) {
        if let Some(leftovers) = self.leftovers(node, &report.recording) {
            let verdict = RecordingVerdict::Leave {};
            self.news.verdicts.push(Output::AnswerReport { call, verdict, leftovers: Some(leftovers) });
            return;
        }
        let known = self.recordings.get(&report.recording).is_some_and(|recording| recording.has_node(node));
        let recording = if known { self.recordings.get_mut(&report.recording) } else { None };
        let verdict = match (recording, report.outcome) {
            (None, _) => RecordingVerdict::Leave {},
            (Some(recording), SegmentOutcome::Sealed { epoch }) => recording.seal(now, node, epoch),
            (Some(recording), SegmentOutcome::Finished { epoch, segments, files, manifest }) => {
                if recording.state.is_running() || !recording.owns(&files, &manifest) {
                    RecordingVerdict::Leave {}
                } else if recording.is_finished_by_another(now, epoch) {
                    RecordingVerdict::Wait {}
                } else {
                    recording.finish(&segments.into_iter().collect(), files, Some(manifest))
                }
            }
            (Some(recording), SegmentOutcome::Empty { epoch, segments }) => {
                if recording.state.is_running() {
                    RecordingVerdict::Leave {}
                } else if recording.is_finished_by_another(now, epoch) {
                    RecordingVerdict::Wait {}
                } else {
                    recording.finish(&segments.into_iter().collect(), Vec::new(), None)
                }
            }
            (Some(recording), SegmentOutcome::Failed { code }) => {
                if !matches!(recording.state, RecordingState::Ready | RecordingState::Empty) {
                    recording.end(now, RecordingState::Failed, Some(code));
                }
                RecordingVerdict::Done { is_complete: false }
            }
        };
        self.news.verdicts.push(Output::AnswerReport { call, verdict, leftovers: None });
    }
}
