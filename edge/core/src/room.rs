//! One room: who is in it, who may do what, what was negotiated, which node serves it.
//!
//! [`Room::handle_input`], then [`Room::poll_output`] until it is empty, then an alarm at [`Room::poll_timeout`]. Everything that matters is in
//! the rows that [`Output::Store`] hands out and in the attachments of the sockets, so that a room can sleep after any input.

mod adaptation;
mod allowance;
mod api;
mod ban;
mod candidates;
mod conversation;
#[cfg(test)]
mod cost;
mod deadline;
mod departed;
mod forwards;
mod guest;
mod join;
mod media_session;
mod member;
mod mend;
mod moderation;
mod negotiation;
mod news;
mod node;
mod published;
mod recording;
mod relay;
mod renegotiate;
mod requests;
mod resume;
mod resume_secret;
mod role;
mod silence;
mod slot;
mod snapshot;
mod socket;
mod standing;
mod topology;
mod track;
mod used_token;

use crate::SocketId;
use crate::fleet::{PlaceAnswer, PlaceRequest};
use crate::random::Random;
use crate::storage::{Changes, RestoreError, Row, Table};
use allowance::Allowance;
pub use api::{Answer, Ask};
use ban::Ban;
use deadline::{Deadline, Deadlines};
use departed::Departed;
use forwards::Forwards;
pub use guest::GuestStanding;
use guest::{Guest, ToldGuests};
use media_session::MediaSession;
use member::{Absence, Member};
pub use moderation::Verb;
use news::News;
use published::Publishers;
use recording::Recording;
pub use recording::{RecordingAnswer, RecordingAsk, RecordingCursor, RecordingListing};
pub use resume_secret::{Holder, ResumeKeys};
use serde::{Deserialize, Serialize};
use shared::control::{ControlError, NodeToRoom, RecordingOrder, RecordingReport, RecordingVerdict, RoomToNode};
use shared::signal::{
    ChatMessage, ClientFrame, EdgeToClient, FrameError, IceServer, ParticipantInfo, RecordingInfo, RoomInfo,
};
use shared::token::{JoinClaims, TicketClaims};
use shared::turn_credential::TurnKeys;
use shared::{NodeId, ParticipantId, RecordingId, Region, RoomId, SessionId, TokenId, UnixMillis};
use snapshot::Snapshot;
use socket::Socket;
use standing::Standing;
use std::collections::{BTreeMap, VecDeque};
use topology::{Assignment, Meta, Placing};
use used_token::UsedToken;

/// What the shell tells a room.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client or a node that may dial this room did; the attachment is on its socket already.
    SocketOpened(Attachment),
    ClientFrame {
        socket: SocketId,
        /// What `ClientFrame::parse` made of it; a binary frame is `FrameError::Malformed`.
        frame: Result<ClientFrame, FrameError>,
    },
    NodeFrame {
        socket: SocketId,
        /// What `Message::parse` made of it.
        frame: Result<NodeToRoom, ControlError>,
    },
    /// A client's or a node's socket is gone, or a send to it failed.
    SocketClosed {
        socket: SocketId,
        /// Whether the other side said so itself: `close_code::is_page_gone`.
        going_away: bool,
    },
    /// The answer to [`Output::AskFleet`]; a call that failed is `PlaceAnswer::Failed` with `Internal`.
    FleetAnswered {
        /// The epoch that was asked for.
        epoch: u64,
        answer: PlaceAnswer,
    },
    /// The answer to [`Output::AskTurn`]; a call that failed needs none.
    TurnAnswered {
        /// The assignment whose region was asked.
        epoch: u64,
        /// Where clients can be relayed.
        urls: Vec<String>,
    },
    /// The answer to [`Output::AskHeard`].
    Heard {
        socket: SocketId,
        /// When the platform last answered a ping on it; nothing where it never did.
        at: Option<UnixMillis>,
    },
    /// A node reports on a recording, outside of its sockets; answered by [`Output::AnswerReport`].
    RecordingReported {
        call: u64,
        node: NodeId,
        report: RecordingReport,
    },
    /// The application's server asks; answered by [`Output::Answer`].
    Asked {
        request: u64,
        ask: Ask,
    },
    Deadline,
}

