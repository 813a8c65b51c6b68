//! One ban for all guests at an address: a raid is over with one action.

use crate::bans::{GOES, HOST, asks, comes, enters, grants, guest, guest_joins, id, knocks, says, wait};
use crate::bans::{HOUR_MS, VIEWER};
use crate::stage::Stage;
use edge_core::room::{Answer, Ask, GuestStanding, Output, Verb};
use shared::signal::{BanInfo, BanTerm, ClientToEdge, EdgeToClient, ParticipantChange, close_code};
use shared::token::Grants;
use shared::{ErrorCode, limits};

const ADDRESS: BanTerm = BanTerm { lasts_ms: None, address: true };

fn remove(whom: &str, term: BanTerm) -> ClientToEdge {
    ClientToEdge::Kick { participant: id(whom), reason: None, ban: Some(term) }
}

/// The participants of the room.
fn present(stage: &mut Stage) -> Vec<String> {
    match asks(stage, Ask::Participants) {
        Answer::Participants { participants } => participants.into_iter().map(|info| info.id.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

fn listed(stage: &mut Stage) -> Vec<BanInfo> {
    match asks(stage, Ask::Bans) {
        Answer::Bans { bans } => bans,
        other => panic!("{other:?}"),
    }
}

/// The refusal of a moderator's request.
fn refusal(stage: &mut Stage, name: &str, message: ClientToEdge) -> Option<ErrorCode> {
    stage.say(name, message).1.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Error { code, .. }, .. } => Some(*code),
        _ => None,
    })
}

/// Ada hosts; three guests raid from one connection, where a member of the staff, a guest who moderates and two in the
/// lobby are too; Grace is elsewhere.
fn raided() -> Stage {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    for name in ["guest-eve", "guest-mallory", "guest-helper"] {
        guest(&mut stage, name, Grants::default(), None, "home");
    }
    guest(&mut stage, "guest-grace", Grants::default(), None, "elsewhere");
    comes(&mut stage, "staff", Grants::default());
    let change = ParticipantChange { grants: Some(HOST), ..ParticipantChange::default() };
    says(&mut stage, "ada", ClientToEdge::UpdateParticipant { participant: id("guest-helper"), change });
    for (name, from) in [("guest-waits", "home"), ("guest-admitted", "home"), ("guest-other", "elsewhere")] {
        assert_eq!(knocks(&mut stage, name, from), Ok(GuestStanding::Waiting));
    }
    says(&mut stage, "ada", ClientToEdge::AdmitGuest { participant: id("guest-admitted") });
    stage
}

#[test]
fn one_action_removes_all_guests_of_a_connection_and_nobody_else() {
    let mut stage = raided();
    let (_, outputs) = stage.say("ada", remove("guest-eve", ADDRESS));
    let told = |output: &Output| match output {
        Output::SendClient { message: EdgeToClient::Removed { code, .. }, .. } => Some(*code),
        _ => None,
    };
    assert_eq!(outputs.iter().filter_map(told).collect::<Vec<_>>(), [ErrorCode::Kicked; 2]);
    let closed = |output: &&Output| matches!(output, Output::CloseClient { code: close_code::REMOVED, .. });
    assert_eq!(outputs.iter().filter(closed).count(), 2);
    assert_eq!(present(&mut stage), ["ada", "guest-helper", "guest-grace", "staff"]);
    stage.crash();
    let out = Some(ErrorCode::Banned);
    for raider in ["guest-eve2", "guest-mallory2", "guest-new", "guest-waits", "guest-admitted"] {
        assert_eq!(guest_joins(&mut stage, raider, "home"), out, "{raider} with a token from before");
        assert_eq!(enters(&mut stage, raider.trim_end_matches('2'), Some("home")), Err(ErrorCode::Banned), "{raider}");
        assert_eq!(knocks(&mut stage, raider.trim_end_matches('2'), "home"), Err(ErrorCode::Banned), "{raider}");
    }
    assert_eq!(knocks(&mut stage, "guest-other", "elsewhere"), Ok(GuestStanding::Waiting));
    assert_eq!(comes(&mut stage, "nurse", Grants::default()), None, "the application vouches for this one");
    assert!(enters(&mut stage, "guest-new", Some("school")).is_ok());
}

#[test]
fn a_moderator_at_the_address_stays_and_may_come_back() {
    let mut stage = raided();
    says(&mut stage, "guest-helper", remove("guest-eve", ADDRESS));
    assert_eq!(grants(&mut stage, "guest-helper"), HOST);
    says(&mut stage, "guest-helper", ClientToEdge::Leave {});
    assert!(enters(&mut stage, "guest-helper", Some("home")).is_ok());
    assert_eq!(guest_joins(&mut stage, "guest-helper2", "home"), None);
}

