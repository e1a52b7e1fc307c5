//! How answers look, and what is seen of requests.

use firewall_gateway::policy::{
    access_log::{AccessField, AccessFormat, DEFAULT_FIELDS},
    answer::{CompressionPolicy, HeaderAction, HeaderRule, UpstreamErrors},
};

use super::*;

const HEAD: &str = "gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
                    upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}]}]\n";
const ROUTES: &str = "  routes: [{name: r, path: /, upstream: a}]\n";

fn gateway(text: &str) -> GatewayConfig {
    load(&format!("{LEAST}{HEAD}{text}")).unwrap().gateway.expect("a gateway")
}

fn rule(name: &str, action: HeaderAction) -> HeaderRule {
    HeaderRule { name: name.to_owned(), action }
}

#[test]
fn what_is_left_out_is_strict_and_silent() {
    let gateway = gateway(ROUTES);
    assert_eq!(gateway.answers.strict, Some(true));
    assert_eq!((&gateway.answers.headers[..], gateway.answers.upstream_errors), (&[][..], None));
    assert_eq!(gateway.answers.compression, None);
    assert_eq!(gateway.routes[0].answers, Default::default());
    let log = gateway.access_log;
    assert_eq!(
        (log.format, &log.fields[..], log.file),
        (AccessFormat::Json, &DEFAULT_FIELDS[..], None)
    );
    assert_eq!(gateway.traces, None);
}

#[test]
fn every_key_of_answers_and_of_seeing_acts() {
    let gateway = gateway(
        "  routes:
    - name: r
      path: /
      upstream: a
      response_headers: {strict: true, set: {X-B: b}}
      upstream_errors: replace
      compression: {types: ['text/*'], secrets: true}
  response_headers: {strict: false, set: {X-A: a}, default: {X-C: c}, remove: [X-D]}
  upstream_errors: keep
  compression: {types: [Application/JSON], bytes_min: 7}
  access_log: {format: combined, fields: [query, status], file: /var/log/access.log}
  traces: {endpoint: 'http://[::1]:4318/v1/traces?x=1', sample_percent: 3, service_name: edge}
",
    );
    let answers = gateway.answers;
    assert_eq!(
        (answers.strict, answers.upstream_errors),
        (Some(false), Some(UpstreamErrors::Keep))
    );
    assert_eq!(
        answers.headers,
        [
            rule("X-A", HeaderAction::Set("a".into())),
            rule("X-C", HeaderAction::Default("c".into())),
            rule("X-D", HeaderAction::Remove),
        ]
    );
    let json =
        CompressionPolicy { types: vec!["application/json".into()], bytes_min: 7, secrets: false };
    assert_eq!(answers.compression, Some(json));
    let route = &gateway.routes[0].answers;
    assert_eq!((route.strict, route.upstream_errors), (Some(true), Some(UpstreamErrors::Replace)));
    assert_eq!(route.headers, [rule("X-B", HeaderAction::Set("b".into()))]);
    let text = CompressionPolicy { types: vec!["text/*".into()], bytes_min: 1_024, secrets: true };
    assert_eq!(route.compression, Some(text));
    let log = gateway.access_log;
    assert_eq!(log.format, AccessFormat::Combined);
    assert_eq!(log.fields, [AccessField::Query, AccessField::Status]);
    assert_eq!(log.file, Some("/var/log/access.log".into()));
    let traces = gateway.traces.expect("traces");
    assert_eq!((traces.collector, traces.sample_percent), ("[::1]:4318".parse().unwrap(), 3));
    assert_eq!((traces.path.as_str(), traces.service_name.as_str()), ("/v1/traces?x=1", "edge"));
}

#[test]
fn what_is_wrong_with_an_answer_or_with_seeing_is_said() {
    for (text, expected) in [
        ("response_headers: {set: {'a b': c}}", "expected the name of a header, found \"a b\""),
        (
            "response_headers: {remove: [Content-Length]}",
            "expected a header that a policy may change",
        ),
        ("response_headers: {set: {A: b}, remove: [a]}", "found a again"),
        ("response_headers: {set: {A: \"b\\n\"}}", "expected a value of visible characters for A"),
        ("response_headers: {add: {A: b}}", "add"),
        ("upstream_errors: hide", "hide"),
        ("compression: {types: [json]}", "types: expected a media type such as application/json"),
        ("compression: {types: ['*/*']}", "types: expected a media type such as application/json"),
        ("compression: {types: [a/b, A/B]}", "types: expected each once, found a/b again"),
        ("compression: {}", "types"),
        ("access_log: {format: xml}", "xml"),
        ("access_log: {fields: [cookie]}", "fields: expected one of request_id, trace_id"),
        ("access_log: {fields: [path, path]}", "fields: expected each once, found path again"),
        ("access_log: {fields: []}", "fields: expected 1 to 28 entries, found 0"),
        ("access_log: {file: access.log}", "file: expected a path from /, found \"access.log\""),
        (
            "traces: {endpoint: 'https://127.0.0.1:1/'}",
            "endpoint: expected http://ADDRESS:PORT/PATH",
        ),
        (
            "traces: {endpoint: 'http://localhost:1/'}",
            "endpoint: expected http://ADDRESS:PORT/PATH",
        ),
        ("traces: {endpoint: 'http://127.0.0.1:1'}", "endpoint: expected http://ADDRESS:PORT/PATH"),
        (
            "traces: {endpoint: 'http://127.0.0.1:0/'}",
            "endpoint: expected http://ADDRESS:PORT/PATH",
        ),
        ("traces: {endpoint: 'http://127.0.0.1:1/', sample_percent: 101}", "from 0 to 100"),
        (
            "traces: {endpoint: 'http://127.0.0.1:1/', service_name: ''}",
            "service_name: expected 1 to 255",
        ),
    ] {
        let error = load(&format!("{LEAST}{HEAD}{ROUTES}  {text}\n")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
