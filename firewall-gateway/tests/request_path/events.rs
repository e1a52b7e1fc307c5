//! What was decided, as receivers see it: whole, in order, signed; and where a receiver is down, slow, unwilling or
//! nonsense, each event that is lost is counted, and no request is held up.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use firewall_gateway::{
    events::Decision,
    figures::SinkFigures,
    limits::Limits,
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, BehaviourPolicy, EventsPolicy, GatewayPolicy, KeyPart,
        RateAlgorithm, RatePolicy, RoutePolicy, SyslogPolicy, Thresholds, UpstreamPolicy,
        WebhookPolicy,
    },
    server::Handed,
};
use serde_json::Value;

use crate::{
    upstream::Upstream,
    world::{PATIENCE, World, gateway_policy, header, read_answer, status, upstream_policy},
};

/// Stands wherever a client can put a secret.
const SECRET: &str = "s3cr3t-v4lue";
const SIGNING: &[u8] = &[7; 32];

#[test]
fn every_decision_is_one_event_and_no_secret_is_in_it() {
    let receiver = Receiver::start(200);
    let world = world(&receiver, Decision::ALL.to_vec(), |policy| {
        policy.behaviour = Some(BehaviourPolicy {
            shadow: true,
            thresholds: Thresholds { challenge: 1_000_000, ..Thresholds::default() },
            half_life_s: 86_400,
            ..BehaviourPolicy::default()
        });
        policy.rates = vec![rate("tight", 1, false), rate("soft", 1, true)];
        let all = policy.routes.remove(0);
        let by_key = ApiKeyPolicy {
            header: Some("x-api-key".to_owned()),
            bearer: false,
            basic: false,
            keep: false,
        };
        let mut route = |name: &str, change: fn(&mut RoutePolicy)| {
            let (name, path) = (name.to_owned(), format!("/{name}"));
            let mut route = RoutePolicy { name, path, ..all.clone() };
            change(&mut route);
            policy.routes.push(route);
        };
        route("open", |_| ());
        route("tight", |route| route.rates.limits = Some(vec!["tight".to_owned()]));
        route("soft", |route| route.rates.limits = Some(vec!["soft".to_owned()]));
        route("keys", |_| ());
        policy.routes[3].authentication = vec![AuthenticationPolicy::ApiKey(by_key)];
    });
    let lines = format!(
        "User-Agent: test/1\r\nAuthorization: Bearer {SECRET}\r\nCookie: id={SECRET}\r\nX-Api-Key: {SECRET}\r\n"
    );
    let expected = [
        (format!("/open?token={SECRET}&page=1"), 200, "served", "", ""),
        ("/none".to_owned(), 404, "refused", "route_missing", ""),
        ("/keys".to_owned(), 401, "denied", "unauthenticated", "key_malformed"),
        ("/tight".to_owned(), 200, "served", "", ""),
        ("/tight".to_owned(), 429, "limited", "rate_limited", "limit:tight"),
        ("/soft".to_owned(), 200, "served", "", ""),
        ("/soft".to_owned(), 200, "shadowed", "", ""),
        ("/failing".to_owned(), 404, "refused", "route_missing", ""),
    ];
    for (target, expected_status, ..) in &expected {
        assert_eq!(status(&get(&world, target, &lines)), *expected_status, "{target}");
    }
    // A scanner: 11 each, and the tenth of them is one too many.
    for _ in 0..10 {
        get(&world, "/.env", "");
    }
    let figures = world.gateway.finish();
    let events = receiver.events();
    assert_eq!(figures.events, [sink("webhook", events.len() as u64, &[], 0)]);
    in_order(&events, events.len());
    let text = format!("{events:?}");
    assert!(!text.contains(SECRET), "{text}");
    for (event, (target, status, decision, rejection, denied)) in events.iter().zip(&expected) {
        assert_eq!(event["type"], format!("seawall.request.{decision}"), "{target}");
        let data = &event["data"];
        assert_eq!(data["status"], *status, "{target}");
        assert_eq!(data["rejection"].as_str().unwrap_or_default(), *rejection, "{target}");
        assert_eq!(data["denied"].as_str().unwrap_or_default(), *denied, "{target}");
        assert_eq!(data["path"], target.split('?').next().unwrap());
        assert_eq!(data["user_agent"], "test/1");
        assert_eq!(data["client"], "127.0.0.1");
        assert_eq!(event["subject"], data["route"], "{target}");
    }
    assert_eq!(events[0]["data"]["query"], "token=***&page=1");
    assert_eq!(events[0]["subject"], "open");
    assert_eq!(events[6]["data"]["shadowed"], "soft");
    let offended: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "seawall.client.offended").collect();
    assert_eq!(offended.len(), 1, "{text}");
    let data = &offended[0]["data"];
    assert_eq!((&data["client"], &data["outcome"]), (&"127.0.0.1".into(), &"reported".into()));
    assert!(data["score"].as_u64().unwrap() >= 100);
}

