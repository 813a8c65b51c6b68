//! Places frames on the room's clock: RTP timestamps give their distances, sender reports their capture times.
//!
//! Until the first sender report a stream is anchored to the arrival of its first frame. After that it approaches the
//! reported times gradually, so that no frame jumps and a publisher's audio and video stay in sync however long the
//! call lasts.

/// This share of the elapsed time may be added or removed to approach the reported times.
const SLEW_DIVISOR: i64 = 20;
/// With a larger error, approaching would take too long: the stream was paused, or its clock was set.
const ERROR_US_MAX: i64 = 1_000_000;
/// A capture time is trusted if it is this close to the arrival.
const CAPTURE_AGE_US_MAX: i64 = 10_000_000;

#[derive(Clone, Debug)]
pub struct StreamClock {
    ticks_per_second: i64,
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    timestamp: u32,
    /// The last frame's time.
    at_us: i64,
}

impl StreamClock {
    /// `clock_rate` in ticks per second.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self { ticks_per_second: i64::from(clock_rate.max(1)), anchor: None }
    }

    /// Another stream begins, with unrelated timestamps.
    pub fn restart(&mut self) {
        self.anchor = None;
    }

    /// A frame's time in microseconds since 1970. Frames must be passed in order.
    pub fn at(&mut self, timestamp: u32, received_us: i64, captured_us: Option<i64>) -> i64 {
        let believable = |us: &i64| received_us.saturating_sub(*us).abs() <= CAPTURE_AGE_US_MAX;
        let truth = captured_us.filter(believable);
        let Some(last) = self.anchor else {
            return self.anchored(timestamp, truth.unwrap_or(received_us));
        };
        let ticks = i64::from(timestamp.wrapping_sub(last.timestamp) as i32);
        let elapsed_us = ticks * 1_000_000 / self.ticks_per_second;
        let expected = last.at_us.saturating_add(elapsed_us);
        let error = truth.unwrap_or(received_us).saturating_sub(expected);
        if error.abs() > ERROR_US_MAX {
            // Time never goes back: written frames stay.
            return self.anchored(timestamp, truth.unwrap_or(received_us).max(last.at_us));
        }
        let most = (elapsed_us / SLEW_DIVISOR).max(0);
        let correction = truth.map_or(0, |_| error.clamp(-most, most));
        self.anchored(timestamp, expected.saturating_add(correction).max(last.at_us))
    }

    fn anchored(&mut self, timestamp: u32, at_us: i64) -> i64 {
        self.anchor = Some(Anchor { timestamp, at_us });
        at_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 20 ms: the true time is `offset_us` from the arrival, the sender's clock runs `ppm` too fast.
    fn error_after(frames: i64, offset_us: i64, ppm: i64) -> i64 {
        let mut clock = StreamClock::new(48_000);
        let mut error = 0;
        for frame in 0..frames {
            let real_us = frame * 20_000;
            let ticks = (real_us + real_us * ppm / 1_000_000) * 48 / 1_000;
            // The first report arrives after half a second; every arrival has some milliseconds of jitter.
            let captured = (frame > 25).then_some(real_us);
            let received = real_us + offset_us + (frame % 7) * 1_000;
            let timestamp = 4_294_960_000_u32.wrapping_add(ticks as u32);
            error = clock.at(timestamp, received, captured) - real_us;
        }
        error
    }

    fn check(frames: i64, offset_us: i64, ppm: i64) {
        let error = error_after(frames, offset_us, ppm);
        assert!(error.abs() < 2_000, "{error} µs off");
    }

    #[test]
    fn comes_to_what_the_reports_say() {
        check(200, 60_000, 0);
    }

    #[test]
    fn stays_there_for_an_hour_of_a_drifting_clock() {
        check(3_600 * 50, 30_000, 100);
        check(3_600 * 50, 30_000, -100);
    }

    #[test]
    fn without_reports_the_timestamps_count() {
        let mut clock = StreamClock::new(90_000);
        assert_eq!(clock.at(900, 5_000_000, None), 5_000_000);
        assert_eq!(clock.at(3_900, 5_044_000, None), 5_033_333);
    }

    #[test]
    fn after_a_pause_it_begins_anew_but_never_goes_back() {
        let mut clock = StreamClock::new(90_000);
        clock.at(0, 5_000_000, None);
        assert_eq!(clock.at(3_000, 65_000_000, None), 65_000_000);
        assert_eq!(clock.at(3_000_000, 65_020_000, None), 65_020_000);
        assert_eq!(clock.at(3_003_000, 60_000_000, None), 65_020_000);
        // An implausible capture time is ignored.
        assert_eq!(clock.at(3_006_000, 65_100_000, Some(1)), 65_053_333);
    }
}
