use super::super::config::Format;
use super::*;
use crate::codec::{Picture, vp8};
use crate::ingress::cache::Cache;
use crate::packet::Csrc;
use crate::rtcp::ntp::NtpClock;
use crate::rtp::RtpHeader;
use crate::rtx;
use shared::rtp_parameters::{Codec, CodecName, Encoding, Flow, HeaderExtensions, Section};
use shared::time::UnixMillis;

const A: StreamKey = StreamKey::numbered(1);
const B: StreamKey = StreamKey::numbered(2);
const CSRC: Csrc = Csrc(11);
const KEY: &[u8] = &[0x90, 0xc0, 0x80, 0x07, 0x03, 0x00];
const DELTA: &[u8] = &[0x90, 0xc0, 0x80, 0x08, 0x04, 0x01];

fn config(kind: MediaKind) -> Config {
    let is_video = kind == MediaKind::Video;
    let codec = if is_video { CodecName::Vp8 } else { CodecName::Opus };
    let format = Format { codec, payload_type: 100, rtx_payload_type: is_video.then_some(101) };
    Config {
        kind,
        mid: Mid::parse("5").expect("a mid"),
        ssrc: 0xaaaa,
        formats: vec![format],
        clock_rate: if is_video { 90_000 } else { 48_000 },
        redundant_payload_type: None,
        retransmission_ssrc: is_video.then_some(0xbbbb),
        extensions: HeaderExtensions {
            mid: Some(4),
            audio_level: Some(1),
            abs_send_time: Some(2),
            video_orientation: Some(13),
            ..HeaderExtensions::default()
        },
    }
}

fn packet(index: u64, timestamp: u32, payload: &[u8]) -> Packet<'_> {
    let picture = vp8::Descriptor::parse(payload).map(Picture::Vp8);
    let facts = Facts { index, timestamp, marker: true, csrc: CSRC, picture, ..Facts::none(CodecName::Vp8) };
    Packet { facts, payload }
}

fn sound(index: u64) -> Packet<'static> {
    let facts = Facts { index, timestamp: 9, csrc: CSRC, audio_level: Some(0x85), ..Facts::none(CodecName::Opus) };
    Packet { facts, payload: b"opus" }
}

struct Bench {
    slot: Slot,
    start: Instant,
    clock: NtpClock,
}

impl Bench {
    fn new(config: Config) -> Self {
        let start = crate::virtual_time::start();
        Self {
            slot: Slot::new(config, &mut Random::seeded(3)),
            start,
            clock: NtpClock::new(start, UnixMillis(1_700_000_000_000)),
        }
    }

    fn at(&self, ms: u64) -> Moment {
        let now = self.start + Duration::from_millis(ms);
        Moment { now, ntp: self.clock.at(now) }
    }

    fn send(&mut self, ms: u64, stream: StreamKey, packet: &Packet<'_>) -> Option<Vec<u8>> {
        let mut out = [0xee; 1_500];
        let written = self.slot.forward(self.at(ms), stream, packet, std::iter::empty(), |_| None, &mut out)?;
        let sequence = RtpHeader::parse(&out).map(|header| (header.ssrc, header.sequence, header.header_bytes()));
        assert_eq!(sequence, Some((written.ssrc, written.index as u16, written.header_bytes)));
        Some(out[..written.bytes].to_vec())
    }

    fn retransmit(&mut self, ms: u64, sequence: u16, cache: &Cache) -> Option<Vec<u8>> {
        let mut out = [0xee; 1_500];
        let origin = self.slot.nack(self.at(ms).now, sequence, Duration::from_millis(50))?;
        let packet = cache.find(origin.number)?;
        let written = self.slot.retransmit(self.at(ms), origin, &packet, &mut out)?;
        Some(out[..written.bytes].to_vec())
    }
}

fn sequence_of(packet: &[u8]) -> u16 {
    RtpHeader::parse(packet).expect("well formed").sequence
}

