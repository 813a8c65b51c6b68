//! Channels whose data the kernel may relay: the server names them to its shell, and takes each back in time.

use crate::allocation::AllocationId;
use crate::budget::SharedBudget;
use crate::output::Output;
use crate::server::{Now, TurnServer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// The data of one channel, between two UDP ends of one address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub client: SocketAddr,
    pub channel: u16,
    pub relay_port: u16,
    pub peer: SocketAddr,
    /// Of the user, for both directions.
    pub budget: SharedBudget,
}

/// The end of each direction of a [`Flow`]; `None` if its data is the server's to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    pub to_peer: Option<Instant>,
    pub to_client: Option<Instant>,
}

impl Until {
    fn next(self) -> Option<Instant> {
        self.to_peer.into_iter().chain(self.to_client).min()
    }
}

/// Flows as the shell knows them.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    known: BTreeMap<(AllocationId, u16), (Flow, Until)>,
    deadlines: BTreeSet<(Instant, AllocationId, u16)>,
}

impl Flows {
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, ..)| *at)
    }

    fn of(&self, id: AllocationId) -> Vec<u16> {
        self.known.range((id, 0)..=(id, u16::MAX)).map(|((_, number), _)| *number).collect()
    }

    fn is_due(&self, now: Instant) -> Option<(AllocationId, u16)> {
        self.deadlines.first().filter(|(at, ..)| *at <= now).map(|(_, id, number)| (*id, *number))
    }

    /// Replaces what is known of a channel; returns what it was.
    fn set(&mut self, key: (AllocationId, u16), wanted: Option<(Flow, Until)>) -> Option<(Flow, Until)> {
        let known = match wanted {
            Some(wanted) => self.known.insert(key, wanted),
            None => self.known.remove(&key),
        };
        let deadline = |it: Option<(Flow, Until)>| Some((it?.1.next()?, key.0, key.1));
        if let Some(before) = deadline(known) {
            self.deadlines.remove(&before);
        }
        self.deadlines.extend(deadline(wanted));
        known
    }
}

impl TurnServer {
    /// Tells the shell what changed about a channel's flow, if anything did.
    pub(crate) fn review_flow(&mut self, now: Now, id: AllocationId, number: u16) {
        let wanted = self.allocation(id).and_then(|allocation| allocation.flow(number, now.instant));
        let wanted =
            wanted.filter(|(flow, _)| self.is_elsewhere(flow.client.ip()) && self.is_elsewhere(flow.peer.ip()));
        self.set_flow(id, number, wanted);
    }

    /// The same for all channels of an allocation.
    pub(crate) fn review_flows(&mut self, now: Now, id: AllocationId) {
        let numbers = self.allocation(id).map(|allocation| allocation.channel_numbers()).unwrap_or_default();
        numbers.into_iter().for_each(|number| self.review_flow(now, id, number));
    }

    /// Takes back all flows of an allocation that ends.
    pub(crate) fn end_flows(&mut self, id: AllocationId) {
        self.flows.of(id).into_iter().for_each(|number| self.set_flow(id, number, None));
    }

    /// Takes back directions whose channel, permission or allocation has expired.
    pub(crate) fn expire_flows(&mut self, now: Now) {
        while let Some((id, number)) = self.flows.is_due(now.instant) {
            self.review_flow(now, id, number);
        }
    }

    fn set_flow(&mut self, id: AllocationId, number: u16, wanted: Option<(Flow, Until)>) {
        let known = self.flows.set((id, number), wanted);
        if known == wanted {
            return;
        }
        if let Some((flow, _)) = known.filter(|(flow, _)| wanted.is_none_or(|(wanted, _)| wanted != *flow)) {
            self.outputs.push_back(Output::Switch { flow, until: Until::default() });
        }
        if let Some((flow, until)) = wanted {
            self.outputs.push_back(Output::Switch { flow, until });
        }
    }

    /// False for this host and its links: packets to it do not leave through the interface where they came in.
    fn is_elsewhere(&self, ip: IpAddr) -> bool {
        let policy = &self.config.policy;
        let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        !(is_link_local || ip.is_loopback() || policy.own.contains(&ip) || policy.relayed.contains(&ip))
    }
}
