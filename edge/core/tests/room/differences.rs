//! Resuming costs a difference: whatever happened meanwhile, the difference and the known roster are the current one.
//!
//! Two rooms get the same inputs. In one, clients resume with the revision that they know; in the other, which sleeps
//! repeatedly, without one.

use crate::models::{applied, roster_of};
use crate::stage::{Stage, mid_named, next};
use edge_core::room::{Ask, Input, Output, Verb};
use shared::signal::{ClientToEdge, EdgeToClient, ParticipantChange, ParticipantInfo, TrackSource};
use shared::token::Grants;
use shared::{ParticipantId, limits};
use std::cell::Cell;
use std::collections::BTreeMap;

type Roster = BTreeMap<ParticipantId, ParticipantInfo>;

const PLAYS: u64 = 12;
const STEPS: usize = 500;
const SHORT: usize = 250;
/// Enough that changes to the roster are gathered, and that some are only counted.
const PEOPLE: usize = limits::PRESENCE_GATHERED_FROM + limits::AUDIENCE_LISTED_MAX;
/// One play is also a test of the SDK.
const VECTOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/signal/differences.json");

fn name(number: usize) -> String {
    ['p', char::from(b'a' + (number / 26) as u8), char::from(b'a' + (number % 26) as u8)].iter().collect()
}

/// A client's roster and its revision; `None` as long as it has not joined.
#[derive(Default)]
struct Known {
    revision: Option<u64>,
    roster: Roster,
}

#[derive(Default)]
struct Seen {
    differences: usize,
    bytes_of_differences: usize,
    bytes_of_complete: usize,
}

