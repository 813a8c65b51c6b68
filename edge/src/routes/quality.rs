//! `/v1/nodes/quality`: writes a log line for each session in a node's quality report.

use super::api::body;
use super::{Arrival, RouteError};
use crate::refusal::Refusal;
use crate::{auth, log};
use shared::control::{QualityReport, SessionQuality, TrackQuality};
use shared::rtp_parameters::Flow;
use shared::{ErrorCode, NodeId, json, limits};
use worker::Response;

const TOO_LARGE: Refusal = Refusal::new(ErrorCode::FrameTooLarge, "the report is too large");

/// `POST /v1/nodes/quality`.
pub(super) async fn report(mut arrival: Arrival<'_>) -> Result<Response, RouteError> {
    let claims = auth::node(&arrival.request, arrival.env)?;
    let body = body::collect_text(&mut arrival, limits::QUALITY_REPORT_BYTES_MAX, &TOO_LARGE).await?;
    let report: QualityReport =
        json::from_str(&body).map_err(|_| Refusal::new(ErrorCode::InvalidMessage, "expected {sessions}"))?;
    if report.sessions.len() > limits::QUALITY_SESSIONS_PER_REPORT {
        return Err(Refusal::new(ErrorCode::InvalidMessage, "too many sessions for one report").into());
    }
    for session in &report.sessions {
        write(&arrival.request_id, &claims.sub, session);
    }
    Ok(Response::from_json(&serde_json::json!({ "sessions": report.sessions.len() }))?)
}

/// One line, with the tracks of each direction added up.
fn write(request: &str, node: &NodeId, session: &SessionQuality) {
    let unknown = || "unknown".to_owned();
    let round_trip_ms = session.round_trip_ms.map_or_else(unknown, |ms| ms.to_string());
    let estimate_bps = session.estimate_bps.map_or_else(unknown, |bps| bps.to_string());
    let [sent, received] = [Flow::ClientToNode, Flow::NodeToClient].map(|flow| Total::of(&session.tracks, flow));
    let fields: [(&str, &dyn std::fmt::Display); 19] = [
        ("request", &request),
        ("node", node),
        ("room", &session.room),
        ("session", &session.session),
        ("participant", &session.participant),
        ("interval_ms", &session.interval_ms),
        ("grade", &session.grade.label()),
        ("round_trip_ms", &round_trip_ms),
        ("estimate_bps", &estimate_bps),
        ("sent_bps", &sent.bitrate_bps),
        ("sent_lost_percent", &sent.lost_percent()),
        ("received_bps", &received.bitrate_bps),
        ("received_lost_percent", &received.lost_percent()),
        ("jitter_ms", &sent.jitter_ms.max(received.jitter_ms)),
        ("freezes", &(sent.freezes + received.freezes)),
        ("paused", &received.paused),
        ("nacks", &(sent.nacks + received.nacks)),
        ("plis", &(sent.plis + received.plis)),
        ("received_frame_height", &received.frame_height),
    ];
    log::line(log::Level::Info, "quality", &fields);
}

/// The sum over a client's sent or received tracks.
#[derive(Default)]
struct Total {
    bitrate_bps: u64,
    packets: u64,
    packets_lost: u64,
    jitter_ms: u32,
    freezes: u64,
    paused: u64,
    nacks: u64,
    plis: u64,
    /// Lines of the largest layer.
    frame_height: u16,
}

impl Total {
    fn of(tracks: &[TrackQuality], flow: Flow) -> Self {
        let mut total = Self::default();
        for track in tracks.iter().filter(|track| track.flow == flow) {
            total.bitrate_bps = total.bitrate_bps.saturating_add(track.bitrate_bps.into());
            // Lost packets are included in those sent to a client, and missing from those received from it.
            let missing = if flow == Flow::ClientToNode { track.packets_lost } else { 0 };
            total.packets = total.packets.saturating_add(u64::from(track.packets) + u64::from(missing));
            total.packets_lost = total.packets_lost.saturating_add(track.packets_lost.into());
            total.jitter_ms = total.jitter_ms.max(track.jitter_ms);
            total.freezes = total.freezes.saturating_add(track.freezes.into());
            total.nacks = total.nacks.saturating_add(track.nacks.into());
            total.plis = total.plis.saturating_add(track.plis.into());
            total.frame_height = total.frame_height.max(track.frame_height.unwrap_or(0));
            total.paused += u64::from(track.limit == Some(shared::control::QualityLimit::Paused));
        }
        total
    }

    fn lost_percent(&self) -> String {
        let permille = (self.packets_lost * 1_000).checked_div(self.packets).unwrap_or(0);
        format!("{}.{}", permille / 10, permille % 10)
    }
}
