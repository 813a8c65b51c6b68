//! Limits error responses to addresses that may be spoofed.

use crate::limits;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Instant;

const NANOS_PER_ERROR: u64 = 1_000_000_000 / limits::UNPROVEN_ERRORS_PER_S;
const BURST_NANOS: u64 = limits::UNPROVEN_ERRORS_BURST * NANOS_PER_ERROR;

/// One bucket for each hash of an address, stored as the time at which it is full again (see [`crate::budget`]).
///
/// Two addresses may share a bucket. Silencing a client that way takes a flood, and an attacker could just as well
/// spoof the client's own address.
#[derive(Debug)]
pub(crate) struct AnswerLimit {
    since: Option<Instant>,
    full_at: Box<[u64]>,
}

impl AnswerLimit {
    pub(crate) fn new() -> Self {
        Self { since: None, full_at: vec![0; limits::UNPROVEN_TABLE_ENTRIES].into_boxed_slice() }
    }

    /// Counts an error response; false if it must not be sent.
    pub(crate) fn allows(&mut self, address: IpAddr, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let now = u64::try_from(now.saturating_duration_since(since).as_nanos()).unwrap_or(u64::MAX);
        let place = bucket(address) % self.full_at.len().max(1);
        let Some(full_at) = self.full_at.get_mut(place) else { return false };
        let after = (*full_at).max(now).saturating_add(NANOS_PER_ERROR);
        let within = after <= now.saturating_add(BURST_NANOS);
        if within {
            *full_at = after;
        }
        within
    }
}

/// An IPv6 host has at least a /64, and could use a new address for each request.
fn bucket(address: IpAddr) -> usize {
    let mut hasher = DefaultHasher::new();
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.hash(&mut hasher),
        IpAddr::V6(ip) => ip.segments().iter().take(4).for_each(|segment| segment.hash(&mut hasher)),
    }
    hasher.finish() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test has a clock, and passes time by hand from there")]
    fn a_flood_from_one_address_is_answered_at_the_limit_and_others_are_answered_too() {
        let start = Instant::now();
        let mut limit = AnswerLimit::new();
        let victim: IpAddr = [203, 0, 113, 7].into();
        let answered = |limit: &mut AnswerLimit, now| (0..50_000).filter(|_| limit.allows(victim, now)).count() as u64;
        assert_eq!(answered(&mut limit, start), limits::UNPROVEN_ERRORS_BURST);
        assert_eq!(answered(&mut limit, start + Duration::from_secs(1)), limits::UNPROVEN_ERRORS_PER_S);
        let others = (0..=255_u8).filter(|last| limit.allows([198, 51, 100, *last].into(), start)).count();
        assert!(others >= 250, "{others} of 256");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test has a clock, and passes time by hand from there")]
    fn an_ipv6_prefix_counts_as_one_address() {
        let start = Instant::now();
        let mut limit = AnswerLimit::new();
        let address = |host: u16| IpAddr::from([0x2600, 1, 2, 3, 0, 0, 0, host]);
        let answered = (0..5_000).filter(|host| limit.allows(address(*host), start)).count() as u64;
        assert_eq!(answered, limits::UNPROVEN_ERRORS_BURST);
    }
}
