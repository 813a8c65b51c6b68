//! The limits of one client, set by the operator and the room, and of all clients of the shard together.

use super::{Sfu, Timer};
use crate::congestion::allocate::Estimate;
use crate::congestion::bandwidth;
use crate::congestion::controller::Controller;
use crate::keys::SessionKey;
use shared::signal::EstimateReason;
use shared::token;
use std::time::{Duration, Instant};

/// Interval of the division.
const INTERVAL: Duration = Duration::from_millis(500);

impl Sfu {
    /// A client's allowed rate: its downlink's estimate, within the operator's limits.
    pub(super) fn allowed(&self, key: SessionKey) -> Option<Estimate> {
        let estimate = self.sessions.get(key)?.estimate;
        let Some(most) = self.most_bps(key) else { return estimate };
        let Estimate { target_bps, sustained_bps } = estimate.unwrap_or(Estimate::UNLIMITED);
        Some(Estimate { target_bps: target_bps.min(most), sustained_bps: sustained_bps.min(most) })
    }

    /// The reason why a client may get no more than [`Self::allowed`].
    pub(super) fn reason(&self, key: SessionKey) -> EstimateReason {
        let Some(session) = self.sessions.get(key) else { return EstimateReason::Start };
        let own_bps = session.estimate.map_or(u64::MAX, |estimate| estimate.sustained_bps);
        if self.most_bps(key).is_some_and(|most_bps| most_bps <= own_bps) {
            return EstimateReason::Operator;
        }
        session.congestion.as_ref().map_or(EstimateReason::Start, Controller::reason)
    }

    /// The highest rate that a client may get.
    pub(super) fn most_bps(&self, key: SessionKey) -> Option<u64> {
        [self.own_most_bps(key), self.share_bps].into_iter().flatten().min()
    }

    /// The highest rate that a client may get if it is alone.
    pub(super) fn own_most_bps(&self, key: SessionKey) -> Option<u64> {
        let of_room = self.sessions.get(key).and_then(|session| session.bandwidth.receive_bps_max);
        [self.bandwidth.client_out_bps_max, of_room.map(u64::from)].into_iter().flatten().min()
    }

    /// Takes the room's limits on a client, which apply at once.
    pub(super) fn set_bandwidth(&mut self, now: Instant, key: SessionKey, bandwidth: token::Bandwidth) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let before = std::mem::replace(&mut session.bandwidth, bandwidth);
        if before.send_bps_max != bandwidth.send_bps_max && session.is_connected() {
            self.report_cap(key);
        }
        if before.receive_bps_max != bandwidth.receive_bps_max {
            self.deadlines.set(Timer::Select(key), Some(now));
        }
    }

    /// Divides the shard's limit among the sessions that want it; each takes its share when it chooses layers.
    pub(super) fn divide(&mut self, now: Instant) {
        let Some(max_bps) = self.bandwidth.shard_out_bps_max else { return };
        let is_needed = self.sessions.count() > 0;
        self.deadlines.set(Timer::Divide, is_needed.then_some(now + INTERVAL));
        self.wishes.clear();
        self.wishes.extend(self.sessions.values().map(|session| session.wanted_bps).filter(|bps| *bps > 0));
        self.share_bps = bandwidth::share(max_bps, &mut self.wishes);
    }

    /// Each client's maximum while the shard's limit is reached.
    pub fn share_bps(&self) -> Option<u64> {
        self.share_bps
    }
}
