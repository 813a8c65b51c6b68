//! The node's side of its socket to the region's Fleet object.

use crate::shard::Shard;
use node_shell::fleet::{Member, Order};
use shared::control::{NodeLoad, NodeToFleet, TurnRegistration};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// Reports to the Fleet object and executes its orders. Without the socket, allocations still reach the media nodes
/// announced last.
pub(crate) struct TurnMember {
    pub(crate) registration: TurnRegistration,
    /// Media nodes from the configuration.
    pub(crate) media_nodes: BTreeSet<SocketAddr>,
    pub(crate) shards: Arc<[Shard]>,
    /// The number of media node addresses last announced by the Fleet object.
    pub(crate) named: watch::Sender<usize>,
}

impl Member for TurnMember {
    fn registration(&self) -> NodeToFleet {
        NodeToFleet::RegisterTurn(self.registration.clone())
    }

    fn load(&self) -> NodeLoad {
        load(&self.shards)
    }

    async fn obey(&self, order: Order) {
        match order {
            Order::SetMediaNodes(addresses) => {
                tracing::info!(addresses = addresses.len(), "media nodes changed");
                self.named.send_replace(addresses.len());
                let nodes: BTreeSet<SocketAddr> = addresses.into_iter().chain(self.media_nodes.clone()).collect();
                let nodes = Arc::new(nodes);
                self.shards.iter().for_each(|shard| shard.set_media_nodes(Arc::clone(&nodes)));
            }
            Order::Assign(_) => tracing::warn!("the edge sent a media node's message to this TURN node"),
        }
    }
}

fn load(shards: &[Shard]) -> NodeLoad {
    let mut load = NodeLoad::default();
    for report in shards.iter().map(Shard::report) {
        load.sessions = load.sessions.saturating_add(clamp(report.allocations as u64));
        load.packets_out_per_s = load.packets_out_per_s.saturating_add(clamp(report.datagrams_out_per_s));
        load.busiest_shard_permille = load.busiest_shard_permille.max(report.busy_permille);
    }
    load
}

fn clamp(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
