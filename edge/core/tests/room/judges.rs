//! Lifetimes of decisions: a guest's end with the room, and nothing is kept longer than intended.

use crate::bans::{GOES, HOST, HOUR_MS, VIEWER, asks, banned, bans, comes, enters, grants, guest, id, says, wait};
use crate::stage::Stage;
use edge_core::room::{Answer, Ask, RecordingAsk, Verb};
use shared::signal::{BanTerm, ClientToEdge, ParticipantChange};
use shared::token::Grants;
use shared::{ErrorCode, UnixMillis, limits};

const DAY_MS: u64 = 24 * HOUR_MS;
const RECORDER: Grants =
    Grants { publish: true, subscribe: true, chat: true, moderate: false, record: true, ..Grants::NONE };

/// Ada creates the room as a guest, and is its host.
fn guest_hosts(stage: &mut Stage) -> UnixMillis {
    let made = enters(stage, "ada", None).expect("lets in");
    guest(stage, "ada", HOST, Some(made), "home");
    assert_eq!(grants(stage, "ada"), HOST);
    made
}

fn regrants(stage: &mut Stage, name: &str, whom: &str, grants: Grants) {
    let change = ParticipantChange { grants: Some(grants), ..ParticipantChange::default() };
    says(stage, name, ClientToEdge::UpdateParticipant { participant: id(whom), change });
}

fn api_bans(whom: &str) -> Ask {
    Ask::Moderate { verb: Verb::Remove { participant: id(whom), reason: None, ban: Some(BanTerm::default()) } }
}

