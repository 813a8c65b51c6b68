//! RTCP: a compound never yields more than its bytes can hold, and every message that we can express can be written
//! again.

use media_core::rtcp::transport_feedback::{Feedback, REPORT_PACKETS_MAX, Report};
use media_core::rtcp::write::{Sent, Writer};
use media_core::rtcp::{Compound, Packet};
use std::collections::BTreeSet;

/// Reads `bytes` as a compound and writes the expressible messages again.
pub fn check(bytes: &[u8]) {
    let Some(compound) = Compound::parse(bytes) else { return };
    let mut packets = 0;
    for packet in compound {
        packets += 1;
        check_packet(bytes.len(), packet);
    }
    assert!((1..=bytes.len() / 4).contains(&packets));
}

fn check_packet(datagram_bytes: usize, packet: Packet<'_>) {
    match packet {
        Packet::SenderReport(report) => {
            let (ssrc, ntp, rtp_timestamp) = (report.ssrc, report.ntp, report.rtp_timestamp);
            let sent = Sent { ssrc, ntp, rtp_timestamp, packets: report.packets, octets: report.octets };
            check_written(
                datagram_bytes,
                |writer| writer.sender_report(sent),
                |again| {
                    let Packet::SenderReport(mut again) = again else { panic!("a sender report") };
                    assert_eq!((again.ssrc, again.ntp, again.rtp_timestamp), (ssrc, ntp, rtp_timestamp));
                    assert_eq!((again.packets, again.octets, again.blocks.next()), (sent.packets, sent.octets, None));
                },
            );
            assert!(report.blocks.count() <= 31);
        }
        Packet::ReceiverReport(blocks) => {
            assert!(blocks.count() <= 31);
            let write = |writer: &mut Writer<'_>| writer.receiver_report(1, blocks);
            check_written(datagram_bytes, write, |again| assert_eq!(again, packet));
        }
        Packet::Nack { media_ssrc, lost } => {
            assert!(lost.count() <= datagram_bytes / 4 * 17);
            // An empty entry cannot be written, and a list has several encodings.
            check_written(
                datagram_bytes,
                |writer| writer.nack(1, media_ssrc, lost),
                |again| {
                    let Packet::Nack { media_ssrc: media_ssrc_again, lost: lost_again } = again else {
                        panic!("a NACK")
                    };
                    assert_eq!(media_ssrc_again, media_ssrc);
                    assert_eq!(lost_again.collect::<BTreeSet<_>>(), lost.collect::<BTreeSet<_>>());
                },
            );
        }
        Packet::PictureLoss { media_ssrc } => {
            let write = |writer: &mut Writer<'_>| writer.picture_loss(1, media_ssrc);
            check_written(datagram_bytes, write, |again| assert_eq!(again, packet));
        }
        Packet::Estimate { bitrate_bps, ssrcs } => {
            let ssrcs: Vec<u32> = ssrcs.collect();
            assert!(ssrcs.len() <= 255);
            check_written(
                datagram_bytes,
                |writer| writer.estimate(1, bitrate_bps, &ssrcs),
                |again| {
                    let Packet::Estimate { bitrate_bps: bitrate_again, ssrcs: ssrcs_again } = again else {
                        panic!("an estimate")
                    };
                    // The value has 18 significant bits, unless it exceeded the maximum.
                    assert!(bitrate_again == bitrate_bps || bitrate_bps == u64::MAX);
                    assert_eq!(ssrcs_again.collect::<Vec<_>>(), ssrcs);
                },
            );
        }
        Packet::FullIntraRequest(entries) => assert!(entries.count() <= datagram_bytes / 8),
        Packet::Goodbye(ssrcs) => assert!(ssrcs.count() <= 31),
        Packet::TransportCongestion(feedback) => check_arrivals(datagram_bytes, feedback),
        Packet::SourceDescription | Packet::Unknown { .. } | Packet::Malformed { .. } => {}
    }
}

/// Checks for the announced number of packets; a single report with times from 0 on can be written again.
fn check_arrivals(datagram_bytes: usize, feedback: Feedback<'_>) {
    let arrivals: Vec<_> = feedback.arrivals().collect();
    assert_eq!(arrivals.len(), usize::from(feedback.packets));
    // The reference has 23 bits besides its sign.
    let in_range = |ticks: i64| u64::try_from(ticks).ok().filter(|ticks| *ticks < 1 << 31);
    let positive = arrivals.iter().map_while(|(_, ticks)| ticks.map_or(Some(None), |ticks| in_range(ticks).map(Some)));
    let positive: Vec<Option<u64>> = positive.collect();
    let report = Report { ssrc: 2, first: feedback.first, number: feedback.number, arrivals: positive.iter().copied() };
    let mut told = 0;
    check_written(
        datagram_bytes + 2 * REPORT_PACKETS_MAX,
        |writer| writer.transport_feedback(1, report).map(|packets| told = packets),
        |again| {
            let Packet::TransportCongestion(again) = again else { panic!("arrivals") };
            let read: Vec<_> = again.arrivals().map(|(_, ticks)| ticks.map(|ticks| ticks as u64)).collect();
            assert_eq!((again.first, again.number), (feedback.first, feedback.number));
            let mut expected = positive.clone();
            expected.truncate(read.len());
            assert_eq!(read, expected);
        },
    );
    assert!(told <= REPORT_PACKETS_MAX);
}

fn check_written<E: std::fmt::Debug>(
    datagram_bytes: usize,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    verify: impl FnOnce(Packet<'_>),
) {
    let mut buffer = vec![0xff; 4 * datagram_bytes + 64];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer).expect("room");
    let length = writer.bytes();
    let mut packets = Compound::parse(&buffer[..length]).expect("what we accept, we can say again");
    verify(packets.next().expect("one packet"));
    assert!(packets.next().is_none());
}
