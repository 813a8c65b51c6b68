//! One segment on its way to the storage: parts while it is recorded, the manifest now and then, and at the end what the edge says.

use super::Shared;
use super::finish;
use super::spool::Folder;
use anyhow::{Context, Result};
use media_core::record::segment::{manifest_key, track_of};
use node_shell::backoff::Backoff;
use node_shell::post::PostError;
use shared::TrackId;
use shared::control::{Message, NodeToRoom, RecordingReport, RecordingVerdict, SegmentOutcome};
use shared::signal::RecordingState;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Parts that are stored at once: a busy room makes some ten each second.
const AT_ONCE: usize = 8;
/// How often the spool is looked into.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How often the manifest of a running segment is stored; it is all that says of a lost host's parts when they were.
const MANIFEST_INTERVAL: Duration = Duration::from_secs(10);
/// A long manifest is stored less often, so that it takes no more bandwidth than this.
const MANIFEST_BYTES_PER_S: u64 = 100 * 1024;
/// A storage that has not answered for so long is away, and the room is told.
const AWAY_AFTER: Duration = Duration::from_secs(3);

/// How the room is told, as long as it listens.
pub(super) type Room = Option<mpsc::WeakSender<NodeToRoom>>;

/// What the recorder says about a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) is_over: bool,
    /// What was recorded last cannot be written to the disk.
    pub(super) is_stuck: bool,
    /// The rooms to tell, and how often each was told: one that dials again is told again.
    pub(super) room: (u64, Room),
}

pub(super) struct Upload {
    shared: Arc<Shared>,
    folder: Folder,
    standing: watch::Receiver<Standing>,
    backoff: Backoff,
    /// Since when the storage does not answer.
    failing_since: Option<Instant>,
    told: Option<(u64, RecordingState)>,
    stored_rows_bytes: Option<u64>,
    manifest_at: Option<Instant>,
    /// Tracks that the stored manifest tells of.
    told_tracks: BTreeSet<TrackId>,
}

impl Upload {
    pub(super) fn new(shared: Arc<Shared>, folder: Folder, standing: watch::Receiver<Standing>) -> Self {
        let backoff = Backoff::new(shared.seed ^ folder.head.manifest.epoch);
        Self {
            shared,
            folder,
            standing,
            backoff,
            failing_since: None,
            told: None,
            stored_rows_bytes: None,
            manifest_at: None,
            told_tracks: BTreeSet::new(),
        }
    }

    /// Goes on until nothing is left here, however long the storage or the edge is away.
    pub(super) async fn run(mut self) {
        let (recording, epoch) = (self.folder.head.manifest.recording.clone(), self.folder.head.manifest.epoch);
        loop {
            let is_over = self.standing.borrow().is_over;
            match self.round(is_over).await {
                Ok(()) if is_over => break,
                Ok(()) => {
                    self.backoff.reset();
                    self.failing_since = None;
                    // A full disk is as bad as a storage that is away, which is its usual cause.
                    let is_stuck = self.standing.borrow().is_stuck;
                    self.tell(if is_stuck { RecordingState::StorageAway } else { RecordingState::Recording });
                    let _ = timeout(LOOK_INTERVAL, self.standing.changed()).await;
                }
                Err(error) => self.wait(&error).await,
            }
        }
        while let Err(error) = finish::conclude(&self.shared, &self.folder).await {
            if is_in_vain(&error) {
                let error = format!("{error:#}");
                tracing::error!(%recording, epoch, error, "the edge refused this segment; it stays in the spool");
                return;
            }
            self.wait(&error).await;
        }
        if let Err(error) = self.folder.remove() {
            tracing::error!(%recording, epoch, error = format!("{error:#}"), "could not finish a segment; it stays in the spool");
        }
        tracing::info!(%recording, epoch, "segment finished");
    }

    /// Stores what waits; with `is_over`, all of it, and the sealed manifest.
    async fn round(&mut self, is_over: bool) -> Result<()> {
        // Before the first part: from then on the room knows that it is recorded.
        if self.manifest_is_due(is_over) {
            self.store_manifest(false).await?;
        }
        loop {
            let parts = self.folder.read(Folder::parts).await?;
            if parts.is_empty() {
                break;
            }
            let parts: Vec<_> = parts.into_iter().take(AT_ONCE).collect();
            self.tell_tracks(parts.iter().filter_map(|(key, _)| track_of(key)).collect()).await?;
            let mut storing = JoinSet::new();
            for (key, path) in parts {
                let shared = Arc::clone(&self.shared);
                storing.spawn(async move {
                    let part = tokio::fs::read(&path).await.context("reading a part")?;
                    let bytes = part.len() as u64;
                    shared.storage.put(&key, part, finish::content_type(&key)).await?;
                    // Only what is acknowledged is deleted.
                    tokio::fs::remove_file(&path).await.context("removing a part")?;
                    shared.space.give_back(bytes);
                    anyhow::Ok(())
                });
            }
            while let Some(stored) = self.watched(storing.join_next()).await {
                stored.context("a part's upload task failed")??;
            }
        }
        if is_over { self.store_manifest(true).await } else { Ok(()) }
    }

