//! One direction of an access link: rate and queue, loss, delay, jitter, repetition and reordering.

use media_core::random::Random;
use std::time::{Duration, Instant};

/// IPv4 and UDP headers, which count for a link as well.
pub const HEADER_BYTES: usize = 28;
/// Delay of an overtaken datagram.
pub const REORDER_DELAY: Duration = Duration::from_millis(12);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    #[default]
    None,
    /// Each independently, with this probability.
    Random(f64),
    /// Several in a row (Gilbert's model).
    Bursts {
        /// Share of lost datagrams.
        rate: f64,
        /// Average datagrams per burst.
        length: f64,
    },
    /// A good and a bad state, each with a probability of loss (Gilbert and Elliott's model). The link starts in the
    /// good one.
    GilbertElliott {
        /// Probability per datagram of changing to the bad state.
        worsens: f64,
        /// Probability per datagram of changing to the good state.
        recovers: f64,
        loss_good: f64,
        loss_bad: f64,
    },
}

/// The properties of one direction, which can change at any time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// Includes headers. 0: no limit, and no queue.
    pub rate_bps: u64,
    /// A datagram that would wait longer is dropped (drop-tail).
    pub queue: Duration,
    /// Minimum delay, besides the queue.
    pub delay: Duration,
    /// Up to this much is added, without reordering.
    pub jitter: Duration,
    pub loss: Loss,
    /// Probability that a datagram arrives twice.
    pub repeat: f64,
    /// Probability that a datagram is overtaken by those of the next [`REORDER_DELAY`].
    pub reorder: f64,
    /// Nothing passes.
    pub is_cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// The arrival time, and the number of copies.
    Arrives(Instant, u32),
    Lost,
    Overflowed,
    Cut,
}

/// State of one direction between datagrams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    is_bad: bool,
    last_arrival: Option<Instant>,
    /// The time at which the queue is empty.
    busy_until: Option<Instant>,
}

impl Way {
    pub(crate) fn pass(&mut self, now: Instant, link: &Link, bytes: usize, random: &mut Random) -> Passed {
        if link.is_cut {
            return Passed::Cut;
        }
        let Some(leaves) = self.queue(now, link, bytes) else { return Passed::Overflowed };
        if self.loses(link.loss, random) {
            return Passed::Lost;
        }
        let copies = 1 + u32::from(chance(random, link.repeat));
        let jitter = link.jitter.mul_f64(unit(random));
        let arrival = (leaves + link.delay + jitter).max(self.last_arrival.unwrap_or(now));
        if chance(random, link.reorder) {
            return Passed::Arrives(arrival + REORDER_DELAY, copies);
        }
        self.last_arrival = Some(arrival);
        Passed::Arrives(arrival, copies)
    }

    /// The time at which the last bit has left the queue; `None` if the queue is full.
    fn queue(&mut self, now: Instant, link: &Link, bytes: usize) -> Option<Instant> {
        if link.rate_bps == 0 {
            self.busy_until = None;
            return Some(now);
        }
        let begins = self.busy_until.map_or(now, |busy| busy.max(now));
        if begins - now > link.queue {
            return None;
        }
        let bits = 8 * (bytes + HEADER_BYTES) as u64;
        let leaves = begins + Duration::from_nanos(bits * 1_000_000_000 / link.rate_bps);
        self.busy_until = Some(leaves);
        Some(leaves)
    }

    fn loses(&mut self, loss: Loss, random: &mut Random) -> bool {
        match loss {
            Loss::None => false,
            Loss::Random(rate) => chance(random, rate),
            Loss::Bursts { rate, length } => {
                let ends = 1.0 / length;
                let begins = ends * rate / (1.0 - rate);
                self.turn(begins, ends, random);
                self.is_bad
            }
            Loss::GilbertElliott { worsens, recovers, loss_good, loss_bad } => {
                self.turn(worsens, recovers, random);
                chance(random, if self.is_bad { loss_bad } else { loss_good })
            }
        }
    }

    fn turn(&mut self, worsens: f64, recovers: f64, random: &mut Random) {
        self.is_bad = if self.is_bad { !chance(random, recovers) } else { chance(random, worsens) };
    }
}

