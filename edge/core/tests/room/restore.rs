//! Rows that cannot be read back are an error, never a guess.

use crate::stage::randomness;
use edge_core::room::{Config, Room};
use edge_core::storage::{RestoreError, Row};
use shared::{RoomId, UnixMillis};
use std::cell::Cell;
use std::rc::Rc;

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
