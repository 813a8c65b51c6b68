//! The end of a recording: tells the edge that a segment is complete, and builds the files from all stored segments if
//! the edge says so.

use super::context::{Shared, report};
use super::spool::{Folder, Head};
use super::storage::CHUNK_BYTES;
use anyhow::{Context, Result, bail};
use media_core::record::remux::{Finished, Remux, Step};
use media_core::record::segment::kind_of;
use media_core::record::timeline::Timeline;
use media_core::traced::of_log;
use shared::control::{RecordingVerdict, SegmentOutcome};
use shared::manifest::{Event, Manifest, SegmentManifest, VERSION};
use shared::rtp_parameters::MediaKind;
use shared::signal::{RecordingFile, TrackSource};
use shared::{ParticipantId, TrackId, limits};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt, SeekFrom};

/// Times that files are rebuilt at once because another segment arrived in the meantime; then the node waits.
const ROUNDS_MAX: usize = 8;
/// Interval of reports to the edge while files are being built.
const FINISHER_INTERVAL: Duration = Duration::from_millis(limits::RECORDING_FINISHER_INTERVAL_MS);

/// Concludes a segment that is completely stored.
pub(super) async fn conclude(shared: &Shared, folder: &Folder) -> Result<()> {
    abandon_upload(shared, folder).await?;
    let epoch = folder.head.manifest.epoch;
    let mut outcome = SegmentOutcome::Sealed { epoch };
    for _ in 0..=ROUNDS_MAX {
        match report(shared, folder, outcome.clone()).await? {
            RecordingVerdict::Leave {} => return Ok(()),
            RecordingVerdict::Done { is_complete } => {
                return delete_all(shared, spent(&folder.head.key_prefix, &outcome, is_complete)).await;
            }
            RecordingVerdict::Finish {} => outcome = make_files_in_turn(shared, folder).await?,
            RecordingVerdict::Wait {} => bail!("another node is building the files, or the recording still runs"),
        }
    }
    bail!("new segments keep arriving")
}

/// Builds the files, and reports to the edge at intervals from the order on, even while waiting for a turn.
async fn make_files_in_turn(shared: &Shared, folder: &Folder) -> Result<SegmentOutcome> {
    let making = async {
        // A node builds one file at a time, as each takes disk space and bandwidth.
        let _turn = shared.finishing.acquire().await.context("the node is stopping")?;
        make_files(shared, folder).await
    };
    let epoch = folder.head.manifest.epoch;
    let mut telling = tokio::time::interval(FINISHER_INTERVAL);
    telling.reset();
    tokio::pin!(making);
    loop {
        tokio::select! {
            outcome = &mut making => return outcome,
            _ = telling.tick() => {
                // After a long outage the edge has given the files to another node; it says so when they are built.
                if let Err(error) = report(shared, folder, SegmentOutcome::Sealed { epoch }).await {
                    tracing::debug!(error = format!("{error:#}"), "could not notify the edge");
                }
            }
        }
    }
}

/// Aborts the upload of a large file that a dead process or unreachable storage left unfinished.
async fn abandon_upload(shared: &Shared, folder: &Folder) -> Result<()> {
    if let Some(upload) = folder.upload()? {
        shared.storage.abandon(&upload).await?;
        folder.note_upload(None)?;
        tracing::info!(key = upload.key, "aborting an unfinished upload");
    }
    Ok(())
}

/// Uploads a file, in chunks if it is large.
async fn store_file(shared: &Shared, folder: &Folder, key: &str, path: &Path) -> Result<()> {
    let content_type = content_type(key);
    let bytes = tokio::fs::metadata(path).await.context("reading a file's metadata")?.len();
    if bytes <= CHUNK_BYTES {
        let bytes = tokio::fs::read(path).await.context("reading a file")?;
        return shared.storage.put(key, bytes, content_type).await;
    }
    let upload = shared.storage.begin(key, content_type).await?;
    // Only this note names the upload, and an abandoned upload costs money until a rule of the bucket removes it.
    folder.note_upload(Some(&upload))?;
    shared.storage.put_chunks(&upload, path).await?;
    folder.note_upload(None)
}

/// The stored objects of a recording.
struct Found {
    manifests: Vec<SegmentManifest>,
    /// Keys of parts by track, in order of time.
    parts: BTreeMap<TrackId, VecDeque<String>>,
}

