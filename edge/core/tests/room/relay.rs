//! Relay servers for clients: a fresh credential with every answer, and existing TURN nodes only.

use crate::deployment::turn_keys;
use crate::scripts::act;
use crate::stage::{Stage, region};
use edge_core::fleet::Relays;
use edge_core::room::{Input, Output};
use shared::limits;
use shared::signal::{EdgeToClient, IceServer};
use shared::turn_credential::{TurnPolicy, TurnUser};

/// A room with one participant on a node, and the ICE servers she was given.
fn joined() -> (Stage, Vec<IceServer>) {
    let mut stage = Stage::new(1);
    act(&mut stage, "ada opens");
    act(&mut stage, "ada joins a mic slots=1");
    let servers = told(&act(&mut stage, "fleet gives node-a e1"));
    act(&mut stage, "node-a dials e1");
    act(&mut stage, "node-a hello e1");
    act(&mut stage, "node-a up ada");
    (stage, servers)
}

fn told(outputs: &[Output]) -> Vec<IceServer> {
    let servers = outputs.iter().find_map(|output| match output {
        Output::SendClient {
            message:
                EdgeToClient::Joined { ice_servers, .. }
                | EdgeToClient::Resumed { ice_servers, .. }
                | EdgeToClient::Negotiated { ice_servers, .. },
            ..
        } => Some(ice_servers.clone()),
        _ => None,
    });
    servers.unwrap_or_else(|| panic!("no answer in {outputs:?}"))
}

fn is_answered(outputs: &[Output]) -> bool {
    let answers =
        |output: &Output| matches!(output, Output::SendClient { message: EdgeToClient::Negotiated { .. }, .. });
    outputs.iter().any(answers)
}

fn asks(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::AskTurn { .. })).count()
}

/// Checks for the room's TURN nodes with a credential that is valid for its whole lifetime from now on.
fn check(stage: &Stage, servers: &[IceServer], urls: &[&str]) {
    let [server] = servers else { panic!("{servers:?}") };
    assert_eq!(server.urls, urls);
    let username = server.username.as_deref().expect("a user name");
    let user = TurnUser::parse(username).expect("one of ours");
    assert_eq!((user.policy, user.room.as_str(), user.participant.as_str()), (TurnPolicy::Sfu, "daily", "ada"));
    let until = stage.now.plus_ms(limits::TURN_CREDENTIAL_LIFETIME_MS);
    assert_eq!(user.expires_at.as_secs(), until.as_secs());
    assert_eq!(server.credential, turn_keys().passwords(username).next());
}

const URL: &str = "turn:127.0.0.1:3478?transport=udp";

/// The Fleet object's answer about TURN nodes.
fn answered(stage: &mut Stage, urls: &[&str]) -> Vec<Output> {
    let epoch = stage.epochs[0];
    let nodes = urls.iter().map(|url| vec![(*url).to_owned()]).collect();
    stage.input(Input::TurnAnswered { epoch, relays: Relays::from([(region("local"), nodes)]) })
}

const RESTARTS: &str = "ada negotiates ice-restart mic slots=1";

#[test]
fn every_answer_brings_a_credential_of_its_own() {
    let (mut stage, servers) = joined();
    check(&stage, &servers, &[URL]);
    // Hours later, after the first one has expired.
    act(&mut stage, "wait 7200000");
    act(&mut stage, RESTARTS);
    let servers = told(&answered(&mut stage, &[URL]));
    check(&stage, &servers, &[URL]);
    act(&mut stage, "wait 7200000");
    act(&mut stage, "ada closes");
    act(&mut stage, "ada2 opens");
    let servers = told(&act(&mut stage, "ada2 resumes"));
    check(&stage, &servers, &[URL]);
}

#[test]
fn old_news_about_turn_nodes_is_renewed_with_the_next_answer() {
    let (mut stage, _) = joined();
    let joins = |stage: &mut Stage, name: &str| {
        act(stage, &format!("{name} opens"));
        asks(&act(stage, &format!("{name} joins b mic slots=1")))
    };
    act(&mut stage, &format!("wait {}", limits::TURN_NODES_REFRESH_MS - 1));
    assert_eq!(joins(&mut stage, "grace"), 0);
    act(&mut stage, "wait 1");
    // A deployment closes the sockets of all rooms: they must not all ask.
    act(&mut stage, "ada closes");
    act(&mut stage, "ada2 opens");
    let outputs = act(&mut stage, "ada2 resumes");
    check(&stage, &told(&outputs), &[URL]);
    assert_eq!(asks(&outputs), 0);
    assert_eq!(joins(&mut stage, "edsger"), 1);
    // No repetition while a request is pending or if it is never answered.
    assert_eq!(joins(&mut stage, "barbara"), 0);
    // An answer about an unknown assignment changes nothing.
    let epoch = stage.epochs[0];
    assert_eq!(stage.input(Input::TurnAnswered { epoch: epoch + 1, relays: Relays::new() }), []);
}