/// The outcome of a request with a participant's token for `record`.
fn records(stage: &mut Stage, name: &str) -> Result<(), ErrorCode> {
    let ask = RecordingAsk::List { after: None, limit: 1 };
    match asks(stage, Ask::Recordings { request: ask, by: Some(id(name)) }) {
        Answer::Recordings(_) | Answer::Refused { code: ErrorCode::UnknownRoom } => Ok(()),
        Answer::Refused { code } => Err(code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_guest_hosts_bans_end_with_the_room() {
    for go in GOES {
        let mut stage = Stage::new(1);
        guest_hosts(&mut stage);
        bans(&mut stage, "ada", "eve", None);
        bans(&mut stage, "ada", "bob", Some(limits::BAN_MS_MAX));
        stage.sleep();
        assert_eq!(comes(&mut stage, "eve2", Grants::default()), Some(ErrorCode::Banned));
        go(&mut stage);
        assert_eq!(stage.left(), [""; 0]);
        for name in ["eve3", "bob"] {
            assert_eq!(comes(&mut stage, name, Grants::default()), None);
        }
    }
}

#[test]
fn a_moderator_by_a_guests_decision_decides_no_more_than_a_guest() {
    for go in GOES {
        let mut stage = Stage::new(1);
        guest_hosts(&mut stage);
        for (name, token) in [("bob", RECORDER), ("alan", RECORDER), ("grace", HOST), ("joan", RECORDER)] {
            assert_eq!(comes(&mut stage, name, token), None);
        }
        let change = ParticipantChange { grants: Some(HOST), ..ParticipantChange::default() };
        let verb = Verb::UpdateParticipant { participant: id("joan"), change };
        assert!(matches!(asks(&mut stage, Ask::Moderate { verb }), Answer::Participant { .. }));
        // From the guest to Bob, from Bob to Alan; Grace's token and the application say that they moderate, whatever a guest repeats.
        for (giver, receiver) in [("ada", "bob"), ("bob", "alan"), ("alan", "grace")] {
            regrants(&mut stage, giver, receiver, HOST);
        }
        says(&mut stage, "alan", ClientToEdge::Leave {});
        stage.sleep();
        assert_eq!(comes(&mut stage, "alan2", RECORDER), None);
        for (judge, whom) in [("bob", "eve"), ("alan2", "mallory"), ("grace", "trent"), ("joan", "oscar")] {
            bans(&mut stage, judge, whom, None);
        }
        regrants(&mut stage, "bob", "joan", VIEWER);
        assert_eq!(grants(&mut stage, "joan"), VIEWER);
        go(&mut stage);
        for name in ["bob", "alan2", "grace", "joan"] {
            if stage.sockets.contains_key(name) {
                says(&mut stage, name, ClientToEdge::Leave {});
            }
        }
        wait(&mut stage, limits::CREATED_ROOM_LIFETIME_MS);
        let mut left = banned(&mut stage);
        left.sort();
        assert_eq!(left, ["oscar", "trent"]);
        assert_eq!(comes(&mut stage, "joan", RECORDER), None);
        assert_eq!(grants(&mut stage, "joan"), RECORDER, "what Bob took comes back");
    }
}

// A guest restores grants that the application revoked from a moderator, for this room only.
#[test]
fn a_moderator_whom_a_guest_restored_decides_no_more_than_a_guest() {
    let mut stage = Stage::new(1);
    guest_hosts(&mut stage);
    assert_eq!(comes(&mut stage, "bob", HOST), None);
    let change = ParticipantChange { grants: Some(VIEWER), ..ParticipantChange::default() };
    let verb = Verb::UpdateParticipant { participant: id("bob"), change };
    assert!(matches!(asks(&mut stage, Ask::Moderate { verb }), Answer::Participant { .. }));
    regrants(&mut stage, "ada", "bob", HOST);
    bans(&mut stage, "bob", "eve", None);
    GOES[1](&mut stage);
    assert!(!stage.rows.contains_key("ban/eve"));
}

#[test]
fn guests_have_half_of_the_bans_and_leave_the_others_to_the_application() {
    let mut stage = Stage::new(1);
    guest_hosts(&mut stage);
    let kick = |number: usize| {
        let participant = id(&format!("eve-{number}"));
        ClientToEdge::Kick { participant, reason: None, ban: Some(BanTerm::default()) }
    };
    for number in 0..limits::GUEST_BANS_PER_ROOM_MAX {
        // As fast as the participant's frames may come.
        stage.now = stage.now.plus_ms(1_000);
        says(&mut stage, "ada", kick(number));
    }
    let (_, outputs) = stage.say("ada", kick(limits::GUEST_BANS_PER_ROOM_MAX));
    assert!(format!("{outputs:?}").contains("TooManyBans"), "{outputs:?}");
    for number in limits::GUEST_BANS_PER_ROOM_MAX..limits::BANS_PER_ROOM_MAX {
        assert_eq!(asks(&mut stage, api_bans(&format!("mallory-{number}"))), Answer::Done);
    }
    let full = Answer::Refused { code: ErrorCode::TooManyBans };
    assert_eq!(asks(&mut stage, api_bans("mallory")), full);
    GOES[1](&mut stage);
    assert_eq!(banned(&mut stage).len(), limits::BANS_PER_ROOM_MAX - limits::GUEST_BANS_PER_ROOM_MAX);
}

#[test]
fn a_guest_host_shortens_no_ban_of_the_application() {
    let mut stage = Stage::new(1);
    guest_hosts(&mut stage);
    assert_eq!(asks(&mut stage, api_bans("mallory")), Answer::Done);
    bans(&mut stage, "ada", "mallory", Some(limits::BAN_MS_MIN));
    wait(&mut stage, limits::BAN_MS_MIN);
    assert_eq!(banned(&mut stage), ["mallory"]);
    // The other way round it does count.
    bans(&mut stage, "ada", "eve", None);
    assert_eq!(asks(&mut stage, api_bans("eve")), Answer::Done);
    GOES[1](&mut stage);
    let mut left = banned(&mut stage);
    left.sort();
    assert_eq!(left, ["eve", "mallory"]);
}

#[test]
fn only_the_application_lifts_its_bans() {
    let mut stage = Stage::new(1);
    guest_hosts(&mut stage);
    for (name, token) in [("bob", RECORDER), ("grace", HOST)] {
        assert_eq!(comes(&mut stage, name, token), None);
    }
    regrants(&mut stage, "ada", "bob", HOST);
    assert_eq!(asks(&mut stage, api_bans("mallory")), Answer::Done);
    bans(&mut stage, "grace", "trent", Some(HOUR_MS));
    bans(&mut stage, "grace", "eve", None);
    bans(&mut stage, "ada", "oscar", None);
    bans(&mut stage, "bob", "joan", Some(HOUR_MS));
    stage.sleep();
    // Neither the guest nor a moderator by the guest's decision.
    for judge in ["ada", "bob"] {
        for whom in ["mallory", "trent", "eve"] {
            let (_, outputs) = stage.say(judge, ClientToEdge::LiftBan { participant: id(whom) });
            assert!(format!("{outputs:?}").contains("code: Forbidden"), "{judge} {whom}: {outputs:?}");
        }
    }
    says(&mut stage, "ada", ClientToEdge::LiftBan { participant: id("joan") });
    says(&mut stage, "bob", ClientToEdge::LiftBan { participant: id("oscar") });
    let mut left = banned(&mut stage);
    left.sort();
    assert_eq!(left, ["eve", "mallory", "trent"]);
    says(&mut stage, "grace", ClientToEdge::LiftBan { participant: id("mallory") });
    let verb = Verb::LiftBan { participant: id("eve") };
    assert_eq!(asks(&mut stage, Ask::Moderate { verb }), Answer::Done);
    assert_eq!(banned(&mut stage), ["trent"]);
}

#[test]
fn what_a_guest_host_takes_comes_back_with_the_room_and_what_the_application_took_does_not() {
    for go in GOES {
        let mut stage = Stage::new(1);
        guest_hosts(&mut stage);
        for name in ["bob", "eve"] {
            assert_eq!(comes(&mut stage, name, RECORDER), None);
        }
        let change = ParticipantChange { grants: Some(Grants::default()), ..ParticipantChange::default() };
        let verb = Verb::UpdateParticipant { participant: id("eve"), change };
        assert!(matches!(asks(&mut stage, Ask::Moderate { verb }), Answer::Participant { .. }));
        for name in ["bob", "eve"] {
            regrants(&mut stage, "ada", name, VIEWER);
        }
        // The guest restores all grants in this room.
        regrants(&mut stage, "ada", "eve", RECORDER);
        assert_eq!(grants(&mut stage, "eve"), RECORDER);
        assert_eq!(records(&mut stage, "eve"), Err(ErrorCode::Forbidden), "a guest gives nobody the recordings");
        for name in ["bob", "eve"] {
            says(&mut stage, name, ClientToEdge::Leave {});
        }
        go(&mut stage);
        assert_eq!(comes(&mut stage, "bob2", RECORDER), None);
        assert_eq!(comes(&mut stage, "eve2", RECORDER), None);
        assert_eq!((grants(&mut stage, "bob"), grants(&mut stage, "eve")), (RECORDER, Grants::default()));
    }
}

#[test]
fn a_ban_or_a_lost_grant_voids_a_token_that_grants_record() {
    for go in GOES {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        for (name, token) in [("eve", RECORDER), ("bob", RECORDER), ("alan", Grants::default())] {
            assert_eq!(comes(&mut stage, name, token), None);
            assert_eq!(records(&mut stage, name), Ok(()));
        }
        regrants(&mut stage, "ada", "eve", Grants::default());
        bans(&mut stage, "ada", "bob", None);
        // The call's token never granted it to Alan, so his HTTP token is unaffected.
        regrants(&mut stage, "ada", "alan", VIEWER);
        let check = |stage: &mut Stage, when: &str| {
            assert_eq!(records(stage, "eve"), Err(ErrorCode::Forbidden), "{when}");
            assert_eq!(records(stage, "bob"), Err(ErrorCode::Banned), "{when}");
            assert_eq!((records(stage, "alan"), records(stage, "stranger")), (Ok(()), Ok(())), "{when}");
        };
        check(&mut stage, "in the call");
        for name in ["eve", "alan"] {
            says(&mut stage, name, ClientToEdge::Leave {});
        }
        stage.sleep();
        check(&mut stage, "after it");
        go(&mut stage);
        check(&mut stage, "without a room");
        assert_eq!(comes(&mut stage, "eve2", RECORDER), None);
        check(&mut stage, "in the next call");
        wait(&mut stage, DAY_MS);
        assert_eq!(records(&mut stage, "eve"), Ok(()), "its time is over");
    }
}

#[test]
fn a_guest_who_leaves_before_being_banned_is_known_by_the_address() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    guest(&mut stage, "guest-eve", Grants::default(), None, "home");
    says(&mut stage, "guest-eve", ClientToEdge::Leave {});
    stage.sleep();
    bans(&mut stage, "ada", "guest-eve", None);
    assert_eq!(enters(&mut stage, "guest-new", Some("home")), Err(ErrorCode::Banned));
    let Answer::Bans { bans: listed } = asks(&mut stage, Ask::Bans) else { panic!("no list") };
    assert_eq!(listed[0].name, "GUEST-EVE");
    // Returning guests are members again.
    guest(&mut stage, "guest-bob", Grants::default(), None, "school");
    says(&mut stage, "guest-bob", ClientToEdge::Leave {});
    assert!(stage.rows.contains_key("departed/guest-bob"));
    guest(&mut stage, "guest-bob2", Grants::default(), None, "school");
    assert!(!stage.rows.contains_key("departed/guest-bob"));
    says(&mut stage, "guest-bob2", ClientToEdge::Leave {});
    wait(&mut stage, DAY_MS);
    assert!(!stage.rows.contains_key("departed/guest-bob"), "by then it may be another person's");
}

#[test]
fn a_guest_who_left_long_ago_is_known_by_the_address_for_a_day_since_they_came() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    guest(&mut stage, "guest-eve", Grants::default(), None, "home");
    says(&mut stage, "guest-eve", ClientToEdge::Leave {});
    let came_at = stage.now;
    stage.now = stage.now.plus_ms(20 * HOUR_MS);
    bans(&mut stage, "ada", "guest-eve", None);
    stage.now = came_at.plus_ms(DAY_MS - 1);
    assert_eq!(enters(&mut stage, "guest-new", Some("home")), Err(ErrorCode::Banned));
    stage.now = came_at.plus_ms(DAY_MS);
    assert!(enters(&mut stage, "guest-new", Some("home")).is_ok(), "by then it may be another person's");
}

#[test]
fn a_room_remembers_a_bounded_number_of_guests_who_left_and_takes_none_of_them_with_it() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    for number in 0..=limits::DEPARTED_GUESTS_PER_ROOM_MAX {
        stage.now = stage.now.plus_ms(1);
        let name = format!("guest-{number}-x");
        guest(&mut stage, &name, Grants::default(), None, &format!("home-{number}"));
        says(&mut stage, &name, ClientToEdge::Leave {});
    }
    let departed = |stage: &Stage| stage.rows.keys().filter(|key| key.starts_with("departed/")).count();
    assert_eq!(departed(&stage), limits::DEPARTED_GUESTS_PER_ROOM_MAX);
    assert!(!stage.rows.contains_key("departed/guest-0-x"), "the earliest makes way");
    GOES[1](&mut stage);
    assert_eq!(stage.left(), [""; 0]);
}

