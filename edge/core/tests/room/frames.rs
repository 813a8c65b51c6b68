//! Frames that are refused one by one, joins whose answer is lost, and the messages to a node about a large room.

use crate::stage::{Stage, mid_named};
use edge_core::room::{Input, Output};
use shared::control::{Message, NodeToRoom, RoomToNode, WelcomeParts};
use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, TrackIntent, TrackSource};
use shared::token::Grants;
use shared::{AttemptId, ErrorCode, NodeId, TrackId, limits};

const MICROPHONE: [(TrackSource, bool); 1] = [(TrackSource::Microphone, false)];

fn error(outputs: &[Output]) -> Option<(ErrorCode, String)> {
    outputs.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Error { code, message, .. }, .. } => Some((*code, message.clone())),
        _ => None,
    })
}

fn answers(outputs: &[Output]) -> Vec<&str> {
    let answer = |output| match output {
        &Output::SendClient { message: EdgeToClient::Joined { ref answer, .. }, .. } => Some(answer.as_str()),
        _ => None,
    };
    outputs.iter().filter_map(answer).collect()
}

/// A room with a connected node.
fn stage() -> Stage {
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants { moderate: true, record: true, ..Grants::default() }, Some(1_000));
    let join = stage.join("ada", "a", &MICROPHONE, 2);
    stage.say("ada", join);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    stage.open_node("node-a", epoch);
    stage.node_says("node-a", hello(epoch));
    stage
}

fn hello(epoch: u64) -> NodeToRoom {
    NodeToRoom::Hello {
        node: NodeId::parse("node-a").expect("a valid value"),
        epoch,
        connected: vec![],
        reports_loudest: true,
    }
}

/// Letters only, because the stage reads digits as a socket's number.
fn name(number: usize) -> String {
    let letter = |digit: usize| char::from(b'a' + u8::try_from(digit % 26).expect("a valid value"));
    format!("p{}{}{}", letter(number / 676), letter(number / 26), letter(number))
}

