//! What the region's Fleet object hears of this node, and the rooms that it gives to it.

use super::{Node, Notice};
use node_shell::fleet::{Member, Order};
use shared::control::{NodeLoad, NodeRegistration, NodeToFleet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The node as the Fleet object sees it.
pub(super) struct MediaMember {
    pub(super) node: Arc<Node>,
    pub(super) notices: mpsc::Sender<Notice>,
}

impl Member for MediaMember {
    fn registration(&self) -> NodeToFleet {
        NodeToFleet::Register(NodeRegistration {
            node: self.node.id.clone(),
            region: self.node.region.clone(),
            fingerprint: self.node.fingerprint,
            shards: self.node.candidates.clone(),
            sessions_max: self.node.sessions_max,
        })
    }

    fn load(&self) -> NodeLoad {
        self.node.load()
    }

    async fn obey(&self, order: Order) {
        match order {
            Order::Assign(assignment) => {
                // The receiver lives as long as this task's parent.
                let _ = self.notices.send(Notice::Assigned(assignment)).await;
            }
            Order::SetMediaNodes(_) => tracing::warn!("the edge sent a TURN node's message to this media node"),
        }
    }
}
