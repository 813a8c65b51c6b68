//! Control: a readable message between node and edge survives a write and another read.

use shared::control::{FleetToNode, Message, NodeToFleet, NodeToRoom, QualityReport, RoomToNode};
use shared::{ErrorCode, json};

/// Reads `bytes` as a frame of each of the four directions, and as a node's report to the Worker.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_as::<NodeToFleet>(text);
    check_as::<FleetToNode>(text);
    check_as::<NodeToRoom>(text);
    check_as::<RoomToNode>(text);
    if let Ok(report) = json::from_str::<QualityReport>(text) {
        let json = serde_json::to_string(&report).expect("a report can be written");
        assert_eq!(json::from_str::<QualityReport>(&json).expect("what we accept, we can say again"), report);
    }
}

fn check_as<M: Message + PartialEq + std::fmt::Debug>(text: &str) {
    match M::parse(text) {
        Ok(message) => {
            let again = M::parse(&message.to_json()).expect("what we accept, we can say again");
            assert_eq!(again, message);
        }
        Err(error) => assert!(ErrorCode::ALL.contains(&error.code())),
    }
}
