//! Lines, byte for byte.

use std::time::{Duration, Instant, UNIX_EPOCH};

use http::HeaderValue;

use super::*;
use crate::{
    authorise::{Forbidden, Kind},
    clients::forwarded::Origin,
    context::RequestId,
    rejection::Rejection,
    sanitise::{Change, Changes, Sanitised, Verdict},
};

#[test]
fn a_path_is_bounded_and_escaped() {
    let long = "/a".repeat(LOG_PATH_BYTES_MAX);
    assert_eq!(path(&long).len(), LOG_PATH_BYTES_MAX);
    assert!(path(&long).ends_with("..."));
    for (given, expected) in [
        ("/plain/path", "/plain/path"),
        ("/a\r\nb", "/a\\x0d\\x0ab"),
        ("/\u{1b}[31m", "/\\x1b[31m"),
        ("/\"\\", "/\\x22\\x5c"),
        ("/ä", "/\\xc3\\xa4"),
    ] {
        assert_eq!(path(given), expected);
    }
}

#[test]
fn lines() {
    let log = |format, fields: &[AccessField]| AccessLogPolicy {
        format,
        fields: fields.to_vec(),
        file: None,
    };
    let every = log(AccessFormat::Json, &AccessField::ALL);
    let uri: Uri = "https://api.example/users/7?page=2&token=SECRET".parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::USER_AGENT, "curl/8 \"x\""),
        (header::REFERER, "https://a.example/reset?t=SECRET"),
        (header::AUTHORIZATION, "SECRET"),
        (header::COOKIE, "SECRET"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (policy, expected) in [
        (
            every,
            "{\"timestamp\":\"2026-11-25T10:59:07.000000Z\",\"target\":\"access\",\"request_id\":\"id\",\
             \"peer\":\"192.0.2.1:9\",\"client\":\"198.51.100.7\",\"method\":\"GET\",\"host\":\"api.example\",\"path\":\"/users/7\",\
             \"query\":\"page=2&token=***\",\"route\":\"user\",\"backend\":\"10.0.0.1:8443\",\"status\":502,\"protocol\":\"h2\",\
             \"tls\":\"1.3\",\"ja4\":\"t13d\",\"bytes_in\":1,\"bytes_out\":2,\"duration_us\":3,\
             \"upstream_duration_us\":4,\"rejection\":\"upstream_failed\",\
             \"denied\":\"rule:1:claims:a=\\\\x22\",\
             \"sanitised\":\"unicode,html\",\"user_agent\":\"curl/8\\\\x20\\\\x22x\\\\x22\",\"referer\":\"https://a.example/reset\"}\n",
        ),
        (
            log(AccessFormat::Json, &[AccessField::Status, AccessField::Path]),
            "{\"timestamp\":\"2026-11-25T10:59:07.000000Z\",\"target\":\"access\",\"status\":502,\
             \"path\":\"/users/7\"}\n",
        ),
        (
            log(AccessFormat::Combined, &[]),
            "198.51.100.7 - - [25/Nov/2026:10:59:07 +0000] \"GET /users/7 HTTP/2.0\" 502 2 \
             \"https://a.example/reset\" \"curl/8\\x20\\x22x\\x22\"\n",
        ),
        (
            log(AccessFormat::Combined, &[AccessField::Query]),
            "198.51.100.7 - - [25/Nov/2026:10:59:07 +0000] \"GET /users/7?page=2&token=*** HTTP/2.0\" 502 2 \
             \"https://a.example/reset\" \"curl/8\\x20\\x22x\\x22\"\n",
        ),
        (log(AccessFormat::Off, &AccessField::ALL), ""),
    ] {
        let id = RequestId::random().unwrap();
        let mut changes = Changes::default();
        changes.add(Change::Html);
        changes.add(Change::Unicode);
        let context = RequestContext {
            id: id.clone(),
            peer: "192.0.2.1:9".parse().unwrap(),
            origin: Origin { client: "198.51.100.7".parse().unwrap(), proxies: Vec::new() },
            country: None,
            ja4: Some("t13d".into()),
            protocol: Protocol::Http2,
            tls_version: "1.3",
            certificate: None,
            start: Instant::now(),
            route: Some("user".into()),
            identity: None,
            denied: None,
            login: None,
            limited: None,
            verdict: None,
            forbidden: Some(Forbidden { kind: Kind::Claims, text: "rule:1:claims:a=\"".into() }),
            cross_site: None,
            leaks: None,
            page: None,
            sanitised: Some(Box::new(Sanitised {
                verdict: Verdict::Changed,
                changes,
                invalid: None,
            })),
            validated: None,
            invalid: None,
            answer_invalid: None,
            choice: None,
            method: Some(Method::GET),
            uri: uri.clone(),
            details: AccessLog::new(&policy, None).details(&uri, &headers),
            trace: None,
            upstream_sent: None,
            backend: Some("10.0.0.1:8443".parse().unwrap()),
            upstream_duration: Some(Duration::from_micros(4)),
            rejection: Some(Rejection::UpstreamFailed),
            score: None,
            consumer_score: None,
            challenge_page: None,
            retry_after: None,
            allow: None,
            detail: None,
        };
        let record =
            Record { context: &context, status: 502, bytes_in: 1, bytes_out: 2, duration_us: 3 };
        let at = UNIX_EPOCH + Duration::from_secs(1_795_604_347);
        let expected = expected.replace("\"id\"", &format!("\"{}\"", id.as_str()));
        assert_eq!(line(&policy, &record, at), expected);
    }
}

#[test]
fn every_field_has_the_name_that_a_policy_gives_it() {
    for field in AccessField::ALL {
        assert_eq!(serde_json::to_string(&field).unwrap(), format!("\"{}\"", field.name()));
    }
}
