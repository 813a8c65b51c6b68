//! The media transport: one peer connection with published sections and receive slots.

use crate::media_file::VideoCodec;
use crate::receiver::{self, Arrived};
use anyhow::Context;
use async_trait::async_trait;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_VP8};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use shared::Mid;
use shared::rtp_parameters::MediaKind;
use shared::signal::{IceServer, TrackIntent, TrackSource};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::static_sample::TrackLocalStaticSample;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceCandidateType, RTCIceConnectionState, RTCIceGatheringState, RTCIceServer, RTCIceTransportPolicy,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState, RTCSessionDescription, Registry, register_default_interceptors,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpTransceiver};

/// Browsers' usual payload types for these codecs.
const OPUS_PAYLOAD_TYPE: u8 = 111;
const VP8_PAYLOAD_TYPE: u8 = 96;
pub(crate) const H264_PAYLOAD_TYPE: u8 = 106;
/// Frames waiting for their receiver, for instance while it resumes; further ones are lost, as on a network.
const FRAMES_MAX: usize = 4_096;

pub(crate) struct LocalTrack {
    pub(crate) source: TrackSource,
    pub(crate) ssrc: u32,
    pub(crate) track: Arc<TrackLocalStaticSample>,
    transceiver: Arc<dyn RtpTransceiver>,
}

/// The state of the relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relay {
    Asked,
    Allocated,
    /// No relayed address will follow.
    Refused,
}

pub(crate) struct Peer {
    connection: Box<dyn PeerConnection>,
    pub(crate) tracks: Vec<Arc<LocalTrack>>,
    pub(crate) state: watch::Receiver<RTCPeerConnectionState>,
    /// Connected once packets pass, encrypted or not.
    pub(crate) ice: watch::Receiver<RTCIceConnectionState>,
    pub(crate) relay: watch::Receiver<Relay>,
    pub(crate) frames: mpsc::Receiver<Arrived>,
}

impl Peer {
    /// Creates a connection that publishes `sources` in the first of the `video` codecs, and has `slots` receive slots
    /// of each kind for all of them; over `relays` only, if there are any.
    pub(crate) async fn new(
        local: IpAddr,
        sources: &[TrackSource],
        slots: usize,
        relays: &[IceServer],
        video: &[VideoCodec],
    ) -> anyhow::Result<Self> {
        let mut engine = MediaEngine::default();
        engine.register_codec(opus(), RtpCodecKind::Audio).context("registering a codec")?;
        for codec in video {
            engine.register_codec(video_codec(*codec), RtpCodecKind::Video).context("registering a codec")?;
        }
        let interceptors = register_default_interceptors(Registry::new(), &mut engine).context("interceptors")?;
        let (state_changed, state) = watch::channel(RTCPeerConnectionState::New);
        let (ice_changed, ice) = watch::channel(RTCIceConnectionState::New);
        let (relay_changed, relay) = watch::channel(Relay::Asked);
        let (received, frames) = mpsc::channel(FRAMES_MAX);
        let handler = Handler { state: state_changed, ice: ice_changed, relay: relay_changed, received };
        let mut configuration = RTCConfigurationBuilder::new();
        if !relays.is_empty() {
            configuration = configuration
                .with_ice_servers(relays.iter().map(ice_server).collect())
                .with_ice_transport_policy(RTCIceTransportPolicy::Relay);
        }
        let connection = PeerConnectionBuilder::new()
            .with_configuration(configuration.build())
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_handler(Arc::new(handler))
            .with_udp_addrs(vec![SocketAddr::new(local, 0)])
            .build()
            .await
            .context("making a peer connection")?;
        let mut peer = Self { connection: Box::new(connection), tracks: Vec::new(), state, ice, relay, frames };
        for source in sources {
            peer.publish(*source, video.first().copied().unwrap_or_default()).await?;
        }
        for _ in 0..slots {
            peer.add_slot(RtpCodecKind::Audio).await?;
            peer.add_slot(RtpCodecKind::Video).await?;
        }
        Ok(peer)
    }

    /// Creates the offer of a join, and describes its published sections.
    pub(crate) async fn offer(&self) -> anyhow::Result<(String, Vec<TrackIntent>)> {
        let offer = self.connection.create_offer(None).await.context("making an offer")?;
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(offer).await.context("applying the offer")?;
        let mut intents = Vec::new();
        for track in &self.tracks {
            let mid = track.transceiver.mid().await.context("asking for a mid")?.context("a section without mid")?;
            intents.push(TrackIntent { mid: Mid::parse(&mid)?, source: track.source, muted: false });
        }
        Ok((sdp, intents))
    }

