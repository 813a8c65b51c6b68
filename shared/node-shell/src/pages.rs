//! /healthz, /readyz and /metrics, for operators.

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
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Concurrent connections; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 32;
/// A request's header must arrive within this time.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum lifetime of a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

pub trait Pages: Send + Sync + 'static {
    /// The error says what is wrong.
    fn health(&self) -> Result<(), String>;
    /// The error says why the node accepts no work.
    fn readiness(&self) -> Result<(), String>;
    /// All metrics in Prometheus's text format.
    fn metrics(&self) -> String;
}

pub async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("listening on {address} for health and metrics"))
}

/// Serves the pages forever.
pub async fn serve<P: Pages>(listener: TcpListener, pages: P) {
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
            let answering = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&*pages, &request))));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answering);
            // Clients may end their connections in any way.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(place);
        });
    }
}

fn answer<P: Pages>(pages: &P, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return page(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/healthz" => verdict(pages.health(), &healthy(pages)),
        "/readyz" => verdict(pages.readiness(), "ready"),
        "/metrics" => page(StatusCode::OK, pages.metrics()),
        _ => page(StatusCode::NOT_FOUND, "no such page\n".to_owned()),
    }
}

/// A node that lives may still have a reason to accept no work.
fn healthy<P: Pages>(pages: &P) -> String {
    let well = format!("ok, version {}", shared::VERSION);
    match pages.readiness() {
        Ok(()) => well,
        Err(reason) => format!("{well}\nnot ready: {reason}"),
    }
}

fn verdict(verdict: Result<(), String>, yes: &str) -> Response<Full<Bytes>> {
    match verdict {
        Ok(()) => page(StatusCode::OK, format!("{yes}\n")),
        Err(reason) => page(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
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
