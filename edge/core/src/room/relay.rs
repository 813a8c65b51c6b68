//! TURN servers for clients: the nodes of the media node's region, and a credential for each answer.

use super::member::Member;
use super::{Output, Room};
use crate::fleet::Placement;
use serde::{Deserialize, Serialize};
use shared::signal::{IceServer, NegotiateReason};
use shared::turn_credential::{Credential, TurnPolicy, TurnUser};
use shared::{ParticipantId, Region, UnixMillis, limits};

/// The known TURN nodes in the region of an assignment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Relay {
    /// The region whose Fleet object can be asked.
    region: Option<Region>,
    urls: Vec<String>,
    /// When the Fleet object was asked last.
    asked_at: UnixMillis,
    /// Whether the answer is still pending.
    is_asked: bool,
}

impl Relay {
    pub(super) fn new(placement: &Placement, now: UnixMillis) -> Self {
        Self {
            region: Some(placement.region.clone()),
            urls: placement.turn_urls.clone(),
            asked_at: now,
            is_asked: false,
        }
    }
}

impl Room {
    /// The `RTCConfiguration.iceServers` for a participant.
    pub(super) fn ice_servers(&self, now: UnixMillis, participant: &ParticipantId) -> Vec<IceServer> {
        let mut servers = self.config.ice_servers.clone();
        let relay = self.assignment_of(participant).and_then(|epoch| Some(&self.assignments.get(&epoch)?.relay));
        let urls = relay.map(|relay| relay.urls.clone()).unwrap_or_default();
        // Without a key there is nothing to show to a TURN node, and most clients need none.
        if let Some(keys) = self.config.turn_keys.as_ref().filter(|_| !urls.is_empty()) {
            let user = TurnUser {
                expires_at: now.plus_ms(limits::TURN_CREDENTIAL_LIFETIME_MS),
                policy: TurnPolicy::Sfu,
                room: self.id.clone(),
                participant: participant.clone(),
            };
            let Credential { username, password } = keys.mint(&user);
            servers.push(IceServer { urls, username: Some(username), credential: Some(password) });
        }
        servers
    }

    /// Requests the TURN nodes after a participant got a list that may be stale.
    pub(super) fn refresh_relay(&mut self, now: UnixMillis, participant: &ParticipantId) {
        if self.config.turn_keys.is_none() {
            return;
        }
        let Some(epoch) = self.assignment_of(participant) else { return };
        let is_old = |relay: &Relay| now.since_ms(relay.asked_at) >= limits::TURN_NODES_FRESH_MS;
        let Some(relay) = self.assignments.get(&epoch).map(|assignment| &assignment.relay) else { return };
        let Some(region) = relay.region.clone().filter(|_| is_old(relay)) else { return };
        if let Some(assignment) = self.assignments.get_mut(&epoch) {
            (assignment.relay.asked_at, assignment.relay.is_asked) = (now, true);
        }
        self.news.turn_asks.push(Output::AskTurn { epoch, region });
    }

    /// Whether an offer must wait for the list of TURN nodes: a broken path to a living media node may be due to a lost
    /// TURN node, and the client would then try its next path through the same one.
    pub(super) fn awaits_relay(
        &mut self,
        now: UnixMillis,
        participant: &ParticipantId,
        reason: NegotiateReason,
    ) -> bool {
        let restarts = matches!(reason, NegotiateReason::IceRestart | NegotiateReason::TransportDead);
        let epoch = self.assignment_of(participant).filter(|epoch| restarts && self.usable() == Some(*epoch));
        let Some(epoch) = epoch else { return false };
        self.refresh_relay(now, participant);
        let is_late = |relay: &Relay| now.since_ms(relay.asked_at) >= limits::TURN_NODES_TIMEOUT_MS;
        let relay = self.assignments.get(&epoch).map(|assignment| &assignment.relay);
        relay.is_some_and(|relay| relay.is_asked && !is_late(relay))
    }

    pub(super) fn turn_answered(&mut self, now: UnixMillis, epoch: u64, urls: Vec<String>) {
        let Some(assignment) = self.assignments.get_mut(&epoch) else { return };
        (assignment.relay.urls, assignment.relay.is_asked) = (urls, false);
        let waits = |member: &&Member| member.restart.is_some() && self.assignment_of(&member.id) == Some(epoch);
        let waiting: Vec<ParticipantId> = self.members.values().filter(waits).map(|member| member.id.clone()).collect();
        for participant in waiting {
            self.restart_due(now, &participant);
        }
    }

    /// The current or future assignment of a participant.
    fn assignment_of(&self, participant: &ParticipantId) -> Option<u64> {
        let member = self.members.get(participant)?;
        let of_session = self.sessions.get(&member.session).and_then(|session| session.epoch);
        of_session.filter(|epoch| self.assignments.contains(epoch)).or_else(|| self.meta()?.current)
    }
}