    pub(crate) async fn answer(&self, sdp: String) -> anyhow::Result<()> {
        let answer = RTCSessionDescription::answer(sdp).context("reading the answer")?;
        self.connection.set_remote_description(answer).await.context("applying the answer")
    }

    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        self.connection.close().await.context("closing the peer connection")
    }

    async fn publish(&mut self, source: TrackSource, video: VideoCodec) -> anyhow::Result<()> {
        let kind = kind_of(source);
        let codec = if kind == RtpCodecKind::Audio { opus() } else { video_codec(video) };
        let ssrc = random_ssrc();
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec: codec.rtp_codec,
            ..Default::default()
        };
        let name = format!("{source:?}").to_lowercase();
        let track = MediaStreamTrack::new("robot".into(), name.clone(), name, kind, vec![encoding]);
        let track = Arc::new(TrackLocalStaticSample::new(Instant::now(), track).context("making a track")?);
        let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Sendonly, ..Default::default() };
        let transceiver = self.connection.add_transceiver_from_track(Arc::clone(&track) as _, Some(init)).await;
        let transceiver = transceiver.context("adding a section to publish in")?;
        self.tracks.push(Arc::new(LocalTrack { source, ssrc, track, transceiver }));
        Ok(())
    }

    async fn add_slot(&self, kind: RtpCodecKind) -> anyhow::Result<()> {
        let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        self.connection.add_transceiver_from_kind(kind, Some(init)).await.context("adding a slot")?;
        Ok(())
    }
}

impl LocalTrack {
    /// The negotiated payload type.
    pub(crate) async fn payload_type(&self) -> anyhow::Result<u8> {
        let sender = self.transceiver.sender().await?.context("the section sends nothing")?;
        let parameters = sender.get_parameters().await?;
        Ok(parameters.rtp_parameters.codecs.first().context("no codec was negotiated")?.payload_type)
    }
}

/// Receives the connection's events.
struct Handler {
    state: watch::Sender<RTCPeerConnectionState>,
    ice: watch::Sender<RTCIceConnectionState>,
    relay: watch::Sender<Relay>,
    received: mpsc::Sender<Arrived>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        self.ice.send_replace(state);
    }

    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if event.candidate.typ == RTCIceCandidateType::Relay {
            self.relay.send_replace(Relay::Allocated);
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.relay.send_if_modified(|relay| {
                let is_over = *relay == Relay::Asked;
                if is_over {
                    *relay = Relay::Refused;
                }
                is_over
            });
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let kind = match track.kind().await {
            RtpCodecKind::Audio => MediaKind::Audio,
            // The library's kinds may grow; we requested these two.
            _ => MediaKind::Video,
        };
        tokio::spawn(receiver::read(track, kind, self.received.clone()));
    }
}

fn ice_server(server: &IceServer) -> RTCIceServer {
    RTCIceServer {
        urls: server.urls.clone(),
        username: server.username.clone().unwrap_or_default(),
        credential: server.credential.clone().unwrap_or_default(),
    }
}

/// RFC 3550 §8.1: random, so that two sources rarely collide.
fn random_ssrc() -> u32 {
    // The standard library's only source of randomness; the upper half is as random as the lower.
    (RandomState::new().build_hasher().finish() >> 32) as u32
}

fn kind_of(source: TrackSource) -> RtpCodecKind {
    match source {
        TrackSource::Microphone | TrackSource::ScreenAudio => RtpCodecKind::Audio,
        TrackSource::Camera | TrackSource::Screen => RtpCodecKind::Video,
    }
}

fn opus() -> RTCRtpCodecParameters {
    let rtp_codec = RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.into(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".into(),
        rtcp_feedback: vec![],
    };
    RTCRtpCodecParameters { rtp_codec, payload_type: OPUS_PAYLOAD_TYPE }
}

fn video_codec(codec: VideoCodec) -> RTCRtpCodecParameters {
    let (mime_type, payload_type, parameters) = match codec {
        VideoCodec::Vp8 => (MIME_TYPE_VP8, VP8_PAYLOAD_TYPE, ""),
        VideoCodec::H264 => (
            MIME_TYPE_H264,
            H264_PAYLOAD_TYPE,
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        ),
    };
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.into(), parameter: parameter.into() };
    let rtp_codec = RTCRtpCodec {
        mime_type: mime_type.into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: parameters.into(),
        rtcp_feedback: vec![feedback("nack", ""), feedback("nack", "pli"), feedback("ccm", "fir")],
    };
    RTCRtpCodecParameters { rtp_codec, payload_type }
}
