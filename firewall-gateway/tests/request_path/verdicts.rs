//! A service is asked about requests, and its answer acts; where there is none, the policy says what holds.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use firewall_gateway::{
    events::Decision,
    limits::VERDICT_ANSWER_BYTES_MAX,
    policy::{
        BreakerPolicy, GatewayPolicy, OnFailure, SheddingPolicy, UpstreamPolicy, VerdictForm,
        VerdictPolicy, VerdictServicePolicy,
    },
};
use serde_json::Value;

use crate::{
    events,
    world::{PATIENCE, World, header, label, one_request, status, upstream_policy},
};

const TIMEOUT_MS: u64 = 500;

#[test]
fn a_verdict_acts_and_a_failure_does_as_the_policy_says() {
    use VerdictForm::{Opa, Seawall};
    let long =
        format!("{{\"verdict\":\"allow\",\"x\":\"{}\"}}", "x".repeat(VERDICT_ANSWER_BYTES_MAX));
    let (allow, block, step_up) = (
        r#"{"verdict":"allow"}"#,
        r#"{"verdict":"block","reason":"stolen card"}"#,
        r#"{"verdict":"step_up"}"#,
    );
    // What it says, and what comes of it where it is no verdict: by `on_failure`.
    for (name, form, says, outcome, answered) in [
        ("allowed", Seawall, Says::answer(200, allow), "allow", Some((200, ""))),
        ("blocked", Seawall, Says::answer(200, block), "block", Some((403, "verdict_blocked"))),
        (
            "stepped up",
            Seawall,
            Says::answer(200, step_up),
            "step_up",
            Some((401, "step_up_required")),
        ),
        ("OPA: true", Opa, Says::answer(200, r#"{"result":true}"#), "allow", Some((200, ""))),
        (
            "OPA: false",
            Opa,
            Says::answer(200, r#"{"result":{"allow":false}}"#),
            "block",
            Some((403, "verdict_blocked")),
        ),
        ("OPA: undefined", Opa, Says::answer(200, "{}"), "malformed", None),
        ("nothing", Seawall, Says::answer(200, ""), "malformed", None),
        ("garbage", Seawall, Says::answer(200, "{\"verdict\":"), "malformed", None),
        ("too long", Seawall, Says::answer(200, &long), "malformed", None),
        ("another status", Seawall, Says::answer(500, allow), "malformed", None),
        ("another good one", Seawall, Says::answer(204, ""), "malformed", None),
        ("no HTTP", Seawall, Says::Bytes(b"what?\r\n\r\n".to_vec()), "unreachable", None),
        (
            "broken off",
            Seawall,
            Says::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()),
            "unreachable",
            None,
        ),
        ("too slow", Seawall, Says::Nothing, "timeout", None),
        (
            "a slow body",
            Seawall,
            Says::Head(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec()),
            "timeout",
            None,
        ),
        ("down", Seawall, Says::Down, "unreachable", None),
    ] {
        for on_failure in [OnFailure::Allow, OnFailure::Block] {
            let failed = match on_failure {
                OnFailure::Allow => (200, ""),
                OnFailure::Block => (503, "verdict_unavailable"),
            };
            let (expected, rejection) = answered.unwrap_or(failed);
            let service = Service::start(says.clone());
            let world = changed(&service, form, on_failure, |_| ());
            let before = world.gateway.figures();
            let begun = Instant::now();
            let answer = get(&world);
            assert!(begun.elapsed() < PATIENCE / 2, "{name}");
            assert_eq!(status(&answer), expected, "{name}: {answer}");
            let after = world.settled();
            one_request(&before, &after, expected, "h1", rejection);
            assert_eq!(outcomes(&after), [(outcome, 1)], "{name}");
            assert_eq!(world.upstream.seen().len(), usize::from(expected == 200), "{name}");
            // What the service said of it is not for the client.
            assert!(!answer.contains("stolen"), "{name}: {answer}");
            let challenge = header(&answer, "www-authenticate");
            assert_eq!(challenge.is_some(), expected == 401, "{name}");
            if let Some(challenge) = challenge {
                assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""));
                assert!(challenge.ends_with(", acr_values=\"urn:mfa\""), "{challenge}");
            }
            assert_eq!(header(&answer, "retry-after").is_some(), expected == 503, "{name}");
        }
    }
}

