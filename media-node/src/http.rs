//! /healthz, /readyz and /metrics for whoever runs the node.

mod metrics;

use crate::control::Standing;
use crate::shard::Shard;
use anyhow::Context;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Connections served at a time; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 32;
/// A request's header must be there within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection may last this long in all.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// A shard that has not reported for this long hangs.
const SHARD_SILENCE_MAX: Duration = Duration::from_secs(5);

/// What the pages tell about.
pub(crate) struct Pages {
    /// The shards.
    pub(crate) shards: Arc<[Shard]>,
    /// Whether the edge knows us.
    pub(crate) standing: watch::Receiver<Standing>,
    /// Whether we are about to stop.
    pub(crate) draining: watch::Receiver<bool>,
}

/// Opens the listener; failing here is failing to start.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address} for health and metrics"))
}

/// Serves the pages for ever.
pub(crate) async fn serve(listener: TcpListener, pages: Pages) {
    let pages = Arc::new(pages);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(pages.answer(&request))));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answer);
            // How a client ends its connection is its own affair.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(place);
        });
    }
}

impl Pages {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return page(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match request.uri().path() {
            "/healthz" => self.health(Instant::now()),
            "/readyz" => self.readiness(),
            "/metrics" => page(StatusCode::OK, self.metrics()),
            _ => page(StatusCode::NOT_FOUND, "no such page\n".to_owned()),
        }
    }

    /// Whether every shard still turns.
    fn health(&self, now: Instant) -> Response<Full<Bytes>> {
        let hangs = |shard: &&Shard| {
            let reported = shard.report().at;
            shard.has_ended() || reported.is_none_or(|at| now.saturating_duration_since(at) > SHARD_SILENCE_MAX)
        };
        match self.shards.iter().find(hangs) {
            Some(shard) => page(StatusCode::SERVICE_UNAVAILABLE, format!("shard {} hangs\n", shard.index())),
            None => page(StatusCode::OK, "ok\n".to_owned()),
        }
    }

    /// Whether the node takes rooms.
    fn readiness(&self) -> Response<Full<Bytes>> {
        if *self.draining.borrow() {
            return page(StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
        }
        if !self.standing.borrow().is_registered {
            return page(StatusCode::SERVICE_UNAVAILABLE, "not registered with the edge\n".to_owned());
        }
        page(StatusCode::OK, "ready\n".to_owned())
    }

    fn metrics(&self) -> String {
        let reports: Vec<_> = self.shards.iter().map(|shard| (shard.index(), shard.report())).collect();
        metrics::text(&reports, *self.standing.borrow(), *self.draining.borrow())
    }
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    // The version is that of the Prometheus text format; for the other pages it means nothing.
    let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
