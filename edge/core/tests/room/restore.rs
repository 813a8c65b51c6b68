//! Unreadable rows are an error, never a guess, and cost nothing but their own content.

use crate::scripts::act;
use crate::stage::{Stage, randomness};
use edge_core::room::{Config, Output, Room};
use edge_core::storage::{RestoreError, Row};
use shared::control::RoomToNode;
use shared::signal::{EdgeToClient, LeaveReason};
use shared::token::{self, JoinClaims, Key, TokenError};
use shared::{ErrorCode, ParticipantId, RoomId, UnixMillis, limits};
use std::cell::Cell;
use std::rc::Rc;

const MINUTE_MS: u64 = 60_000;

/// A twelve-hour call on a join token that is valid for a minute: every deployment closes all sockets.
#[test]
fn a_call_outlives_its_join_token_and_ten_deployments() {
    let mut stage = Stage::new(1);
    let key = Key::new("k", b"a secret of more than thirty-two bytes").expect("long enough");
    let claims = JoinClaims {
        name: "ADA".into(),
        ..JoinClaims::new(ParticipantId::parse("ada").expect("a name"), RoomId::parse("daily").expect("a name"))
    };
    let token = token::sign(claims, &key, stage.now, MINUTE_MS).expect("signs");
    let opens = |stage: &Stage| token::verify::<JoinClaims>(&token, std::slice::from_ref(&key), stage.now);
    assert_eq!(opens(&stage).map(|claims| claims.sub.to_string()).as_deref(), Ok("ada"));
    for line in ["ada opens", "ada joins a mic slots=1", "fleet gives node-a e1", "node-a dials e1", "node-a hello e1"]
    {
        act(&mut stage, line);
    }
    act(&mut stage, "node-a up ada");
    let (first, _) = stage.client("ada").session.clone().expect("joined");
    for deployment in 1..=10 {
        for _ in 0..12 * 60 / 10 {
            act(&mut stage, "wait 60000");
        }
        assert_eq!(opens(&stage), Err(TokenError::Expired), "deployment {deployment}");
        stage.crash();
        act(&mut stage, "wait 3000");
        let welcome = [act(&mut stage, "node-a dials e1"), act(&mut stage, "node-a hello e1 ada")].concat();
        let knows = |output: &Output| match output {
            Output::SendNode { message: RoomToNode::Welcome { sessions, .. }, .. } => {
                sessions.iter().map(|known| &known.session).eq([&first])
            }
            _ => false,
        };
        assert!(welcome.iter().any(knows), "deployment {deployment}: {welcome:?}");
        act(&mut stage, "wait 2000");
        act(&mut stage, "ada reopens");
        let outputs = act(&mut stage, "ada resumes");
        let resumed = |output: &Output| match output {
            Output::SendClient { message: EdgeToClient::Resumed { transport_dead, .. }, .. } => !transport_dead,
            _ => false,
        };
        assert!(outputs.iter().any(resumed), "deployment {deployment}: {outputs:?}");
    }
    assert_eq!(stage.client("ada").session.clone().map(|(session, _)| session), Some(first));
    assert_eq!(stage.epochs.len(), 1, "the node serves the room all along");
}

fn restore(key: &str, value: &str) -> Option<RestoreError> {
    let rows = [Row { key: key.into(), value: value.into() }];
    let random = randomness(&Rc::new(Cell::new(1)));
    let id = RoomId::parse("daily").expect("a name");
    Room::restore(id, Config::default(), random, UnixMillis(1), (&rows, Box::new(|_| None)), vec![]).err()
}

