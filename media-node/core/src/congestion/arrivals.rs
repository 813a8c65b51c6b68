//! Arrivals of one client's packets, by transport-wide sequence number, until they are reported.

use crate::rtcp::transport_feedback::{Report, TICK};
use std::time::{Duration, Instant};

/// Packets that are distinguished, with remembered arrivals. At 8 Mbit/s a client sends some 250 between two reports.
const WINDOW_PACKETS: u64 = 1_024;
/// A report covers at least this much time, and at most [`INTERVAL_MAX`]; libwebrtc has the same bounds.
const INTERVAL_MIN: Duration = Duration::from_millis(50);
const INTERVAL_MAX: Duration = Duration::from_millis(250);
/// A report with everything below RTCP.
const REPORT_BYTES: u128 = 100;
/// Reports take at most this fraction of the client's rate, as in libwebrtc.
const SHARE: u128 = 20;
/// The start of numbers: there is a cycle below the first, so that packets from before it have a number too.
const FIRST_CYCLE: u64 = 1 << 16;
/// The mark of a packet that has not arrived.
const MISSING: u64 = u64::MAX;

#[derive(Debug)]
pub struct Arrivals {
    /// The header extension with the number.
    extension: u8,
    /// Origin of the ticks.
    origin: Instant,
    /// Ticks of the last packets, by number modulo the window.
    ticks: Box<[u64]>,
    range: Option<Range>,
    /// Any stream of the client: reports must name one.
    ssrc: u32,
    report_number: u8,
    /// Bytes since the last report.
    bytes: u64,
    reported_at: Instant,
    interval: Duration,
    is_report_due: bool,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    /// The first number of the next report.
    next: u64,
    highest: u64,
}

impl Arrivals {
    pub fn new(now: Instant, extension: u8) -> Self {
        Self {
            extension,
            origin: now,
            ticks: vec![MISSING; WINDOW_PACKETS as usize].into_boxed_slice(),
            range: None,
            ssrc: 0,
            report_number: 0,
            bytes: 0,
            reported_at: now,
            interval: INTERVAL_MIN,
            is_report_due: false,
        }
    }

    pub fn extension(&self) -> u8 {
        self.extension
    }

    /// Records a packet. The first since the last report determines the time of the next.
    pub fn record(&mut self, now: Instant, sequence: u16, ssrc: u32, bytes: usize) -> Option<Instant> {
        let ticks = (now.saturating_duration_since(self.origin).as_micros() / TICK.as_micros()) as u64;
        let number = self.place(sequence);
        let found = self.ticks.get_mut((number % WINDOW_PACKETS) as usize)?;
        // A repeated packet arrived with its first copy.
        if *found == MISSING {
            *found = ticks;
        }
        self.ssrc = ssrc;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if std::mem::replace(&mut self.is_report_due, true) {
            return None;
        }
        Some(now + self.interval)
    }

    /// The extended number of a packet, with room for it.
    fn place(&mut self, sequence: u16) -> u64 {
        let Some(range) = self.range else { return self.begin(FIRST_CYCLE + u64::from(sequence)) };
        let distance = sequence.wrapping_sub(range.highest as u16) as i16;
        let number = range.highest.saturating_add_signed(i64::from(distance));
        if number.abs_diff(range.highest) >= WINDOW_PACKETS {
            // The client counts from elsewhere; the numbers in between were never sent.
            return self.begin(FIRST_CYCLE + u64::from(sequence));
        }
        for passed in range.highest + 1..=number {
            if let Some(found) = self.ticks.get_mut((passed % WINDOW_PACKETS) as usize) {
                *found = MISSING;
            }
        }
        let highest = range.highest.max(number);
        // A packet that arrives after it was reported missing is reported again, with all that follow it.
        let next = range.next.min(number).max((highest + 1).saturating_sub(WINDOW_PACKETS));
        self.range = Some(Range { next, highest });
        number
    }

    fn begin(&mut self, number: u64) -> u64 {
        self.ticks.fill(MISSING);
        self.range = Some(Range { next: number, highest: number });
        number
    }

    /// The next report of arrivals; there may be several, until `None` ends the round. With `hides_losses`, missing
    /// packets are not mentioned: libwebrtc retransmits, unasked, packets reported lost at the end of a stream.
    pub fn next_report(
        &mut self,
        now: Instant,
        hides_losses: bool,
    ) -> Option<Report<impl Iterator<Item = Option<u64>> + Clone + '_>> {
        let Some((first, last)) = self.unreported(hides_losses) else {
            self.end_round(now);
            return None;
        };
        if let Some(range) = &mut self.range {
            range.next = first;
        }
        let ticks = &self.ticks;
        let arrivals = (first..=last).map(move |number| arrival(ticks, number));
        Some(Report { ssrc: self.ssrc, first: first as u16, number: self.report_number, arrivals })
    }

    /// The first and last number of the next report.
    fn unreported(&self, hides_losses: bool) -> Option<(u64, u64)> {
        let range = self.range.filter(|range| range.next <= range.highest)?;
        if !hides_losses {
            return Some((range.next, range.highest));
        }
        let has_arrived = |number: &u64| arrival(&self.ticks, *number).is_some();
        let first = (range.next..=range.highest).find(has_arrived)?;
        let last = (first..=range.highest).take_while(has_arrived).last()?;
        Some((first, last))
    }

    pub fn reported(&mut self, packets: usize) {
        self.report_number = self.report_number.wrapping_add(1);
        if let Some(range) = &mut self.range {
            // An empty report must not be retried for ever.
            range.next = if packets == 0 { range.highest + 1 } else { range.next + packets as u64 };
        }
    }

    fn end_round(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.reported_at).max(INTERVAL_MIN);
        // Ratio of sent bytes to report bytes, converted to the time after which reports have their share.
        let micros = elapsed.as_micros() * REPORT_BYTES * SHARE / u128::from(self.bytes.max(1));
        let interval = Duration::from_micros(micros.try_into().unwrap_or(u64::MAX));
        self.interval = interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
        self.reported_at = now;
        self.bytes = 0;
        self.is_report_due = false;
    }
}

