//! The socket to the region's Fleet object: registers, says how busy the node is, receives rooms.

use super::{Node, Notice, Standing};
use node_shell::backoff::Backoff;
use node_shell::dial::dial;
use node_shell::link::{Link, LinkError};
use shared::control::{FleetToNode, NodeRegistration, NodeToFleet};
use shared::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

const PATH: &str = "/v1/nodes/socket";

/// Keeps the socket open.
pub(super) struct FleetLink {
    node: Arc<Node>,
    notices: mpsc::Sender<Notice>,
    draining: watch::Receiver<bool>,
    standing: watch::Sender<Standing>,
}

impl FleetLink {
    pub(super) fn new(
        node: Arc<Node>,
        notices: mpsc::Sender<Notice>,
        draining: watch::Receiver<bool>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        Self { node, notices, draining, standing }
    }

    /// Dials, and dials again, for ever. Rooms that are served go on meanwhile: they have sockets of their own.
    pub(super) async fn run(mut self) {
        let node = Arc::clone(&self.node);
        let mut backoff = Backoff::new(node.seed);
        for edge in node.edges.iter().cycle() {
            match dial(&edge.join(PATH), &node.token).await {
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

    async fn serve(&mut self, mut link: Link, backoff: &mut Backoff) -> LinkError {
        let registration = NodeToFleet::Register(self.registration());
        if let Err(error) = link.send(&registration).await {
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
                    Ok(Ok(message)) => self.obey(message, backoff).await,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the fleet sent a frame that says nothing");
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                _ = heartbeat.tick() => link.send(&NodeToFleet::Heartbeat { load: self.node.load() }).await,
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

    async fn obey(&self, message: FleetToNode, backoff: &mut Backoff) -> Result<(), LinkError> {
        match message {
            FleetToNode::Registered {} => {
                backoff.reset();
                self.stand(|standing| standing.is_registered = true);
                tracing::info!(node = %self.node.id, region = %self.node.region, "registered");
            }
            FleetToNode::Refused { code } => {
                tracing::error!(code = code.as_str(), "the fleet refuses this node");
                return Err(LinkError::Closed(Some(code.as_str().to_owned())));
            }
            FleetToNode::Assign(assignment) => {
                // The receiver lives as long as this task's parent.
                let _ = self.notices.send(Notice::Assigned(Box::new(assignment))).await;
            }
            FleetToNode::SetMediaNodes { .. } => tracing::warn!("the fleet takes this node for a TURN node"),
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

    fn registration(&self) -> NodeRegistration {
        NodeRegistration {
            node: self.node.id.clone(),
            region: self.node.region.clone(),
            fingerprint: self.node.fingerprint,
            shards: self.node.candidates.clone(),
            sessions_max: self.node.sessions_max,
        }
    }
}