struct Play {
    dice: Cell<u64>,
    stages: [Stage; 2],
    known: BTreeMap<String, Known>,
    /// Requests for a node that the Fleet object has answered.
    placed: usize,
    seen: Seen,
    /// The messages to the first participant, and the roster after each `resumed`.
    told: Vec<serde_json::Value>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let (stages, known) = ([Stage::new(seed), Stage::new(seed)], BTreeMap::new());
        Self { dice: Cell::new(seed), stages, known, placed: 0, seen: Seen::default(), told: Vec::new() }
    }

    fn dice(&self, sides: usize) -> usize {
        (next(&self.dice) >> 33) as usize % sides
    }

    fn run(mut self, steps: usize) -> Self {
        for number in 0..PEOPLE {
            self.both(|stage| enter(stage, &name(number), number < 4));
            if number == 0 {
                self.both(|stage| stage.give("node-a", stage.epochs[0]));
            }
        }
        self.placed = 1;
        for _ in 0..steps {
            self.step();
            while let Some(epoch) = self.stages[0].epochs.get(self.placed).copied() {
                self.placed += 1;
                self.both(|stage| stage.give("node-a", epoch));
            }
        }
        self
    }

    fn step(&mut self) {
        let who = name(if self.dice(4) == 0 { 0 } else { self.dice(PEOPLE) });
        let whom: ParticipantId = name(1 + self.dice(PEOPLE - 1)).parse().expect("a name");
        let (is_open, has_joined) = {
            let stage = &mut self.stages[0];
            (stage.sockets.contains_key(&who), stage.client(&who).session.is_some())
        };
        match (is_open, self.dice(16)) {
            (_, 0..=2) => {
                let ms = [1, 40, 100, 1_000, 31_000][self.dice(if self.dice(40) == 0 { 5 } else { 4 })];
                self.both(|stage| wait(stage, ms));
            }
            (_, 3) if self.dice(8) == 0 => self.both(Stage::crash),
            (_, 3 | 4) => {
                let change = ParticipantChange { name: Some(format!("N{}", self.dice(100))), ..Default::default() };
                self.asks(Verb::UpdateParticipant { participant: whom, change });
            }
            (_, 5) => {
                let grants = Some(Grants { publish: self.dice(2) == 0, ..Grants::default() });
                let change = ParticipantChange { grants, ..Default::default() };
                self.asks(Verb::UpdateParticipant { participant: whom, change });
            }
            (_, 6) if self.dice(2) == 0 => self.asks(Verb::Remove { participant: whom, reason: None, ban: None }),
            (false, _) if has_joined && self.dice(8) > 0 => self.resumes(&who),
            (false, _) => {
                let publishes = self.dice(2) == 0;
                self.both(|stage| enter(stage, &who, publishes));
            }
            (true, 7..=9) => self.both(|stage| stage.close(&who)),
            (true, 10) => self.both(|stage| stage.unload(&who)),
            (true, 11) if who != name(0) => self.says(&who, ClientToEdge::Leave {}),
            (true, 12 | 13) => {
                let raised = self.dice(2) == 0;
                self.says(&who, ClientToEdge::RaiseHand { raised });
            }
            (true, _) => {
                let muted = self.dice(2) == 0;
                self.says(&who, ClientToEdge::SetMuted { mid: mid_named(0), muted });
            }
        }
    }

    fn asks(&mut self, verb: Verb) {
        self.both(|stage| stage.input(Input::Asked { request: 1, ask: Ask::Moderate { verb: verb.clone() } }));
    }

    fn says(&mut self, who: &str, message: ClientToEdge) {
        self.both(|stage| stage.say(who, message.clone()).1);
    }

    fn both(&mut self, act: impl Fn(&mut Stage) -> Vec<Output>) {
        let [aware, plain] = &mut self.stages;
        for stage in [&mut *aware, &mut *plain] {
            stage.now = stage.now.plus_ms(1);
        }
        let outputs = act(aware);
        assert_eq!(act(plain), outputs);
        self.after(&outputs);
    }

    fn after(&mut self, outputs: &[Output]) {
        let plain = &mut self.stages[1];
        if (next(&self.dice) >> 33).is_multiple_of(4) {
            assert_eq!(plain.sleep(), [], "waking up is no news");
        }
        assert_eq!(self.stages[0].rows, self.stages[1].rows);
        for output in outputs {
            self.hear(output);
        }
    }

    /// Continues a session, and compares the roster after the difference with the complete one.
    fn resumes(&mut self, who: &str) {
        let known = self.known.get(who).and_then(|known| known.revision);
        let [aware, plain] = &mut self.stages;
        let opened = [&mut *aware, &mut *plain].map(|stage| stage.reopen_client(who));
        assert_eq!(opened[0], opened[1]);
        if opened[0].is_none() {
            aware.client(who).session = None;
            plain.client(who).session = None;
            return;
        }
        let mut outputs = resume(aware, who, known);
        let mut complete = resume(plain, who, None);
        let (answer, full) = (take_resumed(&mut outputs), take_resumed(&mut complete));
        assert_eq!(outputs, complete, "the others hear the same");
        let (Some(answer), Some(full)) = (answer, full) else { panic!("{who} is not resumed: {outputs:?}") };
        self.note(&full, &answer);
        self.hear(&answer);
        let current = roster_in(&full);
        assert_eq!(self.known[who].roster, current, "{who} knew {known:?}");
        if who == name(0) {
            self.told.push(serde_json::json!({ "roster": current.values().collect::<Vec<_>>() }));
        }
        self.after(&outputs);
    }

    fn note(&mut self, full: &Output, answer: &Output) {
        let bytes = |output: &Output| match output {
            Output::SendClient { message, .. } => message.to_json().len(),
            other => panic!("no answer: {other:?}"),
        };
        if let Output::SendClient { message: EdgeToClient::Resumed { difference: Some(_), .. }, .. } = answer {
            self.seen.differences += 1;
            self.seen.bytes_of_differences += bytes(answer);
            self.seen.bytes_of_complete += bytes(full);
        }
    }

    fn hear(&mut self, output: &Output) {
        let Output::SendClient { socket, message } = output else { return };
        let Some(who) = self.stages[0].names.get(socket).cloned() else { return };
        let Known { revision, roster } = self.known.entry(who.clone()).or_default();
        match message {
            EdgeToClient::Joined { roster: complete, revision: latest, .. } => {
                (*roster, *revision) = (roster_of(complete), *latest);
            }
            EdgeToClient::Resumed { roster: changed, difference, revision: latest, .. } => {
                *roster = match difference {
                    Some(difference) => applied(roster, changed, difference),
                    None => roster_of(changed),
                };
                *revision = *latest;
            }
            EdgeToClient::ParticipantJoined { participant } | EdgeToClient::ParticipantUpdated { participant } => {
                roster.insert(participant.id.clone(), participant.clone());
            }
            EdgeToClient::ParticipantLeft { participant, .. } => drop(roster.remove(participant)),
            EdgeToClient::RosterChanged { changed, left, revision: latest } => {
                left.iter().for_each(|departure| drop(roster.remove(&departure.participant)));
                roster.extend(roster_of(changed));
                *revision = latest.or(*revision);
            }
            _ => return,
        }
        if who == name(0) {
            let mut message = serde_json::to_value(message).expect("JSON");
            if let Some(answer) = message.get_mut("answer") {
                *answer = "".into();
            }
            self.told.push(message);
        }
    }
}

fn enter(stage: &mut Stage, name: &str, publishes: bool) -> Vec<Output> {
    let grants = Grants { publish: publishes, ..Grants::default() };
    let mut outputs = stage.open_client(name, grants, Some(100));
    let sources: &[_] = if publishes { &[(TrackSource::Microphone, false)] } else { &[] };
    let join = stage.join(name, "a", sources, 1);
    outputs.extend(stage.say(name, join).1);
    outputs
}

fn wait(stage: &mut Stage, ms: u64) -> Vec<Output> {
    stage.now = stage.now.plus_ms(ms);
    stage.input(Input::Deadline)
}

fn resume(stage: &mut Stage, who: &str, revision: Option<u64>) -> Vec<Output> {
    let (session, resume_token) = stage.client(who).session.clone().expect("joined before");
    stage.say(who, ClientToEdge::Resume { session, resume_token, chat_after: None, revision }).1
}

