//! Media that participants send to each other without a node.

use serde::{Deserialize, Serialize};
use shared::signal::DirectInfo;
use shared::sorted::SortedSet;
use shared::{AttemptId, ParticipantId, UnixMillis};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Direct {
    /// Rooms with more participants use a node; 0 in rooms that always do.
    pub(crate) participants_max: u32,
    /// The number of the latest attempt, which names its connections.
    pub(crate) number: u32,
    pub(crate) current: Option<Current>,
    /// No attempt begins earlier.
    pub(crate) after: Option<UnixMillis>,
}

/// The attempt that has begun; media also flows through the node until all participants report it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Current {
    /// In the order in which they joined: of two, the later one is polite. Another device is another peer.
    pub(crate) peers: Vec<(ParticipantId, AttemptId)>,
    /// Receive the media of all others.
    pub(crate) up: SortedSet<ParticipantId>,
}

impl Direct {
    pub(crate) fn is_unused(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn info(&self) -> Option<DirectInfo> {
        let current = self.current.as_ref()?;
        let participants = current.peers.iter().map(|(participant, _)| participant.clone()).collect();
        Some(DirectInfo { number: self.number, participants, up: current.up.len() == current.peers.len() })
    }

    /// Ends the attempt; the next one begins after `pause_ms` at the earliest.
    pub(crate) fn end(&mut self, now: UnixMillis, pause_ms: u64) {
        self.current = None;
        self.after = Some(now.plus_ms(pause_ms));
    }

    /// The time at which another attempt may begin.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        self.after
    }
}
