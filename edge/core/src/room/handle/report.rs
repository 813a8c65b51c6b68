//! The nodes' reports about their segments, and the choice of the node that builds the files.

use crate::room::context::Context;
use crate::room::outbox::Output;
use crate::room::state::State;
use crate::room::state::recordings::{Finisher, Recording};
use shared::control::{RecordingReport, RecordingVerdict, SegmentOutcome};
use shared::signal::{RecordingFile, RecordingState};
use shared::sorted::SortedSet;
use shared::{NodeId, RecordingId, UnixMillis, limits};

/// A node that builds the files must report within this time, or another node takes over.
const FINISHER_TIMEOUT_MS: u64 = 4 * limits::RECORDING_FINISHER_INTERVAL_MS;

impl Recording {
    pub(crate) fn has_node(&self, node: &NodeId) -> bool {
        self.segments.values().any(|segment| segment.node == *node)
    }

    /// True if another node is building the files.
    fn is_finished_by_another(&self, now: UnixMillis, epoch: u64) -> bool {
        let is_at_it = |finisher: &Finisher| now.since_ms(finisher.heard_at) < FINISHER_TIMEOUT_MS;
        self.finisher.as_ref().is_some_and(|finisher| finisher.epoch != epoch && is_at_it(finisher))
    }

    /// Handles a sealed segment and returns the node's next step. `connected` are the assignments with a socket.
    fn seal(&mut self, now: UnixMillis, node: &NodeId, epoch: u64, connected: &SortedSet<u64>) -> RecordingVerdict {
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
            // One node must be left to build the files: a killed one may return before the room has another.
            let has_successor =
                self.segments.iter().any(|(epoch, segment)| !segment.is_sealed && connected.contains(epoch));
            return if has_successor { RecordingVerdict::Leave {} } else { RecordingVerdict::Wait {} };
        }
        if is_elsewhere {
            return RecordingVerdict::Wait {};
        }
        self.finisher = Some(Finisher { epoch, heard_at: now });
        RecordingVerdict::Finish {}
    }

    /// Handles finished files, which are incomplete if another segment has been sealed in the meantime.
    fn finish(&mut self, of: &SortedSet<u64>, files: Vec<RecordingFile>, manifest: Option<String>) -> RecordingVerdict {
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

    pub(crate) fn is_complete(&self) -> bool {
        self.segments.values().all(|segment| segment.is_used)
    }

    /// True if all keys belong to this recording; no others are ever signed.
    fn owns(&self, files: &[RecordingFile], manifest: &str) -> bool {
        let keys = files.iter().map(|file| file.key.as_str()).chain([manifest]);
        files.len() <= limits::FILES_PER_RECORDING_MAX && keys.into_iter().all(|key| key.starts_with(&self.key_prefix))
    }
}

/// Handles a node's report, which may arrive long after its socket or the room has closed.
pub(crate) fn reported(cx: &mut Context<'_>, call: u64, node: &NodeId, report: RecordingReport) {
    if let Some(leftovers) = leftovers(cx.state, node, &report.recording) {
        let verdict = RecordingVerdict::Leave {};
        cx.outbox.verdicts.push(Output::AnswerReport { call, verdict, leftovers: Some(leftovers) });
        return;
    }
    let connected = cx.state.assignments.iter().filter(|(_, assignment)| assignment.socket().is_some());
    let connected: SortedSet<u64> = connected.map(|(epoch, _)| *epoch).collect();
    let known = cx.state.recordings.get(&report.recording).is_some_and(|recording| recording.has_node(node));
    let recording = if known { cx.state.recordings.get_mut(&report.recording) } else { None };
    let verdict = match (recording, report.outcome) {
        (None, _) => RecordingVerdict::Leave {},
        (Some(recording), SegmentOutcome::Sealed { epoch }) => recording.seal(cx.now, node, epoch, &connected),
        (Some(recording), SegmentOutcome::Finished { epoch, segments, files, manifest }) => {
            if recording.state.is_running() || !recording.owns(&files, &manifest) {
                RecordingVerdict::Leave {}
            } else if recording.is_finished_by_another(cx.now, epoch) {
                RecordingVerdict::Wait {}
            } else {
                recording.finish(&segments.into_iter().collect(), files, Some(manifest))
            }
        }
        (Some(recording), SegmentOutcome::Empty { epoch, segments }) => {
            if recording.state.is_running() {
                RecordingVerdict::Leave {}
            } else if recording.is_finished_by_another(cx.now, epoch) {
                RecordingVerdict::Wait {}
            } else {
                recording.finish(&segments.into_iter().collect(), Vec::new(), None)
            }
        }
        (Some(recording), SegmentOutcome::Failed { code }) => {
            if !matches!(recording.state, RecordingState::Ready | RecordingState::Empty) {
                recording.end(cx.now, RecordingState::Failed, Some(code));
            }
            RecordingVerdict::Done { is_complete: false }
        }
    };
    cx.outbox.verdicts.push(Output::AnswerReport { call, verdict, leftovers: None });
}

/// The key prefix of a deleted recording for which a node has uploaded parts.
pub(crate) fn leftovers(state: &State, node: &NodeId, id: &RecordingId) -> Option<String> {
    let doomed = state.recordings.get(id).filter(|recording| recording.deletion.is_some());
    doomed.filter(|recording| recording.has_node(node)).map(|recording| recording.key_prefix.clone())
}
