//! The room's sockets and their owners.

use crate::SocketId;
use shared::json::tagged;
use shared::token::{JoinClaims, TicketClaims};
use shared::trace::Trace;
use shared::{ParticipantId, Region, UnixMillis, limits};

/// The socket's state through hibernation (under 2 KiB of JSON); it never changes.
#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly all sockets are those of clients")]
pub enum Attachment {
    Client {
        socket: SocketId,
        opened_at: UnixMillis,
        claims: JoinClaims,
        /// The regions nearest to the client, at most [`limits::TURN_REGIONS_PER_CLIENT`]; empty if its place is unknown.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        near: Vec<Region>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Trace>,
    },
    /// A client admitted by its resume secret ([`Room::resumable`]), without a join token.
    Resuming {
        socket: SocketId,
        opened_at: UnixMillis,
        participant: ParticipantId,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        near: Vec<Region>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Trace>,
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

#[derive(Clone, Debug)]
pub(crate) struct Socket {
    pub(crate) kind: Kind,
    /// The regions nearest to a client.
    pub(crate) near: Vec<Region>,
    /// A client's.
    pub(crate) trace: Option<Trace>,
    opened_at: UnixMillis,
    /// True until the socket has identified itself.
    pub(crate) is_awaited: bool,
    /// A node's unreadable frames; those of clients count for the participant.
    pub(crate) strikes: u32,
}

impl Socket {
    pub(crate) fn new(kind: Kind, mut near: Vec<Region>, trace: Option<Trace>, opened_at: UnixMillis) -> Self {
        near.truncate(limits::TURN_REGIONS_PER_CLIENT);
        Self { kind, near, trace, opened_at, is_awaited: true, strikes: 0 }
    }

    /// The time by which the first frame is due.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        self.is_awaited.then(|| self.opened_at.plus_ms(limits::FIRST_FRAME_TIMEOUT_MS))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `participant` is `None` until it joins or resumes.
    Client { bearer: Bearer, participant: Option<ParticipantId> },
    /// `epoch` is `None` until it says hello.
    Node { claims: TicketClaims, epoch: Option<u64> },
}

/// The credential of a client's socket.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all sockets are opened with a token")]
pub(crate) enum Bearer {
    Token(JoinClaims),
    /// The participant's resume secret, which opens their session and nothing else.
    Secret(ParticipantId),
}

impl Bearer {
    pub(crate) const fn participant(&self) -> &ParticipantId {
        match self {
            Self::Token(claims) => &claims.sub,
            Self::Secret(participant) => participant,
        }
    }
}
