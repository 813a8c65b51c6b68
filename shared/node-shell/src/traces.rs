//! Exports clients' traces to an OpenTelemetry collector (OTLP/HTTP with protobuf).
//!
//! A log line with the fields `trace` and `parent` becomes a span that ends with the line and began `took_ms` earlier.
//! Cores only log and know nothing of collectors.

mod message;

use crate::settings::{EdgeUrl, Secret};
use anyhow::{Context as _, Result, bail};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use message::{ExportTraceServiceRequest, InstrumentationScope, KeyValue, Resource, ResourceSpans, ScopeSpans};
use prost::Message;
use std::collections::hash_map::RandomState;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Spans that wait; further ones are dropped and counted. A node has a few for each session.
const SPANS_MAX: usize = 4_096;
/// Spans in one request: about 150 KB.
const BATCH_MAX: usize = 512;
/// Time in which spans gather.
const INTERVAL: Duration = Duration::from_secs(2);
/// A slower collector loses the batch.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum wait at exit for the last batch.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);
const ATTRIBUTES_MAX: usize = 16;
const ATTRIBUTE_BYTES_MAX: usize = 256;

/// Dropped spans of this process.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The number of dropped spans.
#[must_use]
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Its connections are used again.
type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The layer that turns log lines into spans.
#[derive(Clone, Debug)]
pub struct Spans(mpsc::Sender<message::Span>);

#[derive(Debug)]
pub struct Exporter {
    url: String,
    authorization: Option<Secret>,
    resource: Resource,
    queue: mpsc::Receiver<message::Span>,
}

/// An exporter that runs.
#[derive(Debug)]
pub struct Exporting {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// `None` without a collector.
    #[must_use]
    pub fn new(collector: Option<&EdgeUrl>, service: &str, node: &str) -> Option<(Spans, Self)> {
        let url = collector?.join_http("/v1/traces");
        let (sender, queue) = mpsc::channel(SPANS_MAX);
        let attributes =
            [("service.name", service), ("service.version", shared::VERSION), ("service.instance.id", node)];
        let attributes = attributes.map(|(key, value)| KeyValue::text(key, value)).to_vec();
        Some((Spans(sender), Self { url, authorization: None, resource: Resource { attributes }, queue }))
    }

    /// Sends this secret as the header `Authorization`.
    #[must_use]
    pub fn authorized(self, authorization: Option<Secret>) -> Self {
        Self { authorization, ..self }
    }

    /// Sends the queued spans on the current runtime, a batch at a time.
    #[must_use]
    pub fn start(mut self) -> Exporting {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let connector =
                hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
            let client = Client::builder(TokioExecutor::new()).build(connector);
            while timeout(INTERVAL, &mut stopped).await.is_err() {
                self.send_all(&client).await;
            }
            self.send_all(&client).await;
        });
        Exporting { stop, task }
    }

    async fn send_all(&mut self, client: &HttpClient) {
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH_MAX
                && let Ok(span) = self.queue.try_recv()
            {
                batch.push(span);
            }
            let count = batch.len();
            if count == 0 {
                return;
            }
            if let Err(error) = self.send(client, batch).await {
                LOST.fetch_add(count as u64, Ordering::Relaxed);
                tracing::debug!(count, error = format!("{error:#}"), "the collector did not take spans");
            }
        }
    }

    async fn send(&self, client: &HttpClient, spans: Vec<message::Span>) -> Result<()> {
        let scope = Some(InstrumentationScope { name: "rotunda".to_owned() });
        let resource = Some(self.resource.clone());
        let of_resource = ResourceSpans { resource, scope_spans: vec![ScopeSpans { scope, spans }] };
        let body = ExportTraceServiceRequest { resource_spans: vec![of_resource] }.encode_to_vec();
        let mut request = Request::post(&self.url).header(CONTENT_TYPE, "application/x-protobuf");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.expose());
        }
        let request = request.body(Full::from(body))?;
        let response = timeout(TIMEOUT, client.request(request)).await.context("no answer in time")??;
        if !response.status().is_success() {
            bail!("refused with {}", response.status());
        }
        Ok(())
    }
}

impl Exporting {
    /// Waits briefly for the last spans.
    pub async fn finish(self) {
        let _ = self.stop.send(());
        let _ = timeout(FINISH_TIMEOUT, self.task).await;
    }
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().fields().field("trace").is_none() {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Some(span) = fields.span(*event.metadata().level(), now_ns()) else { return };
        if self.0.try_send(span).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

/// The fields of a log line.
#[derive(Debug, Default)]
struct Fields {
    trace: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    took_ms: u64,
    attributes: Vec<KeyValue>,
}

impl Fields {
    fn span(self, level: Level, end_ns: u64) -> Option<message::Span> {
        if self.trace.len() != 16 || self.parent.len() != 8 {
            return None;
        }
        // Unique is enough: each state has other keys.
        let span_id = RandomState::new().build_hasher().finish().max(1).to_be_bytes().to_vec();
        let code = if level <= Level::WARN { message::STATUS_ERROR } else { message::STATUS_UNSET };
        Some(message::Span {
            trace_id: self.trace,
            span_id,
            parent_span_id: self.parent,
            name: self.name,
            kind: message::KIND_INTERNAL,
            start_time_unix_nano: end_ns.saturating_sub(self.took_ms.saturating_mul(1_000_000)),
            end_time_unix_nano: end_ns,
            attributes: self.attributes,
            status: Some(message::Status { code }),
        })
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "took_ms" => self.took_ms = value,
            _ => self.record_debug(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = format!("{value:?}");
        match field.name() {
            "trace" => self.trace = bytes(&text),
            "parent" => self.parent = bytes(&text),
            "message" => self.name = text,
            name if self.attributes.len() < ATTRIBUTES_MAX => {
                text.truncate(text.floor_char_boundary(ATTRIBUTE_BYTES_MAX));
                self.attributes.push(KeyValue::text(name, &text));
            }
            _ => {}
        }
    }
}

/// The bytes of hexadecimal digits.
fn bytes(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests;
