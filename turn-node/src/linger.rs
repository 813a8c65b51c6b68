//! When to let packets gather before looking again: a wake-up costs more than relaying a packet does.
//!
//! What network cards do with their interrupts. Nothing waits where packets are so far apart that none would join it.

use std::time::{Duration, Instant};

/// A datagram may wait this long for others: nothing beside the milliseconds that packets are early or late on any path.
const LINGER: Duration = Duration::from_micros(200);
/// A look that brings fewer messages than this was not worth waiting for,
const MESSAGES_MIN: u32 = 2;
/// and one that brings as many as this is worth its wake-up already: the thread may even be short of time.
const MESSAGES_MAX: u32 = 32;
/// Longer gaps than this count as this, and so does having waited in vain: bursts with pauses between them are read as they come.
const GAP_MAX: Duration = Duration::from_micros(800);
/// The average gap follows the latest one by this part.
const GAP_PART: u32 = 16;

/// Decides after each look at the sockets.
#[derive(Debug)]
pub(crate) struct Linger {
    looked_at: Instant,
    /// Time between looks without lingering, on average.
    gap: Duration,
    lingers: bool,
    /// How often packets were left to gather.
    pub(crate) count: u64,
}

impl Linger {
    pub(crate) fn new(now: Instant) -> Self {
        Self { looked_at: now, gap: GAP_MAX, lingers: false, count: 0 }
    }

    /// A look at `now` brought so many messages: how long to sleep before the next one, if at all.
    pub(crate) fn after(&mut self, now: Instant, messages: usize) -> Option<Duration> {
        let gap = now.saturating_duration_since(self.looked_at);
        self.looked_at = now;
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        if self.lingers {
            // Whoever has waited knows what that brought, and whether he had to wait on.
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

    /// What a thread does that relays a message in so much time.
    const WORK_US: u64 = 5;

    /// Plays traffic, given as the times between packets in microseconds, over and over; returns packets for each look, and which share of
    /// the looks was followed by lingering.
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
        // Now and then two of them meet.
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
