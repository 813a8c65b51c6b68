//! Answers to offers of real browsers, as written to the wire; both browsers accepted them.

use crate::stage::{Stage, mid_named};
use edge_core::room::Output;
use shared::signal::{ClientToEdge, EdgeToClient, NegotiateReason, TrackIntent, TrackSource};
use shared::token::Grants;
use shared::{AttemptId, ErrorCode};
use std::path::PathBuf;

const MICROPHONE: (usize, TrackSource) = (0, TrackSource::Microphone);
const CAMERA: (usize, TrackSource) = (1, TrackSource::Camera);

fn vectors(kind: &str, name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/vectors/{kind}/{name}.sdp"))
}

fn offer(name: &str) -> String {
    let path = vectors("offers", name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn intents(tracks: &[(usize, TrackSource)]) -> Vec<TrackIntent> {
    tracks.iter().map(|(mid, source)| TrackIntent { mid: mid_named(*mid), source: *source, muted: false }).collect()
}

/// Joins a room that has a node.
fn join(name: &str, tracks: &[(usize, TrackSource)]) -> (Stage, Vec<Output>) {
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants::default(), None);
    let attempt = AttemptId::parse("a").expect("an attempt");
    stage.prepare("ada");
    let join = ClientToEdge::Join { attempt, offer: offer(name), tracks: intents(tracks) };
    let (_, mut outputs) = stage.say("ada", join);
    if let Some(epoch) = stage.epochs.first().copied() {
        outputs = stage.give("node-a", epoch);
    }
    (stage, outputs)
}

fn answer(outputs: &[Output]) -> Result<String, ErrorCode> {
    let reply = outputs.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Joined { answer, .. }, .. }
        | Output::SendClient { message: EdgeToClient::Negotiated { answer, .. }, .. } => Some(Ok(answer.clone())),
        Output::SendClient { message: EdgeToClient::Error { code, .. }, .. } => Some(Err(*code)),
        _ => None,
    });
    reply.expect("a reply")
}

fn check_golden(name: &str) {
    let actual = answer(&join(name, &[MICROPHONE, CAMERA]).1).expect("an answer");
    let path = vectors("answers", name);
    if std::fs::read_to_string(&path).ok().as_ref() != Some(&actual) {
        let written = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sdp"));
        std::fs::write(&written, actual).expect("writes");
        panic!("{} differs from {}", written.display(), path.display());
    }
}

#[test]
fn a_join_of_chromium_is_answered_as_written_down() {
    check_golden("chromium-data");
}

#[test]
fn a_join_of_firefox_is_answered_as_written_down() {
    check_golden("firefox-data");
}

/// The lines of an answer with this prefix, section by section; the first list is that of the session.
fn lines(answer: &str, prefix: &str) -> Vec<Vec<String>> {
    let mut sections = vec![vec![]];
    for line in answer.lines() {
        if line.starts_with("m=") {
            sections.push(vec![]);
        }
        if let (true, Some(section)) = (line.starts_with(prefix), sections.last_mut()) {
            section.push(line.to_string());
        }
    }
    sections
}

#[test]
fn a_further_offer_keeps_what_stays_and_stops_what_went() {
    for browser in ["chromium", "firefox"] {
        let (mut stage, outputs) = join(&format!("{browser}-join"), &[MICROPHONE, CAMERA]);
        let first = answer(&outputs).expect("an answer");
        stage.prepare("ada");
        let (offer, tracks) = (offer(&format!("{browser}-sections")), intents(&[MICROPHONE]));
        let further = ClientToEdge::Negotiate { offer, tracks, reason: NegotiateReason::Sections };
        let second = answer(&stage.say("ada", further).1).expect("an answer");
        let (before, after) = (lines(&first, "a=ssrc:"), lines(&second, "a=ssrc:"));
        assert_eq!(before[3..], after[3..before.len()], "{browser}: slots keep their SSRCs");
        assert!(after[before.len()..].iter().all(|ssrcs| !ssrcs.is_empty()), "{browser}: new slots have some");
        let media = lines(&second, "m=");
        assert!(media[2][0].starts_with("m=video 0 "), "{browser}: {:?}", media[2]);
        assert!(lines(&second, "a=group:")[0][0].starts_with("a=group:BUNDLE 0 2 3"), "{browser}");
        // The captured second offer is from another ICE generation, so the node's credentials change too.
        assert_ne!(lines(&first, "a=ice-ufrag")[1], lines(&second, "a=ice-ufrag")[1], "{browser}");
    }
}

