//! Arrival times by transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use super::format::{Body, Full};
use std::time::Duration;

pub const TICK: Duration = Duration::from_micros(250);
/// Ticks in a unit of the reference time.
const REFERENCE_TICKS: u64 = 256;
/// Most packets of one report: with 2 bytes of time each, and their statuses, they fit into a compound.
pub const REPORT_PACKETS_MAX: usize = 400;
/// Longest run that one chunk can encode.
const RUN_MAX: usize = 0x1fff;
/// Statuses in a chunk with one bit each, and with two.
const ONE_BIT_STATUSES: usize = 14;
const TWO_BIT_STATUSES: usize = 7;
/// Status of a packet: its time is omitted, or takes one byte, or two.
const MISSING: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;

/// Arrivals to report.
#[derive(Clone, Copy, Debug)]
pub struct Report<I> {
    /// Any stream of the sender.
    pub ssrc: u32,
    /// Transport-wide sequence number of the first packet.
    pub first: u16,
    /// Counts the reports, so that a lost one is noticed.
    pub number: u8,
    /// Ticks from any origin, for the first packet and those that follow it; `None` if the packet has not arrived.
    pub arrivals: I,
}

/// Writes the body of a report after its two SSRCs; returns the number of covered packets. A report ends at a jump in
/// time of more than 8 s, and after [`REPORT_PACKETS_MAX`].
pub(super) fn write<I>(packet: &mut Body<'_>, report: Report<I>) -> Result<usize, Full>
where
    I: Iterator<Item = Option<u64>> + Clone,
{
    let reference = report.arrivals.clone().flatten().next().unwrap_or(0) / REFERENCE_TICKS;
    let mut statuses = [MISSING; REPORT_PACKETS_MAX];
    let mut told = 0;
    let mut previous = reference * REFERENCE_TICKS;
    for (status, arrival) in statuses.iter_mut().zip(report.arrivals.clone()) {
        if let Some(ticks) = arrival {
            *status = match delta(previous, ticks) {
                Some(0..=0xff) => SMALL,
                Some(_) => LARGE,
                None => break,
            };
            previous = ticks;
        }
        told += 1;
    }
    let statuses = statuses.get(..told).unwrap_or_default();
    packet.word(u32::from(report.first) << 16 | told as u32)?;
    packet.word((reference as u32 & 0x00ff_ffff) << 8 | u32::from(report.number))?;
    write_chunks(packet, statuses)?;
    previous = reference * REFERENCE_TICKS;
    for ticks in report.arrivals.take(told).flatten() {
        match delta(previous, ticks) {
            Some(small @ 0..=0xff) => packet.bytes(&[small as u8])?,
            Some(large) => packet.bytes(&large.to_be_bytes())?,
            None => return Err(Full),
        }
        previous = ticks;
    }
    packet.pad()?;
    Ok(told)
}

fn delta(previous: u64, ticks: u64) -> Option<i16> {
    i16::try_from(ticks as i64 - previous as i64).ok()
}

fn write_chunks(packet: &mut Body<'_>, mut statuses: &[u8]) -> Result<(), Full> {
    while let Some(first) = statuses.first() {
        let run = statuses.iter().take(RUN_MAX).take_while(|status| *status == first).count();
        let one_bit = statuses.get(..ONE_BIT_STATUSES).unwrap_or(statuses);
        let (chunk, told) = if run > ONE_BIT_STATUSES || run == statuses.len() {
            (u16::from(*first) << 13 | run as u16, run)
        } else if one_bit.iter().all(|status| *status != LARGE) {
            let bits = one_bit.iter().enumerate().map(|(place, status)| u16::from(*status) << (13 - place));
            (0x8000 | bits.sum::<u16>(), one_bit.len())
        } else {
            let two_bit = statuses.get(..TWO_BIT_STATUSES).unwrap_or(statuses);
            let bits = two_bit.iter().enumerate().map(|(place, status)| u16::from(*status) << (12 - 2 * place));
            (0xc000 | bits.sum::<u16>(), two_bit.len())
        };
        packet.bytes(&chunk.to_be_bytes())?;
        statuses = statuses.get(told..).unwrap_or_default();
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// Transport-wide sequence number of the first packet.
    pub first: u16,
    pub packets: u16,
    /// The start of its times, in 64 ms from the receiver's origin, as a signed 24-bit number.
    pub reference: i32,
    pub number: u8,
    chunks: &'a [[u8; 2]],
    times: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Reads the part after the SSRCs; `None` if it has fewer statuses or times than announced.
    pub(super) fn read(information: &'a [u8]) -> Option<Self> {
        let ([f0, f1, p0, p1, r0, r1, r2, number], rest) = information.split_first_chunk::<8>()?;
        let packets = u16::from_be_bytes([*p0, *p1]);
        let mut chunk_count = 0;
        let mut missing = usize::from(packets);
        let mut time_bytes = 0;
        for chunk in rest.as_chunks::<2>().0 {
            if missing == 0 {
                break;
            }
            let chunk = Chunk::read(*chunk);
            let told = chunk.statuses().min(missing);
            time_bytes += chunk.time_bytes(told);
            missing -= told;
            chunk_count += 1;
        }
        let (chunks, times) = rest.split_at_checked(2 * chunk_count)?;
        (missing == 0 && time_bytes <= times.len()).then_some(Self {
            first: u16::from_be_bytes([*f0, *f1]),
            packets,
            reference: i32::from_be_bytes([*r0, *r1, *r2, 0]) >> 8,
            number: *number,
            chunks: chunks.as_chunks::<2>().0,
            times,
        })
    }

    /// Each packet's transport-wide sequence number, and its arrival in ticks from the receiver's origin.
    pub fn arrivals(&self) -> Told<'a> {
        Told {
            next: self.first,
            packets: self.packets,
            ticks: i64::from(self.reference) * REFERENCE_TICKS as i64,
            chunks: self.chunks,
            chunk: Chunk::EMPTY,
            place: 0,
            times: self.times,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    next: u16,
    packets: u16,
    ticks: i64,
    /// Those after `chunk`.
    chunks: &'a [[u8; 2]],
    chunk: Chunk,
    /// Its statuses that were returned already.
    place: usize,
    times: &'a [u8],
}

impl Iterator for Told<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.packets = self.packets.checked_sub(1)?;
        // A run may be empty.
        while self.place >= self.chunk.statuses() {
            let (chunk, rest) = self.chunks.split_first()?;
            (self.chunks, self.chunk, self.place) = (rest, Chunk::read(*chunk), 0);
        }
        let status = self.chunk.status(self.place);
        self.place += 1;
        let sequence = self.next;
        self.next = self.next.wrapping_add(1);
        let (time, rest) = self.times.split_at_checked(time_bytes_of(status))?;
        self.times = rest;
        let delta = match *time {
            [small] => i64::from(small),
            [l0, l1] => i64::from(i16::from_be_bytes([l0, l1])),
            _ => return Some((sequence, None)),
        };
        self.ticks += delta;
        Some((sequence, Some(self.ticks)))
    }
}

/// Statuses of some packets (§3.1.2).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    Run { status: u8, length: usize },
    OneBit(u16),
    TwoBit(u16),
}

