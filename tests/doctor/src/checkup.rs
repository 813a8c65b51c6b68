//! Checks the hops in order until one fails.

use crate::candidates;
use crate::deployment::Deployment;
use crate::events;
use crate::http::{self, HttpError};
use crate::ice_tcp;
use crate::report::{Finding, Hop, Report};
use crate::{transport, turn};
use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use robot::{Admission, Arrival, Event, Options, Refused, Robot};
use serde_json::Value;
use shared::api::TokenRequest;
use shared::signal::{ConnectionState, TrackSource};
use shared::token::{Attributes, Bandwidth, Grants};
use shared::{ErrorCode, ParticipantId, RoomId};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

/// Longest duration of a signaling hop.
const SIGNALING_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the edge looks for a media node.
const JOIN_TIMEOUT: Duration = Duration::from_secs(15);
/// Longer than checks over a working path can take.
const ICE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest handshake over a working path.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a checkup.
const TOKEN_LIFETIME_S: u32 = 300;

pub(crate) enum Pass {
    /// An API key, `id:secret`.
    ApiKey(String),
    Token(String),
}

/// Runs all possible checks; `prints` each finding as it comes.
pub(crate) async fn run(deployment: &Deployment, pass: &Pass, prints: bool) -> Report {
    let mut report = Report::new(prints);
    // Failures have been reported already.
    let _stopped_at = check_all(deployment, pass, &mut report).await;
    report.finish()
}

async fn check_all(deployment: &Deployment, pass: &Pass, report: &mut Report) -> Option<()> {
    let mut stage = Stage { report, since: Instant::now() };
    let health = match http::check_health(deployment).await {
        Ok(version) => transport::check(deployment).await.map(|()| version).map_err(|error| error.to_string()),
        Err(error) => Err(address_problem(error)),
    };
    stage.note(Hop::Address, health, |version| format!("version {version}"))?;
    let (room, token) = stage.note(Hop::Token, admit(deployment, pass).await, |(room, _)| format!("room {room}"))?;
    let mut options = Options::new(&deployment.socket(&room), &token);
    options.publish = vec![TrackSource::Microphone];
    options.slots = 1;

    let opened = within(SIGNALING_TIMEOUT, Arrival::open(&options)).await;
    let opened_at = Instant::now();
    let joined = match opened {
        Ok(arrival) => within_join(arrival).await,
        Err(problem) => {
            Err((Hop::Signaling, format!("{problem}: does a proxy in front of the Worker block WebSockets?")))
        }
    };
    let (signaling, placement) = match joined {
        Err((Hop::Signaling, problem)) => (Err(problem), None),
        Err((_, problem)) => (Ok(()), Some(Err(problem))),
        Ok(admission) => (Ok(()), Some(Ok(admission))),
    };
    stage.note_until(opened_at, Hop::Signaling, signaling, |()| String::new())?;
    let mut admission = stage.note(Hop::Placement, placement?, |_| String::new())?;
    let events = events::check(deployment, &room, &token).await.map_err(|error| error.to_string());
    stage.note(Hop::Events, events, |()| String::new())?;

    // The name was resolved a moment ago; a failure here is not the node's fault.
    let edge = within(SIGNALING_TIMEOUT, deployment.addresses()).await.unwrap_or_default();
    let found = candidates::check(admission.answer(), &edge).map_err(|error| error.to_string());
    stage.note(Hop::Candidates, found, |found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))?;
    let servers = admission.ice_servers().to_vec();
    let reached = within(ICE_TIMEOUT, admission.wait_for_ice()).await;
    stage.note(Hop::Udp, reached.map_err(udp_problem), |()| String::new())?;
    let answered = ice_tcp::check(admission.offer(), admission.answer()).await.map_err(|error| error.to_string());
    stage.note(Hop::IceTcp, answered, |answered| match &answered[..] {
        [] => "not offered: MEDIA_TCP_LISTEN of the node is empty".to_owned(),
        answered => answered.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    })?;
    let robot = stage.note(Hop::Media, connect(admission).await, |_| String::new())?;
    // The next joins replace this participant anyway.
    let _left = robot.leave().await;
    let relayed = turn::check(&options, &servers).await.map_err(|error| error.to_string());
    stage.note(Hop::Turn, relayed, Clone::clone).map(|_| ())
}

/// Times the hops, and stops at the first that fails.
struct Stage<'a> {
    report: &'a mut Report,
    since: Instant,
}

