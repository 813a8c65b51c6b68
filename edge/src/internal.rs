//! Requests between the Worker and its Durable Objects, which cannot be reached from outside.

use crate::config::Continent;
use edge_core::fleet::{News, PlaceRequest};
use edge_core::{door, room};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use shared::json::{self, Document};
use shared::token::{JoinClaims, NodeClaims, TicketClaims};
use shared::trace::Trace;
use shared::{Region, RoomId};
use std::net::IpAddr;
use worker::{Env, Headers, Method, Request, RequestInit, Response, js_sys};

/// Carries an [`Introduction`]; external requests never reach an object with their own headers.
const INTRODUCTION_HEADER: &str = "x-rotunda-introduction";

/// The verified peer of a socket that the Worker passes to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Introduction<C> {
    pub(crate) claims: C,
    /// The continent of the request, from `request.cf.continent`.
    pub(crate) continent: Option<String>,
    /// The regions nearest to a participant; empty if its place is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) near: Vec<Region>,
    pub(crate) address: Option<door::Address>,
    /// The address of a node that registers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<IpAddr>,
    pub(crate) request_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<Trace>,
    /// The name of the client's connection, if its frames come as separate requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<String>,
}

pub(crate) trait Introduced: Serialize + DeserializeOwned {
    /// The object's path for this kind of socket.
    const PATH: &'static str;
}

impl Introduced for JoinClaims {
    const PATH: &'static str = "/participant";
}

/// The credential of a client that resumes without a join token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResumeClaims {
    /// A secret with a valid tag for this room; only the room knows whether it is still valid.
    pub(crate) secret: String,
    pub(crate) holder: room::Holder,
}

impl std::fmt::Debug for ResumeClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResumeClaims").finish_non_exhaustive()
    }
}

impl Introduced for ResumeClaims {
    const PATH: &'static str = "/resuming";
}

impl Introduced for TicketClaims {
    const PATH: &'static str = "/node";
}

impl Introduced for NodeClaims {
    const PATH: &'static str = "/register";
}

/// A Room object's request to a Fleet object; answered with a `PlaceAnswer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ask {
    /// The region of the Fleet object, which may not know it before the first request.
    pub(crate) region: Region,
    pub(crate) request: PlaceRequest,
}

impl Ask {
    pub(crate) const PATH: &'static str = "/place";
}

/// The news of a region for the Fleet object of another, which answers with its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The region of the Fleet object, which may not know it before the first request.
    pub(crate) region: Region,
    pub(crate) news: News,
}

impl Told {
    pub(crate) const PATH: &'static str = "/news";
}

/// A Room object's request for TURN nodes; answered with `Relays`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TurnAsk {
    pub(crate) region: Region,
}

impl TurnAsk {
    pub(crate) const PATH: &'static str = "/turn";
}

/// A message from the Worker to a Room object about its recordings.
pub(crate) mod recordings {
    use serde::{Deserialize, Serialize};
    use shared::NodeId;
    use shared::control::{RecordingReport, RecordingVerdict};

    /// The path for a [`Reported`]; answered with a [`Verdict`].
    pub(crate) const REPORT_PATH: &str = "/recording-reported";

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct Reported {
        pub(crate) node: NodeId,
        pub(crate) report: RecordingReport,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub(crate) struct Verdict {
        pub(crate) verdict: RecordingVerdict,
        /// For the Worker: the prefix of a deleted recording, whose objects must be deleted too.
        pub(crate) leftovers: Option<String>,
    }
}

/// Frames of a client without WebSocket. The answer tells whether the connection is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) connection: String,
    pub(crate) frames: Vec<String>,
    /// The code with which the client closes the connection after them.
    pub(crate) close: Option<u16>,
}

impl Said {
    pub(crate) const PATH: &'static str = "/said";
}

/// An API request to a Room object; answered with an `Answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ApiCall {
    /// The room, which the object may not know before the first request.
    pub(crate) room: RoomId,
    pub(crate) continent: Option<String>,
    pub(crate) ask: room::Ask,
}

