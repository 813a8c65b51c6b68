//! Reception of one stream from a publisher: arrivals, jitter, losses, and clock.

use super::missing::Missing;
use crate::rtcp::ReportBlock;
use crate::rtcp::ntp::NtpTime;
use std::time::Instant;

/// Packets behind the highest that are still distinguished from duplicates; older ones are dropped.
const WINDOW_PACKETS: u64 = 1_024;
const WINDOW_WORDS: usize = (WINDOW_PACKETS / 64) as usize;

/// Receives one stream (one SSRC) of a publisher.
#[derive(Clone, Debug)]
pub struct Receiver {
    ssrc: u32,
    clock_rate: u32,
    /// The first packet's index and the highest so far; `None` before the first packet.
    range: Option<Range>,
    /// Received packets, one bit for each index modulo the window.
    window: [u64; WINDOW_WORDS],
    /// Packets received on the stream itself, without repairs.
    received: u64,
    /// RFC 3550 §A.3: `expected` and `received` at the last report.
    at_last_report: (u64, u64),
    sampled_lost: u64,
    /// RFC 3550 §A.8: difference of arrival and timestamp of the last packet, and 16 times the jitter.
    transit: Option<u32>,
    jitter_sixteenths: u32,
    clock: Option<SourceClock>,
    missing: Option<Missing>,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    first: u64,
    highest: u64,
}

/// One sender report of a publisher and its arrival: the link of its stream to the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceClock {
    pub ntp: NtpTime,
    /// The same time in the stream's timestamps.
    pub rtp_timestamp: u32,
    /// Read from our clock.
    pub arrived: NtpTime,
}

impl Receiver {
    /// With `repairs`, losses are listed so that they can be requested.
    pub fn new(ssrc: u32, clock_rate: u32, repairs: bool) -> Self {
        Self {
            ssrc,
            clock_rate,
            range: None,
            window: [0; WINDOW_WORDS],
            received: 0,
            at_last_report: (0, 0),
            sampled_lost: 0,
            transit: None,
            jitter_sixteenths: 0,
            clock: None,
            missing: repairs.then(Missing::default),
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The distance of a number from the highest: up to half a cycle ahead or behind (RFC 3550 §A.1).
    pub fn distance(&self, sequence: u16) -> i16 {
        self.range.map_or(1, |range| sequence.wrapping_sub(range.highest as u16) as i16)
    }

    /// Counts a packet of the stream. Returns its index (the extended sequence number) if it must be forwarded, `None`
    /// if it is a duplicate or too old.
    pub fn packet(&mut self, now: Instant, arrived: NtpTime, sequence: u16, timestamp: u32) -> Option<u64> {
        self.received += 1;
        self.measure_jitter(arrived, timestamp);
        self.mark(now, sequence, true)
    }

    /// Counts a retransmitted packet. It repairs the stream, but says nothing about the path: RFC 4588 §6.3 leaves the
    /// statistics of the original stream alone.
    pub fn repair(&mut self, now: Instant, sequence: u16) -> Option<u64> {
        self.range?;
        self.mark(now, sequence, false)
    }

    pub fn sender_report(&mut self, ntp: NtpTime, rtp_timestamp: u32, arrived: NtpTime) {
        self.clock = Some(SourceClock { ntp, rtp_timestamp, arrived });
    }

    pub fn clock(&self) -> Option<SourceClock> {
        self.clock
    }

    pub fn missing(&mut self) -> Option<&mut Missing> {
        self.missing.as_mut()
    }

    /// A report block about the stream (RFC 3550 §6.4.1); starts the next interval.
    pub fn report(&mut self, now: NtpTime) -> Option<ReportBlock> {
        let range = self.range?;
        let expected = range.highest - range.first + 1;
        let (expected_before, received_before) = std::mem::replace(&mut self.at_last_report, (expected, self.received));
        let expected_lately = expected.saturating_sub(expected_before);
        let lost_lately = expected_lately.saturating_sub(self.received - received_before);
        // RFC 3550 §A.3: the fraction is 0 if duplicates outnumber losses.
        let fraction = (lost_lately << 8).checked_div(expected_lately).unwrap_or(0);
        let lost = (expected as i64 - self.received as i64).clamp(-0x80_0000, 0x7f_ffff);
        let since_report = self.clock.map_or(0, |clock| now.0.wrapping_sub(clock.arrived.0) >> 16);
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction.min(255) as u8,
            packets_lost: lost as i32,
            // The first index is a whole cycle up, so that packets from before it have one too.
            highest_sequence: (range.highest - FIRST_CYCLE) as u32,
            jitter: self.jitter_sixteenths >> 4,
            last_sender_report: self.clock.map_or(0, |clock| clock.ntp.middle()),
            delay_since_sender_report: u32::try_from(since_report).unwrap_or(u32::MAX),
        })
    }