impl Stage<'_> {
    fn note<T>(&mut self, hop: Hop, result: Result<T, String>, note: impl Fn(&T) -> String) -> Option<T> {
        self.note_until(Instant::now(), hop, result, note)
    }

    /// Records a hop that ended at `end`, and whose success shows only in the events after it.
    fn note_until<T>(
        &mut self,
        end: Instant,
        hop: Hop,
        result: Result<T, String>,
        note: impl Fn(&T) -> String,
    ) -> Option<T> {
        let took = end.duration_since(self.since);
        self.since = end;
        match result {
            Ok(value) => {
                self.report.add(hop, Finding::Well { took, note: note(&value) });
                Some(value)
            }
            Err(problem) => {
                self.report.add(hop, Finding::Failed { problem });
                None
            }
        }
    }
}

fn address_problem(error: HttpError) -> String {
    let advice = match error {
        HttpError::Refused { .. } => "`npx wrangler tail` shows the Worker's configuration mistakes",
        HttpError::NotRotunda => "does the route in wrangler.toml match this host name?",
        HttpError::Timeout | HttpError::Broken(_) => {
            "does the host name resolve, is the certificate valid, and is the Worker deployed?"
        }
    };
    format!("/healthz: {error}: {advice}")
}

fn udp_problem(problem: String) -> String {
    format!(
        "no answer from the media node ({problem}): is it running, and does its firewall allow inbound UDP to MEDIA_LISTEN?"
    )
}

/// A room and a token for it.
async fn admit(deployment: &Deployment, pass: &Pass) -> Result<(RoomId, String), String> {
    match pass {
        Pass::Token(token) => {
            let room = room_of(token).ok_or("the given token is unreadable: is it complete?")?;
            Ok((room, token.clone()))
        }
        Pass::ApiKey(key) => {
            let wish = wish().ok_or("this machine's clock is set before 1970")?;
            let token = http::mint(deployment, key, &wish).await.map_err(|error| {
                format!("POST /v1/tokens: {error}: is the key in the Worker's API_KEYS, and is its secret complete?")
            })?;
            Ok((wish.room, token))
        }
    }
}

/// A separate room, so that nobody is disturbed.
fn wish() -> Option<TokenRequest> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(TokenRequest {
        room: RoomId::parse(&format!("doctor-{}-{}", std::process::id(), now.as_millis())).ok()?,
        participant: ParticipantId::parse("doctor").ok()?,
        name: "rotunda doctor".into(),
        grants: Grants::default(),
        role: None,
        attributes: Attributes::new(),
        bandwidth: Bandwidth::default(),
        participants_max: None,
        template: None,
        lifetime_s: TOKEN_LIFETIME_S,
        single_use: false,
    })
}

/// RFC 7519 §3: the claims are the second part; the edge verifies the signature.
fn room_of(token: &str) -> Option<RoomId> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    RoomId::parse(claims["room"].as_str()?).ok()
}

/// Joins; a failure names the hop that it belongs to.
async fn within_join(arrival: Arrival) -> Result<Admission, (Hop, String)> {
    let error = match timeout(JOIN_TIMEOUT, arrival.join()).await {
        Ok(Ok(admission)) => return Ok(admission),
        Ok(Err(error)) => error,
        Err(_) => return Err((Hop::Placement, format!("no answer to the join within {JOIN_TIMEOUT:?}"))),
    };
    match error.downcast_ref::<Refused>() {
        Some(Refused { code: ErrorCode::NoMediaNode | ErrorCode::MediaNodeLost }) => Err((
            Hop::Placement,
            format!("{error}: is a media node running, registered and reachable (`/readyz` of the nodes)?"),
        )),
        Some(Refused { .. }) | None => Err((Hop::Signaling, format!("{error:#}: see the page for each code"))),
    }
}

/// Waits for DTLS, and for the node's report to the room.
async fn connect(admission: Admission) -> Result<Robot, String> {
    within(MEDIA_TIMEOUT, async {
        let mut robot = admission.connect().await?;
        let is_known = |robot: &Robot| {
            robot.roster().get(robot.participant()).is_some_and(|info| info.connection == ConnectionState::Connected)
        };
        while !is_known(&robot) {
            if let over @ (Event::Removed(_) | Event::Disconnected) = robot.next().await? {
                bail!("{over:?}");
            }
        }
        anyhow::Ok(robot)
    })
    .await
    .map_err(|problem| {
        format!("UDP works, but no media arrives ({problem}): does a middlebox alter packets, and can the node reach the edge?")
    })
}

async fn within<T>(limit: Duration, work: impl Future<Output = anyhow::Result<T>>) -> Result<T, String> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(|error| format!("{error:#}")),
        Err(_) => Err(format!("nothing within {limit:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokens_room_is_read_and_nothing_is_read_out_of_rubbish() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(room_of(&token(r#"{"room":"daily"}"#)), RoomId::parse("daily").ok());
        for wrong in ["", "a.b.c", &token("{}"), &token(r#"{"room":7}"#), &token(r#"{"room":""}"#)] {
            assert_eq!(room_of(wrong), None, "{wrong}");
        }
    }
}
