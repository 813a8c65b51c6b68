//! Path and method to handler; nothing else.

mod api;
#[cfg(feature = "development")]
mod dev;
mod health;
mod nodes;
mod recordings;
mod rooms;

use crate::auth::AuthError;
use crate::config::{Config, ConfigError, Continent};
use crate::refusal::Refusal;
use crate::{log, random};
use shared::{ErrorCode, RoomId};
use worker::js_sys::Reflect;
use worker::{Env, Request, Response};

/// One request on its way to a handler.
pub(crate) struct Arrival<'a> {
    request: Request,
    env: &'a Env,
    config: Config,
    request_id: String,
}

/// Why a handler has no response.
#[derive(Debug, thiserror::Error)]
enum RouteError {
    /// The one who asks is told.
    #[error("refused: {}", .0.code)]
    Refused(Refusal),
    /// Our configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The platform failed.
    #[error(transparent)]
    Platform(#[from] worker::Error),
    /// A secret of ours is missing.
    #[error(transparent)]
    Auth(AuthError),
}

impl From<AuthError> for RouteError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(code) => Self::Refused(Refusal::new(code, "this token opens nothing here")),
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
pub(crate) async fn route(request: Request, env: &Env) -> worker::Result<Response> {
    let request_id = random::request_id();
    match handle(request, env, &request_id).await {
        Ok(response) => Ok(response),
        Err(RouteError::Refused(refusal)) => refusal.response(&request_id),
        Err(error @ (RouteError::Config(_) | RouteError::Platform(_) | RouteError::Auth(_))) => {
            log::line(log::Level::Error, "request_failed", &[("request", &request_id), ("error", &error)]);
            Refusal::internal().response(&request_id)
        }
    }
}

async fn handle(request: Request, env: &Env, request_id: &str) -> Result<Response, RouteError> {
    let path = request.path();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    // The crate `worker` takes every method that it does not know for GET.
    let method = request.inner().method();
    if (method.as_str(), segments.as_slice()) == ("GET", ["healthz"].as_slice()) {
        return health::get(env, request_id);
    }
    let arrival = Arrival { request, env, config: Config::read(env)?, request_id: request_id.into() };
    match (method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "rooms", room, "socket"]) => rooms::socket(&arrival, room).await,
        ("GET", ["v1", "rooms", room, "node"]) => rooms::node(&arrival, room).await,
        ("GET", ["v1", "nodes", "socket"]) => nodes::socket(&arrival).await,
        ("POST", ["v1", "nodes", "recordings"]) => recordings::report(arrival).await,
        (_, ["v1", "rooms", _, "socket" | "node"] | ["v1", "nodes", "socket"] | ["healthz"]) => {
            Err(Refusal::method_not_allowed(&["GET"]).into())
        }
        (_, ["v1", "nodes", "recordings"]) => Err(Refusal::method_not_allowed(&["POST"]).into()),
        #[cfg(feature = "development")]
        ("POST", ["v1", "dev", "token"]) => dev::token(arrival).await,
        #[cfg(feature = "development")]
        ("POST", ["v1", "dev", "wait"]) => dev::wait().await,
        #[cfg(feature = "development")]
        ("POST", ["v1", "dev", "panic"]) => dev::panic(),
        _ => api::route(arrival, &method, &path).await,
    }
}

impl Arrival<'_> {
    /// A request header.
    fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    /// Where the request came in; the getters of `worker::Cf` panic, so the property is read past them.
    fn continent(&self) -> Option<Continent> {
        let cf = Reflect::get(self.request.inner(), &"cf".into()).ok()?;
        let continent = Reflect::get(&cf, &"continent".into()).ok()?;
        Continent::parse(&continent.as_string()?)
    }
}

fn parse_room(text: &str) -> Result<RoomId, Refusal> {
    RoomId::parse(text).map_err(|_| Refusal::new(ErrorCode::NotFound, "no room can have this name"))
}
