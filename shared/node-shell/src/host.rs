//! The use of the host's CPU, memory, network and disk, read from `/proc` (proc(5)) and statvfs(3).

use shared::control::HostLoad;
use shared::limits;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The first use is known after this time.
const FIRST: Duration = Duration::from_secs(1);

/// Reads it with every heartbeat; `disk` is a path on the file system in question.
#[must_use]
pub fn watch(disk: PathBuf) -> watch::Receiver<Option<HostLoad>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let mut before = Reading::now(&disk);
        sleep(FIRST).await;
        let mut ticks = interval(Duration::from_millis(limits::HEARTBEAT_INTERVAL_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !sender.is_closed() {
            ticks.tick().await;
            let reading = Reading::now(&disk);
            sender.send_replace(before.as_ref().zip(reading.as_ref()).map(|(before, now)| now.since(before)));
            before = reading;
        }
    });
    receiver
}

/// The kernel's counters at one time.
#[derive(Debug)]
struct Reading {
    at: Instant,
    /// Ticks of all cores: not idle, and all.
    cpu: (u64, u64),
    /// The first is the part in use, as for `disk_blocks`.
    memory_kb: (u64, u64),
    /// Received and sent.
    network_bytes: (u64, u64),
    disk_blocks: (u64, u64),
}

impl Reading {
    /// `None` if the system does not tell.
    fn now(disk: &Path) -> Option<Self> {
        let read = |path| std::fs::read_to_string(path).ok();
        Some(Self {
            at: Instant::now(),
            cpu: parse_cpu(&read("/proc/stat")?)?,
            memory_kb: parse_memory(&read("/proc/meminfo")?)?,
            network_bytes: parse_network(&read("/proc/net/dev")?),
            disk_blocks: disk.ancestors().find_map(blocks)?,
        })
    }

    fn since(&self, before: &Self) -> HostLoad {
        let ms = self.at.saturating_duration_since(before.at).as_millis().max(1) as u64;
        let bps = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(8_000) / ms;
        let cpu = (self.cpu.0.saturating_sub(before.cpu.0), self.cpu.1.saturating_sub(before.cpu.1));
        HostLoad {
            cpu_permille: permille(cpu),
            memory_permille: permille(self.memory_kb),
            network_in_bps: bps(self.network_bytes.0, before.network_bytes.0),
            network_out_bps: bps(self.network_bytes.1, before.network_bytes.1),
            disk_permille: permille(self.disk_blocks),
        }
    }
}

fn permille((used, all): (u64, u64)) -> u16 {
    used.saturating_mul(1_000).checked_div(all).unwrap_or(0).min(1_000) as u16
}

/// The line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal; times of guests are part of user.
fn parse_cpu(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
    let all = ticks.iter().sum::<u64>();
    Some((all.checked_sub(ticks.get(3)? + ticks.get(4)?)?, all))
}

fn parse_memory(meminfo: &str) -> Option<(u64, u64)> {
    let kb = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    let all = kb("MemTotal")?;
    Some((all.saturating_sub(kb("MemAvailable")?), all))
}

/// Each line: name, eight counters of receiving, eight of sending; bytes first.
fn parse_network(dev: &str) -> (u64, u64) {
    let mut sum = (0, 0);
    for (name, counters) in dev.lines().filter_map(|line| line.split_once(':')) {
        let bytes = |place| counters.split_whitespace().nth(place).and_then(|text| text.parse::<u64>().ok());
        if name.trim() != "lo" {
            sum = (sum.0 + bytes(0).unwrap_or(0), sum.1 + bytes(8).unwrap_or(0));
        }
    }
    sum
}

/// Used blocks and all blocks of the file system at `path`; space that is reserved for root counts as used.
fn blocks(path: &Path) -> Option<(u64, u64)> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero byte, and the call only writes to `found`, which it fills if it succeeds.
    let found = unsafe { (libc::statvfs(path.as_ptr(), found.as_mut_ptr()) == 0).then(|| found.assume_init())? };
    Some((found.f_blocks.saturating_sub(found.f_bavail), found.f_blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Holds S1-DB-03.
    #[test]
    fn what_was_used_between_two_readings_is_reported() {
        let stat = |user: u64, idle: u64| parse_cpu(&format!("cpu  {user} 0 0 {idle} 10 0 0 0 0 0\ncpu0 1 1 1 1\n"));
        let dev = |received: u64, sent: u64| {
            let line = |name| format!("{name}: {received} 5 0 0 0 0 0 0 {sent} 6 0 0 0 0 0 0\n");
            parse_network(&format!("Inter-|   Receive\n face |bytes\n{}{}", line("    lo"), line("  eth0")))
        };
        let at = Instant::now();
        let before = Reading {
            at,
            cpu: stat(100, 1_000).expect("a line"),
            memory_kb: parse_memory("MemTotal: 4000 kB\nMemFree: 10 kB\nMemAvailable: 3000 kB\n").expect("lines"),
            network_bytes: dev(1_000, 0),
            disk_blocks: (30, 40),
        };
        let now = Reading {
            at: at + Duration::from_secs(5),
            cpu: stat(200, 1_300).expect("a line"),
            network_bytes: dev(6_000, 50_000),
            ..before
        };
        let expected = HostLoad {
            cpu_permille: 250,
            memory_permille: 250,
            network_in_bps: 8_000,
            network_out_bps: 80_000,
            disk_permille: 750,
        };
        assert_eq!(now.since(&before), expected);
    }

    #[test]
    fn this_host_can_be_read_even_if_the_folder_does_not_exist_yet() {
        let reading = Reading::now(Path::new("/nowhere/spool")).expect("Linux");
        assert!(reading.cpu.1 > 0 && reading.memory_kb.0 > 0 && reading.disk_blocks.1 > 0, "{reading:?}");
        assert!(Reading::now(Path::new("spool")).is_some(), "a relative path");
    }
}
