//! The link's capacity, as revealed by overuse.

/// Weight of the newest sample.
const NEWEST: f64 = 0.05;
/// Deviation of the samples, relative to the estimate's square root, in kbit/s.
const DEVIATION_FIRST: f64 = 0.4;
const DEVIATION_MIN: f64 = 0.4;
const DEVIATION_MAX: f64 = 2.5;
/// Rates this many deviations away indicate another capacity.
const DEVIATIONS: f64 = 3.0;

/// Average of the rates at which the link was full.
#[derive(Debug)]
pub(super) struct Capacity {
    kbps: Option<f64>,
    deviation: f64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { kbps: None, deviation: DEVIATION_FIRST }
    }
}

impl Capacity {
    /// Takes the arrival rate on a full link.
    pub(super) fn add(&mut self, bps: f64) {
        let kbps = bps / 1_000.0;
        let before = self.kbps.unwrap_or(kbps);
        let estimate = (1.0 - NEWEST) * before + NEWEST * kbps;
        let error = estimate - kbps;
        let deviation = (1.0 - NEWEST) * self.deviation + NEWEST * error * error / estimate.max(1.0);
        self.deviation = deviation.clamp(DEVIATION_MIN, DEVIATION_MAX);
        self.kbps = Some(estimate);
    }

    pub(super) fn reset(&mut self) {
        self.kbps = None;
    }

    pub(super) fn bps(&self) -> Option<f64> {
        Some(self.kbps? * 1_000.0)
    }

    /// True if the link has become faster or slower than it was.
    pub(super) fn contradicts(&self, bps: f64) -> bool {
        self.kbps.is_some_and(|kbps| (bps / 1_000.0 - kbps).abs() > DEVIATIONS * (self.deviation * kbps).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_and_notices_another_capacity() {
        let mut capacity = Capacity::default();
        assert!(!capacity.contradicts(5_000_000.0) && capacity.bps().is_none());
        [1_000_000.0, 1_000_000.0, 1_100_000.0].into_iter().for_each(|bps| capacity.add(bps));
        assert_eq!(capacity.bps().map(f64::round), Some(1_005_000.0));
        assert!(!capacity.contradicts(1_050_000.0));
        assert!(capacity.contradicts(1_300_000.0) && capacity.contradicts(700_000.0));
    }
}