/// What the shell shall do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write, before anything else of this input.
    Store(Changes),
    SendClient {
        socket: SocketId,
        message: EdgeToClient,
    },
    /// Close a client's socket; no [`Input::SocketClosed`] is needed for it.
    CloseClient {
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    SendNode {
        socket: SocketId,
        message: RoomToNode,
    },
    /// Close a node's socket; no [`Input::SocketClosed`] is needed for it.
    CloseNode {
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    /// Ask the region's Fleet object; answered by [`Input::FleetAnswered`]. The room does not wait: further inputs may come first.
    AskFleet(PlaceRequest),
    /// Ask a region's Fleet object where clients can be relayed; answered by [`Input::TurnAnswered`].
    AskTurn {
        /// The assignment for which it is asked.
        epoch: u64,
        region: Region,
    },
    /// Ask the platform when it last answered a ping on a client's socket; answered by [`Input::Heard`].
    AskHeard {
        socket: SocketId,
    },
    /// The answer to [`Input::RecordingReported`].
    AnswerReport {
        call: u64,
        verdict: RecordingVerdict,
        /// The recording is deleted: so is whatever is stored under this, which the node may just have brought.
        leftovers: Option<String>,
    },
    Answer {
        request: u64,
        answer: Answer,
    },
}

/// What a socket carries through hibernation (under 2 KiB of JSON); it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Attachment {
    Client {
        socket: SocketId,
        opened_at: UnixMillis,
        claims: JoinClaims,
    },
    /// A client that was let in by its resume secret ([`Room::resumable`]) and without a join token.
    Resuming {
        socket: SocketId,
        opened_at: UnixMillis,
        participant: ParticipantId,
    },
    Node {
        socket: SocketId,
        opened_at: UnixMillis,
        claims: TicketClaims,
    },
}

impl Attachment {
    #[must_use]
    pub const fn socket(&self) -> SocketId {
        match self {
            Self::Client { socket, .. } | Self::Resuming { socket, .. } | Self::Node { socket, .. } => *socket,
        }
    }
}

/// What a room is told by its deployment; not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// STUN servers, and TURN servers of other makers, for the clients.
    pub ice_servers: Vec<IceServer>,
    /// What credentials for our TURN nodes are made with; without it nobody is told about them.
    pub turn_keys: Option<TurnKeys>,
    /// What the secrets of resuming clients are made with.
    pub resume_keys: ResumeKeys,
    /// Whether there is a storage for recordings.
    pub can_record: bool,
}

pub struct Room {
    id: RoomId,
    config: Config,
    random: Random,
    // Stored.
    meta: Table<(), Meta>,
    members: Table<ParticipantId, Member>,
    sessions: Table<SessionId, MediaSession>,
    assignments: Table<u64, Assignment>,
    recordings: Table<RecordingId, Recording>,
    chat: Table<u64, ChatMessage>,
    bans: Table<ParticipantId, Ban>,
    /// Of participants who are away.
    standings: Table<ParticipantId, Standing>,
    departed: Table<ParticipantId, Departed>,
    /// Stored only where forgetting them would refill a spent budget.
    allowances: Table<ParticipantId, Allowance>,
    used_tokens: Table<TokenId, UsedToken>,
    /// People in the lobby, and what they were answered.
    guests: Table<ParticipantId, Guest>,
    // On the sockets' attachments.
    sockets: BTreeMap<SocketId, Socket>,
    // These follow from what is stored.
    deadlines: Deadlines,
    told_infos: BTreeMap<ParticipantId, ParticipantInfo>,
    publishers: Publishers,
    told_forwards: Forwards,
    told_room: RoomInfo,
    told_orders: BTreeMap<u64, RecordingOrder>,
    told_recordings: BTreeMap<RecordingId, RecordingInfo>,
    told_guests: ToldGuests,
    stored_allowances: BTreeMap<ParticipantId, Allowance>,
    news: News,
    outputs: VecDeque<Output>,
}

