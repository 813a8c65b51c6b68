//! A node's load, from its threads and its host.

use shared::control::{HostLoad, NodeLoad};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadLoad {
    pub rooms: usize,
    /// Of a TURN node: its allocations.
    pub sessions: usize,
    pub datagrams_out_per_s: u64,
    /// Load in the last second, in thousandths.
    pub busy_permille: u16,
}

#[must_use]
pub fn of_threads(threads: impl Iterator<Item = ThreadLoad>, host: Option<HostLoad>) -> NodeLoad {
    let mut load = NodeLoad { host, ..NodeLoad::default() };
    for thread in threads {
        load.rooms = load.rooms.saturating_add(clamp(thread.rooms));
        load.sessions = load.sessions.saturating_add(clamp(thread.sessions));
        load.packets_out_per_s = load.packets_out_per_s.saturating_add(clamp(thread.datagrams_out_per_s));
        load.busiest_shard_permille = load.busiest_shard_permille.max(thread.busy_permille);
    }
    load
}

/// Measures the calling thread from one report to the next.
#[derive(Debug)]
pub struct Meter {
    at: Instant,
    cpu: Duration,
    datagrams: u64,
}

/// The use of a thread since its last report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    pub datagrams_out_per_s: u64,
    /// Processor time in thousandths of the time.
    pub busy_permille: u16,
}

impl Meter {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { at: now, cpu: Duration::ZERO, datagrams: 0 }
    }

    /// Takes the number of all datagrams sent so far.
    pub fn read(&mut self, now: Instant, datagrams: u64) -> Rates {
        let before = std::mem::replace(self, Self { at: now, cpu: thread_cpu(), datagrams });
        let elapsed_ms = now.saturating_duration_since(before.at).as_millis().max(1) as u64;
        let used = self.cpu.saturating_sub(before.cpu).as_micros() as u64;
        Rates {
            datagrams_out_per_s: (datagrams - before.datagrams) * 1_000 / elapsed_ms,
            busy_permille: (used / elapsed_ms).min(1_000) as u16,
        }
    }
}

fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is valid for writing; the call cannot fail for the calling thread's own clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn clamp(count: impl TryInto<u32>) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up_and_the_busiest_thread_is_told() {
        let thread = |sessions, datagrams_out_per_s, busy_permille| ThreadLoad {
            rooms: 1,
            sessions,
            datagrams_out_per_s,
            busy_permille,
        };
        let threads = [thread(2, 10, 300), thread(3, u64::MAX, 100)];
        let host = HostLoad { cpu_permille: 7, ..HostLoad::default() };
        let expected = NodeLoad {
            rooms: 2,
            sessions: 5,
            packets_out_per_s: u32::MAX,
            busiest_shard_permille: 300,
            host: Some(host),
        };
        assert_eq!(of_threads(threads.into_iter(), Some(host)), expected);
    }

    #[test]
    fn rates_are_of_the_time_since_the_last_report() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        assert_eq!(meter.read(start + Duration::from_secs(2), 100).datagrams_out_per_s, 50);
        assert_eq!(meter.read(start + Duration::from_secs(4), 400).datagrams_out_per_s, 150);
        let mut busy = Meter { cpu: thread_cpu(), ..meter };
        let until = thread_cpu() + Duration::from_millis(20);
        while thread_cpu() < until {}
        let rates = busy.read(start + Duration::from_millis(4_100), 400);
        assert!(rates.datagrams_out_per_s == 0 && (200..400).contains(&rates.busy_permille), "{rates:?}");
    }
}
