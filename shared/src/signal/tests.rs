//! The wire is pinned: deployed clients send and expect exactly these messages.

use super::*;
use crate::error_code::ErrorCode;
use crate::ids::SessionId;
use crate::json::{self, arrays};
use crate::limits;

fn vectors(name: &str) -> Vec<serde_json::Value> {
    let path = format!("{}/../tests/vectors/signal/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("golden messages exist");
    serde_json::from_str(&text).expect("golden messages are a JSON list")
}

#[test]
fn client_messages_say_what_the_golden_ones_say() {
    for golden in vectors("client_to_edge") {
        let frame = ClientFrame::parse(&golden.to_string()).unwrap_or_else(|error| panic!("{golden}: {error}"));
        let again: serde_json::Value = serde_json::from_str(&frame.to_json()).expect("JSON");
        assert_eq!(again, golden);
    }
}

#[test]
fn edge_messages_say_what_the_golden_ones_say() {
    for golden in vectors("edge_to_client") {
        let message: EdgeToClient =
            serde_json::from_value(golden.clone()).unwrap_or_else(|error| panic!("{golden}: {error}"));
        let again: serde_json::Value = serde_json::from_str(&message.to_json()).expect("JSON");
        assert_eq!(again, golden);
    }
}

#[test]
fn every_kind_of_message_has_a_golden_one() {
    let kinds = |name| -> std::collections::BTreeSet<String> {
        vectors(name).iter().filter_map(|m| Some(m.get("type")?.as_str()?.to_string())).collect()
    };
    let client = [
        "join",
        "resume",
        "negotiate",
        "set_muted",
        "view",
        "kick",
        "list_bans",
        "list_audience",
        "lift_ban",
        "admit_guest",
        "refuse_guest",
        "mute_track",
        "update_participant",
        "update_room",
        "start_room",
        "pause_room",
        "resume_room",
        "end_room",
        "start_recording",
        "stop_recording",
        "chat",
        "react",
        "raise_hand",
        "lower_hand",
        "seek",
        "signal",
        "list_peer_servers",
        "report_direct",
        "leave",
    ];
    assert_eq!(kinds("client_to_edge"), client.map(String::from).into());
    let edge = [
        "joined",
        "resumed",
        "negotiated",
        "done",
        "bans",
        "audience",
        "peer_servers",
        "guests_waiting",
        "error",
        "refused",
        "participant_joined",
        "participant_updated",
        "room_updated",
        "track_muted",
        "participant_left",
        "roster_changed",
        "chat",
        "reacted",
        "sought",
        "signaled",
        "slots_changed",
        "sections_needed",
        "layers_wanted",
        "video_limited",
        "video_undecodable",
        "transport_dead",
        "node_away",
        "recording_updated",
        "removed",
    ];
    assert_eq!(kinds("edge_to_client"), edge.map(String::from).into());
}

fn check_refused(text: &str, code: ErrorCode, id: Option<u32>) {
    let error = ClientFrame::parse(text).expect_err(text);
    assert_eq!((error.code(), error.id()), (code, id), "{}", &text[..text.len().min(80)]);
}

#[test]
fn bad_frames_get_a_code() {
    check_refused("", ErrorCode::MalformedFrame, None);
    check_refused("[]", ErrorCode::MalformedFrame, None);
    check_refused("{}", ErrorCode::MalformedFrame, None);
    check_refused(r#"{"id":3}"#, ErrorCode::MalformedFrame, Some(3));
    check_refused(r#"{"type":"webrtc-offer","id":3}"#, ErrorCode::UnknownMessage, Some(3));
    check_refused(r#"{"type":"set_muted","id":4}"#, ErrorCode::InvalidMessage, Some(4));
    check_refused(r#"{"type":"set_muted","id":4,"mid":"a b","muted":true}"#, ErrorCode::InvalidMessage, Some(4));
    check_refused(r#"{"type":"kick","id":5,"participant":""}"#, ErrorCode::InvalidMessage, Some(5));
    check_refused(
        r#"{"type":"kick","id":5,"participant":"a","ban":{"lasts_ms":1}}"#,
        ErrorCode::InvalidMessage,
        Some(5),
    );
    check_refused(r#"{"type":"kick","id":5,"participant":"a","ban":{"for":1}}"#, ErrorCode::InvalidMessage, Some(5));
    check_refused(r#"{"type":"update_room","id":6,"participants_max":0}"#, ErrorCode::InvalidMessage, Some(6));
    check_refused(r#"{"type":"update_room","id":6,"empty_timeout_ms":9000000000}"#, ErrorCode::InvalidMessage, Some(6));
    check_refused(r#"{"type":"update_room","id":6,"duration_ms_max":604800001}"#, ErrorCode::InvalidMessage, Some(6));
    check_refused(r#"{"type":"update_room","id":6,"starts_at":9000000000000000}"#, ErrorCode::InvalidMessage, Some(6));
    let long = format!(r#"{{"type":"update_participant","id":7,"participant":"a","metadata":"{}"}}"#, "x".repeat(1025));
    check_refused(&long, ErrorCode::InvalidMessage, Some(7));
    let long = format!(r#"{{"type":"end_room","id":8,"reason":"{}"}}"#, "x".repeat(257));
    check_refused(&long, ErrorCode::InvalidMessage, Some(8));
}

/// Expects a refusal with this detail.
fn check_detail(text: &str, id: Option<u32>, expected: &str) {
    let error = ClientFrame::parse(text).expect_err(text);
    assert_eq!((error.code(), error.id()), (ErrorCode::InvalidMessage, id), "{text}");
    assert!(error.to_string().starts_with(expected), "{text}: {error}");
}

#[test]
fn a_frame_is_an_object_and_so_is_every_structure_in_it() {
    for text in [r#"["leave"]"#, r#"["end_room",null]"#, r#" ["leave", {}]"#, r#""leave""#, "null", "7", "\u{feff}{}"] {
        check_refused(text, ErrorCode::MalformedFrame, None);
    }
    let join = |tracks: &str| format!(r#"{{"type":"join","id":1,"attempt":"a","offer":"","tracks":{tracks}}}"#);
    assert!(ClientFrame::parse(&join(r#"[{"mid":"0","source":"camera"}]"#)).is_ok());
    check_detail(&join(r#"[["0","camera",false]]"#), Some(1), "invalid type: sequence, expected struct");
    let grants = r#"{"type":"update_participant","id":1,"participant":"a","grants":[false]}"#;
    check_detail(grants, Some(1), "invalid type: sequence, expected struct");
    assert!(ClientFrame::parse(" \n{\"type\":\"leave\"}").is_ok());
    let client = |text: &str| ClientFrame::parse(text).map(|_| ()).map_err(|error| error.to_string());
    let edge = |text: &str| json::from_str::<EdgeToClient>(text).map(|_| ()).map_err(|error| error.to_string());
    let inner = |golden: &serde_json::Value, parse: &dyn Fn(&str) -> Result<(), String>| {
        arrays::check_refused(golden, parse).saturating_sub(1)
    };
    let of_client: usize = vectors("client_to_edge").iter().map(|golden| inner(golden, &client)).sum();
    let of_edge: usize = vectors("edge_to_client").iter().map(|golden| inner(golden, &edge)).sum();
    assert!(of_client >= 6 && of_edge >= 20, "structures in golden messages: {of_client}, {of_edge}");
}

#[test]
fn a_bad_type_is_named_and_answered_with_the_id() {
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for kind in ["7", "-7", "1.5", "null", "true", r#"["leave"]"#, r#"{"type":"leave"}"#, &deep] {
        check_detail(&format!(r#"{{"id":3,"type":{kind}}}"#), Some(3), "type must be a string");
        check_detail(&format!(r#"{{"type":{kind}}}"#), None, "type must be a string");
        check_detail(&format!(r#"{{"id":{deep},"type":{kind}}}"#), None, "id must be an integer");
    }
    assert!(ClientFrame::parse(r#"{"id":3,"type":"\u006ceave"}"#).is_ok());
    check_refused(r#"{"id":3,"type":"leave","type":"leave"}"#, ErrorCode::MalformedFrame, None);
}

#[test]
fn a_bad_id_is_named() {
    for id in ["1774232524389", "4294967296", "-1", "1.5", r#""7""#, "[1]", "{}", "true"] {
        let text = format!(r#"{{"id":{id},"type":"raise_hand","raised":true}}"#);
        check_detail(&text, None, "id must be an integer from 0 to 4294967295");
    }
    for (id, expected) in [("0", Some(0)), ("4294967295", Some(u32::MAX)), ("null", None)] {
        let frame = ClientFrame::parse(&format!(r#"{{"id":{id},"type":"leave"}}"#)).expect(id);
        assert_eq!(frame.id, expected);
    }
}

#[test]
fn an_update_that_changes_nothing_says_so() {
    let room = "update_room has none of its fields";
    check_detail(r#"{"type":"update_room","id":1,"lock":true}"#, Some(1), room);
    check_detail(r#"{"type":"update_room","id":1,"locked":null}"#, Some(1), room);
    let participant = "update_participant has none of the fields name, metadata, grants, role and bandwidth";
    check_detail(r#"{"type":"update_participant","id":1,"participant":"a","Name":"x"}"#, Some(1), participant);
}

#[test]
fn text_that_people_see_obeys_one_rule() {
    for (frame, field) in [
        (r#"{"type":"update_participant","id":1,"participant":"a","name":"TEXT"}"#, "name"),
        (r#"{"type":"update_participant","id":1,"participant":"a","metadata":"TEXT"}"#, "metadata"),
        (r#"{"type":"update_room","id":1,"metadata":"TEXT"}"#, "metadata"),
        (r#"{"type":"kick","id":1,"participant":"a","reason":"TEXT"}"#, "reason"),
        (r#"{"type":"end_room","id":1,"reason":"TEXT"}"#, "reason"),
        (r#"{"type":"pause_room","id":1,"reason":"TEXT"}"#, "reason"),
        (r#"{"type":"chat","id":1,"message":"m","text":"TEXT"}"#, "text"),
    ] {
        assert!(ClientFrame::parse(&frame.replace("TEXT", "Ada \u{1f44b}")).is_ok(), "{frame}");
        for (text, fault) in
            [(r"a\u0000b", "has control characters"), (r"a\u202eb", "has bidirectional"), (r"\u200b\u200d", "is blank")]
        {
            check_detail(&frame.replace("TEXT", text), Some(1), &format!("{field} {fault}"));
        }
    }
}

#[test]
fn large_frames_are_refused_by_their_kind() {
    let pad = |kind: &str, bytes: usize| {
        let head = format!(r#"{{"type":"{kind}","id":9,"pad":""#);
        format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
    };
    check_refused(&pad("leave", limits::SIGNAL_FRAME_BYTES_MAX + 1), ErrorCode::FrameTooLarge, Some(9));
    check_refused(&pad("join", limits::OFFER_FRAME_BYTES_MAX + 1), ErrorCode::FrameTooLarge, None);
    // The frame is within its size limit, so it is refused only as incomplete.
    check_refused(&pad("join", limits::OFFER_FRAME_BYTES_MAX), ErrorCode::InvalidMessage, Some(9));
    assert!(ClientFrame::parse(&pad("leave", limits::SIGNAL_FRAME_BYTES_MAX)).is_ok());
}

#[test]
fn unknown_fields_are_left_alone() {
    // A newer client may send fields that this edge does not know.
    let frame = ClientFrame::parse(r#"{"type":"leave","farewell":"bye"}"#).expect("still a leave");
    assert_eq!(frame, ClientFrame { id: None, message: ClientToEdge::Leave {} });
}

#[test]
fn secrets_are_not_printed() {
    let server = IceServer { urls: vec![], username: Some("user-9".into()), credential: Some("hunter2".into()) };
    assert!(!format!("{server:?}").contains("hunter2"));
    assert!(SessionId::parse("abc").is_ok());
}