#[test]
fn pictures_begin_with_a_key_frame() {
    let mut bench = Bench::new(config(MediaKind::Video));
    assert!(bench.send(0, A, &packet(1, 0, KEY)).is_none(), "nothing is selected");
    bench.slot.select(Some(A), Tempo::Full);
    assert_eq!(bench.slot.awaits_keyframe_of(), Some(A));
    assert!(bench.send(0, A, &packet(2, 0, DELTA)).is_none());
    assert!(bench.send(0, A, &packet(3, 0, KEY)).is_some());
    assert_eq!((bench.slot.awaits_keyframe_of(), bench.slot.playing()), (None, Some(A)));
    assert!(bench.send(0, A, &packet(4, 3_000, DELTA)).is_some());
}

#[test]
fn nothing_begins_in_a_codec_that_was_not_negotiated() {
    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    let mut h264 = packet(1, 0, &[0x67, 0x42, 0xe0, 0x1f]);
    h264.facts.codec = CodecName::H264Main;
    h264.facts.picture = Picture::read(h264.facts.codec, h264.payload).expect("well formed");
    assert!(h264.facts.is_entry());
    assert!(bench.send(0, A, &h264).is_none());
    assert_eq!((bench.slot.playing(), bench.slot.awaits_keyframe_of()), (None, Some(A)), "it still waits");
    assert!(bench.send(10, A, &packet(2, 3_000, KEY)).is_some());
}

#[test]
fn the_old_picture_stays_until_the_new_one_can_begin() {
    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    let first = bench.send(0, A, &packet(3, 0, KEY)).expect("sent");
    bench.slot.select(Some(B), Tempo::Full);
    assert!(bench.send(10, B, &packet(900, 0, DELTA)).is_none());
    assert!(bench.send(20, A, &packet(4, 3_000, DELTA)).is_some());
    let switched = bench.send(30, B, &packet(901, 77, KEY)).expect("sent");
    assert_eq!(sequence_of(&switched), sequence_of(&first).wrapping_add(2));
    assert!(bench.send(40, A, &packet(5, 6_000, DELTA)).is_none(), "no longer playing");
    bench.slot.select(None, Tempo::Full);
    assert!(bench.send(50, B, &packet(902, 3_077, DELTA)).is_none(), "stopped at once");
}

#[test]
fn sound_begins_and_switches_at_once() {
    let mut bench = Bench::new(config(MediaKind::Audio));
    bench.slot.select(Some(A), Tempo::Full);
    assert_eq!(bench.slot.awaits_keyframe_of(), None);
    assert!(bench.send(0, A, &sound(1)).is_some());
    bench.slot.select(Some(B), Tempo::Full);
    assert!(bench.send(20, B, &sound(70)).is_some());
    assert!(bench.send(20, A, &sound(2)).is_none());
}

#[test]
fn a_header_says_what_was_negotiated() {
    let mut bench = Bench::new(config(MediaKind::Audio));
    bench.slot.select(Some(A), Tempo::Full);
    let sent = bench.send(0, A, &sound(1)).expect("sent");
    let header = RtpHeader::parse(&sent).expect("well formed");
    assert_eq!((header.ssrc, header.payload_type, header.marker), (0xaaaa, 100, false));
    assert_eq!(header.csrcs().collect::<Vec<_>>(), [CSRC.0]);
    assert_eq!((header.extension(4), header.extension(1)), (Some(&b"5"[..]), Some(&[0x85][..])));
    assert_eq!((header.extension(13), header.extension(2)), (None, None), "video's, and not without retransmission");
    assert_eq!(header.payload(&sent), Some(&b"opus"[..]));

    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    let mut turned = packet(1, 0, KEY);
    turned.facts.orientation = Some(3);
    let sent = bench.send(250, A, &turned).expect("sent");
    let header = RtpHeader::parse(&sent).expect("well formed");
    assert_eq!((header.payload_type, header.marker), (100, true));
    assert_eq!((header.extension(13), header.extension(1)), (Some(&[3][..]), None));
    let seconds = (1_700_000_000u64 + 2_208_988_800) & 0x3f;
    let expected = ((seconds << 18) + (1 << 16)) as u32;
    let told = header.extension(2).map(|time| u32::from_be_bytes([0, time[0], time[1], time[2]]));
    assert!(told.is_some_and(|told| told.abs_diff(expected) <= 1), "{told:?} {expected}");
}

