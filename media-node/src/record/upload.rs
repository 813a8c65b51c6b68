//! The upload of one segment: parts while it is recorded, the manifest at intervals, and at the end whatever the edge
//! orders.

use super::context::Shared;
use super::finish;
use super::order::RoomLine;
use super::spool::Folder;
use anyhow::{Context, Result};
use media_core::record::segment::{manifest_key, track_of};
use media_core::traced::of_log;
use node_core::backoff::Backoff;
use node_shell::post::PostError;
use shared::control::NodeToRoom;
use shared::signal::RecordingState;
use shared::{ErrorCode, TrackId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Parallel uploads of parts: a busy room produces about ten parts per second.
const AT_ONCE: usize = 8;
/// Interval of checks for new parts in the spool.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Interval of manifest uploads for a running segment; for a lost host's parts, the manifest is the only record of
/// their times.
const MANIFEST_INTERVAL: Duration = Duration::from_secs(10);
/// A long manifest is uploaded less often, to stay within this bandwidth.
const MANIFEST_BYTES_PER_S: u64 = 100 * 1024;
/// Storage that has not answered for this long is unreachable, and the room is told.
const AWAY_AFTER: Duration = Duration::from_secs(3);

/// The recorder's state of a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub(super) is_over: bool,
    /// Set while data cannot be written to disk.
    pub(super) stuck: Option<ErrorCode>,
    /// The way to the room, and the number of its orders so far: after each it is told again.
    pub(super) room: (u64, Option<RoomLine>),
}

pub(super) struct Upload {
    shared: Arc<Shared>,
    folder: Folder,
    standing: watch::Receiver<Standing>,
    backoff: Backoff,
    /// Start of the time without an answer from storage.
    failing_since: Option<Instant>,
    told: Option<(u64, RecordingState, Option<ErrorCode>)>,
    stored_rows_bytes: Option<u64>,
    manifest_at: Option<Instant>,
    /// Tracks in the stored manifest.
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

    /// Continues until nothing is left here, however long storage or the edge is unreachable.
    pub(super) async fn run(mut self) {
        let (recording, epoch) = (self.folder.head.manifest.recording.clone(), self.folder.head.manifest.epoch);
        let begun = Instant::now();
        loop {
            let is_over = self.standing.borrow().is_over;
            match self.round(is_over).await {
                Ok(()) if is_over => break,
                Ok(()) => {
                    self.backoff.reset();
                    self.failing_since = None;
                    self.tell_away(None);
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
            self.pause(&error).await;
        }
        if let Err(error) = self.folder.remove() {
            tracing::error!(%recording, epoch, error = format!("{error:#}"), "could not finish a segment; it stays in the spool");
        }
        let (trace, parent) = of_log(self.folder.head.manifest.trace);
        let took_ms = begun.elapsed().as_millis() as u64;
        tracing::info!(%recording, epoch, trace, parent, took_ms, "segment finished");
    }

    /// Uploads waiting parts; with `is_over`, all of them, and the sealed manifest.
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
                    // Only acknowledged parts are deleted.
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

    /// Before the first part of a track is uploaded, a manifest must name its owner.
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

    /// Waits for storage. If that takes long, sends it a small request: a line may be slow, but storage that does not
    /// answer that either hangs, and the room is told.
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
                    self.tell_away(Some(ErrorCode::StorageUnavailable));
                },
            }
        }
    }

    async fn wait(&mut self, error: &anyhow::Error) {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= AWAY_AFTER {
            self.tell_away(Some(ErrorCode::StorageUnavailable));
        }
        self.pause(error).await;
    }

    async fn pause(&mut self, error: &anyhow::Error) {
        let recording = &self.folder.head.manifest.recording;
        tracing::debug!(%recording, error = format!("{error:#}"), "retrying");
        sleep(self.backoff.next_wait()).await;
    }

    /// Tells the room that it is recorded, or that a disk or storage does not take what is recorded.
    fn tell_away(&mut self, storage: Option<ErrorCode>) {
        // A full disk is the more urgent reason: parts are lost once memory is full as well.
        let code = self.standing.borrow().stuck.or(storage);
        self.tell(if code.is_some() { RecordingState::StorageAway } else { RecordingState::Recording }, code);
    }

    /// Tells the room the state, unless it knows.
    fn tell(&mut self, state: RecordingState, code: Option<ErrorCode>) {
        let (said, room) = self.standing.borrow().room.clone();
        if self.told == Some((said, state, code)) {
            return;
        }
        let recording = self.folder.head.manifest.recording.clone();
        if self.told.is_some_and(|(_, before, reason)| (before, reason) != (state, code)) {
            tracing::warn!(%recording, ?state, ?code, "storage or the disk became unavailable or available again");
        }
        let message = NodeToRoom::RecordingState { recording, state, code };
        if room.is_some_and(|room| room.tell(message)) {
            self.told = Some((said, state, code));
        }
    }
}

/// True if the edge will always give the same answer. An answer about our token is not of this kind: operators change
/// tokens.
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
