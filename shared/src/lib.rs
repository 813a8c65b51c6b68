//! Types shared between Rotunda programs: ids, limits, time, error codes, signaling and control messages, RTP
//! parameters, tokens.
//!
//! This crate contains wire types, their validation, and limits that more than one program enforces.
//! It contains no I/O, clock (`now` is an argument) or randomness, and nothing that only one program needs.
//! Builds for wasm32 and native targets.

// For `#[tagged]`, which names this crate from outside.
extern crate self as shared;

pub mod api;
pub mod control;
pub mod error_code;
pub mod ids;
pub mod json;
pub mod limits;
pub mod manifest;
#[cfg(feature = "openapi")]
pub mod parser;
pub mod rtp_parameters;
pub mod signal;
pub mod sorted;
pub mod text;
pub mod time;
pub mod token;
pub mod trace;
pub mod turn_credential;
#[cfg(feature = "typescript")]
pub mod typescript;
pub mod version;

pub use error_code::ErrorCode;
pub use ids::{
    AttemptId, Attribute, MessageId, Mid, NodeId, ParticipantId, RecordingId, Region, RoleName, RoomId, SessionId,
    TemplateName, TokenId, TrackId,
};
pub use text::Text;
pub use time::UnixMillis;
pub use version::VERSION;

#[cfg(test)]
mod docs {
    //! Checks `docs/protocol.md` against the golden messages and the error codes.

    use crate::ErrorCode;
    use serde_json::Value;

    fn read(path: &str) -> String {
        std::fs::read_to_string(format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))).expect("part of the repository")
    }

    fn golden() -> Vec<Value> {
        let signal = ["signal/client_to_edge", "signal/edge_to_client"];
        let control =
            ["control/node_to_fleet", "control/fleet_to_node", "control/node_to_room", "control/room_to_node"];
        let recording =
            ["control/quality_report", "control/recording_report", "control/recording_verdict", "recording/manifest"];
        let list = |name| -> Vec<Value> {
            serde_json::from_str(&read(&format!("tests/vectors/{name}.json"))).expect("a JSON list")
        };
        signal.into_iter().chain(control).chain(recording).flat_map(list).collect()
    }

    #[test]
    fn every_example_is_a_golden_message() {
        let (text, golden) = (read("docs/protocol.md"), golden());
        let examples: Vec<&str> = text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(examples.len() > 15, "the examples were not found");
        for example in examples {
            let value: Value = serde_json::from_str(example).expect(example);
            assert!(golden.contains(&value), "not in tests/vectors: {example}");
        }
    }

    #[test]
    fn every_error_code_is_listed() {
        let text = read("docs/protocol.md");
        for code in ErrorCode::ALL {
            let retry = if code.may_retry() { "yes" } else { "no" };
            let row = text.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
            assert!(row.is_some_and(|row| row.ends_with(&format!("| {retry} |"))), "{code}");
        }
    }
}
