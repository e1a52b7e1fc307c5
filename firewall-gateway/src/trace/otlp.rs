//! Spans as OTLP in JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::TraceContext;
use crate::{
    access_log::{self, Record},
    policy::TracePolicy,
};

/// The spans of one request: ours for the client, and one for its way to the upstream.
#[must_use]
pub fn spans(trace: &TraceContext, record: &Record<'_>) -> Vec<Value> {
    let context = record.context;
    let begun = trace.begun;
    let route = context.route.as_deref();
    let method = access_log::method(context.method.as_ref());
    let name = match route {
        Some(route) => format!("{method} {route}"),
        None => method.clone(),
    };
    let version = match context.protocol {
        crate::context::Protocol::Http1 => "1.1",
        crate::context::Protocol::Http2 => "2",
    };
    let mut attributes = vec![
        text("http.request.method", &method),
        text("url.path", &access_log::path(context.uri.path())),
        text("url.scheme", "https"),
        text("network.protocol.version", version),
        text("client.address", &context.peer.ip().to_canonical().to_string()),
        text("seawall.request_id", context.id.as_str()),
        number("http.response.status_code", record.status.into()),
        number("http.request.body.size", record.bytes_in),
        number("http.response.body.size", record.bytes_out),
    ];
    attributes.extend(route.map(|route| text("seawall.route", route)));
    attributes.extend(context.rejection.map(|rejection| text("error.type", rejection.label())));
    let mut spans = vec![json!({
        "traceId": trace.trace_id(),
        "spanId": span(trace.server_span),
        "parentSpanId": trace.parent.map(span).unwrap_or_default(),
        "name": name,
        "kind": SERVER,
        "startTimeUnixNano": nanos(begun),
        "endTimeUnixNano": nanos(begun + Duration::from_micros(record.duration_us)),
        "attributes": attributes,
        "status": status(record.status >= 500),
    })];
    if let (Some(sent), Some(spent)) = (context.upstream_sent, context.upstream_duration) {
        let sent = begun + sent.saturating_duration_since(context.start);
        spans.push(json!({
            "traceId": trace.trace_id(),
            "spanId": span(trace.client_span),
            "parentSpanId": span(trace.server_span),
            "name": method,
            "kind": CLIENT,
            "startTimeUnixNano": nanos(sent),
            "endTimeUnixNano": nanos(sent + spent),
            "attributes": [text("http.request.method", &method)],
            "status": status(record.status >= 500),
        }));
    }
    spans
}

/// A batch of spans as a request to the collector.
#[must_use]
pub fn batch(policy: &TracePolicy, spans: Vec<Value>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", &policy.service_name),
            text("service.version", version),
        ] },
        "scopeSpans": [{ "scope": { "name": "seawall", "version": version }, "spans": spans }],
    }] })
    .to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

// 64-bit numbers are decimal text in this encoding.
fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn span(id: u64) -> String {
    format!("{id:016x}")
}

fn nanos(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

fn status(failed: bool) -> Value {
    if failed { json!({ "code": 2 }) } else { json!({}) }
}

const SERVER: u8 = 2;
const CLIENT: u8 = 3;
