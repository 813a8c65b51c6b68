//! The rows of a room after participants have come and gone.

use crate::stage::Stage;
use edge_core::room::Input;
use shared::signal::{ClientToEdge, TrackSource};
use shared::token::Grants;
use std::collections::BTreeMap;

const BOTH: [(TrackSource, bool); 2] = [(TrackSource::Microphone, false), (TrackSource::Camera, false)];
/// Participants of each round, one after another.
const PEOPLE: u8 = 20;
/// After these rounds the room has seen everything once.
const WARM_ROUNDS: u32 = 3;
const ROUNDS: u32 = 30;
/// All of it takes less time than a client may be silent.
const PACE_MS: u64 = 50;

/// The same participants join and leave while `ada` stays.
fn round(stage: &mut Stage, number: u32) {
    for person in 0..PEOPLE {
        let name = format!("guest-{}", char::from(b'a' + person));
        stage.open_client(&name, Grants::default(), None);
        let join = stage.join(&name, &format!("attempt{number}x{person}"), &BOTH, 2);
        stage.say(&name, join);
        stage.say(&name, ClientToEdge::Leave {});
        if stage.sockets.contains_key(&name) {
            stage.close(&name);
        }
        let end = stage.now.plus_ms(PACE_MS);
        while let Some(at) = stage.timeout().filter(|at| *at <= end) {
            stage.now = at.max(stage.now);
            stage.input(Input::Deadline);
        }
        stage.now = end;
    }
}

/// Stored bytes by the first word of the key.
fn stored(stage: &Stage) -> BTreeMap<String, usize> {
    let mut bytes = BTreeMap::new();
    for (key, row) in &stage.rows {
        *bytes.entry(key.split('/').next().unwrap_or_default().to_owned()).or_default() += key.len() + row.len();
    }
    bytes
}

#[test]
fn people_who_come_and_go_leave_nothing() {
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants::default(), None);
    let join = stage.join("ada", "first", &BOTH, 2);
    stage.say("ada", join);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    (0..WARM_ROUNDS).for_each(|number| round(&mut stage, number));
    let before = stored(&stage);
    assert!(before.contains_key("member"), "ada is there: {before:?}");
    (WARM_ROUNDS..ROUNDS).for_each(|number| round(&mut stage, number));
    for (kind, bytes) in stored(&stage) {
        let had = before.get(&kind).copied().unwrap_or(0);
        // Revisions and times get more digits.
        assert!(bytes <= had + had / 20, "{kind}: {had} bytes, then {bytes}");
    }
}
