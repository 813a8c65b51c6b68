//! The shell's part, played by the test: sockets, storage, clock, the Fleet object, and clients that remember the
//! messages they received.

use crate::deployment::{claims_of, config, resume_keys, room_id};
use crate::offers::Connection;
use crate::stored;
use edge_core::fleet::{PlaceAnswer, Placement, Relays};
use edge_core::room::{Attachment, Input, Output, Room};
use edge_core::{Random, SocketId};
use shared::control::{NodeToRoom, RecordingReport, RoomToNode, SegmentOutcome};
use shared::rtp_parameters::Fingerprint;
use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, FrameError, TrackIntent, TrackSource};
use shared::token::{Grants, Guest, JoinClaims, TicketClaims};
use shared::{AttemptId, Mid, NodeId, RecordingId, Region, RoleName, SessionId, TemplateName, TokenId, UnixMillis};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub(crate) const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// Unpredictable but repeatable bytes (SplitMix64) that continue across a sleep.
pub(crate) fn randomness(state: &Rc<Cell<u64>>) -> Random {
    let state = Rc::clone(state);
    Box::new(move |bytes| {
        for byte in bytes {
            *byte = (next(&state) >> 56) as u8;
        }
    })
}

pub(crate) fn next(state: &Cell<u64>) -> u64 {
    state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
    let mixed = (state.get() ^ (state.get() >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// A room and everything around it.
pub(crate) struct Stage {
    pub(crate) now: UnixMillis,
    room: Room,
    random: Rc<Cell<u64>>,
    pub(crate) rows: BTreeMap<String, String>,
    /// Open sockets by the name that a script gives them.
    pub(crate) sockets: BTreeMap<String, Attachment>,
    lost: BTreeMap<String, SocketId>,
    pub(crate) names: BTreeMap<SocketId, String>,
    next_socket: u64,
    /// The regions nearest to clients that connect from here on.
    pub(crate) near: Vec<Region>,
    /// The TURN nodes that the Fleet object names.
    pub(crate) relays: Relays,
    pub(crate) clients: BTreeMap<String, Client>,
    /// Requested epochs in order.
    pub(crate) epochs: Vec<u64>,
    /// Recordings announced to any participant, in order.
    pub(crate) recordings: Vec<RecordingId>,
    pub(crate) owners: BTreeMap<SessionId, String>,
    next_request: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// Its connection according to the answers so far.
    pub(crate) connection: Connection,
    /// Its connection after the answers to these requests.
    drafts: BTreeMap<u32, Connection>,
    draft: Option<Connection>,
    /// The connection of its last join, for repeating it.
    last_join: Connection,
    /// `None` until the answer has arrived.
    pub(crate) session: Option<(SessionId, String)>,
    /// Sessions announced to a node, newest last.
    pub(crate) at_node: Vec<SessionId>,
}

impl Stage {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Rc::new(Cell::new(seed));
        Self {
            now: START,
            room: Room::new(room_id(), config(), randomness(&random)),
            random,
            rows: BTreeMap::new(),
            sockets: BTreeMap::new(),
            lost: BTreeMap::new(),
            names: BTreeMap::new(),
            next_socket: 0,
            near: Vec::new(),
            relays: Relays::from([(region("local"), vec![vec!["turn:127.0.0.1:3478?transport=udp".into()]])]),
            clients: BTreeMap::new(),
            epochs: Vec::new(),
            recordings: Vec::new(),
            owners: BTreeMap::new(),
            next_request: 0,
        }
    }

    /// Drops the room and restores it from its rows and its sockets' attachments.
    pub(crate) fn sleep(&mut self) -> Vec<Output> {
        let (rows, archive) = stored::for_waking(&self.rows);
        let sockets = self.sockets.values().map(through_json).collect();
        let random = randomness(&self.random);
        self.room =
            Room::restore(room_id(), config(), random, self.now, (&rows, archive), sockets).expect("reads its rows");
        self.drain()
    }

    /// Restores the room from its readable rows; the others are treated as the shell does.
    pub(crate) fn salvage(&mut self) -> Vec<Output> {
        let (rows, archive) = stored::for_waking(&self.rows);
        let sockets = self.sockets.values().map(through_json).collect();
        let random = randomness(&self.random);
        let (room, unreadable) = Room::salvage(room_id(), config(), random, self.now, (&rows, archive), sockets);
        self.room = room;
        for error in unreadable.iter().filter(|error| Room::is_disposable(error.key())) {
            self.rows.remove(error.key());
        }
        self.drain()
    }

    /// Everything dies but the rows.
    pub(crate) fn crash(&mut self) -> Vec<Output> {
        self.sockets.clear();
        self.sleep()
    }

    /// The keys of the rows, without those of the audit trail.
    pub(crate) fn left(&self) -> Vec<&str> {
        self.rows.keys().map(String::as_str).filter(|key| !key.starts_with("act/")).collect()
    }

    pub(crate) fn timeout(&self) -> Option<UnixMillis> {
        self.room.poll_timeout()
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Output> {
        self.room.handle_input(self.now, input);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.room.poll_output() {
            for output in each(output) {
                self.carry_out(&output);
                outputs.push(output);
            }
        }
        outputs
    }

    fn carry_out(&mut self, output: &Output) {
        match output {
            Output::Store(changes) => {
                for key in &changes.delete {
                    self.rows.remove(key);
                }
                for row in &changes.put {
                    self.rows.insert(row.key.clone(), row.value.clone());
                }
            }
            Output::CloseClient { socket, .. } | Output::CloseNode { socket, .. } => {
                self.sockets.retain(|_, attachment| attachment.socket() != *socket);
            }
            Output::AskFleet(ask) => {
                self.epochs.push(ask.epoch);
                if let Some(session) = &ask.session {
                    self.note_session(&session.session, session.participant.as_str());
                }
            }
            Output::SendNode { message: RoomToNode::SetSession { session }, .. } => {
                self.note_session(&session.session, session.participant.as_str());
            }
            Output::SendNode {
                message: RoomToNode::WelcomePart { sessions, .. } | RoomToNode::Welcome { sessions, .. },
                ..
            } => {
                for session in sessions {
                    self.note_session(&session.session, session.participant.as_str());
                }
            }
            Output::SendClient { socket, message } => self.hear(*socket, message),
            Output::SendClients { .. }
            | Output::SendNode { .. }
            | Output::AskTurn { .. }
            | Output::AskHeard { .. }
            | Output::AnswerReport { .. }
            | Output::Answer { .. } => {}
        }
    }

    fn note_session(&mut self, session: &SessionId, whose: &str) {
        self.owners.insert(session.clone(), whose.to_string());
        let client = self.clients.entry(whose.to_string()).or_default();
        if !client.at_node.contains(session) {
            client.at_node.push(session.clone());
        }
    }

    fn hear(&mut self, socket: SocketId, message: &EdgeToClient) {
        if let EdgeToClient::RecordingUpdated { recording } = message
            && !self.recordings.contains(&recording.id)
        {
            self.recordings.push(recording.id.clone());
        }
        if let EdgeToClient::Resumed { resume_token, .. } = message
            && let Some(name) = self.names.get(&socket).cloned()
            && let Some((_, secret)) = &mut self.client(&name).session
        {
            secret.clone_from(resume_token);
        }
        let (EdgeToClient::Joined { session, in_reply_to, .. } | EdgeToClient::Negotiated { session, in_reply_to, .. }) =
            message
        else {
            return;
        };
        let Some(name) = self.names.get(&socket).cloned() else { return };
        self.note_session(session, &name);
        let client = self.client(&name);
        client.confirm(*in_reply_to);
        if let EdgeToClient::Joined { resume_token, .. } = message {
            client.session = Some((session.clone(), resume_token.clone()));
        } else if let Some((current, _)) = &mut client.session {
            *current = session.clone();
        }
    }

    pub(crate) fn client(&mut self, name: &str) -> &mut Client {
        self.clients.entry(name.to_string()).or_default()
    }

    pub(crate) fn open_client(&mut self, name: &str, grants: Grants, participants_max: Option<u32>) -> Vec<Output> {
        self.open_with_token(name, grants, participants_max, None, None)
    }

    pub(crate) fn open_with_template(
        &mut self,
        name: &str,
        grants: Grants,
        participants_max: Option<u32>,
        template: Option<TemplateName>,
    ) -> Vec<Output> {
        self.open_with(name, JoinClaims { participants_max, template, ..claims_of(name, grants) })
    }

    /// Connects a client with a token that names a role, as the Worker reads it.
    pub(crate) fn open_with_role(&mut self, name: &str, role: &str) -> Vec<Output> {
        let role = Some(RoleName::parse(role).expect("a role"));
        let claims = JoinClaims { role, ..claims_of(name, Grants::default()) };
        self.open_with(name, config().roles.apply(claims).expect("a known role"))
    }

    /// Connects a guest, for whom no application vouches.
    pub(crate) fn open_guest(&mut self, name: &str, grants: Grants, guest: Guest) -> Vec<Output> {
        self.open_with_token(name, grants, None, None, Some(guest))
    }

    /// Connects a client with a single-use token that expires at `until`.
    pub(crate) fn open_with_single_use(&mut self, name: &str, jti: &str, until: UnixMillis) -> Vec<Output> {
        let jti = TokenId::parse(jti).expect("a token's id");
        self.open_with_token(name, Grants::default(), None, Some((jti, until)), None)
    }

    fn open_with_token(
        &mut self,
        name: &str,
        grants: Grants,
        participants_max: Option<u32>,
        single_use: Option<(TokenId, UnixMillis)>,
        guest: Option<Guest>,
    ) -> Vec<Output> {
        let (jti, jti_until) = single_use.unzip();
        let claims = claims_of(name, grants);
        self.open_with(name, JoinClaims { participants_max, jti, jti_until, guest, ..claims })
    }

    fn open_with(&mut self, name: &str, claims: JoinClaims) -> Vec<Output> {
        let socket = self.next_socket();
        let (near, opened_at) = (self.near.clone(), self.now);
        self.open(name, Attachment::Client { socket, opened_at, claims, near, trace: None })
    }

    /// Connects a client with its resume secret alone; `None` if the secret opens nothing.
    pub(crate) fn reopen_client(&mut self, name: &str) -> Option<Vec<Output>> {
        let (_, secret) = self.client(&participant_of(name)).session.clone()?;
        assert!(resume_keys().holder(&room_id(), &secret).is_some(), "the Worker lets no other secret through");
        let participant = self.room.resumable(self.now, &secret)?;
        let socket = self.next_socket();
        let (near, opened_at) = (self.near.clone(), self.now);
        Some(self.open(name, Attachment::Resuming { socket, opened_at, participant, near, trace: None }))
    }

    /// True if a resume secret opens a session.
    pub(crate) fn is_open_to(&self, secret: &str) -> bool {
        self.room.resumable(self.now, secret).is_some()
    }

    /// Connects a node with the ticket of an epoch.
    pub(crate) fn open_node(&mut self, name: &str, epoch: u64) -> Vec<Output> {
        let sub = NodeId::parse(&participant_of(name)).expect("a name");
        let claims = TicketClaims { sub, room: room_id(), epoch };
        let socket = self.next_socket();
        self.open(name, Attachment::Node { socket, opened_at: self.now, claims })
    }

    fn next_socket(&mut self) -> SocketId {
        self.next_socket += 1;
        SocketId(self.next_socket)
    }

    fn open(&mut self, name: &str, attachment: Attachment) -> Vec<Output> {
        assert!(!self.sockets.contains_key(name), "{name} is open already");
        self.sockets.insert(name.to_string(), attachment.clone());
        self.names.insert(attachment.socket(), participant_of(name));
        self.input(Input::SocketOpened(attachment))
    }

    /// Answers for the platform with the time of the last ping.
    pub(crate) fn answer_heard(&mut self, name: &str, at: Option<UnixMillis>) -> Vec<Output> {
        let socket = self.socket(name);
        self.input(Input::Heard { socket, at })
    }

    pub(crate) fn close(&mut self, name: &str) -> Vec<Output> {
        self.close_going_away(name, false)
    }

    /// Closes or reloads the page.
    pub(crate) fn unload(&mut self, name: &str) -> Vec<Output> {
        self.close_going_away(name, true)
    }

    fn close_going_away(&mut self, name: &str, going_away: bool) -> Vec<Output> {
        let socket = self.socket(name);
        self.sockets.remove(name);
        self.lost.insert(name.into(), socket);
        self.input(Input::SocketClosed { socket, going_away })
    }

    /// Reports that the page of a closed socket is gone.
    pub(crate) fn say_goodbye_late(&mut self, name: &str) -> Vec<Output> {
        let socket = *self.lost.get(name).unwrap_or_else(|| panic!("{name} has not closed"));
        self.input(Input::SocketClosed { socket, going_away: true })
    }

    pub(crate) fn socket(&self, name: &str) -> SocketId {
        self.sockets.get(name).unwrap_or_else(|| panic!("{name} is not open")).socket()
    }

    /// Makes the client's next request carry an offer of a new connection.
    pub(crate) fn prepare(&mut self, name: &str) {
        self.client(name).draft = Some(Connection::default());
    }

    /// Sends a client's message; returns the number of the request.
    pub(crate) fn say(&mut self, name: &str, message: ClientToEdge) -> (u32, Vec<Output>) {
        self.next_request += 1;
        let id = self.next_request;
        let client = self.client(&participant_of(name));
        if let Some(draft) = client.draft.take() {
            client.drafts.insert(id, draft);
        }
        // Through text, as on the wire.
        let frame = ClientFrame::parse(&ClientFrame { id: Some(id), message }.to_json());
        let socket = self.socket(name);
        (id, self.input(Input::ClientFrame { socket, frame }))
    }

    pub(crate) fn next_request_number(&self) -> u32 {
        self.next_request + 1
    }

    pub(crate) fn babble(&mut self, name: &str) -> Vec<Output> {
        let socket = self.socket(name);
        self.input(Input::ClientFrame { socket, frame: Err(FrameError::Malformed { id: None }) })
    }

    /// Joins with these sources; `muted` ones start muted.
    pub(crate) fn join(
        &mut self,
        name: &str,
        attempt: &str,
        sources: &[(TrackSource, bool)],
        slots: usize,
    ) -> ClientToEdge {
        let number = (self.next_socket % 100) as u8;
        let client = self.client(&participant_of(name));
        if !attempt.ends_with("again") {
            client.last_join = Connection { number, ..Connection::default() };
        }
        let attempt = AttemptId::parse(attempt.trim_end_matches("again")).expect("an attempt");
        let (offer, tracks) = client.offer(client.last_join.clone(), sources, slots);
        ClientToEdge::Join { attempt, offer, tracks }
    }

    pub(crate) fn node_says(&mut self, name: &str, message: NodeToRoom) -> Vec<Output> {
        let socket = self.socket(name);
        self.input(Input::NodeFrame { socket, frame: Ok(message) })
    }

    /// A node's report about a recording; its content may depend on the recording's key prefix.
    pub(crate) fn report(
        &mut self,
        node: &str,
        number: &str,
        outcome: impl FnOnce(&str) -> SegmentOutcome,
    ) -> Vec<Output> {
        let recording = self.recording(number);
        let outcome = outcome(&format!("recordings/daily/{recording}/"));
        let report = RecordingReport { room: room_id(), recording, outcome };
        let node = NodeId::parse(&participant_of(node)).expect("a name");
        self.input(Input::RecordingReported { call: 1, node, report })
    }

    /// `r2` is the second recording.
    pub(crate) fn recording(&self, name: &str) -> RecordingId {
        let index: usize = name.trim_start_matches('r').parse().expect("a recording");
        self.recordings.get(index - 1).unwrap_or_else(|| panic!("there is no {name}")).clone()
    }

    pub(crate) fn recording_number(&self, id: &RecordingId) -> Option<usize> {
        self.recordings.iter().position(|known| known == id).map(|index| index + 1)
    }

    /// Assigns a node to the room in the name of the Fleet object.
    pub(crate) fn give(&mut self, node: &str, epoch: u64) -> Vec<Output> {
        let number = node.bytes().last().unwrap_or(0);
        let placement = Placement {
            node: NodeId::parse(node).expect("a name"),
            shard: 0,
            candidates: vec![([127, 0, 0, 1], 7000).into()],
            tcp_candidates: vec![],
            fingerprint: Fingerprint([number; 32]),
            region: region("local"),
            relays: self.relays.clone(),
        };
        self.input(Input::FleetAnswered { epoch, answer: PlaceAnswer::Placed(placement) })
    }
}

impl Client {
    fn confirm(&mut self, request: Option<u32>) {
        let draft = request.and_then(|request| self.drafts.remove(&request));
        self.connection = draft.expect("what is answered was asked");
    }

    /// Makes a connection's offer with these sources, and the description of its sections.
    pub(crate) fn offer(
        &mut self,
        mut connection: Connection,
        sources: &[(TrackSource, bool)],
        slots: usize,
    ) -> (String, Vec<TrackIntent>) {
        let live: Vec<TrackSource> = sources.iter().map(|(source, _)| *source).collect();
        connection.shape(&live, slots);
        let intent = |(source, muted): &(TrackSource, bool)| {
            let mid = connection.mid_of(*source)?;
            Some(TrackIntent { mid: mid_named(mid), source: *source, muted: *muted })
        };
        let tracks = sources.iter().filter_map(intent).collect();
        let offer = connection.offer();
        self.draft = Some(connection);
        (offer, tracks)
    }
}

pub(crate) fn mid_named(number: usize) -> Mid {
    Mid::parse(&number.to_string()).expect("a number")
}

/// The participant behind a socket: its name without the trailing digits that distinguish sockets of the same client.
/// Names of nodes end with a letter.
pub(crate) fn participant_of(name: &str) -> String {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).to_string()
}

pub(crate) fn region(name: &str) -> Region {
    Region::parse(name).expect("a name")
}

/// The attachment after a sleep.
fn through_json(attachment: &Attachment) -> Attachment {
    let json = serde_json::to_string(attachment).expect("attachments are JSON");
    assert!(json.len() <= 2048, "an attachment has {} bytes", json.len());
    serde_json::from_str(&json).expect("reads what it writes")
}

/// The messages to each client apart.
fn each(output: Output) -> Vec<Output> {
    match output {
        Output::SendClients { sockets, message } => {
            let each = |socket| Output::SendClient { socket, message: message.clone() };
            sockets.into_iter().map(each).collect()
        }
        output => vec![output],
    }
}