#[test]
fn a_later_offer_may_add_retransmissions_to_a_slot() {
    let (with, without) = (offer("chromium-join"), offer("chromium-join").replace(" rtx/90000", " other/90000"));
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants::default(), None);
    stage.prepare("ada");
    let attempt = AttemptId::parse("a").expect("an attempt");
    let _ = stage.say("ada", ClientToEdge::Join { attempt, offer: without, tracks: intents(&[MICROPHONE, CAMERA]) });
    let epoch = stage.epochs.first().copied().expect("an epoch");
    let first = answer(&stage.give("node-a", epoch)).expect("an answer");
    stage.prepare("ada");
    let tracks = intents(&[MICROPHONE, CAMERA]);
    let further = ClientToEdge::Negotiate { offer: with, tracks, reason: NegotiateReason::Sections };
    let second = answer(&stage.say("ada", further).1).expect("an answer");
    let (before, after) = (lines(&first, "a=ssrc:"), lines(&second, "a=ssrc:"));
    let video = lines(&second, "m=video").iter().rposition(|found| !found.is_empty()).expect("a slot");
    assert_eq!((before[video].len(), after[video].len()), (1, 2), "{second}");
    assert_eq!(before[video][0], after[video][0], "it keeps its own");
    assert_eq!(lines(&second, "a=ssrc-group:FID")[video].len(), 1);
}

#[test]
fn slots_have_ssrcs_of_their_own_and_a_stream_for_each_pair() {
    let (_, outputs) = join("chromium-slots8", &[]);
    let answer = answer(&outputs).expect("an answer");
    let mut ssrcs: Vec<String> = lines(&answer, "a=ssrc:").concat();
    let count = ssrcs.len();
    // One audio stream, and two video streams with retransmissions.
    assert_eq!(count, 8 * 3);
    ssrcs.sort();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), count);
    for (index, msid) in lines(&answer, "a=msid:").iter().skip(1).enumerate() {
        let kind = if index % 2 == 0 { "audio" } else { "video" };
        assert_eq!(msid, &[format!("a=msid:slot-{0} slot-{0}-{kind}", index / 2)]);
    }
}

fn check_refused(name: &str, tracks: &[(usize, TrackSource)], expected: ErrorCode) {
    assert_eq!(answer(&join(name, tracks).1), Err(expected), "{name} {tracks:?}");
}

#[test]
fn refuses_tracks_that_the_offer_does_not_send() {
    check_refused("chromium-publish", &[(2, TrackSource::Camera)], ErrorCode::InvalidOffer);
    check_refused("chromium-publish", &[(0, TrackSource::Camera)], ErrorCode::InvalidOffer);
    check_refused("chromium-publish", &[MICROPHONE, MICROPHONE], ErrorCode::InvalidOffer);
    check_refused("chromium-slots8", &[MICROPHONE], ErrorCode::InvalidOffer);
    check_refused("chromium-sections", &[CAMERA], ErrorCode::InvalidOffer);
}

#[test]
fn refuses_a_codec_that_nobody_speaks() {
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants::default(), None);
    let offer = offer("chromium-publish").replace("VP8/90000", "VP7/90000").replace("H264/90000", "H263/90000");
    stage.prepare("ada");
    let attempt = AttemptId::parse("a").expect("an attempt");
    let join = ClientToEdge::Join { attempt, offer, tracks: intents(&[CAMERA]) };
    assert_eq!(answer(&stage.say("ada", join).1), Err(ErrorCode::UnsupportedMedia));
    assert_eq!(stage.rows.len(), 0, "nothing changed");
}

#[test]
fn refuses_a_further_offer_of_something_else() {
    for (second, reason, expected) in [
        ("chromium-publish", NegotiateReason::Sections, ErrorCode::InvalidOffer),
        ("firefox-join", NegotiateReason::IceRestart, ErrorCode::InvalidOffer),
        ("chromium-slots8", NegotiateReason::TransportDead, ErrorCode::InvalidOffer),
    ] {
        let (mut stage, _) = join("chromium-join", &[MICROPHONE, CAMERA]);
        let before = stage.rows.clone();
        stage.prepare("ada");
        let further = ClientToEdge::Negotiate { offer: offer(second), tracks: vec![], reason };
        assert_eq!(answer(&stage.say("ada", further).1), Err(expected), "{second}");
        assert_eq!(stage.rows, before, "nothing changed");
    }
    // The same connection with its sections in another order.
    let (mut stage, _) = join("chromium-join", &[MICROPHONE, CAMERA]);
    stage.prepare("ada");
    let swapped =
        offer("chromium-ice-restart").replace("a=mid:2\r", "a=mid:x\r").replace("BUNDLE 0 1 2", "BUNDLE 0 1 x");
    let further = ClientToEdge::Negotiate { offer: swapped, tracks: vec![], reason: NegotiateReason::IceRestart };
    assert_eq!(answer(&stage.say("ada", further).1), Err(ErrorCode::InvalidOffer));
}