    /// Packets lost since the last call.
    pub fn take_lost(&mut self) -> u64 {
        let expected = self.range.map_or(0, |range| range.highest - range.first + 1);
        let lost = expected.saturating_sub(self.received);
        lost.saturating_sub(std::mem::replace(&mut self.sampled_lost, lost))
    }

    /// Interarrival jitter (RFC 3550 §6.4.1) in ticks of the stream's clock.
    pub fn jitter_ticks(&self) -> u32 {
        self.jitter_sixteenths >> 4
    }

    fn mark(&mut self, now: Instant, sequence: u16, is_first: bool) -> Option<u64> {
        let Some(range) = &mut self.range else {
            let first = FIRST_CYCLE + u64::from(sequence);
            self.range = Some(Range { first, highest: first });
            set(&mut self.window, first);
            return Some(first);
        };
        // The nearest index with these low bits.
        let distance = sequence.wrapping_sub(range.highest as u16) as i16;
        if distance > 0 {
            let index = range.highest + distance as u64;
            if let Some(missing) = &mut self.missing {
                missing.gap(now, range.highest + 1..index);
            }
            forget(&mut self.window, range.highest + 1..=index);
            range.highest = index;
            set(&mut self.window, index);
            return Some(index);
        }
        let behind = u64::from(distance.unsigned_abs());
        let index = range.highest.checked_sub(behind)?;
        if behind >= WINDOW_PACKETS || set(&mut self.window, index) {
            return None;
        }
        range.first = range.first.min(index);
        if let Some(missing) = &mut self.missing {
            missing.arrived(now, index, is_first);
        }
        Some(index)
    }

    fn measure_jitter(&mut self, arrived: NtpTime, timestamp: u32) {
        let ticks = (u128::from(arrived.0) * u128::from(self.clock_rate)) >> 32;
        let transit = (ticks as u32).wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            // RFC 3550 §A.8, in integers.
            let distance = (transit.wrapping_sub(before) as i32).unsigned_abs().min(self.clock_rate);
            self.jitter_sixteenths = self.jitter_sixteenths + distance - ((self.jitter_sixteenths + 8) >> 4);
        }
    }
}

/// The start of indices.
const FIRST_CYCLE: u64 = 1 << 16;

/// Returns true if the bit was set already.
fn set(window: &mut [u64; WINDOW_WORDS], index: u64) -> bool {
    let place = index % WINDOW_PACKETS;
    let Some(word) = window.get_mut((place / 64) as usize) else { return true };
    let bit = 1 << (place % 64);
    let was_set = *word & bit != 0;
    *word |= bit;
    was_set
}

/// Clears the bits of packets that the window has reached.
fn forget(window: &mut [u64; WINDOW_WORDS], indices: std::ops::RangeInclusive<u64>) {
    if indices.end() - indices.start() >= WINDOW_PACKETS {
        *window = [0; WINDOW_WORDS];
        return;
    }
    for index in indices {
        let place = index % WINDOW_PACKETS;
        if let Some(word) = window.get_mut((place / 64) as usize) {
            *word &= !(1 << (place % 64));
        }
    }
}

