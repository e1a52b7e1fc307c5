//! Events, byte for byte, and what is never in them.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::{
    behaviour::{offence::Budget, signal::Signal},
    limits::LOG_TEXT_BYTES_MAX,
    verdict::Outcome,
};

/// A request for this path.
pub fn ended(path: &str) -> Ended {
    Ended {
        request_id: "0123456789abcdef0123456789abcdef".into(),
        trace_id: None,
        peer: "192.0.2.1:9".parse().unwrap(),
        client: "198.51.100.7".parse().unwrap(),
        method: Some(Method::GET),
        path: path.into(),
        query: None,
        route: None,
        backend: None,
        status: 404,
        protocol: "h2",
        tls: "1.3",
        ja4: None,
        bytes_in: 1,
        bytes_out: 2,
        duration_us: 3,
        rejection: Some(Rejection::RouteMissing),
        denied: None,
        consumer: None,
        credential: None,
        score: None,
        consumer_score: None,
        user_agent: None,
        shadowed: None,
        verdict: None,
    }
}

fn written(event: Event) -> String {
    let at = UNIX_EPOCH + Duration::from_secs(1_795_604_347);
    let teller = Teller { source: "urn:edge".to_owned(), worker: "00000000000000ab".to_owned() };
    let mut text = Vec::new();
    let event = Arc::new(Event { at, ..event });
    Numbered { sequence: 42, event }.write(&teller, &mut text);
    String::from_utf8(text).unwrap()
}

const HEAD: &str =
    "{\"specversion\":\"1.0\",\"id\":\"00000000000000ab-42\",\"source\":\"urn:edge\",";
const TAIL: &str = "\"datacontenttype\":\"application/json\",\"sequence\":\"00000000000000000042\",\
                    \"worker\":\"00000000000000ab\",\"data\":";

#[test]
fn a_request_with_little_and_one_with_everything() {
    let little = written(Event::of_request(Decision::Refused, ended("/a")));
    let expected = format!(
        "{HEAD}\"type\":\"seawall.request.refused\",\"time\":\"2026-11-25T10:59:07.000000Z\",{TAIL}\
         {{\"request_id\":\"0123456789abcdef0123456789abcdef\",\"peer\":\"192.0.2.1:9\",\
         \"client\":\"198.51.100.7\",\"method\":\"GET\",\"path\":\"/a\",\"status\":404,\"protocol\":\"h2\",\
         \"tls\":\"1.3\",\"bytes_in\":1,\"bytes_out\":2,\"duration_us\":3,\"rejection\":\"route_missing\"}}}}"
    );
    assert_eq!(little, expected);
    let everything = written(Event::of_request(
        Decision::Judged,
        Ended {
            trace_id: Some("t".to_owned()),
            query: Some("page=2&token=SECRET".into()),
            route: Some("pay".into()),
            backend: Some("10.0.0.1:8443".parse().unwrap()),
            ja4: Some("t13d".into()),
            rejection: Some(Rejection::VerdictBlocked),
            denied: Some("verdict:fraud:block:card\\x20testing".to_owned()),
            consumer: Some("a\"b".into()),
            credential: Some("k1".into()),
            score: Some(7),
            consumer_score: Some(8),
            user_agent: Some("curl/8".to_owned()),
            shadowed: Some("hourly".into()),
            verdict: Some(Judged {
                service: "fraud".into(),
                outcome: Outcome::Block,
                reason: Some("card\\x20testing".into()),
            }),
            ..ended("/a\r\nb")
        },
    ));
    let expected = format!(
        "{HEAD}\"type\":\"seawall.request.judged\",\"time\":\"2026-11-25T10:59:07.000000Z\",\"subject\":\"pay\",{TAIL}\
         {{\"request_id\":\"0123456789abcdef0123456789abcdef\",\"trace_id\":\"t\",\"peer\":\"192.0.2.1:9\",\
         \"client\":\"198.51.100.7\",\"method\":\"GET\",\"path\":\"/a\\\\x0d\\\\x0ab\",\
         \"query\":\"page=2&token=***\",\"route\":\"pay\",\"backend\":\"10.0.0.1:8443\",\"status\":404,\
         \"protocol\":\"h2\",\"tls\":\"1.3\",\"ja4\":\"t13d\",\"bytes_in\":1,\"bytes_out\":2,\"duration_us\":3,\
         \"rejection\":\"verdict_blocked\",\"denied\":\"verdict:fraud:block:card\\\\x20testing\",\
         \"consumer\":\"a\\\\x22b\",\"credential\":\"k1\",\"score\":7,\"consumer_score\":8,\"user_agent\":\"curl/8\",\
         \"shadowed\":\"hourly\",\
         \"verdict\":{{\"service\":\"fraud\",\"outcome\":\"block\",\"reason\":\"card\\\\x20testing\"}}}}}}"
    );
    assert_eq!(everything, expected);
}

#[test]
fn a_client_that_offends() {
    let offence = Offence {
        address: "2001:db8::7".parse().unwrap(),
        score: 120,
        signals: vec![SignalCount { signal: Signal::ScannerPath, count: 12 }],
        request: "0123".to_owned(),
        budget: None,
    };
    let of = |request: &str| {
        let offence = Offence { request: request.to_owned(), ..offence.clone() };
        written(Event::of_client(offence, None, "reported"))
    };
    let data = |id: &str| {
        format!(
            "{HEAD}\"type\":\"seawall.client.offended\",\"time\":\"2026-11-25T10:59:07.000000Z\",{TAIL}\
             {{\"client\":\"2001:db8::7\",\"score\":120,\"signals\":[{{\"signal\":\"scanner_path\",\
             \"count\":12}}],{id}\"outcome\":\"reported\"}}}}"
        )
    };
    assert_eq!(of("0123"), data("\"request_id\":\"0123\","));
    assert_eq!(of(""), data(""), "a handshake");
    let budget = Some(Budget { limit: "hourly".to_owned(), refusals: 20, for_s: 90 });
    let over = Offence { score: 0, signals: Vec::new(), budget, ..offence };
    let expected = "\"score\":0,\"signals\":[],\"budget\":{\"limit\":\"hourly\",\"refusals\":20,\
                    \"for_s\":90},\"request_id\":\"0123\",\"outcome\":\"reported\"}}";
    let written = written(Event::of_client(over, None, "reported"));
    assert!(written.ends_with(expected), "{written}");
}

#[test]
fn the_largest_event_is_bounded_in_memory_and_on_the_wire() {
    let long = "\u{1}".repeat(100_000);
    let worst = Ended {
        path: beginning(&long).into(),
        query: Some(beginning(&long).into()),
        denied: Some(access_log::text(&long)),
        user_agent: Some(access_log::text(&long)),
        consumer: Some("\"".repeat(crate::limits::CONSUMER_BYTES_MAX).into()),
        ..ended("/")
    };
    let event = Event::of_request(Decision::Denied, worst);
    let bytes = event.bytes();
    assert!(bytes < 4_096, "{bytes}");
    let text = written(event);
    assert!(text.len() < 8_192, "{}", text.len());
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    assert_eq!(LOG_TEXT_BYTES_MAX, 256);
    // A letter that is cut through is left out.
    let umlauts = "ä".repeat(LOG_PATH_BYTES_MAX);
    assert_eq!(beginning(&format!("/{umlauts}")).len(), LOG_PATH_BYTES_MAX - 1);
}
