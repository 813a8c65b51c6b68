//! A participant: joins, tracks the roster, receives, leaves.

use crate::arrival::Arrival;
use crate::media_file::VideoCodec;
use crate::peer::Peer;
use crate::publisher::Publisher;
use crate::receiver::ReceivedFrame;
use crate::signaling::Signaling;
use anyhow::Context;
use shared::signal::{
    ClientToEdge, EdgeToClient, IceServer, ParticipantInfo, RecordingInfo, SlotInfo, TrackInfo, TrackSource,
};
use shared::{ErrorCode, Mid, ParticipantId, SessionId, limits};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::time::{Interval, timeout};
use webrtc::peer_connection::RTCPeerConnectionState;

/// A join must be answered and media connected within this time.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
pub struct Options {
    /// The room's socket, for instance `wss://rotunda.example.org/v1/rooms/daily/socket`.
    pub url: String,
    pub token: String,
    /// Empty for a listener.
    pub publish: Vec<TrackSource>,
    /// Supported video codecs; the first is used for publishing.
    pub video: Vec<VideoCodec>,
    /// Receive slots of each kind.
    pub slots: usize,
    /// If not empty, all media goes through these TURN servers.
    pub relays: Vec<IceServer>,
}

impl Options {
    /// Publishes a microphone and a camera, and receives as much as a browser does.
    #[must_use]
    pub fn new(url: &str, token: &str) -> Self {
        Self {
            url: url.into(),
            token: token.into(),
            publish: vec![TrackSource::Microphone, TrackSource::Camera],
            video: vec![VideoCodec::Vp8],
            slots: limits::SLOTS_PER_KIND_DEFAULT,
            relays: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Robot::roster`] has changed.
    RosterChanged,
    /// A frame of another participant's track.
    Frame(ReceivedFrame),
    /// The recording's state has changed.
    Recording(RecordingInfo),
    /// The robot is no longer in the room.
    Removed(ErrorCode),
    /// The socket to the edge, or the media transport, was lost.
    Disconnected,
}

pub struct Robot {
    pub(crate) options: Options,
    /// The address of the interface that leads to the edge.
    pub(crate) local: IpAddr,
    pub(crate) signaling: Signaling,
    pub(crate) peer: Peer,
    pub(crate) participant: ParticipantId,
    pub(crate) session: SessionId,
    /// The secret for the next resume.
    pub(crate) resume_token: String,
    pub(crate) roster: BTreeMap<ParticipantId, ParticipantInfo>,
    pub(crate) slots: Vec<SlotInfo>,
    pub(crate) undecodable: Vec<Mid>,
    pub(crate) ping: Interval,
    pub(crate) arrived_at: Option<Instant>,
}

impl Robot {
    /// Returns when media is connected.
    pub async fn join(options: &Options) -> anyhow::Result<Self> {
        timeout(JOIN_TIMEOUT, Self::try_join(options)).await.context("joining takes too long")?
    }

    async fn try_join(options: &Options) -> anyhow::Result<Self> {
        Arrival::open(options).await?.join().await?.connect().await
    }

    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// All participants, including the robot itself.
    #[must_use]
    pub fn roster(&self) -> &BTreeMap<ParticipantId, ParticipantInfo> {
        &self.roster
    }

    #[must_use]
    pub fn slots(&self) -> &[SlotInfo] {
        &self.slots
    }

    /// Slots whose video codec the robot does not support.
    #[must_use]
    pub fn undecodable(&self) -> &[Mid] {
        &self.undecodable
    }

    /// The publisher of the frame's track.
    #[must_use]
    pub fn track(&self, csrc: u32) -> Option<(&ParticipantInfo, &TrackInfo)> {
        let of = |info: &'_ ParticipantInfo| info.tracks.iter().position(|track| track.csrc == csrc);
        self.roster.values().find_map(|info| Some((info, info.tracks.get(of(info)?)?)))
    }

    /// The time at which the frame of the last [`Event::Frame`] arrived, which may be long ago.
    #[must_use]
    pub fn arrived_at(&self) -> Option<Instant> {
        self.arrived_at
    }

    /// Sends the robot's own media.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher { tracks: self.peer.tracks.clone() }
    }

    /// Waits for the next event. Cancel safe.
    pub async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            tokio::select! {
                message = self.signaling.next() => match message? {
                    Some(message) => if let Some(event) = self.take(message) { return Ok(event) },
                    None => return Ok(Event::Disconnected),
                },
                Some((at, frame)) = self.peer.frames.recv() => {
                    self.arrived_at = Some(at);
                    return Ok(Event::Frame(frame));
                }
                Ok(()) = self.peer.state.changed() => if is_over(*self.peer.state.borrow()) { return Ok(Event::Disconnected) },
                _ = self.ping.tick() => self.signaling.ping().await?,
            }
        }
    }

    /// Starts or stops the recording; [`Event::Recording`] reports its progress.
    pub async fn record(&mut self, start: bool) -> anyhow::Result<()> {
        let request = if start { ClientToEdge::StartRecording {} } else { ClientToEdge::StopRecording {} };
        self.signaling.send(request).await.map(|_| ())
    }

    /// Reports to the room whether a track is muted; the caller controls what is actually sent.
    pub async fn set_muted(&mut self, source: TrackSource, muted: bool) -> anyhow::Result<()> {
        let own = self.roster.get(&self.participant).context("the robot is not in its own roster")?;
        let track = own.tracks.iter().find(|track| track.source == source).context("no track of this source")?;
        let request = ClientToEdge::SetMuted { mid: track.mid.clone(), muted };
        self.signaling.send(request).await.map(|_| ())
    }

    /// Returns when the edge knows.
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

    pub(crate) fn take(&mut self, message: EdgeToClient) -> Option<Event> {
        match message {
            EdgeToClient::ParticipantJoined { participant } | EdgeToClient::ParticipantUpdated { participant } => {
                self.roster.insert(participant.id.clone(), participant);
                Some(Event::RosterChanged)
            }
            EdgeToClient::ParticipantLeft { participant, .. } => {
                self.roster.remove(&participant);
                Some(Event::RosterChanged)
            }
            EdgeToClient::RosterChanged { changed, left, .. } => {
                self.roster.extend(changed.into_iter().map(|participant| (participant.id.clone(), participant)));
                left.iter().for_each(|departure| drop(self.roster.remove(&departure.participant)));
                Some(Event::RosterChanged)
            }
            EdgeToClient::SlotsChanged { slots } => {
                self.slots.retain(|slot| !slots.iter().any(|changed| changed.mid == slot.mid));
                self.slots.extend(slots);
                None
            }
            EdgeToClient::VideoUndecodable { mids } => {
                self.undecodable = mids;
                None
            }
            EdgeToClient::Removed { code, .. } | EdgeToClient::Refused { code } => Some(Event::Removed(code)),
            EdgeToClient::RecordingUpdated { recording } => Some(Event::Recording(recording)),
            EdgeToClient::TransportDead {} => Some(Event::Disconnected),
            EdgeToClient::Joined { .. }
            | EdgeToClient::Resumed { .. }
            | EdgeToClient::Negotiated { .. }
            | EdgeToClient::Done { .. }
            | EdgeToClient::NodeAway {}
            | EdgeToClient::PeerServers { .. }
            | EdgeToClient::Sought { .. }
            | EdgeToClient::Signaled { .. }
            | EdgeToClient::Bans { .. }
            | EdgeToClient::Audience { .. }
            | EdgeToClient::GuestsWaiting { .. }
            | EdgeToClient::Error { .. }
            | EdgeToClient::RoomUpdated { .. }
            | EdgeToClient::TrackMuted { .. }
            | EdgeToClient::Chat { .. }
            | EdgeToClient::Reacted { .. }
            | EdgeToClient::SectionsNeeded { .. }
            | EdgeToClient::LayersWanted { .. }
            | EdgeToClient::VideoLimited { .. } => None,
        }
    }
}

pub(crate) fn is_over(state: RTCPeerConnectionState) -> bool {
    matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed)
}