#[test]
fn a_lost_grant_comes_back_when_it_was_to_whatever_rooms_there_were_since() {
    for leaves in [true, false] {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        comes(&mut stage, "eve", RECORDER);
        regrants(&mut stage, "ada", "eve", Grants::default());
        GOES[1](&mut stage);
        let ended_at = stage.now;
        for room in 0..3 {
            wait(&mut stage, 6 * HOUR_MS);
            assert_eq!(comes(&mut stage, "ada", HOST), None);
            assert_eq!(comes(&mut stage, "eve", RECORDER), None);
            assert_eq!(grants(&mut stage, "eve"), Grants::default(), "room {room}");
            if room < 2 || leaves {
                GOES[1](&mut stage);
            }
        }
        let left_ms = ended_at.plus_ms(limits::STANDING_KEPT_MS).since_ms(stage.now);
        wait(&mut stage, left_ms - 2);
        assert_eq!(records(&mut stage, "eve"), Err(ErrorCode::Forbidden));
        wait(&mut stage, 2);
        assert_eq!(records(&mut stage, "eve"), Ok(()));
        if leaves {
            assert_eq!(stage.left(), [""; 0]);
            assert_eq!(comes(&mut stage, "eve", RECORDER), None);
        }
        assert_eq!(grants(&mut stage, "eve"), RECORDER, "also of a participant who is there");
    }
}

