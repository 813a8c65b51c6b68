//! Messages between participants: who hears them, and whose grants allow them.

use crate::stage::Stage;
use edge_core::room::Output;
use shared::signal::{ClientToEdge, EdgeToClient, PeerCandidate, PeerSignal, PeerSignalKind};
use shared::token::Grants;
use shared::{ErrorCode, MessageId, Mid, ParticipantId, limits};

const ALL: Grants =
    Grants { publish: true, subscribe: true, chat: true, moderate: false, record: false, ..Grants::NONE };
const BROADCASTER: Grants = Grants { subscribe: false, ..ALL };
const RECEIVER: Grants = Grants { publish: false, ..ALL };
const NEITHER: Grants = Grants { publish: false, subscribe: false, ..ALL };

const RECEIVING: &str = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\n";
const SENDING: &str = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendrecv\r\n";

/// Everybody with these grants, in a room of their own.
fn stage(people: &[(&str, Grants)]) -> Stage {
    let mut stage = Stage::new(1);
    for (name, grants) in people {
        stage.open_client(name, *grants, None);
        let join = stage.join(name, &format!("on-{name}"), &[], 1);
        stage.say(name, join);
        if stage.epochs.len() == 1 && stage.clients.len() == 1 {
            let epoch = stage.epochs[0];
            stage.give("node-a", epoch);
        }
    }
    stage
}

fn id(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a name")
}

fn signal(kind: PeerSignalKind, sdp: Option<&str>) -> PeerSignal {
    let candidate = PeerCandidate {
        candidate: "candidate:1".into(),
        mid: Mid::parse("0").expect("a mid"),
        ufrag: Some("u".into()),
    };
    let candidates = if kind == PeerSignalKind::Candidates { vec![candidate] } else { Vec::new() };
    PeerSignal { kind, sdp: sdp.map(Into::into), candidates }
}

fn told(kind: PeerSignalKind, sdp: Option<&str>, to: &str) -> ClientToEdge {
    let message = MessageId::parse("m-1").expect("an id");
    ClientToEdge::Signal { to: id(to), message, link: Some(7), signal: signal(kind, sdp) }
}

/// The participants whose sockets are sent messages between participants, and those messages.
fn hearers(stage: &Stage, outputs: &[Output]) -> Vec<(String, EdgeToClient)> {
    let of_peer =
        |message: &EdgeToClient| matches!(message, EdgeToClient::Sought { .. } | EdgeToClient::Signaled { .. });
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::SendClient { socket, message } if of_peer(message) => {
                Some((stage.names[socket].clone(), message.clone()))
            }
            _ => None,
        })
        .collect()
}

fn refusal(outputs: &[Output]) -> Option<ErrorCode> {
    outputs.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Error { code, .. }, .. } => Some(*code),
        _ => None,
    })
}

