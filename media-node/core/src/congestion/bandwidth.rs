//! What the operator lets clients send and be sent, and how a node's limit is divided among its clients.

/// Limits in bits per second; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Most that one client is sent.
    pub client_out_bps_max: Option<u64>,
    /// Most video that one client is asked to send.
    pub client_in_bps_max: Option<u64>,
    /// Most that all clients of the shard are sent together.
    pub shard_out_bps_max: Option<u64>,
    /// What a client's downlink is taken for before anything is known of it.
    pub start_bps: u64,
    /// What a client's downlink is taken for at least.
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

/// Enough for a thumbnail and sound; probes find out within a second what is carried beyond.
pub const START_BPS: u64 = 300_000;
/// Audio goes on at this rate.
pub const MIN_BPS: u64 = 50_000;
/// What is divided leaves something for sound and for what clients are sent before they are asked what they want.
const DIVIDED_PERCENT: u64 = 95;

/// The share that nobody may exceed if all shall be sent no more than `max_bps` together: who wants less leaves the rest to
/// the others (max-min fairness). `None` where everybody can have what they want.
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
