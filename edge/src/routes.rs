//! Maps paths and methods to handlers.

mod api;
#[cfg(feature = "development")]
mod dev;
mod events;
mod guests;
mod health;
mod nodes;
mod quality;
mod recordings;
mod rooms;

use crate::auth::AuthError;
use crate::config::{Config, ConfigError, Continent, Origins};
use crate::cors::{self, Cors};
use crate::refusal::Refusal;
use crate::traces::{self, Span};
use crate::upgrade::Protocols;
use crate::{clock, log, random, turnstile, upgrade};
use edge_core::door::Address;
use shared::trace::{SpanId, TRACEPARENT, Trace};
use shared::{ErrorCode, RoomId};
use std::cell::Cell;
use std::rc::Rc;
use worker::js_sys::Reflect;
use worker::{Context, Env, Method, Request, Response};

pub(crate) struct Arrival<'a> {
    request: Request,
    env: &'a Env,
    config: Rc<Config>,
    request_id: String,
    /// The trace that the caller continues, or a new one, with a span for this request.
    trace: Trace,
    /// The caller's address as reported by the platform.
    address: Option<Address>,
    /// The sub-protocols of a client that requests admission to a room.
    offered: Protocols,
    /// True as soon as a client's credential is known to be valid: others cause no exports of traces.
    is_accepted: Rc<Cell<bool>>,
}

#[derive(Debug, thiserror::Error)]
enum RouteError {
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Platform(#[from] worker::Error),
    #[error(transparent)]
    Auth(AuthError),
}

impl From<AuthError> for RouteError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(code) => Self::Refused(Refusal::new(code, "the token is not valid for this request")),
            AuthError::Secret(_) => Self::Auth(error),
        }
    }
}

impl From<Refusal> for RouteError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Answers every request that is not for a static asset.
pub(crate) async fn route(request: Request, env: &Env, context: &Context) -> worker::Result<Response> {
    let address = request.headers().get("CF-Connecting-IP").ok().flatten().and_then(|text| Address::parse(&text));
    let offered = if is_for_client(&request) { Some(Protocols::of(&request)) } else { None };
    if let Some(offered) = &offered
        && let Some(refusal) = turnstile::refuse(address, offered)
    {
        // No page can read the answer to an upgrade.
        if upgrade::is_asked_for(&request) {
            return refusal;
        }
        let cors = Origins::read(env).map_or(Cors::Silent, |origins| Cors::of(&origins, &request));
        return cors.apply(refusal?);
    }
    let request_id = random::request_id();
    let (trace, caller) = trace(&request)?;
    let (begun_at, name) = (clock::now(), name(&request));
    let config = Config::read(env);
    let cors = config.as_ref().map_or(Cors::Silent, |config| Cors::of(&config.origins, &request));
    let collector = config.as_ref().ok().and_then(|config| config.collector.clone());
    let is_accepted = Rc::new(Cell::new(false));
    let arrival = config.map(|config| {
        let (request_id, offered) = (request_id.clone(), offered.unwrap_or_default());
        let is_accepted = Rc::clone(&is_accepted);
        Arrival { request, env, config, request_id, trace, address, offered, is_accepted }
    });
    let response = match handle(arrival, &cors).await {
        Ok(response) => response,
        Err(RouteError::Refused(refusal)) => refusal.response(&request_id)?,
        Err(error @ (RouteError::Config(_) | RouteError::Platform(_) | RouteError::Auth(_))) => {
            log::line(
                log::Level::Error,
                "request_failed",
                &[("request", &request_id), ("trace", &trace.id), ("error", &error)],
            );
            Refusal::internal().response(&request_id)?
        }
    };
    if let (Some(collector), Some(parent)) = (collector, caller.filter(|_| trace.is_sampled() && is_accepted.get())) {
        let span = Span { trace, parent, name, request_id, begun_at, status: response.status_code() };
        context.wait_until(traces::export(collector, span));
    }
    cors.apply(response)
}

/// The trace that the caller continues, with a span for this request, and the caller's span; or a new trace. Browsers let
/// a page set no header of a WebSocket, so the query may carry it too.
fn trace(request: &Request) -> worker::Result<(Trace, Option<SpanId>)> {
    let header = request.headers().get(TRACEPARENT).ok().flatten();
    let caller = header.and_then(|text| Trace::parse(&text).ok()).or_else(|| Trace::of_query(&request.inner().url()));
    Ok(match caller {
        Some(caller) => (caller.child(random::bytes()?), Some(caller.span)),
        None => (Trace::begin(random::bytes()?), None),
    })
}

