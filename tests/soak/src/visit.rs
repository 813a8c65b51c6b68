//! A light robot's way into a room: one offer, one answer, and the room's messages, which it ignores.

use anyhow::{Context, Result, bail};
use load::client::Client;
use load::crowd::Role;
use load::parameters::{ClientNumber, RTX_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE};
use media_core::session::dtls::Identity;
use robot::{Refused, Signaling};
use shared::rtp_parameters::{Fingerprint, IceParameters};
use shared::signal::{ClientToEdge, EdgeToClient, TrackIntent, TrackSource};
use shared::{AttemptId, Mid, limits};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

/// One that stays in the room until it is told to leave.
pub struct Visit {
    signaling: Signaling,
}

/// Joins; a [`Refused`] error comes from the edge itself.
pub async fn join(
    (url, token): (&str, &str),
    number: ClientNumber,
    role: Role,
    slots: usize,
    identity: &Identity,
) -> Result<(Visit, Client)> {
    let mut signaling = Signaling::connect_from(url, token, Some(address(number))).await?;
    let (ufrag, pwd) = (format!("load{:06}", number.0), format!("{:024}", number.0));
    let offer = offer(number, role, slots, &ufrag, &pwd, identity.fingerprint());
    let intent = TrackIntent { mid: Mid::parse("0")?, source: TrackSource::Camera, muted: false };
    let tracks = if role == Role::Publisher { vec![intent] } else { Vec::new() };
    let attempt = AttemptId::parse(&format!("load-{}", number.0))?;
    signaling.send(ClientToEdge::Join { attempt, offer, tracks }).await?;
    loop {
        match signaling.next().await?.context("the edge closed the socket")? {
            EdgeToClient::Joined { answer, .. } => {
                let (ice, node, fingerprint) = read(&answer, ufrag, pwd)?;
                let client = Client::with(ice, number.0, node, identity, fingerprint)?;
                return Ok((Visit { signaling }, client));
            }
            EdgeToClient::Refused { code } | EdgeToClient::Error { code, .. } => return Err(Refused { code }.into()),
            _earlier => {}
        }
    }
}

impl Visit {
    /// Waits until something else is over; the room may send the robot away before.
    pub async fn until<T>(&mut self, over: impl Future<Output = T>) -> Result<T> {
        tokio::pin!(over);
        loop {
            tokio::select! {
                done = &mut over => return Ok(done),
                message = self.signaling.next() => match message?.context("the edge closed the socket")? {
                    EdgeToClient::Removed { code, .. }
                    | EdgeToClient::Refused { code }
                    | EdgeToClient::Error { code, .. } => return Err(Refused { code }.into()),
                    _news => {}
                },
            }
        }
    }

    /// Ignores the room until `over`, then leaves it.
    pub async fn stay(mut self, mut over: oneshot::Receiver<()>) -> Result<()> {
        let mut ping = interval(Duration::from_millis(limits::PING_INTERVAL_MS));
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = &mut over => break,
                _ = ping.tick() => self.signaling.ping().await?,
                message = self.signaling.next() => match message?.context("the edge closed the socket")? {
                    EdgeToClient::Removed { code, .. } => bail!("removed: {code}"),
                    EdgeToClient::TransportDead {} => bail!("the node has given up the session"),
                    _news => {}
                },
            }
        }
        let request = self.signaling.send(ClientToEdge::Leave {}).await?;
        while let Some(message) = self.signaling.next().await? {
            if message == (EdgeToClient::Done { in_reply_to: Some(request) }) {
                break;
            }
        }
        Ok(())
    }
}

/// Robots stand for people at different addresses; the edge limits what one address may do.
fn address(number: ClientNumber) -> IpAddr {
    // RFC 2544 reserves 198.18.0.0/15 for benchmarks.
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + (number.0 & 0x1_ffff)).into()
}

/// One section that is published, or one for each track that is received.
fn offer(number: ClientNumber, role: Role, slots: usize, ufrag: &str, pwd: &str, fingerprint: Fingerprint) -> String {
    let count = if role == Role::Publisher { 1 } else { slots };
    let mut text = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
    for mid in 0..count {
        let _ = write!(text, " {mid}");
    }
    let (video, repairs) = (VP8_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE);
    for mid in 0..count {
        let direction = if role == Role::Publisher { "sendonly" } else { "recvonly" };
        let _ = write!(
            text,
            "\r\nm=video 9 UDP/TLS/RTP/SAVPF {video} {repairs}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\n\
             a=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\na=mid:{mid}\r\n\
             a={direction}\r\na=rtcp-mux\r\na=rtpmap:{video} VP8/90000\r\na=rtcp-fb:{video} nack\r\n\
             a=rtcp-fb:{video} nack pli\r\na=rtpmap:{repairs} rtx/90000\r\na=fmtp:{repairs} apt={video}"
        );
        if role == Role::Publisher {
            let (own, again) = (number.ssrc(), number.ssrc() + 1);
            let _ = write!(
                text,
                "\r\na=ssrc-group:FID {own} {again}\r\na=ssrc:{own} cname:load\r\na=ssrc:{again} cname:load"
            );
        }
    }
    text + "\r\n"
}

/// The transport in an answer.
fn read(answer: &str, client_ufrag: String, client_pwd: String) -> Result<(IceParameters, SocketAddr, Fingerprint)> {
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim).with_context(|| format!("an answer without {name}"))
    };
    let candidate: Vec<&str> = value("a=candidate:")?.split(' ').collect();
    let &[_, _, "udp", _, host, port, ..] = candidate.as_slice() else { bail!("the first candidate is {candidate:?}") };
    let node = SocketAddr::new(host.parse().context("a candidate's address")?, port.parse()?);
    let ice = IceParameters {
        node_ufrag: value("a=ice-ufrag:")?.to_owned(),
        node_pwd: value("a=ice-pwd:")?.to_owned(),
        client_ufrag,
        client_pwd,
    };
    Ok((ice, node, Fingerprint::parse(value("a=fingerprint:sha-256")?.trim())?))
}
