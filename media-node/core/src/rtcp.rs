//! RTCP compound packets (RFC 3550 §6, RFC 4585, RFC 5104, REMB), read in place.

mod format;
pub mod ntp;
pub mod transport_feedback;
pub mod write;

pub use format::ReportBlock;

use format::{
    APPLICATION_LAYER, FULL_INTRA, GOODBYE, NACK, PAYLOAD_FEEDBACK, PICTURE_LOSS, RECEIVER_REPORT, SENDER_REPORT,
    SOURCE_DESCRIPTION, TRANSPORT_CC, TRANSPORT_FEEDBACK,
};
use ntp::NtpTime;
use transport_feedback::Feedback;

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A sender's counters, and its clock.
    SenderReport(SenderReport<'a>),
    ReceiverReport(ReportBlocks<'a>),
    /// Names of sources; the edge has sent all we need.
    SourceDescription,
    /// These streams have ended.
    Goodbye(Words<'a>),
    /// Packets that the receiver lacks.
    Nack {
        media_ssrc: u32,
        lost: Lost<'a>,
    },
    /// The receiver cannot decode and requests a key frame.
    PictureLoss {
        media_ssrc: u32,
    },
    /// A request for a key frame, with a command number.
    FullIntraRequest(FullIntraEntries<'a>),
    /// The receiver's bandwidth estimate.
    Estimate {
        /// For all the streams together.
        bitrate_bps: u64,
        ssrcs: Words<'a>,
    },
    /// Arrival times for transport-wide congestion control.
    TransportCongestion(Feedback<'a>),
    /// Well framed, and of an unused kind.
    Unknown {
        packet_type: u8,
    },
    /// Well framed, with an invalid body.
    Malformed {
        packet_type: u8,
    },
}

#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks that `datagram` is a chain of RTCP packets that ends where it says (RFC 3550 §A.2). Reduced-size
    /// compounds are accepted (RFC 5506), so any type may come first.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let mut rest = datagram;
        while !rest.is_empty() {
            rest = Frame::split(rest)?.1;
        }
        (!datagram.is_empty()).then_some(Self { rest: datagram })
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (frame, rest) = Frame::split(self.rest)?;
        self.rest = rest;
        let packet_type = frame.packet_type;
        Some(frame.read().unwrap_or(Packet::Malformed { packet_type }))
    }
}

/// One packet with an unparsed body.
struct Frame<'a> {
    /// Report count, source count or feedback message type.
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let ([flags, packet_type, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
        if flags >> 6 != 2 {
            return None;
        }
        let (body, rest) = rest.split_at_checked(4 * usize::from(u16::from_be_bytes([*l0, *l1])))?;
        let padding = if flags & 0x20 == 0 { 0 } else { usize::from(*body.last()?) };
        let body = body.get(..body.len().checked_sub(padding)?)?;
        Some((Self { count: flags & 0x1f, packet_type: *packet_type, body }, rest))
    }

    fn read(&self) -> Option<Packet<'a>> {
        Some(match (self.packet_type, self.count) {
            (SENDER_REPORT, _) => Packet::SenderReport(SenderReport::read(self)?),
            (RECEIVER_REPORT, _) => Packet::ReceiverReport(ReportBlocks::read(self.body.get(4..)?, self.count)?),
            (SOURCE_DESCRIPTION, _) => Packet::SourceDescription,
            (GOODBYE, count) => Packet::Goodbye(Words::read(self.body, usize::from(count))?),
            (TRANSPORT_FEEDBACK, NACK) => {
                let (media_ssrc, lost) = self.feedback()?;
                Packet::Nack { media_ssrc, lost: Lost::read(lost) }
            }
            (TRANSPORT_FEEDBACK, TRANSPORT_CC) => Packet::TransportCongestion(Feedback::read(self.feedback()?.1)?),
            (PAYLOAD_FEEDBACK, PICTURE_LOSS) => Packet::PictureLoss { media_ssrc: self.feedback()?.0 },
            (PAYLOAD_FEEDBACK, FULL_INTRA) => {
                Packet::FullIntraRequest(FullIntraEntries { entries: self.feedback()?.1.as_chunks::<8>().0 })
            }
            (PAYLOAD_FEEDBACK, APPLICATION_LAYER) => read_estimate(self.feedback()?.1).unwrap_or(self.unknown()),
            _ => self.unknown(),
        })
    }

    /// SSRC of the media and the feedback control information (RFC 4585 §6.1).
    fn feedback(&self) -> Option<(u32, &'a [u8])> {
        let (ssrcs, information) = self.body.split_first_chunk::<8>()?;
        Some((word(ssrcs, 1)?, information))
    }

    fn unknown(&self) -> Packet<'a> {
        Packet::Unknown { packet_type: self.packet_type }
    }
}

