//! A room so large that changes to the roster are gathered.

use crate::stage::{Stage, mid_named};
use edge_core::room::{Input, Output};
use shared::limits;
use shared::signal::{ClientToEdge, EdgeToClient, TrackSource};
use shared::token::Grants;
use std::collections::BTreeMap;

/// The participants before the play begins.
const CROWD: usize = limits::PRESENCE_GATHERED_FROM;

const MICROPHONE: [(TrackSource, bool); 1] = [(TrackSource::Microphone, false)];

/// Digits at the end would be those of a socket.
fn name(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    ['p', letter(number / 676), letter(number / 26), letter(number)].iter().collect()
}

fn enter(stage: &mut Stage, name: &str, sources: &[(TrackSource, bool)]) -> Vec<Output> {
    stage.open_client(name, Grants::default(), None);
    let join = stage.join(name, "a", sources, 1);
    stage.say(name, join).1
}

fn crowd() -> Stage {
    let mut stage = Stage::new(1);
    enter(&mut stage, "ada", &MICROPHONE);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    for number in 1..CROWD {
        enter(&mut stage, &name(number), &[]);
    }
    wait(&mut stage, limits::PRESENCE_GATHERED_MS);
    stage
}

fn wait(stage: &mut Stage, ms: u64) -> Vec<Output> {
    stage.now = stage.now.plus_ms(ms);
    stage.input(Input::Deadline)
}

/// One step of a play.
type Step = fn(&mut Stage) -> Vec<Output>;

/// Changes of one moment, and the moment's end.
const PLAY: [Step; 12] = [
    |stage| enter(stage, "zoe", &[]),
    |stage| wait(stage, 40),
    |stage| stage.say("ada", ClientToEdge::SetMuted { mid: mid_named(0), muted: true }).1,
    |stage| stage.say(&name(2), ClientToEdge::Leave {}).1,
    |stage| stage.say("zoe", ClientToEdge::RaiseHand { raised: true }).1,
    |stage| wait(stage, 59),
    |stage| wait(stage, 1),
    |stage| stage.close(&name(3)),
    |stage| enter(stage, &name(3), &[]),
    // The others learn at once of a participant whom their slots stop or begin to play.
    |stage| stage.say("ada", ClientToEdge::Leave {}).1,
    |stage| enter(stage, "bob", &MICROPHONE),
    |stage| wait(stage, 1_000),
];

/// The roster's changes that a participant is told in one step: who joined or changed, and who left.
fn told(stage: &Stage, whom: &str, outputs: &[Output]) -> Vec<(Vec<String>, Vec<String>)> {
    let socket = stage.socket(whom);
    let changes = outputs.iter().filter_map(|output| match output {
        Output::SendClient { socket: to, message: EdgeToClient::RosterChanged { changed, left, .. } }
            if *to == socket =>
        {
            let changed = changed.iter().map(|info| info.id.to_string()).collect();
            Some((changed, left.iter().map(|departure| departure.participant.to_string()).collect()))
        }
        _ => None,
    });
    changes.collect()
}

#[test]
fn changes_of_one_moment_are_one_message() {
    let mut stage = crowd();
    let watcher = name(4);
    let (mut heard, mut at_once) = (BTreeMap::new(), Vec::new());
    for (number, step) in PLAY.iter().enumerate() {
        let outputs = step(&mut stage);
        let socket = stage.socket(&watcher);
        at_once.extend(outputs.iter().filter_map(|output| match output {
            Output::SendClient { socket: to, message: EdgeToClient::ParticipantJoined { participant } }
            | Output::SendClient { socket: to, message: EdgeToClient::ParticipantUpdated { participant } }
                if *to == socket =>
            {
                Some((number, participant.id.to_string()))
            }
            _ => None,
        }));
        let told = told(&stage, &watcher, &outputs);
        if !told.is_empty() {
            heard.insert(number, told);
        }
    }
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = (names(&["ada", "zoe"]), vec![name(2)]);
    assert_eq!(heard.remove(&6).expect("after 100 ms"), [(vec![], first.1), (first.0, vec![])]);
    let slots = heard.remove(&9).expect("a slot loses its track");
    assert_eq!(slots, [(vec![], names(&["ada"])), (vec![name(3)], vec![])]);
    assert_eq!(at_once, [(10, "bob".to_owned())], "a slot gets a track");
    assert_eq!(heard, BTreeMap::new());
}

#[test]
fn gathered_changes_survive_a_sleep_at_any_step() {
    let play = |asleep_after: Option<usize>| {
        let mut stage = crowd();
        let step = |(number, step): (usize, &Step)| {
            let outputs = step(&mut stage);
            if asleep_after == Some(number) {
                assert_eq!(stage.sleep(), []);
            }
            (outputs, stage.timeout())
        };
        PLAY.iter().enumerate().map(step).collect::<Vec<_>>()
    };
    let awake = play(None);
    for asleep_after in 0..PLAY.len() {
        assert_eq!(play(Some(asleep_after)), awake, "slept after step {asleep_after}");
    }
}

