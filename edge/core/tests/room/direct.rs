//! Media from participant to participant: what lets a room try it, what ends it, and for how long.

use crate::scripts::act;
use crate::stage::Stage;
use edge_core::room::Output;
use shared::signal::{ClientToEdge, DirectInfo, EdgeToClient, RoomChange};
use shared::{ErrorCode, limits};
use std::cell::Cell;
use std::collections::BTreeMap;

thread_local! {
    /// The direct media that each participant was told of last; the room's other properties change too.
    static LAST: Cell<BTreeMap<String, Option<DirectInfo>>> = const { Cell::new(BTreeMap::new()) };
}

/// The direct media that a socket was told of, if it is news.
fn told(outputs: &[Output], stage: &Stage, name: &str) -> Option<Option<DirectInfo>> {
    let socket = stage.sockets.get(name)?.socket();
    let mut last = LAST.take();
    let found = outputs.iter().rev().find_map(|output| match output {
        Output::SendClient { socket: to, message: EdgeToClient::RoomUpdated { room } } if *to == socket => {
            Some(room.direct.clone())
        }
        _ => None,
    });
    let news = found.filter(|direct| last.insert(name.into(), direct.clone()).flatten() != *direct);
    LAST.set(last);
    news
}

fn direct(number: u32, names: &[&str], up: bool) -> Option<DirectInfo> {
    let participants = names.iter().map(|name| name.parse().expect("a name")).collect();
    Some(DirectInfo { number, participants, up })
}

fn change(change: RoomChange) -> ClientToEdge {
    ClientToEdge::UpdateRoom { change }
}

fn allow(max: u32) -> ClientToEdge {
    change(RoomChange { peer_to_peer_max: Some(max), ..RoomChange::default() })
}

fn report(number: u32, up: bool) -> ClientToEdge {
    ClientToEdge::ReportDirect { number, up }
}

/// Ada, who moderates and records, and Bob, with media at a node, in a room that lets two or three send directly.
fn stage(max: u32) -> Stage {
    LAST.take();
    let mut stage = Stage::new(1);
    for step in ["ada opens moderator recorder", "ada joins a mic slots=2", "fleet gives node-a e1", "node-a dials e1"]
    {
        act(&mut stage, step);
    }
    act(&mut stage, "node-a hello e1");
    stage.say("ada", allow(max));
    for step in ["node-a up ada", "bob opens", "bob joins b mic slots=2"] {
        assert_eq!(told(&act(&mut stage, step), &stage, "ada"), None, "{step}");
    }
    stage
}

/// The same, after Bob's media has reached the node and both have reported that they receive everything.
fn up(max: u32) -> Stage {
    let mut stage = stage(max);
    let outputs = act(&mut stage, "node-a up bob");
    assert_eq!(told(&outputs, &stage, "ada"), Some(direct(1, &["ada", "bob"], false)));
    assert_eq!(told(&outputs, &stage, "bob"), Some(direct(1, &["ada", "bob"], false)));
    stage.say("ada", report(1, true));
    let (_, outputs) = stage.say("bob", report(1, true));
    assert_eq!(told(&outputs, &stage, "ada"), Some(direct(1, &["ada", "bob"], true)));
    stage
}

#[test]
fn two_send_directly_once_both_receive_and_a_third_moves_the_call_to_the_node() {
    let mut stage = up(2);
    act(&mut stage, "eve opens");
    let outputs = act(&mut stage, "eve joins e mic slots=2");
    assert_eq!(told(&outputs, &stage, "ada"), Some(None));
    act(&mut stage, "node-a up eve");
    // Two remain, but people who come and go do not switch the call to and fro.
    let outputs = act(&mut stage, "eve leaves");
    assert_eq!(told(&outputs, &stage, "ada"), None);
    let outputs = act(&mut stage, &format!("wait {}", limits::DIRECT_PAUSE_MS - 1));
    assert_eq!(told(&outputs, &stage, "ada"), None);
    let outputs = act(&mut stage, "wait 1");
    assert_eq!(told(&outputs, &stage, "bob"), Some(direct(2, &["ada", "bob"], false)));
}

#[test]
fn three_send_directly_where_the_room_says_so() {
    let mut stage = up(3);
    act(&mut stage, "eve opens");
    let outputs = act(&mut stage, "eve joins e mic slots=2");
    assert_eq!(told(&outputs, &stage, "ada"), Some(None), "through the node until all three receive each other");
    act(&mut stage, "node-a up eve");
    let outputs = act(&mut stage, &format!("wait {}", limits::DIRECT_PAUSE_MS));
    let all = ["ada", "bob", "eve"];
    assert_eq!(told(&outputs, &stage, "eve"), Some(direct(2, &all, false)));
    for (name, is_last) in [("eve", false), ("ada", false), ("bob", true)] {
        let (_, outputs) = stage.say(name, report(2, true));
        assert_eq!(told(&outputs, &stage, "ada"), is_last.then(|| direct(2, &all, true)), "{name}");
    }
    act(&mut stage, "kim opens");
    assert_eq!(told(&act(&mut stage, "kim joins k mic slots=2"), &stage, "ada"), Some(None), "a fourth");
}

