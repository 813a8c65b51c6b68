//! A recording that continues on another node.

use super::clocks;
use super::empty::stored;
use super::host::{Host, join_as_viewer, move_on, see_frames};
use super::playable::Playable;
use super::{PATIENCE, own_path, ready};
use robot::Robot;
use serde_json::{Value, json};
use shared::manifest::{Event, Manifest};
use shared::{ParticipantId, TrackId};
use stack::Stack;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Frames seen before and after a move: a second of each kind.
const FRAMES: usize = 60;
/// Tolerance for a track recorded on two nodes: its parts and the gap may differ from the whole by a frame per part.
const ADDS_UP_MS: u64 = 300;

/// A call with one publisher and one viewer, recorded by `media-1`; `media-2` is available.
struct Call {
    stack: Stack,
    ada: Host,
    alan: Robot,
    started: Instant,
}

impl Call {
    async fn begin(room: &str) -> Self {
        Self::begin_with(room, json!({})).await
    }

    /// `env` is the environment of `media-2`.
    async fn begin_with(room: &str, env: Value) -> Self {
        let mut stack = Stack::start();
        let mut ada = Host::join(&stack, room).await;
        let mut alan = join_as_viewer(&stack, room, "alan").await;
        stack.command(&json!({ "do": "start_node", "name": "media-2", "env": env }));
        ada.start().await;
        let started = Instant::now();
        see_frames(&mut alan, FRAMES).await;
        Self { stack, ada, alan, started }
    }