#[test]
fn a_guest_who_hosts_the_room_is_not_locked_out_by_a_ban_of_their_own_connection() {
    let mut stage = Stage::new(1);
    let made = enters(&mut stage, "guest-host", Some("home")).expect("lets in");
    guest(&mut stage, "guest-host", HOST, Some(made), "home");
    guest(&mut stage, "guest-eve", Grants::default(), None, "home");
    says(&mut stage, "guest-host", remove("guest-eve", ADDRESS));
    says(&mut stage, "guest-host", ClientToEdge::Leave {});
    let asked = |made| Ask::Enter { participant: id("guest-host"), from: Some("home".into()), made };
    assert!(matches!(asks(&mut stage, asked(Some(made))), Answer::Room { made: false, .. }));
    assert_eq!(asks(&mut stage, asked(None)), Answer::Refused { code: ErrorCode::Banned }, "without the host's pass");
    guest(&mut stage, "guest-host2", HOST, Some(made), "home");
    assert_eq!(grants(&mut stage, "guest-host"), HOST);
}

#[test]
fn the_ban_is_one_on_the_list_and_lifting_it_lets_everybody_back() {
    let mut stage = raided();
    says(&mut stage, "ada", remove("guest-eve", ADDRESS));
    let bans = listed(&mut stage);
    assert_eq!(
        bans.iter().map(|ban| (ban.participant.as_str(), ban.address)).collect::<Vec<_>>(),
        [("guest-eve", true)]
    );
    says(&mut stage, "ada", ClientToEdge::LiftBan { participant: id("guest-eve") });
    assert_eq!(guest_joins(&mut stage, "guest-eve2", "home"), None);
    assert_eq!(guest_joins(&mut stage, "guest-mallory2", "home"), None);
    assert!(enters(&mut stage, "guest-new", Some("home")).is_ok());
}

#[test]
fn it_ends_with_its_time_and_with_a_day_at_the_latest() {
    for (lasts_ms, ends_ms) in [(Some(HOUR_MS), HOUR_MS), (None, limits::GUEST_ADDRESS_BAN_MS_MAX)] {
        let mut stage = raided();
        says(&mut stage, "ada", remove("guest-eve", BanTerm { lasts_ms, address: true }));
        wait(&mut stage, ends_ms - 1);
        assert_eq!(enters(&mut stage, "guest-mallory", Some("home")), Err(ErrorCode::Banned));
        wait(&mut stage, 1);
        assert!(enters(&mut stage, "guest-mallory", Some("home")).is_ok());
        let left: Vec<bool> = listed(&mut stage).iter().map(|ban| ban.address).collect();
        assert_eq!(left, if lasts_ms.is_some() { vec![] } else { vec![false] }, "the guest's own ban goes on");
    }
}

#[test]
fn it_outlives_the_room_if_the_application_decided_and_not_if_a_guest_did() {
    for go in GOES {
        let mut stage = Stage::new(1);
        comes(&mut stage, "ada", HOST);
        guest(&mut stage, "guest-eve", Grants::default(), None, "home");
        guest(&mut stage, "guest-mallory", Grants::default(), None, "home");
        says(&mut stage, "ada", remove("guest-eve", ADDRESS));
        go(&mut stage);
        assert_eq!(enters(&mut stage, "guest-mallory", Some("home")), Err(ErrorCode::Banned));

        let mut stage = Stage::new(1);
        let made = enters(&mut stage, "ada", None).expect("lets in");
        guest(&mut stage, "ada", HOST, Some(made), "office");
        guest(&mut stage, "guest-eve", Grants::default(), None, "home");
        says(&mut stage, "ada", remove("guest-eve", ADDRESS));
        go(&mut stage);
        assert!(enters(&mut stage, "guest-mallory", Some("home")).is_ok());
    }
}

#[test]
fn people_without_a_known_address_are_not_banned_by_it() {
    let mut stage = raided();
    for (name, whom) in [("ada", "staff"), ("ada", "nobody"), ("guest-helper", "staff")] {
        assert_eq!(refusal(&mut stage, name, remove(whom, ADDRESS)), Some(ErrorCode::UnknownParticipant), "{whom}");
    }
    let verb = Verb::Remove { participant: id("staff"), reason: None, ban: Some(ADDRESS) };
    assert_eq!(asks(&mut stage, Ask::Moderate { verb }), Answer::Refused { code: ErrorCode::UnknownParticipant });
    assert_eq!((present(&mut stage).len(), listed(&mut stage).len()), (6, 0), "nothing has changed");
}

#[test]
fn a_guest_who_moderates_does_not_widen_a_ban_of_the_application() {
    let mut stage = Stage::new(1);
    let made = enters(&mut stage, "guest-host", None).expect("lets in");
    guest(&mut stage, "guest-host", HOST, Some(made), "office");
    guest(&mut stage, "guest-eve", Grants::default(), None, "home");
    guest(&mut stage, "guest-mallory", Grants::default(), None, "home");
    let verb = Verb::Remove { participant: id("guest-eve"), reason: None, ban: Some(BanTerm::default()) };
    assert_eq!(asks(&mut stage, Ask::Moderate { verb }), Answer::Done);
    assert_eq!(refusal(&mut stage, "guest-host", remove("guest-eve", ADDRESS)), Some(ErrorCode::Forbidden));
    assert_eq!(present(&mut stage), ["guest-host", "guest-mallory"]);
    assert_eq!(refusal(&mut stage, "guest-mallory", remove("guest-host", ADDRESS)), Some(ErrorCode::Forbidden));
}