#[test]
fn frames_with_wrong_fields_are_refused_and_close_nothing() {
    let mut stage = stage();
    let socket = stage.socket("ada");
    for number in 0..3 * limits::MALFORMED_FRAMES_MAX {
        stage.now = stage.now.plus_ms(1000);
        let (text, code) = match number % 3 {
            0 => (r#"{"id":1774232524389,"type":"raise_hand","raised":true}"#, ErrorCode::InvalidMessage),
            1 => (r#"{"type":"set_muted"}"#, ErrorCode::InvalidMessage),
            _ => (r#"{"type":"dance"}"#, ErrorCode::UnknownMessage),
        };
        let outputs = stage.input(Input::ClientFrame { socket, frame: ClientFrame::parse(text) });
        assert_eq!(error(&outputs).map(|(code, _)| code), Some(code));
        assert!(!outputs.iter().any(|output| matches!(output, Output::CloseClient { .. })), "frame {number}");
    }
}

#[test]
fn a_section_that_cannot_be_accepted_is_published_in_vain() {
    let path = format!("{}/../../tests/vectors/offers/situations", env!("CARGO_MANIFEST_DIR"));
    let offer = |name: &str| std::fs::read_to_string(format!("{path}/{name}.sdp")).expect("a situation");
    for (name, mid, source, expected) in [
        (
            "a-section-outside-the-group",
            1,
            TrackSource::Camera,
            "m=: the section is not in the BUNDLE group of the section in line 10",
        ),
        ("baseline", 7, TrackSource::Microphone, "tracks: the offer has no section with the mid 7"),
        (
            "baseline",
            0,
            TrackSource::Camera,
            "tracks: the kind of the section with the mid 0 does not match its source",
        ),
        ("the-tagged-section-is-stopped", 1, TrackSource::Camera, "tracks: the section with the mid 1 has port 0"),
        (
            "extensions-with-directions-received",
            0,
            TrackSource::Microphone,
            "tracks: the section with the mid 0 does not send",
        ),
    ] {
        let mut stage = Stage::new(1);
        stage.open_client("ada", Grants::default(), None);
        let tracks = vec![TrackIntent { mid: mid_named(mid), source, muted: false }];
        let attempt = AttemptId::parse("a").expect("a valid value");
        let outputs = stage.say("ada", ClientToEdge::Join { attempt, offer: offer(name), tracks }).1;
        let (code, message) = error(&outputs).expect(name);
        assert_eq!(code, ErrorCode::InvalidOffer, "{name}");
        assert!(message.contains(expected), "{name}: {message}");
        assert!(stage.rows.is_empty(), "{name}: nothing is kept of a refused join");
    }
}

#[test]
fn a_node_that_dials_a_large_room_again_is_told_all_of_it_in_parts() {
    let mut stage = stage();
    let epoch = stage.epochs[0];
    let people = 100;
    for number in 0..people {
        let name = name(number);
        stage.now = stage.now.plus_ms(1000);
        stage.open_client(&name, Grants::default(), None);
        let join = stage.join(&name, "a", &[], 2);
        assert_eq!(answers(&stage.say(&name, join).1).len(), 1, "{name}");
    }
    stage.close("node-a");
    stage.open_node("node-a2", epoch);
    let outputs = stage.node_says("node-a2", hello(epoch));
    let mut parts = WelcomeParts::default();
    let mut frames = 0;
    let whole: Vec<RoomToNode> = outputs
        .into_iter()
        .filter_map(|output| match output {
            Output::SendNode { message, .. } => Some(message),
            _ => None,
        })
        .filter_map(|message| {
            frames += 1;
            assert!(message.to_json().len() <= limits::CONTROL_FRAME_BYTES_MAX);
            parts.take(message).expect("no more parts than a node takes")
        })
        .collect();
    assert!(frames > 2, "{frames} frames");
    let [RoomToNode::Welcome { sessions, forwards, .. }] = whole.as_slice() else { panic!("{whole:?}") };
    assert_eq!(sessions.len(), people + 1);
    assert_eq!(forwards.len(), people, "everybody hears the one microphone");
}

#[test]
fn a_join_repeated_after_its_node_was_released_is_a_new_one() {
    let mut stage = stage();
    let first = stage.epochs[0];
    // The node leaves, and no other takes the room while the only client is absent.
    stage.node_says("node-a", NodeToRoom::Draining {});
    stage.close("ada");
    stage.now = stage.now.plus_ms(1000);
    for epoch in stage.epochs.clone().into_iter().filter(|epoch| *epoch != first) {
        stage.give("node-b", epoch);
    }
    stage.now = stage.now.plus_ms(limits::RESUME_WINDOW_MS / 2);
    stage.input(Input::Deadline);
    stage.open_client("ada", Grants::default(), None);
    let again = stage.join("ada", "aagain", &MICROPHONE, 2);
    let mut outputs = stage.say("ada", again).1;
    for epoch in stage.epochs.clone() {
        outputs.extend(stage.give("node-b", epoch));
    }
    let answers = answers(&outputs);
    assert!(!answers.is_empty() && answers.iter().all(|answer| answer.starts_with("v=0")), "{answers:?}");
}

#[test]
fn what_a_moderator_silenced_is_not_recorded() {
    let mut stage = stage();
    stage.say("ada", ClientToEdge::StartRecording {});
    let recorded = |outputs: &[Output]| {
        let mut orders = outputs.iter().filter_map(|output| match output {
            Output::SendNode { message: RoomToNode::SetRecording { recording: Some(order) }, .. } => Some(order),
            _ => None,
        });
        orders
            .next_back()
            .map(|order| order.participants.iter().map(|participant| participant.tracks.len()).sum::<usize>())
    };
    let (participant, track) =
        (shared::ParticipantId::parse("ada").expect("a valid value"), TrackId::parse("t1").expect("a valid value"));
    let mute = ClientToEdge::MuteTrack { participant, track, hold: false };
    assert_eq!(recorded(&stage.say("ada", mute).1), Some(0));
    let unmute = ClientToEdge::SetMuted { mid: mid_named(0), muted: false };
    assert_eq!(recorded(&stage.say("ada", unmute).1), Some(1));
}
