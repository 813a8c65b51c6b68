//! A recording whose file is stored in several chunks, and a node that is killed in between.

use super::host::Host;
use super::playable::{Playable, run};
use super::{own_path, ready};
use robot::MediaFile;
use serde_json::json;
use shared::signal::RecordingState;
use stack::Stack;
use std::path::Path;
use std::time::{Duration, Instant};

/// Three chunks, the last one short.
const FILE_BYTES_MIN: u64 = 16 * 1024 * 1024;
const RECORDED: Duration = Duration::from_secs(10);

/// Three seconds of noise, which needs about 20 Mbit/s, with the usual audio.
fn noise() -> MediaFile {
    let path = own_path("noise.ivf");
    let picture = "nullsrc=size=800x450:rate=15:duration=3,format=yuv420p,geq=lum='random(1)*255':cb=128:cr=128";
    let coding = ["-c:v", "libvpx", "-b:v", "40M", "-deadline", "realtime", "-cpu-used", "8"];
    let to = ["-y", path.to_str().expect("a path")];
    let said = run("ffmpeg", &[&["-v", "error", "-f", "lavfi", "-i", picture], &coding[..], &to[..]].concat());
    assert_eq!(said, "");
    let sound = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/media/sound.ogg");
    let media = MediaFile::read(Some(&path), Some(&sound)).expect("media");
    let _ = std::fs::remove_file(&path);
    media
}

fn unfinished_uploads(stack: &mut Stack) -> usize {
    stack.command(&json!({ "do": "unfinished_uploads" }))["body"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_while_it_stores_a_large_file_stores_it_anew_and_leaves_nothing_behind() {
    let mut stack = Stack::start();
    let mut ada = Host::join_with(&stack, "large", noise()).await;
    ada.start().await;
    let started = Instant::now();
    tokio::time::sleep(RECORDED).await;
    stack.command(&json!({ "do": "kill_node_at_upload" }));
    let lasted = started.elapsed().as_secs_f64();
    ada.robot.record(false).await.expect("asks");
    ada.wait_for(RecordingState::Finishing).await;
    stack.command(&json!({ "do": "killed_node" }));
    assert_eq!(unfinished_uploads(&mut stack), 1, "the node was killed in the midst of it");
    ada.leave().await;
    stack.command(&json!({ "do": "start_node" }));
    let recording = ready(&mut stack, "large").await;
    assert_eq!(unfinished_uploads(&mut stack), 0);
    let bytes = recording["files"][0]["bytes"].as_u64().expect("a number");
    assert!(bytes > FILE_BYTES_MIN, "{bytes} bytes are too few chunks");
    let duration = Playable::fetch(&mut stack, &recording).check(true);
    assert!((duration - lasted).abs() < 0.7, "{duration} s of {lasted} s");
    println!("large: {bytes} bytes");
}
