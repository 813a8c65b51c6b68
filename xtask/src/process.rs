//! Starts programs such that neither they nor their children outlive xtask.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::signals;

/// Interval at which a wait checks its children and Ctrl-C.
pub(crate) const POLL: Duration = Duration::from_millis(25);

/// Time for a program to end in order before it is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A program in a separate process group, so that its children can be stopped with it.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts `command` without input; both its outputs go to `log`.
    pub(crate) fn start(command: &mut Command, log: File) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let errors = log.try_clone().context("sharing a log file")?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors).process_group(0);
        die_with_parent(command);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { child })
    }

    /// Also the number of its process group.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `None` while it runs.
    pub(crate) fn poll(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("waiting for a process")
    }

    /// Waits for the end, or for Ctrl-C; `tick` is called in between. `None` if it still runs after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration, mut tick: impl FnMut()) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.poll()? {
                return Ok(Some(status));
            }
            signals::check()?;
            if Instant::now() > deadline {
                return Ok(None);
            }
            tick();
            sleep(POLL);
        }
    }
}

impl Drop for Running {
    /// Asks first: a killed package manager leaves the system half installed.
    fn drop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let mut asked = false;
        while let Ok(None) = self.child.try_wait() {
            if !asked {
                signal_group(self.pid(), libc::SIGTERM);
                asked = true;
            }
            if Instant::now() > deadline || signals::impatient() {
                signal_group(self.pid(), libc::SIGKILL);
                let _ = self.child.wait();
                return;
            }
            sleep(POLL);
        }
    }
}

/// Makes the kernel kill the program when the thread that started it ends, however xtask ends.
fn die_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        let arm = move || {
            // SAFETY: both calls only pass integers, and are allowed between fork and exec.
            let orphaned = unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::getppid() as u32 != parent
            };
            if orphaned { Err(std::io::Error::other("xtask ended")) } else { Ok(()) }
        };
        // SAFETY: `arm` allocates only on the path that gives up.
        unsafe { command.pre_exec(arm) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// Ends every descendant in any process group, and waits until all are gone, so that their ports are free.
pub(crate) fn end_all() {
    let deadline = Instant::now() + PATIENCE;
    let mut signal = libc::SIGTERM;
    let mut asked = Vec::new();
    loop {
        reap();
        let alive = descendants(std::process::id());
        if alive.is_empty() {
            return;
        }
        if signal == libc::SIGTERM && (Instant::now() > deadline || signals::impatient()) {
            signal = libc::SIGKILL;
            asked.clear();
        }
        for pid in alive {
            // One SIGTERM is enough (a second one ends a drain), and SIGKILL leaves nothing to signal again.
            if !asked.contains(&pid) {
                asked.push(pid);
                send(pid, signal);
            }
        }
        sleep(POLL);
    }
}

/// Reaps ended children, so that they no longer count as descendants.
fn reap() {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the call to write to.
    while unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } > 0 {}
}

/// Every process below `root`, from `/proc`; on other systems xtask relies on process groups alone.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all_pids().into_iter().filter_map(|pid| Some((pid, stat(pid)?.parent))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, ppid)| *ppid == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

pub(crate) fn all_pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Distinguishes a process from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: u32,
    /// Clock ticks from boot to the start of the process.
    pub(crate) start_ticks: u64,
}

/// Reads `/proc/PID/stat`; `None` if the process is gone.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?)
}

/// proc(5): the name in parentheses may contain anything, so fields are counted after the last `)`.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if fields.next()? == "Z" {
        return None; // A zombie holds no resources.
    }
    Some(Stat { parent: fields.next()?.parse().ok()?, start_ticks: fields.nth(17)?.parse().ok()? })
}

pub(crate) fn send(pid: u32, signal: i32) {
    // SAFETY: passes two integers; a process that is gone makes the call fail, which is what we want anyway.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

fn signal_group(pid: u32, signal: i32) {
    // SAFETY: as in `send`.
    unsafe { libc::killpg(pid as libc::pid_t, signal) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_spaces_and_parentheses() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 1234 0 0";
        assert_eq!(parse_stat(text), Some(Stat { parent: 7, start_ticks: 1234 }));
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        assert_eq!(parse_stat("42 (x) Z 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 1234"), None);
    }

    #[test]
    fn a_grandchild_is_found() {
        let mut shell = Command::new("sh").args(["-c", "sleep 30 & wait"]).spawn().expect("a shell");
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut below = Vec::new();
        while below.is_empty() && Instant::now() < deadline {
            below = descendants(shell.id());
            sleep(POLL);
        }
        for &pid in &below {
            send(pid, libc::SIGKILL);
        }
        shell.kill().expect("a shell that runs");
        shell.wait().expect("its end");
        assert_eq!(below.len(), 1);
    }
}