#[test]
fn a_frame_holds_no_more_than_a_client_accepts() {
    let mut stage = crowd();
    let metadata = "\u{1}".repeat(limits::PARTICIPANT_METADATA_CHARS_MAX);
    for number in 1..CROWD {
        let participant = name(number).parse().expect("a name");
        let change = shared::signal::ParticipantChange { metadata: Some(metadata.clone()), ..Default::default() };
        let verb = edge_core::room::Verb::UpdateParticipant { participant, change };
        stage.input(Input::Asked { request: 1, ask: edge_core::room::Ask::Moderate { verb } });
    }
    let outputs = wait(&mut stage, limits::PRESENCE_GATHERED_MS);
    let socket = stage.socket("ada");
    let frames = outputs.iter().filter_map(|output| match output {
        Output::SendClient { socket: to, message: message @ EdgeToClient::RosterChanged { changed, .. } }
            if *to == socket =>
        {
            Some((changed.len(), message.to_json().len()))
        }
        _ => None,
    });
    let frames: Vec<_> = frames.collect();
    assert_eq!(frames.iter().map(|(count, _)| count).sum::<usize>(), CROWD - 1);
    assert!(frames.len() > 1, "{frames:?}");
    assert!(frames.iter().all(|(_, bytes)| *bytes <= limits::SIGNAL_FRAME_BYTES_MAX), "{frames:?}");
}

/// May watch, and nothing else that others notice.
const WATCHING: Grants =
    Grants { publish: false, subscribe: true, chat: true, moderate: false, record: false, ..Grants::NONE };

fn watch(stage: &mut Stage, name: &str) -> Vec<Output> {
    stage.open_client(name, WATCHING, Some(1_000));
    let join = stage.join(name, "a", &[], 1);
    stage.say(name, join).1
}

/// A publisher and an audience of this many.
fn hall(audience: usize) -> Stage {
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants::default(), Some(1_000));
    let join = stage.join("ada", "a", &MICROPHONE, 1);
    stage.say("ada", join);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    for number in 0..audience {
        watch(&mut stage, &name(number));
    }
    wait(&mut stage, limits::PRESENCE_GATHERED_MS);
    wait(&mut stage, limits::AUDIENCE_GATHERED_MS);
    stage
}

/// The roster that a participant gets with the answer to a join.
fn roster(outputs: &[Output]) -> Vec<String> {
    let joined = outputs.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Joined { roster, .. }, .. } => Some(roster),
        _ => None,
    });
    joined.expect("an answer").iter().map(|info| info.id.to_string()).collect()
}

/// Messages to clients by type, and how many receive each.
fn sent(outputs: &[Output]) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for output in outputs {
        let (message, receivers) = match output {
            Output::SendClient { message, .. } => (message, 1),
            Output::SendClients { sockets, message } => (message, sockets.len()),
            _ => continue,
        };
        let json: serde_json::Value = serde_json::from_str(&message.to_json()).expect("json");
        *sent.entry(json["type"].as_str().expect("a type").to_owned()).or_default() += receivers;
    }
    sent
}

fn bytes(outputs: &[Output]) -> usize {
    let of = |output: &Output| match output {
        Output::SendClient { message, .. } => message.to_json().len(),
        Output::SendClients { sockets, message } => sockets.len() * message.to_json().len(),
        Output::Store(changes) => changes.put.iter().map(|row| row.value.len()).sum(),
        _ => 0,
    };
    outputs.iter().map(of).sum()
}

