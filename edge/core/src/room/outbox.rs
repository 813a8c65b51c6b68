//! The messages and requests caused by one input, which leave only after the state has been handed to storage.

use crate::SocketId;
use crate::fleet::PlaceRequest;
use crate::room::asks::Answer;
use crate::storage::Changes;
use shared::control::{RecordingVerdict, RoomToNode};
use shared::signal::{EdgeToClient, LeaveReason, Reaction};
use shared::sorted::SortedSet;
use shared::{ErrorCode, Mid, ParticipantId, Region};

/// Side effects for the shell, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Written before any other output of this input is executed.
    Store(Changes),
    SendClient {
        socket: SocketId,
        message: EdgeToClient,
    },
    /// One message for several clients, so that it is serialised once.
    SendClients {
        /// Never empty.
        sockets: Vec<SocketId>,
        message: EdgeToClient,
    },
    /// Closes a client's socket; no [`Input::SocketClosed`] is needed for it.
    CloseClient {
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    SendNode {
        socket: SocketId,
        message: RoomToNode,
    },
    /// Closes a node's socket; no [`Input::SocketClosed`] is needed for it.
    CloseNode {
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    /// Asks the region's Fleet object; answered by [`Input::FleetAnswered`]. The room does not wait: further inputs may
    /// come first.
    AskFleet(PlaceRequest),
    /// Asks a region's Fleet object for the TURN nodes of all regions; answered by [`Input::TurnAnswered`].
    AskTurn {
        epoch: u64,
        region: Region,
    },
    /// Asks the platform for the time of the last ping on a client's socket; answered by [`Input::Heard`].
    AskHeard {
        socket: SocketId,
    },
    /// The answer to [`Input::RecordingReported`].
    AnswerReport {
        call: u64,
        verdict: RecordingVerdict,
        /// The key prefix of a deleted recording, under which the node may just have uploaded parts; the shell deletes
        /// them.
        leftovers: Option<String>,
    },
    Answer {
        request: u64,
        answer: Answer,
    },
}

/// The answer to a request that is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    /// For developers.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl ToString) -> Self {
        Self { code, message: message.to_string() }
    }
}

/// An error of one kind of request; its text is for developers.
pub(crate) trait Reason: std::fmt::Display {
    fn code(&self) -> ErrorCode;
}

impl<R: Reason> From<R> for Refusal {
    fn from(reason: R) -> Self {
        Self::new(reason.code(), reason)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) direct: Vec<Output>,
    /// Answers that contain the room's state after the input.
    pub(crate) replies: Vec<(ParticipantId, Reply)>,
    /// Tracks that are muted for their publisher, who knows their sections from the answers above.
    pub(crate) muted: Vec<Output>,
    pub(crate) left: Vec<(ParticipantId, LeaveReason)>,
    pub(crate) chat: Vec<u64>,
    pub(crate) reacted: Vec<(ParticipantId, Reaction)>,
    pub(crate) transport_dead: SortedSet<ParticipantId>,
    /// Participants whose node has lost its socket.
    pub(crate) node_away: SortedSet<ParticipantId>,
    /// Publishers of tracks whose watched layers changed.
    pub(crate) layers: SortedSet<(ParticipantId, Mid)>,
    /// Participants whose downlink limits other video than before.
    pub(crate) limits: SortedSet<ParticipantId>,
    /// Participants who cannot decode other video than before.
    pub(crate) undecodable: SortedSet<ParticipantId>,
    /// Assignments whose nodes get the complete state.
    pub(crate) welcomes: SortedSet<u64>,
    pub(crate) asks: Vec<PlaceRequest>,
    pub(crate) turn_asks: Vec<Output>,
    /// Queries for the time of a client's last ping.
    pub(crate) heard_asks: Vec<Output>,
    /// Answers to nodes that reported on recordings.
    pub(crate) verdicts: Vec<Output>,
    pub(crate) closes: Vec<Output>,
}

/// An answer that contains the room's state after the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Joined { in_reply_to: Option<u32> },
    Resumed { in_reply_to: Option<u32>, transport_dead: bool, chat_after: u64, revision: Option<u64> },
    Negotiated { in_reply_to: Option<u32> },
    PeerServers { in_reply_to: Option<u32> },
}

impl Reply {
    /// True if it contains a roster.
    pub(crate) const fn is_full(self) -> bool {
        match self {
            Self::Joined { .. } | Self::Resumed { .. } => true,
            Self::Negotiated { .. } | Self::PeerServers { .. } => false,
        }
    }

    /// True if it contains the participant's slots.
    pub(crate) const fn has_slots(self) -> bool {
        match self {
            Self::Joined { .. } | Self::Resumed { .. } | Self::Negotiated { .. } => true,
            Self::PeerServers { .. } => false,
        }
    }
}

impl Outbox {
    /// True if there is nothing but finished messages.
    pub(crate) fn is_only_direct(&self) -> bool {
        let Self {
            direct: _,
            replies,
            muted,
            left,
            chat,
            reacted,
            transport_dead,
            node_away,
            layers,
            limits,
            undecodable,
            welcomes,
            asks,
            turn_asks,
            heard_asks,
            verdicts,
            closes,
        } = self;
        let lists = [muted, turn_asks, heard_asks, verdicts, closes];
        lists.into_iter().all(Vec::is_empty)
            && (replies.is_empty() && left.is_empty() && chat.is_empty() && reacted.is_empty() && asks.is_empty())
            && [transport_dead, node_away, limits, undecodable].into_iter().all(SortedSet::is_empty)
            && (layers.is_empty() && welcomes.is_empty())
    }

    pub(crate) fn send_client(&mut self, socket: SocketId, message: EdgeToClient) {
        self.direct.push(Output::SendClient { socket, message });
    }

    pub(crate) fn send_node(&mut self, socket: SocketId, message: RoomToNode) {
        self.direct.push(Output::SendNode { socket, message });
    }

    pub(crate) fn done(&mut self, socket: SocketId, in_reply_to: Option<u32>) {
        self.send_client(socket, EdgeToClient::Done { in_reply_to });
    }

    pub(crate) fn refuse(&mut self, socket: SocketId, in_reply_to: Option<u32>, refusal: impl Into<Refusal>) {
        let Refusal { code, message } = refusal.into();
        self.send_client(socket, EdgeToClient::Error { in_reply_to, code, message });
    }
}
