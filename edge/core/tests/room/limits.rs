//! Limits that take many frames, sockets or participants to reach.

use crate::stage::{Stage, mid_named};
use edge_core::SocketId;
use edge_core::room::{Input, Output};
use shared::control::{NodeToRoom, RoomToNode, TrackRef};
use shared::signal::{ClientToEdge, EdgeToClient, Reaction, TrackSource, close_code};
use shared::token::Grants;
use shared::{ErrorCode, MessageId, Mid, SessionId, limits};
use std::collections::BTreeSet;

const MICROPHONE: [(TrackSource, bool); 1] = [(TrackSource::Microphone, false)];

/// A name without digits for each number: trailing digits distinguish the sockets of one participant.
fn name(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    ['p', letter(number / 676), letter(number / 26), letter(number)].iter().collect()
}

fn code(outputs: &[Output]) -> Option<ErrorCode> {
    outputs.iter().find_map(|output| match output {
        Output::SendClient { message: EdgeToClient::Error { code, .. }, .. }
        | Output::SendClient { message: EdgeToClient::Refused { code }, .. } => Some(*code),
        _ => None,
    })
}

/// A room in which Ada publishes her microphone.
fn with_ada(max: Option<u32>) -> Stage {
    let mut stage = Stage::new(1);
    stage.open_client("ada", Grants::default(), max);
    let join = stage.join("ada", "a", &MICROPHONE, 1);
    stage.say("ada", join);
    let epoch = stage.epochs[0];
    stage.give("node-a", epoch);
    stage
}

#[test]
fn a_flood_is_answered_with_errors_and_then_closed() {
    let mut stage = with_ada(None);
    stage.now = stage.now.plus_ms(60_000);
    let mute = |muted: bool| ClientToEdge::SetMuted { mid: mid_named(0), muted };
    for frame in 0..limits::SIGNAL_BURST_FRAMES {
        assert_eq!(code(&stage.say("ada", mute(frame % 2 == 0)).1), None, "frame {frame}");
    }
    for frame in 1..limits::MALFORMED_FRAMES_MAX {
        let outputs = stage.say("ada", mute(true)).1;
        assert_eq!(code(&outputs), Some(ErrorCode::RateLimited), "frame {frame}");
        assert!(!outputs.iter().any(|output| matches!(output, Output::CloseClient { .. })), "frame {frame}");
    }
    let outputs = stage.say("ada", mute(true)).1;
    let closes = |output: &Output| matches!(output, Output::CloseClient { code: close_code::POLICY, .. });
    assert!(outputs.iter().any(closes), "{outputs:?}");
    // The place is kept, as after any other loss of a socket.
    assert!(stage.rows.contains_key("member/ada"));
}

#[test]
fn another_socket_or_a_sleep_is_no_new_start() {
    let mut stage = with_ada(None);
    let write = |number: u32| ClientToEdge::Chat { message: message(number), text: format!("{number}") };
    for number in 0..limits::CHAT_BURST_MESSAGES {
        assert_eq!(code(&stage.say("ada", write(number)).1), None, "message {number}");
    }
    for _ in 1..limits::MALFORMED_FRAMES_MAX {
        assert_eq!(code(&stage.babble("ada")), Some(ErrorCode::MalformedFrame));
    }
    stage.sleep();
    stage.close("ada");
    stage.sleep();
    assert!(stage.reopen_client("ada").is_some());
    let (session, resume_token) = stage.client("ada").session.clone().expect("joined");
    let resume = ClientToEdge::Resume { session, resume_token, chat_after: None, revision: None };
    assert_eq!(code(&stage.say("ada", resume).1), None);
    assert_eq!(code(&stage.say("ada", write(100)).1), Some(ErrorCode::RateLimited));
    stage.babble("ada");
    assert!(!stage.sockets.contains_key("ada"), "the sixteenth bad frame closes this socket too");
    // Everything is forgiven in time, and then no record remains.
    stage.now = stage.now.plus_ms(u64::from(limits::MALFORMED_FRAMES_MAX) * limits::MALFORMED_FRAME_FORGIVEN_MS);
    stage.input(edge_core::room::Input::Deadline);
    assert!(!stage.rows.keys().any(|key| key.starts_with("allowance/")), "{:?}", stage.rows.keys());
}

