//! Writes consecutive RTCP packets into a buffer.

pub use super::format::Full;
use super::format::{
    APPLICATION_LAYER, Body, NACK, PAYLOAD_FEEDBACK, PICTURE_LOSS, RECEIVER_REPORT, ReportBlock, SENDER_REPORT,
    SOURCE_DESCRIPTION, TRANSPORT_CC, TRANSPORT_FEEDBACK,
};
use super::ntp::NtpTime;
use super::transport_feedback::{self, Report};

/// Most report blocks of one packet: the count has five bits.
pub const REPORT_BLOCKS_MAX: usize = 31;
/// Most streams one estimate may name: the count has eight bits.
const ESTIMATE_SSRCS_MAX: usize = 255;

/// A compound packet under construction.
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

/// Content of a sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub ssrc: u32,
    pub ntp: NtpTime,
    /// The same time in the stream's timestamps.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began.
    pub packets: u32,
    /// Payload bytes sent since the stream began.
    pub octets: u32,
}

impl<'b> Writer<'b> {
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    pub fn bytes(&self) -> usize {
        self.length
    }

    /// Adds a sender report (RFC 3550 §6.4.1) without report blocks.
    pub fn sender_report(&mut self, sent: Sent) -> Result<(), Full> {
        self.packet(SENDER_REPORT, |packet| {
            packet.word(sent.ssrc)?;
            packet.word((sent.ntp.0 >> 32) as u32)?;
            packet.word(sent.ntp.0 as u32)?;
            packet.word(sent.rtp_timestamp)?;
            packet.word(sent.packets)?;
            packet.word(sent.octets)?;
            Ok(0)
        })
    }

