use super::*;
use crate::virtual_time::start;
use shared::control::{Assignment, FleetToNode, Message, Microphones, RecordingOrder, RoomToNode, ShardInfo};
use shared::rtp_parameters::Fingerprint;
use shared::signal::RecordingState;
use shared::{ErrorCode, NodeId, RecordingId, Region, UnixMillis, limits};
use std::time::Duration;

struct Node {
    now: Instant,
    control: Control,
    fleet: SocketKey,
}

impl Node {
    /// A registered node of two shards.
    fn new(records: bool) -> Self {
        let shards = [0, 1].map(|shard| ShardInfo { shard, candidates: Vec::new() });
        let registration = NodeRegistration {
            node: NodeId::parse("media-1").expect("an id"),
            region: Region::parse("eu-central").expect("a region"),
            fingerprint: Fingerprint([0; 32]),
            shards: shards.to_vec(),
            tcp_candidates: vec![([192, 0, 2, 1], 443).into()],
            sessions_max: 10,
            probe: None,
            probe_families: None,
        };
        let control = Control::new(start(), Config { registration, edges: 1, records, seed: 1 });
        let fleet = SocketKey { line: FLEET_LINE, attempt: 1 };
        let mut node = Self { now: start(), control, fleet };
        node.passes(Duration::ZERO);
        node.news(fleet, News::Opened);
        node.says(fleet, &FleetToNode::Registered {});
        node
    }

    fn gives(&mut self, input: Input) -> Vec<Output> {
        self.control.handle_input(self.now, input);
        std::iter::from_fn(|| self.control.poll_output()).collect()
    }

    fn news(&mut self, socket: SocketKey, news: News) -> Vec<Output> {
        self.gives(Input::Socket { socket, news })
    }

    fn says<M: Message>(&mut self, socket: SocketKey, message: &M) -> Vec<Output> {
        self.news(socket, News::Frame(message.to_json()))
    }

    /// Time passes; returns everything but what is said to the Fleet object.
    fn passes(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut outputs = Vec::new();
        while let Some(at) = self.control.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            outputs.extend(self.gives(Input::Deadline { load: NodeLoad::default() }));
        }
        self.now = end;
        outputs.retain(|output| !matches!(output, Output::Send { socket, .. } if socket.line == FLEET_LINE));
        outputs
    }

    fn is_assigned(&mut self, room: &str, epoch: u64, shard: u16) -> Vec<Output> {
        let ticket = format!("ticket-{epoch}");
        let assignment = Assignment { room: id(room), epoch, shard, ticket, session: None };
        self.says(self.fleet, &FleetToNode::Assign(Box::new(assignment)))
    }

    /// Assigns the room, and opens its socket up to the hello.
    fn serves(&mut self, room: &str, epoch: u64, shard: u16) -> SocketKey {
        let socket = dialed(&self.is_assigned(room, epoch, shard)).0;
        self.greets(socket);
        socket
    }

    /// Opens a dialed socket; returns the frames that follow.
    fn greets(&mut self, socket: SocketKey) -> Vec<String> {
        self.news(socket, News::Opened);
        frames(&self.gives(Input::Connected { socket, sessions: Vec::new() }))
    }
}

fn id(room: &str) -> RoomId {
    RoomId::parse(room).expect("an id")
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).expect("an id")
}

fn frames(outputs: &[Output]) -> Vec<String> {
    let frame = |output: &Output| if let Output::Send { frame, .. } = output { Some(frame.clone()) } else { None };
    outputs.iter().filter_map(frame).collect()
}

/// The socket and the ticket of the only attempt.
fn dialed(outputs: &[Output]) -> (SocketKey, String) {
    let dial = |output: &Output| match output {
        Output::DialRoom { socket, ticket, .. } => Some((*socket, ticket.clone())),
        _ => None,
    };
    let dials: Vec<_> = outputs.iter().filter_map(dial).collect();
    let [dial] = &dials[..] else { panic!("{outputs:?}") };
    dial.clone()
}

fn lost() -> News {
    News::Closed { reason: String::new() }
}

fn welcome() -> RoomToNode {
    RoomToNode::Welcome {
        sessions: Vec::new(),
        forwards: Vec::new(),
        recording: None,
        microphones: Microphones::default(),
    }
}

fn release(shard: u16) -> Output {
    Output::TellShard { shard, room: id("daily"), message: RoomToNode::Release {} }
}

