use super::*;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Decoded;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use shared::trace::Trace;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing_subscriber::layer::SubscriberExt;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector that answers one request with a status, and decodes it with OpenTelemetry's own messages.
struct Collector {
    listener: TcpListener,
    url: EdgeUrl,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        Self { listener, url: EdgeUrl::parse(&format!("http://{address}")).expect("a URL") }
    }

    async fn take(&self, status: &str) -> (String, Decoded) {
        let (mut stream, _) = self.listener.accept().await.expect("a connection");
        let (head, body) = read(&mut stream).await;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.expect("an answer");
        (head, prost::Message::decode(body.as_slice()).expect("a request for export"))
    }
}

async fn read(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let count = stream.read(&mut buffer).await.expect("a request");
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).expect("text").to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        if bytes.len() == end + 4 + length.parse::<usize>().expect("a number") {
            return (head, bytes[end + 4..].to_vec());
        }
    }
}

fn log(spans: Spans, lines: impl FnOnce(&Trace)) {
    let trace = Trace::parse(TRACE).expect("a trace");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(spans), || lines(&trace));
}

fn attributes(span: &Span) -> Vec<(&str, &str)> {
    let text = |value: &'_ Option<Value>| matches!(value, Some(Value::StringValue(_)));
    let attributes = span.attributes.iter().map(|attribute| {
        let value = &attribute.value.as_ref().expect("a value").value;
        assert!(text(value));
        let Some(Value::StringValue(value)) = value else { return (attribute.key.as_str(), "") };
        (attribute.key.as_str(), value.as_str())
    });
    attributes.collect()
}

#[tokio::test]
async fn lines_of_a_trace_become_spans_of_a_request() {
    let collector = Collector::start().await;
    let (spans, exporter) = Exporter::new(Some(&collector.url), "rotunda-test", "media-1").expect("a collector");
    log(spans, |trace| {
        tracing::info!(trace = %trace.id, parent = %trace.span, room = "daily", took_ms = 20_u64, "session connected");
        tracing::warn!(trace = %trace.id, parent = %trace.span, "session lost");
        tracing::info!(room = "daily", "a line of no trace");
        tracing::info!(trace = %trace.id, room = "daily", "a line of an unsampled trace");
    });
    let exporting = exporter.authorized(Some("Bearer of-the-collector".to_owned().into())).start();
    let taking = tokio::spawn(async move { collector.take("200 OK").await });
    exporting.finish().await;
    let (head, request) = taking.await.expect("no panic");
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    assert!(head.contains("authorization: bearer of-the-collector"), "{head}");
    let [of_resource] = request.resource_spans.as_slice() else { panic!("{request:?}") };
    let resource = of_resource.resource.as_ref().expect("a resource");
    assert_eq!(resource.attributes[0].key, "service.name");
    let [connected, lost] = of_resource.scope_spans[0].spans.as_slice() else { panic!("{request:?}") };
    assert_eq!((connected.name.as_str(), lost.name.as_str()), ("session connected", "session lost"));
    assert_eq!(connected.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    assert_eq!(connected.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(connected.span_id.len(), 8);
    assert_ne!(connected.span_id, lost.span_id);
    assert_eq!(connected.end_time_unix_nano - connected.start_time_unix_nano, 20_000_000);
    assert_eq!(attributes(connected), [("room", "daily")]);
    let codes = [connected, lost].map(|span| span.status.as_ref().expect("a status").code);
    assert_eq!(codes, [0, 2]);
}

#[tokio::test]
async fn what_does_not_fit_or_is_refused_is_counted() {
    let collector = Collector::start().await;
    let (spans, exporter) = Exporter::new(Some(&collector.url), "rotunda-test", "media-1").expect("a collector");
    let before = lost();
    log(spans, |trace| {
        (0..SPANS_MAX + 7).for_each(|number| tracing::info!(trace = %trace.id, parent = %trace.span, number, "a line"));
    });
    assert_eq!(lost() - before, 7);
    let exporting = exporter.start();
    let taking = tokio::spawn(async move {
        for number in 0..SPANS_MAX / BATCH_MAX {
            let (_, request) = collector.take(if number == 0 { "503 Busy" } else { "200 OK" }).await;
            assert_eq!(request.resource_spans[0].scope_spans[0].spans.len(), BATCH_MAX);
        }
    });
    exporting.finish().await;
    taking.await.expect("no panic");
    assert_eq!(lost() - before, 7 + BATCH_MAX as u64);
}

#[test]
fn attributes_are_bounded() {
    let collector = EdgeUrl::parse("http://127.0.0.1:4318").expect("a URL");
    let (spans, mut exporter) = Exporter::new(Some(&collector), "rotunda-test", "media-1").expect("a collector");
    assert!(Exporter::new(None, "rotunda-test", "media-1").is_none());
    log(spans, |trace| tracing::info!(trace = %trace.id, parent = %trace.span, text = "ä".repeat(1_000), "a line"));
    let span = exporter.queue.try_recv().expect("a span");
    let value = span.attributes[0].value.as_ref().expect("a value");
    assert_eq!(value.string_value.len(), ATTRIBUTE_BYTES_MAX);
}