#[test]
fn a_restart_waits_for_what_is_new_about_turn_nodes() {
    let (mut stage, _) = joined();
    let outputs = act(&mut stage, RESTARTS);
    assert_eq!(asks(&outputs), 0, "what is fresh is good enough");
    check(&stage, &told(&outputs), &[URL]);
    act(&mut stage, &format!("wait {}", limits::TURN_NODES_FRESH_MS));
    let outputs = act(&mut stage, RESTARTS);
    assert!(!is_answered(&outputs), "{outputs:?}");
    assert_eq!(asks(&outputs), 1);
    stage.sleep();
    let servers = told(&answered(&mut stage, &["turn:127.0.0.2:3478"]));
    check(&stage, &servers, &["turn:127.0.0.2:3478"]);
    assert!(!is_answered(&answered(&mut stage, &[URL])), "once is enough");
}

#[test]
fn a_restart_does_not_wait_for_a_fleet_object_that_says_nothing() {
    let (mut stage, _) = joined();
    act(&mut stage, &format!("wait {}", limits::TURN_NODES_FRESH_MS));
    act(&mut stage, RESTARTS);
    assert!(!is_answered(&act(&mut stage, &format!("wait {}", limits::TURN_NODES_TIMEOUT_MS - 1))));
    let outputs = act(&mut stage, "wait 1");
    check(&stage, &told(&outputs), &[URL]);
    // The next restart does not wait again.
    assert!(is_answered(&act(&mut stage, RESTARTS)));
}

#[test]
fn a_restart_that_waits_is_forgotten_with_its_socket() {
    let (mut stage, _) = joined();
    act(&mut stage, &format!("wait {}", limits::TURN_NODES_FRESH_MS));
    act(&mut stage, RESTARTS);
    act(&mut stage, "ada closes");
    act(&mut stage, "ada2 opens");
    act(&mut stage, "ada2 resumes");
    assert!(!is_answered(&answered(&mut stage, &[URL])));
}

#[test]
fn without_turn_nodes_nobody_gets_a_credential() {
    let (mut stage, _) = joined();
    answered(&mut stage, &[]);
    assert_eq!(told(&act(&mut stage, RESTARTS)), []);
}

/// The URIs of two nodes in each region of the world.
fn world() -> Relays {
    let nodes = |name: &str| [1, 2].map(|number| vec![format!("turn:{name}-{number}.example.org")]).to_vec();
    ["local", "eu", "us"].map(|name| (region(name), nodes(name))).into()
}

/// Joins from a place near these regions, and returns the numbers and regions of the TURN nodes.
fn relays_near(near: &[&str], relays: Relays) -> (Stage, Vec<String>) {
    let mut stage = Stage::new(1);
    (stage.relays, stage.near) = (relays, near.iter().map(|name| region(name)).collect());
    act(&mut stage, "ada opens");
    // The place is on the socket, which is all that is left of it.
    stage.sleep();
    act(&mut stage, "ada joins a mic slots=1");
    let outputs = act(&mut stage, "fleet gives node-a e1");
    (stage, names(&outputs))
}

fn names(outputs: &[Output]) -> Vec<String> {
    let urls = told(outputs).into_iter().flat_map(|server| server.urls);
    urls.map(|url| url.trim_start_matches("turn:").trim_end_matches(".example.org").to_owned()).collect()
}

// Holds S1-MED-06.
#[test]
fn turn_nodes_are_near_the_participant_and_of_two_regions() {
    let check = |near: &[&str], relays: Relays, expected: &[&str]| {
        assert_eq!(relays_near(near, relays).1, expected, "{near:?}");
    };
    check(&["eu", "us"], world(), &["eu-1", "us-1"]);
    check(&["us", "local"], world(), &["us-1", "local-1"]);
    // Without a known place, the room's region.
    check(&[], world(), &["local-1", "local-2"]);
    // A region that has none, or none that is known, leaves its place to the next.
    let without = |name: &str| world().into_iter().filter(|(known, _)| *known != region(name)).collect::<Relays>();
    check(&["eu", "us"], without("eu"), &["us-1", "local-1"]);
    check(&["mars"], world(), &["local-1", "local-2"]);
    check(&["eu", "us"], Relays::from([(region("us"), world()[&region("us")].clone())]), &["us-1", "us-2"]);
    check(&["eu", "us"], Relays::new(), &[]);
    // No more than two count, whatever the socket says.
    check(&["mars", "venus", "eu"], world(), &["local-1", "local-2"]);
}

#[test]
fn the_place_of_a_participant_outlives_sleep_and_follows_it() {
    let (mut stage, _) = relays_near(&["eu", "us"], world());
    for step in ["node-a dials e1", "node-a hello e1", "node-a up ada", "ada closes"] {
        act(&mut stage, step);
    }
    stage.crash();
    // A place that the platform does not know leaves the earlier one.
    stage.near = Vec::new();
    act(&mut stage, "ada2 opens");
    assert_eq!(names(&act(&mut stage, "ada2 resumes")), ["eu-1", "us-1"]);
    act(&mut stage, "ada2 closes");
    stage.near = vec![region("us"), region("local")];
    act(&mut stage, "ada3 opens");
    stage.sleep();
    assert_eq!(names(&act(&mut stage, "ada3 resumes")), ["us-1", "local-1"]);
    stage.sleep();
    let restarts = RESTARTS.replace("ada", "ada3");
    assert_eq!(names(&act(&mut stage, &restarts)), ["us-1", "local-1"]);
    // A reload is a new join, and no reason to forget the place.
    stage.near = Vec::new();
    act(&mut stage, "ada4 opens");
    assert_eq!(names(&act(&mut stage, "ada4 joins b mic slots=1")), ["us-1", "local-1"]);
}