#[test]
fn a_large_audience_is_a_count() {
    let listed = limits::AUDIENCE_LISTED_MAX;
    let mut stage = hall(listed);
    let outputs = watch(&mut stage, "zoe");
    let known = roster(&outputs);
    assert_eq!(known.len(), 1 + listed + 1, "the publisher, the first of the audience, and zoe");
    assert_eq!(known.last().map(String::as_str), Some("zoe"));
    let next = watch(&mut stage, "zed");
    assert_eq!(roster(&next).len(), known.len());
    assert!(!roster(&next).contains(&"zoe".to_owned()));
    let later = wait(&mut stage, limits::AUDIENCE_GATHERED_MS);
    assert_eq!(sent(&later), BTreeMap::from([("room_updated".to_owned(), 1 + listed + 2)]));
    let counted = later.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::RoomUpdated { room }, .. } => Some(room.audience),
        Output::SendClients { message: EdgeToClient::RoomUpdated { room }, .. } => Some(room.audience),
        _ => None,
    });
    assert_eq!(counted, Some(2));
    // A hand raised, or a right to publish, is noticed by everybody, and stays so.
    stage.say("zoe", ClientToEdge::RaiseHand { raised: true });
    let change = shared::signal::ParticipantChange { grants: Some(Grants::default()), ..Default::default() };
    let verb = edge_core::room::Verb::UpdateParticipant { participant: "zed".parse().expect("a name"), change };
    stage.input(Input::Asked { request: 1, ask: edge_core::room::Ask::Moderate { verb } });
    let told = wait(&mut stage, limits::PRESENCE_GATHERED_MS);
    let socket = stage.socket("ada");
    let changed = told.iter().find_map(|output| match output {
        Output::SendClient { socket: to, message: EdgeToClient::RosterChanged { changed, .. } } if *to == socket => {
            Some(changed.iter().map(|info| info.id.to_string()).collect::<Vec<_>>())
        }
        _ => None,
    });
    assert_eq!(changed, Some(vec!["zoe".to_owned(), "zed".to_owned()]));
    let emptied = wait(&mut stage, limits::AUDIENCE_GATHERED_MS);
    assert_eq!(sent(&emptied).keys().collect::<Vec<_>>(), ["room_updated"]);
}

#[test]
fn the_audience_is_listed_in_pages() {
    let (page, listed) = (limits::AUDIENCE_PER_PAGE, limits::AUDIENCE_LISTED_MAX);
    let mut stage = hall(listed + page + 20);
    let mut ask = |after: Option<&str>| {
        let after = after.map(|after| after.parse().expect("a name"));
        let outputs = stage.say("ada", ClientToEdge::ListAudience { after }).1;
        let answer = outputs.iter().find_map(|output| match output {
            Output::SendClient { message: EdgeToClient::Audience { participants, next, .. }, .. } => {
                let ids: Vec<_> = participants.iter().map(|info| info.id.to_string()).collect();
                Some((ids, next.as_ref().map(ToString::to_string)))
            }
            _ => None,
        });
        answer.expect("an answer")
    };
    let (first, next) = ask(None);
    assert_eq!((first.len(), &next), (page, &first.last().cloned()));
    let (second, last) = ask(next.as_deref());
    assert_eq!((second.len(), last), (20, None));
    let expected: Vec<_> = (listed..listed + page + 20).map(name).collect();
    assert_eq!([first, second].concat(), expected);
}

/// A join, its media, and a departure cost a hall of any size the same, apart from the count once a second.
#[test]
fn a_visit_costs_the_same_in_a_hall_of_any_size() {
    let visit = |audience: usize| {
        let mut stage = hall(audience);
        let mut outputs = watch(&mut stage, "zoe");
        outputs.extend(wait(&mut stage, limits::PRESENCE_GATHERED_MS));
        outputs.extend(stage.say("zoe", ClientToEdge::Leave {}).1);
        outputs.extend(wait(&mut stage, limits::PRESENCE_GATHERED_MS));
        let rows: usize = outputs
            .iter()
            .map(|output| match output {
                Output::Store(changes) => changes.put.len() + changes.delete.len(),
                _ => 0,
            })
            .sum();
        (sent(&outputs), rows, bytes(&outputs))
    };
    let (small, large) = (visit(limits::AUDIENCE_LISTED_MAX), visit(400));
    assert_eq!(small.0, BTreeMap::from([("joined".to_owned(), 1), ("done".to_owned(), 1)]));
    assert_eq!((&large.0, large.1), (&small.0, small.1));
    assert!(large.2 <= small.2 + 64, "{} bytes, {} in a larger hall", small.2, large.2);
}

#[test]
fn a_count_survives_a_sleep_at_any_step() {
    let play = |asleep_after: Option<usize>| {
        let mut stage = hall(limits::AUDIENCE_LISTED_MAX);
        let steps: [Step; 7] = [
            |stage| watch(stage, "zoe"),
            |stage| wait(stage, limits::AUDIENCE_GATHERED_MS - 1),
            |stage| watch(stage, "zed"),
            |stage| wait(stage, 1),
            |stage| stage.say("zoe", ClientToEdge::Leave {}).1,
            |stage| stage.say("zed", ClientToEdge::RaiseHand { raised: true }).1,
            |stage| wait(stage, limits::AUDIENCE_GATHERED_MS),
        ];
        let step = |(number, step): (usize, &Step)| {
            let outputs = step(&mut stage);
            if asleep_after == Some(number) {
                assert_eq!(stage.sleep(), []);
            }
            (outputs, stage.timeout())
        };
        steps.iter().enumerate().map(step).collect::<Vec<_>>()
    };
    let awake = play(None);
    for asleep_after in 0..awake.len() {
        assert_eq!(play(Some(asleep_after)), awake, "slept after step {asleep_after}");
    }
}