#[test]
fn what_a_service_is_told() {
    for form in [VerdictForm::Seawall, VerdictForm::Opa] {
        let answer = r#"{"verdict":"allow","result":true}"#;
        let service = Service::start(Says::answer(200, answer));
        let world = changed(&service, form, OnFailure::Block, |_| ());
        let answer = world.exchange(
            "GET /a/b?token=s3cr3t HTTP/1.1\r\nHost: api.example\r\nUser-Agent: a b\r\nCookie: s3cr3t\r\n\
             Authorization: s3cr3t\r\nConnection: close\r\n\r\n",
        );
        assert_eq!(status(&answer), 200, "{answer}");
        let asked = service.asked.lock().unwrap().clone();
        let [(head, body)] = asked.as_slice() else { panic!("{asked:?}") };
        assert!(head.starts_with("POST /judge HTTP/1.1\r\n"), "{head}");
        assert!(!body.contains("s3cr3t") && !head.contains("s3cr3t"), "{body}");
        let body: Value = serde_json::from_str(body).unwrap();
        let (content_type, facts) = match form {
            VerdictForm::Seawall => {
                assert_eq!(body["type"], "seawall.request.verdict");
                assert_eq!(
                    (&body["specversion"], &body["source"]),
                    (&"1.0".into(), &"urn:seawall".into())
                );
                assert_eq!(body["id"], body["data"]["request_id"]);
                ("application/cloudevents+json", &body["data"])
            }
            VerdictForm::Opa => ("application/json", &body["input"]),
        };
        assert_eq!(header(head, "content-type"), Some(content_type));
        assert_eq!(facts["request_id"].as_str(), header(&answer, "x-request-id"));
        for (key, expected) in [
            ("route", "all"),
            ("method", "GET"),
            ("host", "api.example"),
            ("path", "/a/b"),
            ("client", "127.0.0.1"),
            ("protocol", "h1"),
            ("tls", "1.3"),
            ("user_agent", "a\\x20b"),
        ] {
            assert_eq!(facts[key], expected, "{key}: {facts}");
        }
        assert_eq!(facts["score"], 0);
        assert!(facts["ja4"].as_str().unwrap().starts_with('t'), "{facts}");
    }
}

#[test]
fn what_came_of_it_is_told() {
    let block = r#"{"verdict":"block","reason":"stolen \"card\""}"#;
    for (says, on_failure, status_expected, outcome, denied) in [
        (Says::answer(200, r#"{"verdict":"allow"}"#), OnFailure::Block, 200, "allow", ""),
        (
            Says::answer(200, block),
            OnFailure::Block,
            403,
            "block",
            "verdict:fraud:block:stolen\\x20\\x22card\\x22",
        ),
        (Says::Down, OnFailure::Block, 503, "unreachable", "verdict:fraud:unreachable"),
        (Says::Down, OnFailure::Allow, 200, "unreachable", "verdict:fraud:unreachable"),
    ] {
        let (service, receiver) = (Service::start(says), events::Receiver::start(200));
        let told = events::policy(&receiver, vec![Decision::Judged]);
        let world = changed(&service, VerdictForm::Seawall, on_failure, |policy| {
            policy.upstreams.push(told.upstreams[1].clone());
            policy.events = told.events.clone();
            policy.events.as_mut().unwrap().webhook.as_mut().unwrap().upstream = 2;
        });
        assert_eq!(status(&get(&world)), status_expected, "{outcome}");
        world.gateway.finish();
        let events = receiver.events();
        let [event] = events.as_slice() else { panic!("{outcome}: {events:?}") };
        assert_eq!(event["type"], "seawall.request.judged");
        let data = &event["data"];
        assert_eq!(data["verdict"]["service"], "fraud");
        assert_eq!(data["verdict"]["outcome"], outcome);
        assert_eq!(data["denied"].as_str().unwrap_or_default(), denied);
    }
}

#[test]
fn a_breaker_spares_a_service_that_fails() {
    let service = Service::start(Says::Nothing);
    let world = changed(&service, VerdictForm::Seawall, OnFailure::Allow, |policy| {
        policy.upstreams[1].delivery.breaker = Some(BreakerPolicy {
            failures_percent: 50,
            requests_min: 3,
            window_ms: 60_000,
            open_ms: 60_000,
        });
    });
    for _ in 0..3 {
        assert_eq!(status(&get(&world)), 200);
    }
    for _ in 0..5 {
        assert_eq!(status(&get(&world)), 200);
    }
    assert_eq!(outcomes(&world.settled()), [("timeout", 3), ("skipped", 5)]);
    assert_eq!(service.asked.lock().unwrap().len(), 3);
}

#[test]
fn questions_at_once_are_bounded() {
    let service = Service::start(Says::Nothing);
    let world = changed(&service, VerdictForm::Seawall, OnFailure::Block, |policy| {
        policy.upstreams[1].delivery.shedding =
            SheddingPolicy { requests_max: 2, queue_max: 0, queue_timeout_ms: 1 };
        policy.routes[1].verdict.as_mut().unwrap().timeout_ms = 4_000;
    });
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(status(&get(&world)), 503));
        }
        let end = Instant::now() + PATIENCE;
        while service.asked.lock().unwrap().len() < 2 {
            assert!(Instant::now() < end, "nobody is asked");
            thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..3 {
            assert_eq!(status(&get(&world)), 503);
        }
    });
    let figures = world.settled();
    assert_eq!(outcomes(&figures), [("timeout", 2), ("busy", 3)]);
    assert_eq!(label(&figures.rejections, "verdict_unavailable"), 5);
}

