//! The recordings of the rooms: deleted once they are complete, counted, and complained about.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use shared::manifest::Manifest;
use stack::Stack;
use std::thread::sleep;
use std::time::Duration;

const DELETE_ATTEMPTS: usize = 20;
const DELETE_RETRY: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub ready: usize,
    /// Running, being finished, or without a segment that a killed node has.
    pub under_way: usize,
}

pub fn start(stack: &mut Stack, room: &str) {
    stack.command(&json!({ "do": "api", "method": "POST", "path": format!("rooms/{room}/recordings") }));
}

/// Ends the recording that runs, if there is one.
pub fn stop(stack: &mut Stack, room: &str) {
    let list = json!({ "do": "recordings", "room": room, "token": stack.token(room, "sweeper") });
    let listed = stack.command(&list);
    let is_running =
        |recording: &&Value| matches!(recording["state"].as_str(), Some("starting" | "recording" | "storage_away"));
    let running = listed["body"]["recordings"].as_array().into_iter().flatten().find(is_running);
    if let Some(id) = running.and_then(|recording| recording["id"].as_str()) {
        let path = format!("rooms/{room}/recordings/{id}/stop");
        stack.command(&json!({ "do": "api", "method": "POST", "path": path }));
    }
}

/// Deletes the complete recordings of a room. A failed one is an error, and so is one without a file.
pub fn sweep(stack: &mut Stack, room: &str) -> Result<Tally> {
    let mut tally = Tally::default();
    let token = stack.token(room, "sweeper");
    let list = json!({ "do": "recordings", "room": room, "token": token, "id": "?limit=50" });
    let listed = stack.command(&list);
    // Nobody has been in the room yet.
    if listed["status"] == 404 {
        return Ok(tally);
    }
    let Some(recordings) = listed["body"]["recordings"].as_array() else { bail!("no list of recordings: {listed}") };
    for recording in recordings {
        match recording["state"].as_str().unwrap_or_default() {
            // A killed node brings its segment when it is back.
            "ready" if !is_whole(stack, recording)? => tally.under_way += 1,
            "ready" => {
                delete(stack, room, &token, recording)?;
                tally.ready += 1;
            }
            "starting" | "recording" | "storage_away" | "finishing" => tally.under_way += 1,
            _ => bail!("a recording is not complete: {recording}"),
        }
    }
    Ok(tally)
}

/// True if the manifest has the whole of each segment that it knows.
fn is_whole(stack: &mut Stack, recording: &Value) -> Result<bool> {
    let path = std::env::temp_dir().join(format!("rotunda-soak-manifest-{}.json", std::process::id()));
    let download = json!({ "do": "download", "url": recording["manifest_url"], "path": path });
    // While the files are built anew, or storage is away, there may be none.
    if !stack.try_command(&download).is_ok_and(|answer| answer["status"] == 200) {
        return Ok(false);
    }
    let manifest = std::fs::read(&path).context("reading a manifest")?;
    let manifest: Manifest = serde_json::from_slice(&manifest).context("reading a manifest")?;
    Ok(manifest.segments.iter().all(|segment| segment.is_sealed))
}

fn delete(stack: &mut Stack, room: &str, token: &str, recording: &Value) -> Result<()> {
    if recording["files"].as_array().is_none_or(Vec::is_empty) {
        bail!("a recording has no file: {recording}");
    }
    let id = format!("/{}", recording["id"].as_str().unwrap_or_default());
    let delete = json!({ "do": "recordings", "room": room, "token": token, "method": "DELETE", "id": id });
    let mut answer = Value::Null;
    // Storage may be unreachable, or fail because the node deletes the same parts.
    for _ in 0..DELETE_ATTEMPTS {
        answer = stack.command(&delete);
        match answer["status"].as_u64() {
            Some(204) => return Ok(()),
            Some(503) => sleep(DELETE_RETRY),
            _ => break,
        }
    }
    bail!("a recording cannot be deleted: {answer}")
}