#[test]
fn a_view_that_stays_the_same_is_not_written() {
    let mut stage = with_ada(None);
    let bob = || shared::ParticipantId::parse("bob").expect("a name");
    let view = |lines| ClientToEdge::View { participants: vec![bob()], lines: Some([(bob(), lines)].into()) };
    let writes = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Store(_)));
    assert!(writes(&stage.say("ada", view(360)).1));
    assert!(!writes(&stage.say("ada", view(360)).1));
    assert!(writes(&stage.say("ada", view(720)).1));
}

#[test]
fn a_calm_client_may_go_on_for_ever() {
    let mut stage = with_ada(None);
    for frame in 0..200 {
        stage.now = stage.now.plus_ms(1000 / u64::from(limits::SIGNAL_FRAMES_PER_SECOND));
        let mute = ClientToEdge::SetMuted { mid: mid_named(0), muted: frame % 2 == 0 };
        assert_eq!(code(&stage.say("ada", mute).1), None, "frame {frame}");
    }
}

#[test]
fn a_participant_who_writes_too_much_is_told_and_loses_nothing_else() {
    let mut stage = with_ada(None);
    let write = |number: u32| ClientToEdge::Chat { message: message(number), text: format!("{number}") };
    for number in 0..limits::CHAT_BURST_MESSAGES {
        assert_eq!(code(&stage.say("ada", write(number)).1), None, "message {number}");
    }
    let one_more = limits::CHAT_BURST_MESSAGES;
    assert_eq!(code(&stage.say("ada", write(one_more)).1), Some(ErrorCode::RateLimited));
    // A message that the room already has is not stored again and costs nothing.
    assert_eq!(code(&stage.say("ada", write(0)).1), None);
    stage.now = stage.now.plus_ms(1000 / u64::from(limits::CHAT_MESSAGES_PER_SECOND));
    assert_eq!(code(&stage.say("ada", write(one_more)).1), None);
    let react = || ClientToEdge::React { reaction: Reaction::Clap };
    for sign in 0..limits::REACTION_BURST {
        assert_eq!(code(&stage.say("ada", react()).1), None, "sign {sign}");
    }
    assert_eq!(code(&stage.say("ada", react()).1), Some(ErrorCode::RateLimited));
    assert_eq!(code(&stage.say("ada", ClientToEdge::RaiseHand { raised: true }).1), Some(ErrorCode::RateLimited));
}

#[test]
fn the_newest_messages_are_kept_and_told_in_frames_of_the_usual_size() {
    let mut stage = with_ada(None);
    let more = 50;
    let longest = "\n\"".repeat(limits::CHAT_TEXT_BYTES_MAX / 2 - 1) + "ab";
    let written = u32::try_from(limits::CHAT_MESSAGES_MAX).expect("a number") + more;
    for number in 1..=written {
        stage.now = stage.now.plus_ms(1000 / u64::from(limits::CHAT_MESSAGES_PER_SECOND));
        let write = ClientToEdge::Chat { message: message(number), text: longest.clone() };
        assert_eq!(code(&stage.say("ada", write).1), None, "message {number}");
    }
    let rows = stage.rows.keys().filter(|key| key.starts_with("chat/")).count();
    assert_eq!(rows, limits::CHAT_MESSAGES_MAX);
    assert_eq!(stage.sleep(), []);
    stage.open_client("bob", Grants::default(), None);
    let join = stage.join("bob", "b", &MICROPHONE, 1);
    let mut outputs = stage.say("bob", join).1;
    // The first node never connected, so another one is assigned.
    let epoch = *stage.epochs.last().expect("asked");
    outputs.extend(stage.give("node-b", epoch));
    let told: Vec<EdgeToClient> = outputs.into_iter().filter_map(chat_of).collect();
    assert!(told.iter().all(|frame| frame.to_json().len() <= limits::SIGNAL_FRAME_BYTES_MAX), "too large");
    let numbers = told.iter().flat_map(|frame| match frame {
        EdgeToClient::Chat { messages } => messages.iter().map(|said| said.number).collect(),
        _ => Vec::new(),
    });
    assert!(numbers.eq(u64::from(more) + 1..=u64::from(written)), "the newest, in order");
}

fn message(number: u32) -> MessageId {
    MessageId::parse(&format!("m{number}")).expect("a name")
}

fn chat_of(output: Output) -> Option<EdgeToClient> {
    match output {
        Output::SendClient { message: message @ EdgeToClient::Chat { .. }, .. } => Some(message),
        _ => None,
    }
}