impl Chunk {
    const EMPTY: Self = Self::Run { status: MISSING, length: 0 };

    fn read(bytes: [u8; 2]) -> Self {
        let chunk = u16::from_be_bytes(bytes);
        match chunk >> 14 {
            0 | 1 => Self::Run { status: (chunk >> 13 & 3) as u8, length: usize::from(chunk) & RUN_MAX },
            2 => Self::OneBit(chunk),
            _ => Self::TwoBit(chunk),
        }
    }

    fn statuses(self) -> usize {
        match self {
            Self::Run { length, .. } => length,
            Self::OneBit(_) => ONE_BIT_STATUSES,
            Self::TwoBit(_) => TWO_BIT_STATUSES,
        }
    }

    /// Bytes of the times of the first `told` packets.
    fn time_bytes(self, told: usize) -> usize {
        match self {
            Self::Run { status, .. } => told * time_bytes_of(status),
            Self::OneBit(_) | Self::TwoBit(_) => (0..told).map(|place| time_bytes_of(self.status(place))).sum(),
        }
    }

    fn status(self, place: usize) -> u8 {
        match self {
            Self::Run { status, .. } => status,
            Self::OneBit(chunk) => (chunk >> 13_usize.saturating_sub(place) & 1) as u8,
            Self::TwoBit(chunk) => (chunk >> 12_usize.saturating_sub(2 * place) & 3) as u8,
        }
    }
}