/// The difference between a publisher's wall clock and ours, the same for all its streams, so that they stay in sync.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockOffset {
    /// Ours minus theirs, in 2^-32 s: the minimum, as the least delayed report is the most accurate.
    least: Option<i64>,
}

impl ClockOffset {
    /// Updates the offset from a sender report.
    pub fn learn(&mut self, clock: SourceClock) {
        let sample = clock.arrived.0.wrapping_sub(clock.ntp.0) as i64;
        self.least = Some(match self.least {
            // Clocks drift: the minimum rises slowly, so that it cannot get stuck at an old offset.
            Some(least) if sample > least => least.wrapping_add(sample.wrapping_sub(least) / 64),
            Some(_) | None => sample,
        });
    }

    /// Converts `ntp` from their clock to ours; `None` before the first report.
    pub fn ours(&self, ntp: NtpTime) -> Option<NtpTime> {
        Some(NtpTime(ntp.0.wrapping_add(self.least? as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::ntp::NtpClock;
    use shared::time::UnixMillis;
    use std::time::Duration;

    struct Fixture {
        receiver: Receiver,
        start: Instant,
        clock: NtpClock,
    }

    impl Fixture {
        fn new() -> Self {
            let start = crate::virtual_time::start();
            let clock = NtpClock::new(start, UnixMillis(1_700_000_000_000));
            Self { receiver: Receiver::new(7, 90_000, true), start, clock }
        }

        fn ntp(&self, ms: u64) -> NtpTime {
            self.clock.at(self.start + Duration::from_millis(ms))
        }

        fn packet(&mut self, ms: u64, sequence: u16, timestamp: u32) -> Option<u64> {
            let now = self.start + Duration::from_millis(ms);
            self.receiver.packet(now, self.clock.at(now), sequence, timestamp)
        }

        fn report(&mut self, ms: u64) -> ReportBlock {
            let now = self.ntp(ms);
            self.receiver.report(now).expect("packets came")
        }
    }

    /// Feeds sequence numbers and checks the resulting indices, relative to the first cycle.
    fn check(sequences: &[u16], expected: &[Option<u64>]) {
        let mut fixture = Fixture::new();
        let indices: Vec<_> =
            sequences.iter().map(|sequence| fixture.packet(0, *sequence, 0).map(|index| index - FIRST_CYCLE)).collect();
        assert_eq!(indices, expected, "{sequences:?}");
    }

    #[test]
    fn counts_wraps() {
        check(&[65_534, 65_535, 0, 1], &[Some(65_534), Some(65_535), Some(65_536), Some(65_537)]);
        check(&[65_535, 1, 0], &[Some(65_535), Some(65_537), Some(65_536)]);
    }

    #[test]
    fn packets_from_before_the_first_have_an_index() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.packet(0, 0, 0), Some(65_536));
        assert_eq!(fixture.packet(0, 65_535, 0), Some(65_535));
    }

    #[test]
    fn drops_duplicates_and_what_is_too_old() {
        check(&[5, 5, 7, 6, 6, 7], &[Some(5), None, Some(7), Some(6), None, None]);
        check(&[2_000, 977, 976], &[Some(2_000), Some(977), None]);
        check(&[2_000, 4_000, 2_000, 3_500], &[Some(2_000), Some(4_000), None, Some(3_500)]);
    }

    #[test]
    fn the_window_forgets_what_it_has_passed() {
        let mut fixture = Fixture::new();
        for sequence in 0..5_000 {
            assert!(fixture.packet(0, sequence, 0).is_some(), "{sequence}");
        }
        assert!((3_977..5_000).all(|sequence| fixture.packet(0, sequence, 0).is_none()));
    }

    #[test]
    fn reports_loss_since_the_last_report_and_in_all() {
        let mut fixture = Fixture::new();
        for sequence in [1, 2, 3, 4, 6, 7, 8] {
            fixture.packet(0, sequence, 0);
        }
        let first = fixture.report(0);
        assert_eq!((first.fraction_lost, first.packets_lost, first.highest_sequence), (32, 1, 8));
        for sequence in 9..17 {
            fixture.packet(0, sequence, 0);
        }
        let second = fixture.report(0);
        assert_eq!((second.fraction_lost, second.packets_lost, second.highest_sequence), (0, 1, 16));
        fixture.packet(0, 5, 0);
        fixture.packet(0, 5, 0);
        assert_eq!(fixture.report(0).packets_lost, -1, "duplicates count as received");
    }

    #[test]
    fn repairs_mend_the_stream_and_leave_the_loss_in_the_report() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.receiver.repair(fixture.start, 1), None, "nothing to mend yet");
        for sequence in [1, 2, 4] {
            fixture.packet(0, sequence, 0);
        }
        assert_eq!(fixture.receiver.repair(fixture.start, 3), Some(65_539));
        assert_eq!(fixture.receiver.repair(fixture.start, 3), None);
        assert_eq!(fixture.packet(0, 3, 0), None);
        assert_eq!(fixture.receiver.repair(fixture.start, 4), None);
        let report = fixture.report(0);
        assert_eq!((report.fraction_lost, report.packets_lost), (0, 0), "the original came after all");
    }