impl ApiCall {
    pub(crate) const PATH: &'static str = "/api";
}

/// Sent by a list to a listed Room object that does not exist; answered with `null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListedInVain {
    pub(crate) room: RoomId,
}

impl ListedInVain {
    pub(crate) const PATH: &'static str = "/listed-in-vain";
}

pub(crate) struct Address {
    namespace: &'static str,
    name: String,
    location_hint: Option<&'static str>,
}

impl Address {
    /// The object of a room. Incrementing the generation re-homes a room, because an object never moves.
    pub(crate) fn room(room: &shared::RoomId, generation: u32, near: Option<Continent>) -> Self {
        let location_hint = near.map(Continent::location_hint);
        Self { namespace: "ROOM", name: format!("{room}:{generation}"), location_hint }
    }

    /// The Fleet object of a region.
    pub(crate) fn fleet(region: &Region, on: Option<Continent>) -> Self {
        Self { namespace: "FLEET", name: format!("fleet:{region}"), location_hint: on.map(Continent::location_hint) }
    }

    pub(crate) fn directory(shard: usize) -> Self {
        Self { namespace: "DIRECTORY", name: format!("directory:{shard}"), location_hint: None }
    }

    async fn fetch(&self, env: &Env, request: Request) -> worker::Result<Response> {
        let namespace = env.durable_object(self.namespace)?;
        let stub = match self.location_hint {
            Some(hint) => namespace.get_by_name_with_location_hint(&self.name, hint)?,
            None => namespace.get_by_name(&self.name)?,
        };
        stub.fetch_with_request(request).await
    }

    /// Passes a WebSocket upgrade to the object, with the verified peer instead of the original headers.
    pub(crate) async fn introduce<C: Introduced>(
        &self,
        env: &Env,
        introduction: &Introduction<C>,
    ) -> worker::Result<Response> {
        let headers = Headers::new();
        headers.set("Upgrade", "websocket")?;
        headers.set(INTRODUCTION_HEADER, &encode(introduction)?)?;
        let mut init = RequestInit::new();
        init.with_method(Method::Get).with_headers(headers);
        self.fetch(env, Request::new_with_init(&format!("https://object{}", C::PATH), &init)?).await
    }

    /// Sends the object a JSON request and parses its answer.
    pub(crate) async fn ask<A: DeserializeOwned>(
        &self,
        env: &Env,
        path: &str,
        question: &impl Serialize,
    ) -> worker::Result<A> {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(serde_json::to_string(question)?.into()));
        let mut response = self.fetch(env, Request::new_with_init(&format!("https://object{path}"), &init)?).await?;
        Ok(json::from_str(&response.text().await?)?)
    }
}

/// Parses the question of a request to an object.
pub(crate) async fn question<Q: DeserializeOwned>(request: &mut Request) -> worker::Result<Q> {
    Ok(json::from_str(&request.text().await?)?)
}

/// Parses the introduction from a request to an object.
pub(crate) fn introduced<C: Introduced>(request: &Request) -> worker::Result<Introduction<C>> {
    let header = request.headers().get(INTRODUCTION_HEADER)?;
    let header = header.ok_or_else(|| worker::Error::RustError("the socket request has no claims header".into()))?;
    let text: String = js_sys::decode_uri_component(&header)?.into();
    let document = Document::parse(&text)?;
    let claims = C::deserialize(document.reader().required("claims")?)?;
    // Read once for all kinds of claims.
    let Introduction { claims: IgnoredAny, continent, near, address, seen, request_id, trace, connection } =
        Introduction::deserialize(document.reader())?;
    Ok(Introduction { claims, continent, near, address, seen, request_id, trace, connection })
}

/// Header values are Latin-1 (Fetch §2.2.2), names of participants are not.
fn encode<C: Serialize>(introduction: &Introduction<C>) -> worker::Result<String> {
    Ok(js_sys::encode_uri_component(&serde_json::to_string(introduction)?).into())
}
