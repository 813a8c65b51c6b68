//! The facts and limits shared by all uploads of a recorder.

use super::spool::{Folder, Space};
use super::storage::Storage;
use anyhow::{Context, Result};
use node_shell::settings::{EdgeUrl, Secret};
use shared::control::{Message, RecordingReport, RecordingVerdict, SegmentOutcome};
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(super) struct Shared {
    pub(super) storage: Storage,
    pub(super) edges: Arc<[EdgeUrl]>,
    pub(super) token: Secret,
    pub(super) finishing: Semaphore,
    pub(super) space: Arc<Space>,
    pub(super) seed: u64,
}

/// Asks the edge what to do next.
pub(super) async fn report(shared: &Shared, folder: &Folder, outcome: SegmentOutcome) -> Result<RecordingVerdict> {
    let manifest = &folder.head.manifest;
    let report = RecordingReport { room: manifest.room.clone(), recording: manifest.recording.clone(), outcome };
    let question = serde_json::to_string(&report).context("writing a report")?;
    let mut failed = None;
    for edge in shared.edges.iter() {
        match node_shell::post::post(&edge.join_http("/v1/nodes/recordings"), &shared.token, question.clone()).await {
            Ok(answer) => return RecordingVerdict::parse(&answer).context("reading the edge's answer"),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.context("no edge is configured")?).context("reporting a recording")
}