    fn manifest_is_due(&self, is_over: bool) -> bool {
        let has_grown = self.stored_rows_bytes != Some(self.folder.rows_bytes());
        let writing = Duration::from_secs(self.stored_rows_bytes.unwrap_or(0) / MANIFEST_BYTES_PER_S);
        let is_time = self.manifest_at.is_none_or(|at| at.elapsed() >= MANIFEST_INTERVAL.max(writing));
        has_grown && is_time && !is_over
    }

    /// Before the first part of a track is stored, there is a manifest that says whose it is.
    async fn tell_tracks(&mut self, tracks: BTreeSet<TrackId>) -> Result<()> {
        if !tracks.is_subset(&self.told_tracks) {
            self.store_manifest(false).await?;
            self.told_tracks.extend(tracks);
        }
        Ok(())
    }

    async fn store_manifest(&mut self, is_sealed: bool) -> Result<()> {
        let bytes = self.folder.rows_bytes();
        let manifest = self.folder.read(move |folder| folder.manifest(is_sealed)).await?;
        let text = serde_json::to_vec(&manifest).context("writing the manifest")?;
        let (key, shared) = (self.manifest_key(), Arc::clone(&self.shared));
        self.watched(shared.storage.put(&key, text, "application/json")).await?;
        self.stored_rows_bytes = Some(bytes);
        self.manifest_at = Some(Instant::now());
        Ok(())
    }

    fn manifest_key(&self) -> String {
        manifest_key(&self.folder.head.key_prefix, self.folder.head.manifest.epoch)
    }

    /// Waits for the storage. Where that takes long, it is asked something small: a line may be slow, but a storage that does
    /// not answer that either hangs, and the room is told.
    async fn watched<T>(&mut self, asked: impl Future<Output = T>) -> T {
        tokio::pin!(asked);
        loop {
            if let Ok(done) = timeout(AWAY_AFTER, &mut asked).await {
                return done;
            }
            let (key, shared) = (self.manifest_key(), Arc::clone(&self.shared));
            let answers = shared.storage.answers(&key);
            tokio::pin!(answers);
            tokio::select! {
                done = &mut asked => return done,
                answers = &mut answers => if !answers {
                    self.tell(RecordingState::StorageAway);
                },
            }
        }
    }

    async fn wait(&mut self, error: &anyhow::Error) {
        let recording = &self.folder.head.manifest.recording;
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        tracing::debug!(%recording, error = format!("{error:#}"), "upload failed, retrying");
        if since.elapsed() >= AWAY_AFTER {
            self.tell(RecordingState::StorageAway);
        }
        sleep(self.backoff.next_wait()).await;
    }

    /// Tells the room how it goes, once.
    fn tell(&mut self, state: RecordingState) {
        let (said, room) = self.standing.borrow().room.clone();
        if self.told == Some((said, state)) {
            return;
        }
        let recording = self.folder.head.manifest.recording.clone();
        if self.told.is_some_and(|(_, before)| before != state) {
            tracing::warn!(%recording, ?state, "storage became unreachable or reachable again");
        }
        let message = NodeToRoom::RecordingState { recording, state, code: None };
        if room.and_then(|room| room.upgrade()).is_some_and(|room| room.try_send(message).is_ok()) {
            self.told = Some((said, state));
        }
    }
}

/// Asks the edge what to do next.
pub(super) async fn report(shared: &Shared, folder: &Folder, outcome: SegmentOutcome) -> Result<RecordingVerdict> {
    let manifest = &folder.head.manifest;
    let report = RecordingReport { room: manifest.room.clone(), recording: manifest.recording.clone(), outcome };
    let question = serde_json::to_string(&report).context("writing a report")?;
    let mut failed = None;
    for edge in &shared.edges {
        match node_shell::post::post(&edge.join_http("/v1/nodes/recordings"), &shared.token, question.clone()).await {
            Ok(answer) => return RecordingVerdict::parse(&answer).context("reading the edge's verdict"),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.context("no edge is configured")?).context("reporting a recording")
}

/// Whether the edge will say the same again, whatever happens. What it says of our token is not such an answer: operators
/// change tokens.
fn is_in_vain(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<PostError>() {
        Some(PostError::Refused { status: 401 | 403 }) => false,
        Some(refused) => refused.is_final(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_final_answer_of_the_edge_ends_the_asking() {
        let check = |error: PostError, expected: bool| {
            let error = Err::<(), _>(error).context("reporting a recording").expect_err("an error");
            assert_eq!(is_in_vain(&error), expected, "{error:#}");
        };
        for (status, expected) in [(400, true), (404, true), (401, false), (403, false), (429, false), (503, false)] {
            check(PostError::Refused { status }, expected);
        }
        check(PostError::Timeout, false);
        assert!(!is_in_vain(&anyhow::anyhow!("the storage is away")));
    }
}
