//! NTP time (RFC 3550 §4): the wall clock of sender reports, derived from a monotonic one.

use shared::time::UnixMillis;
use std::time::{Duration, Instant};

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970).
const UNIX_EPOCH_SECONDS: u64 = 2_208_988_800;

/// Seconds since 1900 with a fraction of 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Combines the two words of a sender report.
    pub fn from_words(seconds: u32, fraction: u32) -> Self {
        Self(u64::from(seconds) << 32 | u64::from(fraction))
    }

    /// The middle 32 bits, which report blocks echo.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Microseconds since 1970.
    pub fn unix_micros(self) -> i64 {
        let since = i128::from(self.0.wrapping_sub(UNIX_EPOCH_SECONDS << 32));
        ((since * 1_000_000) >> 32) as i64
    }

    /// Negative for an earlier time.
    pub fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.wrapping_add(((i128::from(micros) << 32) / 1_000_000) as u64))
    }

    /// Negative if `earlier` is later.
    pub fn nanos_since(self, earlier: Self) -> i64 {
        let distance = i128::from(self.0.wrapping_sub(earlier.0) as i64);
        ((distance * 1_000_000_000) >> 32) as i64
    }
}

/// Converts monotonic times to NTP times.
#[derive(Clone, Copy, Debug)]
pub struct NtpClock {
    origin: Instant,
    ntp_at_origin: NtpTime,
}

impl NtpClock {
    /// A clock that starts at `origin`, when the wall clock shows `unix`.
    pub fn new(origin: Instant, unix: UnixMillis) -> Self {
        let UnixMillis(unix_ms) = unix;
        let seconds = UNIX_EPOCH_SECONDS.wrapping_add(unix_ms / 1_000);
        Self { origin, ntp_at_origin: NtpTime((seconds << 32).wrapping_add(fixed_point(unix_ms % 1_000, 1_000))) }
    }

    pub fn at(&self, now: Instant) -> NtpTime {
        let elapsed = now.saturating_duration_since(self.origin);
        NtpTime(self.ntp_at_origin.0.wrapping_add(duration_units(elapsed)))
    }

    /// The first time at or after `at` that is a multiple of `grid` from the origin. Occasional tasks of many sessions
    /// run together at such times, with one wake-up for all of them.
    pub fn aligned(&self, at: Instant, grid: Duration) -> Instant {
        let elapsed = at.saturating_duration_since(self.origin).as_nanos();
        let wait = (grid.as_nanos() - elapsed % grid.as_nanos().max(1)) % grid.as_nanos().max(1);
        at + Duration::from_nanos(wait as u64)
    }
}

/// Round-trip time from a report block that arrived at `arrival` (RFC 3550 §6.4.1); `None` if it contains none.
pub fn round_trip(arrival: NtpTime, last_sender_report: u32, delay_since_sender_report: u32) -> Option<Duration> {
    if last_sender_report == 0 {
        return None;
    }
    let units = arrival.middle().wrapping_sub(last_sender_report).wrapping_sub(delay_since_sender_report);
    // The other side rounds its delay: a slightly negative time counts as zero, a very negative one is invalid.
    let units = if units > u32::MAX - 0x1000 { 0 } else { units };
    let round_trip = Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16);
    (round_trip < ROUND_TRIP_MAX).then_some(round_trip)
}

/// No network that carries a call is slower.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(30);

/// A duration in units of 2^-32 s.
fn duration_units(duration: Duration) -> u64 {
    (duration.as_secs() << 32).wrapping_add(fixed_point(duration.subsec_nanos().into(), 1_000_000_000))
}

/// `part / whole` as a binary fraction of 32 bits.
fn fixed_point(part: u64, whole: u64) -> u64 {
    (part << 32) / whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_wall_clock_of_a_moment() {
        let origin = crate::virtual_time::start();
        let clock = NtpClock::new(origin, UnixMillis(1_500));
        assert_eq!(clock.at(origin), NtpTime::from_words(2_208_988_801, 0x8000_0000));
        let later = clock.at(origin + Duration::from_millis(750));
        assert_eq!(later, NtpTime::from_words(2_208_988_802, 0x4000_0000));
        assert_eq!(later.nanos_since(clock.at(origin)), 750_000_000);
        assert_eq!(clock.at(origin).nanos_since(later), -750_000_000);
    }

    #[test]
    fn aligns_moments_to_a_grid() {
        let clock = NtpClock::new(crate::virtual_time::start(), UnixMillis(0));
        let ms = |ms| clock.origin + Duration::from_millis(ms);
        for (at, expected) in [(0, 0), (1, 32), (32, 32), (33, 64), (1_000, 1_024)] {
            assert_eq!(clock.aligned(ms(at), Duration::from_millis(32)), ms(expected), "{at}");
        }
    }

    #[test]
    fn measures_the_round_trip() {
        let clock = NtpClock::new(crate::virtual_time::start(), UnixMillis(1_700_000_000_000));
        let sent = clock.at(clock.origin);
        let arrival = clock.at(clock.origin + Duration::from_millis(500));
        let delay = (0.4 * 65_536.0) as u32;
        let measured = round_trip(arrival, sent.middle(), delay).expect("a round trip");
        assert!((99..=101).contains(&measured.as_millis()), "{measured:?}");
        assert_eq!(round_trip(arrival, sent.middle(), (0.5 * 65_536.0) as u32 + 2), Some(Duration::ZERO));
    }

    #[test]
    fn refuses_absurd_round_trips() {
        let clock = NtpClock::new(crate::virtual_time::start(), UnixMillis(1_700_000_000_000));
        let sent = clock.at(clock.origin);
        assert_eq!(round_trip(sent, 0, 0), None);
        assert_eq!(round_trip(sent, sent.middle(), 65_536), None, "answered a second before it was asked");
        assert_eq!(round_trip(sent, sent.middle().wrapping_sub(40 * 65_536), 0), None);
    }
}
