//! Recorded parts and packets: any stored or received bytes give a valid file, or none.

use media_core::record::assemble::Assembler;
use media_core::record::limits::{FRAME_BYTES_MAX, REORDER_PACKETS_MAX};
use media_core::record::mp4::{self, Fragment};
use media_core::record::remux::{Remux, Step};
use media_core::record::reorder::{Ordered, Packet, Reorder};
use media_core::record::webm::{Block, Cluster, read};
use shared::rtp_parameters::{CodecName, MediaKind};

/// Reads `bytes` as a part, as two parts of one file, and as packets.
pub fn check(bytes: &[u8]) {
    check_blocks(bytes);
    check_file(bytes);
    for codec in [CodecName::Vp8, CodecName::H264Main] {
        check_packets(bytes, codec);
    }
    check_samples(bytes);
}

/// The result of reading can be written, and reads again as the same.
fn check_blocks(bytes: &[u8]) {
    for block in read::blocks(bytes) {
        let mut cluster = Cluster::new(block.at_ms);
        assert!(cluster.add(1, &block));
        let mut written = Vec::new();
        cluster.write(&mut written);
        assert_eq!(read::blocks(&written), [block]);
    }
}

/// The same for samples of MP4.
fn check_samples(bytes: &[u8]) {
    for block in mp4::read::blocks(bytes) {
        let mut fragment = Fragment::of_pictures();
        fragment.add(0, &block);
        let mut written = Vec::new();
        fragment.write(&mut written, 1, None);
        assert_eq!(mp4::read::blocks(&written), [block]);
    }
}

/// For any parts, a file's frames are ordered by time, and its header keeps its length.
fn check_file(bytes: &[u8]) {
    let (sound, pictures) = bytes.split_at(bytes.len() / 2);
    // A gap of centuries would be filled with as much silence.
    let blocks = |part: &[u8]| [read::blocks(part), mp4::read::blocks(part)].concat();
    let is_long = |part: &[u8]| blocks(part).iter().any(|block| block.at_ms > 1 << 20);
    if is_long(sound) || is_long(pictures) || is_long(bytes) {
        return;
    }
    let mut parts = [Some(bytes), Some(pictures)];
    let mut remux = Remux::camera();
    let mut file = Vec::new();
    let finished = loop {
        match remux.step() {
            Step::Need(kind) => match parts[usize::from(kind == MediaKind::Video)].take() {
                Some(part) => remux.feed(kind, part),
                None => remux.end(kind),
            },
            Step::Append(more) => file.extend(more),
            Step::Done(finished) => break finished,
        }
    };
    let Some(header) = finished.header else {
        assert!(file.is_empty());
        return;
    };
    file[..header.len()].copy_from_slice(&header);
    let blocks: Vec<Block> = read::blocks(&file);
    assert!(blocks.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms));
    assert!(blocks.iter().all(|block| block.at_ms <= finished.duration_ms));
}

/// The bytes as packets: one byte of index step, one of flags, one of length, and a payload.
fn check_packets(bytes: &[u8], codec: CodecName) {
    let mut reorder = Reorder::default();
    let mut assembler = Assembler::of(codec);
    let (mut index, mut rest) = (100_u64, bytes);
    let mut given = None;
    let mut received_us = 0;
    while let [step, flags, length, tail @ ..] = rest {
        let (payload, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        index = index.saturating_add_signed(i64::from(*step as i8)).max(1);
        received_us += i64::from(*flags >> 1) * 10_000;
        let timestamp = index as u32 / 4;
        let packet = Packet {
            index,
            timestamp,
            marker: flags & 1 == 1,
            received_us,
            captured_us: None,
            codec,
            payload: payload.to_vec(),
        };
        let mut out = Vec::new();
        reorder.push(packet, &mut out);
        assert!(out.len() <= 2 * REORDER_PACKETS_MAX + 4);
        for ordered in out {
            match ordered {
                Ordered::Packet(packet) => {
                    assert!(given.is_none_or(|given| given < packet.index), "in order, and each once");
                    given = Some(packet.index);
                    if let Some(frame) = assembler.push(packet) {
                        assert!(frame.bytes.len() <= FRAME_BYTES_MAX);
                        assert!(frame.is_key || frame.resolution.is_none());
                        let units = mp4::units(&frame.bytes).map(|unit| 4 + unit.len()).sum::<usize>();
                        assert!(codec == CodecName::Vp8 || units == frame.bytes.len());
                    }
                }
                Ordered::Lost(packets) => {
                    assert!(packets > 0);
                    assembler.lost();
                    assert!(assembler.needs_key());
                }
                Ordered::Restart => given = None,
            }
        }
    }
}