/// Builds every file of the recording, and the manifest.
async fn make_files(shared: &Shared, folder: &Folder) -> Result<SegmentOutcome> {
    let head = &folder.head;
    let found = find(shared, &head.key_prefix).await?;
    let mut files = Vec::new();
    for (group, tracks) in groups(&found.manifests) {
        for parts in parts_by_format(&found, &tracks) {
            if files.len() < limits::FILES_PER_RECORDING_MAX {
                files.extend(make_file(shared, folder, &group, &tracks.name, parts).await?);
            }
        }
    }
    let sealed = found.manifests.iter().filter(|manifest| manifest.is_sealed);
    let segments: Vec<u64> = sealed.map(|manifest| manifest.epoch).collect();
    let (trace, parent) = of_log(head.manifest.trace);
    let recording = &head.manifest.recording;
    tracing::info!(%recording, trace, parent, files = files.len(), ?segments, "recording files built");
    let outcome = outcome(head, segments, files);
    let SegmentOutcome::Finished { files, manifest: key, .. } = &outcome else { return Ok(outcome) };
    let stored: BTreeSet<&str> = found.parts.values().flatten().map(String::as_str).collect();
    let Timeline { segments: spans, rows } = Timeline::new(&found.manifests, |key| stored.contains(key));
    let manifest = Manifest {
        version: VERSION,
        recording: head.manifest.recording.clone(),
        room: head.manifest.room.clone(),
        started_at: head.manifest.started_at,
        trace: head.manifest.trace,
        segments: spans,
        files: files.clone(),
        rows,
    };
    let text = serde_json::to_vec(&manifest).context("writing the manifest")?;
    shared.storage.put(key, text, "application/json").await?;
    Ok(outcome)
}

/// The report to the edge about the files; without any, there is no manifest either.
fn outcome(head: &Head, segments: Vec<u64>, files: Vec<RecordingFile>) -> SegmentOutcome {
    let epoch = head.manifest.epoch;
    if files.is_empty() {
        return SegmentOutcome::Empty { epoch, segments };
    }
    let manifest = format!("{}manifest.json", head.key_prefix);
    SegmentOutcome::Finished { epoch, segments, files, manifest }
}

async fn find(shared: &Shared, key_prefix: &str) -> Result<Found> {
    let prefix = format!("{key_prefix}segments/");
    let mut manifests: Vec<SegmentManifest> = Vec::new();
    let mut parts: Vec<(TrackId, u64, u64, String)> = Vec::new();
    for key in shared.storage.list(&prefix).await? {
        let path: Vec<&str> = key.strip_prefix(&prefix).unwrap_or_default().split('/').collect();
        match path.as_slice() {
            [_, "manifest.json"] => {
                let bytes = shared.storage.read(&key).await?;
                manifests.push(serde_json::from_slice(&bytes).with_context(|| format!("reading {key}"))?);
            }
            [epoch, "parts", track, name] => match place(epoch, track, name) {
                Some((track, starts_ms, epoch)) => parts.push((track, starts_ms, epoch, key.clone())),
                None => tracing::warn!(key, "not the key of a part"),
            },
            _ => tracing::warn!(key, "not the key of a part"),
        }
    }
    parts.sort();
    let mut by_track: BTreeMap<TrackId, VecDeque<String>> = BTreeMap::new();
    for (track, _, _, key) in parts {
        by_track.entry(track).or_default().push_back(key);
    }
    Ok(Found { manifests, parts: by_track })
}

/// File name extensions of parts and files, by content.
const EXTENSIONS: [&str; 2] = [SOUND_EXTENSION, "mp4"];
const SOUND_EXTENSION: &str = "webm";

fn extension_of(key: &str) -> Option<&str> {
    key.rsplit_once('.').map(|(_, extension)| extension)
}

/// The media type of a part or a file.
pub(super) fn content_type(key: &str) -> &'static str {
    if extension_of(key) == Some(SOUND_EXTENSION) { "video/webm" } else { "video/mp4" }
}

/// The track, start and segment of a part: `…/7/parts/t1/000003-15000.webm`.
fn place(epoch: &str, track: &str, name: &str) -> Option<(TrackId, u64, u64)> {
    let (name, _) = name.rsplit_once('.').filter(|(_, extension)| EXTENSIONS.contains(extension))?;
    let starts_ms = name.split_once('-')?.1.parse().ok()?;
    Some((TrackId::parse(track).ok()?, starts_ms, epoch.parse().ok()?))
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    participant: ParticipantId,
    is_screen: bool,
}

/// The tracks of each file, with their participant's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tracks {
    name: String,
    audio: Vec<TrackId>,
    video: Vec<TrackId>,
}

