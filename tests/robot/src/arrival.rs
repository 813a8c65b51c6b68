//! A join, stage by stage.

use crate::peer::{Peer, Relay};
use crate::robot::{Event, Options, Robot, is_over};
use crate::signaling::Signaling;
use anyhow::{Context, bail};
use shared::signal::{ClientToEdge, EdgeToClient, IceServer};
use shared::{AttemptId, ErrorCode, limits};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::http::Uri;
use webrtc::peer_connection::{RTCIceConnectionState, RTCPeerConnectionState};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {code}")]
pub struct Refused {
    pub code: ErrorCode,
}

/// The socket to the edge is open.
pub struct Arrival {
    options: Options,
    local: IpAddr,
    signaling: Signaling,
}

/// The room has admitted the robot; media is connecting.
pub struct Admission {
    robot: Robot,
    offer: String,
    answer: String,
    ice_servers: Vec<IceServer>,
}

impl Arrival {
    pub async fn open(options: &Options) -> anyhow::Result<Self> {
        let local = local_address(&options.url).await?;
        let signaling = Signaling::connect(&options.url, &options.token).await?;
        Ok(Self { options: options.clone(), local, signaling })
    }

    /// Joins; a [`Refused`] error comes from the edge itself.
    pub async fn join(mut self) -> anyhow::Result<Admission> {
        let Options { publish, slots, relays, video, .. } = &self.options;
        let peer = Peer::new(self.local, publish, *slots, relays, video).await?;
        let (offer, tracks) = peer.offer().await?;
        self.signaling.send(ClientToEdge::Join { attempt: attempt()?, offer: offer.clone(), tracks }).await?;
        loop {
            let message = self.signaling.next().await?.context("the edge closed the socket")?;
            if let EdgeToClient::Joined {
                participant, session, resume_token, answer, roster, slots, ice_servers, ..
            } = message
            {
                peer.answer(answer.clone()).await?;
                let roster = roster.into_iter().map(|info| (info.id.clone(), info)).collect();
                let mut ping = interval(Duration::from_millis(limits::PING_INTERVAL_MS));
                ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let Self { options, local, signaling } = self;
                let undecodable = Vec::new();
                let robot = Robot {
                    options,
                    local,
                    signaling,
                    peer,
                    participant,
                    session,
                    resume_token,
                    roster,
                    slots,
                    undecodable,
                    ping,
                    arrived_at: None,
                };
                return Ok(Admission { robot, offer, answer, ice_servers });
            }
            if let EdgeToClient::Refused { code } | EdgeToClient::Error { code, .. } = message {
                return Err(Refused { code }.into());
            }
        }
    }
}

impl Admission {
    /// The robot's SDP offer.
    #[must_use]
    pub fn offer(&self) -> &str {
        &self.offer
    }

    /// The edge's SDP answer.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// The TURN servers that the edge offers, with credentials.
    #[must_use]
    pub fn ice_servers(&self) -> &[IceServer] {
        &self.ice_servers
    }

    /// Waits until one of the relays serves the robot.
    pub async fn wait_for_relay(&mut self) -> anyhow::Result<()> {
        let relay = self.robot.peer.relay.wait_for(|relay| *relay != Relay::Asked).await;
        match *relay.context("the transport ended")? {
            Relay::Allocated => Ok(()),
            Relay::Asked | Relay::Refused => bail!("no relayed address was given"),
        }
    }

    /// Waits until packets pass between the robot and the media node, encrypted or not.
    pub async fn wait_for_ice(&mut self) -> anyhow::Result<()> {
        use RTCIceConnectionState::{Closed, Completed, Connected, Failed};
        let ended = |state: RTCIceConnectionState| matches!(state, Connected | Completed | Failed | Closed);
        match *self.robot.peer.ice.wait_for(|state| ended(*state)).await.context("the transport ended")? {
            state @ (Failed | Closed) => bail!("the ICE transport is {state}"),
            _connected => Ok(()),
        }
    }

    /// Waits until media can flow.
    pub async fn connect(self) -> anyhow::Result<Robot> {
        let mut robot = self.robot;
        loop {
            let state = *robot.peer.state.borrow_and_update();
            match state {
                RTCPeerConnectionState::Connected => return Ok(robot),
                state if is_over(state) => bail!("no media: the transport is {state}"),
                _under_way => {}
            }
            tokio::select! {
                changed = robot.peer.state.changed() => changed.context("the transport ended")?,
                message = robot.signaling.next() => {
                    if let Some(Event::Removed(code)) = robot.take(message?.context("the edge closed the socket")?) {
                        bail!("removed: {code}");
                    }
                }
            }
        }
    }
}

/// The servers' addresses that a robot can use: TURN over UDP.
#[must_use]
pub fn relays_over_udp(servers: &[IceServer]) -> Vec<IceServer> {
    let is_udp = |url: &String| url.starts_with("turn:") && !url.ends_with("?transport=tcp");
    let over_udp = |server: &IceServer| IceServer {
        urls: server.urls.iter().filter(|url| is_udp(url)).cloned().collect(),
        ..server.clone()
    };
    servers.iter().map(over_udp).filter(|server| !server.urls.is_empty()).collect()
}

/// The address of the interface that leads to the edge, and presumably to its media nodes.
async fn local_address(url: &str) -> anyhow::Result<IpAddr> {
    let url: Uri = url.parse().context("reading the room's URL")?;
    let host = url.host().context("the room's URL has no host")?.trim_matches(['[', ']']);
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("wss") { 443 } else { 80 });
    let edge =
        lookup_host((host, port)).await.context("looking up the edge")?.next().context("the edge has no address")?;
    let stream = TcpStream::connect(edge).await.context("connecting to the edge")?;
    Ok(stream.local_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip()))
}

/// A random name for this attempt; a robot tries once.
fn attempt() -> anyhow::Result<AttemptId> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(AttemptId::parse(&format!("robot-{}-{}", std::process::id(), since.as_nanos()))?)
}
