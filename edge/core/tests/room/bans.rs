//! Moderators' decisions outlive the room: bans, and removed grants.

use crate::stage::Stage;
use edge_core::room::{Answer, Ask, GuestStanding, Input, Output, Verb};
use shared::signal::{BanTerm, ClientToEdge, EdgeToClient, ParticipantChange, RoomChange, TrackSource};
use shared::token::{Grants, Guest};
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};

const MICROPHONE: [(TrackSource, bool); 1] = [(TrackSource::Microphone, false)];
pub(crate) const HOST: Grants = Grants { publish: true, moderate: true, record: true, ..VIEWER };
pub(crate) const VIEWER: Grants = Grants { subscribe: true, chat: true, ..Grants::NONE };
pub(crate) const SPEAKER: Grants = Grants { publish: true, subscribe: true, ..Grants::NONE };
pub(crate) const HOUR_MS: u64 = 3_600_000;

pub(crate) fn id(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a name")
}

/// The refusal of a join; `None` if a node can answer it.
fn joins(stage: &mut Stage, name: &str) -> Option<ErrorCode> {
    let join = stage.join(name, name, &MICROPHONE, 1);
    let asked = stage.epochs.len();
    let refused = stage.say(name, join).1.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Error { code, .. }, .. } => Some(*code),
        _ => None,
    });
    if let Some(epoch) = stage.epochs.get(asked).copied() {
        stage.give("node-a", epoch);
    }
    refused
}

/// Connects and joins; a refused client leaves.
pub(crate) fn comes(stage: &mut Stage, name: &str, grants: Grants) -> Option<ErrorCode> {
    stage.open_client(name, grants, None);
    let refused = joins(stage, name);
    if refused.is_some() {
        stage.close(name);
    }
    refused
}

pub(crate) fn says(stage: &mut Stage, name: &str, message: ClientToEdge) {
    let (_, outputs) = stage.say(name, message);
    let is_error = |output: &Output| matches!(output, Output::SendClient { message: EdgeToClient::Error { .. }, .. });
    assert!(!outputs.iter().any(is_error), "{outputs:?}");
}

pub(crate) fn bans(stage: &mut Stage, name: &str, whom: &str, lasts_ms: Option<u64>) {
    let ban = Some(BanTerm { lasts_ms, address: false });
    says(stage, name, ClientToEdge::Kick { participant: id(whom), reason: None, ban });
}

pub(crate) fn asks(stage: &mut Stage, ask: Ask) -> Answer {
    let outputs = stage.input(Input::Asked { request: 1, ask });
    let answer = outputs.into_iter().find_map(|output| match output {
        Output::Answer { answer, .. } => Some(answer),
        _ => None,
    });
    answer.expect("an answer")
}