#[test]
fn a_guest_host_makes_no_loss_of_an_earlier_room_last_longer() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "grace", HOST);
    comes(&mut stage, "eve", RECORDER);
    regrants(&mut stage, "grace", "eve", Grants::default());
    let end = || Ask::Moderate { verb: Verb::End { reason: None } };
    assert_eq!(asks(&mut stage, end()), Answer::Done);
    let ended_at = stage.now;
    wait(&mut stage, 6 * HOUR_MS);
    guest_hosts(&mut stage);
    comes(&mut stage, "eve", RECORDER);
    for grants in [RECORDER, VIEWER] {
        regrants(&mut stage, "ada", "eve", grants);
    }
    assert_eq!(asks(&mut stage, end()), Answer::Done);
    let left_ms = ended_at.plus_ms(limits::STANDING_KEPT_MS).since_ms(stage.now);
    wait(&mut stage, left_ms - 2);
    assert_eq!(records(&mut stage, "eve"), Err(ErrorCode::Forbidden));
    wait(&mut stage, 3);
    assert_eq!(records(&mut stage, "eve"), Ok(()));
}

#[test]
fn a_weaker_token_in_between_gives_nothing_back() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    comes(&mut stage, "eve", RECORDER);
    regrants(&mut stage, "ada", "eve", Grants::default());
    GOES[1](&mut stage);
    comes(&mut stage, "ada", HOST);
    comes(&mut stage, "eve", Grants::default());
    GOES[1](&mut stage);
    comes(&mut stage, "eve", RECORDER);
    assert_eq!(grants(&mut stage, "eve"), Grants::default());
}

