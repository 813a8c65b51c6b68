//! Calls that are recorded by the real node into a real storage; what comes out is read by ffmpeg.

mod stack;

use robot::{Event, MediaFile, Options, Robot};
use serde_json::{Value, json};
use shared::signal::{RecordingInfo, RecordingState, TrackSource};
use stack::Stack;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Everything that is waited for comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(40);
/// What a killed process may lose, and the time that a part takes to be written.
const OPEN_PART_S: f64 = 5.0 + 1.0;

fn media() -> MediaFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/media");
    MediaFile::read(Some(&folder.join("picture.ivf")), Some(&folder.join("sound.ogg"))).expect("test media")
}

/// Somebody who publishes the file again and again, and may record.
struct Host {
    robot: Robot,
    publishing: JoinHandle<()>,
}

impl Host {
    async fn join(stack: &Stack, room: &str) -> Self {
        let mut options = Options::new(&stack.room_url(room), &stack.token(room, "ada"));
        options.publish = vec![TrackSource::Microphone, TrackSource::Camera];
        options.slots = 1;
        let robot = Robot::join(&options).await.expect("joins");
        let publisher = robot.publisher();
        let publishing = tokio::spawn(async move {
            let media = media();
            while publisher.publish_file(&media).await.is_ok() {}
        });
        Self { robot, publishing }
    }

    /// Waits until the recording is so far.
    async fn wait_for(&mut self, state: RecordingState) -> RecordingInfo {
        let seen = async {
            loop {
                match self.robot.next().await.expect("the room goes on") {
                    Event::Recording(info) if info.state == state => return info,
                    Event::Recording(info) => assert_ne!(info.state, RecordingState::Failed, "{info:?}"),
                    Event::RosterChanged | Event::Frame(_) | Event::Disconnected => {}
                    Event::Removed(code) => panic!("removed: {code}"),
                }
            }
        };
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never {state:?}"))
    }

    async fn start(&mut self) {
        self.robot.record(true).await.expect("asks");
        self.wait_for(RecordingState::Recording).await;
    }

    async fn leave(self) {
        self.publishing.abort();
        self.robot.leave().await.expect("leaves");
    }
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

/// A file that was fetched through its signed URL.
struct Playable {
    path: PathBuf,
    listed_s: f64,
}

impl Playable {
    fn fetch(stack: &mut Stack, recording: &Value) -> Self {
        let files = recording["files"].as_array().expect("files");
        assert_eq!(files.len(), 1, "{recording}");
        let path = std::env::temp_dir().join(format!("rotunda-recording-{}.webm", std::process::id()));
        let answer = stack.command(&json!({ "do": "download", "url": files[0]["url"], "path": path }));
        assert_eq!(answer["status"], 200, "the signed URL opens");
        Self { path, listed_s: files[0]["duration_ms"].as_f64().expect("a number") / 1_000.0 }
    }

    /// Checks that ffmpeg decodes all of it, and gives how long it plays.
    fn check(&self, is_whole: bool) -> f64 {
        let path = self.path.to_str().expect("a path");
        // Frames keep their own times: ffmpeg would put them on a grid, and complain where two fall on one place.
        let args = ["-v", "error", "-i", path, "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"];
        assert_eq!(run("ffmpeg", &args), "", "decodes without an error");
        let probed = run("ffprobe", &["-v", "error", "-of", "json", "-show_format", "-show_streams", path]);
        let probed: Value = serde_json::from_str(&probed).expect("JSON");
        let streams: Vec<_> = probed["streams"].as_array().expect("streams").iter().map(|s| &s["codec_name"]).collect();
        assert_eq!(streams, ["opus", "vp8"]);
        let duration: f64 = probed["format"]["duration"].as_str().expect("a duration").parse().expect("a number");
        assert!((duration - self.listed_s).abs() < 0.3, "{duration} s, listed as {} s", self.listed_s);
        let cues = std::fs::read(&self.path).expect("a file");
        assert!(cues.windows(4).any(|id| id == [0x1c, 0x53, 0xbb, 0x6b]), "has cues");
        // Somebody jumps to the middle: what is left is decoded, and it is about half.
        let middle = format!("{}", duration / 2.0);
        let args = [
            "-v",
            "error",
            "-ss",
            &middle,
            "-i",
            path,
            "-an",
            "-fps_mode",
            "passthrough",
            "-f",
            "null",
            "-progress",
            "-",
            "-",
        ];
        let seen = run("ffmpeg", &args);
        let frames: Vec<u32> =
            seen.lines().filter_map(|line| line.strip_prefix("frame=")?.trim().parse().ok()).collect();
        let decoded = f64::from(*frames.last().expect("frames"));
        // Each track of a killed node has lost an open part of its own, so pictures may end before the sound does.
        let (expected, missing) = (duration / 2.0 * 15.0, if is_whole { 0.0 } else { OPEN_PART_S * 15.0 });
        let range = expected - missing - 30.0..expected + 30.0;
        assert!(range.contains(&decoded), "{decoded} frames of {expected} after a jump");
        duration
    }
}

impl Drop for Playable {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("setup installs ffmpeg");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{err}{out}")
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

// Holds S0-SIG-01, S0-SIG-07, S0-REC-03, S1-REC-01, S3-REC-01, S3-DEP-06, S4-REC-01.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_recorded_listed_played_and_deleted() {
    let mut stack = Stack::start();
    let mut ada = Host::join(&stack, "simple").await;
    ada.start().await;
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(9)).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.robot.record(false).await.expect("asks");
    ada.wait_for(RecordingState::Finishing).await;
    let info = ada.wait_for(RecordingState::Ready).await;
    let recording = ready(&mut stack, "simple").await;
    assert_eq!(recording["id"], info.id.as_str());
    let duration = Playable::fetch(&mut stack, &recording).check(true);
    // Pictures begin with a key frame, and the file has one each second; sound begins at once.
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    ada.leave().await;
    let (token, id) = (stack.token("simple", "ada"), format!("/{}", info.id));
    let delete = json!({ "do": "recordings", "room": "simple", "token": token, "method": "DELETE", "id": id });
    assert_eq!(stack.command(&delete)["status"], 204);
    assert_eq!(stack.command(&delete)["status"], 404);
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
        let mut ada = Host::join(&stack, &room).await;
        ada.start().await;
        let started = Instant::now();
        tokio::time::sleep(Duration::from_millis(life_ms)).await;
        stack.command(&json!({ "do": "kill_node" }));
        let lived = started.elapsed().as_secs_f64();
        ada.leave().await;
        stack.command(&json!({ "do": "start_node" }));
        // Killed before the first part was whole, there is nothing to be made of it.
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
    ada.robot.record(false).await.expect("asks");
    ada.wait_for(RecordingState::Ready).await;
    let recording = ready(&mut stack, "away").await;
    let duration = Playable::fetch(&mut stack, &recording).check(true);
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    ada.leave().await;
}
