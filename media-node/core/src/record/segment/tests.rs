//! Packets in, parts and rows out, on the test's own clock.

use super::super::timeline::Timeline;
use super::super::webm::read;
use super::*;
use shared::manifest::SegmentManifest;
use shared::rtp_parameters::CodecName;
use shared::{Mid, SessionId, UnixMillis};

const START_US: i64 = 1_800_000_000_000_000;

fn reference(session: &str, mid: &str) -> TrackRef {
    TrackRef { session: SessionId::parse(session).expect("an id"), mid: Mid::parse(mid).expect("a mid") }
}

fn track(id: &str, session: &str, mid: &str, source: TrackSource, muted: bool) -> RecordedTrack {
    RecordedTrack { id: TrackId::parse(id).expect("an id"), track: reference(session, mid), source, muted }
}

/// Ada, with these tracks; nobody if there are none.
fn order(tracks: Vec<RecordedTrack>) -> RecordingOrder {
    let is_anybody = !tracks.is_empty();
    order_of(is_anybody.then_some(("ada", tracks)))
}

fn order_of(people: impl IntoIterator<Item = (&'static str, Vec<RecordedTrack>)>) -> RecordingOrder {
    let person = |(id, tracks)| RecordedParticipant {
        id: ParticipantId::parse(id).expect("an id"),
        name: id.to_uppercase(),
        tracks,
    };
    RecordingOrder {
        recording: shared::RecordingId::parse("r").expect("an id"),
        key_prefix: "recordings/daily/r/".into(),
        started_at: UnixMillis((START_US / 1_000) as u64),
        sent_at: UnixMillis::default(),
        trace: None,
        participants: people.into_iter().map(person).collect(),
    }
}

/// A packet without a marker that arrives in time for its index, `step_ms` after the one before.
fn packet(index: u64, step_ms: i64, ticks_per_ms: u32, payload: &[u8]) -> Packet {
    let steps = index & 0xff_ffff;
    Packet {
        index,
        timestamp: (steps as u32).wrapping_mul(ticks_per_ms * step_ms as u32),
        marker: false,
        received_us: START_US + steps as i64 * step_ms * 1_000,
        captured_us: None,
        codec: if ticks_per_ms == 90 { CodecName::Vp8 } else { CodecName::Opus },
        payload: payload.to_vec(),
    }
}

struct Fixture {
    segment: Segment,
    parts: Vec<(String, Vec<u8>)>,
    rows: Vec<Row>,
    keyframes: usize,
}

impl Fixture {
    fn new(tracks: Vec<RecordedTrack>) -> Self {
        let order = order(tracks);
        let mut segment = Segment::new(&order, 7);
        segment.set_order(START_US, order);
        segment.end_missing(START_US);
        Self { segment, parts: Vec::new(), rows: Vec::new(), keyframes: 0 }
    }

    /// An order that has taken full effect.
    fn set_order(&mut self, now_us: i64, order: RecordingOrder) {
        self.segment.set_order(now_us, order);
        self.segment.end_missing(now_us);
    }

    fn drain(&mut self) {
        while let Some(output) = self.segment.poll_output() {
            match output {
                Output::Part { key, bytes } => self.parts.push((key, bytes)),
                Output::Row(row) => self.rows.push(row),
                Output::WantKeyframe(_) => self.keyframes += 1,
            }
        }
    }

    fn sound(&mut self, tap: TapNumber, index: u64) {
        self.segment.packet(tap, packet(index, 20, 48, &[0x78, 1, 2]));
        self.drain();
    }

    fn words(&self) -> String {
        let word = |row: &Row| {
            let what = match &row.event {
                Event::Joined { participant, name } => format!("joined {participant} {name}"),
                Event::Left { participant } => format!("left {participant}"),
                Event::Track { track, muted, .. } => format!("track {track}{}", if *muted { " muted" } else { "" }),
                Event::TrackEnded { track } => format!("ended {track}"),
                Event::Muted { track, muted } => format!("{} {track}", if *muted { "muted" } else { "unmuted" }),
                Event::Gap { packets, lasted_ms, .. } => format!("gap {} {lasted_ms}", packets.unwrap_or(0)),
                Event::Part { duration_ms, .. } => format!("part {duration_ms}"),
            };
            format!("{} {what}", row.at_ms)
        };
        self.rows.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

fn microphone(muted: bool) -> RecordedTrack {
    track("t1", "s1", "0", TrackSource::Microphone, muted)
}

#[test]
fn parts_of_five_seconds_make_one_stream() {
    let mut fixture = Fixture::new(vec![microphone(false)]);
    let tap = TapNumber(1);
    fixture.segment.open(tap, reference("s1", "0"));
    (0..600).for_each(|index| fixture.sound(tap, index));
    fixture.segment.finish(START_US + 12_000_000);
    fixture.drain();
    let expected = "0 joined ada ADA, 0 track t1, 0 part 5000, 5000 part 5000, 10000 part 2000, 12000 ended t1";
    assert_eq!(fixture.words(), expected);
    let keys: Vec<&str> = fixture.parts.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys[1], "recordings/daily/r/segments/7/parts/t1/000001-5000.webm");
    assert_eq!((track_of(keys[1]), track_of("t1"), track_of("/x")), (TrackId::parse("t1").ok(), None, None));
    let all: Vec<u8> = fixture.parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let times: Vec<u64> = read::blocks(&all).iter().map(|block| block.at_ms).collect();
    assert_eq!(times, (0..600).map(|index| index * 20).collect::<Vec<_>>());
}

#[test]
fn losses_and_mutes_are_written_down() {
    let mut fixture = Fixture::new(vec![microphone(false)]);
    let tap = TapNumber(1);
    fixture.segment.open(tap, reference("s1", "0"));
    (0..100).filter(|index| !(40..45).contains(index)).for_each(|index| fixture.sound(tap, index));
    fixture.set_order(START_US + 2_500_000, order(vec![microphone(true)]));
    fixture.segment.tick(START_US + 9_000_000);
    fixture.drain();
    assert_eq!(fixture.words(), "0 joined ada ADA, 0 track t1, 2500 muted t1, 0 part 2000, 780 gap 5 120");
}

#[test]
fn a_track_goes_on_in_another_session_and_a_new_stream() {
    let mut fixture = Fixture::new(vec![microphone(false)]);
    fixture.segment.open(TapNumber(1), reference("s1", "0"));
    (0..50).for_each(|index| fixture.sound(TapNumber(1), index));
    fixture.set_order(START_US + 1_000_000, order(vec![track("t1", "s2", "5", TrackSource::Microphone, false)]));
    fixture.segment.open(TapNumber(2), reference("s2", "5"));
    // Late packets of the old session do not belong to the new one.
    fixture.sound(TapNumber(1), 50);
    for index in 100..103 {
        fixture.segment.packet(TapNumber(2), packet(1 << 40 | index, 20, 48, &[0x78, 9]));
    }
    fixture.segment.finish(START_US + 3_000_000);
    fixture.drain();
    let all: Vec<u8> = fixture.parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let times: Vec<u64> = read::blocks(&all).iter().map(|block| block.at_ms).collect();
    assert_eq!(times.len(), 53);
    assert_eq!(times[50..], [2_000, 2_020, 2_040]);
}

#[test]
fn packets_of_unknown_tracks_are_nothing() {
    let mut fixture = Fixture::new(vec![microphone(false)]);
    fixture.sound(TapNumber(9), 0);
    fixture.segment.open(TapNumber(9), reference("s9", "0"));
    fixture.sound(TapNumber(9), 0);
    assert_eq!(fixture.parts, []);
}

#[test]
fn pictures_wait_for_a_key_frame_and_ask_for_one_after_a_loss() {
    let camera = track("t2", "s1", "1", TrackSource::Camera, false);
    let mut fixture = Fixture::new(vec![camera]);
    let tap = TapNumber(1);
    fixture.segment.open(tap, reference("s1", "1"));
    let key = vec![0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0];
    let delta = vec![0x10, 0x01, 7];
    for (index, payload) in [(0, &delta), (1, &key), (2, &delta), (5, &delta), (6, &key), (7, &delta)] {
        fixture.segment.packet(tap, Packet { marker: true, ..packet(index, 33, 90, payload) });
    }
    fixture.segment.tick(START_US + 8_000_000);
    fixture.drain();
    let all: Vec<u8> = fixture.parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let keys: Vec<bool> = read::blocks(&all).iter().map(|block| block.is_key).collect();
    assert_eq!(keys, [true, false, true, false]);
    assert_eq!(fixture.keyframes, 1);
    // Nothing was recorded between the frame before the loss and the next key frame.
    assert_eq!(fixture.words(), "0 joined ada ADA, 0 track t2, 33 part 218, 66 gap 2 132");
}

#[test]
fn a_participant_who_publishes_nothing_is_written_down() {
    let mut fixture = Fixture::new(vec![microphone(true)]);
    let at = |ms: i64| START_US + ms * 1_000;
    fixture.set_order(at(1_000), order_of([("ada", vec![microphone(true)]), ("alan", vec![])]));
    fixture.set_order(at(2_000), order_of([("ada", vec![microphone(false)]), ("alan", vec![])]));
    fixture.set_order(at(3_000), order_of([("ada", vec![])]));
    fixture.set_order(at(4_000), order_of([("ada", vec![microphone(false)])]));
    fixture.segment.finish(at(5_000));
    fixture.drain();
    let expected = "0 joined ada ADA, 0 track t1 muted, 1000 joined alan ALAN, 2000 unmuted t1, 3000 ended t1, \
                    3000 left alan, 4000 track t1, 5000 ended t1";
    assert_eq!(fixture.words(), expected);
}

#[test]
fn what_was_on_its_way_when_a_track_ended_is_recorded() {
    let mut fixture = Fixture::new(vec![microphone(false)]);
    fixture.segment.open(TapNumber(1), reference("s1", "0"));
    (0..50).for_each(|index| fixture.sound(TapNumber(1), index));
    assert!(!fixture.segment.has_missing());
    fixture.segment.set_order(START_US + 1_040_000, order_of([("ada", vec![])]));
    assert!(fixture.segment.has_missing());
    (50..52).for_each(|index| fixture.sound(TapNumber(1), index));
    fixture.segment.end_missing(START_US + 1_040_000);
    fixture.sound(TapNumber(1), 52);
    fixture.drain();
    assert_eq!(fixture.words(), "0 joined ada ADA, 0 track t1, 0 part 1040, 1040 ended t1");
}

/// Audio recorded in one segment by a node whose clock is `ahead_us` ahead of the room's: packets 20 ms apart, one of 50
/// lost.
fn recorded_by_clock(epoch: u64, ahead_us: i64, indices: std::ops::Range<u64>) -> Fixture {
    let at_us = |index: u64| START_US + index as i64 * 20_000;
    let sent_at = UnixMillis((at_us(indices.start) / 1_000) as u64);
    let order = RecordingOrder { sent_at, ..order(vec![microphone(false)]) };
    let mut segment = Segment::new(&order, epoch);
    segment.set_order(at_us(indices.start) + ahead_us, order);
    let mut fixture = Fixture { segment, parts: Vec::new(), rows: Vec::new(), keyframes: 0 };
    fixture.segment.open(TapNumber(1), reference("s1", "0"));
    for index in indices.clone().filter(|index| index % 50 != 7) {
        let packet = packet(index, 20, 48, &[0x78, 1, 2]);
        let at = packet.received_us + ahead_us;
        fixture.segment.packet(TapNumber(1), Packet { received_us: at, captured_us: Some(at), ..packet });
        fixture.segment.tick(at);
        fixture.drain();
    }
    fixture.segment.finish(at_us(indices.end) + ahead_us);
    fixture.drain();
    fixture
}

const CLOCKS_AHEAD_US: [i64; 7] = [0, 1_000_000, -1_000_000, 2_000_000, -2_000_000, 5_000_000, -5_000_000];

#[test]
fn a_nodes_clock_that_is_off_changes_nothing() {
    let recorded = |ahead_us| {
        let fixture = recorded_by_clock(7, ahead_us, 0..600);
        (fixture.words(), fixture.parts)
    };
    let right = recorded(0);
    assert_eq!(right.1.len(), 3, "{}", right.0);
    for ahead_us in CLOCKS_AHEAD_US {
        assert_eq!(recorded(ahead_us), right, "{ahead_us}");
    }
}

/// Everything that players and readers of the manifest get of six seconds on one node and, 400 ms later, six on another.
fn on_two_nodes(ahead_us: [i64; 2]) -> (Timeline, Vec<u64>) {
    let segments = [(1, 0..300), (2, 320..620)];
    let fixtures: Vec<Fixture> = std::iter::zip(segments, ahead_us)
        .map(|((epoch, indices), ahead_us)| recorded_by_clock(epoch, ahead_us, indices))
        .collect();
    let manifest = |(epoch, fixture): (u64, &Fixture)| SegmentManifest {
        version: shared::manifest::VERSION,
        recording: fixture.segment.order().recording.clone(),
        room: shared::RoomId::parse("daily").expect("an id"),
        epoch,
        node: shared::NodeId::parse(&format!("media-{epoch}")).expect("an id"),
        started_at: fixture.segment.order().started_at,
        trace: None,
        is_sealed: true,
        rows: fixture.rows.clone(),
    };
    let manifests: Vec<SegmentManifest> = (1..).zip(&fixtures).map(manifest).collect();
    let blocks = |fixture: &Fixture| {
        let parts: Vec<u8> = fixture.parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        read::blocks(&parts).iter().map(|block| block.at_ms).collect::<Vec<_>>()
    };
    (Timeline::new(&manifests, |_| true), fixtures.iter().flat_map(blocks).collect())
}

#[test]
fn a_recording_of_two_nodes_is_the_same_however_their_clocks_differ() {
    let right = on_two_nodes([0, 0]);
    let holes = right.0.rows.iter().filter_map(|row| match row.event {
        Event::Gap { packets: None, lasted_ms, .. } => Some((row.at_ms, lasted_ms)),
        _ => None,
    });
    // The last frame of a part counts as 20 ms.
    assert_eq!(holes.collect::<Vec<_>>(), [(6_000, 400)], "{:?}", right.0.rows);
    let spans = right.0.segments.iter().map(|span| (span.starts_ms, span.ends_ms));
    assert_eq!(spans.collect::<Vec<_>>(), [(0, 6_000), (6_400, 12_400)]);
    assert!(right.1.is_sorted_by(|one, next| one < next), "one line of time: {:?}", right.1);
    for first in CLOCKS_AHEAD_US {
        for second in CLOCKS_AHEAD_US {
            assert_eq!(on_two_nodes([first, second]), right, "{first} {second}");
        }
    }
}

/// Of 640x360, in one packet.
const VP8_KEY: [u8; 11] = [0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
/// The same in H.264: parameter sets and an IDR slice in one STAP-A.
const H264_KEY: [u8; 40] = [
    0x18, 0, 25, 0x67, 0x42, 0xc0, 0x16, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x14, 0x0f, 0x16, 0x2e, 0x48, 0, 4, 0x68, 0xce, 0x3c, 0x80, 0, 4, 0x65, 0x88, 0x84, 0x00,
];

#[test]
fn a_codec_that_changes_with_each_picture_makes_few_parts() {
    let mut fixture = Fixture::new(vec![track("t1", "s1", "1", TrackSource::Camera, false)]);
    let tap = TapNumber(1);
    fixture.segment.open(tap, reference("s1", "1"));
    for index in 0..100 {
        let is_vp8 = index % 2 == 0;
        let payload: &[u8] = if is_vp8 { &VP8_KEY } else { &H264_KEY };
        let codec = if is_vp8 { CodecName::Vp8 } else { CodecName::H264ConstrainedBaseline };
        fixture.segment.packet(tap, Packet { marker: true, codec, ..packet(index, 40, 90, payload) });
        fixture.drain();
    }
    fixture.segment.finish(START_US + 4_000_000);
    fixture.drain();
    let parts = fixture.parts.len();
    assert!((2..=6).contains(&parts), "{parts} parts in 4 s: {}", fixture.words());
}

#[test]
fn a_codec_that_changes_ends_the_part_of_the_one_before() {
    let mut fixture = Fixture::new(vec![track("t1", "s1", "1", TrackSource::Camera, false)]);
    fixture.segment.open(TapNumber(1), reference("s1", "1"));
    for index in 0..20 {
        let (payload, codec): (&[u8], _) =
            if index < 10 { (&VP8_KEY, CodecName::Vp8) } else { (&H264_KEY, CodecName::H264ConstrainedBaseline) };
        let packet = Packet { marker: true, codec, ..packet(index, 40, 90, payload) };
        fixture.segment.packet(TapNumber(1), packet);
        fixture.drain();
    }
    fixture.segment.finish(START_US + 1_000_000);
    fixture.drain();
    let names: Vec<_> = fixture.parts.iter().filter_map(|(key, _)| key.rsplit('/').next()).collect();
    assert_eq!(names, ["000000-0.webm", "000001-400.mp4"]);
    let pictures = super::super::mp4::read::samples(&fixture.parts[1].1);
    assert_eq!((read::blocks(&fixture.parts[0].1).len(), pictures.len()), (10, 10));
}
