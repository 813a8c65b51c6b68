//! A seeded network: every host has an access link, and may have a NAT in front of it.

mod link;
pub mod nat;

pub use link::{HEADER_BYTES, Link, Loss, REORDER_DELAY};

pub(crate) use link::{Passed, Way};
use media_core::random::Random;
use nat::Nat;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

#[derive(Clone, Debug)]
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// Both directions of one host's access link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Access {
    /// From the host into the network.
    pub up: Link,
    /// From the network to the host.
    pub down: Link,
    /// A firewall that passes only datagrams to or from this port of other hosts.
    pub only_port: Option<u16>,
}

/// Statistics of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub sent: u64,
    pub lost: u64,
    /// Dropped by a full queue.
    pub overflowed: u64,
    /// Dropped by a cut link, a firewall, or a NAT without a mapping.
    pub cut: u64,
}

/// All links, and the datagrams in transit.
#[derive(Debug)]
pub struct Net {
    random: Random,
    links: BTreeMap<IpAddr, (Access, Way, Way)>,
    /// By the host behind it.
    nats: BTreeMap<IpAddr, Nat>,
    /// Datagrams before a link with a queue: their order is known only when all have arrived.
    queueing: BTreeMap<(Instant, u64), Datagram>,
    flying: BTreeMap<(Instant, u64), Datagram>,
    number: u64,
    carried: Carried,
    /// Datagrams sent since tapping began; `None` before.
    tapped: Option<Vec<(Instant, Datagram)>>,
}

