//! Events that void the two secrets for resuming: the one issued last, and the one presented for it.

use crate::scripts::act;
use crate::stage::Stage;
use shared::limits;

/// Ada has resumed once, in a room with a host; returns the secret she presented and the one she received.
fn resumed() -> (Stage, [String; 2]) {
    let mut stage = Stage::new(1);
    for line in [
        "host opens moderator",
        "host joins h slots=1",
        "fleet gives node-a e1",
        "node-a dials e1",
        "node-a hello e1",
        "ada opens",
        "ada joins a mic slots=1",
        "ada closes",
    ] {
        act(&mut stage, line);
    }
    let secret = |stage: &mut Stage| stage.client("ada").session.clone().expect("joined").1;
    let shown = secret(&mut stage);
    act(&mut stage, "ada2 reopens");
    act(&mut stage, "ada2 resumes");
    let current = secret(&mut stage);
    assert!(stage.is_open_to(&shown) && stage.is_open_to(&current) && shown != current);
    (stage, [shown, current])
}

fn check(lines: &[&str], expected: [bool; 2]) {
    let (mut stage, secrets) = resumed();
    for line in lines {
        act(&mut stage, line);
    }
    assert_eq!(secrets.each_ref().map(|secret| stage.is_open_to(secret)), expected, "{lines:?}");
    stage.crash();
    assert_eq!(secrets.each_ref().map(|secret| stage.is_open_to(secret)), expected, "{lines:?}, after a crash");
}

#[test]
fn a_lost_answer_leaves_the_secret_that_was_shown() {
    check(&[], [true, true]);
    check(&["ada2 closes"], [true, true]);
}

#[test]
fn the_next_frame_voids_the_secret_that_was_shown() {
    check(&["ada2 claps"], [false, true]);
    check(&["ada2 views host"], [false, true]);
    check(&["host claps"], [true, true]);
}

#[test]
fn the_secret_that_was_shown_is_void_when_its_answer_must_have_been_read() {
    let (mut stage, [shown, current]) = resumed();
    stage.now = stage.now.plus_ms(limits::RESUME_SECRET_OVERLAP_MS - 1);
    assert_eq!([stage.is_open_to(&shown), stage.is_open_to(&current)], [true, true]);
    stage.now = stage.now.plus_ms(1);
    assert_eq!([stage.is_open_to(&shown), stage.is_open_to(&current)], [false, true]);
}

#[test]
fn leaving_voids_both() {
    check(&["ada2 leaves"], [false, false]);
}

#[test]
fn a_kick_voids_both() {
    check(&["host kicks ada"], [false, false]);
}

#[test]
fn a_ban_voids_both() {
    check(&["host bans ada"], [false, false]);
    check(&["host bans ada", "host pardons ada"], [false, false]);
    check(&["api bans ada"], [false, false]);
}

#[test]
fn joining_again_voids_both() {
    check(&["ada3 opens", "ada3 joins b mic slots=1"], [false, false]);
}

#[test]
fn the_end_of_the_room_voids_both() {
    check(&["host ends"], [false, false]);
    check(&["host ends", "wait 1", "host2 opens", "host2 joins i slots=1"], [false, false]);
}

#[test]
fn staying_away_voids_both() {
    check(&["ada2 closes", "wait 29999"], [true, true]);
    check(&["ada2 closes", "wait 30000"], [false, false]);
}