#[test]
fn without_a_verdict_nobody_is_asked() {
    let service = Service::start(Says::answer(200, r#"{"verdict":"block"}"#));
    let world = changed(&service, VerdictForm::Seawall, OnFailure::Block, |_| ());
    let answer = world.exchange("GET /free HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&answer), 200);
    assert_eq!(outcomes(&world.settled()), []);
    assert!(service.asked.lock().unwrap().is_empty());
}

/// `/free` asks nobody; all else asks the service, which is upstream 1.
fn changed(
    service: &Service,
    form: VerdictForm,
    on_failure: OnFailure,
    change: impl FnOnce(&mut GatewayPolicy),
) -> World {
    World::changed(|policy| {
        policy.upstreams.push(UpstreamPolicy {
            name: "judge".to_owned(),
            tls: None,
            ..upstream_policy(service.address, "", 16)
        });
        policy.verdict_services = vec![VerdictServicePolicy {
            name: "fraud".to_owned(),
            upstream: 1,
            path: "/judge".to_owned(),
            form,
            acr_values: vec!["urn:mfa".to_owned()],
        }];
        let mut free = policy.routes[0].clone();
        (free.name, free.path) = ("free".to_owned(), "/free".to_owned());
        policy.routes.insert(0, free);
        policy.routes[1].verdict =
            Some(VerdictPolicy { service: 0, timeout_ms: TIMEOUT_MS, on_failure });
        change(policy);
    })
}

fn get(world: &World) -> String {
    world.exchange("GET /pay HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

fn outcomes(figures: &firewall_gateway::figures::Figures) -> Vec<(&str, u64)> {
    let rows = figures.verdicts.iter().flat_map(|row| &row.outcomes);
    rows.filter(|row| row.count > 0).map(|row| (row.label.as_str(), row.count)).collect()
}

#[derive(Clone)]
enum Says {
    /// All of these, and then the connection is closed.
    Bytes(Vec<u8>),
    /// These, and then nothing.
    Head(Vec<u8>),
    Nothing,
    Down,
}

impl Says {
    fn answer(status: u16, body: &str) -> Self {
        let length = body.len();
        let text = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n\r\n{body}");
        Self::Bytes(text.into_bytes())
    }
}

struct Service {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Service {
    fn start(says: Says) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let service = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = service.asked.clone();
        if !matches!(says, Says::Down) {
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (says, asked) = (says.clone(), asked.clone());
                    thread::spawn(move || serve(stream, &says, &asked));
                }
            });
        }
        service
    }
}

fn serve(stream: TcpStream, says: &Says, asked: &Mutex<Vec<(String, String)>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        match stream.read_line(&mut head) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let mut body = vec![0; header(&head, "content-length").unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    asked.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
    match says {
        Says::Bytes(bytes) => drop(stream.get_mut().write_all(bytes)),
        Says::Head(bytes) => {
            drop(stream.get_mut().write_all(bytes));
            drop(stream.read(&mut [0; 1]));
        }
        // Until the other side has had enough.
        Says::Nothing | Says::Down => drop(stream.read(&mut [0; 1])),
    }
}
