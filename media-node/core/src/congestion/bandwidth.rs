//! The operator's bandwidth limits for clients, and the division of a node's limit among its clients.

/// Limits in bits per second; `None` means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    pub client_out_bps_max: Option<u64>,
    /// Limits only the video that a client sends.
    pub client_in_bps_max: Option<u64>,
    /// For all clients of the shard together.
    pub shard_out_bps_max: Option<u64>,
    /// Initial estimate of a client's downlink.
    pub start_bps: u64,
    /// Lower bound of the estimate.
    pub min_bps: u64,
}

impl Default for Bandwidth {
    fn default() -> Self {
        Self {
            client_out_bps_max: None,
            client_in_bps_max: None,
            shard_out_bps_max: None,
            start_bps: START_BPS,
            min_bps: MIN_BPS,
        }
    }
}

/// Enough for a thumbnail and audio; probes find the real capacity within a second.
pub const START_BPS: u64 = 300_000;
/// Audio continues at this rate.
pub const MIN_BPS: u64 = 50_000;
/// Bounds of every estimate.
pub(super) const TARGET_MIN_BPS: f64 = MIN_BPS as f64;
pub(super) const TARGET_MAX_BPS: f64 = 20_000_000.0;
/// The rest is for audio and for clients whose demand is still unknown.
const DIVIDED_PERCENT: u64 = 95;

/// The most that each client may get if all together must stay within `max_bps`: clients that want less leave the rest
/// to the others (max-min fairness). `None` if there is enough for everybody.
pub fn share(max_bps: u64, wanted_bps: &mut [u64]) -> Option<u64> {
    let mut left = max_bps / 100 * DIVIDED_PERCENT;
    wanted_bps.sort_unstable();
    let mut others = wanted_bps.len() as u64;
    for wanted in wanted_bps {
        let share = left / others.max(1);
        if *wanted > share {
            return Some(share);
        }
        left -= *wanted;
        others -= 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_less_leaves_the_rest_to_the_others() {
        for (max_kbps, wanted_kbps, expected_kbps) in [
            (1_000, &[][..], None),
            (1_000, &[300, 300, 300], None),
            (1_000, &[950], None),
            (1_000, &[951], Some(950)),
            (1_000, &[2_000, 2_000], Some(475)),
            (1_000, &[2_000, 50, 2_000], Some(450)),
            (1_000, &[400, 50, 2_000], Some(500)),
            (0, &[100], Some(0)),
        ] {
            let mut wanted: Vec<_> = wanted_kbps.iter().map(|kbps| kbps * 1_000).collect();
            assert_eq!(share(max_kbps * 1_000, &mut wanted), expected_kbps.map(|kbps| kbps * 1_000), "{wanted_kbps:?}");
        }
    }
}