    /// Adds a receiver report (RFC 3550 §6.4.2); blocks beyond the 31st are omitted.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: impl Iterator<Item = ReportBlock>) -> Result<(), Full> {
        self.packet(RECEIVER_REPORT, |packet| {
            packet.word(ssrc)?;
            let mut count = 0;
            for block in blocks.take(REPORT_BLOCKS_MAX) {
                packet.word(block.ssrc)?;
                packet.word(u32::from(block.fraction_lost) << 24 | block.packets_lost as u32 & 0x00ff_ffff)?;
                packet.word(block.highest_sequence)?;
                packet.word(block.jitter)?;
                packet.word(block.last_sender_report)?;
                packet.word(block.delay_since_sender_report)?;
                count += 1;
            }
            Ok(count)
        })
    }

    /// Adds the canonical name of a source (RFC 3550 §6.5.1), truncated to 255 bytes.
    pub fn canonical_name(&mut self, ssrc: u32, name: &[u8]) -> Result<(), Full> {
        const CNAME: u8 = 1;
        let name = name.get(..255).unwrap_or(name);
        self.packet(SOURCE_DESCRIPTION, |packet| {
            packet.word(ssrc)?;
            packet.bytes(&[CNAME, name.len() as u8])?;
            packet.bytes(name)?;
            // RFC 3550 §6.5: the list ends with one to four zero bytes, up to a whole word.
            packet.bytes([0; 4].get(..4 - (2 + name.len()) % 4).unwrap_or(&[0; 4]))?;
            Ok(1)
        })
    }

    /// Adds a generic NACK (RFC 4585 §6.2.1). Close ascending sequence numbers share entries.
    pub fn nack(&mut self, sender: u32, media: u32, lost: impl Iterator<Item = u16>) -> Result<(), Full> {
        self.packet(TRANSPORT_FEEDBACK, |packet| {
            packet.word(sender)?;
            packet.word(media)?;
            let mut entry: Option<(u16, u16)> = None;
            for sequence in lost {
                let distance = entry.map_or(0, |(first, _)| sequence.wrapping_sub(first));
                entry = match entry {
                    Some((first, mask)) if (1..=16).contains(&distance) => Some((first, mask | 1 << (distance - 1))),
                    Some((first, mask)) if distance != 0 => {
                        packet.word(u32::from(first) << 16 | u32::from(mask))?;
                        Some((sequence, 0))
                    }
                    Some(same) => Some(same),
                    None => Some((sequence, 0)),
                };
            }
            if let Some((first, mask)) = entry {
                packet.word(u32::from(first) << 16 | u32::from(mask))?;
            }
            Ok(NACK)
        })
    }

    /// Adds a request for a key frame (PLI, RFC 4585 §6.3.1).
    pub fn picture_loss(&mut self, sender: u32, media: u32) -> Result<(), Full> {
        self.packet(PAYLOAD_FEEDBACK, |packet| {
            packet.word(sender)?;
            packet.word(media)?;
            Ok(PICTURE_LOSS)
        })
    }

    /// Adds an estimate of the bandwidth to us (REMB); streams beyond the 255th are omitted.
    pub fn estimate(&mut self, sender: u32, bitrate_bps: u64, ssrcs: &[u32]) -> Result<(), Full> {
        let ssrcs = ssrcs.get(..ESTIMATE_SSRCS_MAX).unwrap_or(ssrcs);
        // The mantissa has 18 bits.
        let exponent = (64 - bitrate_bps.leading_zeros()).saturating_sub(18);
        let mantissa = (bitrate_bps >> exponent) as u32;
        self.packet(PAYLOAD_FEEDBACK, |packet| {
            packet.word(sender)?;
            packet.word(0)?;
            packet.bytes(b"REMB")?;
            packet.word((ssrcs.len() as u32) << 24 | exponent << 18 | mantissa)?;
            ssrcs.iter().try_for_each(|ssrc| packet.word(*ssrc))?;
            Ok(APPLICATION_LAYER)
        })
    }

    /// Adds arrival times; returns the number of covered packets. The others need another report.
    pub fn transport_feedback<I>(&mut self, sender: u32, report: Report<I>) -> Result<usize, Full>
    where
        I: Iterator<Item = Option<u64>> + Clone,
    {
        let mut told = 0;
        self.packet(TRANSPORT_FEEDBACK, |packet| {
            packet.word(sender)?;
            packet.word(report.ssrc)?;
            told = transport_feedback::write(packet, report)?;
            Ok(TRANSPORT_CC)
        })?;
        Ok(told)
    }

    /// Adds one packet; `body` writes its body and returns the count field.
    fn packet(&mut self, packet_type: u8, body: impl FnOnce(&mut Body<'_>) -> Result<u8, Full>) -> Result<(), Full> {
        let free = self.buffer.get_mut(self.length..).ok_or(Full)?;
        let (header, free) = free.split_first_chunk_mut::<4>().ok_or(Full)?;
        let mut packet = Body { free, length: 0, is_padded: false };
        let count = body(&mut packet)?;
        let words = u16::try_from(packet.length / 4).map_err(|_| Full)?;
        self.length += 4 + packet.length;
        let [l0, l1] = words.to_be_bytes();
        *header = [0x80 | u8::from(packet.is_padded) << 5 | count, packet_type, l0, l1];
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Compound, Packet};
    use super::*;

    fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>) -> Vec<u8> {
        let mut buffer = [0xee; 1_200];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer).expect("room");
        let length = writer.bytes();
        buffer[..length].to_vec()
    }

    fn check(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Full>, test: impl FnOnce(Packet<'_>)) {
        let bytes = written(write);
        let mut compound = Compound::parse(&bytes).expect("well formed");
        test(compound.next().expect("a packet"));
        assert_eq!(compound.next(), None);
    }

    #[test]
    fn sender_reports_are_read_back() {
        let sent = Sent { ssrc: 1, ntp: NtpTime::from_words(2, 3), rtp_timestamp: 4, packets: 5, octets: 6 };
        check(
            |writer| writer.sender_report(sent),
            |packet| match packet {
                Packet::SenderReport(r) => {
                    assert_eq!(Sent { ssrc: r.ssrc, ntp: r.ntp, rtp_timestamp: 4, packets: 5, octets: 6 }, sent);
                    assert_eq!((r.rtp_timestamp, r.packets, r.octets, r.blocks.count()), (4, 5, 6, 0));
                }
                other => panic!("{other:?}"),
            },
        );
    }

    #[test]
    fn receiver_reports_are_read_back_and_hold_31_blocks() {
        let block = |ssrc| ReportBlock {
            ssrc,
            fraction_lost: 200,
            packets_lost: -5,
            highest_sequence: 70_000,
            jitter: 1,
            last_sender_report: 2,
            delay_since_sender_report: 3,
        };
        check(
            |writer| writer.receiver_report(9, (0..40).map(block)),
            |packet| match packet {
                Packet::ReceiverReport(blocks) => {
                    assert_eq!(blocks.collect::<Vec<_>>(), (0..31).map(block).collect::<Vec<_>>());
                }
                other => panic!("{other:?}"),
            },
        );
    }

    #[test]
    fn nacks_are_read_back() {
        for lost in [vec![7], vec![7, 8, 23, 24], vec![65_530, 65_535, 0, 10, 300], vec![5, 5], vec![]] {
            check(
                |writer| writer.nack(1, 2, lost.iter().copied()),
                |packet| match packet {
                    Packet::Nack { media_ssrc: 2, lost: read } => {
                        let mut expected = lost.clone();
                        expected.dedup();
                        assert_eq!(read.collect::<Vec<_>>(), expected);
                    }
                    other => panic!("{other:?}"),
                },
            );
        }
    }

    #[test]
    fn near_losses_share_an_entry() {
        assert_eq!(written(|writer| writer.nack(1, 2, 100..117)).len(), 16);
        assert_eq!(written(|writer| writer.nack(1, 2, 100..118)).len(), 20);
    }

    #[test]
    fn key_frame_requests_and_estimates_are_read_back() {
        check(|writer| writer.picture_loss(1, 2), |packet| assert_eq!(packet, Packet::PictureLoss { media_ssrc: 2 }));
        for bitrate in [0, 1, 262_143, 262_144, 5_000_000, u64::MAX] {
            check(
                |writer| writer.estimate(1, bitrate, &[4, 5]),
                |packet| match packet {
                    Packet::Estimate { bitrate_bps, ssrcs } => {
                        assert!(bitrate_bps <= bitrate && bitrate - bitrate_bps <= bitrate >> 17, "{bitrate}");
                        assert_eq!(ssrcs.collect::<Vec<_>>(), [4, 5]);
                    }
                    other => panic!("{other:?}"),
                },
            );
        }
    }

    #[test]
    fn canonical_names_fill_whole_words() {
        for length in 0..9 {
            let name = &b"abcdefghi"[..length];
            let bytes = written(|writer| writer.canonical_name(1, name));
            assert_eq!(bytes.len() % 4, 0);
            assert_eq!(bytes[8..10 + length], [&[1, length as u8], name].concat());
            assert!(matches!(bytes[10 + length..], [0] | [0, 0] | [0, 0, 0] | [0, 0, 0, 0]));
            assert_eq!(Compound::parse(&bytes).and_then(|mut c| c.next()), Some(Packet::SourceDescription));
        }
    }

    #[test]
    fn what_does_not_fit_leaves_the_rest_intact() {
        let mut buffer = [0; 20];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.picture_loss(1, 2), Ok(()));
        assert_eq!(writer.picture_loss(1, 3), Err(Full));
        assert_eq!(writer.bytes(), 12);
        assert_eq!(Compound::parse(&buffer[..12]).map(Iterator::count), Some(1));
    }
}