/// A sender's information about its stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport<'a> {
    pub ssrc: u32,
    /// The sender's wall clock at the time of writing.
    pub ntp: NtpTime,
    /// The same time in the stream's timestamps.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began.
    pub packets: u32,
    /// Payload bytes sent since the stream began.
    pub octets: u32,
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    fn read(frame: &Frame<'a>) -> Option<Self> {
        let (head, blocks) = frame.body.split_first_chunk::<24>()?;
        Some(Self {
            ssrc: word(head, 0)?,
            ntp: NtpTime::from_words(word(head, 1)?, word(head, 2)?),
            rtp_timestamp: word(head, 3)?,
            packets: word(head, 4)?,
            octets: word(head, 5)?,
            blocks: ReportBlocks::read(blocks, frame.count)?,
        })
    }
}

/// The report blocks of a sender or receiver report, at most 31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlocks<'a> {
    blocks: &'a [[u8; 24]],
}

impl<'a> ReportBlocks<'a> {
    fn read(bytes: &'a [u8], count: u8) -> Option<Self> {
        Some(Self { blocks: bytes.as_chunks::<24>().0.get(..usize::from(count))? })
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.blocks.split_first()?;
        self.blocks = rest;
        let loss = word(block, 1)?;
        Some(ReportBlock {
            ssrc: word(block, 0)?,
            fraction_lost: (loss >> 24) as u8,
            // RFC 3550 §6.4.1: a signed number of 24 bits; duplicates make it negative.
            packets_lost: ((loss << 8) as i32) >> 8,
            highest_sequence: word(block, 2)?,
            jitter: word(block, 3)?,
            last_sender_report: word(block, 4)?,
            delay_since_sender_report: word(block, 5)?,
        })
    }
}

/// A list of 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    words: &'a [[u8; 4]],
}

impl<'a> Words<'a> {
    fn read(bytes: &'a [u8], count: usize) -> Option<Self> {
        Some(Self { words: bytes.as_chunks::<4>().0.get(..count)? })
    }
}

impl Iterator for Words<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(u32::from_be_bytes(*word))
    }
}

/// Sequence numbers listed by a generic NACK (RFC 4585 §6.2.1): each entry is one and a mask of the next 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost<'a> {
    entries: &'a [[u8; 4]],
    /// First sequence number of the current entry, and its remaining bits; bit 0 stands for that number.
    current: (u16, u32),
}

impl<'a> Lost<'a> {
    fn read(information: &'a [u8]) -> Self {
        Self { entries: information.as_chunks::<4>().0, current: (0, 0) }
    }
}

impl Iterator for Lost<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.current.1 == 0 {
            let ([p0, p1, m0, m1], rest) = self.entries.split_first()?;
            self.entries = rest;
            let mask = u32::from(u16::from_be_bytes([*m0, *m1]));
            self.current = (u16::from_be_bytes([*p0, *p1]), mask << 1 | 1);
        }
        let (first, bits) = self.current;
        let bit = bits.trailing_zeros();
        self.current.1 &= bits - 1;
        Some(first.wrapping_add(bit as u16))
    }
}

/// Streams that should restart with a key frame (RFC 5104 §4.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullIntraEntries<'a> {
    entries: &'a [[u8; 8]],
}

impl Iterator for FullIntraEntries<'_> {
    /// SSRC and command number.
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let (entry, rest) = self.entries.split_first()?;
        self.entries = rest;
        Some((word(entry, 0)?, entry[4]))
    }
}

/// Reads a REMB message (draft-alvestrand-rmcat-remb §2.2), an application layer feedback with its own name.
fn read_estimate(information: &[u8]) -> Option<Packet<'_>> {
    let ([b'R', b'E', b'M', b'B', count, e0, m0, m1], ssrcs) = information.split_first_chunk::<8>()? else {
        return None;
    };
    let mantissa = u64::from(u32::from_be_bytes([0, e0 & 0x03, *m0, *m1]));
    // An exponent can be up to 63: a bitrate that does not fit means no limit.
    let bitrate_bps = mantissa.checked_shl((e0 >> 2).into()).filter(|bps| bps >> (e0 >> 2) == mantissa);
    let ssrcs = Words::read(ssrcs, usize::from(*count))?;
    Some(Packet::Estimate { bitrate_bps: bitrate_bps.unwrap_or(u64::MAX), ssrcs })
}

