//! A participant: joins, knows who is there, receives, leaves.

use crate::peer::Peer;
use crate::publisher::Publisher;
use crate::receiver::ReceivedFrame;
use crate::signaling::Signaling;
use anyhow::{Context, bail};
use shared::signal::{ClientToEdge, EdgeToClient, ParticipantInfo, RecordingInfo, SlotInfo, TrackInfo, TrackSource};
use shared::{AttemptId, ErrorCode, ParticipantId, limits};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::http::Uri;
use webrtc::peer_connection::RTCPeerConnectionState;

/// The edge answers a join, and media comes up, within this time, or never.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);

/// How to join a room.
#[derive(Clone, Debug)]
pub struct Options {
    /// The room's socket, for instance `wss://rotunda.example.org/v1/rooms/daily/socket`.
    pub url: String,
    /// A join token for that room.
    pub token: String,
    /// What is published; empty for a listener.
    pub publish: Vec<TrackSource>,
    /// Receive slots of each kind.
    pub slots: usize,
}

impl Options {
    /// Publishes a microphone and a camera, and receives as much as a browser does.
    #[must_use]
    pub fn new(url: &str, token: &str) -> Self {
        Self {
            url: url.into(),
            token: token.into(),
            publish: vec![TrackSource::Microphone, TrackSource::Camera],
            slots: limits::SLOTS_PER_KIND_DEFAULT,
        }
    }
}

/// Something that happened in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody came, went, or changed: look at [`Robot::roster`].
    RosterChanged,
    /// A frame of somebody's track.
    Frame(ReceivedFrame),
    /// The room's recording is further than it was.
    Recording(RecordingInfo),
    /// The robot is no longer in the room.
    Removed(ErrorCode),
    /// The socket to the edge, or the media transport, was lost.
    Disconnected,
}

/// A client in a room.
pub struct Robot {
    signaling: Signaling,
    peer: Peer,
    participant: ParticipantId,
    roster: BTreeMap<ParticipantId, ParticipantInfo>,
    slots: Vec<SlotInfo>,
    ping: Interval,
}

impl Robot {
    /// Joins a room; returns when media is up.
    pub async fn join(options: &Options) -> anyhow::Result<Self> {
        timeout(JOIN_TIMEOUT, Self::try_join(options)).await.context("joining takes too long")?
    }

    async fn try_join(options: &Options) -> anyhow::Result<Self> {
        let local = local_address(&options.url).await?;
        let mut signaling = Signaling::connect(&options.url, &options.token).await?;
        let peer = Peer::new(local, &options.publish, options.slots).await?;
        let (offer, tracks) = peer.offer().await?;
        signaling.send(ClientToEdge::Join { attempt: attempt()?, offer, tracks }).await?;
        let (participant, answer, roster, slots) = joined(&mut signaling).await?;
        peer.answer(answer).await?;
        let roster = roster.into_iter().map(|info| (info.id.clone(), info)).collect();
        let mut ping = interval(Duration::from_millis(limits::PING_INTERVAL_MS));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut robot = Self { signaling, peer, participant, roster, slots, ping };
        robot.wait_for_media().await?;
        Ok(robot)
    }

    /// Who the robot is.
    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// Everybody in the room, the robot itself included.
    #[must_use]
    pub fn roster(&self) -> &BTreeMap<ParticipantId, ParticipantInfo> {
        &self.roster
    }

    /// Which track plays in which slot.
    #[must_use]
    pub fn slots(&self) -> &[SlotInfo] {
        &self.slots
    }

    /// Whose track a frame belongs to.
    #[must_use]
    pub fn track(&self, csrc: u32) -> Option<(&ParticipantInfo, &TrackInfo)> {
        let of = |info: &'_ ParticipantInfo| info.tracks.iter().position(|track| track.csrc == csrc);
        self.roster.values().find_map(|info| Some((info, info.tracks.get(of(info)?)?)))
    }

