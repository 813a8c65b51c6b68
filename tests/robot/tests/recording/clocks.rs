//! A node whose wall clock is stepped before and while it records.

use super::host::Host;
use super::playable::{Playable, run};
use super::ready;
use crate::stack::Stack;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Wall clock minus true time, as libfaketime reads it: before the recording starts, then while it runs.
const BEFORE: &str = "+5s";
const MEANWHILE: [&str; 5] = ["+6s", "+5s", "+0s", "-1s", "-6s"];
const BETWEEN_STEPS: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_clock_that_is_stepped_leaves_no_mark() {
    let offset = std::env::temp_dir().join(format!("rotunda-clock-{}", std::process::id()));
    let set_clock = |to: &str| std::fs::write(&offset, to).expect("a file");
    set_clock("+0s");
    let mut stack = Stack::start();
    stack.command(&json!({ "do": "kill_node" }));
    let preload = run("faketime", &["-f", "+0s", "printenv", "LD_PRELOAD"]);
    let env = json!({
        "LD_PRELOAD": preload.trim(),
        "FAKETIME_TIMESTAMP_FILE": offset,
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    });
    stack.command(&json!({ "do": "start_node", "env": env }));
    set_clock(BEFORE);
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
    for stream in ["a:0", "v:0"] {
        let gap = file.longest_gap(stream);
        assert!(gap < 0.5, "{stream}: nothing for {gap} s");
    }
    ada.leave().await;
    std::fs::remove_file(&offset).expect("the file to go");
}