#[test]
fn only_decisions_that_were_chosen_are_told() {
    let receiver = Receiver::start(200);
    let world = world(&receiver, vec![Decision::Refused], |policy| {
        policy.routes[0].path = "/open".to_owned();
    });
    for target in ["/open", "/none", "/open"] {
        get(&world, target, "");
    }
    let figures = world.gateway.finish();
    assert_eq!(figures.events, [sink("webhook", 1, &[], 0)]);
    assert_eq!(receiver.events()[0]["data"]["path"], "/none");
}

#[test]
fn a_receiver_that_fails_costs_time_or_events_and_each_is_counted() {
    struct Case {
        name: &'static str,
        says: u16,
        better_after: u64,
        give_up_s: u64,
        sent: u64,
        lost: &'static [(&'static str, u64)],
        retried: bool,
    }
    let case = |name, says| Case {
        name,
        says,
        better_after: u64::MAX,
        give_up_s: 60,
        sent: 0,
        lost: &[],
        retried: false,
    };
    for case in [
        Case { sent: 3, ..case("well", 204) },
        Case { better_after: 2, sent: 3, retried: true, ..case("failing for a while", 500) },
        Case { better_after: 2, sent: 3, retried: true, ..case("busy for a while", 429) },
        Case { better_after: 1, sent: 3, retried: true, ..case("nonsense once", NONSENSE) },
        Case { better_after: 1, sent: 3, retried: true, ..case("hung once", HUNG) },
        Case { better_after: 1, sent: 3, retried: true, ..case("closing once", CLOSES) },
        Case { lost: &[("refused", 3)], ..case("refusing for good", 422) },
        Case { lost: &[("stopped", 3)], retried: true, ..case("failing until the end", 503) },
        Case { lost: &[("undelivered", 3)], give_up_s: 0, ..case("given up", 500) },
    ] {
        let receiver = Receiver::start(case.says);
        receiver.better_after.store(case.better_after, SeqCst);
        let world = world(&receiver, vec![Decision::Refused], |policy| {
            policy.routes[0].path = "/open".to_owned();
            let webhook = policy.events.as_mut().unwrap().webhook.as_mut().unwrap();
            webhook.give_up_s = case.give_up_s;
            webhook.timeout_ms = 1_000;
            webhook.batch_max = 3;
            webhook.batch_wait_ms = 60_000;
        });
        let begun = Instant::now();
        for _ in 0..3 {
            get(&world, "/none", "");
        }
        assert!(begun.elapsed() < PATIENCE / 2, "{}: a request waited", case.name);
        let settled = |figures: &SinkFigures| figures.sent + figures.lost_total() == 3;
        if !case.lost.contains(&("stopped", 3)) {
            wait(|| settled(&world.gateway.figures().events[0]));
        } else {
            wait(|| world.gateway.figures().events[0].retries > 0);
        }
        let figures = world.gateway.finish();
        let found = &figures.events[0];
        assert_eq!(found.retries > 0, case.retried, "{}", case.name);
        let expected = sink("webhook", case.sent, case.lost, found.retries);
        assert_eq!(*found, expected, "{}", case.name);
        if case.sent > 0 {
            in_order(&receiver.events(), 3);
        }
        // The same message, however often it was sent.
        let ids: BTreeSet<String> = receiver.ids.lock().unwrap().iter().cloned().collect();
        assert!(ids.len() <= 1, "{}: {ids:?}", case.name);
    }
}

