//! Rows that cannot be read back are an error, never a guess.

use crate::stage::{Stage, randomness};
use edge_core::room::{Config, Output, Room};
use edge_core::storage::{RestoreError, Row};
use shared::signal::{ClientToEdge, EdgeToClient, TrackSource};
use shared::token::Grants;
use shared::{RoomId, UnixMillis};
use std::cell::Cell;
use std::rc::Rc;

/// A call of twelve hours on a join token that is good for a minute: every deployment closes all sockets.
#[test]
fn a_call_outlives_its_join_token_and_ten_deployments() {
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants::default(), None);
    let join = stage.join("ada", "a", &[(TrackSource::Microphone, false)], 1);
    stage.say("ada", join);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    let (first, _) = stage.client("ada").session.clone().expect("joined");
    for deployment in 1..=10 {
        stage.now = stage.now.plus_ms(12 * 3_600_000 / 10);
        stage.crash();
        stage.now = stage.now.plus_ms(5_000);
        assert!(stage.reopen_client("ada").is_some(), "deployment {deployment}");
        let (session, resume_token) = stage.client("ada").session.clone().expect("joined");
        let resume = ClientToEdge::Resume { session, resume_token, chat_after: None };
        let outputs = stage.say("ada", resume).1;
        let resumed =
            |output: &Output| matches!(output, Output::SendClient { message: EdgeToClient::Resumed { .. }, .. });
        assert!(outputs.iter().any(resumed), "deployment {deployment}: {outputs:?}");
    }
    assert_eq!(stage.client("ada").session.clone().map(|(session, _)| session), Some(first));
}

fn restore(key: &str, value: &str) -> Option<RestoreError> {
    let rows = [Row { key: key.into(), value: value.into() }];
    let random = randomness(&Rc::new(Cell::new(1)));
    let id = RoomId::parse("daily").expect("a name");
    Room::restore(id, Config::default(), random, UnixMillis(1), &rows, vec![]).err()
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