#[test]
fn a_slot_without_extensions_has_a_plain_header() {
    let mut bench = Bench::new(Config { extensions: HeaderExtensions::default(), ..config(MediaKind::Audio) });
    bench.slot.select(Some(A), Tempo::Full);
    assert_eq!(bench.send(0, A, &sound(1)).map(|sent| sent.len()), Some(16 + 4));
}

#[test]
fn picture_numbers_are_rewritten_in_the_copy_only() {
    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    let sent = bench.send(0, A, &packet(1, 0, KEY)).expect("sent");
    let payload = RtpHeader::parse(&sent).and_then(|header| header.payload(&sent));
    assert_eq!(payload, Some(&[0x90, 0xc0, 0x80, 0x00, 0x00, 0x00][..]));
}

#[test]
fn packets_of_a_frame_are_made_equally_long() {
    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    let mut lengths = Vec::new();
    for (index, length) in [100usize, 100, 101, 101, 95, 60, 120].into_iter().enumerate() {
        let mut payload = if index == 0 { KEY.to_vec() } else { [0x80, 0xc0, 0x80, 0x07, 0x03].to_vec() };
        payload.resize(length, 0x55);
        let mut packet = packet(1 + index as u64, 500, &payload);
        packet.facts.marker = index == 6;
        let sent = bench.send(0, A, &packet).expect("sent");
        let header = RtpHeader::parse(&sent).expect("well formed");
        assert_eq!(header.payload(&sent).map(<[u8]>::len), Some(length));
        lengths.push(sent.len() - header.header_bytes());
    }
    assert_eq!(lengths, [101, 101, 101, 101, 101, 60, 120]);
    let alone = bench.send(30, A, &packet(9, 3_500, DELTA)).expect("sent");
    assert_eq!(RtpHeader::parse(&alone).map(|header| alone.len() - header.header_bytes()), Some(DELTA.len()));
}

#[test]
fn retransmissions_go_on_their_own_stream() {
    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    let mut cache = Cache::new(8);
    let original = packet(65_541, 7_777, KEY);
    cache.keep(&original);
    let sent = bench.send(0, A, &original).expect("sent");
    let again = bench.retransmit(100, sequence_of(&sent), &cache).expect("sent again");
    let (first, second) = (RtpHeader::parse(&sent).expect("ok"), RtpHeader::parse(&again).expect("ok"));
    assert_eq!((second.ssrc, second.payload_type, second.marker), (0xbbbb, 101, true));
    assert_eq!((second.timestamp, second.extension(4)), (first.timestamp, first.extension(4)));
    let payload = first.payload(&sent).expect("a payload");
    let restored = second.payload(&again).and_then(rtx::restore);
    assert_eq!(restored, Some((first.sequence, payload)));
    assert_eq!(bench.retransmit(120, first.sequence, &cache), None, "it may be on its way");
    let third = bench.retransmit(200, first.sequence, &cache).expect("sent again");
    assert_eq!(sequence_of(&third), second.sequence.wrapping_add(1));
    assert_eq!(bench.retransmit(200, first.sequence.wrapping_add(1), &cache), None, "never sent");
}

#[test]
fn without_a_retransmission_stream_the_same_bytes_are_sent_again() {
    let mut bench = Bench::new(Config { retransmission_ssrc: None, ..config(MediaKind::Video) });
    bench.slot.select(Some(A), Tempo::Full);
    let mut cache = Cache::new(8);
    let mut sent = Vec::new();
    for index in 0..6u64 {
        let mut payload = if index == 0 { KEY.to_vec() } else { DELTA.to_vec() };
        payload.resize(100 + index as usize % 2, 0x55);
        let mut original = packet(index + 70_000, 500, &payload);
        original.facts.marker = index == 5;
        cache.keep(&original);
        sent.push(bench.send(index, A, &original).expect("sent"));
    }
    bench.slot.select(Some(B), Tempo::Full);
    bench.send(90, B, &packet(1, 0, KEY)).expect("switched");
    for original in &sent {
        assert_eq!(bench.retransmit(1_000, sequence_of(original), &cache).as_ref(), Some(original));
    }
}