#[test]
fn babble_is_answered_and_then_closed() {
    let mut stage = with_ada(None);
    for _ in 1..limits::MALFORMED_FRAMES_MAX {
        assert_eq!(code(&stage.babble("ada")), Some(ErrorCode::MalformedFrame));
        stage.now = stage.now.plus_ms(1000);
    }
    stage.babble("ada");
    assert!(!stage.sockets.contains_key("ada"), "closed");
}

#[test]
fn so_many_may_publish_and_more_may_listen() {
    let mut stage = with_ada(Some(200));
    for number in 1..limits::PUBLISHERS_PER_ROOM_MAX {
        let name = name(number);
        stage.open_client(&name, Grants::default(), None);
        let join = stage.join(&name, "a", &MICROPHONE, 1);
        assert_eq!(code(&stage.say(&name, join).1), None, "{number}");
    }
    stage.open_client("eve", Grants::default(), None);
    let join = stage.join("eve", "a", &MICROPHONE, 1);
    assert_eq!(code(&stage.say("eve", join).1), Some(ErrorCode::TooManyPublishers));
    let join = stage.join("eve", "b", &[], 1);
    assert_eq!(code(&stage.say("eve", join).1), None);
    // Nor does a further offer add a publisher; a current publisher may rejoin.
    let (offer, tracks) = {
        let client = stage.client("eve");
        client.offer(client.connection.clone(), &MICROPHONE, 1)
    };
    let further = ClientToEdge::Negotiate { offer, tracks, reason: shared::signal::NegotiateReason::Sections };
    assert_eq!(code(&stage.say("eve", further).1), Some(ErrorCode::TooManyPublishers));
    stage.open_client("ada2", Grants::default(), None);
    let join = stage.join("ada2", "again-and", &MICROPHONE, 1);
    assert_eq!(code(&stage.say("ada2", join).1), None);
}

#[test]
fn sockets_that_never_join_are_bounded() {
    let mut stage = Stage::new(1);
    let refused = (0..4_000).find(|number| {
        let outputs = stage.open_client(&format!("{}{number}", name(*number)), Grants::default(), None);
        code(&outputs) == Some(ErrorCode::RoomFull)
    });
    assert_eq!(refused, Some(2 * limits::PARTICIPANTS_PER_ROOM_MAX + 64));
}

/// The slots of listeners, and the forwards at the node, that play Ada's microphone.
#[derive(Default)]
struct Heard {
    slots: BTreeSet<(SocketId, Mid)>,
    forwards: BTreeSet<(SessionId, Mid)>,
}

impl Heard {
    fn hear(&mut self, outputs: &[Output], ada: &TrackRef) {
        for output in outputs {
            match output {
                Output::SendClient {
                    socket,
                    message: EdgeToClient::Joined { slots, .. } | EdgeToClient::SlotsChanged { slots },
                } => {
                    for slot in slots {
                        let plays = slot.participant.as_ref().is_some_and(|publisher| publisher.as_str() == "ada");
                        put(&mut self.slots, (*socket, slot.mid.clone()), plays && slot.track.is_some());
                    }
                }
                Output::SendNode { message: RoomToNode::SetForwards { forwards }, .. } => {
                    for forward in forwards {
                        let plays = forward.track.as_ref() == Some(ada);
                        put(&mut self.forwards, (forward.session.clone(), forward.mid.clone()), plays);
                    }
                }
                _ => {}
            }
        }
    }
}

fn put<T: Ord>(set: &mut BTreeSet<T>, item: T, plays: bool) {
    if plays {
        set.insert(item);
    } else {
        set.remove(&item);
    }
}

