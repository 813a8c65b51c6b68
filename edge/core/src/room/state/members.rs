//! One participant: stored state, and requests that wait.

use crate::SocketId;
use crate::room::state::bans::Judge;
use crate::room::state::resume_secrets::ResumeSecrets;
use crate::room::state::slots::Slot;
use crate::room::state::standings::{self, Lost};
use crate::room::state::tracks::Track;
use serde::{Deserialize, Serialize};
use shared::signal::{LeaveReason, NegotiateReason, ParticipantChange, TrackIntent};
use shared::sorted::SortedMap;
use shared::token::{Attributes, Bandwidth, Grants};
use shared::trace::Trace;
use shared::{AttemptId, ParticipantId, Region, RoleName, SessionId, UnixMillis, limits, token};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: ParticipantId,
    pub(crate) name: String,
    pub(crate) grants: Grants,
    #[serde(default, skip_serializing_if = "RoleName::is_default")]
    pub(crate) role: RoleName,
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) attributes: Attributes,
    /// The token's grants, without a moderator's changes.
    #[serde(default, skip_serializing_if = "Grants::are_default")]
    pub(crate) token: Grants,
    /// The token's limits, or those that replace them.
    #[serde(default, skip_serializing_if = "Bandwidth::is_unlimited")]
    pub(crate) bandwidth: Bandwidth,
    /// True if the participant is counted instead of listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) audience: bool,
    /// True if the edge made the token for a guest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) guest: bool,
    /// Changes by a moderator or the application's server, which override the token.
    #[serde(default)]
    pub(crate) change: ParticipantChange,
    /// True if a guest decided the changed grants.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) changed_by_guest: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<Lost>,
    pub(crate) joined_at: UnixMillis,
    /// Lower numbers joined earlier.
    pub(crate) order: u64,
    /// The revision of the roster in which the participant was last changed; 0 if an earlier version stored the row.
    #[serde(default)]
    pub(crate) revision: u64,
    /// The client's id of its join.
    pub(crate) attempt: AttemptId,
    /// The code for a guest's address, kept while bans may need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The regions nearest to the participant, as last seen; empty if its place was never known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) near: Vec<Region>,
    /// Of its last attempt to join or resume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<Trace>,
    pub(crate) resume_secrets: ResumeSecrets,
    /// `None` while the participant is absent; `absence` has the details.
    pub(crate) socket: Option<SocketId>,
    pub(crate) absence: Option<Absence>,
    /// True once `joined` was sent; before that, the participant receives nothing else.
    pub(crate) answered: bool,
    pub(crate) session: SessionId,
    /// True once media was connected, so that its absence counts as a loss.
    pub(crate) was_connected: bool,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) view: Vec<ParticipantId>,
    /// Heights of the tiles in the view; `None` if the client does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) view_lines: Option<SortedMap<ParticipantId, u16>>,
    /// The number of slots per kind last requested from the client.
    pub(crate) sections_asked: (u8, u8),
    /// `None` while the hand is down.
    #[serde(default)]
    pub(crate) hand_raised_at: Option<UnixMillis>,
    /// Start of the time without media while the socket is open, or the last `ping` in it.
    #[serde(default)]
    pub(crate) silent_since: Option<UnixMillis>,
    /// The time of the participant's last report of a dead transport.
    pub(crate) dead_at: Option<UnixMillis>,
    /// An ICE restart that waits for the list of TURN nodes or for another report of a dead node.
    #[serde(default)]
    pub(crate) restart: Option<Restart>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absence {
    pub(crate) since: UnixMillis,
    #[serde(default)]
    pub(crate) socket: Option<SocketId>,
    /// The page is gone: the participant returns soon, by a reload, or not at all.
    pub(crate) page_closed: bool,
}

impl Absence {
    /// An absence without any close frame.
    pub(crate) fn lost(since: UnixMillis, socket: SocketId) -> Self {
        Self { since, socket: Some(socket), page_closed: false }
    }

    /// The end of the time for returning.
    pub(crate) fn ends_at(self) -> UnixMillis {
        self.since.plus_ms(if self.page_closed { limits::RELOAD_WINDOW_MS } else { limits::RESUME_WINDOW_MS })
    }

    pub(crate) fn reason(self) -> LeaveReason {
        if self.page_closed { LeaveReason::Left } else { LeaveReason::TimedOut }
    }
}

/// A pending ICE restart.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restart {
    pub(crate) request: Renegotiation,
    pub(crate) since: UnixMillis,
    /// It is the only report of a dead node, and waits for another one instead.
    #[serde(default)]
    pub(crate) alone: bool,
}

impl Restart {
    /// The time at which it is answered with the known TURN nodes, or as the only report.
    pub(crate) fn answered_at(&self) -> UnixMillis {
        self.since.plus_ms(limits::TURN_NODES_TIMEOUT_MS)
    }
}

/// A further offer as received.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Renegotiation {
    pub(crate) in_reply_to: Option<u32>,
    pub(crate) offer: String,
    pub(crate) intents: Vec<TrackIntent>,
    pub(crate) reason: NegotiateReason,
}

impl Member {
    /// True for participants whom everybody must know.
    pub(crate) fn is_noticed(&self) -> bool {
        !self.grants.hidden && self.has_a_part()
    }

    fn has_a_part(&self) -> bool {
        self.grants.publish || self.grants.moderate || self.hand_raised_at.is_some() || !self.tracks.is_empty()
    }

    pub(crate) const fn may_admit(&self) -> bool {
        self.grants.moderate || self.grants.admit
    }

    /// The authority of this participant's decisions about others.
    pub(crate) fn judge(&self) -> Judge {
        // Rows stored before the field existed reveal it by the address or the id.
        let is_guest = self.guest || self.from.is_some() || token::is_guest_id(&self.id);
        // A moderator by the decision of a guest has no more authority than the guest.
        let by_guest = || self.changed_by_guest && !standings::unchanged_grants(self.lost, self.token).moderate;
        if is_guest || by_guest() { Judge::Guest } else { Judge::Application }
    }
}

/// A request that waits for a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) in_reply_to: Option<u32>,
    /// True for the `join`.
    pub(crate) first: bool,
    /// True if the offer comes from a connection that has never been answered.
    pub(crate) new_connection: bool,
    pub(crate) session: SessionId,
    pub(crate) tracks: Vec<Track>,
}

impl Member {
    /// The time by which a participant without media must send `ping`.
    pub(crate) fn silence_deadline(&self) -> Option<UnixMillis> {
        self.socket.and(self.silent_since).map(|since| since.plus_ms(limits::CLIENT_SILENCE_MS))
    }
}
