//! `gateway.events`, `gateway.verdict_services`, and what routes ask.

use std::path::Path;

use firewall_gateway::{
    events::Decision,
    policy::{
        EventsPolicy, OnFailure, SyslogPolicy, VerdictForm, VerdictPolicy, VerdictServicePolicy,
        WebhookPolicy,
    },
};

use super::{LEAST, load, refused};
use crate::config::{EventsSinks, GatewayConfig};

/// A configuration with these lines in its gateway, which begin at line 9, and with these keys in its route.
fn config(lines: &str, route: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}, {{name: siem, backends: [{{address: '127.0.0.1:3'}}]}}]\n  \
         routes: [{{name: r, path: '/*', upstream: api{route}}}]\n{lines}"
    )
}

fn read(lines: &str, route: &str) -> GatewayConfig {
    load(&config(lines, route)).expect("a configuration").gateway.expect("a gateway")
}

fn events(keys: &str) -> String {
    config(&format!("  events: {{{keys}}}\n"), "")
}

#[test]
fn every_key_of_events_acts() {
    assert_eq!(read("", "").events, None, "off");
    let plain = EventsPolicy {
        decisions: Decision::DEFAULT.to_vec(),
        source: String::new(),
        queue_max: 16_384,
        queue_bytes_max: 33_554_432,
        file: Some("/var/log/e".into()),
        webhook: None,
        syslog: None,
    };
    let expected = EventsSinks { policy: plain.clone(), source: None, secret: None };
    assert_eq!(read("  events: {file: /var/log/e}\n", "").events, Some(expected));
    let webhook = WebhookPolicy {
        upstream: 1,
        path: "/in?a=b".to_owned(),
        secret: String::new(),
        batch_max: 500,
        batch_wait_ms: 1_000,
        timeout_ms: 5_000,
        give_up_s: 300,
    };
    let syslog = SyslogPolicy {
        address: "192.0.2.1:601".parse().expect("an address"),
        facility: 16,
        host: String::new(),
        give_up_s: 300,
    };
    let lines = "  events: {webhook: {upstream: siem, path: '/in?a=b', secret: s}, syslog: {address: '192.0.2.1:601'}}\n";
    let policy = EventsPolicy {
        file: None,
        webhook: Some(webhook.clone()),
        syslog: Some(syslog.clone()),
        ..plain.clone()
    };
    let secret = Some(Path::new("/etc/seawall/s").to_path_buf());
    let expected = EventsSinks { policy, source: None, secret: secret.clone() };
    assert_eq!(read(lines, "").events, Some(expected));
    let lines = "  events: {decisions: [served, offended], source: 'urn:x', queue_max: 7, queue_bytes_max: 65536, \
                 webhook: {upstream: siem, path: '/in?a=b', secret: s, batch_max: 3, batch_wait_ms: 4, timeout_ms: 5, give_up_s: 6}, \
                 syslog: {address: '192.0.2.1:601', facility: 10, give_up_s: 8}}\n";
    let policy = EventsPolicy {
        decisions: vec![Decision::Served, Decision::Offended],
        queue_max: 7,
        queue_bytes_max: 65_536,
        file: None,
        webhook: Some(WebhookPolicy {
            batch_max: 3,
            batch_wait_ms: 4,
            timeout_ms: 5,
            give_up_s: 6,
            ..webhook
        }),
        syslog: Some(SyslogPolicy { facility: 10, give_up_s: 8, ..syslog }),
        ..plain
    };
    let expected = EventsSinks { policy, source: Some("urn:x".to_owned()), secret };
    assert_eq!(read(lines, "").events, Some(expected));
}

