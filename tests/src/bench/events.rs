//! `cargo xtask bench events`: a million events through the gateway's own queue and sender to a receiver on loopback that is down
//! for a part of the time. Each is received or counted as lost, in order, within the bound; and what telling one costs.

mod receiver;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use firewall_gateway::{
    events::{Decision, Ended, Event, Events},
    figures::SinkFigures,
    listener::bind_listeners,
    policy::GatewayPolicy,
    rejection::Rejection,
    server::serve,
};
use serde_json::json;

use self::receiver::Receiver;
use crate::bench::report::{Report, Row};

const EVENTS: u64 = 1_000_000;
/// As many threads as push at once.
const THREADS: u64 = 2;
/// Together 100,000 a second.
const BURST: u64 = 500;
const BURST_EVERY: Duration = Duration::from_millis(10);
/// The receiver is down from one part of the events to another, in percent.
const DOWN: (u64, u64) = (30, 50);
const QUEUE_MAX: u64 = 65_536;
const QUEUE_BYTES_MAX: u64 = 128 << 20;
/// The queue's bytes, and as much again for what is on its way and for the allocator.
const GROWTH_MAX: u64 = 2 * QUEUE_BYTES_MAX;
const SECRET: [u8; 32] = [7; 32];
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures.
pub fn run() -> Result<(Report, Vec<String>)> {
    let receiver = Receiver::start(&SECRET)?;
    let policy = policy(receiver.address)?;
    let listeners = bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 1, Vec::new())?;
    let gateway = serve(&policy, listeners)?;
    let events = gateway.events().context("events")?.clone();
    let (before, begun) = (memory("VmRSS")?, Instant::now());
    let (told, push_ns) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let waiting_max = thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&events, &receiver, &told, &done));
        let tellers: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| tell(&events, &told, &push_ns))).collect();
        tellers.into_iter().for_each(|teller| drop(teller.join()));
        let end = Instant::now() + PATIENCE;
        while sink(&events).waiting > 0 && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        done.store(true, SeqCst);
        watcher.join()
    });
    let waiting_max = waiting_max.ok().context("the watcher ended early")?;
    let seconds = begun.elapsed().as_secs_f64();
    let grown = memory("VmHWM")?.saturating_sub(before);
    let figures = gateway.finish();
    let figures = figures.events.first().context("a sink")?;
    let received = receiver.end()?;
    let (lost, retries) = (figures.lost_total(), figures.retries);
    let tell_ns = push_ns.load(SeqCst) as f64 / EVENTS as f64;
    eprintln!(
        "{} received in {} batches, {} of them twice; {lost} lost, {retries} attempts again; at most {waiting_max} waited; \
         the process grew by {grown} bytes; {tell_ns:.0} ns to tell one; {seconds:.1} s",
        received.events, received.batches, received.repeated
    );
    let mut problems = received.problems.clone();
    let mut check = |holds: bool, what: String| {
        if !holds {
            problems.push(what);
        }
        holds
    };
    let exact = check(
        received.events + lost == EVENTS,
        format!("{} received and {lost} lost are not {EVENTS}", received.events),
    ) & check(
        figures.sent == received.events,
        format!("{} counted as sent, {} received", figures.sent, received.events),
    );
    let down = check(lost > 0 && retries > 0, "the receiver was not down for long enough".into());
    let bounded = check(
        waiting_max <= QUEUE_MAX,
        format!("{waiting_max} waited at once, of {QUEUE_MAX} at most"),
    );
    let small =
        check(grown <= GROWTH_MAX, format!("grew by {grown} bytes, of {GROWTH_MAX} at most"));
    let ordered = received.problems.is_empty();
    let mib = grown as f64 / f64::from(1 << 20);
    let rows = vec![
        Row::single("events_received", received.events as f64, "events", exact && ordered),
        Row::single("events_lost", lost as f64, "events", exact && down),
        Row::beside("events_waiting_max", waiting_max as f64, "events", QUEUE_MAX as f64, bounded),
        Row::single("events_grown_mib", mib, "MiB", small),
        Row::single("events_tell_ns", tell_ns, "ns", true),
        Row::single("events_seconds", seconds, "s", true),
    ];
    Ok((Report::from_rows(rows), problems))
}

