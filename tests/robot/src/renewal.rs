//! Replaces the transport, as a browser does when its media node is lost.

use crate::arrival::Refused;
use crate::peer::Peer;
use crate::robot::{Options, Robot, is_over};
use anyhow::{Context, bail};
use shared::signal::{ClientToEdge, EdgeToClient, NegotiateReason, TrackIntent};
use std::time::Duration;
use tokio::time::timeout;
use webrtc::peer_connection::RTCPeerConnectionState;

/// A new media node must be found and connected within this time.
const RENEW_TIMEOUT: Duration = Duration::from_secs(15);

impl Robot {
    /// Reports to the room that the media node is silent, so that it looks for another one.
    pub async fn report_dead(&mut self) -> anyhow::Result<()> {
        let (offer, tracks) = self.peer.offer().await?;
        // The crate `webrtc` cannot move a connection to another node, so the answer is ignored.
        let asked = self.negotiate(offer, tracks, NegotiateReason::TransportDead);
        timeout(RENEW_TIMEOUT, asked).await.context("no other node is found")?.map(|_| ())
    }

    /// Creates a new transport to the node that serves the room; returns when media is connected. Sending needs a new
    /// [`Self::publisher`].
    pub async fn renew(&mut self) -> anyhow::Result<()> {
        timeout(RENEW_TIMEOUT, self.try_renew()).await.context("a new transport takes too long")?
    }

    async fn try_renew(&mut self) -> anyhow::Result<()> {
        let Options { publish, slots, relays, video, .. } = &self.options;
        let peer = Peer::new(self.local, publish, *slots, relays, video).await?;
        let (offer, tracks) = peer.offer().await?;
        let answer = self.negotiate(offer, tracks, NegotiateReason::NewTransport).await?;
        peer.answer(answer).await?;
        std::mem::replace(&mut self.peer, peer).close().await?;
        loop {
            let state = *self.peer.state.borrow_and_update();
            match state {
                RTCPeerConnectionState::Connected => return Ok(()),
                state if is_over(state) => bail!("no media: the transport is {state}"),
                _under_way => self.peer.state.changed().await.context("the transport ended")?,
            }
        }
    }

    /// Sends an offer and waits for the answer; handles messages that arrive before it.
    async fn negotiate(
        &mut self,
        offer: String,
        tracks: Vec<TrackIntent>,
        reason: NegotiateReason,
    ) -> anyhow::Result<String> {
        let request = self.signaling.send(ClientToEdge::Negotiate { offer, tracks, reason }).await?;
        loop {
            let message = self.signaling.next().await?.context("the edge closed the socket")?;
            match message {
                EdgeToClient::Negotiated { in_reply_to, answer, slots, .. } if in_reply_to == Some(request) => {
                    self.slots = slots;
                    return Ok(answer);
                }
                EdgeToClient::Error { in_reply_to, code, .. } if in_reply_to == Some(request) => {
                    return Err(Refused { code }.into());
                }
                news => {
                    self.take(news);
                }
            }
        }
    }
}