/// The largest room: thirty publish, and everybody else watches.
#[test]
fn a_thousand_go_through_a_call() {
    const PUBLISHERS: usize = 30;
    let mut stage = Stage::new(1);
    let names: Vec<String> = (0..limits::PARTICIPANTS_PER_ROOM_MAX).map(name).collect();
    let (publishers, watchers) = names.split_at(PUBLISHERS);
    for name in publishers {
        stage.open_client(name, Grants::default(), Some(1_000));
        let join = stage.join(name, "a", &MICROPHONE, 1);
        stage.say(name, join);
        if let [epoch] = stage.epochs[..]
            && name == &names[0]
        {
            stage.give("node-a", epoch);
        }
    }
    for name in watchers {
        let known = roster(&watch(&mut stage, name));
        assert!(known.len() <= PUBLISHERS + limits::AUDIENCE_LISTED_MAX + 1, "{name} is told of {}", known.len());
    }
    wait(&mut stage, limits::AUDIENCE_GATHERED_MS);
    let told_of = |outputs: &[Output], name: &str| {
        let names = |output: &&Output| match output {
            Output::SendClient { message: EdgeToClient::RosterChanged { changed, left, .. }, .. } => {
                changed.iter().any(|info| info.id.as_str() == name)
                    || left.iter().any(|departure| departure.participant.as_str() == name)
            }
            _ => false,
        };
        outputs.iter().filter(names).count()
    };
    // A mute and a publisher's departure reach everybody, a watcher's departure nobody.
    stage.say(&names[1], ClientToEdge::SetMuted { mid: mid_named(0), muted: true });
    let muted = wait(&mut stage, limits::PRESENCE_GATHERED_MS);
    assert_eq!(told_of(&muted, &names[1]), names.len());
    let mut left = stage.say(&names[2], ClientToEdge::Leave {}).1;
    left.extend(wait(&mut stage, limits::PRESENCE_GATHERED_MS));
    assert_eq!(told_of(&left, &names[2]), names.len() - 1);
    let mut gone = stage.say(&names[999], ClientToEdge::Leave {}).1;
    gone.extend(wait(&mut stage, limits::PRESENCE_GATHERED_MS));
    assert_eq!(sent(&gone), BTreeMap::from([("done".to_owned(), 1)]));
    let present: Vec<&String> = names.iter().filter(|name| ![&names[2], &names[999]].contains(name)).collect();
    everybody_resumes(&mut stage, &present, PUBLISHERS, latest_revision(&left).expect("a departure has a revision"));
    // The node dies, and everybody moves.
    wait(&mut stage, limits::NODE_LOST_TIMEOUT_MS);
    let epoch = *stage.epochs.last().expect("another node is asked for");
    let moved = stage.give("node-b", epoch);
    assert_eq!(sent(&moved).get("transport_dead"), Some(&present.len()));
}

/// A deployment closes every socket, and everybody resumes: for the price of what has changed, not of a roster.
fn everybody_resumes(stage: &mut Stage, present: &[&String], publishers: usize, mut known: u64) {
    let (mut costs, mut complete) = (Vec::new(), 0);
    stage.crash();
    for name in present {
        assert!(stage.reopen_client(name).is_some(), "{name} may return");
        let (session, resume_token) = stage.client(name).session.clone().expect("joined before");
        let revision = Some(known).filter(|_| name != present.last().expect("somebody"));
        let outputs = stage.say(name, ClientToEdge::Resume { session, resume_token, chat_after: None, revision }).1;
        let is_answer =
            |output: &&Output| matches!(output, Output::SendClient { message: EdgeToClient::Resumed { .. }, .. });
        let answer = outputs.iter().find(is_answer);
        match answer {
            Some(Output::SendClient { message: EdgeToClient::Resumed { roster, transport_dead, .. }, .. }) => {
                assert!(!transport_dead, "{name}");
                assert!(roster.len() <= publishers + limits::AUDIENCE_LISTED_MAX + 1, "{name}");
            }
            other => panic!("{name} gets {other:?}"),
        }
        let cost = bytes(answer.map(std::slice::from_ref).unwrap_or_default());
        match revision {
            Some(_) => costs.push(cost),
            None => complete = cost,
        }
        known = latest_revision(&outputs).unwrap_or(known);
    }
    let mean = costs.iter().sum::<usize>() / costs.len();
    assert!(mean * 4 < complete, "{mean} bytes per resume instead of {complete}");
    if std::env::var_os("SHOW").is_some() {
        eprintln!("bytes per resume: {mean} instead of {complete}");
    }
}

fn latest_revision(outputs: &[Output]) -> Option<u64> {
    outputs.iter().rev().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::RosterChanged { revision, .. }, .. } => *revision,
        _ => None,
    })
}
