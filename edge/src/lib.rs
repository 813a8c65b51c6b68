//! The edge Worker, which accepts the requests of browsers and nodes, and its Durable Objects.
//!
//! All decisions are made in `edge-core`. Nothing here may panic, because a panic in wasm ends every object in the
//! isolate.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod attachment;
mod auth;
mod clock;
mod config;
mod cors;
mod directory;
mod directory_object;
mod event_stream;
mod exec;
#[cfg(feature = "development")]
mod fault;
mod fleet_object;
mod internal;
mod issuers;
mod log;
mod random;
mod refusal;
mod room_object;
mod routes;
mod sockets;
mod store;
mod sweep;
mod traces;
mod turnstile;
mod upgrade;

use worker::{Context, Env, Request, Response, event};

/// Handles every HTTP request that is not for a static asset.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    routes::route(request, &env, &context).await
}