#[test]
fn refuses_rows_of_another_version() {
    for key in ["meta", "member/ada", "session/abc", "assignment/7"] {
        let expected = RestoreError::Version { key: key.into(), found: 7, expected: 1 };
        assert_eq!(restore(key, r#"{"version":7,"row":{}}"#), Some(expected));
    }
}

#[test]
fn refuses_rows_that_it_never_wrote() {
    for (key, value) in [
        ("meta", ""),
        ("meta", "{}"),
        ("meta", r#"{"version":1}"#),
        ("meta", r#"{"version":1,"row":{"epoch":1}}"#),
        ("member/a b", r#"{"version":1,"row":{}}"#),
        ("session/-", r#"{"version":1,"row":{}}"#),
        ("assignment/x", r#"{"version":1,"row":{}}"#),
        ("moon", r#"{"version":1,"row":{}}"#),
    ] {
        assert!(matches!(restore(key, value), Some(RestoreError::Malformed { .. })), "{key} {value}");
    }
}

/// Ada records and Bob listens on one node; both joined so long ago that no first frame is due.
fn recording_call() -> Stage {
    let mut stage = Stage::new(1);
    for line in [
        "ada opens recorder",
        "ada joins a mic slots=1",
        "fleet gives node-a e1",
        "node-a dials e1",
        "node-a hello e1",
        "node-a up ada",
        "bob opens",
        "bob joins b mic slots=1",
        "node-a up bob",
        "ada writes a1 hello",
        "ada records",
    ] {
        act(&mut stage, line);
    }
    stage.now = stage.now.plus_ms(limits::FIRST_FRAME_TIMEOUT_MS);
    stage
}

/// The stored keys up to the first slash.
fn kinds(stage: &Stage) -> Vec<&str> {
    stage.rows.keys().map(|key| key.split('/').next().unwrap_or_default()).collect()
}

fn spoil(stage: &mut Stage, prefix: &str) {
    let keys: Vec<String> = stage.rows.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    assert!(!keys.is_empty(), "no row begins with {prefix}: {:?}", stage.rows.keys());
    for key in keys {
        stage.rows.insert(key, r#"{"version":2,"row":{}}"#.into());
    }
}

/// Wakes the room with the remaining rows, then lets time pass.
fn wake(stage: &mut Stage) -> Vec<Output> {
    let mut outputs = stage.salvage();
    outputs.extend(stage.input(edge_core::room::Input::Deadline));
    // The stored rows are readable, except those that wait for another version.
    let kept: Vec<(String, String)> = stage.rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    stage.rows.retain(|key, _| !key.starts_with("recording/") && key != "moon");
    stage.sleep();
    stage.rows.extend(kept);
    outputs
}

fn left(outputs: &[Output]) -> Vec<&str> {
    let who = outputs.iter().filter_map(|output| match output {
        Output::SendClient { message: EdgeToClient::ParticipantLeft { participant, reason }, .. } => {
            assert_eq!(*reason, LeaveReason::TimedOut);
            Some(participant.as_str())
        }
        _ => None,
    });
    who.collect()
}

/// Participants whose sockets are told to reconnect.
fn sent_back(outputs: &[Output]) -> usize {
    let is_one = |output: &&Output| {
        matches!(output, Output::SendClient { message: EdgeToClient::Refused { code: ErrorCode::Timeout }, .. })
    };
    outputs.iter().filter(is_one).count()
}

#[test]
fn an_unreadable_participant_comes_back_and_nobody_else_has_to() {
    for prefix in ["member/bob", "session/"] {
        let mut stage = recording_call();
        if prefix == "session/" {
            let bobs = stage.owners.iter().find(|(_, owner)| *owner == "bob").map(|(session, _)| session.to_string());
            spoil(&mut stage, &format!("session/{}", bobs.expect("bob has a session")));
        } else {
            spoil(&mut stage, prefix);
        }
        let outputs = wake(&mut stage);
        assert_eq!(sent_back(&outputs), 1, "{prefix}: {outputs:?}");
        let expected = ["act", "assignment", "chat", "member", "meta", "negotiated", "recording", "session"];
        assert_eq!(kinds(&stage), expected, "{prefix}");
        assert!(stage.rows.contains_key("member/ada"), "{prefix}");
        if prefix == "session/" {
            assert_eq!(left(&outputs), ["bob"]);
        }
    }
}

/// Moves what was negotiated into the rows of the sessions, where earlier versions stored it.
fn as_before(stage: &mut Stage) {
    let negotiated: Vec<String> =
        stage.rows.keys().filter_map(|key| Some(key.strip_prefix("negotiated/")?.to_owned())).collect();
    assert!(!negotiated.is_empty());
    for id in negotiated {
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("json");
        let negotiated = read(&stage.rows.remove(&format!("negotiated/{id}")).expect("a row"));
        let session = stage.rows.get_mut(&format!("session/{id}")).expect("a session");
        let mut whole = read(session);
        let fields = negotiated["row"].as_object().expect("fields").clone();
        whole["row"].as_object_mut().expect("fields").extend(fields);
        *session = whole.to_string();
    }
}

#[test]
fn a_session_stored_by_an_earlier_version_stays() {
    let (mut stage, mut unchanged) = (recording_call(), recording_call());
    as_before(&mut stage);
    let moved = stage.salvage();
    assert!(matches!(&moved[..], [Output::Store(_)]), "{moved:?}");
    assert_eq!(stage.rows.keys().collect::<Vec<_>>(), unchanged.rows.keys().collect::<Vec<_>>());
    for step in [
        "node-a closes",
        "wait 1000",
        "node-a dials e1",
        "node-a hello e1 ada bob",
        "bob negotiates sections mic slots=2",
    ] {
        assert_eq!(act(&mut stage, step), act(&mut unchanged, step), "{step}");
    }
}

#[test]
fn a_client_whose_parameters_are_unreadable_makes_a_new_connection() {
    let mut stage = recording_call();
    let keys: Vec<String> = stage.rows.keys().filter(|key| key.starts_with("negotiated/")).cloned().collect();
    for key in keys {
        stage.rows.insert(key, r#"{"version":1,"row":{}}"#.into());
    }
    assert_eq!(stage.sleep(), [], "nobody has asked for them");
    let outputs = act(&mut stage, "bob negotiates sections mic slots=1");
    let forgotten = |output: &Output| {
        matches!(
            output,
            Output::SendClient { message: EdgeToClient::Error { code: ErrorCode::SessionExpired, .. }, .. }
        )
    };
    assert!(outputs.iter().any(forgotten), "{outputs:?}");
    let outputs = act(&mut stage, "bob negotiates new mic slots=1");
    let answered =
        |output: &Output| matches!(output, Output::SendClient { message: EdgeToClient::Negotiated { .. }, .. });
    assert!(outputs.iter().any(answered), "{outputs:?}");
}

#[test]
fn an_unreadable_message_or_recording_costs_nothing_else() {
    for prefix in ["chat/", "recording/"] {
        let mut stage = recording_call();
        let before = stage.rows.len();
        spoil(&mut stage, prefix);
        let outputs = wake(&mut stage);
        assert_eq!((sent_back(&outputs), left(&outputs)), (0, vec![]), "{prefix}");
        // A recording waits for the version that wrote it; a message is deleted.
        assert_eq!(stage.rows.len(), if prefix == "chat/" { before - 1 } else { before }, "{prefix}");
    }
}

#[test]
fn without_its_assignment_the_room_asks_for_another_node() {
    let mut stage = recording_call();
    spoil(&mut stage, "assignment/");
    let outputs = wake(&mut stage);
    assert!(outputs.iter().any(|output| matches!(output, Output::AskFleet(_))), "{outputs:?}");
    assert_eq!((sent_back(&outputs), left(&outputs)), (0, vec![]));
    let outputs = act(&mut stage, "fleet gives node-b e2");
    let moved = |output: &&Output| matches!(output, Output::SendClient { message: EdgeToClient::TransportDead {}, .. });
    assert_eq!(outputs.iter().filter(moved).count(), 2, "{outputs:?}");
}

#[test]
fn a_room_that_has_forgotten_itself_keeps_its_recordings() {
    let mut stage = recording_call();
    spoil(&mut stage, "meta");
    stage.rows.insert("moon".into(), "of another version".into());
    let outputs = wake(&mut stage);
    assert_eq!(sent_back(&outputs), 2, "{outputs:?}");
    assert_eq!(kinds(&stage), ["act", "moon", "recording"]);
}