// Holds S4-ROOM-03, S4-ROOM-01.
#[test]
fn the_grants_of_both_decide() {
    use PeerSignalKind::{Answer, Candidates, Offer, RequestOffer};
    let (receiving, sending) = (Some(RECEIVING), Some(SENDING));
    let table = [
        (BROADCASTER, RECEIVER, Offer, sending, true),
        (RECEIVER, BROADCASTER, RequestOffer, None, true),
        (RECEIVER, BROADCASTER, Answer, receiving, true),
        (RECEIVER, BROADCASTER, Candidates, None, true),
        (BROADCASTER, RECEIVER, Candidates, None, true),
        // Media would flow the wrong way.
        (RECEIVER, BROADCASTER, Offer, receiving, false),
        (BROADCASTER, RECEIVER, Answer, receiving, false),
        (BROADCASTER, RECEIVER, RequestOffer, None, false),
        (RECEIVER, BROADCASTER, Answer, sending, false),
        (RECEIVER, RECEIVER, RequestOffer, None, false),
        (RECEIVER, RECEIVER, Candidates, None, false),
        (BROADCASTER, BROADCASTER, Offer, sending, false),
        (BROADCASTER, BROADCASTER, Candidates, None, false),
        (NEITHER, BROADCASTER, RequestOffer, None, false),
        (NEITHER, ALL, Candidates, None, false),
        (ALL, NEITHER, Offer, sending, false),
        (ALL, NEITHER, Candidates, None, false),
        // Two who may do both.
        (ALL, ALL, Offer, sending, true),
        (ALL, ALL, Answer, sending, true),
        (ALL, ALL, RequestOffer, None, true),
        (ALL, ALL, Candidates, None, true),
        // The receiver may not subscribe, so nothing may be sent to it.
        (ALL, BROADCASTER, Answer, receiving, true),
        (ALL, BROADCASTER, Answer, sending, false),
        (ALL, RECEIVER, Offer, sending, true),
        (RECEIVER, ALL, Answer, receiving, true),
    ];
    for (source, target, kind, sdp, allowed) in table {
        let case = format!("{kind:?} {sdp:?} from {source:?} to {target:?}");
        let mut stage = stage(&[("ada", source), ("bob", target), ("eve", ALL)]);
        let (_, outputs) = stage.say("ada", told(kind, sdp, "bob"));
        let expected = EdgeToClient::Signaled {
            from: id("ada"),
            device: "on-ada".parse().expect("an attempt"),
            sent_at: stage.now,
            to: id("bob"),
            message: MessageId::parse("m-1").expect("an id"),
            link: Some(7),
            signal: signal(kind, sdp),
        };
        let heard = if allowed { vec![("bob".to_string(), expected)] } else { Vec::new() };
        assert_eq!(hearers(&stage, &outputs), heard, "{case}");
        assert_eq!(refusal(&outputs), (!allowed).then_some(ErrorCode::Forbidden), "{case}");
    }
}

#[test]
fn a_search_is_for_everybody_else_and_needs_a_grant() {
    let mut stage = stage(&[("ada", BROADCASTER), ("bob", RECEIVER), ("eve", RECEIVER), ("kim", NEITHER)]);
    let (_, outputs) = stage.say("bob", ClientToEdge::Seek {});
    let device = "on-bob".parse().expect("an attempt");
    let sought = EdgeToClient::Sought { from: id("bob"), device, sent_at: stage.now };
    let all = ["ada", "eve", "kim"].map(|name| (name.to_string(), sought.clone()));
    assert_eq!(hearers(&stage, &outputs), all);
    for name in ["ada", "kim"] {
        let (_, outputs) = stage.say(name, ClientToEdge::Seek {});
        assert_eq!((refusal(&outputs), hearers(&stage, &outputs)), (Some(ErrorCode::Forbidden), vec![]), "{name}");
    }
}

#[test]
fn grants_that_change_count_at_once() {
    let mut stage = stage(&[("ada", Grants { moderate: true, ..ALL }), ("bob", RECEIVER)]);
    let offer = || told(PeerSignalKind::Offer, Some(SENDING), "ada");
    assert_eq!(refusal(&stage.say("bob", offer()).1), Some(ErrorCode::Forbidden));
    let change = shared::signal::ParticipantChange { grants: Some(ALL), ..Default::default() };
    stage.say("ada", ClientToEdge::UpdateParticipant { participant: id("bob"), change });
    assert_eq!(refusal(&stage.say("bob", offer()).1), None);
}

// Holds S4-SIG-08.
#[test]
fn only_open_sockets_are_told() {
    let mut stage = stage(&[("ada", ALL), ("bob", ALL), ("eve", ALL)]);
    stage.close("bob");
    let (_, outputs) = stage.say("ada", told(PeerSignalKind::Offer, Some(SENDING), "bob"));
    assert_eq!((refusal(&outputs), hearers(&stage, &outputs)), (Some(ErrorCode::ParticipantAway), vec![]));
    assert!(ErrorCode::ParticipantAway.may_retry());
    let (_, outputs) = stage.say("ada", ClientToEdge::Seek {});
    assert_eq!(hearers(&stage, &outputs).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["eve"]);
    for nobody in ["nobody", "ada"] {
        let (_, outputs) = stage.say("ada", told(PeerSignalKind::Offer, Some(SENDING), nobody));
        assert_eq!(refusal(&outputs), Some(ErrorCode::UnknownParticipant), "{nobody}");
    }
    stage.reopen_client("bob").expect("a secret");
    // Until the participant has resumed, the socket is not theirs.
    let (_, outputs) = stage.say("ada", told(PeerSignalKind::Offer, Some(SENDING), "bob"));
    assert_eq!(refusal(&outputs), Some(ErrorCode::ParticipantAway));
}

