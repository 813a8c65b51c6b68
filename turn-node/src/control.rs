//! The socket to the region's Fleet object: says where the node is and how busy, and hears where media nodes are.

use crate::config::Edge;
use crate::shard::Shard;
use node_shell::backoff::Backoff;
use node_shell::dial::dial;
use node_shell::link::{Link, LinkError};
use shared::control::{FleetToNode, NodeLoad, NodeToFleet, TurnRegistration};
use shared::limits;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

const PATH: &str = "/v1/nodes/socket";

/// What the edge knows about us, and we of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The Fleet object has said yes.
    pub(crate) is_registered: bool,
    /// The Fleet object was told that we will stop.
    pub(crate) has_announced_draining: bool,
    /// Addresses of media nodes that it named last.
    pub(crate) media_nodes: usize,
}

/// Keeps the socket open. What is allocated goes on without it, towards the media nodes that were named last.
pub(crate) struct Control {
    /// Where the edge is, and who we are there.
    pub(crate) edge: Edge,
    /// Allocations that the node takes.
    pub(crate) allocations_max: u32,
    /// Media nodes that the configuration names.
    pub(crate) media_nodes: BTreeSet<SocketAddr>,
    /// The shards.
    pub(crate) shards: Arc<[Shard]>,
    /// Whether we are about to stop.
    pub(crate) draining: watch::Receiver<bool>,
    /// What is told about all this.
    pub(crate) standing: watch::Sender<Standing>,
    /// Seed of the spread of retries.
    pub(crate) seed: u64,
}

impl Control {
    /// Dials, and dials again, for ever.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(self.seed);
        for edge in self.edge.urls.iter().cycle() {
            match dial(&edge.join(PATH), &self.edge.token).await {
                Ok(link) => {
                    let ended = self.serve(link, &mut backoff).await;
                    self.stand(|standing| standing.is_registered = false);
                    tracing::warn!(reason = %ended, "the fleet's socket ended");
                }
                // A node that nobody can tell about its token must not give up: a new edge may know it.
                Err(error) if error.is_final() => tracing::error!(%error, "the edge refuses this node"),
                Err(error) => tracing::warn!(%error, "dialling the fleet failed"),
            }
            sleep(backoff.next_wait()).await;
        }
    }

    async fn serve(&self, mut link: Link, backoff: &mut Backoff) -> LinkError {
        if let Err(error) = link.send(&NodeToFleet::RegisterTurn(self.registration())).await {
            return error;
        }
        let mut heartbeat = interval(Duration::from_millis(limits::HEARTBEAT_INTERVAL_MS));
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining = self.draining.clone();
        // A socket that is opened while draining says so again.
        draining.mark_changed();
        loop {
            let sent = tokio::select! {
                frame = link.next::<FleetToNode>() => match frame {
                    Ok(Ok(message)) => self.obey(message, backoff),
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the fleet sent a frame that says nothing");
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                _ = heartbeat.tick() => link.send(&NodeToFleet::Heartbeat { load: load(&self.shards) }).await,
                Ok(()) = draining.changed() => {
                    let is_draining = *draining.borrow_and_update();
                    self.announce(&mut link, is_draining).await
                }
            };
            if let Err(error) = sent {
                return error;
            }
        }
    }

    fn obey(&self, message: FleetToNode, backoff: &mut Backoff) -> Result<(), LinkError> {
        match message {
            FleetToNode::Registered {} => {
                backoff.reset();
                self.stand(|standing| standing.is_registered = true);
                tracing::info!(node = %self.edge.node, region = %self.edge.region, "registered");
            }
            FleetToNode::SetMediaNodes { addresses } => {
                tracing::info!(addresses = addresses.len(), "media nodes changed");
                self.stand(|standing| standing.media_nodes = addresses.len());
                let nodes: BTreeSet<SocketAddr> = addresses.into_iter().chain(self.media_nodes.clone()).collect();
                let nodes = Arc::new(nodes);
                self.shards.iter().for_each(|shard| shard.set_media_nodes(Arc::clone(&nodes)));
            }
            FleetToNode::Refused { code } => {
                tracing::error!(code = code.as_str(), "the fleet refuses this node");
                return Err(LinkError::Closed(Some(code.as_str().to_owned())));
            }
            FleetToNode::Assign(_) => tracing::warn!("the fleet takes this node for a media node"),
            FleetToNode::Error { code, message } => {
                tracing::warn!(code = code.as_str(), message, "the fleet did not understand us");
            }
        }
        Ok(())
    }

    async fn announce(&self, link: &mut Link, is_draining: bool) -> Result<(), LinkError> {
        if is_draining {
            link.send(&NodeToFleet::Draining {}).await?;
            self.stand(|standing| standing.has_announced_draining = true);
        }
        Ok(())
    }

    fn stand(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_modify(change);
    }

    fn registration(&self) -> TurnRegistration {
        TurnRegistration {
            node: self.edge.node.clone(),
            region: self.edge.region.clone(),
            urls: self.edge.turn_urls.clone(),
            allocations_max: self.allocations_max,
        }
    }
}

/// How busy the node is.
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