#[test]
fn a_receiver_that_is_down_fills_the_queue_and_what_is_left_comes_in_order() {
    const QUEUE: u64 = 20;
    let receiver = Receiver::start(503);
    let world = world(&receiver, vec![Decision::Refused], |policy| {
        policy.routes[0].path = "/open".to_owned();
        let events = policy.events.as_mut().unwrap();
        events.queue_max = QUEUE as u32;
        let webhook = events.webhook.as_mut().unwrap();
        (webhook.batch_max, webhook.batch_wait_ms) = (8, 1);
    });
    let mut client = world.connect();
    let mut ask = |times: u64| {
        for _ in 0..times {
            client.write_all(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            assert_eq!(status(&read_answer(&mut client)), 404);
        }
    };
    ask(50);
    let held = || {
        let figures = world.gateway.figures();
        (figures.events[0].waiting, figures.events[0].lost_total())
    };
    wait(|| held() == (QUEUE, 50 - QUEUE));
    receiver.says.store(200, SeqCst);
    wait(|| world.gateway.figures().events[0].waiting == 0);
    ask(5);
    drop(client);
    let figures = world.gateway.finish();
    let retries = figures.events[0].retries;
    assert!(retries > 0);
    assert_eq!(figures.events, [sink("webhook", QUEUE + 5, &[("queue_full", 30)], retries)]);
    let events = receiver.events();
    let numbers = numbers(&events);
    let expected: Vec<u64> = (1..=QUEUE).chain(51..=55).collect();
    assert_eq!(numbers, expected, "the gap shows what was lost");
}

#[test]
fn a_file_has_one_event_a_line() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("events");
    drop(fs::remove_file(&path));
    for expected in [2, 4] {
        let file = File::options().append(true).create(true).open(&path).unwrap();
        let figures = with_file(file, &path, 2);
        assert_eq!(figures, [sink("file", 2, &[], 0)]);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), expected);
        in_order(&lines[expected - 2..], 2);
    }
    drop(fs::remove_file(&path));
    let full = File::options().append(true).open("/dev/full").unwrap();
    assert_eq!(with_file(full, &path, 3), [sink("file", 0, &[("unwritten", 3)], 0)]);
}

#[test]
fn syslog_has_one_message_each_and_comes_back_after_its_receiver_does() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let world = World::changed(|policy| {
        policy.routes[0].path = "/open".to_owned();
        let syslog =
            SyslogPolicy { address, facility: 10, host: "edge-1".to_owned(), give_up_s: 60 };
        policy.events = Some(EventsPolicy { syslog: Some(syslog), ..events_policy() });
    });
    get(&world, "/none", "");
    let mut stream = BufReader::new(listener.accept().unwrap().0);
    let first = message(&mut stream);
    // The receiver goes away and comes back.
    drop((stream, listener));
    wait(|| world.gateway.figures().events[0].sent == 1);
    get(&world, "/none", "");
    wait(|| world.gateway.figures().events[0].retries > 0);
    let listener = (0..1_000).find_map(|_| {
        thread::sleep(Duration::from_millis(1));
        TcpListener::bind(address).ok()
    });
    let mut stream = BufReader::new(listener.unwrap().accept().unwrap().0);
    let second = message(&mut stream);
    let figures = world.gateway.finish();
    assert_eq!(figures.events, [sink("syslog", 2, &[], figures.events[0].retries)]);
    for (number, text) in [(1, &first), (2, &second)] {
        let (head, event) = text.split_at(text.find('{').unwrap());
        let words: Vec<&str> = head.split(' ').collect();
        // Facility 10, notice.
        assert_eq!(words[0], "<85>1", "{text}");
        assert!(words[1].ends_with('Z') && words[1].len() == 27, "{text}");
        let pid = std::process::id().to_string();
        assert_eq!(words[2..], ["edge-1", "seawall", &pid, "refused", "-", ""], "{text}");
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(numbers(&[event]), [number]);
    }
}

