//! The wire is pinned: deployed nodes send and expect exactly these messages.

use super::*;
use crate::json::{self, arrays};

fn check_all<M: Message + std::fmt::Debug>(name: &str, kinds: &[&str]) {
    let path = format!("{}/../tests/vectors/control/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("golden messages exist");
    let golden: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a JSON list");
    let mut seen = std::collections::BTreeSet::new();
    for golden in golden {
        let message = M::parse(&golden.to_string()).unwrap_or_else(|error| panic!("{golden}: {error}"));
        let again: serde_json::Value = serde_json::from_str(&message.to_json()).expect("JSON");
        assert_eq!(again, golden);
        arrays::check_refused(&golden, |text| M::parse(text).map(|_| ()).map_err(|error| error.to_string()));
        seen.insert(golden["type"].as_str().unwrap_or_default().to_string());
    }
    assert_eq!(seen, kinds.iter().map(|kind| (*kind).to_string()).collect());
}

#[test]
fn messages_say_what_the_golden_ones_say() {
    check_all::<NodeToFleet>("node_to_fleet", &["register", "register_turn", "heartbeat", "draining", "probed"]);
    check_all::<FleetToNode>(
        "fleet_to_node",
        &["registered", "refused", "assign", "set_media_nodes", "probe", "set_reach", "set_heartbeat", "error"],
    );
    check_all::<NodeToRoom>(
        "node_to_room",
        &[
            "hello",
            "session_connected",
            "session_closed",
            "recording_state",
            "layers_wanted",
            "video_limited",
            "video_undecodable",
            "loudest",
            "draining",
        ],
    );
    check_all::<RoomToNode>(
        "room_to_node",
        &[
            "welcome_part",
            "welcome",
            "set_session",
            "close_session",
            "set_forwards",
            "set_recording",
            "set_microphones",
            "release",
            "refused",
            "error",
        ],
    );
    check_all::<SegmentOutcome>("recording_report", &["sealed", "finished", "empty", "failed"]);
    check_all::<RecordingVerdict>("recording_verdict", &["leave", "finish", "wait", "done"]);
}

#[test]
fn a_report_on_quality_says_what_the_golden_one_says() {
    let path = format!("{}/../tests/vectors/control/quality_report.json", env!("CARGO_MANIFEST_DIR"));
    let golden: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("golden messages exist")).expect("a JSON list");
    let reports: Vec<QualityReport> = serde_json::from_value(golden.clone()).expect("reports");
    assert_eq!(serde_json::to_value(&reports).expect("JSON"), golden);
    for report in reports {
        let report = serde_json::to_value(report).expect("JSON");
        arrays::check_refused(&report, |text| {
            json::from_str::<QualityReport>(text).map(|_| ()).map_err(|error| error.to_string())
        });
    }
}

#[test]
fn a_report_on_a_recording_is_an_object_and_so_is_every_structure_in_it() {
    let golden = r#"{"room":"daily","recording":"r1","outcome":{"type":"sealed","epoch":7}}"#;
    let structures = arrays::check_refused(&serde_json::from_str(golden).expect("JSON"), |text| {
        json::from_str::<RecordingReport>(text).map(|_| ()).map_err(|error| error.to_string())
    });
    assert_eq!(structures, 2);
}

#[test]
fn bad_frames_get_a_code() {
    let code = |text: &str| NodeToRoom::parse(text).expect_err("refused").code();
    assert_eq!(code("nonsense"), ErrorCode::MalformedFrame);
    assert_eq!(code(r#"{"type":"hello"}"#), ErrorCode::InvalidMessage);
    assert_eq!(code(r#"{"type":"sing"}"#), ErrorCode::InvalidMessage);
    assert_eq!(code(&" ".repeat(limits::CONTROL_FRAME_BYTES_MAX + 1)), ErrorCode::FrameTooLarge);
}
