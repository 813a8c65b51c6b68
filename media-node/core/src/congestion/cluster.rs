//! Evaluates probes: packets sent at a certain rate, and the rate at which they arrive.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// Identifies a probe of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeId(pub(super) NonZeroU32);

#[cfg(test)]
impl ProbeId {
    pub(crate) fn numbered(number: u32) -> Self {
        Self(number.try_into().expect("a number above 0"))
    }
}

/// Packets to be sent at a certain rate to test whether the link carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    pub id: ProbeId,
    pub bps: u64,
    pub bytes: u64,
}

/// Most simultaneous probes.
const CLUSTERS: usize = 4;
/// Share of a probe that must have arrived, and minimum number of packets.
const SHARE: f64 = 0.8;
const PACKETS_MIN: u32 = 4;
/// Longer probes measure something else.
const SPAN_MAX: Duration = Duration::from_secs(1);
/// A probe that arrives slower than this share of its sending rate has filled the link, unless the extra time is short
/// enough to be jitter.
const FULL: f64 = 0.9;
const JITTER: Duration = Duration::from_millis(12);
/// The allowed share of a full link's arrival rate.
const ALLOWED: f64 = 0.9;
/// A higher ratio of arrival to sending rate is implausible.
const FASTER_MAX: f64 = 2.0;
/// Later packets count as lost.
const LIFETIME: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) bps: f64,
    /// True if the link carries no more than that.
    pub(super) is_full: bool,
}

#[derive(Debug, Default)]
pub(super) struct Clusters {
    open: [Option<Cluster>; CLUSTERS],
}

#[derive(Clone, Copy, Debug)]
struct Cluster {
    probe: Probe,
    begun: Instant,
    bytes: u64,
    packets: u32,
    /// Times of the first and last packet sent, and the bytes sent together with the last.
    sent: Option<(Instant, Instant, u64)>,
    /// Times of the first and last arrival, from any origin, and the first one's bytes.
    arrived: Option<(Duration, Duration, u16)>,
}

impl Clusters {
    pub(super) fn open(&mut self, now: Instant, probe: Probe) {
        let cluster = Cluster { probe, begun: now, bytes: 0, packets: 0, sent: None, arrived: None };
        if let Some(place) = self.open.get_mut(probe.id.0.get() as usize % CLUSTERS) {
            *place = Some(cluster);
        }
    }

    /// True if packets of probes may still be in transit.
    pub(super) fn is_any_open(&self, now: Instant) -> bool {
        self.hardest_bps(now).is_some()
    }

    /// The highest rate currently being probed.
    pub(super) fn hardest_bps(&self, now: Instant) -> Option<u64> {
        let open = self.open.iter().flatten();
        open.filter(|cluster| now.saturating_duration_since(cluster.begun) < LIFETIME)
            .map(|cluster| cluster.probe.bps)
            .max()
    }

    pub(super) fn add(&mut self, id: ProbeId, sent: Instant, arrived: Duration, bytes: u16) {
        let clusters = self.open.iter_mut().flatten();
        let Some(cluster) = clusters.into_iter().find(|cluster| cluster.probe.id == id) else { return };
        cluster.bytes += u64::from(bytes);
        cluster.packets += 1;
        cluster.sent = Some(match cluster.sent {
            Some((first, last, last_bytes)) if sent < last => (first.min(sent), last, last_bytes),
            Some((first, last, last_bytes)) if sent == last => (first, last, last_bytes + u64::from(bytes)),
            Some((first, _, _)) => (first, sent, bytes.into()),
            None => (sent, sent, bytes.into()),
        });
        cluster.arrived = Some(match cluster.arrived {
            Some((first, last, first_bytes)) if arrived >= first => (first, last.max(arrived), first_bytes),
            Some((_, last, _)) => (arrived, last, bytes),
            None => (arrived, arrived, bytes),
        });
    }

    /// The result of a completely reported probe.
    pub(super) fn shown(&mut self, now: Instant) -> Option<Shown> {
        self.open.iter_mut().find_map(|place| {
            let cluster = (*place)?;
            let is_complete = cluster.is_complete();
            if is_complete || now.saturating_duration_since(cluster.begun) >= LIFETIME {
                *place = None;
            }
            is_complete.then(|| cluster.shown()).flatten()
        })
    }
}

impl Cluster {
    fn is_complete(&self) -> bool {
        self.packets >= PACKETS_MIN && self.bytes as f64 >= SHARE * self.probe.bytes as f64
    }

    fn shown(&self) -> Option<Shown> {
        let (first_sent, last_sent, last_bytes) = self.sent?;
        let (first_arrived, last_arrived, first_bytes) = self.arrived?;
        let sent_span = last_sent.saturating_duration_since(first_sent);
        let arrived_span = last_arrived.saturating_sub(first_arrived);
        let sent_bps = bps(self.bytes - last_bytes, sent_span)?;
        let arrived_bps = bps(self.bytes - u64::from(first_bytes), arrived_span)?;
        if arrived_bps > FASTER_MAX * sent_bps {
            return None;
        }
        let is_slower = arrived_bps < FULL * sent_bps;
        let bps = if is_slower { ALLOWED * arrived_bps } else { arrived_bps.min(sent_bps) };
        Some(Shown { bps, is_full: is_slower && arrived_span > sent_span + JITTER })
    }
}

fn bps(bytes: u64, span: Duration) -> Option<f64> {
    (span > Duration::ZERO && span <= SPAN_MAX).then(|| 8.0 * bytes as f64 / span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    /// Ten packets of 1,000 bytes, sent and arriving at these intervals in milliseconds; the last parameter is the
    /// number of losses.
    fn check(sent_every: u64, arrived_every: u64, lost: u32, expected: Option<u64>) {
        let mut clusters = Clusters::default();
        let probe = Probe { id: ProbeId::numbered(9), bps: 1, bytes: 10_000 };
        clusters.open(start(), probe);
        for number in 0..10 - lost {
            let sent = start() + Duration::from_millis(sent_every) * number;
            clusters.add(
                probe.id,
                sent,
                Duration::from_millis(700) + Duration::from_millis(arrived_every) * number,
                1_000,
            );
        }
        let shown = clusters.shown(start()).map(|shown| shown.bps.round() as u64);
        assert_eq!(shown, expected, "{sent_every} {arrived_every} {lost}");
        assert_eq!(clusters.is_any_open(start()), lost > 2);
        assert!(clusters.shown(start() + LIFETIME).is_none() && !clusters.is_any_open(start()));
    }

    #[test]
    fn shows_what_the_link_carries() {
        check(2, 2, 0, Some(4_000_000));
        check(2, 2, 2, Some(4_000_000));
        check(2, 2, 3, None);
        check(2, 8, 0, Some(900_000));
        check(8, 2, 0, None);
        check(0, 8, 0, None);
    }
}