// Holds S4-ROOM-02.
#[test]
fn a_room_of_a_thousand_hears_everybody_who_speaks() {
    let count = limits::PARTICIPANTS_PER_ROOM_MAX;
    let mut stage = with_ada(u32::try_from(count).ok());
    let epoch = stage.epochs[0];
    stage.open_node("node-a", epoch);
    let hello =
        NodeToRoom::Hello { node: "node-a".parse().expect("a name"), epoch, connected: vec![], reports_loudest: true };
    stage.node_says("node-a", hello);
    let (session, _) = stage.client("ada").session.clone().expect("joined");
    let ada = TrackRef { session, mid: mid_named(0) };
    let mut heard = Heard::default();
    for number in 1..count {
        let name = name(number);
        stage.open_client(&name, Grants { publish: false, ..Grants::default() }, None);
        let join = stage.join(&name, "a", &[], 1);
        let outputs = stage.say(&name, join).1;
        assert_eq!(code(&outputs), None, "{number}");
        heard.hear(&outputs, &ada);
    }
    let sockets: BTreeSet<SocketId> = heard.slots.iter().map(|(socket, _)| *socket).collect();
    let listeners: BTreeSet<SocketId> = (1..count).map(|number| stage.socket(&name(number))).collect();
    assert_eq!(sockets, listeners, "each listener has Ada in a slot");
    let sessions: BTreeSet<&SessionId> = heard.forwards.iter().map(|(session, _)| session).collect();
    assert_eq!((sessions.len(), heard.forwards.len()), (count - 1, count - 1), "the node forwards her to each of them");
    stage.open_client("zoe", Grants::default(), None);
    let join = stage.join("zoe", "a", &[], 1);
    assert_eq!(code(&stage.say("zoe", join).1), Some(ErrorCode::RoomFull));
    moment_ends(&mut stage);
    let outputs = stage.say("ada", ClientToEdge::SetMuted { mid: mid_named(0), muted: true }).1;
    let Some(Output::Store(changes)) = outputs.first() else { panic!("stores first") };
    assert_eq!((changes.put.len(), changes.delete.len()), (2, 0), "a small change writes small rows");
    let outputs = moment_ends(&mut stage);
    let updates = outputs
        .iter()
        .filter(|output| matches!(output, Output::SendClient { message: EdgeToClient::RosterChanged { .. }, .. }));
    assert_eq!(updates.count(), count);
}

#[test]
fn a_large_room_says_how_far_its_clients_spread_their_return() {
    let mut stage = with_ada(Some(1_000));
    let mut told = Vec::new();
    for number in 1..=300 {
        stage.open_client(&name(number), Grants { publish: false, ..Grants::default() }, None);
        let join = stage.join(&name(number), "a", &[], 1);
        let ada = stage.socket("ada");
        told.extend(stage.say(&name(number), join).1.into_iter().filter_map(|output| match output {
            Output::SendClient { socket, message: EdgeToClient::RoomUpdated { room } } if socket == ada => {
                Some((number + 1, room.resume_spread_ms))
            }
            _ => None,
        }));
    }
    // The second participant makes the call begin.
    assert_eq!(told.remove(0), (2, 0));
    // 200 resumes a second; told only when the number of participants has doubled.
    assert_eq!(told, [(64, 320), (65, 640), (129, 1_280), (257, 2_560)]);
}

/// Waits until gathered changes to the roster are announced.
fn moment_ends(stage: &mut Stage) -> Vec<Output> {
    stage.now = stage.now.plus_ms(limits::PRESENCE_GATHERED_MS);
    stage.input(Input::Deadline)
}

/// The cost of one more participant who may publish, and so is listed, in a room of this size: rows written, frames to the newcomer, frames to each of the
/// others.
fn cost_of_a_join(others: usize) -> (usize, usize, usize) {
    let mut stage = with_ada(Some(1_000));
    let listen = |stage: &mut Stage, name: &str| {
        stage.open_client(name, Grants::default(), None);
        let join = stage.join(name, "a", &[], 1);
        stage.say(name, join).1
    };
    for number in 1..others {
        listen(&mut stage, &name(number));
    }
    moment_ends(&mut stage);
    let mut outputs = listen(&mut stage, "zoe");
    outputs.extend(moment_ends(&mut stage));
    let newcomer = stage.sockets["zoe"].socket();
    let told = |is_newcomer: bool| {
        let is_meant = |output: &&Output| matches!(output, Output::SendClient { socket, .. } if (*socket == newcomer) == is_newcomer);
        outputs.iter().filter(is_meant).count()
    };
    let rows = outputs.iter().map(|output| if let Output::Store(changes) = output { changes.put.len() } else { 0 });
    assert_eq!(told(false) % others, 0, "everybody is told the same");
    (rows.sum(), told(true), told(false) / others)
}

#[test]
fn one_more_costs_each_as_much_in_a_large_room_as_in_a_small_one() {
    let (small, large) = (cost_of_a_join(3), cost_of_a_join(300));
    assert_eq!((small.1, small.2), (1, 1));
    // The newcomer is among those who hear of the newcomer, and the gathered news are written once more.
    assert_eq!((large.0, large.1, large.2), (small.0 + 1, 2, 1));
}