pub(crate) fn banned(stage: &mut Stage) -> Vec<String> {
    match asks(stage, Ask::Bans) {
        Answer::Bans { bans } => bans.into_iter().map(|ban| ban.participant.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn grants(stage: &mut Stage, name: &str) -> Grants {
    match asks(stage, Ask::Participant { participant: id(name) }) {
        Answer::Participant { participant } => participant.grants,
        other => panic!("{other:?}"),
    }
}

/// Lets time pass with all due events; the room sleeps in between.
pub(crate) fn wait(stage: &mut Stage, ms: u64) {
    let end = stage.now.plus_ms(ms);
    while let Some(at) = stage.timeout().filter(|at| *at <= end) {
        stage.now = stage.now.max(at);
        stage.input(Input::Deadline);
    }
    stage.now = end;
    stage.sleep();
}

/// Two ways to end a room: everybody leaves, or the host ends it.
pub(crate) const GOES: [fn(&mut Stage); 2] = [
    |stage| {
        says(stage, "ada", ClientToEdge::Leave {});
        wait(stage, limits::CREATED_ROOM_LIFETIME_MS);
    },
    |stage| {
        says(stage, "ada", ClientToEdge::EndRoom { reason: None });
        wait(stage, 1);
    },
];

#[test]
fn a_ban_outlives_the_room_until_it_runs_out_or_is_lifted() {
    for go in GOES {
        let mut stage = Stage::new(1);
        assert_eq!(comes(&mut stage, "ada", HOST), None);
        assert_eq!(comes(&mut stage, "eve", Grants::default()), None);
        bans(&mut stage, "ada", "eve", None);
        bans(&mut stage, "ada", "mallory", Some(HOUR_MS));
        go(&mut stage);
        assert_eq!(asks(&mut stage, Ask::Show), Answer::Refused { code: ErrorCode::UnknownRoom }, "the room is gone");
        stage.crash();
        assert_eq!(comes(&mut stage, "eve2", Grants::default()), Some(ErrorCode::Banned));
        assert_eq!(comes(&mut stage, "mallory", Grants::default()), Some(ErrorCode::Banned));
        assert_eq!(banned(&mut stage).len(), 2, "the application's server sees them without a room");
        assert_eq!(comes(&mut stage, "bob", HOST), None, "a room of the same name");
        assert_eq!(comes(&mut stage, "eve3", Grants::default()), Some(ErrorCode::Banned));
        says(&mut stage, "bob", ClientToEdge::Leave {});
        wait(&mut stage, HOUR_MS);
        assert_eq!(banned(&mut stage), ["eve"]);
        assert_eq!(comes(&mut stage, "mallory2", Grants::default()), None, "its time is over");
        says(&mut stage, "mallory2", ClientToEdge::Leave {});
        wait(&mut stage, HOUR_MS);
        let verb = Verb::LiftBan { participant: id("eve") };
        assert_eq!(asks(&mut stage, Ask::Moderate { verb }), Answer::Done, "lifted without a room");
        assert_eq!(stage.left(), [""; 0]);
        assert_eq!(comes(&mut stage, "eve4", Grants::default()), None);
    }
}

#[test]
fn a_ban_for_good_is_forgotten_with_a_name_that_nobody_uses() {
    for go in GOES {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        bans(&mut stage, "ada", "eve", None);
        go(&mut stage);
        wait(&mut stage, limits::BAN_UNUSED_MS - HOUR_MS / 2);
        assert_eq!(banned(&mut stage), ["eve"]);
        // The name stays in use beyond the time after which the ban would be forgotten.
        let change = RoomChange { empty_timeout_ms: Some(HOUR_MS), ..RoomChange::default() };
        assert!(matches!(asks(&mut stage, Ask::Create { change, template: None }), Answer::Room { made: true, .. }));
        wait(&mut stage, HOUR_MS * 3 / 4);
        assert_eq!(banned(&mut stage), ["eve"]);
        let end = Verb::End { reason: None };
        assert_eq!(asks(&mut stage, Ask::Moderate { verb: end }), Answer::Done);
        wait(&mut stage, limits::BAN_UNUSED_MS - HOUR_MS);
        assert_eq!(banned(&mut stage), ["eve"], "counted from when the room was gone again");
        wait(&mut stage, 2 * HOUR_MS);
        assert_eq!(stage.left(), [""; 0]);
    }
}

#[test]
fn a_room_keeps_so_many_bans_and_lifts_none_for_a_new_one() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    let bans = |number: usize| Ask::Moderate {
        verb: Verb::Remove { participant: id(&format!("eve-{number}")), reason: None, ban: Some(BanTerm::default()) },
    };
    for number in 0..limits::BANS_PER_ROOM_MAX {
        assert_eq!(asks(&mut stage, bans(number)), Answer::Done);
    }
    let refused = Answer::Refused { code: ErrorCode::TooManyBans };
    assert_eq!(asks(&mut stage, bans(limits::BANS_PER_ROOM_MAX)), refused);
    GOES[1](&mut stage);
    comes(&mut stage, "ada2", HOST);
    assert_eq!(asks(&mut stage, bans(limits::BANS_PER_ROOM_MAX)), refused, "those of earlier rooms count");
    assert_eq!(asks(&mut stage, bans(0)), Answer::Done, "the same one again");
}

#[test]
fn what_was_taken_stays_away_as_long_as_a_token_from_before_may_live_and_what_was_given_does_not() {
    for go in GOES {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        for (name, grants) in [("eve", VIEWER), ("bob", HOST), ("alan", VIEWER)] {
            comes(&mut stage, name, Grants::default());
            let change =
                ParticipantChange { grants: Some(grants), name: Some("X".into()), ..ParticipantChange::default() };
            says(&mut stage, "ada", ClientToEdge::UpdateParticipant { participant: id(name), change });
            says(&mut stage, name, ClientToEdge::Leave {});
        }
        go(&mut stage);
        assert_eq!(comes(&mut stage, "eve2", Grants::default()), Some(ErrorCode::Forbidden), "eve may not publish");
        comes(&mut stage, "bob2", Grants::default());
        assert_eq!(grants(&mut stage, "bob"), Grants::default(), "nobody made bob a host of this room");
        says(&mut stage, "bob2", ClientToEdge::Leave {});
        wait(&mut stage, limits::STANDING_KEPT_MS);
        assert_eq!(stage.left(), [""; 0]);
        assert_eq!(comes(&mut stage, "alan2", Grants::default()), None);
    }
}

#[test]
fn what_a_token_did_not_grant_is_not_taken_from_a_later_one() {
    for go in GOES {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        // Promoted, and muted for a while.
        for (name, token, changes) in
            [("bob", SPEAKER, vec![Grants::default()]), ("eve", Grants::default(), vec![VIEWER, Grants::default()])]
        {
            comes(&mut stage, name, token);
            for grants in changes {
                let change = ParticipantChange { grants: Some(grants), ..ParticipantChange::default() };
                says(&mut stage, "ada", ClientToEdge::UpdateParticipant { participant: id(name), change });
            }
            says(&mut stage, name, ClientToEdge::Leave {});
        }
        go(&mut stage);
        for name in ["bob", "eve"] {
            assert_eq!(comes(&mut stage, &format!("{name}2"), HOST), None);
            assert_eq!(grants(&mut stage, name), HOST, "{name} got a better token since");
        }
    }
}

#[test]
fn a_moderator_who_is_none_any_longer_comes_into_no_locked_room() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    comes(&mut stage, "bob", HOST);
    let change = ParticipantChange { grants: Some(Grants::default()), ..ParticipantChange::default() };
    says(&mut stage, "ada", ClientToEdge::UpdateParticipant { participant: id("bob"), change });
    let change = RoomChange { locked: Some(true), ..RoomChange::default() };
    says(&mut stage, "ada", ClientToEdge::UpdateRoom { change });
    says(&mut stage, "bob", ClientToEdge::Leave {});
    assert_eq!(comes(&mut stage, "bob2", HOST), Some(ErrorCode::RoomLocked));
    assert_eq!(comes(&mut stage, "alan", HOST), None);
}

pub(crate) fn enters(stage: &mut Stage, participant: &str, from: Option<&str>) -> Result<UnixMillis, ErrorCode> {
    match asks(stage, Ask::Enter { participant: id(participant), from: from.map(Into::into), made: None }) {
        Answer::Room { room, .. } => Ok(room.created_at),
        Answer::Refused { code } => Err(code),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn guest(stage: &mut Stage, name: &str, grants: Grants, made: Option<UnixMillis>, from: &str) {
    stage.open_guest(name, grants, Guest { made, from: Some(from.into()) });
    assert_eq!(joins(stage, name), None);
}

/// The refusal of a guest who joins with a token from before; a refused one leaves.
pub(crate) fn guest_joins(stage: &mut Stage, name: &str, from: &str) -> Option<ErrorCode> {
    stage.open_guest(name, Grants::default(), Guest { made: None, from: Some(from.into()) });
    let refused = joins(stage, name);
    if refused.is_some() {
        stage.close(name);
    }
    refused
}

#[test]
fn a_banned_guest_is_no_new_guest_at_the_same_address_for_a_day() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    guest(&mut stage, "guest-eve", Grants::default(), None, "home");
    guest(&mut stage, "guest-bob", Grants::default(), None, "school");
    guest(&mut stage, "guest-neighbour", Grants::default(), None, "home");
    bans(&mut stage, "ada", "guest-eve", None);
    bans(&mut stage, "ada", "guest-bob", Some(HOUR_MS));
    assert_eq!(enters(&mut stage, "guest-eve", None), Err(ErrorCode::Banned), "with the pass");
    assert_eq!(enters(&mut stage, "guest-new", Some("home")), Err(ErrorCode::Banned), "without it");
    assert!(enters(&mut stage, "guest-new", Some("elsewhere")).is_ok());
    assert!(enters(&mut stage, "guest-neighbour", Some("home")).is_ok(), "was here before");
    assert_eq!(enters(&mut stage, "guest-new", Some("school")), Err(ErrorCode::Banned));
    // An absent participant who is banned again keeps the known address.
    bans(&mut stage, "ada", "guest-eve", None);
    GOES[0](&mut stage);
    assert_eq!(enters(&mut stage, "guest-new", Some("home")), Err(ErrorCode::Banned), "the room was empty meanwhile");
    wait(&mut stage, HOUR_MS);
    assert!(enters(&mut stage, "guest-new", Some("school")).is_ok(), "the ban's time is over");
    wait(&mut stage, limits::GUEST_ADDRESS_BAN_MS_MAX - HOUR_MS);
    assert!(enters(&mut stage, "guest-new", Some("home")).is_ok(), "the address may be another person's");
    assert_eq!(enters(&mut stage, "guest-eve", None), Err(ErrorCode::Banned));
}

#[test]
fn lifting_a_guests_ban_frees_the_address() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    guest(&mut stage, "guest-eve", Grants::default(), None, "home");
    bans(&mut stage, "ada", "guest-eve", None);
    assert_eq!(enters(&mut stage, "guest-new", Some("home")), Err(ErrorCode::Banned));
    says(&mut stage, "ada", ClientToEdge::LiftBan { participant: id("guest-eve") });
    assert!(enters(&mut stage, "guest-new", Some("home")).is_ok());
}

#[test]
fn a_guest_is_host_of_the_room_they_made_and_of_no_later_one() {
    for go in GOES {
        let mut stage = Stage::new(1);
        let made = enters(&mut stage, "ada", None).expect("lets in");
        guest(&mut stage, "ada", HOST, Some(made), "home");
        assert_eq!(grants(&mut stage, "ada"), HOST);
        go(&mut stage);
        let again = enters(&mut stage, "bob", None).expect("lets in");
        assert!(again > made);
        guest(&mut stage, "bob", HOST, Some(again), "elsewhere");
        guest(&mut stage, "ada2", HOST, Some(made), "home");
        assert_eq!((grants(&mut stage, "bob"), grants(&mut stage, "ada")), (HOST, Grants::default()));
        // A guest without a room of their own is never a host, whatever the token says; nor is one whose token creates
        // the room.
        guest(&mut stage, "eve", HOST, None, "home");
        assert_eq!(grants(&mut stage, "eve"), Grants::default());
    }
}

pub(crate) fn knocks(stage: &mut Stage, participant: &str, from: &str) -> Result<GuestStanding, ErrorCode> {
    let (participant, from) = (id(participant), Some(from.into()));
    match asks(stage, Ask::Knock { participant, name: String::new(), from }) {
        Answer::Guest { standing } => Ok(standing),
        Answer::Refused { code } => Err(code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_address_takes_ten_places_of_the_lobby() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    let waits = Ok(GuestStanding::Waiting);
    for number in 0..limits::GUESTS_WAITING_PER_ADDRESS_MAX {
        assert_eq!(knocks(&mut stage, &format!("guest-{number}"), "nat"), waits, "{number}");
    }
    stage.crash();
    assert_eq!(knocks(&mut stage, "guest-eve", "nat"), Err(ErrorCode::RateLimited));
    assert_eq!(knocks(&mut stage, "guest-0", "nat"), waits, "asks again");
    assert_eq!(knocks(&mut stage, "guest-bob", "home"), waits);
    let verb = Verb::AnswerGuest { participant: id("guest-0"), admit: false };
    assert_eq!(asks(&mut stage, Ask::Moderate { verb }), Answer::Done);
    assert_eq!(knocks(&mut stage, "guest-eve", "nat"), waits, "the refused one makes room");
}

#[test]
fn a_banned_guest_does_not_knock_again_under_a_new_name_from_the_same_address() {
    let mut stage = Stage::new(1);
    let waits = Ok(GuestStanding::Waiting);
    comes(&mut stage, "ada", HOST);
    for name in ["guest-eve", "guest-bob"] {
        guest(&mut stage, name, Grants::default(), None, "home");
    }
    assert_eq!(knocks(&mut stage, "guest-alan", "home"), waits);
    says(&mut stage, "guest-bob", ClientToEdge::Leave {});
    bans(&mut stage, "ada", "guest-eve", None);
    assert_eq!(knocks(&mut stage, "guest-mallory", "home"), Err(ErrorCode::Banned));
    assert_eq!(knocks(&mut stage, "guest-bob", "home"), waits, "was here before");
    assert_eq!(knocks(&mut stage, "guest-grace", "office"), waits);
    // A moderator's decision stands above the address.
    assert_eq!(knocks(&mut stage, "guest-alan", "home"), waits);
    says(&mut stage, "ada", ClientToEdge::AdmitGuest { participant: id("guest-alan") });
    guest(&mut stage, "guest-alan", Grants::default(), None, "home");
}

#[test]
fn five_addresses_do_not_fill_the_lobby() {
    let mut stage = Stage::new(1);
    let waits = Ok(GuestStanding::Waiting);
    comes(&mut stage, "ada", HOST);
    for number in 0..limits::GUESTS_WAITING_MAX {
        let from = format!("home-{}", number / limits::GUESTS_WAITING_PER_ADDRESS_MAX);
        stage.now = stage.now.plus_ms(1);
        assert_eq!(knocks(&mut stage, &format!("guest-{number}"), &from), waits, "{number}");
    }
    stage.crash();
    // From wherever: each address keeps as many as the others have, and those who came first stay.
    let mut let_in = 0;
    for number in 0..60 {
        stage.now = stage.now.plus_ms(1);
        let_in +=
            usize::from(knocks(&mut stage, &format!("guest-new-{number}"), &format!("elsewhere-{number}")) == waits);
        let (first, last) = ("guest/guest-0", format!("guest/guest-new-{number}"));
        assert!(stage.rows.contains_key(first) && (stage.rows.contains_key(&last) || number >= 45), "{number}");
    }
    assert_eq!(let_in, 45, "nobody makes way for one who is no quieter");
    assert_eq!(stage.rows.keys().filter(|key| key.starts_with("guest/")).count(), limits::GUESTS_WAITING_MAX);
    assert_eq!(knocks(&mut stage, "guest-9", "home-0"), Err(ErrorCode::RoomFull), "displaced, and asks again");
    answers(&mut stage, "guest-0", true);
    assert_eq!(knocks(&mut stage, "guest-eve", "office"), Err(ErrorCode::RoomFull), "none makes way yet");
    assert_eq!(knocks(&mut stage, "guest-0", "home-0"), Ok(GuestStanding::Admitted));
    answers(&mut stage, "guest-10", false);
    assert_eq!(knocks(&mut stage, "guest-eve", "office"), waits, "in the place of a refused one");
    stage.now = stage.now.plus_ms(limits::GUEST_ANSWER_KEPT_MS);
    assert_eq!(knocks(&mut stage, "guest-bob", "office-2"), waits, "in the place of one who has long been told");
    assert_eq!(knocks(&mut stage, "guest-0", "home-0"), Err(ErrorCode::RoomFull));
}

#[test]
fn refused_guests_make_way_before_waiting_ones_and_admitted_ones_last() {
    let mut stage = Stage::new(1);
    let (waits, admitted) = (Ok(GuestStanding::Waiting), Ok(GuestStanding::Admitted));
    comes(&mut stage, "ada", HOST);
    for number in 0..limits::GUESTS_WAITING_MAX {
        let from = format!("home-{}", number / limits::GUESTS_WAITING_PER_ADDRESS_MAX);
        stage.now = stage.now.plus_ms(1);
        assert_eq!(knocks(&mut stage, &format!("guest-{number}"), &from), waits, "{number}");
    }
    answers(&mut stage, "guest-0", true);
    stage.now = stage.now.plus_ms(limits::GUEST_ANSWER_KEPT_MS);
    answers(&mut stage, "guest-1", true);
    answers(&mut stage, "guest-20", false);
    stage.crash();
    // The refused one makes way first, then those who wait, then the one who was admitted first.
    for number in 0..9 {
        stage.now = stage.now.plus_ms(1);
        assert_eq!(knocks(&mut stage, &format!("guest-new-{number}"), "elsewhere"), waits, "{number}");
        let is_known = |guest: &str| stage.rows.contains_key(guest);
        assert_eq!([is_known("guest/guest-20"), is_known("guest/guest-0")], [false, number < 8], "{number}");
    }
    assert_eq!(knocks(&mut stage, "guest-last", "elsewhere"), Err(ErrorCode::RoomFull));
    assert_eq!(knocks(&mut stage, "guest-1", "home-0"), admitted);
}

#[test]
fn a_guest_who_is_admitted_after_the_longest_wait_still_hears_of_it() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    assert_eq!(knocks(&mut stage, "guest-bob", "home"), Ok(GuestStanding::Waiting));
    stage.now = stage.now.plus_ms(limits::GUEST_WAIT_MS - 1);
    answers(&mut stage, "guest-bob", true);
    stage.now = stage.now.plus_ms(limits::GUEST_ANSWER_KEPT_MS - 1);
    stage.input(Input::Deadline);
    assert_eq!(knocks(&mut stage, "guest-bob", "home"), Ok(GuestStanding::Admitted));
    stage.now = stage.now.plus_ms(1);
    stage.input(Input::Deadline);
    assert!(!stage.rows.contains_key("guest/guest-bob"));
}

fn answers(stage: &mut Stage, guest: &str, admit: bool) {
    let verb = Verb::AnswerGuest { participant: id(guest), admit };
    assert_eq!(asks(stage, Ask::Moderate { verb }), Answer::Done);
}

#[test]
fn a_guest_who_is_banned_in_the_lobby_leaves_it_and_is_known_by_name_and_address() {
    for admit in [false, true] {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        let knock = Ask::Knock { participant: id("guest-eve"), name: "Eve".into(), from: Some("home".into()) };
        assert_eq!(asks(&mut stage, knock), Answer::Guest { standing: GuestStanding::Waiting });
        if admit {
            says(&mut stage, "ada", ClientToEdge::AdmitGuest { participant: id("guest-eve") });
        }
        bans(&mut stage, "ada", "guest-eve", None);
        assert!(!stage.rows.contains_key("guest/guest-eve"));
        stage.sleep();
        assert_eq!(knocks(&mut stage, "guest-eve", "elsewhere"), Err(ErrorCode::Banned), "with the pass");
        assert_eq!(knocks(&mut stage, "guest-mallory", "home"), Err(ErrorCode::Banned), "without it");
        let Answer::Bans { bans: listed } = asks(&mut stage, Ask::Bans) else { panic!("no list") };
        assert_eq!(listed[0].name, "Eve");
    }
}

// A guest asks for passes as often as the platform lets an address, and shows another one after the ban.
#[test]
fn passes_and_tokens_from_before_a_ban_are_void_at_its_address_unless_their_guests_were_here() {
    for go in [None, Some(GOES[0]), Some(GOES[1])] {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        for name in ["guest-eve", "guest-bob", "guest-alan"] {
            guest(&mut stage, name, Grants::default(), None, "home");
        }
        says(&mut stage, "guest-bob", ClientToEdge::Leave {});
        assert!(enters(&mut stage, "guest-mallory", Some("home")).is_ok());
        bans(&mut stage, "ada", "guest-eve", None);
        if let Some(go) = go {
            says(&mut stage, "guest-alan", ClientToEdge::Leave {});
            go(&mut stage);
            assert_eq!(comes(&mut stage, "ada", HOST), None);
        }
        stage.sleep();
        assert_eq!(enters(&mut stage, "guest-mallory", Some("home")), Err(ErrorCode::Banned));
        assert_eq!(guest_joins(&mut stage, "guest-mallory", "home"), Some(ErrorCode::Banned));
        assert_eq!(guest_joins(&mut stage, "guest-grace", "elsewhere"), None);
        for name in ["guest-bob", "guest-alan"] {
            assert!(enters(&mut stage, name, Some("home")).is_ok(), "{name} was here");
            assert_eq!(guest_joins(&mut stage, &format!("{name}2"), "home"), None, "{name} was here");
        }
        says(&mut stage, "ada", ClientToEdge::LiftBan { participant: id("guest-eve") });
        assert_eq!(guest_joins(&mut stage, "guest-mallory2", "home"), None);
    }
}

#[test]
fn guests_who_were_here_are_forgotten_with_the_ban_for_which_they_were_known() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    for (name, from) in [("guest-eve", "home"), ("guest-bob", "home"), ("guest-grace", "office")] {
        guest(&mut stage, name, Grants::default(), None, from);
    }
    bans(&mut stage, "ada", "guest-eve", Some(HOUR_MS));
    GOES[1](&mut stage);
    let known: Vec<&String> = stage.rows.keys().filter(|key| key.starts_with("departed/")).collect();
    assert_eq!(known, ["departed/guest-bob"]);
    wait(&mut stage, HOUR_MS);
    assert_eq!(stage.left(), [""; 0]);
}