fn take_resumed(outputs: &mut Vec<Output>) -> Option<Output> {
    let is_resumed =
        |output: &Output| matches!(output, Output::SendClient { message: EdgeToClient::Resumed { .. }, .. });
    outputs.iter().position(is_resumed).map(|index| outputs.remove(index))
}

fn roster_in(output: &Output) -> Roster {
    match output {
        Output::SendClient { message: EdgeToClient::Resumed { roster, difference: None, .. }, .. } => roster_of(roster),
        other => panic!("no complete roster: {other:?}"),
    }
}

#[test]
fn a_difference_makes_the_known_roster_the_current_one() {
    let mut seen = Seen::default();
    for seed in 1..=PLAYS {
        let play = Play::new(seed).run(STEPS).seen;
        seen.differences += play.differences;
        seen.bytes_of_differences += play.bytes_of_differences;
        seen.bytes_of_complete += play.bytes_of_complete;
    }
    assert!(seen.differences > 300, "{} differences", seen.differences);
    let (difference, complete) = (seen.bytes_of_differences, seen.bytes_of_complete);
    assert!(difference < complete, "{difference} bytes instead of {complete}");
}

#[test]
fn the_sdk_is_tested_with_a_play() {
    let told = Play::new(1).run(SHORT).told;
    let lines: Vec<String> = told.iter().map(ToString::to_string).collect();
    let fresh = format!("[\n{}\n]\n", lines.join(",\n"));
    if std::env::var_os("WRITE_VECTORS").is_some() {
        std::fs::write(VECTOR, &fresh).expect("the vectors' folder exists");
    }
    let stored = std::fs::read_to_string(VECTOR).unwrap_or_default();
    assert!(stored == fresh, "{VECTOR} is stale: run this test with WRITE_VECTORS=1 and commit what it writes");
}

/// A participant whose row is from an earlier version, and a row that is lost, have no revision.
#[test]
fn a_client_that_may_have_missed_a_change_gets_everybody() {
    let known_after = |spoil: fn(&mut Stage)| {
        let mut play = Play::new(1);
        play.both(|stage| enter(stage, &name(0), true));
        play.both(|stage| stage.give("node-a", stage.epochs[0]));
        play.both(|stage| enter(stage, &name(1), true));
        let known = play.known[&name(0)].revision;
        let stage = &mut play.stages[0];
        spoil(stage);
        stage.now = stage.now.plus_ms(1_000);
        stage.salvage();
        stage.close(&name(0));
        stage.reopen_client(&name(0));
        let answer = take_resumed(&mut resume(stage, &name(0), known));
        let Some(Output::SendClient { message: EdgeToClient::Resumed { difference, revision, .. }, .. }) = answer
        else {
            panic!("not resumed: {answer:?}");
        };
        assert!(revision > known || difference.is_some());
        difference.is_some()
    };
    assert!(known_after(|_| {}));
    assert!(!known_after(|stage| {
        let row = stage.rows.get_mut(&format!("member/{}", name(1))).expect("a row");
        let mut value: serde_json::Value = serde_json::from_str(row).expect("JSON");
        value["row"].as_object_mut().map(|member| member.remove("revision"));
        *row = value.to_string();
    }));
    assert!(!known_after(|stage| {
        stage.rows.insert(format!("member/{}", name(1)), "spoiled".into());
    }));
}

/// A revision of a later state, or of another room, is none that the room knows.
#[test]
fn an_unknown_revision_is_no_revision() {
    let mut stage = Stage::new(1);
    enter(&mut stage, &name(0), true);
    stage.give("node-a", stage.epochs[0]);
    for unknown in [0, 1, u64::MAX] {
        stage.close(&name(0));
        stage.reopen_client(&name(0));
        let answer = take_resumed(&mut resume(&mut stage, &name(0), Some(unknown))).expect("an answer");
        assert_eq!(roster_in(&answer).len(), 1);
    }
}

/// Departures are remembered, but not all.
#[test]
fn after_too_many_departures_the_roster_is_complete() {
    let answer_after = |departures: usize| {
        let mut stage = Stage::new(1);
        enter(&mut stage, &name(0), true);
        let given = stage.give("node-a", stage.epochs[0]);
        let known = given.iter().find_map(|output| match output {
            Output::SendClient { message: EdgeToClient::Joined { revision, .. }, .. } => *revision,
            _ => None,
        });
        for number in 1..=departures {
            enter(&mut stage, &name(number), false);
            stage.now = stage.now.plus_ms(1_000);
            stage.say(&name(number), ClientToEdge::Leave {});
        }
        stage.close(&name(0));
        stage.reopen_client(&name(0));
        let answer = take_resumed(&mut resume(&mut stage, &name(0), known));
        let Some(Output::SendClient { message: EdgeToClient::Resumed { difference, .. }, .. }) = answer else {
            panic!("not resumed: {answer:?}");
        };
        difference.map(|difference| difference.left.len())
    };
    let most = limits::DEPARTURES_REMEMBERED_MAX;
    assert_eq!((answer_after(most), answer_after(most + 1)), (Some(most), None));
}