impl Room {
    /// A room in which nobody has ever been.
    #[must_use]
    pub fn new(id: RoomId, config: Config, random: Random) -> Self {
        Self::with(id, config, random, Snapshot::default())
    }

    /// The room as it was, out of its rows and the attachments of its open sockets; sockets that are gone count as closed `now`.
    pub fn restore(
        id: RoomId,
        config: Config,
        random: Random,
        now: UnixMillis,
        rows: &[Row],
        sockets: Vec<Attachment>,
    ) -> Result<Self, RestoreError> {
        let (room, unreadable) = Self::salvage(id, config, random, now, rows, sockets);
        unreadable.into_iter().next().map_or(Ok(room), Err)
    }

    fn wake(&mut self, now: UnixMillis, sockets: Vec<Attachment>) {
        self.told_infos = self.members.values().map(|member| (member.id.clone(), self.info(member))).collect();
        self.publishers = self.all_publishers();
        self.told_forwards = self.all_forwards();
        self.told_room = self.room_info();
        self.told_orders = self.recording_orders();
        self.told_recordings = self.recording_infos();
        for attachment in sockets {
            self.socket_opened(attachment);
        }
        self.told_guests = self.guests_to_tell();
        self.recognise_sockets(now);
        if !self.exists() {
            self.mark_old_bans();
        }
        self.set_all_deadlines();
    }

