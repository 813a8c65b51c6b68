//! Replaces the transport or the socket to the edge, as a browser does when its media node or the edge is lost.

use crate::arrival::Refused;
use crate::peer::Peer;
use crate::robot::{Options, Robot, is_over};
use crate::signaling::Signaling;
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

    /// Continues the session on another socket to the edge. True if the media node is gone as well, so that the transport
    /// must be renewed; a [`Refused`] error is final.
    pub async fn resume(&mut self) -> anyhow::Result<bool> {
        timeout(RENEW_TIMEOUT, self.try_resume()).await.context("resuming takes too long")?
    }

    async fn try_resume(&mut self) -> anyhow::Result<bool> {
        let mut signaling = Signaling::connect(&self.options.url, &self.options.token).await?;
        let (session, resume_token) = (self.session.clone(), self.resume_token.clone());
        signaling.send(ClientToEdge::Resume { session, resume_token, chat_after: None, revision: None }).await?;
        loop {
            match signaling.next().await?.context("the edge closed the socket")? {
                EdgeToClient::Resumed { resume_token, roster, slots, transport_dead, .. } => {
                    self.roster = roster.into_iter().map(|info| (info.id.clone(), info)).collect();
                    (self.signaling, self.resume_token, self.slots) = (signaling, resume_token, slots);
                    return Ok(transport_dead);
                }
                EdgeToClient::Refused { code } | EdgeToClient::Error { code, .. } => {
                    return Err(Refused { code }.into());
                }
                _earlier => {}
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
                EdgeToClient::Negotiated { in_reply_to, session, answer, slots, .. }
                    if in_reply_to == Some(request) =>
                {
                    self.session = session;
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