#[test]
fn one_sink_does_not_hold_up_another() {
    let receiver = Receiver::start(HUNG);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("events-beside");
    drop(fs::remove_file(&path));
    let file = File::options().append(true).create(true).open(&path).unwrap();
    let mut policy = policy(&receiver, vec![Decision::Refused]);
    policy.routes[0].path = "/open".to_owned();
    policy.events.as_mut().unwrap().file = Some(path.clone());
    let world = World::handed(Upstream::start("api.internal"), &policy, events_into(file));
    for _ in 0..4 {
        get(&world, "/none", "");
    }
    wait(|| world.gateway.figures().events[0].sent == 4);
    let figures = world.gateway.finish();
    assert_eq!(figures.events[0], sink("file", 4, &[], 0));
    let retries = figures.events[1].retries;
    assert_eq!(figures.events[1], sink("webhook", 0, &[("stopped", 4)], retries));
    drop(fs::remove_file(&path));
}

/// A gateway whose upstream 1 is the receiver.
fn world(
    receiver: &Receiver,
    decisions: Vec<Decision>,
    change: impl FnOnce(&mut GatewayPolicy),
) -> World {
    let upstream = Upstream::start("api.internal");
    let mut policy = policy(receiver, decisions);
    policy.upstreams[0] = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
    change(&mut policy);
    World::serving(upstream, &policy)
}

pub fn policy(receiver: &Receiver, decisions: Vec<Decision>) -> GatewayPolicy {
    let upstream = Upstream::start("api.internal");
    let way = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
    let mut policy = gateway_policy(way, Limits::default());
    policy.upstreams.push(UpstreamPolicy {
        name: "siem".to_owned(),
        tls: None,
        ..upstream_policy(receiver.address, "", 1)
    });
    let webhook = WebhookPolicy {
        upstream: 1,
        path: "/in".to_owned(),
        secret: format!("whsec_{}", STANDARD.encode(SIGNING)),
        batch_max: 100,
        batch_wait_ms: 20,
        timeout_ms: 5_000,
        give_up_s: 60,
    };
    policy.events = Some(EventsPolicy { decisions, webhook: Some(webhook), ..events_policy() });
    policy
}

fn events_policy() -> EventsPolicy {
    EventsPolicy {
        decisions: vec![Decision::Refused],
        source: "urn:seawall:test".to_owned(),
        queue_max: 1_000,
        queue_bytes_max: 1 << 20,
        file: None,
        webhook: None,
        syslog: None,
    }
}

fn with_file(file: File, path: &std::path::Path, requests: usize) -> Vec<SinkFigures> {
    let upstream = Upstream::start("api.internal");
    let way = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
    let mut policy = gateway_policy(way, Limits::default());
    policy.routes[0].path = "/open".to_owned();
    policy.events = Some(EventsPolicy { file: Some(path.to_path_buf()), ..events_policy() });
    let world = World::handed(upstream, &policy, events_into(file));
    for _ in 0..requests {
        get(&world, "/none", "");
    }
    let mut figures = world.gateway.finish().events;
    figures.iter_mut().for_each(|row| row.lost.retain(|lost| lost.count > 0));
    figures
}

fn events_into(file: File) -> Handed {
    Handed { events: Some(file), ..Handed::default() }
}

fn rate(name: &str, limit: u64, shadow: bool) -> RatePolicy {
    RatePolicy {
        name: name.to_owned(),
        algorithm: RateAlgorithm::FixedWindow { limit, window_s: 86_400 },
        count: firewall_gateway::policy::Counted::Requests,
        key: vec![KeyPart::Address],
        shadow,
        everywhere: false,
        shared: false,
        keys_max: 16,
    }
}

fn get(world: &World, target: &str, lines: &str) -> String {
    world.exchange(&format!(
        "GET {target} HTTP/1.1\r\nHost: api.example\r\n{lines}Connection: close\r\n\r\n"
    ))
}

/// What a sink has counted in the end; reasons that are not named have lost nothing.
fn sink(name: &str, sent: u64, lost: &[(&str, u64)], retries: u64) -> Sink {
    let lost = lost.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect();
    Sink { name: name.to_owned(), sent, lost, retries }
}