    /// Waits until the first part of both tracks is stored.
    async fn first_parts_are_stored(&mut self, room: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let keys = stored(&mut self.stack, room);
            // `…/segments/EPOCH/parts/TRACK/PART`
            let tracks = keys.iter().filter_map(|key| key.split_once("/parts/")?.1.split('/').next());
            if tracks.collect::<BTreeSet<_>>().len() == 2 {
                return;
            }
            assert!(Instant::now() < deadline, "there is only {keys:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Moves everybody to the other node.
    async fn move_on(&mut self, is_dead: bool) {
        tokio::join!(self.ada.move_on(is_dead), move_on(&mut self.alan, is_dead));
        see_frames(&mut self.alan, FRAMES).await;
    }

    /// Ends the recording; returns its duration.
    async fn end(&mut self) -> f64 {
        let lasted = self.started.elapsed().as_secs_f64();
        self.ada.stop().await;
        lasted
    }

    /// The manifest, once it covers both segments.
    async fn manifest(&mut self, room: &str) -> (Value, Manifest) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let recording = ready(&mut self.stack, room).await;
            let manifest = self.fetch_manifest(&recording);
            if manifest.segments.iter().filter(|segment| segment.is_sealed).count() == 2 {
                return (recording, manifest);
            }
            assert!(Instant::now() < deadline, "never whole: {:?}", manifest.segments);
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn fetch_manifest(&mut self, recording: &Value) -> Manifest {
        let path = own_path("manifest.json");
        self.stack.command(&json!({ "do": "download", "url": recording["manifest_url"], "path": path }));
        let text = std::fs::read(&path).expect("a manifest");
        let _ = std::fs::remove_file(&path);
        serde_json::from_slice(&text).expect("a manifest")
    }

    /// The parts are deleted, because the files contain all of them.
    async fn only_files_are_left(&mut self, room: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let keys = stored(&mut self.stack, room);
            let names: BTreeSet<&str> = keys.iter().filter_map(|key| key.rsplit('/').next()).collect();
            if names == BTreeSet::from(["ada-camera.webm", "manifest.json"]) {
                return;
            }
            assert!(Instant::now() < deadline, "there is still {names:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Checks that a manifest describes one call on two nodes; returns the longest gap between them.
fn check(manifest: &Manifest) -> u64 {
    let nodes: Vec<&str> = manifest.segments.iter().map(|segment| segment.node.as_str()).collect();
    assert_eq!(nodes, ["media-1", "media-2"]);
    let joined = manifest.rows.iter().filter_map(|row| match &row.event {
        Event::Joined { participant, .. } => Some(participant.as_str()),
        Event::Left { participant } => panic!("{participant} has not left: {:?}", manifest.rows),
        _further => None,
    });
    assert_eq!(joined.collect::<Vec<_>>(), ["ada", "alan"]);
    let tracks = manifest.rows.iter().filter_map(|row| match &row.event {
        Event::Track { track, participant, .. } => Some((participant, track)),
        _further => None,
    });
    let tracks: Vec<(&ParticipantId, &TrackId)> = tracks.collect();
    assert_eq!(tracks.len(), 2, "each track begins once: {:?}", manifest.rows);
    tracks.into_iter().map(|(_, track)| check_track(manifest, track)).max().unwrap_or(0)
}

/// Checks that the parts and gaps add up to the whole track; returns the gap between the segments.
fn check_track(manifest: &Manifest, track: &TrackId) -> u64 {
    let (mut parts_ms, mut holes, mut from_ms, mut to_ms) = (0, Vec::new(), u64::MAX, 0);
    let (mut epochs, mut ends) = (BTreeSet::new(), 0);
    for row in &manifest.rows {
        match &row.event {
            Event::Part { track: of, duration_ms, key, .. } if of == track => {
                parts_ms += duration_ms;
                from_ms = from_ms.min(row.at_ms);
                to_ms = to_ms.max(row.at_ms + duration_ms);
                epochs.insert(key.split('/').nth(4).expect("an epoch").to_owned());
            }
            Event::Gap { track: of, packets: None, lasted_ms } if of == track => holes.push(*lasted_ms),
            Event::Gap { track: of, packets, .. } if of == track => panic!("{packets:?} packets of {track} are lost"),
            Event::TrackEnded { track: of } if of == track => ends += 1,
            _further => {}
        }
    }
    assert_eq!((epochs.len(), holes.len(), ends), (2, 1, 1), "{track}: {:?}", manifest.rows);
    let missing_ms = (to_ms - from_ms).abs_diff(parts_ms + holes[0]);
    assert!(missing_ms <= ADDS_UP_MS, "{missing_ms} ms of {track} are neither recorded nor missed");
    holes[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_on_when_its_node_is_killed() {
    let room = "moves-killed";
    let mut call = Call::begin(room).await;
    call.first_parts_are_stored(room).await;
    call.stack.command(&json!({ "do": "kill_node" }));
    call.move_on(true).await;
    let lasted = call.end().await;
    // The stored objects of the lost node's segment are in the files already; the node has the rest.
    let recording = ready(&mut call.stack, room).await;
    Playable::fetch(&mut call.stack, &recording).check(false);
    let manifest = call.fetch_manifest(&recording);
    assert_eq!(manifest.segments.iter().map(|segment| segment.is_sealed).collect::<Vec<_>>(), [false, true]);
    check(&manifest);
    call.stack.command(&json!({ "do": "start_node" }));
    let (recording, manifest) = call.manifest(room).await;
    let hole_ms = check(&manifest);
    let duration = Playable::fetch(&mut call.stack, &recording).check(false);
    assert!((duration - lasted).abs() < 0.7, "{duration} s of {lasted} s");
    call.only_files_are_left(room).await;
    println!("killed: {duration:.1} s, {hole_ms} ms between the nodes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_on_when_its_node_is_drained() {
    check_drained("moves-drained", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_on_undisturbed_on_a_node_whose_clock_is_two_seconds_off() {
    for (room, offset) in [("moves-ahead", "+2s"), ("moves-behind", "-2s")] {
        check_drained(room, clocks::shifted(offset)).await;
    }
}

/// Records on a node that is drained and then on one with this environment.
async fn check_drained(room: &str, env: Value) {
    let mut call = Call::begin_with(room, env).await;
    sleep(Duration::from_secs(1)).await;
    call.stack.command(&json!({ "do": "drain_node" }));
    call.move_on(false).await;
    assert_eq!(call.stack.command(&json!({ "do": "drained_node" }))["status"], 0, "the node's exit code");
    let lasted = call.end().await;
    let (recording, manifest) = call.manifest(room).await;
    let hole_ms = check(&manifest);
    assert!(hole_ms < 2_000, "{hole_ms} ms are missing though the node served its clients until they had moved");
    let duration = Playable::fetch(&mut call.stack, &recording).check(true);
    assert!((duration - lasted).abs() < 0.7, "{duration} s of {lasted} s");
    call.only_files_are_left(room).await;
    println!("{room}: {duration:.1} s, {hole_ms} ms between the nodes");
}