#[test]
fn each_participant_sends_and_is_sent_a_limited_number() {
    let names: Vec<String> = ('a'..='h').map(|letter| format!("p{letter}")).collect();
    let people: Vec<(&str, Grants)> = names.iter().map(|name| (name.as_str(), ALL)).collect();
    let mut stage = stage(&people);
    let tell = |stage: &mut Stage, from: &str, to: &str| {
        // The limit of all frames together is another one.
        stage.now = stage.now.plus_ms(1);
        let (_, outputs) = stage.say(from, told(PeerSignalKind::Candidates, None, to));
        (refusal(&outputs), hearers(stage, &outputs).len())
    };
    for number in 0..limits::PEER_SIGNAL_BURST {
        assert_eq!(tell(&mut stage, "pa", "ph"), (None, 1), "{number}");
    }
    assert_eq!(tell(&mut stage, "pa", "ph"), (Some(ErrorCode::RateLimited), 0));
    // Others can still reach the same one, until all together are too many.
    let mut heard = limits::PEER_SIGNAL_BURST;
    'all: for from in &names[1..7] {
        for _ in 0..limits::PEER_SIGNAL_BURST {
            match tell(&mut stage, from, "ph") {
                (None, 1) => heard += 1,
                refused => {
                    assert_eq!(refused, (Some(ErrorCode::RateLimited), 0));
                    break 'all;
                }
            }
        }
    }
    let most = limits::PEER_SIGNALED_BURST + limits::PEER_SIGNALED_PER_SECOND;
    assert!((limits::PEER_SIGNALED_BURST..most).contains(&heard), "{heard}");
    stage.sleep();
    assert_eq!(tell(&mut stage, "pg", "ph"), (Some(ErrorCode::RateLimited), 0), "a sleep forgives nothing");
    // Another receiver is not affected.
    assert_eq!(tell(&mut stage, "pg", "pb"), (None, 1));
    for search in 0..=limits::SEEK_BURST {
        let (_, outputs) = stage.say("ph", ClientToEdge::Seek {});
        let expected = (search == limits::SEEK_BURST).then_some(ErrorCode::RateLimited);
        assert_eq!(refusal(&outputs), expected, "{search}");
    }
}

#[test]
fn a_sleep_anywhere_changes_nothing() {
    let script = || {
        [
            ("bob", ClientToEdge::Seek {}),
            ("bob", told(PeerSignalKind::RequestOffer, None, "ada")),
            ("ada", told(PeerSignalKind::Offer, Some(SENDING), "bob")),
            ("bob", told(PeerSignalKind::Answer, Some(RECEIVING), "ada")),
            ("ada", told(PeerSignalKind::Candidates, None, "bob")),
            ("bob", told(PeerSignalKind::Candidates, None, "ada")),
            ("eve", told(PeerSignalKind::Offer, Some(SENDING), "ada")),
            ("bob", ClientToEdge::Leave {}),
            ("ada", told(PeerSignalKind::Candidates, None, "bob")),
        ]
    };
    let play = |asleep_after: Option<usize>| {
        let mut stage = stage(&[("ada", BROADCASTER), ("bob", RECEIVER), ("eve", RECEIVER)]);
        let step = |(index, (name, message)): (usize, (&str, ClientToEdge))| {
            let (_, outputs) = stage.say(name, message);
            if asleep_after == Some(index) {
                assert_eq!(stage.sleep(), [], "waking up is no news");
            }
            outputs
        };
        script().into_iter().enumerate().map(step).collect::<Vec<_>>()
    };
    let awake = play(None);
    for asleep_after in 0..script().len() {
        assert_eq!(play(Some(asleep_after)), awake, "slept after step {asleep_after}");
    }
}