fn arrival(ticks: &[u64], number: u64) -> Option<u64> {
    ticks.get((number % WINDOW_PACKETS) as usize).copied().filter(|ticks| *ticks != MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    const EXTENSION: u8 = 3;

    fn at(ms: u64) -> Instant {
        start() + Duration::from_millis(ms)
    }

    fn arrivals() -> Arrivals {
        Arrivals::new(start(), EXTENSION)
    }

    /// First number and milliseconds of each packet, `None` if it is missing.
    fn report(arrivals: &mut Arrivals, now: Instant) -> Option<(u16, Vec<Option<u64>>)> {
        let said = arrivals.next_report(now, false).map(|report| {
            (report.first, report.arrivals.map(|ticks| ticks.map(|ticks| ticks / 4)).collect::<Vec<_>>())
        })?;
        arrivals.reported(said.1.len());
        assert!(arrivals.next_report(now, false).is_none());
        Some(said)
    }

    #[test]
    fn reports_what_came_and_what_did_not() {
        let mut arrivals = arrivals();
        for (ms, sequence) in [(0, 65_534), (5, 65_535), (20, 1), (25, 2), (26, 2)] {
            let due = arrivals.record(at(ms), sequence, 7, 1_000);
            assert_eq!(due, (ms == 0).then(|| at(50)));
        }
        let expected = (65_534, vec![Some(0), Some(5), None, Some(20), Some(25)]);
        assert_eq!(report(&mut arrivals, at(50)), Some(expected));
        assert_eq!(report(&mut arrivals, at(60)), None);
        assert!(arrivals.record(at(70), 3, 7, 1_000).is_some());
        assert_eq!(report(&mut arrivals, at(120)), Some((3, vec![Some(70)])));
    }

    #[test]
    fn losses_can_be_left_out() {
        let mut arrivals = arrivals();
        for sequence in [65_530, 65_533, 65_534, 2, 3, 9] {
            arrivals.record(at(10), sequence, 7, 1_000);
        }
        let mut said = Vec::new();
        while let Some((first, packets)) =
            arrivals.next_report(at(50), true).map(|report| (report.first, report.arrivals.collect::<Vec<_>>()))
        {
            assert!(packets.iter().all(Option::is_some));
            said.push((first, packets.len()));
            arrivals.reported(packets.len());
        }
        assert_eq!(said, [(65_530, 1), (65_533, 2), (2, 2), (9, 1)]);
        arrivals.record(at(60), 12, 7, 1_000);
        assert_eq!(report(&mut arrivals, at(110)), Some((10, vec![None, None, Some(60)])));
    }

    #[test]
    fn a_packet_that_comes_late_is_reported_after_all() {
        let mut arrivals = arrivals();
        arrivals.record(at(0), 10, 7, 100);
        arrivals.record(at(1), 12, 7, 100);
        assert_eq!(report(&mut arrivals, at(50)), Some((10, vec![Some(0), None, Some(1)])));
        arrivals.record(at(60), 11, 7, 100);
        arrivals.record(at(61), 13, 7, 100);
        assert_eq!(report(&mut arrivals, at(110)), Some((11, vec![Some(60), Some(1), Some(61)])));
    }

    #[test]
    fn a_client_that_counts_from_elsewhere_begins_anew() {
        for (before, after) in [(100, 20_000), (20_000, 100), (0, 40_000)] {
            let mut arrivals = arrivals();
            arrivals.record(at(0), before, 7, 100);
            arrivals.record(at(1), after, 7, 100);
            assert_eq!(report(&mut arrivals, at(50)), Some((after, vec![Some(1)])), "{before} {after}");
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut arrivals = arrivals();
        (0..5_000).for_each(|sequence| {
            arrivals.record(at(u64::from(sequence)), sequence, 7, 100);
        });
        let (first, said) = report(&mut arrivals, at(5_000)).expect("a report");
        assert_eq!((first, said.len()), (5_000 - 1_024, 1_024));
    }

    #[test]
    fn a_thin_stream_is_reported_less_often() {
        for (bytes, every_ms, interval) in
            [(1_000, 10, INTERVAL_MIN), (80, 20, INTERVAL_MAX), (250, 20, Duration::from_millis(160))]
        {
            let mut arrivals = arrivals();
            let (mut due, mut last) = (None, Duration::ZERO);
            for number in 0..200 {
                let now = at(number * every_ms);
                if due.is_some_and(|due| due <= now) {
                    while let Some(said) = arrivals.next_report(now, false).map(|report| report.arrivals.count()) {
                        arrivals.reported(said);
                    }
                }
                if let Some(next) = arrivals.record(now, number as u16, 7, bytes) {
                    (due, last) = (Some(next), next - now);
                }
            }
            assert!(last <= interval && last * 2 > interval, "{bytes} bytes every {every_ms} ms: {last:?}");
        }
    }
}