#[test]
fn events_that_come_before_the_hello_are_told_after_it() {
    let mut node = Node::new(true);
    let (socket, _) = dialed(&node.is_assigned("daily", 7, 1));
    let connected = |name: &str| Input::Shard {
        shard: 1,
        output: sfu::Output::SessionConnected { room: id("daily"), session: session(name) },
    };
    assert_eq!(node.gives(connected("early")), [], "there is no socket: the hello will tell");
    let asks = node.news(socket, News::Opened);
    assert_eq!(asks, [Output::AskConnected { socket, shard: 1, room: id("daily") }]);
    assert_eq!(node.gives(connected("meanwhile")), []);
    node.control.handle_input(node.now, Input::ShardLost { shard: 1 });
    let sessions = vec![session("early")];
    let said = frames(&node.gives(Input::Connected { socket, sessions: sessions.clone() }));
    let name = NodeId::parse("media-1").expect("an id");
    let hello = NodeToRoom::Hello { node: name, epoch: 7, connected: sessions, reports_loudest: true };
    let event = NodeToRoom::SessionConnected { session: session("meanwhile") };
    assert_eq!(said, [hello, NodeToRoom::Draining {}, event].map(|message| message.to_json()));
    let late = NodeToRoom::SessionConnected { session: session("late") }.to_json();
    assert_eq!(frames(&node.gives(connected("late"))), [late]);
    let elsewhere =
        Input::Shard { shard: 0, output: sfu::Output::SessionConnected { room: id("daily"), session: session("s") } };
    assert_eq!(node.gives(elsewhere), [], "another shard has nothing to say about this room");
}

#[test]
fn a_room_without_sessions_is_left_but_not_because_it_was_out_of_reach() {
    let mut node = Node::new(true);
    let (socket, _) = dialed(&node.is_assigned("daily", 7, 0));
    let timeout = Duration::from_millis(2 * limits::EMPTY_ROOM_LIFETIME_MS);
    node.passes(2 * timeout);
    node.greets(socket);
    assert_eq!(node.passes(timeout - Duration::from_millis(1)), [], "the room has not said anything yet");
    node.says(socket, &welcome());
    assert_eq!(node.passes(timeout - Duration::from_millis(1)), []);
    let outputs = node.passes(Duration::from_millis(1));
    let record = Output::Record { room: id("daily"), epoch: 7, order: None };
    assert_eq!(outputs, [Output::Close { socket }, record, release(0)]);
    assert_eq!(node.control.rooms().count(), 0);
}

#[test]
fn a_newer_epoch_replaces_the_line_and_keeps_the_sessions_unless_the_shard_changes() {
    let mut node = Node::new(true);
    let first = node.serves("daily", 7, 0);
    let outputs = node.is_assigned("daily", 8, 0);
    let record = Output::Record { room: id("daily"), epoch: 7, order: None };
    assert_eq!(outputs[..2], [Output::Close { socket: first }, record]);
    let (second, ticket) = dialed(&outputs);
    assert_eq!((ticket.as_str(), outputs.len()), ("ticket-8", 3));
    assert_eq!(node.news(first, lost()), [], "nothing is known of the old line");
    assert_eq!(node.is_assigned("daily", 7, 0), [], "outdated");
    assert_eq!(node.is_assigned("daily", 8, 0), [], "known");
    node.greets(second);
    assert_eq!(node.is_assigned("daily", 9, 1)[0], release(0));
    assert_eq!(node.is_assigned("daily", 10, 2), [], "no such shard");
    assert_eq!(node.control.rooms().collect::<Vec<_>>(), [(&id("daily"), 9)]);
}

#[test]
fn a_refusal_ends_the_assignment_or_only_the_socket() {
    for (code, is_over) in [(ErrorCode::StaleEpoch, true), (ErrorCode::Internal, false)] {
        let mut node = Node::new(false);
        let socket = node.serves("daily", 7, 0);
        let outputs = node.says(socket, &RoomToNode::Refused { code });
        assert_eq!(outputs.contains(&release(0)), is_over, "{code}");
        assert_eq!(node.control.rooms().count(), usize::from(!is_over), "{code}");
    }
    for (is_final, served) in [(true, 0), (false, 1)] {
        let mut node = Node::new(false);
        let (socket, _) = dialed(&node.is_assigned("daily", 7, 0));
        node.news(socket, News::Failed { is_final, reason: String::new() });
        assert_eq!(node.control.rooms().count(), served);
    }
}

#[test]
fn a_welcome_that_never_ends_costs_the_socket() {
    let mut node = Node::new(false);
    let socket = node.serves("daily", 7, 0);
    let part = RoomToNode::WelcomePart { sessions: Vec::new(), forwards: Vec::new() };
    for _ in 0..limits::WELCOME_PARTS_MAX {
        assert_eq!(node.says(socket, &part), []);
    }
    assert_eq!(node.says(socket, &part), [Output::Close { socket }]);
    let (again, _) = dialed(&node.passes(Duration::from_secs(1)));
    // The parts of the lost socket do not count for the next one.
    node.greets(again);
    assert_eq!(node.says(again, &part), []);
}

