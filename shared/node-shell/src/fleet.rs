//! The socket to the region's Fleet object: registers the node, reports its load and draining, and receives orders.

use crate::backoff::Backoff;
use crate::dial::dial;
use crate::link::{Link, LinkError};
use crate::settings::{EdgeUrl, Secret};
use shared::control::{Assignment, FleetToNode, NodeLoad, NodeToFleet};
use shared::{NodeId, Region, limits};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

const PATH: &str = "/v1/nodes/socket";

/// The node's standing with the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The Fleet object has accepted the registration.
    pub is_registered: bool,
    /// The Fleet object knows that the node is draining.
    pub has_announced_draining: bool,
}

/// Orders from the Fleet object to a registered node.
#[derive(Debug)]
pub enum Order {
    /// Serve this room.
    Assign(Box<Assignment>),
    /// The complete list of media node addresses.
    SetMediaNodes(Vec<SocketAddr>),
}

/// The parts that differ between media and TURN nodes.
pub trait Member: Send + Sync {
    fn registration(&self) -> NodeToFleet;

    /// How busy the node is.
    fn load(&self) -> NodeLoad;

    /// Executes an order.
    fn obey(&self, order: Order) -> impl Future<Output = ()> + Send;
}

/// Keeps the socket open. The node continues to work without it.
#[derive(Debug)]
pub struct FleetLink<M> {
    /// Addresses of the edge, tried in turn.
    pub edges: Vec<EdgeUrl>,
    pub node: NodeId,
    pub region: Region,
    pub token: Secret,
    /// The parts that differ between media and TURN nodes.
    pub member: M,
    /// Whether the node is draining.
    pub draining: watch::Receiver<bool>,
    /// Publishes the node's standing.
    pub standing: watch::Sender<Standing>,
    /// Seed for the jitter of retries.
    pub seed: u64,
}

impl<M: Member> FleetLink<M> {
    /// Connects and reconnects forever.
    pub async fn run(self) {
        let mut backoff = Backoff::new(self.seed);
        for edge in self.edges.iter().cycle() {
            match dial(&edge.join(PATH), &self.token).await {
                Ok(link) => {
                    let ended = self.serve(link, &mut backoff).await;
                    self.standing.send_modify(|standing| standing.is_registered = false);
                    tracing::warn!(reason = %ended, "the socket to the edge closed");
                }
                // A node that nobody can tell about its token must not give up: a new edge may know it.
                Err(error) if error.is_final() => tracing::error!(%error, "the edge refused this node"),
                Err(error) => tracing::warn!(%error, "connecting to the edge failed"),
            }
            sleep(backoff.next_wait()).await;
        }
    }

    async fn serve(&self, mut link: Link, backoff: &mut Backoff) -> LinkError {
        if let Err(error) = link.send(&self.member.registration()).await {
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
                    Ok(Ok(message)) => self.hear(message, backoff).await,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the edge sent an unreadable frame");
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                _ = heartbeat.tick() => link.send(&NodeToFleet::Heartbeat { load: self.member.load() }).await,
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

    async fn hear(&self, message: FleetToNode, backoff: &mut Backoff) -> Result<(), LinkError> {
        match message {
            FleetToNode::Registered {} => {
                backoff.reset();
                self.standing.send_modify(|standing| standing.is_registered = true);
                tracing::info!(node = %self.node, region = %self.region, "registered");
            }
            FleetToNode::Assign(assignment) => self.member.obey(Order::Assign(assignment)).await,
            FleetToNode::SetMediaNodes { addresses } => self.member.obey(Order::SetMediaNodes(addresses)).await,
            FleetToNode::Refused { code } => {
                tracing::error!(code = code.as_str(), "the edge refused this node");
                return Err(LinkError::Closed(Some(code.as_str().to_owned())));
            }
            FleetToNode::Error { code, message } => {
                tracing::warn!(code = code.as_str(), message, "the edge rejected a message");
            }
        }
        Ok(())
    }

    async fn announce(&self, link: &mut Link, is_draining: bool) -> Result<(), LinkError> {
        if is_draining {
            link.send(&NodeToFleet::Draining {}).await?;
            self.standing.send_modify(|standing| standing.has_announced_draining = true);
        }
        Ok(())
    }
}
