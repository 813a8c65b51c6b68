//! Decides when to let packets gather before the next poll: a wake-up costs more than handling a packet.
//!
//! Network cards moderate their interrupts in the same way. Widely spaced packets never wait.

use std::time::{Duration, Instant};

/// Longest wait of a datagram for others; jitter on any path is larger.
const LINGER: Duration = Duration::from_micros(200);
/// A poll that returns fewer messages was not worth the wait.
const MESSAGES_MIN: u32 = 2;
/// A poll that returns this many messages is worth its wake-up; the thread may even be overloaded.
const MESSAGES_MAX: u32 = 32;
/// Longer gaps and fruitless waits count as this, so that bursts with pauses between them are read on arrival.
const GAP_MAX: Duration = Duration::from_micros(800);
/// Weight of the latest gap in the average, as a divisor.
const GAP_PART: u32 = 16;

#[derive(Debug)]
pub struct Linger {
    looked_at: Instant,
    /// Average time between polls without lingering.
    gap: Duration,
    lingers: bool,
    pub count: u64,
}

impl Linger {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { looked_at: now, gap: GAP_MAX, lingers: false, count: 0 }
    }

    /// Returns the sleep before the next poll, given the `messages` of the last one; `None` for no sleep.
    pub fn after(&mut self, now: Instant, messages: usize) -> Option<Duration> {
        let gap = now.saturating_duration_since(self.looked_at);
        self.looked_at = now;
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        if self.lingers {
            // The last wait shows whether another one pays.
            self.lingers = (MESSAGES_MIN..MESSAGES_MAX).contains(&messages) && gap <= 2 * LINGER;
            self.gap = if self.lingers { self.gap } else { GAP_MAX };
        } else {
            self.gap = (self.gap * (GAP_PART - 1) + gap.min(GAP_MAX)) / GAP_PART;
            self.lingers = messages < MESSAGES_MAX && self.gap * MESSAGES_MIN <= LINGER;
        }
        self.count += u64::from(self.lingers);
        self.lingers.then_some(LINGER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK_US: u64 = 5;

    /// Repeats traffic given as microseconds between packets; returns packets per poll, and the share of polls followed
    /// by lingering.
    fn play(gaps_us: &[u64]) -> (f64, f64) {
        let start = Instant::now();
        let mut linger = Linger::new(start);
        let arrivals = gaps_us.iter().cycle().scan(0, |at, gap| {
            *at += gap;
            Some(*at)
        });
        let (mut arrivals, mut now_us, mut looks, mut packets) = (arrivals.take(10_000).peekable(), 0, 0_u32, 0_u32);
        while let Some(next) = arrivals.peek() {
            now_us = now_us.max(*next);
            let messages =
                std::iter::from_fn(|| arrivals.next_if(|at| *at <= now_us)).take(MESSAGES_MAX as usize).count();
            (looks, packets) = (looks + 1, packets + messages as u32);
            let time = linger.after(start + Duration::from_micros(now_us), messages);
            now_us += WORK_US * messages as u64 + time.map_or(0, |time| time.as_micros() as u64);
        }
        (f64::from(packets) / f64::from(looks), linger.count as f64 / f64::from(looks))
    }

    #[test]
    fn packets_that_are_far_apart_never_wait() {
        assert_eq!(play(&[20_000]), (1.0, 0.0));
        assert_eq!(play(&[101]), (1.0, 0.0));
        // Occasionally two packets meet.
        assert_eq!(play(&[1_000, 1_000, 20, 1_000]).1, 0.0);
    }

    #[test]
    fn packets_that_follow_each_other_closely_gather() {
        let (packets, share) = play(&[50]);
        assert!(packets > 4.0 && share > 0.95, "{packets} {share}");
    }

    #[test]
    fn bursts_with_pauses_between_them_are_read_as_they_come() {
        let (_, share) = play(&[1_000, 5, 5, 5, 5, 5, 5, 5]);
        assert!(share < 0.02, "{share}");
    }

    #[test]
    fn what_waits_in_vain_soon_waits_no_more() {
        // Dense for six milliseconds, then a packet each millisecond for twenty.
        let gaps: Vec<u64> = [[50; 120].as_slice(), &[1_000; 20]].concat();
        let (packets, share) = play(&gaps);
        assert!(packets > 1.5 && share < 0.3, "{packets} {share}");
    }

    #[test]
    fn a_thread_that_is_short_of_time_does_not_sleep() {
        let (packets, share) = play(&[5]);
        assert!(packets > 10.0 && share < 0.5, "{packets} {share}");
        let (packets, share) = play(&[4]);
        assert!(packets > 30.0 && share < 0.05, "{packets} {share}");
    }
}
