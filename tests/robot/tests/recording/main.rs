//! Calls recorded by the real node into real storage; ffmpeg reads the results.

mod clocks;
mod empty;
mod full_disk;
mod host;
mod large;
mod moves;
mod playable;
mod situations;
mod traces;

use host::{Host, media_with};
use playable::Playable;
use serde_json::{Value, json};
use shared::signal::RecordingState;
use stack::Stack;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Every expected event happens within this time, or never.
const PATIENCE: Duration = Duration::from_secs(40);
/// Longest loss of a killed process, plus the time to write a part.
const OPEN_PART_S: f64 = 5.0 + 1.0;

/// A file or folder of one caller's own, because tests run side by side.
fn own_path(name: &str) -> PathBuf {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("rotunda-{}-{call}-{name}", std::process::id()))
}

/// The only recording of a room, once it is ready.
async fn ready(stack: &mut Stack, room: &str) -> Value {
    let token = stack.token(room, "ada");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = stack.command(&json!({ "do": "recordings", "room": room, "token": token }));
        assert_eq!(answer["status"], 200, "{answer}");
        let listed = answer["body"]["recordings"].as_array().expect("a list").clone();
        if let Some(recording) = listed.into_iter().find(|one| one["state"] == "ready") {
            return recording;
        }
        assert!(Instant::now() < deadline, "never ready: {answer}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

// Holds S0-SIG-01, S0-SIG-07, S0-REC-03, S1-REC-01, S4-REC-01.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_recorded_listed_played_and_deleted() {
    let mut stack = Stack::start();
    let mut ada = Host::join(&stack, "simple").await;
    ada.start().await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(9)).await;
    let lasted = started.elapsed().as_secs_f64();
    let info = ada.stop().await;
    let recording = ready(&mut stack, "simple").await;
    assert_eq!(recording["id"], info.id.as_str());
    let duration = Playable::fetch(&mut stack, &recording).check(true);
    // Video begins with a key frame, and the file has one each second; audio begins at once.
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    ada.leave().await;
    let (token, id) = (stack.token("simple", "ada"), format!("/{}", info.id));
    let delete = json!({ "do": "recordings", "room": "simple", "token": token, "method": "DELETE", "id": id });
    assert_eq!(stack.command(&delete)["status"], 204);
    assert_eq!(stack.command(&delete)["status"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_is_recorded_beside_vp8() {
    let mut stack = Stack::start();
    let mut ada = Host::join(&stack, "codecs").await;
    let grace = Host::join_as(&stack, "codecs", "grace", media_with("picture.h264")).await;
    ada.start().await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(9)).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.stop().await;
    let recording = ready(&mut stack, "codecs").await;
    let files = Playable::fetch_all(&mut stack, &recording);
    assert_eq!(files.iter().map(Playable::is_mp4).collect::<Vec<_>>(), [false, true]);
    for file in files {
        let duration = file.check(true);
        assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    }
    ada.leave().await;
    grace.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_loses_at_most_the_open_part() {
    let (kills, mut seed) = (setting("RECORDING_KILLS", 5), setting("RECORDING_SEED", 1));
    let mut stack = Stack::start();
    let mut worst: f64 = 0.0;
    for number in 0..kills {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life_ms = 1_500 + (seed >> 33) % 9_000;
        let room = format!("killed{number}");
        // MP4 every other time.
        let media = media_with(if number % 2 == 0 { "picture.ivf" } else { "picture.h264" });
        let mut ada = Host::join_with(&stack, &room, media).await;
        ada.start().await;
        let started = Instant::now();
        tokio::time::sleep(Duration::from_millis(life_ms)).await;
        stack.command(&json!({ "do": "kill_node" }));
        let lived = started.elapsed().as_secs_f64();
        ada.leave().await;
        stack.command(&json!({ "do": "start_node" }));
        // Nothing can be built if the process was killed before the first part was complete.
        if lived <= OPEN_PART_S {
            continue;
        }
        let recording = ready(&mut stack, &room).await;
        let duration = Playable::fetch(&mut stack, &recording).check(false);
        worst = worst.max(lived - duration);
        assert!(lived - duration <= OPEN_PART_S, "killed after {lived} s, {duration} s are left (seed {seed})");
    }
    println!("{kills} kills, at most {worst:.1} s lost");
}

/// The node seals its segment while the room still waits for it, and then everybody leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_that_returns_at_once_builds_the_files_after_the_call() {
    let mut stack = Stack::start();
    let mut ada = Host::join(&stack, "returned").await;
    ada.start().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    stack.command(&json!({ "do": "kill_node" }));
    stack.command(&json!({ "do": "start_node" }));
    // It seals its segment when it starts, and the room looks for another node only after 10 s.
    tokio::time::sleep(Duration::from_secs(3)).await;
    ada.leave().await;
    let recording = ready(&mut stack, "returned").await;
    Playable::fetch(&mut stack, &recording).check(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_is_away_costs_nothing_and_the_room_is_told() {
    let away = Duration::from_secs(setting("RECORDING_AWAY_S", 8));
    let mut stack = Stack::start();
    let mut ada = Host::join(&stack, "away").await;
    ada.start().await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    stack.command(&json!({ "do": "kill_storage" }));
    let killed = Instant::now();
    ada.wait_for(RecordingState::StorageAway).await;
    tokio::time::sleep(away.saturating_sub(killed.elapsed())).await;
    stack.command(&json!({ "do": "start_storage" }));
    ada.wait_for(RecordingState::Recording).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.stop().await;
    let recording = ready(&mut stack, "away").await;
    let duration = Playable::fetch(&mut stack, &recording).check(true);
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    ada.leave().await;
}

/// As in a first `cargo xtask dev`, which starts the storage once it is built, and a call before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_starts_after_the_node_gets_the_whole_recording() {
    let mut stack = Stack::start();
    for order in ["kill_storage", "kill_node", "start_node"] {
        stack.command(&json!({ "do": order }));
    }
    let mut ada = Host::join(&stack, "early").await;
    let started = Instant::now();
    ada.ask_for_recording().await;
    ada.wait_for(RecordingState::StorageAway).await;
    stack.command(&json!({ "do": "start_storage" }));
    ada.wait_for(RecordingState::Recording).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.stop().await;
    let recording = ready(&mut stack, "early").await;
    let duration = Playable::fetch(&mut stack, &recording).check(true);
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    ada.leave().await;
}
