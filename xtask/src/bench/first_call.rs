//! Times a newcomer's first start: `cargo xtask dev` in a fresh clone with nothing built.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::process::{self, Running};
use crate::progress::Line;
use crate::signals;
use crate::workspace::Workspace;

const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Printed by `dev` when the page, the Worker and a media node are healthy, with the goals in seconds and CPU minutes.
const CALL: (&str, &str, f64, f64) = ("a call works", "Ctrl-C ends everything", 360.0, 12.0);
/// The same for everything else.
const ALL: (&str, &str, f64, f64) = ("TURN and recording work", "TURN and recording work now", 540.0, 20.0);

/// Cargo's folders in which compiled packages are, inside the target folder.
const COMPILED: [&str; 2] = ["debug", "wasm32-unknown-unknown/debug"];

/// Returns one line of JSON per case. Packages of cargo and npm in this machine's caches are not downloaded again.
/// `smoke` takes over what this repository has compiled: cargo then builds only the clone's own crates.
pub(crate) fn run(workspace: &Workspace, smoke: bool) -> Result<Vec<String>> {
    // Inside the repository, cargo would read both its settings and those of the clone.
    let folder = std::env::temp_dir().join("rotunda-first-call");
    clone(workspace, &folder)?;
    if smoke {
        for compiled in COMPILED {
            take_over(&workspace.target().join(compiled), &folder.join("target").join(compiled))?;
        }
    }
    fs::create_dir_all(workspace.logs()).context("creating the log folder")?;
    let log = workspace.logs().join("bench-first-call.log");
    let mut command = Command::new("cargo");
    command.args(["xtask", "dev"]).current_dir(&folder).env_remove("CARGO_TARGET_DIR");
    let started = Instant::now();
    let line = Line::start("measure the first call");
    let mut dev = Running::start(&mut command, File::create(&log).context("creating the log")?)?;
    let mut lines = Vec::new();
    for (case, said, goal_s, goal_cpu_min) in [CALL, ALL] {
        wait_for(&mut dev, &log, said, started)?;
        let seconds = started.elapsed().as_secs_f64();
        lines.push(result(case, seconds, goal_s, "s"));
        lines.push(result(&format!("{case}, CPU"), cpu_minutes(dev.pid())?, goal_cpu_min, "min"));
    }
    line.done("");
    drop(dev);
    fs::remove_dir_all(&folder).context("removing the clone")?;
    Ok(lines)
}

/// Clones the committed state; replaces an older clone.
fn clone(workspace: &Workspace, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).context("removing an earlier clone")?;
    }
    let status = Command::new("git").args(["clone", "--quiet"]).arg(workspace.root()).arg(folder).status();
    if !status.context("starting git")?.success() {
        bail!("git cannot clone {}", workspace.root().display());
    }
    Ok(())
}

/// Copies cargo's records and libraries, with their times, which cargo compares. The clone's sources are newer than the
/// libraries made from this repository's, so cargo builds those again.
fn take_over(from: &Path, to: &Path) -> Result<()> {
    let mut copied = vec![from.join(".fingerprint"), from.join("build")];
    let libraries = to.join("deps");
    fs::create_dir_all(&libraries).context("creating the clone's target folder")?;
    copied.retain(|folder| folder.exists());
    copy(&copied, to)?;
    let is_library = |file: &PathBuf| {
        let extension = file.extension().and_then(OsStr::to_str);
        extension.is_some_and(|extension| ["d", "rlib", "rmeta", "so"].contains(&extension))
    };
    let Ok(files) = fs::read_dir(from.join("deps")) else { return Ok(()) };
    let files: Vec<PathBuf> = files.flatten().map(|entry| entry.path()).filter(is_library).collect();
    files.chunks(500).try_for_each(|files| copy(files, &libraries))
}

fn copy(files: &[PathBuf], to: &Path) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let status =
        Command::new("cp").args(["--archive", "--reflink=auto", "--target-directory"]).arg(to).args(files).status();
    if !status.context("starting cp")?.success() {
        bail!("cp cannot copy to {}", to.display());
    }
    Ok(())
}

fn wait_for(dev: &mut Running, log: &Path, said: &str, started: Instant) -> Result<()> {
    loop {
        signals::check()?;
        if fs::read_to_string(log).context("reading the log")?.contains(said) {
            return Ok(());
        }
        if let Some(status) = dev.poll()? {
            bail!("the first start has ended ({status}); its output is in {}", log.display());
        }
        if started.elapsed() > LIMIT {
            bail!("the first start took longer than {} minutes", LIMIT.as_secs() / 60);
        }
        sleep(process::POLL);
    }
}

/// CPU time of the process and of all its descendants that have ended, as the compilers have.
fn cpu_minutes(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading CPU time")?;
    let ticks = parse_cpu_ticks(&text).context("parsing CPU time")?;
    // SAFETY: passes one integer.
    let ticks_per_s = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Ok(ticks as f64 / ticks_per_s as f64 / 60.0)
}

/// proc(5): `utime`, `stime`, `cutime` and `cstime`.
fn parse_cpu_ticks(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Option<Vec<u64>> = rest.split_whitespace().skip(11).take(4).map(|field| field.parse().ok()).collect();
    fields.filter(|fields| fields.len() == 4).map(|fields| fields.iter().sum())
}

fn result(case: &str, ours: f64, goal: f64, unit: &str) -> String {
    let met = ours <= goal;
    json!({ "bench": "first-call", "case": case, "ours": ours, "goal": goal, "met": met, "unit": unit }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_counts() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 10 20 300 4000 20 0 1 0 1234 0 0";
        assert_eq!(parse_cpu_ticks(text), Some(4330));
        assert_eq!(parse_cpu_ticks("42 (a) S 7 42 42 0 -1 4194560 1 0 0 0 10 20 300"), None);
    }
}