/// The `index`-th 32-bit word.
fn word(bytes: &[u8], index: usize) -> Option<u32> {
    bytes.as_chunks::<4>().0.get(index).map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(count: u8, packet_type: u8, words: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0x80 | count, packet_type];
        bytes.extend_from_slice(&(words.len() as u16).to_be_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        bytes
    }

    fn check(bytes: &[u8], expected: &[Packet<'_>]) {
        let packets: Option<Vec<_>> = Compound::parse(bytes).map(Iterator::collect);
        assert_eq!(packets.as_deref(), Some(expected));
    }

    #[test]
    fn reads_a_sender_report_with_a_block() {
        let bytes = frame(1, 200, &[7, 1, 2, 3, 4, 5, 9, 0x40ff_ffff, 0x0001_0002, 11, 12, 13]);
        let Some(Packet::SenderReport(mut report)) = Compound::parse(&bytes).and_then(|mut packets| packets.next())
        else {
            panic!("no sender report");
        };
        assert_eq!((report.ssrc, report.ntp, report.rtp_timestamp), (7, NtpTime::from_words(1, 2), 3));
        assert_eq!((report.packets, report.octets), (4, 5));
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 0x40,
            packets_lost: -1,
            highest_sequence: 0x0001_0002,
            jitter: 11,
            last_sender_report: 12,
            delay_since_sender_report: 13,
        };
        assert_eq!(report.blocks.next(), Some(block));
        assert_eq!(report.blocks.next(), None);
    }

    #[test]
    fn reads_nacks_with_their_masks() {
        let bytes = frame(1, 205, &[1, 77, 0xffff_8001, 0x0010_0000]);
        let Some(Packet::Nack { media_ssrc: 77, lost }) = Compound::parse(&bytes).and_then(|mut p| p.next()) else {
            panic!("no nack");
        };
        assert_eq!(lost.collect::<Vec<_>>(), [0xffff, 0, 15, 16]);
    }

    #[test]
    fn reads_key_frame_requests() {
        check(&frame(1, 206, &[1, 77]), &[Packet::PictureLoss { media_ssrc: 77 }]);
        let bytes = frame(4, 206, &[1, 0, 77, 0x0500_0000, 78, 0x0600_0000]);
        let Some(Packet::FullIntraRequest(entries)) = Compound::parse(&bytes).and_then(|mut p| p.next()) else {
            panic!("no request");
        };
        assert_eq!(entries.collect::<Vec<_>>(), [(77, 5), (78, 6)]);
    }

    #[test]
    fn reads_estimates_and_saturates_absurd_ones() {
        let remb = u32::from_be_bytes(*b"REMB");
        let ssrcs = [[0, 0, 0, 9]];
        let expected = |bitrate_bps| Packet::Estimate { bitrate_bps, ssrcs: Words { words: &ssrcs } };
        check(&frame(15, 206, &[1, 0, remb, 0x0100_0000 | 2 << 18 | 250_000, 9]), &[expected(1_000_000)]);
        check(&frame(15, 206, &[1, 0, remb, 0x0100_0000 | 63 << 18 | 250_000, 9]), &[expected(u64::MAX)]);
        check(&frame(15, 206, &[1, 0, 0x0102_0304, 5]), &[Packet::Unknown { packet_type: 206 }]);
        check(&frame(15, 206, &[1, 0, remb, 0x0200_0000, 9]), &[Packet::Unknown { packet_type: 206 }]);
    }

    #[test]
    fn reads_several_packets_and_passes_over_unknown_ones() {
        let mut bytes = frame(0, 201, &[1]);
        bytes.extend(frame(1, 202, &[1, 0]));
        bytes.extend(frame(15, 205, &[1, 2, 0x0007_0001, 0, 0x2001_0500]));
        bytes.extend(frame(3, 207, &[1]));
        bytes.extend(frame(2, 203, &[5, 6]));
        let feedback = Feedback::read(&[0, 7, 0, 1, 0, 0, 0, 0, 0x20, 1, 5, 0]).expect("well formed");
        let expected = [
            Packet::ReceiverReport(ReportBlocks { blocks: &[] }),
            Packet::SourceDescription,
            Packet::TransportCongestion(feedback),
            Packet::Unknown { packet_type: 207 },
            Packet::Goodbye(Words { words: &[[0, 0, 0, 5], [0, 0, 0, 6]] }),
        ];
        check(&bytes, &expected);
    }

    #[test]
    fn a_short_body_spoils_only_its_own_packet() {
        for (count, packet_type) in [(0, 200), (1, 201), (1, 203), (1, 205), (15, 205), (1, 206), (4, 206), (15, 206)] {
            let mut bytes = frame(count, packet_type, &[]);
            bytes.extend(frame(1, 206, &[1, 77]));
            check(&bytes, &[Packet::Malformed { packet_type }, Packet::PictureLoss { media_ssrc: 77 }]);
        }
    }

    #[test]
    fn padding_at_the_end_is_taken_off() {
        let mut bytes = frame(1, 206, &[1, 77, 4]);
        bytes[0] |= 0x20;
        check(&bytes, &[Packet::PictureLoss { media_ssrc: 77 }]);
        bytes[15] = 13;
        assert!(Compound::parse(&bytes).is_none(), "more padding than packet");
    }

    #[test]
    fn refuses_chains_that_do_not_end_where_they_say() {
        let whole = frame(1, 206, &[1, 77]);
        for length in 0..whole.len() {
            assert!(Compound::parse(&whole[..length]).is_none(), "{length}");
        }
        assert!(Compound::parse(&[0x40, 200, 0, 0]).is_none(), "version 1");
    }
}
