//! The other regions: each Fleet object tells the others of its nodes, so that TURN nodes relay to the media nodes of
//! every region, and a room learns the TURN nodes near all of its participants from its own region.

use super::turn::TurnNode;
use super::{Fleet, Output};
use crate::random::{self, Random};
use serde::{Deserialize, Serialize};
use shared::sorted::SortedMap;
use shared::{Region, UnixMillis, limits};
use std::net::SocketAddr;

/// The URIs (RFC 7065) of TURN nodes, by region and node; the first of each region is the best.
pub type Relays = SortedMap<Region, Vec<Vec<String>>>;

/// The nodes of one region. Always complete, so that the newest replaces everything earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    pub region: Region,
    /// The addresses of its media nodes.
    pub media: Vec<SocketAddr>,
    /// The URIs of each TURN node that takes clients.
    pub turn: Vec<Vec<String>>,
}

/// Another region as last told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Abroad {
    pub(super) news: News,
    heard_at: UnixMillis,
}

impl Abroad {
    pub(super) fn forgotten_at(&self) -> UnixMillis {
        self.heard_at.plus_ms(limits::MEDIA_NODE_LINGER_MS)
    }
}

impl Fleet {
    /// This region's nodes, for the Fleet objects of the others.
    #[must_use]
    pub fn news(&self) -> News {
        let takes_clients = |node: &&TurnNode| !node.draining;
        let turn = self.turn_nodes.values().filter(takes_clients).map(|node| node.registration.urls.clone());
        News {
            region: self.region.clone(),
            media: self.own_addresses().into_iter().take(limits::MEDIA_ADDRESSES_TOLD_ABROAD_MAX).collect(),
            turn: turn.take(limits::TURN_NODES_TOLD_ABROAD_MAX).collect(),
        }
    }

    /// Notes the nodes of another region.
    pub(super) fn hear_abroad(&mut self, now: UnixMillis, mut news: News) {
        let is_known = self.abroad.contains(&news.region);
        if news.region == self.region || (!is_known && self.abroad.len() >= limits::REGIONS_MAX) {
            return;
        }
        news.media.truncate(limits::MEDIA_ADDRESSES_TOLD_ABROAD_MAX);
        news.turn.truncate(limits::TURN_NODES_TOLD_ABROAD_MAX);
        self.abroad.insert(news.region.clone(), Abroad { news, heard_at: now });
    }

    /// Removes regions whose Fleet object has been silent for so long that their nodes are unknown.
    pub(super) fn forget_abroad(&mut self, now: UnixMillis) {
        let over = self.abroad.iter().filter(|(_, abroad)| abroad.forgotten_at() <= now);
        let over: Vec<Region> = over.map(|(region, _)| region.clone()).collect();
        for region in over {
            self.abroad.remove(&region);
        }
    }

    /// Plans to tell the other regions about a change, together with those that follow within a moment.
    pub(super) fn note_changes(&mut self, now: UnixMillis) {
        let is_told = self.told.iter().any(|output| matches!(output, Output::Tell(_)));
        if !is_told && (!self.nodes.changed().is_empty() || !self.turn_nodes.changed().is_empty()) {
            let soon = now.plus_ms(limits::NEWS_GATHERED_MS);
            self.tell_at = Some(self.tell_at.map_or(soon, |at| at.min(soon)));
        }
    }

    /// The news, if it is time to tell it. It is repeated as long as the region has nodes.
    pub(super) fn news_due(&mut self, now: UnixMillis) -> Option<News> {
        self.tell_at.filter(|at| *at <= now)?;
        let has_nodes = !self.nodes.is_empty() || !self.turn_nodes.is_empty();
        self.tell_at = has_nodes.then(|| now.plus_ms(limits::NEWS_INTERVAL_MS));
        Some(self.news())
    }

    /// The TURN nodes for clients of every region: a few of each, of this region the less busy.
    pub fn relays(&mut self, now: UnixMillis) -> Relays {
        let mut relays: Relays = self
            .abroad
            .iter()
            .map(|(region, abroad)| (region.clone(), some_of(&abroad.news.turn, &mut self.random)))
            .collect();
        relays.insert(self.region.clone(), self.turn_nodes_for_client(now));
        relays.retain(|_, nodes| !nodes.is_empty());
        relays
    }
}

fn some_of(nodes: &[Vec<String>], random: &mut Random) -> Vec<Vec<String>> {
    let mut left: Vec<&Vec<String>> = nodes.iter().collect();
    let mut some = Vec::new();
    while some.len() < limits::TURN_NODES_PER_CLIENT && !left.is_empty() {
        let index = random::below(random, left.len() as u64);
        some.push(left.swap_remove(usize::try_from(index).unwrap_or(0)).clone());
    }
    some
}
