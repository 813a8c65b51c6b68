//! A recording of a call without any media.

use super::PATIENCE;
use super::host::wait_for;
use robot::{Options, Robot};
use serde_json::{Value, json};
use shared::signal::{RecordingState, TrackSource};
use stack::Stack;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Longer than a part stays open, and than the delay before the first manifest is stored.
const RECORDED: Duration = Duration::from_secs(7);

async fn records_nothing(room: &str, publish: Vec<TrackSource>) {
    let mut stack = Stack::start();
    let mut options = Options::new(&stack.room_url(room), &stack.token(room, "ada"));
    options.publish = publish;
    options.slots = 1;
    let mut ada = Robot::join(&options).await.expect("joins");
    ada.record(true).await.expect("asks");
    wait_for(&mut ada, RecordingState::Recording).await;
    sleep(RECORDED).await;
    assert!(!stored(&mut stack, room).is_empty(), "a manifest says that the recording runs");
    ada.record(false).await.expect("asks");
    let info = wait_for(&mut ada, RecordingState::Empty).await;
    assert_eq!(info.code, None);
    is_listed_as_empty(&mut stack, room).await;
    nothing_is_stored(&mut stack, room).await;
    ada.leave().await.expect("leaves");
}

async fn is_listed_as_empty(stack: &mut Stack, room: &str) {
    let token = stack.token(room, "ada");
    let answer = stack.command(&json!({ "do": "recordings", "room": room, "token": token }));
    let listed = answer["body"]["recordings"].as_array().expect("a list");
    let [recording] = listed.as_slice() else { panic!("one recording is listed: {answer}") };
    assert_eq!((recording["state"].as_str(), &recording["files"]), (Some("empty"), &json!([])));
    assert_eq!(recording.get("manifest_url").unwrap_or(&Value::Null), &Value::Null, "{recording}");
}

/// The node deletes its stored objects after the edge has confirmed that the recording is empty.
async fn nothing_is_stored(stack: &mut Stack, room: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let keys = stored(stack, room);
        if keys.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "there is still {keys:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// The keys of all stored objects of a room.
pub(crate) fn stored(stack: &mut Stack, room: &str) -> Vec<String> {
    let answer = stack.command(&json!({ "do": "stored", "prefix": format!("recordings/{room}/") }));
    serde_json::from_value(answer["body"].clone()).expect("keys")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_a_call_without_tracks_is_empty_and_leaves_nothing_in_the_storage() {
    records_nothing("viewers", Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_tracks_without_a_packet_is_empty_and_leaves_nothing_in_the_storage() {
    records_nothing("silent", vec![TrackSource::Microphone, TrackSource::Camera]).await;
}