#[test]
fn without_storage_a_recording_fails_at_once() {
    let order = RecordingOrder {
        recording: RecordingId::parse("r1").expect("an id"),
        key_prefix: String::new(),
        started_at: UnixMillis(0),
        sent_at: UnixMillis(0),
        trace: None,
        participants: Vec::new(),
    };
    let message = RoomToNode::SetRecording { recording: Some(order.clone()) };
    let mut node = Node::new(false);
    let socket = node.serves("daily", 7, 0);
    let failed = NodeToRoom::RecordingState {
        recording: order.recording.clone(),
        state: RecordingState::Failed,
        code: Some(ErrorCode::RecordingUnavailable),
    };
    assert_eq!(frames(&node.says(socket, &message)), [failed.to_json()]);
    let mut node = Node::new(true);
    let socket = node.serves("daily", 7, 0);
    let outputs = node.says(socket, &message);
    let record = Output::Record { room: id("daily"), epoch: 7, order: Some(order) };
    assert_eq!(outputs, [record, Output::TellShard { shard: 0, room: id("daily"), message }]);
    // A recording of another epoch concerns another line.
    let said = |epoch| Input::Recording { room: id("daily"), epoch, message: failed.clone() };
    assert_eq!((node.gives(said(6)).len(), node.gives(said(7)).len()), (0, 1));
}

#[test]
fn the_next_socket_has_the_newest_ticket() {
    let mut node = Node::new(false);
    let mut socket = node.serves("daily", 7, 0);
    let [renewal, retry] = [limits::NODE_TICKET_RENEWAL_MS, 60_000].map(Duration::from_millis);
    let asked = |ticket: &str| Output::RenewTicket { room: id("daily"), epoch: 7, ticket: ticket.into() };
    let answer =
        |epoch, ticket: Option<&str>| Input::Ticket { room: id("daily"), epoch, ticket: ticket.map(str::to_owned) };
    let mut wait = renewal;
    for (newest, answered) in [("ticket-7", None), ("ticket-7", Some("fresh")), ("fresh", Some("fresher"))] {
        // A room with a session is not left meanwhile.
        node.says(socket, &RoomToNode::SetSession { session: shared_session() });
        assert_eq!(node.passes(wait - Duration::from_millis(1)), []);
        assert_eq!(node.passes(Duration::from_millis(1)), [asked(newest)]);
        node.gives(answer(6, Some("another epoch's")));
        node.gives(answer(7, answered));
        node.news(socket, lost());
        let (next, ticket) = dialed(&node.passes(Duration::from_secs(1)));
        assert_eq!(ticket, answered.unwrap_or("ticket-7"));
        node.greets(next);
        socket = next;
        wait = if answered.is_some() { renewal } else { retry } - Duration::from_secs(1);
    }
}

fn shared_session() -> shared::rtp_parameters::Session {
    shared::rtp_parameters::Session {
        session: session("s1"),
        participant: shared::ParticipantId::parse("ada").expect("an id"),
        ice: shared::rtp_parameters::IceParameters {
            node_ufrag: String::new(),
            node_pwd: String::new(),
            client_ufrag: String::new(),
            client_pwd: String::new(),
        },
        client_fingerprint: Fingerprint([0; 32]),
        trace: None,
        other_fingerprints: Vec::new(),
        bandwidth: shared::token::Bandwidth::default(),
        sections: Vec::new(),
    }
}

#[test]
fn a_draining_or_full_node_accepts_no_room() {
    let mut node = Node::new(false);
    for number in 0..limits::ROOMS_PER_NODE_MAX {
        node.is_assigned(&format!("room-{number}"), 1, 0);
    }
    assert_eq!(node.is_assigned("one-too-many", 1, 0), []);
    assert_eq!(node.control.rooms().count(), limits::ROOMS_PER_NODE_MAX);
    dialed(&node.is_assigned("room-1", 2, 0));
    let mut node = Node::new(false);
    let socket = node.serves("daily", 7, 0);
    let draining = node.gives(Input::Drain { until: node.now + Duration::from_secs(60) });
    assert_eq!(frames(&draining).len(), 2, "the Fleet object and the room");
    assert_eq!(node.is_assigned("other", 1, 0), []);
    node.news(socket, lost());
    let (next, _) = dialed(&node.passes(Duration::from_secs(1)));
    assert_eq!(node.greets(next).last(), Some(&NodeToRoom::Draining {}.to_json()));
}