#[test]
fn a_guest_who_left_and_one_in_the_lobby_show_the_way_to_the_others() {
    for whom in ["guest-mallory", "guest-waits"] {
        let mut stage = raided();
        says(&mut stage, "guest-mallory", ClientToEdge::Leave {});
        says(&mut stage, "ada", remove(whom, ADDRESS));
        assert_eq!(present(&mut stage), ["ada", "guest-helper", "guest-grace", "staff"], "{whom}");
    }
}

#[test]
fn a_crowd_that_only_watches_is_removed_too() {
    let mut stage = Stage::new(1);
    comes(&mut stage, "ada", HOST);
    for number in 0..limits::AUDIENCE_LISTED_MAX + 8 {
        let name = format!(
            "guest-{}",
            char::from(b'a' + u8::try_from(number % 26).unwrap()).to_string().repeat(1 + number / 26)
        );
        stage.open_guest(&name, VIEWER, shared::token::Guest { made: None, from: Some("home".into()) });
        let join = stage.join(&name, &name, &[], 1);
        stage.say(&name, join);
    }
    assert_eq!(present(&mut stage).len(), 1 + limits::AUDIENCE_LISTED_MAX + 8);
    says(&mut stage, "ada", remove("guest-a", ADDRESS));
    assert_eq!(present(&mut stage), ["ada"]);
}

#[test]
fn the_lobby_tells_of_a_recording_to_those_who_may_come_in() {
    let mut stage = raided();
    let lobby = |participant: Option<&str>, from: Option<&str>| Ask::Lobby {
        participant: participant.map(id),
        from: from.map(Into::into),
    };
    let tells = |stage: &mut Stage, recorded| {
        for (participant, from) in
            [(None, None), (None, Some("home")), (Some("guest-eve"), Some("home")), (Some("staff"), None)]
        {
            assert_eq!(asks(stage, lobby(participant, from)), Answer::Lobby { recorded }, "{participant:?} {from:?}");
        }
    };
    tells(&mut stage, false);
    says(&mut stage, "ada", ClientToEdge::StartRecording {});
    tells(&mut stage, true);
    says(&mut stage, "ada", ClientToEdge::StopRecording {});
    tells(&mut stage, false);
    says(&mut stage, "ada", ClientToEdge::StartRecording {});
    says(&mut stage, "ada", remove("guest-eve", ADDRESS));
    for (participant, from) in [(None, Some("home")), (Some("guest-eve"), None), (Some("guest-mallory"), Some("home"))]
    {
        let refused = Answer::Refused { code: ErrorCode::Banned };
        assert_eq!(asks(&mut stage, lobby(participant, from)), refused, "{participant:?} {from:?}");
    }
    assert_eq!(asks(&mut stage, lobby(Some("staff"), None)), Answer::Lobby { recorded: true });
    let mut stage = raided();
    says(&mut stage, "ada", ClientToEdge::StartRecording {});
    says(&mut stage, "ada", remove("guest-eve", BanTerm { lasts_ms: None, address: false }));
    let neighbour = asks(&mut stage, lobby(None, Some("home")));
    assert_eq!(neighbour, Answer::Lobby { recorded: true }, "those who were in the room may come back");
    let mut stage = Stage::new(1);
    assert_eq!(asks(&mut stage, lobby(None, None)), Answer::Lobby { recorded: false });
    assert!(stage.rows.is_empty(), "asking makes no room");
}

#[test]
fn a_second_ban_changes_the_time_and_not_the_address() {
    let mut stage = raided();
    says(&mut stage, "ada", remove("guest-eve", ADDRESS));
    let asked = || Ask::Lobby { participant: Some(id("guest-mallory")), from: Some("home".into()) };
    let neighbour = |stage: &mut Stage| asks(stage, asked());
    let refused = Answer::Refused { code: ErrorCode::Banned };
    assert_eq!(neighbour(&mut stage), refused);
    let verb = Verb::Remove { participant: id("guest-eve"), reason: None, ban: Some(BanTerm::default()) };
    assert_eq!(asks(&mut stage, Ask::Moderate { verb }), Answer::Done);
    assert_eq!(neighbour(&mut stage), refused, "the neighbours stay out");
    assert_eq!(listed(&mut stage).iter().map(|ban| (ban.until, ban.address)).collect::<Vec<_>>(), [(None, true)]);
    let verb = Verb::LiftBan { participant: id("guest-eve") };
    assert_eq!(asks(&mut stage, Ask::Moderate { verb }), Answer::Done);
    assert_ne!(neighbour(&mut stage), refused);
}