    #[test]
    fn reports_the_highest_sequence_with_its_cycles() {
        let mut fixture = Fixture::new();
        fixture.packet(0, 65_535, 0);
        fixture.packet(0, 4, 0);
        assert_eq!(fixture.report(0).highest_sequence, 65_540);
    }

    #[test]
    fn even_pace_has_no_jitter_and_uneven_pace_has() {
        let mut fixture = Fixture::new();
        for packet in 0..100 {
            fixture.packet(u64::from(packet) * 20, packet as u16, packet * 1_800);
        }
        assert!(fixture.report(2_000).jitter <= 1);
        for packet in 100..300 {
            let late = if packet % 2 == 0 { 0 } else { 10 };
            fixture.packet(u64::from(packet) * 20 + late, packet as u16, packet * 1_800);
        }
        // Each pair of packets differs by 10 ms: 900 ticks.
        let jitter = fixture.report(6_000).jitter;
        assert!((880..=900).contains(&jitter), "{jitter}");
    }

    #[test]
    fn echoes_the_sender_report() {
        let mut fixture = Fixture::new();
        fixture.packet(0, 1, 0);
        assert_eq!((fixture.report(0).last_sender_report, fixture.report(0).delay_since_sender_report), (0, 0));
        let ntp = NtpTime::from_words(0x0001_2345, 0x6789_0000);
        let arrived = fixture.ntp(1_000);
        fixture.receiver.sender_report(ntp, 90, arrived);
        let report = fixture.report(1_500);
        assert_eq!((report.last_sender_report, report.delay_since_sender_report), (0x2345_6789, 32_768));
    }

    #[test]
    fn the_clock_offset_trusts_the_least_delayed_report() {
        let second = 1u64 << 32;
        let clock = |theirs: u64, arrived: u64| SourceClock {
            ntp: NtpTime(theirs * second),
            rtp_timestamp: 0,
            arrived: NtpTime(arrived * second / 10),
        };
        let mut offset = ClockOffset::default();
        assert_eq!(offset.ours(NtpTime(0)), None);
        offset.learn(clock(100, 2_001));
        offset.learn(clock(101, 2_010));
        assert_eq!(offset.ours(NtpTime(200 * second)), Some(NtpTime(300 * second)));
        offset.learn(clock(102, 2_084));
        let ours = offset.ours(NtpTime(200 * second)).map(|ntp| ntp.nanos_since(NtpTime(300 * second)) / 1_000_000);
        assert!(ours.is_some_and(|ms| (99..=100).contains(&ms)), "a sixty-fourth of 6.4 s: {ours:?}");
    }
}