/// Tells one thread's part, in bursts.
fn tell(events: &Events, told: &AtomicU64, push_ns: &AtomicU64) {
    let mut due = Instant::now();
    for _ in 0..EVENTS / THREADS / BURST {
        let begun = Instant::now();
        (0..BURST).for_each(|number| events.tell(event(number)));
        push_ns.fetch_add(begun.elapsed().as_nanos() as u64, SeqCst);
        told.fetch_add(BURST, SeqCst);
        due += BURST_EVERY;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Takes the receiver down and lets it come back; how many waited at most.
fn watch(events: &Events, receiver: &Receiver, told: &AtomicU64, done: &AtomicBool) -> u64 {
    let mut waiting_max = 0;
    while !done.load(SeqCst) {
        let percent = told.load(SeqCst) * 100 / EVENTS;
        receiver.be_down((DOWN.0..DOWN.1).contains(&percent));
        waiting_max = waiting_max.max(sink(events).waiting);
        thread::sleep(Duration::from_millis(1));
    }
    waiting_max
}

fn sink(events: &Events) -> SinkFigures {
    events.figures().into_iter().next().unwrap_or_default()
}

fn event(number: u64) -> Event {
    let ended = Ended {
        request_id: "0123456789abcdef0123456789abcdef".into(),
        trace_id: None,
        peer: SocketAddr::from(([198, 51, 100, 7], 40_000)),
        client: [198, 51, 100, 7].into(),
        method: Some(http::Method::GET),
        path: format!("/users/{number}").into(),
        query: None,
        route: Some("users".into()),
        backend: None,
        status: 401,
        protocol: "h2",
        tls: "1.3",
        ja4: Some("t13d1516h2_8daaf6152771_b186095e22b6".into()),
        bytes_in: 0,
        bytes_out: 214,
        duration_us: 310,
        rejection: Some(Rejection::Unauthenticated),
        denied: Some("expired".to_owned()),
        consumer: None,
        credential: None,
        score: Some(30),
        consumer_score: None,
        user_agent: Some("Mozilla/5.0\\x20(X11;\\x20Linux\\x20x86_64)".to_owned()),
        shadowed: None,
        verdict: None,
    };
    Event::of_request(Decision::Denied, ended)
}

/// What is not said has its default.
fn policy(receiver: SocketAddr) -> Result<GatewayPolicy> {
    let pair = rcgen::generate_simple_self_signed(vec!["gateway.test".to_owned()])?;
    let certificate = json!({
        "place": "gateway",
        "chain_pem": pair.cert.pem(),
        "key_pem": pair.signing_key.serialize_pem(),
        "ocsp_der": null,
    });
    let upstream = json!({
        "name": "siem",
        "backends": [{ "address": receiver }],
        "host": "siem",
        "tls": null,
        "connections_max": 4,
    });
    let webhook = json!({
        "upstream": 0,
        "path": "/",
        "secret": format!("whsec_{}", STANDARD.encode(SECRET)),
        "batch_max": 500,
        "batch_wait_ms": 100,
        "timeout_ms": 5_000,
        "give_up_s": 300,
    });
    let policy = json!({
        "tls": {
            "certificates": [certificate],
            "unknown_name": "default",
            "version_min": "1.2",
            "ticket_keys": [],
            "ticket_lifetime_s": 60,
            "client_certificates": null,
            "acme": false,
        },
        "upstreams": [upstream],
        "routes": [{
            "name": "all",
            "path": "/*",
            "action": { "forward": { "shares": [{ "upstream": 0, "weight": 1 }] } },
        }],
        "clients": firewall_gateway::policy::ClientsPolicy::default(),
        "events": {
            "decisions": ["denied"],
            "source": "urn:seawall:bench",
            "queue_max": QUEUE_MAX,
            "queue_bytes_max": QUEUE_BYTES_MAX,
            "file": null,
            "webhook": webhook,
            "syslog": null,
        },
        "limits": firewall_gateway::limits::Limits::default(),
        "log": { "level": "error", "format": "text" },
    });
    Ok(serde_json::from_value(policy)?)
}

fn memory(what: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().split(' ').next()).context("a size")?;
    ensure!(!number.is_empty(), "{what}");
    Ok(number.parse::<u64>()? * 1_024)
}
