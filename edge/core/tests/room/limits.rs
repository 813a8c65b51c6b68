//! Bounds that take many frames, sockets or participants to reach.

use crate::stage::{Stage, mid_named};
use edge_core::room::Output;
use shared::signal::{ClientToEdge, EdgeToClient, Reaction, TrackSource, close_code};
use shared::token::Grants;
use shared::{ErrorCode, MessageId, limits};

const MICROPHONE: [(TrackSource, bool); 1] = [(TrackSource::Microphone, false)];

/// A name without digits for each number: those at the end tell sockets of one participant apart.
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
    let resume = ClientToEdge::Resume { session, resume_token, chat_after: None };
    assert_eq!(code(&stage.say("ada", resume).1), None);
    assert_eq!(code(&stage.say("ada", write(100)).1), Some(ErrorCode::RateLimited));
    stage.babble("ada");
    assert!(!stage.sockets.contains_key("ada"), "the sixteenth bad frame closes this socket too");
    // All of it is forgiven in time, and then nothing is kept of it.
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
    // What the room has is not written again, so it costs nothing.
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
    // The node of the beginning never dialled, so that another one is given.
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
    // Nor does a further offer make a publisher; one of them may come again.
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

// Holds S4-ROOM-02.
#[test]
fn a_room_of_a_thousand_hears_everybody_who_speaks() {
    let count = limits::PARTICIPANTS_PER_ROOM_MAX;
    let mut stage = with_ada(u32::try_from(count).ok());
    for number in 1..count {
        let name = name(number);
        stage.open_client(&name, Grants { publish: false, ..Grants::default() }, None);
        let join = stage.join(&name, "a", &[], 1);
        assert_eq!(code(&stage.say(&name, join).1), None, "{number}");
    }
    stage.open_client("zoe", Grants::default(), None);
    let join = stage.join("zoe", "a", &[], 1);
    assert_eq!(code(&stage.say("zoe", join).1), Some(ErrorCode::RoomFull));
    let outputs = stage.say("ada", ClientToEdge::SetMuted { mid: mid_named(0), muted: true }).1;
    let updates = outputs
        .iter()
        .filter(|output| matches!(output, Output::SendClient { message: EdgeToClient::ParticipantUpdated { .. }, .. }));
    assert_eq!(updates.count(), count);
    let Some(Output::Store(changes)) = outputs.first() else { panic!("stores first") };
    assert_eq!((changes.put.len(), changes.delete.len()), (1, 0), "a small change writes a small row");
}

/// What one more listener costs a room of so many: rows that are written, frames to the newcomer, frames to each of the others.
fn cost_of_a_join(others: usize) -> (usize, usize, usize) {
    let mut stage = with_ada(Some(1_000));
    let listen = |stage: &mut Stage, name: &str| {
        stage.open_client(name, Grants { publish: false, ..Grants::default() }, None);
        let join = stage.join(name, "a", &[], 1);
        stage.say(name, join).1
    };
    for number in 1..others {
        listen(&mut stage, &name(number));
    }
    let outputs = listen(&mut stage, "zoe");
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
    let small = cost_of_a_join(3);
    assert_eq!(small, cost_of_a_join(300));
    assert_eq!((small.1, small.2), (1, 1));
}