/// True with this probability. Perfect links draw no randomness, so that changing one host does not affect the others.
fn chance(random: &mut Random, probability: f64) -> bool {
    probability > 0.0 && unit(random) < probability
}

/// A number from 0 to 1.
fn unit(random: &mut Random) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Instant {
        crate::clock::Clock::default().now()
    }

    /// Sends `count` datagrams of `bytes`, one per `spacing`; returns the arrival times in microseconds.
    fn send(link: Link, count: u32, bytes: usize, spacing: Duration) -> Vec<Option<u128>> {
        let (mut way, mut random) = (Way::default(), Random::seeded(1));
        let pass = |number| match way.pass(begin() + spacing * number, &link, bytes, &mut random) {
            Passed::Arrives(at, _) => Some((at - begin()).as_micros()),
            Passed::Lost | Passed::Overflowed | Passed::Cut => None,
        };
        (0..count).map(pass).collect()
    }

    #[test]
    fn a_link_carries_its_rate_and_no_more() {
        let link = Link {
            rate_bps: 1_000_000,
            queue: Duration::from_millis(100),
            delay: Duration::from_millis(7),
            ..Link::default()
        };
        // 1,000 bytes with headers take 8 ms; one comes every 4 ms for 10 s.
        let arrived: Vec<u128> =
            send(link, 2_500, 1_000 - HEADER_BYTES, Duration::from_millis(4)).into_iter().flatten().collect();
        assert_eq!(arrived[0], 15_000);
        assert!(arrived.windows(2).all(|pair| pair[1] - pair[0] == 8_000));
        // Sent within 10 s, plus the queue's content at the end.
        assert!((1_250..=1_263).contains(&arrived.len()), "{}", arrived.len());
    }

    #[test]
    fn a_queue_is_as_long_as_it_is_said_to_be() {
        let link = Link { rate_bps: 1_000_000, queue: Duration::from_millis(100), ..Link::default() };
        let burst = send(link, 50, 1_000 - HEADER_BYTES, Duration::ZERO);
        // 13 begin within 100 ms: at 0, 8, … 96.
        assert_eq!(burst.iter().flatten().count(), 13);
        assert_eq!(burst[12], Some(104_000));
        let spaced = send(link, 50, 1_000 - HEADER_BYTES, Duration::from_millis(8));
        assert!(spaced.iter().enumerate().all(|(number, at)| *at == Some(8_000 * (number as u128 + 1))));
    }

    #[test]
    fn a_link_without_a_rate_has_no_queue() {
        let arrived = send(Link::default(), 100, 1_200, Duration::ZERO);
        assert!(arrived.iter().all(|at| *at == Some(0)));
    }

    /// Share of losses, and the average length of a run of losses.
    fn losses(loss: Loss) -> (f64, f64) {
        let arrived = send(Link { loss, ..Link::default() }, 100_000, 100, Duration::from_millis(1));
        let lost = arrived.iter().filter(|at| at.is_none()).count() as f64;
        let runs = arrived.windows(2).filter(|pair| pair[0].is_some() && pair[1].is_none()).count().max(1) as f64;
        (lost / arrived.len() as f64, lost / runs)
    }

    #[test]
    fn losses_have_the_rate_and_length_they_are_told_to() {
        let near = |(rate, length): (f64, f64), wanted: (f64, f64)| {
            assert!((rate - wanted.0).abs() < 0.1 * wanted.0, "{rate} instead of {}", wanted.0);
            assert!((length - wanted.1).abs() < 0.1 * wanted.1, "{length} instead of {}", wanted.1);
        };
        near(losses(Loss::Random(0.05)), (0.05, 1.0 / 0.95));
        near(losses(Loss::Bursts { rate: 0.08, length: 5.0 }), (0.08, 5.0));
        // Bad a quarter of the time: 0.75 · 0.01 + 0.25 · 0.5.
        let loss = Loss::GilbertElliott { worsens: 0.01, recovers: 0.03, loss_good: 0.01, loss_bad: 0.5 };
        assert!((losses(loss).0 - 0.1325).abs() < 0.015, "{:?}", losses(loss));
        assert_eq!(losses(Loss::None).0, 0.0);
    }
}