fn groups(manifests: &[SegmentManifest]) -> BTreeMap<Group, Tracks> {
    let mut groups: BTreeMap<Group, Tracks> = BTreeMap::new();
    let mut names: BTreeMap<&ParticipantId, &str> = BTreeMap::new();
    for row in manifests.iter().flat_map(|manifest| &manifest.rows) {
        match &row.event {
            Event::Joined { participant, name } => {
                names.insert(participant, name);
            }
            Event::Track { track, participant, source, .. } => {
                let is_screen = matches!(source, TrackSource::Screen | TrackSource::ScreenAudio);
                let group = Group { participant: participant.clone(), is_screen };
                let tracks = groups.entry(group).or_default();
                let lane = match kind_of(*source) {
                    MediaKind::Audio => &mut tracks.audio,
                    MediaKind::Video => &mut tracks.video,
                };
                if !lane.contains(track) {
                    lane.push(track.clone());
                }
            }
            Event::Left { .. }
            | Event::TrackEnded { .. }
            | Event::Muted { .. }
            | Event::Gap { .. }
            | Event::Part { .. } => {}
        }
    }
    for (group, tracks) in &mut groups {
        tracks.name = names.get(&group.participant).copied().unwrap_or_default().to_owned();
    }
    groups
}

/// The content of one file.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    extension: &'static str,
    audio: VecDeque<String>,
    video: VecDeque<String>,
}

/// The parts of one file, or of two for video in codecs that do not fit in one file; each of them has all of the audio.
fn parts_by_format(found: &Found, tracks: &Tracks) -> Vec<Parts> {
    let (audio, all) = (parts_of(found, &tracks.audio), parts_of(found, &tracks.video));
    let of = |extension: &'static str| {
        let video = all.iter().filter(|key| extension_of(key) == Some(extension)).cloned().collect();
        Parts { extension, audio: audio.clone(), video }
    };
    let mut files: Vec<Parts> = EXTENSIONS.map(of).into_iter().filter(|parts| !parts.video.is_empty()).collect();
    if files.is_empty() {
        files.push(of(SOUND_EXTENSION));
    }
    files
}

async fn make_file(
    shared: &Shared,
    folder: &Folder,
    group: &Group,
    name: &str,
    Parts { extension, mut audio, mut video }: Parts,
) -> Result<Option<RecordingFile>> {
    let path = folder.work();
    let Some(finished) = write(shared, group, &path, &mut audio, &mut video).await? else { return Ok(None) };
    let what = if group.is_screen { "screen" } else { "camera" };
    let key = format!("{}{}-{what}.{extension}", folder.head.key_prefix, group.participant);
    store_file(shared, folder, &key, &path).await?;
    let bytes = tokio::fs::metadata(&path).await.context("reading a file's metadata")?.len();
    tokio::fs::remove_file(&path).await.context("removing a file")?;
    let Finished { starts_ms, duration_ms, .. } = finished;
    Ok(Some(RecordingFile {
        key,
        participant: group.participant.clone(),
        name: name.to_owned(),
        is_screen: group.is_screen,
        starts_ms,
        duration_ms,
        bytes,
    }))
}

/// The parts of several tracks in order of time: a returning participant has new tracks.
fn parts_of(found: &Found, tracks: &[TrackId]) -> VecDeque<String> {
    let first_ms = |track: &&TrackId| found.parts.get(*track).and_then(VecDeque::front).and_then(|key| starts_ms(key));
    let mut tracks: Vec<&TrackId> = tracks.iter().collect();
    tracks.sort_by_key(first_ms);
    tracks.into_iter().filter_map(|track| found.parts.get(track)).flatten().cloned().collect()
}

fn starts_ms(key: &str) -> Option<u64> {
    key.rsplit_once('-')?.1.split_once('.')?.0.parse().ok()
}

/// Writes one file with two parts in memory; `None` without a single frame.
async fn write(
    shared: &Shared,
    group: &Group,
    path: &Path,
    audio: &mut VecDeque<String>,
    video: &mut VecDeque<String>,
) -> Result<Option<Finished>> {
    let mut remux = if group.is_screen { Remux::screen() } else { Remux::camera() };
    let mut file = File::create(path).await.context("creating a file")?;
    loop {
        match remux.step() {
            Step::Need(kind) => {
                let parts = match kind {
                    MediaKind::Audio => &mut *audio,
                    MediaKind::Video => &mut *video,
                };
                match parts.pop_front() {
                    Some(key) => remux.feed(kind, &shared.storage.read(&key).await?),
                    None => remux.end(kind),
                }
            }
            Step::Append(bytes) => file.write_all(&bytes).await.context("writing a file")?,
            Step::Done(finished) => {
                let Some(header) = &finished.header else { return Ok(None) };
                file.seek(SeekFrom::Start(0)).await.context("seeking in a file")?;
                file.write_all(header).await.context("writing a file")?;
                file.flush().await.context("writing a file")?;
                return Ok(Some(finished));
            }
        }
    }
}