#[test]
fn every_key_of_a_verdict_acts() {
    let services = "  verdict_services:\n    - {name: fraud, upstream: siem, path: /v, acr_values: ['urn:mfa']}\n    - {name: opa, upstream: api, path: /o, form: opa}\n";
    let routes = |second: &str| {
        format!(
            "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
             upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}, {{name: siem, backends: [{{address: '127.0.0.1:3'}}]}}]\n  \
             routes:\n    - {{name: a, path: /a, upstream: api, verdict: {{service: opa, on_failure: allow}}}}\n    \
             - {{name: b, path: /b, upstream: api, verdict: {{service: fraud{second}, on_failure: block}}}}\n    \
             - {{name: c, path: /c, upstream: api}}\n{services}"
        )
    };
    let gateway = |text: &str| load(text).expect("a configuration").gateway.expect("a gateway");
    let found = gateway(&routes(", timeout_ms: 9"));
    let service = |name: &str, upstream, path: &str, form, acr: &[&str]| VerdictServicePolicy {
        name: name.to_owned(),
        upstream,
        path: path.to_owned(),
        form,
        acr_values: acr.iter().map(|value| (*value).to_owned()).collect(),
    };
    assert_eq!(
        found.verdict_services,
        [
            service("fraud", 1, "/v", VerdictForm::Seawall, &["urn:mfa"]),
            service("opa", 0, "/o", VerdictForm::Opa, &[]),
        ]
    );
    let asks: Vec<_> = found.routes.iter().map(|route| route.verdict).collect();
    let of =
        |service, timeout_ms, on_failure| Some(VerdictPolicy { service, timeout_ms, on_failure });
    assert_eq!(asks, [of(1, 100, OnFailure::Allow), of(0, 9, OnFailure::Block), None]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let file = "file: /e";
    let webhook = |keys: &str| events(&format!("webhook: {{{keys}}}"));
    refused(&[
        (events(""), "9:11: events: expected file, webhook or syslog, found none of them"),
        (events("file: e"), "9:18: file: expected a path from /, found \"e\""),
        (
            events(&format!("{file}, decisions: [passed]")),
            "9:34: decisions: expected one of refused, denied, limited, judged, shadowed, offended, failed, served, found \"passed\"",
        ),
        (
            events(&format!("{file}, decisions: []")),
            "9:33: decisions: expected 1 to 8 entries, found 0",
        ),
        (
            events(&format!("{file}, decisions: [served, served]")),
            "9:42: decisions: expected each once, found served again; remove one",
        ),
        (
            events(&format!("{file}, source: 'a b'")),
            "9:30: source: expected a URI of 1 to 256 visible characters, such as urn:seawall:edge-1, found \"a b\"",
        ),
        (
            webhook("upstream: x, path: /, secret: s"),
            "9:32: upstream: expected one of gateway.upstreams (api, siem), found \"x\"",
        ),
        (
            webhook("upstream: siem, path: e, secret: s"),
            "9:44: path: expected a path of at most 1024 visible characters that begins with /, found \"e\"",
        ),
        (
            config("", ", verdict: {service: x, on_failure: allow}"),
            "8:68: verdict.service: expected the name of one of gateway.verdict_services, found \"x\"",
        ),
        (
            config("  verdict_services: [{name: x, upstream: siem, path: /}]\n", ""),
            "9:21: verdict_services: expected each to be asked by a route, found \"x\" without one",
        ),
        (
            config(
                "  verdict_services: [{name: x, upstream: siem, path: /, form: opa, acr_values: [a]}]\n",
                ", verdict: {service: x, on_failure: allow}",
            ),
            "9:80: acr_values: expected form: seawall beside it, found opa, whose answers ask for no other authentication",
        ),
        (
            config(
                "  verdict_services: [{name: x, upstream: siem, path: /, acr_values: ['a b']}]\n",
                ", verdict: {service: x, on_failure: allow}",
            ),
            "9:70: acr_values: expected 1 to 256 visible characters without quotes and backslashes, found \"a b\"",
        ),
    ]);
    let error = load(&config("", ", verdict: {service: x}")).map(|_| ()).expect_err("no policy");
    assert!(error.contains("missing field `on_failure`"), "{error}");
    // A key without a value is not one that was left out.
    for text in [
        config("  events:\n", ""),
        events("webhook: , file: /e"),
        events("syslog: , file: /e"),
        config("", ", verdict: "),
        config("  verdict_services:\n", ""),
    ] {
        assert!(load(&text).is_err(), "{text}");
    }
    for keys in ["queue_max: 0", "queue_bytes_max: 1"] {
        let error = load(&events(&format!("{file}, {keys}"))).map(|_| ()).expect_err("too small");
        assert!(error.contains("expected a whole number from"), "{error}");
    }
}
