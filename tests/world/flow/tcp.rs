//! A TCP connection steered by RFC 5681, with selective acknowledgements.

use media_core::random::Random;
use std::ops::Range;
use std::time::{Duration, Instant};

pub(super) const TICK: Duration = Duration::from_millis(20);
pub(super) const SEGMENT_BYTES: usize = 1_200;
pub(super) const ACKNOWLEDGEMENT_BYTES: usize = 12;
const WINDOW_FIRST: f64 = 10.0;
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Tcp {
    pub from: Duration,
    /// One way, without the queue.
    pub delay: Duration,
    /// Range of file sizes in bytes, and the average pause between files. `None` means one endless transfer.
    pub files: Option<(Range<u64>, Duration)>,
}

#[derive(Debug)]
pub(super) struct Connection {
    tcp: Tcp,
    window: f64,
    threshold: f64,
    next: u64,
    /// Everything below is acknowledged or lost.
    settled: u64,
    /// Losses below this belong to a window that was already halved.
    halved_below: u64,
    /// The segment after the last one of the file.
    end: u64,
    resumes_at: Option<Instant>,
    heard_at: Option<Instant>,
}

impl Connection {
    pub(super) fn new(tcp: Tcp) -> Self {
        let end = if tcp.files.is_some() { 0 } else { u64::MAX };
        Self {
            tcp,
            window: WINDOW_FIRST,
            threshold: f64::INFINITY,
            next: 0,
            settled: 0,
            halved_below: 0,
            end,
            resumes_at: None,
            heard_at: None,
        }
    }

    pub(super) fn delay(&self) -> Duration {
        self.tcp.delay
    }

    pub(super) fn tick(&mut self, now: Instant, random: &mut Random) {
        if self.settled < self.next && self.heard_at.is_none_or(|at| now >= at + TIMEOUT) {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
            self.settled = self.next;
            self.heard_at = Some(now);
        }
        let Some((sizes, pause)) = &self.tcp.files else { return };
        if self.settled < self.end {
            return;
        }
        let unit = |random: &mut Random| f64::from(random.next_u32()) / f64::from(u32::MAX);
        let resumes_at = *self.resumes_at.get_or_insert_with(|| {
            // An exponential distribution.
            now + pause.mul_f64(-(1.0 - 0.999 * unit(random)).ln())
        });
        if now >= resumes_at {
            let bytes = sizes.start as f64 + unit(random) * (sizes.end - sizes.start) as f64;
            (self.end, self.resumes_at) = (self.next + bytes as u64 / SEGMENT_BYTES as u64, None);
            (self.window, self.threshold) = (WINDOW_FIRST, f64::INFINITY);
        }
    }

    /// The next segment that the window allows. Lost data is sent again with a new number.
    pub(super) fn next_segment(&mut self) -> Option<u64> {
        let is_allowed = self.next < self.end && ((self.next - self.settled) as f64) < self.window;
        is_allowed.then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    pub(super) fn acknowledged(&mut self, now: Instant, number: u64) {
        self.heard_at = Some(now);
        if number < self.settled {
            return;
        }
        let lost = number - self.settled;
        if lost > 0 && self.settled >= self.halved_below {
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = self.threshold;
            self.halved_below = self.next;
        }
        self.end = self.end.saturating_add(lost);
        self.settled = number + 1;
        self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
    }
}