/// The prefixes that nobody needs once the edge has confirmed an outcome. Earlier deletion would be wrong: after a
/// crash, the next process would not know which segments it reported.
fn spent(key_prefix: &str, outcome: &SegmentOutcome, is_complete: bool) -> Vec<String> {
    match outcome {
        _ if is_complete => vec![format!("{key_prefix}segments/")],
        // A later segment builds files from its own parts only.
        SegmentOutcome::Empty { segments, .. } => {
            segments.iter().map(|epoch| format!("{key_prefix}segments/{epoch}/")).collect()
        }
        SegmentOutcome::Sealed { .. } | SegmentOutcome::Finished { .. } | SegmentOutcome::Failed { .. } => Vec::new(),
    }
}

async fn delete_all(shared: &Shared, prefixes: Vec<String>) -> Result<()> {
    for prefix in prefixes {
        for key in shared.storage.list(&prefix).await? {
            shared.storage.delete(&key).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TrackId {
        TrackId::parse(text).expect("an id")
    }

    #[test]
    fn a_key_says_where_its_part_belongs() {
        assert_eq!(place("7", "t1", "000003-15000.webm"), Some((id("t1"), 15_000, 7)));
        assert_eq!(place("7", "t1", "000003-15000.mp4"), Some((id("t1"), 15_000, 7)));
        for (epoch, track, name) in
            [("x", "t1", "1-2.webm"), ("7", "t 1", "1-2.webm"), ("7", "t1", "1.webm"), ("7", "t1", "1-2.avi")]
        {
            assert_eq!(place(epoch, track, name), None, "{epoch} {track} {name}");
        }
    }

    #[test]
    fn a_recording_of_nothing_is_empty_and_leaves_nothing() {
        let (epoch, segments) = (4, vec![3, 4]);
        let empty = outcome(&head(), segments.clone(), Vec::new());
        assert_eq!(empty, SegmentOutcome::Empty { epoch, segments: segments.clone() });
        let finished = outcome(&head(), segments, vec![file()]);
        assert!(
            matches!(&finished, SegmentOutcome::Finished { manifest, .. } if manifest == "p/manifest.json"),
            "{finished:?}"
        );

        let check = |outcome: &SegmentOutcome, is_complete: bool, expected: &[&str]| {
            assert_eq!(spent("p/", outcome, is_complete), expected, "{outcome:?} {is_complete}");
        };
        check(&empty, true, &["p/segments/"]);
        check(&empty, false, &["p/segments/3/", "p/segments/4/"]);
        check(&finished, true, &["p/segments/"]);
        check(&finished, false, &[]);
        check(&SegmentOutcome::Sealed { epoch }, false, &[]);
    }

    #[test]
    fn tracks_that_follow_one_another_are_one_lane() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<VecDeque<_>>();
        let parts = BTreeMap::from([
            (id("t1"), keys(&["p/7/parts/t1/000000-9000.webm"])),
            (id("t9"), keys(&["p/3/parts/t9/000000-0.webm", "p/7/parts/t9/000000-5000.webm"])),
        ]);
        let found = Found { manifests: Vec::new(), parts };
        let expected = ["p/3/parts/t9/000000-0.webm", "p/7/parts/t9/000000-5000.webm", "p/7/parts/t1/000000-9000.webm"];
        assert_eq!(parts_of(&found, &[id("t1"), id("t9"), id("t3")]), keys(&expected));
    }

    #[test]
    fn pictures_of_two_formats_are_two_files_with_the_same_sound() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<VecDeque<_>>();
        let sound = ["p/7/parts/t1/000000-0.webm"];
        let video = ["p/7/parts/t2/000000-0.webm", "p/7/parts/t2/000001-5000.mp4", "p/7/parts/t2/000002-9000.mp4"];
        let parts = BTreeMap::from([(id("t1"), keys(&sound)), (id("t2"), keys(&video))]);
        let found = Found { manifests: Vec::new(), parts };
        let files = |tracks: &[&str]| {
            let video = tracks.iter().map(|track| id(track)).collect();
            parts_by_format(&found, &Tracks { name: String::new(), audio: vec![id("t1")], video })
        };
        let file = |extension, video: &[&str]| Parts { extension, audio: keys(&sound), video: keys(video) };
        assert_eq!(files(&["t2"]), [file("webm", &video[..1]), file("mp4", &video[1..])]);
        assert_eq!(files(&[]), [file("webm", &[])]);
    }

    fn head() -> Head {
        let manifest = serde_json::json!({
            "version": VERSION, "recording": "r5m8n2p4q6s9", "room": "daily", "epoch": 4, "node": "n1",
            "started_at": 0, "is_sealed": true, "rows": [],
        });
        let manifest = serde_json::from_value(manifest).expect("a manifest");
        Head { key_prefix: "p/".into(), manifest }
    }

    fn file() -> RecordingFile {
        RecordingFile {
            key: "p/ada-camera.webm".into(),
            participant: ParticipantId::parse("ada").expect("an id"),
            name: "Ada".into(),
            is_screen: false,
            starts_ms: 0,
            duration_ms: 1,
            bytes: 1,
        }
    }
}
