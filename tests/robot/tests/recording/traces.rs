//! One trace from a client's attempt to the recording in storage.

use super::host::{Host, media};
use super::{PATIENCE, own_path, ready};
use serde_json::{Value, json};
use shared::manifest::Manifest;
use shared::trace::Trace;
use stack::Stack;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The texts in `field` of the lines of a JSON log that name the trace.
fn logged(log: &Path, field: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(log).expect("a log");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(&line[line.find('{')?..]).ok());
    let lines = lines.filter(|line| line["trace"] == TRACE_ID);
    lines.map(|line| line[field].as_str().unwrap_or_default().to_owned()).collect()
}

/// In the node's log, with the attempt's trace; the last ones may come after the recording is ready.
const SAID: [&str; 4] = ["session connected", "recording", "segment finished", "recording files built"];

// Holds S1-DB-05.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_attempt_through_worker_and_node_to_the_stored_manifest() {
    let logs = own_path("traces");
    let mut stack = Stack::start_in(&logs);
    stack.command(&json!({ "do": "kill_node" }));
    stack.command(&json!({ "do": "start_node", "name": "media-2", "env": { "MEDIA_LOG_FORMAT": "json" } }));
    let url = format!("{}?traceparent={TRACE}", stack.room_url("traced"));
    let mut ada = Host::join_at(&url, &stack.token("traced", "ada"), media()).await;
    ada.start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ada.stop().await;
    let recording = ready(&mut stack, "traced").await;
    let path = logs.join("manifest.json");
    stack.command(&json!({ "do": "download", "url": recording["manifest_url"], "path": path }));
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(&path).expect("a manifest")).expect("a manifest");
    assert_eq!(manifest.trace.map(|trace| trace.id), Trace::parse(TRACE).ok().map(|trace| trace.id));
    ada.leave().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = logged(&logs.join("media-2.log"), "message");
        if SAID.iter().all(|message| said.contains(*message)) {
            break;
        }
        assert!(Instant::now() < deadline, "{said:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(stack);

    assert!(logged(&logs.join("worker.log"), "event").contains("client_connected"));
    // The Worker's span is the node's parent.
    let parents = logged(&logs.join("media-2.log"), "parent");
    assert!(parents.len() == 1 && !parents.contains("00f067aa0ba902b7"), "{parents:?}");
    let _ = std::fs::remove_dir_all(&logs);
}
