//! The room's own row, and the progress of a new assignment.

use crate::SocketId;
use crate::room::state::calls::Call;
use crate::room::state::departures::Departures;
use crate::room::state::direct::Direct;
use crate::room::state::rules::Rules;
use serde::{Deserialize, Serialize};
use shared::json::tagged;
use shared::signal::{CallState, LeaveReason, RoomChange};
use shared::sorted::{SortedMap, SortedSet};
use shared::{NodeId, ParticipantId, SessionId, TrackId, UnixMillis, limits};

/// The Fleet object must answer within this time; it only reads its own memory, so a longer wait means a lost call.
const FLEET_TIMEOUT_MS: u64 = 5_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) participants_max: usize,
    /// The epoch of the newest requested assignment.
    pub(crate) epoch: u64,
    pub(crate) next_csrc: u32,
    /// Counts joins, which orders participants independently of clocks.
    pub(crate) next_order: u64,
    /// The assignment that new sessions go to.
    pub(crate) current: Option<u64>,
    pub(crate) placing: Option<Placing>,
    /// The number of assigned nodes in a row that never connected.
    pub(crate) silent_nodes: u32,
    pub(crate) empty_since: Option<UnixMillis>,
    /// A recording waits until this time for the last participant, who closed or reloaded the page.
    #[serde(default)]
    pub(crate) reload_until: Option<UnixMillis>,
    #[serde(default = "empty_timeout_ms_default")]
    pub(crate) empty_timeout_ms: u64,
    #[serde(default)]
    pub(crate) locked: bool,
    #[serde(default)]
    pub(crate) metadata: String,
    #[serde(default)]
    pub(crate) created_at: UnixMillis,
    /// The size of the audience as last told.
    #[serde(default)]
    pub(crate) audience: u32,
    /// The time at which a changed size is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audience_due: Option<UnixMillis>,
    /// Changes to the roster that have not been announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gathered: Option<Gathered>,
    /// While more microphones are open than a client has slots: those that are heard, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) heard: Vec<TrackId>,
    #[serde(default, skip_serializing_if = "Direct::is_unused")]
    pub(crate) direct: Direct,
    /// `None` if an earlier version stored the row.
    #[serde(default)]
    pub(crate) departures: Option<Departures>,
    #[serde(default)]
    pub(crate) call: Call,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms_max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) starts_at: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Rules::are_default")]
    pub(crate) rules: Rules,
    /// `None` if nobody with that role has joined, and if nobody could take it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<Host>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) spotlight: Vec<ParticipantId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) participant: ParticipantId,
    /// While the host is away: the time at which another participant becomes the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<UnixMillis>,
}

/// Changes to the roster that become one message, because in a large room each of them concerns many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gathered {
    since: UnixMillis,
    pub(crate) changed: SortedSet<ParticipantId>,
    pub(crate) left: SortedMap<ParticipantId, LeaveReason>,
}

impl Gathered {
    pub(crate) const fn new(since: UnixMillis) -> Self {
        Self { since, changed: SortedSet::new(), left: SortedMap::new() }
    }

    pub(crate) fn deadline(&self) -> UnixMillis {
        self.since.plus_ms(limits::PRESENCE_GATHERED_MS)
    }
}

const fn empty_timeout_ms_default() -> u64 {
    limits::EMPTY_ROOM_LIFETIME_MS
}

/// The progress of a new assignment.
#[tagged("state")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placing {
    /// The request to the Fleet object is pending.
    Asked { epoch: u64, since: UnixMillis, avoid: Vec<NodeId>, early: Option<EarlyHello> },
    /// No node was available.
    Retry { at: UnixMillis, avoid: Vec<NodeId> },
}

/// A node connected before the Fleet object's answer arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EarlyHello {
    pub(crate) socket: SocketId,
    pub(crate) node: NodeId,
    pub(crate) connected: Vec<SessionId>,
    #[serde(default)]
    pub(crate) reports_loudest: bool,
}

impl Meta {
    pub(crate) fn new(participants_max: usize, now: UnixMillis) -> Self {
        Self {
            participants_max,
            epoch: 0,
            next_csrc: 1,
            next_order: 0,
            current: None,
            placing: None,
            silent_nodes: 0,
            empty_since: None,
            reload_until: None,
            empty_timeout_ms: empty_timeout_ms_default(),
            locked: false,
            metadata: String::new(),
            created_at: now,
            audience: 0,
            audience_due: None,
            gathered: None,
            heard: Vec::new(),
            direct: Direct { participants_max: 0, number: 0, current: None, after: None },
            departures: Some(Departures::new(now.0)),
            call: Call::new(now),
            duration_ms_max: None,
            starts_at: None,
            rules: Rules::default(),
            host: None,
            spotlight: Vec::new(),
        }
    }
}

impl Meta {
    /// Takes over the changes to the room.
    pub(crate) fn change(&mut self, change: &RoomChange) {
        if let Some(locked) = change.locked {
            self.locked = locked;
        }
        if let Some(metadata) = &change.metadata {
            self.metadata.clone_from(metadata);
        }
        if let Some(max) = change.participants_max.and_then(|max| usize::try_from(max).ok()) {
            self.participants_max = max.clamp(1, limits::PARTICIPANTS_PER_ROOM_MAX);
        }
        if let Some(max) = change.peer_to_peer_max {
            self.direct.participants_max = max.min(limits::PEER_TO_PEER_MAX);
        }
        if let Some(ms) = change.empty_timeout_ms {
            self.empty_timeout_ms = ms.min(limits::EMPTY_TIMEOUT_MS_MAX);
        }
        if let Some(ms) = change.duration_ms_max {
            self.duration_ms_max = (ms != 0).then(|| ms.min(limits::CALL_MS_MAX));
        }
        let is_schedulable = matches!(self.call.state, CallState::Scheduled | CallState::Created);
        if let Some(at) = change.starts_at.filter(|_| is_schedulable) {
            self.starts_at = Some(at);
        }
        if let Some(spotlight) = &change.spotlight {
            self.spotlight.clone_from(spotlight);
        }
        self.rules.change(change);
    }

    /// The time at which the call ends by itself.
    pub(crate) fn ends_at(&self) -> Option<UnixMillis> {
        let started_at = self.call.started_at.filter(|_| !self.call.state.is_over())?;
        Some(started_at.plus_ms(self.duration_ms_max?))
    }
}

impl Placing {
    pub(crate) const fn deadline(&self) -> UnixMillis {
        match self {
            Self::Asked { since, .. } => since.plus_ms(FLEET_TIMEOUT_MS),
            Self::Retry { at, .. } => *at,
        }
    }
}