/// VP8 with a separate retransmission stream, H.264 without.
fn two_codecs() -> Config {
    let codec =
        |name, payload_type, rtx_payload_type| Codec { name, payload_type, rtx_payload_type, clock_rate: 90_000 };
    let codecs = vec![codec(CodecName::Vp8, 96, Some(97)), codec(CodecName::H264ConstrainedBaseline, 108, None)];
    let extensions = HeaderExtensions { transport_cc: Some(3), abs_send_time: Some(2), ..HeaderExtensions::default() };
    Config::of(&Section { codecs, extensions, ..section(Some(1), Some(2)) }).expect("complete")
}

#[test]
fn each_codec_is_repaired_in_its_own_way() {
    let mut bench = Bench::new(two_codecs());
    bench.slot.select(Some(A), Tempo::Full);
    let mut cache = Cache::new(8);
    let vp8 = packet(1, 0, KEY);
    let mut h264 = packet(2, 3_000, &[0x67, 0x42, 0xe0, 0x1f]);
    h264.facts.codec = CodecName::H264ConstrainedBaseline;
    h264.facts.picture = Picture::read(h264.facts.codec, h264.payload).expect("well formed");
    let sent = [vp8, h264].map(|packet| {
        cache.keep(&packet);
        bench.send(0, A, &packet).expect("sent")
    });
    let header =
        |packet: &[u8]| RtpHeader::parse(packet).map(|header| (header.payload_type, header.extension(3).is_some()));
    assert_eq!([header(&sent[0]), header(&sent[1])], [Some((96, true)), Some((108, false))]);
    let again = bench.retransmit(100, sequence_of(&sent[0]), &cache).expect("sent again");
    assert_eq!(header(&again), Some((97, true)));
    assert_eq!(bench.retransmit(300, sequence_of(&sent[1]), &cache).as_ref(), Some(&sent[1]), "the same bytes");
    assert!(bench.slot.can_pad());
    assert_eq!([vp8, h264].map(|packet| bench.slot.can_repeat(packet.facts.codec)), [true, false]);
}

#[test]
fn what_was_sent_before_it_was_negotiated_again_is_not_sent_otherwise() {
    let mut bench = Bench::new(Config { retransmission_ssrc: None, ..config(MediaKind::Video) });
    bench.slot.select(Some(A), Tempo::Full);
    let mut cache = Cache::new(8);
    let mut send = |bench: &mut Bench, index| {
        let packet = packet(index, index as u32 * 3_000, KEY);
        cache.keep(&packet);
        bench.send(index, A, &packet).expect("sent")
    };
    let before = send(&mut bench, 1);
    bench.slot.negotiate_again(bench.slot.config().clone());
    let same = send(&mut bench, 2);
    let extensions = HeaderExtensions { mid: Some(9), ..HeaderExtensions::default() };
    bench.slot.negotiate_again(Config { extensions, ..bench.slot.config().clone() });
    let after = send(&mut bench, 3);
    assert_eq!(sequence_of(&after), sequence_of(&before).wrapping_add(2), "one stream");
    let mid =
        |packet: &[u8], id| RtpHeader::parse(packet).is_some_and(|header| header.extension(id) == Some(&b"5"[..]));
    assert!(mid(&same, 4) && mid(&after, 9));
    let mut again = |packet: &[u8]| bench.retransmit(500, sequence_of(packet), &cache);
    assert_eq!([again(&before), again(&same), again(&after)], [None, None, Some(after.clone())]);
}

#[test]
fn sender_reports_keep_the_streams_of_a_publisher_in_step() {
    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    let sent = bench.send(1_000, A, &packet(1, 50_000, KEY)).expect("sent");
    let timestamp = RtpHeader::parse(&sent).expect("well formed").timestamp;
    // The publisher's clock is 5 s behind ours; its report says when it captured the picture at 50,000.
    let theirs = |ms: u64| NtpTime(bench.at(ms).ntp.0.wrapping_sub(5 << 32));
    let clock = SourceClock { ntp: theirs(980), rtp_timestamp: 50_000, arrived: bench.at(980).ntp };
    let mut offset = ClockOffset::default();
    assert_eq!(bench.slot.sender_report(bench.at(1_480).ntp, clock, &offset), None);
    offset.learn(clock);
    let report = bench.slot.sender_report(bench.at(1_480).ntp, clock, &offset).expect("a report");
    assert_eq!((report.ssrc, report.packets, report.octets), (0xaaaa, 1, KEY.len() as u32));
    let ticks = report.rtp_timestamp.wrapping_sub(timestamp);
    assert!(ticks.abs_diff(45_000) <= 1, "half a second after that picture: {ticks}");
    bench.slot.select(None, Tempo::Full);
    assert_eq!(bench.slot.sender_report(bench.at(1_500).ntp, clock, &offset), None);
}