#[test]
fn a_bans_address_is_forgotten_after_a_day_and_the_ban_is_not() {
    for go in [None, Some(GOES[1])] {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        guest(&mut stage, "guest-eve", Grants::default(), None, "home");
        bans(&mut stage, "ada", "guest-eve", None);
        if let Some(go) = go {
            go(&mut stage);
        }
        wait(&mut stage, limits::GUEST_ADDRESS_BAN_MS_MAX - 2);
        assert!(stage.rows["ban/guest-eve"].contains("home"));
        // Another ban extends nobody's address record.
        assert!(matches!(
            asks(&mut stage, Ask::Create { change: Default::default(), template: None }),
            Answer::Room { .. }
        ));
        assert_eq!(asks(&mut stage, api_bans("guest-eve")), Answer::Done);
        wait(&mut stage, 2);
        assert!(!stage.rows["ban/guest-eve"].contains("home"), "{}", stage.rows["ban/guest-eve"]);
        assert_eq!(enters(&mut stage, "guest-eve", None), Err(ErrorCode::Banned));
        assert!(enters(&mut stage, "guest-new", Some("home")).is_ok());
    }
}

fn stores(stage: &mut Stage, key: &str, row: &str) {
    stage.rows.insert(key.into(), format!(r#"{{"version":1,"row":{row}}}"#));
}

// Before bans outlived the room, one without an end lasted for the room's lifetime.
#[test]
fn a_ban_that_was_meant_for_the_room_ends_with_it() {
    for go in GOES {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        let in_a_year = stage.now.plus_ms(limits::BAN_MS_MAX).0;
        stores(&mut stage, "ban/eve", r#"{"name":"Eve","banned_at":1,"until":null}"#);
        stores(&mut stage, "ban/bob", &format!(r#"{{"name":"Bob","banned_at":1,"until":{in_a_year}}}"#));
        stage.sleep();
        assert_eq!(comes(&mut stage, "eve2", Grants::default()), Some(ErrorCode::Banned));
        go(&mut stage);
        assert_eq!(banned(&mut stage), ["bob"]);
    }
}

#[test]
fn a_ban_that_outlived_its_room_goes_on() {
    let mut stage = Stage::new(1);
    let in_a_year = stage.now.plus_ms(limits::BAN_MS_MAX).0;
    stores(
        &mut stage,
        "ban/eve",
        &format!(r#"{{"name":"Eve","banned_at":1,"until":null,"unused_until":{in_a_year}}}"#),
    );
    stores(&mut stage, "ban/guest-bob", r#"{"name":"Bob","banned_at":1,"until":null,"from":"home"}"#);
    stage.sleep();
    for _ in 0..2 {
        assert_eq!(comes(&mut stage, "ada", HOST), None);
        assert_eq!(banned(&mut stage).len(), 2);
        GOES[1](&mut stage);
        stage.sleep();
    }
    assert!(!stage.rows["ban/guest-bob"].contains("home"), "the address of long ago is forgotten");
}

#[test]
fn what_older_rows_say_was_lost_is_lost_until_then() {
    let mut stage = Stage::new(1);
    let until = stage.now.plus_ms(HOUR_MS).0;
    let kept = r#"{"publish":true,"subscribe":true,"chat":true,"moderate":true,"record":false}"#;
    stores(&mut stage, "standing/eve", &format!(r#"{{"change":{{"grants":{kept}}},"order":0,"until":{until}}}"#));
    stage.sleep();
    assert_eq!(records(&mut stage, "eve"), Err(ErrorCode::Forbidden));
    comes(&mut stage, "ada", HOST);
    comes(&mut stage, "eve", RECORDER);
    assert_eq!(grants(&mut stage, "eve"), Grants::default());
    GOES[1](&mut stage);
    wait(&mut stage, HOUR_MS);
    assert_eq!(stage.left(), [""; 0]);
    comes(&mut stage, "eve", RECORDER);
    assert_eq!(grants(&mut stage, "eve"), RECORDER);
}

#[test]
fn what_older_rows_say_of_this_room_is_of_this_room() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    let grants_of_eve = r#"{"publish":false,"subscribe":true,"chat":true,"moderate":true,"record":false}"#;
    let row = format!(r#"{{"change":{{"name":"E","grants":{grants_of_eve}}},"order":1}}"#);
    stores(&mut stage, "standing/eve", &row);
    stage.sleep();
    assert_eq!(comes(&mut stage, "eve", Grants::default()), Some(ErrorCode::Forbidden), "may not publish");
    GOES[1](&mut stage);
    assert_eq!(comes(&mut stage, "eve2", Grants::default()), Some(ErrorCode::Forbidden), "nor later");
}

#[test]
fn a_guest_host_of_an_older_row_is_one() {
    for (name, from) in [("ada", "home"), ("guest-0123456789abcdef0123456789abcdef", "")] {
        let mut stage = Stage::new(1);
        let made = enters(&mut stage, name, None).expect("lets in");
        guest(&mut stage, name, HOST, Some(made), from);
        let key = format!("member/{name}");
        let row =
            stage.rows[&key].replace(r#""guest":true,"#, "").replace(r#","from":"""#, "").replace(r#""from":"","#, "");
        assert!(!row.contains("\"guest\":") && row.contains("\"from\"") == (from == "home"), "{row}");
        stage.rows.insert(key, row);
        stage.sleep();
        bans(&mut stage, name, "eve", None);
        let end = Verb::End { reason: None };
        assert_eq!(asks(&mut stage, Ask::Moderate { verb: end }), Answer::Done);
        wait(&mut stage, 1);
        assert_eq!(banned_or_none(&mut stage), 0);
    }
}

fn banned_or_none(stage: &mut Stage) -> usize {
    stage.rows.keys().filter(|key| key.starts_with("ban/")).count()
}