    fn with(id: RoomId, config: Config, random: Random, snapshot: Snapshot) -> Self {
        let Snapshot {
            meta,
            members,
            sessions,
            assignments,
            recordings,
            chat,
            bans,
            standings,
            departed,
            allowances,
            used_tokens,
            guests,
        } = snapshot;
        Self {
            id,
            config,
            random,
            meta: Table::new(meta.into_iter().map(|meta| ((), meta)).collect()),
            members: Table::new(members),
            sessions: Table::new(sessions),
            assignments: Table::new(assignments),
            recordings: Table::new(recordings),
            chat: Table::new(chat),
            bans: Table::new(bans),
            standings: Table::new(standings),
            departed: Table::new(departed),
            stored_allowances: allowances.clone(),
            allowances: Table::new(allowances),
            used_tokens: Table::new(used_tokens),
            guests: Table::new(guests),
            sockets: BTreeMap::new(),
            deadlines: Deadlines::default(),
            told_infos: BTreeMap::new(),
            publishers: Publishers::new(),
            told_forwards: Forwards::new(),
            told_room: RoomInfo::default(),
            told_orders: BTreeMap::new(),
            told_recordings: BTreeMap::new(),
            told_guests: ToldGuests::default(),
            news: News::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input; its outputs are queued. Whatever was due before it happens before it, even if the alarm is late.
    pub fn handle_input(&mut self, now: UnixMillis, input: Input) {
        while let Some(deadline) = self.deadlines.take_due(now) {
            self.due(now, deadline);
        }
        match input {
            Input::SocketOpened(attachment) => self.socket_opened(attachment),
            Input::ClientFrame { socket, frame } => self.client_frame(now, socket, frame),
            Input::NodeFrame { socket, frame } => self.node_frame(now, socket, frame),
            Input::SocketClosed { socket, going_away } => self.socket_closed(now, socket, going_away),
            Input::FleetAnswered { epoch, answer } => self.fleet_answered(now, epoch, answer),
            Input::TurnAnswered { epoch, urls } => self.turn_answered(now, epoch, urls),
            Input::Heard { socket, at } => self.heard(now, socket, at),
            Input::RecordingReported { call, node, report } => self.recording_reported(now, call, &node, report),
            Input::Asked { request, ask } => self.asked(now, request, ask),
            Input::Deadline => {}
        }
        self.finish(now);
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due at the latest; an alarm that goes off earlier does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.deadlines.first()
    }

    fn due(&mut self, now: UnixMillis, deadline: Deadline) {
        match deadline {
            Deadline::FirstFrame(socket) => self.first_frame_due(socket),
            Deadline::Resume(participant) => self.resume_due(&participant),
            Deadline::Restart(participant) => self.news.restarts_due.push(participant),
            Deadline::Silence(participant) => self.silence_due(now, &participant),
            Deadline::Ban(participant) => self.ban_due(now, &participant),
            Deadline::Standing(participant) => self.standing_due(&participant),
            Deadline::Departed(participant) => drop(self.departed.remove(&participant)),
            Deadline::Allowance(participant) => drop(self.allowances.remove(&participant)),
            Deadline::UsedToken(jti) => drop(self.used_tokens.remove(&jti)),
            Deadline::Guest(participant) => drop(self.guests.remove(&participant)),
            Deadline::Placing => self.placing_due(now),
            Deadline::Node(epoch) => self.node_due(now, epoch),
            Deadline::Retired(epoch) => self.retired_due(epoch),
            Deadline::EmptyRoom => self.forget(now),
            // What follows is noted at the end of the input.
            Deadline::Reload => {}
            Deadline::Recording(recording) => self.recording_due(now, &recording),
        }
    }

    /// Nobody came back to the empty room: its nodes are released and its rows deleted, but for bans and the like.
    fn forget(&mut self, now: UnixMillis) {
        if !self.members.is_empty() {
            return;
        }
        let epochs: Vec<u64> = self.assignments.keys().copied().collect();
        for epoch in epochs {
            self.end_assignment(epoch);
        }
        self.forget_chat();
        self.keep_judgements(now);
        self.forget_guests();
        self.meta.remove(&());
    }

    /// The room is gone: what its moderators decided is kept for a while.
    fn keep_judgements(&mut self, now: UnixMillis) {
        self.keep_bans(now);
        self.keep_standings(now);
        self.forget_departed();
    }

    /// Notes when the last participant left, and ends a recording that nobody will come back to.
    fn note_emptiness(&mut self, now: UnixMillis) {
        if !self.members.is_empty() {
            return;
        }
        if self.meta().is_some_and(|meta| meta.empty_since.is_none())
            && let Some(meta) = self.meta_mut()
        {
            meta.empty_since = Some(now);
        }
        let reload_until = self.meta().and_then(|meta| meta.reload_until);
        if reload_until.is_none_or(|until| until <= now) {
            self.end_recording(now);
        }
    }

    /// After a sleep: whose the open sockets are, and whose are gone.
    fn recognise_sockets(&mut self, now: UnixMillis) {
        let clients: Vec<_> =
            self.members.values().filter_map(|member| Some((member.socket?, member.id.clone()))).collect();
        for (socket, participant) in clients {
            match self.sockets.contains_key(&socket) {
                true => self.socket_is_client_of(socket, &participant),
                false => self.client_lost(&participant, socket, Absence::lost(now)),
            }
        }
        let nodes: Vec<_> =
            self.assignments.iter().filter_map(|(epoch, assignment)| Some((assignment.socket()?, *epoch))).collect();
        for (socket, epoch) in nodes {
            match self.sockets.contains_key(&socket) {
                true => self.socket_is_node_of(socket, epoch),
                false => self.node_lost(now, socket),
            }
        }
        if let Some(Placing::Asked { early: Some(early), .. }) = self.meta().and_then(|meta| meta.placing.as_ref()) {
            let socket = early.socket;
            match self.sockets.contains_key(&socket) {
                true => self.socket_waits(socket),
                false => self.node_lost(now, socket),
            }
        }
    }

    /// What everybody in it knows about the room.
    fn room_info(&self) -> RoomInfo {
        self.meta().map_or_else(RoomInfo::default, |meta| RoomInfo {
            locked: meta.locked,
            metadata: meta.metadata.clone(),
            participants_max: u32::try_from(meta.participants_max).unwrap_or(u32::MAX),
        })
    }

    fn meta(&self) -> Option<&Meta> {
        self.meta.get(&())
    }

    fn meta_mut(&mut self) -> Option<&mut Meta> {
        self.meta.get_mut(&())
    }
}