#[test]
fn rooms_that_do_not_ask_for_it_never_do() {
    let mut stage = stage(0);
    let outputs = act(&mut stage, "node-a up bob");
    assert_eq!(told(&outputs, &stage, "ada"), None);
    let (_, outputs) = stage.say("ada", ClientToEdge::ListPeerServers {});
    let refused = |output: &Output| {
        matches!(output, Output::SendClient { message: EdgeToClient::Error { code: ErrorCode::Forbidden, .. }, .. })
    };
    assert!(outputs.iter().any(refused), "no TURN server for anything but media nodes");
    assert!(stage.rows.values().all(|row| !row.contains("\"direct\"")), "nothing is stored about it");
}

#[test]
fn the_servers_of_peers_reach_other_participants() {
    let mut stage = up(2);
    let (_, outputs) = stage.say("bob", ClientToEdge::ListPeerServers {});
    let servers = outputs.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::PeerServers { ice_servers, .. }, .. } => Some(ice_servers.clone()),
        _ => None,
    });
    let [server] = &servers.expect("an answer")[..] else { panic!("one server") };
    assert!(server.username.as_ref().is_some_and(|user| user.ends_with(":p2p:daily:bob")), "{:?}", server.username);
}

/// Whatever needs the node ends it, at once and for both.
#[test]
fn what_needs_the_node_ends_it() {
    type Act = fn(&mut Stage) -> Vec<Output>;
    let table: [(&str, Act); 7] = [
        ("a recording", |stage| act(stage, "ada records")),
        ("a limit", |stage| act(stage, "ada narrows bob 500 -")),
        ("a moderator's mute", |stage| act(stage, "ada silences bob t2")),
        ("a lost grant", |stage| act(stage, "ada grants bob s")),
        ("the setting", |stage| stage.say("ada", allow(0)).1),
        ("a failure", |stage| stage.say("ada", report(1, false)).1),
        ("another device", |stage| {
            act(stage, "bob2 opens");
            act(stage, "bob2 joins again-b mic slots=2")
        }),
    ];
    for (name, ends) in table {
        let mut stage = up(2);
        let outputs = ends(&mut stage);
        assert_eq!(told(&outputs, &stage, "ada"), Some(None), "{name}");
    }
}

#[test]
fn a_failure_pauses_for_longer_and_stale_reports_change_nothing() {
    let mut stage = up(2);
    stage.say("bob", report(1, false));
    for (name, number, up) in [("ada", 1, true), ("bob", 0, false), ("bob", 7, false)] {
        let (_, outputs) = stage.say(name, report(number, up));
        assert_eq!(told(&outputs, &stage, "ada"), None, "{name} {number} {up}");
    }
    let outputs = act(&mut stage, &format!("wait {}", limits::DIRECT_FAILED_PAUSE_MS - 1));
    assert_eq!(told(&outputs, &stage, "ada"), None);
    let outputs = act(&mut stage, "wait 1");
    assert_eq!(told(&outputs, &stage, "ada"), Some(direct(2, &["ada", "bob"], false)));
}

#[test]
fn a_lost_socket_ends_nothing_that_runs_but_nothing_begins_without_it() {
    let mut stage = up(2);
    assert_eq!(told(&act(&mut stage, "bob closes"), &stage, "ada"), None);
    act(&mut stage, "bob2 opens");
    assert_eq!(told(&act(&mut stage, "bob2 resumes"), &stage, "ada"), None);
    let outputs = act(&mut stage, "ada records");
    assert_eq!(told(&outputs, &stage, "ada"), Some(None));
    act(&mut stage, "bob2 closes");
    act(&mut stage, "ada stops recording");
    let outputs = act(&mut stage, &format!("wait {}", limits::DIRECT_PAUSE_MS));
    assert_eq!(told(&outputs, &stage, "ada"), None, "without Bob");
    act(&mut stage, "bob3 opens");
    let outputs = act(&mut stage, "bob3 resumes");
    assert_eq!(told(&outputs, &stage, "ada"), Some(direct(2, &["ada", "bob"], false)));
}

#[test]
fn a_sleep_at_any_moment_changes_nothing() {
    let steps = [
        "node-a up bob",
        "ada reports",
        "bob reports",
        "eve opens",
        "eve joins e mic slots=2",
        "eve leaves",
        "wait 9999",
        "wait 1",
        "bob closes",
        "bob2 opens",
        "bob2 resumes",
        "ada records",
    ];
    let play = |asleep_after: Option<usize>| {
        let mut stage = stage(2);
        let mut outputs = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            outputs.push(match step.split_once(' ') {
                Some((name, "reports")) => stage.say(name, report(1, true)).1,
                _ => act(&mut stage, step),
            });
            if asleep_after == Some(index) {
                assert_eq!(stage.sleep(), [], "slept after {step}");
            }
        }
        outputs
    };
    let awake = play(None);
    for (asleep_after, step) in steps.iter().enumerate() {
        assert_eq!(play(Some(asleep_after)), awake, "slept after {step}");
    }
}
