//! The programs' resources: memory, files and threads by process, and the gauges of their metrics.

use anyhow::{Context, Result};
use load::process::{Holdings, descendant, holdings};
use serde_json::{Value, json};
use stack::Stack;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Gauges that are zero when nobody is there.
const GAUGES: [&str; 6] =
    ["media_sessions", "media_rooms", "media_timers", "media_tcp_connections", "turn_allocations", "turn_connections"];

#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub programs: BTreeMap<String, Holdings>,
    /// Sums over the shards, by program and gauge.
    pub gauges: BTreeMap<String, u64>,
}

pub fn sample(stack: &mut Stack) -> Result<Sample> {
    let mut sample = Sample::default();
    for (name, pid) in processes(stack)? {
        // A program may be stopped at the moment.
        if let Ok(held) = holdings(pid) {
            sample.programs.insert(name, held);
        }
    }
    let metrics = stack.command(&json!({ "do": "metrics" }));
    for lines in metrics["body"].as_object().context("no metrics")?.values() {
        for (line, value) in lines.as_object().into_iter().flatten() {
            let name = line.split('{').next().unwrap_or_default();
            if GAUGES.contains(&name) {
                *sample.gauges.entry(name.to_owned()).or_default() += value.as_u64().unwrap_or_default();
            }
        }
    }
    Ok(sample)
}

/// The number of each program's process, by name.
pub fn processes(stack: &mut Stack) -> Result<BTreeMap<String, u32>> {
    let listed = stack.command(&json!({ "do": "processes" }));
    let mut processes = BTreeMap::new();
    for (name, pid) in listed["body"].as_object().context("no processes")? {
        let pid = u32::try_from(pid.as_u64().context("no process")?)?;
        let (name, pid) = match name.as_str() {
            // The Worker's own process is the server around it.
            "worker" => ("workerd", descendant(pid, "workerd").context("there is no workerd")?),
            name => (name, pid),
        };
        processes.insert(name.to_owned(), pid);
    }
    Ok(processes)
}

impl Sample {
    /// The gauges that are not zero.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        let pending = self.gauges.iter().filter(|(_, value)| **value > 0);
        pending.map(|(name, value)| format!("{name} {value}")).collect()
    }

    /// One line: memory in MB, files and threads of each program, then the gauges.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::new();
        for (name, Holdings { memory_kb, files, threads }) in &self.programs {
            let memory_mb = *memory_kb as f64 / 1024.0;
            let _ = write!(line, "{name} {memory_mb:.1} MB {files} files {threads} threads; ");
        }
        let pending = self.pending();
        line + if pending.is_empty() { "all gauges are zero".to_owned() } else { pending.join(", ") }.as_str()
    }
}

/// Mean memory of a program over the first and the last third of the samples, in kB.
#[must_use]
pub fn thirds(samples: &[Sample], program: &str) -> (u64, u64) {
    let third = (samples.len() / 3).max(1);
    let mean = |part: &[Sample]| {
        let memory: Vec<u64> =
            part.iter().filter_map(|sample| sample.programs.get(program)).map(|held| held.memory_kb).collect();
        memory.iter().sum::<u64>() / (memory.len() as u64).max(1)
    };
    (mean(&samples[..third.min(samples.len())]), mean(&samples[samples.len().saturating_sub(third)..]))
}

/// Lines of level error in the programs' logs.
pub fn errors(logs: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(logs).with_context(|| format!("listing {}", logs.display()))? {
        let path = entry?.path();
        let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&text);
        found.extend(text.lines().filter(|line| is_error(line)).map(|line| format!("{name}: {line}")));
    }
    Ok(found)
}

fn is_error(line: &str) -> bool {
    let level = line.find('{').and_then(|start| serde_json::from_str::<Value>(&line[start..]).ok());
    let level = level.and_then(|line| line["level"].as_str().map(str::to_lowercase));
    level.as_deref() == Some("error") || line.contains(" ERROR ") || line.contains("panicked at")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_found_in_either_format() {
        for line in [
            r#"{"level":"error","event":"room_failed"}"#,
            r#"{"timestamp":"2026-01-01T00:00:00Z","level":"ERROR","message":"x"}"#,
            "2026-01-01T00:00:00Z ERROR media_node::record: x",
            "thread 'recorder' panicked at media-node/src/record.rs:1:1:",
        ] {
            assert!(is_error(line), "{line}");
        }
        for line in [r#"{"level":"warn","error":"timeout"}"#, "2026-01-01T00:00:00Z  WARN x: error=gone", "{"] {
            assert!(!is_error(line), "{line}");
        }
    }

    #[test]
    fn growth_is_between_the_first_and_the_last_third() {
        let sample = |memory_kb| {
            let held = Holdings { memory_kb, files: 1, threads: 1 };
            Sample { programs: BTreeMap::from([("node".to_owned(), held)]), gauges: BTreeMap::new() }
        };
        let samples: Vec<Sample> = [10, 20, 90, 90, 30, 50].map(sample).into();
        assert_eq!(thirds(&samples, "node"), (15, 40));
        assert_eq!(thirds(&samples[..1], "node"), (10, 10));
        assert_eq!(thirds(&[], "node"), (0, 0));
    }
}
