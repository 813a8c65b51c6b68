//! A node whose wall clock is stepped before and during a recording.

use super::host::Host;
use super::playable::{Playable, run};
use super::{own_path, ready};
use serde_json::{Value, json};
use stack::Stack;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::sleep;

/// Wall clock minus true time in libfaketime's format: before the recording starts, then during it.
const BEFORE: &str = "+5s";
const MEANWHILE: [&str; 6] = ["+6s", "+5s", "+0s", "-1s", "+4s", "-1s"];
const BETWEEN_STEPS: Duration = Duration::from_millis(1_500);

/// libfaketime, as the value of `LD_PRELOAD`.
fn preload() -> String {
    run("faketime", &["-f", "+0s", "printenv", "LD_PRELOAD"]).trim().to_owned()
}

/// The environment of a program whose wall clock is off by this much in libfaketime's format.
pub(crate) fn shifted(offset: &str) -> Value {
    let preload = preload();
    let said = Command::new("date").arg("+%s").env("LD_PRELOAD", &preload).env("FAKETIME", offset).output();
    assert_ne!(seconds(&said.expect("there is a date")), now_s(), "the clock can be set");
    json!({ "LD_PRELOAD": preload, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1" })
}

fn seconds(said: &Output) -> i64 {
    String::from_utf8_lossy(&said.stdout).trim().parse().expect("a number")
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

/// Seconds by which a program with this clock is ahead of true time.
fn stepped_s(offset: &Path, preload: &str) -> i64 {
    let mut date = Command::new("date");
    date.arg("+%s").env("LD_PRELOAD", preload).env("FAKETIME_TIMESTAMP_FILE", offset);
    seconds(&date.output().expect("there is a date")) - now_s()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_is_stepped_leaves_no_mark() {
    let offset = own_path("clock");
    let set_clock = |to: &str| std::fs::write(&offset, to).expect("a file");
    set_clock("+0s");
    let mut stack = Stack::start();
    stack.command(&json!({ "do": "kill_node" }));
    let preload = preload();
    let env = json!({
        "LD_PRELOAD": preload,
        "FAKETIME_TIMESTAMP_FILE": offset,
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    });
    stack.command(&json!({ "do": "start_node", "env": env }));
    let of_node = stack.command(&json!({ "do": "node_environment" }));
    assert!(of_node["body"].as_str().expect("a text").contains("FAKETIME_TIMESTAMP_FILE="), "the node has that clock");
    set_clock(BEFORE);
    assert_eq!(stepped_s(&offset, &preload), 5, "and the clock can be set");
    let mut ada = Host::join(&stack, "stepped").await;
    ada.start().await;
    let started = Instant::now();
    for step in MEANWHILE {
        sleep(BETWEEN_STEPS).await;
        set_clock(step);
    }
    sleep(BETWEEN_STEPS).await;
    let lasted = started.elapsed().as_secs_f64();
    ada.stop().await;
    let recording = ready(&mut stack, "stepped").await;
    let file = Playable::fetch(&mut stack, &recording);
    let duration = file.check(true);
    assert!((duration - lasted).abs() < 0.5, "{duration} s of {lasted} s");
    let [sound, picture] = ["a:0", "v:0"].map(|stream| file.packet_times(stream));
    for (stream, times) in [("sound", &sound), ("picture", &picture)] {
        let gap = times.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
        assert!(gap < 0.5, "{stream}: nothing for {gap} s");
    }
    let drift = sound[sound.len() - 1] - picture[picture.len() - 1];
    assert!(drift.abs() < 0.3, "sound ends {drift} s after the picture");
    ada.leave().await;
    std::fs::remove_file(&offset).expect("the file to go");
}
