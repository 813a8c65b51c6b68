//! Records the processes of a run, so that the next run can stop any that a `kill -9` of xtask left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::process::{self, POLL};
use crate::signals;

/// Time for a killed process to release its ports.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Records this process and all its descendants.
pub(crate) fn record(state: &Path) -> Result<()> {
    let own = std::process::id();
    let parts: Vec<Value> = process::descendants(own).into_iter().filter_map(entry).collect();
    fs::write(file(state), json!({ "owner": own, "parts": parts }).to_string())
        .context("recording the running processes")
}

pub(crate) fn end(state: &Path) -> Result<()> {
    let text = fs::read_to_string(file(state)).unwrap_or_default();
    let left: Vec<u32> = still_running(&text, |pid| process::stat(pid).map(|stat| stat.start_ticks));
    if left.is_empty() {
        return Ok(());
    }
    println!("  · an earlier run left {} processes behind: stopping them", left.len());
    for &pid in &left {
        process::send(pid, libc::SIGKILL);
    }
    let deadline = Instant::now() + GONE_WITHIN;
    while left.iter().any(|&pid| process::stat(pid).is_some()) {
        signals::check()?;
        if Instant::now() > deadline {
            bail!("processes of an earlier run do not stop: {left:?}");
        }
        sleep(POLL);
    }
    forget(state)
}

/// Removes the record once everything has ended.
pub(crate) fn forget(state: &Path) -> Result<()> {
    match fs::remove_file(file(state)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("removing the list of processes")
        }
        _ => Ok(()),
    }
}

/// The process id of the last xtask that recorded.
pub(crate) fn owner(state: &Path) -> Option<u64> {
    let record: Value = serde_json::from_str(&fs::read_to_string(file(state)).ok()?).ok()?;
    record.get("owner")?.as_u64()
}

fn file(state: &Path) -> PathBuf {
    state.join("running.json")
}

fn entry(pid: u32) -> Option<Value> {
    Some(json!({ "pid": pid, "start_ticks": process::stat(pid)?.start_ticks }))
}

/// The recorded processes that still run. One with another start time only reuses the number.
fn still_running(record: &str, start_ticks: impl Fn(u32) -> Option<u64>) -> Vec<u32> {
    let record: Value = serde_json::from_str(record).unwrap_or_default();
    let parts = record.get("parts").and_then(Value::as_array).cloned().unwrap_or_default();
    let known = parts.iter().filter_map(|part| {
        let pid = u32::try_from(part.get("pid")?.as_u64()?).ok()?;
        (start_ticks(pid)? == part.get("start_ticks")?.as_u64()?).then_some(pid)
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::still_running;

    const RECORD: &str = r#"{"owner":1,"parts":[{"pid":10,"start_ticks":100},{"pid":11,"start_ticks":100}]}"#;

    #[test]
    fn a_process_is_ours_only_if_it_started_when_ours_did() {
        let ticks = |pid| Some(if pid == 10 { 100 } else { 200 });
        assert_eq!(still_running(RECORD, ticks), [10]);
    }

    #[test]
    fn no_record_and_a_broken_one_name_nothing() {
        for record in ["", "{", r#"{"parts":[{"pid":"10"}]}"#] {
            assert_eq!(still_running(record, |_| Some(100)), [0u32; 0], "{record}");
        }
    }
}