#[derive(Debug)]
struct Sink {
    name: String,
    sent: u64,
    lost: Vec<(String, u64)>,
    retries: u64,
}

impl PartialEq<Sink> for SinkFigures {
    fn eq(&self, other: &Sink) -> bool {
        let lost = self.lost.iter().filter(|row| row.count > 0);
        self.sink == other.name
            && self.sent == other.sent
            && self.waiting == 0
            && self.retries == other.retries
            && lost.map(|row| (row.label.clone(), row.count)).eq(other.lost.iter().cloned())
    }
}

fn wait(done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "it does not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["sequence"].as_str().unwrap().parse().unwrap()).collect()
}

/// All that there should be, by their numbers, and each as CloudEvents 1.0 has it.
fn in_order(events: &[Value], count: usize) {
    assert_eq!(numbers(events), (1..=count as u64).collect::<Vec<_>>());
    let ids: BTreeSet<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), count);
    for event in events {
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], "urn:seawall:test");
        assert_eq!(event["datacontenttype"], "application/json");
        assert_eq!(event["time"].as_str().unwrap().len(), 27);
        let lower = |name: &String| name.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(event.as_object().unwrap().keys().all(lower), "{event}");
    }
}

/// A message behind its length.
pub fn message(stream: &mut impl BufRead) -> String {
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).unwrap();
    let length: usize = String::from_utf8(length).unwrap().trim().parse().unwrap();
    let mut text = vec![0; length];
    stream.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// A status is answered; these are not.
const NONSENSE: u16 = 0;
const HUNG: u16 = 1;
const CLOSES: u16 = 2;

/// A receiver of batches, which verifies each of them.
pub struct Receiver {
    address: SocketAddr,
    /// What it answers.
    says: Arc<AtomicU16>,
    /// After so many of these it answers 200.
    better_after: Arc<AtomicU64>,
    taken: Arc<Mutex<Vec<Value>>>,
    ids: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub fn start(says: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            says: Arc::new(AtomicU16::new(says)),
            better_after: Arc::new(AtomicU64::new(u64::MAX)),
            taken: Arc::default(),
            ids: Arc::default(),
        };
        let (says, better_after) = (receiver.says.clone(), receiver.better_after.clone());
        let (taken, ids) = (receiver.taken.clone(), receiver.ids.clone());
        thread::spawn(move || {
            // A hung one is held open by the next.
            let mut held = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                while let Some((head, body)) = request(&mut stream) {
                    let id = header(&head, "webhook-id").unwrap().to_owned();
                    verify(&head, &body);
                    ids.lock().unwrap().push(id);
                    let left = better_after.load(SeqCst);
                    let says = if left == 0 { 200 } else { says.load(SeqCst) };
                    better_after.store(left.saturating_sub(u64::from(left < u64::MAX)), SeqCst);
                    let answer = match says {
                        NONSENSE => "what?\r\n\r\n".to_owned(),
                        HUNG => {
                            held.push(stream.get_ref().try_clone().unwrap());
                            break;
                        }
                        CLOSES => break,
                        status => format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n"),
                    };
                    if (200..300).contains(&says) {
                        let batch: Vec<Value> = serde_json::from_slice(&body).unwrap();
                        taken.lock().unwrap().extend(batch);
                    }
                    if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        receiver
    }

    pub fn events(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }
}

/// As the standard says: by the bytes as they came, with the time of the attempt.
fn verify(head: &str, body: &[u8]) {
    assert!(head.starts_with("POST /in HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(head, "content-type"), Some("application/cloudevents-batch+json"));
    let (id, timestamp) = (header(head, "webhook-id"), header(head, "webhook-timestamp"));
    let (id, timestamp) = (id.unwrap(), timestamp.unwrap());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(timestamp.parse::<u64>().unwrap().abs_diff(now) < 60, "{head}");
    let signed = header(head, "webhook-signature").unwrap().strip_prefix("v1,").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING);
    let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    hmac::verify(&key, &message, &STANDARD.decode(signed).unwrap()).expect("a good signature");
}

fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut body = vec![0; header(&head, "content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}