#[test]
fn a_buffer_that_is_too_small_gets_nothing() {
    let mut bench = Bench::new(config(MediaKind::Audio));
    bench.slot.select(Some(A), Tempo::Full);
    for length in 0..30 {
        let at = bench.at(0);
        let written = bench.slot.forward(at, A, &sound(1), std::iter::empty(), |_| None, &mut vec![0; length]);
        assert_eq!(written.is_some(), length >= 28, "{length}");
    }
}

fn section(ssrc: Option<u32>, rtx_ssrc: Option<u32>) -> Section {
    Section {
        mid: Mid::parse("3").expect("a mid"),
        kind: MediaKind::Video,
        flow: Flow::NodeToClient,
        codecs: vec![Codec { name: CodecName::Vp8, payload_type: 96, rtx_payload_type: Some(97), clock_rate: 90_000 }],
        extensions: HeaderExtensions::default(),
        encodings: vec![Encoding { ssrc, rtx_ssrc, rid: None }],
        csrc: 0,
    }
}

fn slot() -> Slot {
    Slot::new(Config::of(&section(Some(1), Some(2))).expect("complete"), &mut Random::seeded(1))
}

/// A slot in which `A` plays and `B` follows.
fn switching() -> Slot {
    let mut bench = Bench::new(config(MediaKind::Video));
    bench.slot.select(Some(A), Tempo::Full);
    bench.send(0, A, &packet(1, 0, KEY)).expect("sent");
    bench.slot.select(Some(B), Tempo::Full);
    bench.slot
}

#[test]
fn a_section_without_an_ssrc_or_codec_makes_no_slot() {
    assert!(Config::of(&section(None, None)).is_none());
    let without_codec = Section { codecs: Vec::new(), ..section(Some(1), None) };
    assert!(Config::of(&without_codec).is_none());
}

#[test]
fn notices_any_ssrc_in_common() {
    let slot = slot();
    for (ssrc, rtx_ssrc, expected) in [(1, 9, true), (9, 2, true), (2, 9, true), (9, 1, true), (8, 9, false)] {
        let other = Config::of(&section(Some(ssrc), Some(rtx_ssrc))).expect("complete");
        assert_eq!(slot.config().shares_ssrc_with(&other), expected, "{ssrc} {rtx_ssrc}");
    }
}

#[test]
fn takes_both_tracks_until_the_second_has_begun() {
    let mut bench = Bench { slot: switching(), ..Bench::new(config(MediaKind::Video)) };
    assert_eq!(bench.slot.takes(), [Some(A), Some(B)]);
    assert_eq!(bench.slot.awaits_keyframe_of(), Some(B));
    bench.send(0, B, &packet(1, 0, KEY)).expect("sent");
    assert_eq!(bench.slot.takes(), [Some(B), None]);
    bench.slot.select(None, Tempo::Full);
    assert_eq!(bench.slot.takes(), [None, None]);
}

#[test]
fn losing_a_track_leaves_the_other_only_if_that_is_the_wanted_one() {
    let mut slot = switching();
    slot.lose(A);
    assert_eq!((slot.takes(), slot.awaits_keyframe_of()), ([None, Some(B)], Some(B)));
    let mut slot = switching();
    slot.lose(B);
    assert_eq!(slot.takes(), [None, None]);
}

#[test]
fn a_track_that_begins_anew_needs_a_key_frame_and_leaves_the_other_alone() {
    let mut slot = switching();
    slot.begin_anew(B);
    assert_eq!(slot.takes(), [Some(A), Some(B)]);
    slot.begin_anew(A);
    assert_eq!(slot.takes(), [None, Some(B)]);
}
