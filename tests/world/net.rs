//! A seeded network: every host has an access link that delays, loses, repeats and reorders datagrams.

use media_core::random::Random;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A datagram on its way.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Who sent it.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// How datagrams get lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Not at all.
    #[default]
    None,
    /// Each by itself, with this probability.
    Random(f64),
    /// Several in a row (Gilbert's model).
    Bursts {
        /// Share of all datagrams that are lost.
        rate: f64,
        /// Datagrams in a burst on average.
        length: f64,
    },
}

/// One direction of an access link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// Least time a datagram takes.
    pub delay: Duration,
    /// Up to this much is added, the order kept.
    pub jitter: Duration,
    /// What gets lost.
    pub loss: Loss,
    /// Probability that a datagram arrives twice.
    pub repeat: f64,
    /// Probability that a datagram is overtaken by those of the next [`REORDER_DELAY`].
    pub reorder: f64,
    /// Nothing passes.
    pub is_cut: bool,
}

/// How long an overtaken datagram is held up.
pub const REORDER_DELAY: Duration = Duration::from_millis(12);

/// Both directions of one host's access link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// From the host into the network.
    pub up: Link,
    /// From the network to the host.
    pub down: Link,
    /// A firewall that lets through only what goes to this port of other hosts, or comes from it.
    pub only_port: Option<u16>,
}

/// What the network did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Datagrams handed to the network.
    pub sent: u64,
    /// Those that were lost.
    pub lost: u64,
    /// Those that were lost to a cut link or a firewall.
    pub cut: u64,
}

/// All links, and what is on its way.
#[derive(Debug)]
pub struct Net {
    random: Random,
    links: BTreeMap<IpAddr, (Access, Way, Way)>,
    flying: BTreeMap<(Instant, u64), Datagram>,
    number: u64,
    carried: Carried,
}

/// What one direction of a link remembers from one datagram to the next.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    is_in_burst: bool,
    last_arrival: Option<Instant>,
}

impl Net {
    /// A network of perfect links.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
            links: BTreeMap::new(),
            flying: BTreeMap::new(),
            number: 0,
            carried: Carried::default(),
        }
    }

    /// The access link of a host, to be looked at and changed.
    pub fn access(&mut self, host: IpAddr) -> &mut Access {
        &mut self.links.entry(host).or_default().0
    }

    /// What the network did so far.
    #[must_use]
    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// Takes a datagram; it arrives later, twice, or never.
    pub fn send(&mut self, now: Instant, datagram: Datagram) {
        self.carried.sent += 1;
        if self.is_blocked(datagram.from.ip(), datagram.to) || self.is_blocked(datagram.to.ip(), datagram.from) {
            self.carried.cut += 1;
            return;
        }
        let Some((left_at, copies)) = self.pass(now, datagram.from.ip(), true) else { return };
        for _ in 0..copies {
            let Some((arrives_at, copies)) = self.pass(left_at, datagram.to.ip(), false) else { continue };
            for _ in 0..copies {
                self.number += 1;
                self.flying.insert((arrives_at, self.number), datagram.clone());
            }
        }
    }

    /// When the next datagram arrives.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next datagram, if it has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Datagram> {
        self.flying.first_entry().filter(|entry| entry.key().0 <= now).map(|entry| entry.remove())
    }

    fn is_blocked(&self, host: IpAddr, other: SocketAddr) -> bool {
        let only_port = self.links.get(&host).and_then(|(access, ..)| access.only_port);
        only_port.is_some_and(|port| port != other.port())
    }

    /// Sends a datagram over one direction of a host's link: when it comes out, and how many of it.
    fn pass(&mut self, now: Instant, host: IpAddr, is_up: bool) -> Option<(Instant, u32)> {
        let Some((access, up, down)) = self.links.get_mut(&host) else { return Some((now, 1)) };
        let (link, way) = if is_up { (access.up, up) } else { (access.down, down) };
        if link.is_cut {
            self.carried.cut += 1;
            return None;
        }
        if way.loses(link.loss, &mut self.random) {
            self.carried.lost += 1;
            return None;
        }
        let copies = 1 + u32::from(chance(&mut self.random, link.repeat));
        let jitter = link.jitter.mul_f64(unit(&mut self.random));
        let arrival = (now + link.delay + jitter).max(way.last_arrival.unwrap_or(now));
        if chance(&mut self.random, link.reorder) {
            return Some((arrival + REORDER_DELAY, copies));
        }
        way.last_arrival = Some(arrival);
        Some((arrival, copies))
    }
}

impl Way {
    fn loses(&mut self, loss: Loss, random: &mut Random) -> bool {
        match loss {
            Loss::None => false,
            Loss::Random(rate) => chance(random, rate),
            Loss::Bursts { rate, length } => {
                let ends = 1.0 / length;
                let begins = ends * rate / (1.0 - rate);
                self.is_in_burst = if self.is_in_burst { !chance(random, ends) } else { chance(random, begins) };
                self.is_in_burst
            }
        }
    }
}

/// True with this probability. Perfect links draw nothing, so that changing one host leaves the others' luck alone.
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

    fn share_lost(loss: Loss) -> f64 {
        let mut net = Net::seeded(1);
        let (from, to) = (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 1)));
        net.access(from.ip()).up.loss = loss;
        let now = crate::clock::Clock::default().now();
        (0..20_000).for_each(|_| net.send(now, Datagram { from, to, bytes: Vec::new() }));
        let arrived = std::iter::from_fn(|| net.receive(now)).count() as u64;
        assert_eq!(arrived + net.carried().lost, 20_000);
        net.carried().lost as f64 / 20_000.0
    }

    #[test]
    fn loses_as_much_as_it_is_told_to() {
        assert_eq!(share_lost(Loss::None), 0.0);
        assert!((0.07..0.09).contains(&share_lost(Loss::Random(0.08))));
        assert!((0.06..0.10).contains(&share_lost(Loss::Bursts { rate: 0.08, length: 5.0 })));
    }

    #[test]
    fn jitter_keeps_the_order_and_reordering_does_not() {
        let begin = crate::clock::Clock::default().now();
        let (from, to) = (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 1)));
        for (reorder, is_ordered) in [(0.0, true), (0.1, false)] {
            let mut net = Net::seeded(1);
            let delay = Duration::from_millis(5);
            net.access(from.ip()).up = Link { delay, jitter: delay, reorder, ..Link::default() };
            for number in 0..200 {
                let now = begin + Duration::from_millis(number);
                net.send(now, Datagram { from, to, bytes: vec![number as u8] });
            }
            let end = begin + Duration::from_secs(1);
            let arrived: Vec<u8> = std::iter::from_fn(|| net.receive(end)).map(|datagram| datagram.bytes[0]).collect();
            assert_eq!((arrived.len(), arrived.is_sorted()), (200, is_ordered));
        }
    }
}
