//! Segments in, one timeline out, all in words.

use super::*;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use shared::{NodeId, RecordingId, RoomId, UnixMillis};

/// A segment from words such as `0 +ada`, `0 t1`, `0 part t1 5000`, `700 -ada`.
fn segment(epoch: u64, words: &str) -> SegmentManifest {
    SegmentManifest {
        version: shared::manifest::VERSION,
        recording: RecordingId::parse("r").expect("an id"),
        room: RoomId::parse("daily").expect("an id"),
        epoch,
        node: NodeId::parse(&format!("node-{epoch}")).expect("an id"),
        started_at: UnixMillis(0),
        trace: None,
        is_sealed: epoch > 1,
        rows: words.split(", ").filter(|words| !words.is_empty()).map(row).collect(),
    }
}

fn row(words: &str) -> Row {
    let words: Vec<&str> = words.split(' ').collect();
    let number = |word: &str| word.parse().expect("a number");
    let track = |word: &str| TrackId::parse(word).expect("an id");
    let participant = |word: &str| ParticipantId::parse(word.trim_start_matches(['+', '-'])).expect("an id");
    let event = match words[1..] {
        ["part", id, duration] => Event::Part {
            track: track(id),
            key: format!("{id}/{}", words[0]),
            duration_ms: number(duration),
            bytes: 1,
            crc32: 2,
        },
        ["gap", id, packets] => Event::Gap { track: track(id), packets: Some(number(packets)), lasted_ms: 7 },
        ["muted", id] => Event::Muted { track: track(id), muted: true },
        ["unmuted", id] => Event::Muted { track: track(id), muted: false },
        ["ended", id] => Event::TrackEnded { track: track(id) },
        ["track", id, muted] => Event::Track {
            track: track(id),
            participant: participant("ada"),
            kind: MediaKind::Audio,
            source: TrackSource::Microphone,
            muted: muted == "muted",
        },
        [who] if who.starts_with('+') => Event::Joined { participant: participant(who), name: String::new() },
        [who] => Event::Left { participant: participant(who) },
        _ => panic!("what is {words:?}?"),
    };
    Row { at_ms: number(words[0]), event }
}

fn words(row: &Row) -> String {
    let what = match &row.event {
        Event::Joined { participant, .. } => format!("+{participant}"),
        Event::Left { participant } => format!("-{participant}"),
        Event::Track { track, muted, .. } => format!("track {track} {}", if *muted { "muted" } else { "open" }),
        Event::TrackEnded { track } => format!("ended {track}"),
        Event::Muted { track, muted } => format!("{} {track}", if *muted { "muted" } else { "unmuted" }),
        Event::Gap { track, packets: Some(packets), .. } => format!("gap {track} {packets}"),
        Event::Gap { track, packets: None, lasted_ms } => format!("hole {track} {lasted_ms}"),
        Event::Part { track, duration_ms, .. } => format!("part {track} {duration_ms}"),
    };
    format!("{} {what}", row.at_ms)
}

fn check(segments: &[&str], expected: &str) {
    let manifests: Vec<SegmentManifest> = (1..).zip(segments).map(|(epoch, words)| segment(epoch, words)).collect();
    let timeline = Timeline::new(&manifests, |key| key != "t1/9000");
    assert_eq!(timeline.rows.iter().map(words).collect::<Vec<_>>().join(", "), expected);
}

#[test]
fn one_segment_is_its_own_story() {
    let story = "0 +ada, 0 track t1 open, 0 part t1 5000, 1000 +alan, 2000 muted t1, 2500 gap t1 3, 3000 unmuted t1, \
                 4000 -alan, 5000 ended t1";
    check(&[story], story);
}

#[test]
fn who_moves_to_another_node_neither_comes_nor_goes() {
    check(
        &[
            "0 +ada, 0 +alan, 0 track t1 open, 0 part t1 5000, 5050 ended t1, 6000 -alan",
            "5000 +ada, 5000 +alan, 5100 track t1 open, 5100 part t1 900, 6001 -alan, 6002 ended t1",
        ],
        "0 +ada, 0 +alan, 0 track t1 open, 0 part t1 5000, 5000 hole t1 100, 5100 part t1 900, 6000 -alan, 6002 ended t1",
    );
}

#[test]
fn what_happened_while_no_node_was_there_shows_when_the_next_one_begins() {
    check(
        &[
            "0 +ada, 0 +alan, 0 track t1 muted, 0 track t2 open, 0 part t1 5000, 0 part t2 4000",
            // By the clock, the first picture was captured before the room's order arrived.
            "8000 +ada, 8000 +lin, 8000 track t1 open, 7900 part t1 1000, 8900 ended t1",
        ],
        "0 +ada, 0 +alan, 0 track t1 muted, 0 track t2 open, 0 part t1 5000, 0 part t2 4000, 4000 ended t2, \
         5000 hole t1 2900, 7900 part t1 1000, 8000 -alan, 8000 +lin, 8000 unmuted t1, 8900 ended t1",
    );
}

#[test]
fn what_a_lost_host_took_along_is_a_gap() {
    check(
        &["0 +ada, 0 track t1 open, 0 part t1 5000, 5000 part t1 4000, 9000 part t1 3000"],
        "0 +ada, 0 track t1 open, 0 part t1 5000, 5000 part t1 4000, 9000 hole t1 3000, 9000 ended t1",
    );
}

#[test]
fn every_segment_says_when_it_was() {
    let manifests =
        [segment(2, "5000 +ada, 5000 track t1 open, 4950 part t1 2000"), segment(1, "0 +ada"), segment(3, "")];
    let spans = Timeline::new(&manifests, |_| true).segments;
    let spans = spans.iter().map(|span| (span.epoch, span.node.as_str(), span.starts_ms, span.ends_ms, span.is_sealed));
    let expected = [(1, "node-1", 0, 0, false), (2, "node-2", 4_950, 6_950, true), (3, "node-3", 0, 0, true)];
    assert_eq!(spans.collect::<Vec<_>>(), expected);
}