impl Net {
    /// A network of perfect links.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
            links: BTreeMap::new(),
            nats: BTreeMap::new(),
            queueing: BTreeMap::new(),
            flying: BTreeMap::new(),
            number: 0,
            carried: Carried::default(),
            tapped: None,
        }
    }

    pub fn access(&mut self, host: IpAddr) -> &mut Access {
        &mut self.links.entry(host).or_default().0
    }

    /// Puts a host behind a NAT. Links keep the host's own address as their name.
    pub fn put_behind(&mut self, host: IpAddr, nat: Nat) {
        self.nats.insert(host, nat);
    }

    pub fn nat(&mut self, host: IpAddr) -> Option<&mut Nat> {
        self.nats.get_mut(&host)
    }

    /// Records everything that is sent from here on.
    pub fn tap(&mut self) {
        self.tapped = Some(Vec::new());
    }

    /// The datagrams sent since [`Self::tap`], with their addresses outside all NATs, including those that never
    /// arrived.
    #[must_use]
    pub fn tapped(&self) -> &[(Instant, Datagram)] {
        self.tapped.as_deref().unwrap_or_default()
    }

    #[must_use]
    pub fn carried(&self) -> Carried {
        self.carried
    }

    /// Sends a datagram, which may arrive later, twice, or never.
    pub fn send(&mut self, now: Instant, mut datagram: Datagram) {
        self.carried.sent += 1;
        let sender = datagram.from.ip();
        if let Some(nat) = self.nats.get_mut(&sender) {
            datagram.from = nat.leave(datagram.from, datagram.to);
        }
        if let Some(tapped) = &mut self.tapped {
            tapped.push((now, datagram.clone()));
        }
        let Some(receiver) = self.enter(&mut datagram) else {
            self.carried.cut += 1;
            return;
        };
        if self.is_blocked(sender, datagram.to) || self.is_blocked(receiver, datagram.from) {
            self.carried.cut += 1;
            return;
        }
        let Some((left_at, copies)) = self.pass(now, sender, true, datagram.bytes.len()) else { return };
        for _ in 0..copies {
            self.number += 1;
            let has_queue = self.links.get(&receiver).is_some_and(|(access, ..)| access.down.rate_bps > 0);
            if has_queue {
                self.queueing.insert((left_at, self.number), datagram.clone());
            } else {
                self.arrive(left_at, datagram.clone());
            }
        }
    }

    /// The time of the next arrival at a host or a queue.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        let first =
            |datagrams: &BTreeMap<(Instant, u64), Datagram>| datagrams.first_key_value().map(|((at, _), _)| *at);
        [first(&self.queueing), first(&self.flying)].into_iter().flatten().min()
    }

    /// The next datagram, if it has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Datagram> {
        while let Some(entry) = self.queueing.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), datagram) = entry.remove_entry();
            self.arrive(at, datagram);
        }
        self.flying.first_entry().filter(|entry| entry.key().0 <= now).map(|entry| entry.remove())
    }

    /// Sends a datagram over the last link.
    fn arrive(&mut self, now: Instant, datagram: Datagram) {
        let Some((arrives_at, copies)) = self.pass(now, datagram.to.ip(), false, datagram.bytes.len()) else { return };
        for _ in 0..copies {
            self.number += 1;
            self.flying.insert((arrives_at, self.number), datagram.clone());
        }
    }

    /// Translates a datagram as the NAT in front of its receiver does; returns the receiver, or `None` if the NAT
    /// blocks it.
    fn enter(&self, datagram: &mut Datagram) -> Option<IpAddr> {
        if let Some(nat) = self.nats.values().find(|nat| nat.outside() == datagram.to.ip()) {
            datagram.to = nat.enter(datagram.from, datagram.to)?;
        }
        Some(datagram.to.ip())
    }

    fn is_blocked(&self, host: IpAddr, other: SocketAddr) -> bool {
        let only_port = self.links.get(&host).and_then(|(access, ..)| access.only_port);
        only_port.is_some_and(|port| port != other.port())
    }

    /// Sends a datagram over one direction of a host's link; returns its arrival time and number of copies.
    fn pass(&mut self, now: Instant, host: IpAddr, is_up: bool, bytes: usize) -> Option<(Instant, u32)> {
        let Some((access, up, down)) = self.links.get_mut(&host) else { return Some((now, 1)) };
        let (link, way) = if is_up { (access.up, up) } else { (access.down, down) };
        match way.pass(now, &link, bytes, &mut self.random) {
            Passed::Arrives(at, copies) => return Some((at, copies)),
            Passed::Lost => self.carried.lost += 1,
            Passed::Overflowed => self.carried.overflowed += 1,
            Passed::Cut => self.carried.cut += 1,
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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

    #[test]
    fn a_shared_queue_serves_in_the_order_of_arrival() {
        let begin = crate::clock::Clock::default().now();
        let mut net = Net::seeded(1);
        let [near, far, to] = [1, 2, 3].map(|host| SocketAddr::from(([10, 0, 0, host], 1)));
        net.access(far.ip()).up.delay = Duration::from_millis(50);
        net.access(to.ip()).down = Link { rate_bps: 1_000_000, queue: Duration::from_millis(100), ..Link::default() };
        let bytes = vec![0; 1_000 - HEADER_BYTES];
        // The distant one sends first and arrives last.
        for from in [far, near] {
            net.send(begin, Datagram { from, to, bytes: bytes.clone() });
        }
        let mut arrived = Vec::new();
        while let Some(now) = net.next_at() {
            arrived.extend(net.receive(now).map(|datagram| (datagram.from, (now - begin).as_millis())));
        }
        assert_eq!(arrived, [(near, 8), (far, 58)]);
    }

    #[test]
    fn a_host_behind_a_nat_is_known_by_its_outside_address() {
        let begin = crate::clock::Clock::default().now();
        let mut net = Net::seeded(1);
        let [inside, outside, peer] = [1, 2, 3].map(|host| SocketAddr::from(([10, 0, 0, host], 1)));
        net.put_behind(inside.ip(), Nat::new(nat::Kind::PORT_RESTRICTED, outside.ip()));
        net.send(begin, Datagram { from: inside, to: peer, bytes: vec![1] });
        let request = net.receive(begin).expect("arrives");
        assert_eq!(request.from.ip(), outside.ip());
        net.send(begin, Datagram { from: peer, to: request.from, bytes: vec![2] });
        assert_eq!(net.receive(begin).expect("arrives").to, inside);
        net.nat(inside.ip()).expect("it has one").rebind();
        net.send(begin, Datagram { from: peer, to: request.from, bytes: vec![3] });
        assert_eq!((net.receive(begin).is_none(), net.carried().cut), (true, 1));
    }
}