/// The method and the kind of path, for a span.
fn name(request: &Request) -> String {
    let path = request.path();
    let kind = path.rsplit('/').next().filter(|_| is_for_client(request)).unwrap_or("other");
    format!("{} {kind}", request.method().as_ref())
}

/// True if a client requests admission to a room.
fn is_for_client(request: &Request) -> bool {
    let path = request.path();
    let is_way_in = path.ends_with("/socket") || path.ends_with("/events") && request.method() == Method::Get;
    path.starts_with("/v1/rooms/") && is_way_in
}

async fn handle(arrival: Result<Arrival<'_>, ConfigError>, cors: &Cors) -> Result<Response, RouteError> {
    let arrival = arrival?;
    let path = arrival.request.path();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if cors::is_preflight(&arrival.request) {
        let methods = methods(&segments).map_or_else(|| api::methods(&path), <[_]>::to_vec);
        return preflight(cors, &methods);
    }
    // The crate `worker` reports every unknown method as GET.
    let method = arrival.request.inner().method();
    match (method.as_str(), segments.as_slice()) {
        ("GET", ["healthz"]) => health::get(&arrival.request_id),
        ("GET", ["v1", "rooms", room, "socket"]) => rooms::socket(&arrival, room).await,
        ("GET", ["v1", "rooms", room, "events"]) => events::listen(&arrival, room).await,
        ("POST", ["v1", "rooms", room, "events"]) => events::say(arrival, room).await,
        ("GET", ["v1", "rooms", room, "node"]) => rooms::node(&arrival, room).await,
        ("GET", ["v1", "nodes", "socket"]) => nodes::socket(&arrival).await,
        ("POST", ["v1", "nodes", "recordings"]) => recordings::report(arrival).await,
        ("POST", ["v1", "nodes", "quality"]) => quality::report(arrival).await,
        ("POST", ["v1", "nodes", "ticket"]) => nodes::ticket(arrival).await,
        ("GET", ["v1", "guests"]) => guests::policy(&arrival).await,
        ("POST", ["v1", "guests"]) => guests::admit(arrival).await,
        #[cfg(feature = "development")]
        ("POST", ["v1", "dev", "wait"]) => dev::wait().await,
        #[cfg(feature = "development")]
        ("POST", ["v1", "dev", "panic"]) => dev::panic(),
        #[cfg(feature = "development")]
        ("POST", ["v1", "dev", "fail-writes", after, failures, outcome]) => dev::fail_writes(after, failures, outcome),
        (_, segments) => match methods(segments) {
            Some(methods) => Err(Refusal::method_not_allowed(methods).into()),
            None => api::route(arrival, &method, &path).await,
        },
    }
}

/// The methods of a path outside the HTTP API.
fn methods(segments: &[&str]) -> Option<&'static [&'static str]> {
    match segments {
        ["healthz"] | ["v1", "rooms", _, "socket" | "node"] | ["v1", "nodes", "socket"] => Some(&["GET"]),
        ["v1", "nodes", "quality" | "recordings" | "ticket"] => Some(&["POST"]),
        ["v1", "rooms", _, "events"] | ["v1", "guests"] => Some(&["GET", "POST"]),
        _ => None,
    }
}

fn preflight(cors: &Cors, methods: &[&str]) -> Result<Response, RouteError> {
    if methods.is_empty() {
        return Err(Refusal::no_such_path().into());
    }
    let answer = cors.preflight(methods)?;
    answer.ok_or_else(|| Refusal::new(ErrorCode::Forbidden, "this origin is not in ALLOWED_ORIGINS").into())
}

impl Arrival<'_> {
    /// True if the calling page's origin may call; programs without an origin may.
    fn is_from_allowed_origin(&self) -> bool {
        let host = self.header("Host").unwrap_or_default();
        self.config.origins.admit(self.header("Origin").as_deref(), &host)
    }

    /// The text of `address`.
    fn address_text(&self) -> Option<String> {
        self.header("CF-Connecting-IP")
    }

    fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    /// The continent of the request. The getters of `worker::Cf` panic, so the property is read directly.
    fn continent(&self) -> Option<Continent> {
        let cf = Reflect::get(self.request.inner(), &"cf".into()).ok()?;
        let continent = Reflect::get(&cf, &"continent".into()).ok()?;
        Continent::parse(&continent.as_string()?)
    }
}

fn parse_room(text: &str) -> Result<RoomId, Refusal> {
    RoomId::parse(text).map_err(|_| Refusal::new(ErrorCode::NotFound, "this is not a valid room name"))
}