    /// What sends the robot's own media.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher { tracks: self.peer.tracks.clone() }
    }

    /// Waits for something to happen. May be cancelled.
    pub async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            tokio::select! {
                message = self.signaling.next() => match message? {
                    Some(message) => if let Some(event) = self.take(message) { return Ok(event) },
                    None => return Ok(Event::Disconnected),
                },
                Some(frame) = self.peer.frames.recv() => return Ok(Event::Frame(frame)),
                Ok(()) = self.peer.state.changed() => if is_over(*self.peer.state.borrow()) { return Ok(Event::Disconnected) },
                _ = self.ping.tick() => self.signaling.ping().await?,
            }
        }
    }

    /// Starts or stops the recording; what becomes of it is told by [`Event::Recording`].
    pub async fn record(&mut self, start: bool) -> anyhow::Result<()> {
        let request = if start { ClientToEdge::StartRecording {} } else { ClientToEdge::StopRecording {} };
        self.signaling.send(request).await.map(|_| ())
    }

    /// Leaves the room; returns when the edge knows.
    pub async fn leave(mut self) -> anyhow::Result<()> {
        let request = self.signaling.send(ClientToEdge::Leave {}).await?;
        let done = async {
            while let Some(message) = self.signaling.next().await? {
                if message == (EdgeToClient::Done { in_reply_to: Some(request) }) {
                    break;
                }
            }
            anyhow::Ok(())
        };
        timeout(JOIN_TIMEOUT, done).await.context("leaving takes too long")??;
        self.peer.close().await
    }

    async fn wait_for_media(&mut self) -> anyhow::Result<()> {
        loop {
            let state = *self.peer.state.borrow_and_update();
            match state {
                RTCPeerConnectionState::Connected => return Ok(()),
                state if is_over(state) => bail!("no media: the transport is {state}"),
                _under_way => {}
            }
            tokio::select! {
                changed = self.peer.state.changed() => changed.context("the transport ended")?,
                message = self.signaling.next() => {
                    if let Some(Event::Removed(code)) = self.take(message?.context("the edge closed the socket")?) {
                        bail!("removed: {code}");
                    }
                }
            }
        }
    }

    /// Takes note of news.
    fn take(&mut self, message: EdgeToClient) -> Option<Event> {
        match message {
            EdgeToClient::ParticipantJoined { participant } | EdgeToClient::ParticipantUpdated { participant } => {
                self.roster.insert(participant.id.clone(), participant);
                Some(Event::RosterChanged)
            }
            EdgeToClient::ParticipantLeft { participant, .. } => {
                self.roster.remove(&participant);
                Some(Event::RosterChanged)
            }
            EdgeToClient::SlotsChanged { slots } => {
                self.slots.retain(|slot| !slots.iter().any(|changed| changed.mid == slot.mid));
                self.slots.extend(slots);
                None
            }
            EdgeToClient::Removed { code, .. } | EdgeToClient::Refused { code } => Some(Event::Removed(code)),
            EdgeToClient::RecordingUpdated { recording } => Some(Event::Recording(recording)),
            EdgeToClient::TransportDead {} => Some(Event::Disconnected),
            EdgeToClient::Joined { .. }
            | EdgeToClient::Resumed { .. }
            | EdgeToClient::Negotiated { .. }
            | EdgeToClient::Done { .. }
            | EdgeToClient::Error { .. }
            | EdgeToClient::RoomUpdated { .. }
            | EdgeToClient::TrackMuted { .. }
            | EdgeToClient::Chat { .. }
            | EdgeToClient::Reacted { .. }
            | EdgeToClient::SectionsNeeded { .. } => None,
        }
    }
}

/// Waits until the edge has let the robot in.
async fn joined(
    signaling: &mut Signaling,
) -> anyhow::Result<(ParticipantId, String, Vec<ParticipantInfo>, Vec<SlotInfo>)> {
    loop {
        let message = signaling.next().await?.context("the edge closed the socket")?;
        if let EdgeToClient::Joined { participant, answer, roster, slots, .. } = message {
            return Ok((participant, answer, roster, slots));
        }
        if let EdgeToClient::Refused { code } | EdgeToClient::Error { code, .. } = message {
            bail!("refused: {code}");
        }
    }
}

fn is_over(state: RTCPeerConnectionState) -> bool {
    matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
}

/// The address of the interface that leads to the edge: also the one that leads to its media nodes.
async fn local_address(url: &str) -> anyhow::Result<IpAddr> {
    let url: Uri = url.parse().context("reading the room's URL")?;
    let host = url.host().context("the room's URL has no host")?.trim_matches(['[', ']']);
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("wss") { 443 } else { 80 });
    let edge =
        lookup_host((host, port)).await.context("looking up the edge")?.next().context("the edge has no address")?;
    let stream = TcpStream::connect(edge).await.context("connecting to the edge")?;
    Ok(stream.local_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip()))
}

/// A name for this try; a robot tries once.
fn attempt() -> anyhow::Result<AttemptId> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(AttemptId::parse(&format!("robot-{}-{}", std::process::id(), since.as_nanos()))?)
}
