//! Situations that broke recordings in the field.

use super::host::{Host, media, wait_for};
use super::playable::Playable;
use super::ready;
use robot::{MediaFile, Options, Robot};
use serde_json::json;
use shared::signal::{RecordingState, TrackSource};
use stack::Stack;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A part is open for 5 s, then the node waits 3 s for storage and 3 s for the answer to a small request.
const HANG_NOTICED_S: f64 = 5.0 + 6.0 + 2.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_hangs_costs_nothing_and_the_room_is_told() {
    let mut stack = Stack::start();
    let mut ada = Host::join(&stack, "hangs").await;
    ada.start().await;
    let started = Instant::now();
    sleep(Duration::from_secs(2)).await;
    stack.command(&json!({ "do": "pause_storage" }));
    let paused = Instant::now();
    ada.wait_for(RecordingState::StorageAway).await;
    let noticed = paused.elapsed().as_secs_f64();
    assert!(noticed < HANG_NOTICED_S, "noticed after {noticed} s");
    stack.command(&json!({ "do": "resume_storage" }));
    ada.wait_for(RecordingState::Recording).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.stop().await;
    let recording = ready(&mut stack, "hangs").await;
    let duration = Playable::fetch(&mut stack, &recording).check(true);
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    ada.leave().await;
    println!("hangs: noticed after {noticed:.1} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_off_is_black_in_the_file() {
    let mut stack = Stack::start();
    let mut ada =
        Robot::join(&Options::new(&stack.room_url("dark"), &stack.token("dark", "ada"))).await.expect("joins");
    let (both, publisher) = (media(), ada.publisher());
    let sound = MediaFile { video: Vec::new(), ..both.clone() };
    ada.record(true).await.expect("asks");
    wait_for(&mut ada, RecordingState::Recording).await;
    publisher.publish_file(&both).await.expect("sends");
    ada.set_muted(TrackSource::Camera, true).await.expect("mutes");
    publisher.publish_file(&sound).await.expect("sends");
    publisher.publish_file(&sound).await.expect("sends");
    ada.set_muted(TrackSource::Camera, false).await.expect("unmutes");
    publisher.publish_file(&both).await.expect("sends");
    ada.record(false).await.expect("asks");
    wait_for(&mut ada, RecordingState::Ready).await;
    let recording = ready(&mut stack, "dark").await;
    let black = Playable::fetch(&mut stack, &recording).black();
    // The last picture of the first three seconds stays for one more second; the camera is on again six seconds later.
    let [(from, to)] = black.as_slice() else { panic!("black once: {black:?}") };
    assert!((3.5..5.0).contains(from) && (8.5..10.5).contains(to), "black from {from} s to {to} s");
    ada.leave().await.expect("leaves");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_participant_reloads_and_the_recording_goes_on() {
    let mut stack = Stack::start();
    let mut ada = Host::join(&stack, "alone").await;
    ada.start().await;
    let started = Instant::now();
    sleep(Duration::from_secs(3)).await;
    ada.vanish();
    let mut ada = Host::join(&stack, "alone").await;
    sleep(Duration::from_secs(3)).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.stop().await;
    let recording = ready(&mut stack, "alone").await;
    let duration = Playable::fetch(&mut stack, &recording).check(false);
    assert!((duration - lasted).abs() < 0.7, "{duration} s of {lasted} s");
    ada.leave().await;
}