/// Status 3 is reserved; a packet with that status has no time.
const fn time_bytes_of(status: u8) -> usize {
    match status {
        SMALL => 1,
        LARGE => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::Writer;
    use super::super::{Compound, Packet};
    use super::*;

    fn written(first: u16, arrivals: &[Option<u64>]) -> (Vec<u8>, usize) {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        let report = Report { ssrc: 2, first, number: 9, arrivals: arrivals.iter().copied() };
        let told = writer.transport_feedback(1, report).expect("room");
        let length = writer.bytes();
        (buffer[..length].to_vec(), told)
    }

    fn read(bytes: &[u8]) -> Vec<(u16, Option<i64>)> {
        let mut packets = Compound::parse(bytes).expect("well formed");
        let Some(Packet::TransportCongestion(feedback)) = packets.next() else { panic!("no feedback") };
        assert_eq!((feedback.number, packets.next()), (9, None));
        feedback.arrivals().collect()
    }

    fn check(first: u16, arrivals: &[Option<u64>]) {
        let (bytes, told) = written(first, arrivals);
        assert_eq!(told, arrivals.len());
        let expected = (0..).zip(arrivals).map(|(place, at)| (first.wrapping_add(place), at.map(|at| at as i64)));
        assert_eq!(read(&bytes), expected.collect::<Vec<_>>());
    }

    #[test]
    fn reports_are_read_back() {
        check(7, &[Some(1_000)]);
        check(65_533, &[Some(1_000), None, Some(1_001), Some(990), None, None, Some(30_000), Some(30_255)]);
        let sparse: Vec<_> = (0..300).map(|place| (place % 3 == 0).then_some(5_000 + place * 4)).collect();
        check(0, &sparse);
        let rough: Vec<_> =
            (0..300).map(|place| (place % 5 != 0).then_some(50_000 + place * 40 + (place % 17) * 400)).collect();
        check(0, &rough);
        let even: Vec<_> = (0..400).map(|place| Some(place * 4)).collect();
        check(0, &even);
        assert_eq!(written(0, &even).0.len(), 20 + 2 + 400 + 2, "one run");
        check(0, &[None; 20]);
        check(0, &[]);
    }

    #[test]
    fn a_report_ends_where_times_leap_and_where_it_is_full() {
        assert_eq!(written(0, &[Some(0), Some(32_767), None, Some(70_000)]).1, 3);
        assert_eq!(written(0, &[Some(5); 1_000]).1, REPORT_PACKETS_MAX);
        let worst: Vec<_> = (0..1_000).map(|place| Some(place * 300)).collect();
        let (bytes, told) = written(0, &worst);
        assert_eq!((told, read(&bytes).len()), (REPORT_PACKETS_MAX, REPORT_PACKETS_MAX));
        assert!(bytes.len() < 1_000, "{}", bytes.len());
    }

    #[test]
    fn reads_the_bytes_of_another_implementation() {
        // Base 1, 3 packets, reference 2, number 9; a two-bit vector: small, missing, large and negative.
        let information = [0, 1, 0, 3, 0, 0, 2, 9, 0b1101_0010, 0, 4, 0xff, 0xfe, 0];
        let feedback = Feedback::read(&information).expect("well formed");
        assert_eq!(feedback.arrivals().collect::<Vec<_>>(), [(1, Some(516)), (2, None), (3, Some(514))]);
        let empty_run = [0, 1, 0, 1, 0, 0, 0, 0, 0x20, 0, 0x20, 1, 5];
        let arrivals: Vec<_> = Feedback::read(&empty_run).expect("well formed").arrivals().collect();
        assert_eq!(arrivals, [(1, Some(5))]);
        let negative = [0, 1, 0, 1, 0xff, 0xff, 0xff, 0, 0x20, 1, 0];
        let arrivals: Vec<_> = Feedback::read(&negative).expect("well formed").arrivals().collect();
        assert_eq!(arrivals, [(1, Some(-256))]);
    }

    #[test]
    fn refuses_what_tells_less_than_it_promises() {
        for information in [
            &[0, 1, 0, 3, 0, 0, 2][..],
            &[0, 1, 0, 3, 0, 0, 2, 9],
            &[0, 1, 0, 3, 0, 0, 2, 9, 0x20, 3, 4, 4],
            &[0, 1, 0xff, 0xff, 0, 0, 2, 9, 0, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(Feedback::read(information), None, "{information:?}");
        }
    }
}
