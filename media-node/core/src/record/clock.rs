//! When a frame was, on the room's clock: RTP timestamps say how far frames are apart, sender reports when they were captured.
//!
//! Until the first sender report a stream is anchored to the arrival of its first frame. After that it is drawn to what the reports
//! say, little by little, so that no frame jumps and sound and pictures of one publisher stay together however long the call lasts.

/// Of the time that passes, so much may be added or taken away to come nearer to what the reports say.
const SLEW_DIVISOR: i64 = 20;
/// Farther than this from the truth, drawing near would take too long: the stream was paused, or its clock was set.
const ERROR_US_MAX: i64 = 1_000_000;
/// A capture time is believed if it is this near to the arrival.
const CAPTURE_AGE_US_MAX: i64 = 10_000_000;

#[derive(Clone, Debug)]
pub struct StreamClock {
    ticks_per_second: i64,
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    timestamp: u32,
    /// Where the last frame was put.
    at_us: i64,
}

impl StreamClock {
    /// A clock with so many ticks a second.
    #[must_use]
    pub fn new(clock_rate: u32) -> Self {
        Self { ticks_per_second: i64::from(clock_rate.max(1)), anchor: None }
    }

    /// Another stream begins, with timestamps of its own.
    pub fn restart(&mut self) {
        self.anchor = None;
    }

    /// When a frame was, in microseconds since 1970. Frames must come in their order.
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
            // Back in time there is no way: what was written stays.
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

    /// Frames of 20 ms: the truth is `offset_us` from the arrival, the sender's clock runs `ppm` too fast.
    fn error_after(frames: i64, offset_us: i64, ppm: i64) -> i64 {
        let mut clock = StreamClock::new(48_000);
        let mut error = 0;
        for frame in 0..frames {
            let real_us = frame * 20_000;
            let ticks = (real_us + real_us * ppm / 1_000_000) * 48 / 1_000;
            // The first report comes after half a second; jitter of some milliseconds is in every arrival.
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
        // A lie about the time is no truth.
        assert_eq!(clock.at(3_006_000, 65_100_000, Some(1)), 65_053_333);
    }
}
