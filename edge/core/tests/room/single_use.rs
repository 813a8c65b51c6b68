//! Tokens that are good for one join.

use crate::stage::Stage;
use edge_core::room::{Answer, Ask, Input, Output, Verb};
use shared::signal::{EdgeToClient, TrackSource};
use shared::{ErrorCode, UnixMillis};

const MICROPHONE: [(TrackSource, bool); 1] = [(TrackSource::Microphone, false)];
const HOUR_MS: u64 = 3_600_000;

/// Connects with the token `jti` and joins; `None` if the client is admitted.
fn join(stage: &mut Stage, name: &str, (jti, until): (&str, UnixMillis), attempt: &str) -> Option<ErrorCode> {
    stage.open_with_single_use(name, jti, until);
    let join = stage.join(name, attempt, &MICROPHONE, 1);
    stage.say(name, join).1.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Error { code, .. }, .. } => Some(*code),
        _ => None,
    })
}

fn leave(stage: &mut Stage, name: &str) {
    stage.say(name, shared::signal::ClientToEdge::Leave {});
    if stage.sockets.contains_key(name) {
        stage.close(name);
    }
}

#[test]
fn a_token_opens_one_join_and_its_repetition_until_it_expires() {
    let mut stage = Stage::new(1);
    let token = ("one", stage.now.plus_ms(HOUR_MS));
    assert_eq!(join(&mut stage, "ada", token, "a"), None);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    assert_eq!(join(&mut stage, "ada2", token, "aagain"), None, "the answer was lost");
    assert_eq!(join(&mut stage, "ada3", token, "b"), Some(ErrorCode::TokenUsed));
    assert_eq!(join(&mut stage, "bob", token, "b"), Some(ErrorCode::TokenUsed), "it names one join, for every bearer");
    assert_eq!(join(&mut stage, "eve", ("other", token.1), "b"), None);
    leave(&mut stage, "ada2");
    leave(&mut stage, "eve");
    assert_eq!(join(&mut stage, "ada4", token, "b"), Some(ErrorCode::TokenUsed), "after they left");
    stage.crash();
    assert_eq!(join(&mut stage, "ada5", token, "b"), Some(ErrorCode::TokenUsed), "after a crash");
    stage.now = token.1;
    stage.input(Input::Deadline);
    assert!(!stage.rows.keys().any(|key| key.starts_with("used-token/")), "forgotten: {:?}", stage.rows.keys());
}

#[test]
fn a_token_stays_used_after_the_room_has_ended() {
    let mut stage = Stage::new(1);
    let token = ("one", stage.now.plus_ms(HOUR_MS));
    assert_eq!(join(&mut stage, "ada", token, "a"), None);
    let end = Ask::Moderate { verb: Verb::End { reason: None } };
    let outputs = stage.input(Input::Asked { request: 1, ask: end });
    assert!(outputs.iter().any(|output| matches!(output, Output::Answer { answer: Answer::Done, .. })), "{outputs:?}");
    while let Some(at) = stage.timeout().filter(|at| *at < token.1) {
        stage.now = at;
        stage.input(Input::Deadline);
    }
    assert_eq!(stage.timeout(), Some(token.1), "the room's object is kept until then");
    assert_eq!(stage.left(), ["used-token/one"], "and nothing else of the room");
    assert_eq!(join(&mut stage, "ada2", token, "b"), Some(ErrorCode::TokenUsed));
}

/// Ada has joined, then this happens, and a client joins with her token and the attempt that used it: with another offer,
/// which is always refused, and with the same one.
fn check_again(way: &str, happens: impl Fn(&mut Stage), with_same_offer: Option<ErrorCode>) {
    for (attempt, expected) in [("a", Some(ErrorCode::TokenUsed)), ("aagain", with_same_offer)] {
        let mut stage = Stage::new(1);
        let token = ("one", stage.now.plus_ms(HOUR_MS));
        assert_eq!(join(&mut stage, "ada", token, "a"), None);
        let epoch = stage.epochs[0];
        stage.give("node-a", epoch);
        happens(&mut stage);
        assert_eq!(join(&mut stage, "ada2", token, attempt), expected, "ada {way}, {attempt}");
    }
}

fn moderate(stage: &mut Stage, verb: Verb) {
    stage.input(Input::Asked { request: 1, ask: Ask::Moderate { verb } });
}

#[test]
fn the_attempt_that_used_a_token_repeats_its_join_only_while_that_join_stands() {
    let used = Some(ErrorCode::TokenUsed);
    check_again("is there", |_| {}, None);
    check_again("left", |stage| leave(stage, "ada"), used);
    let participant = shared::ParticipantId::parse("ada").expect("a name");
    let kick = Verb::Remove { participant, reason: None, ban: None };
    check_again("was kicked", |stage| moderate(stage, kick.clone()), used);
    check_again("was in a room that has ended", |stage| moderate(stage, Verb::End { reason: None }), used);
    let stay_away = |stage: &mut Stage| {
        stage.close("ada");
        stage.now = stage.now.plus_ms(shared::limits::RESUME_WINDOW_MS + 1);
        stage.input(Input::Deadline);
    };
    check_again("did not come back", stay_away, used);
}

/// A join whose node is gone has no answer that could be repeated; the same offer gets a new one.
#[test]
fn a_used_token_s_join_is_repeated_also_without_its_node() {
    let mut stage = Stage::new(1);
    let token = ("one", stage.now.plus_ms(HOUR_MS));
    assert_eq!(join(&mut stage, "ada", token, "a"), None);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    stage.open_node("node-a", epoch);
    stage.close("node-a");
    let until = stage.now.plus_ms(shared::limits::RESUME_WINDOW_MS);
    while let Some(at) = stage.timeout().filter(|at| *at < until) {
        stage.now = at;
        stage.input(Input::Deadline);
    }
    assert_eq!(join(&mut stage, "ada2", token, "aagain"), None);
}

#[test]
fn a_refused_join_uses_no_token() {
    let mut stage = Stage::new(1);
    let token = ("one", stage.now.plus_ms(HOUR_MS));
    stage.open_with_single_use("ada", token.0, token.1);
    stage.prepare("ada");
    let attempt = shared::AttemptId::parse("a").expect("an attempt");
    let offer = shared::signal::ClientToEdge::Join { attempt, offer: "no offer".into(), tracks: vec![] };
    stage.say("ada", offer);
    assert!(stage.rows.is_empty(), "{:?}", stage.rows);
    stage.close("ada");
    assert_eq!(join(&mut stage, "ada2", token, "b"), None);
}
