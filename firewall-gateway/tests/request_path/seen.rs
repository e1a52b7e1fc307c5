//! What is seen of a request: lines in a file, spans at a collector, and no secret in either.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::mpsc,
    thread,
};

use firewall_gateway::{
    limits::{Limits, TRACE_QUEUE_MAX},
    listener::bind_listeners,
    policy::{
        GatewayPolicy, TracePolicy,
        access_log::{AccessField, AccessFormat},
    },
    server::{Gateway, Handed, serve_handed},
};
use serde_json::Value;

use crate::{
    upstream::Upstream,
    world::{
        PATIENCE, World, connect, gateway_policy, header, read_to_end, status, upstream_policy,
    },
};

/// Stands wherever a client can put a secret.
const SECRET: &str = "s3cr3t-v4lue";

#[test]
fn lines_go_to_the_file_and_no_secret_does() {
    for (format, expected) in
        [(AccessFormat::Json, 5), (AccessFormat::Combined, 5), (AccessFormat::Off, 0)]
    {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("access-{format:?}"));
        drop(fs::remove_file(&path));
        let file = File::options().append(true).create(true).open(&path).unwrap();
        let logging = Logging::start(file, |policy| {
            policy.access_log.format = format;
            policy.access_log.fields = AccessField::ALL.to_vec();
        });
        for (target, lines) in [
            (format!("/a?token={SECRET}&page=1"), String::new()),
            (format!("/b?api_key={SECRET};code={SECRET}"), String::new()),
            ("/c".to_owned(), format!("Authorization: Bearer {SECRET}\r\nCookie: id={SECRET}\r\n")),
            (
                "/d".to_owned(),
                format!("Referer: https://a.example/?r={SECRET}\r\nX-Api-Key: {SECRET}\r\n"),
            ),
            ("/failing".to_owned(), format!("Proxy-Authorization: Basic {SECRET}\r\n")),
        ] {
            logging.get(&target, &format!("User-Agent: test/1\r\n{lines}"));
        }
        assert_eq!(logging.gateway.finish().access_lines_lost, 0);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(SECRET), "{text}");
        assert_eq!(text.lines().count(), expected, "{text}");
        match format {
            AccessFormat::Json => {
                let lines: Vec<Value> =
                    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                assert_eq!(lines[0]["query"], "token=***&page=1");
                assert_eq!(lines[3]["referer"], "https://a.example/");
                assert_eq!((&lines[4]["status"], &lines[4]["route"]), (&503.into(), &"all".into()));
                assert!(lines.iter().all(|line| line["host"] == "api.example"));
            }
            AccessFormat::Combined => {
                let first = text.lines().next().unwrap();
                assert!(first.starts_with("127.0.0.1 - - ["), "{first}");
                let end = "\"GET /a?token=***&page=1 HTTP/1.1\" 200 5 \"-\" \"test/1\"";
                assert!(first.ends_with(end), "{first}");
            }
            AccessFormat::Off => {}
        }
        drop(fs::remove_file(&path));
    }
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    let full = File::options().append(true).open("/dev/full").unwrap();
    let logging = Logging::start(full, |policy| policy.access_log.format = AccessFormat::Json);
    assert_eq!(status(&logging.get("/", "")), 200);
    assert_eq!(logging.gateway.finish().access_lines_lost, 1);
}

#[test]
fn a_request_makes_two_spans_of_one_trace() {
    let collector = Collector::start(200);
    let world = World::changed(|policy| policy.traces = Some(collector.policy()));
    let (trace, caller) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let answer = world.exchange(&format!(
        "GET /x?token={SECRET} HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{trace}-{caller}-00\r\n\
         tracestate: a=1\r\nAuthorization: {SECRET}\r\nConnection: close\r\n\r\n"
    ));
    let id = header(&answer, "x-request-id").unwrap();
    let seen = world.upstream.seen().remove(0);
    let sent = header(&seen, "traceparent").unwrap();
    assert_eq!(header(&seen, "tracestate"), Some("a=1"));
    let (head, body) = collector.requests.recv_timeout(PATIENCE).unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "content-type"), Some("application/json"));
    assert!(!body.contains(SECRET), "{body}");
    let batch: Value = serde_json::from_str(&body).unwrap();
    let resource = &batch["resourceSpans"][0];
    assert_eq!(attribute(&resource["resource"], "service.name")["stringValue"], "edge");
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2, "{body}");
    let (server, client) = (&spans[0], &spans[1]);
    assert_eq!((&server["traceId"], &client["traceId"]), (&trace.into(), &trace.into()));
    assert_eq!((&server["kind"], &client["kind"]), (&2.into(), &3.into()));
    assert_eq!((&server["name"], &client["name"]), (&"GET all".into(), &"GET".into()));
    assert_eq!(server["parentSpanId"], caller);
    assert_eq!(client["parentSpanId"], server["spanId"]);
    assert_eq!(sent, format!("00-{trace}-{}-01", client["spanId"].as_str().unwrap()));
    assert_eq!(attribute(server, "http.response.status_code")["intValue"], "200");
    assert_eq!(attribute(server, "url.path")["stringValue"], "/x");
    assert_eq!(attribute(server, "seawall.request_id")["stringValue"], id);
    let nanos = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    for span in spans {
        assert!(nanos(span, "startTimeUnixNano") <= nanos(span, "endTimeUnixNano"));
        assert!(nanos(span, "startTimeUnixNano") >= nanos(server, "startTimeUnixNano"));
    }
    let World { gateway, .. } = world;
    let figures = gateway.finish();
    let dropped = (figures.spans_dropped_queue, figures.spans_dropped_export);
    assert_eq!((figures.spans_exported, dropped), (2, (0, 0)));
}

#[test]
fn a_collector_that_is_gone_or_unwilling_costs_spans_and_nothing_else() {
    let unwilling = Collector::start(503);
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    for collector in [unwilling.address, gone] {
        let traces = TracePolicy { collector, ..unwilling.policy() };
        let world = World::changed(|policy| policy.traces = Some(traces));
        let answer = world.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&answer), 200);
        let World { gateway, .. } = world;
        let figures = gateway.finish();
        assert_eq!((figures.spans_exported, figures.spans_dropped_export), (0, 2));
    }
}

#[test]
fn a_collector_that_hangs_fills_the_queue_and_holds_up_no_request() {
    // The kernel takes connections for it; nobody ever reads.
    let hanging = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let traces = TracePolicy {
        collector: hanging.local_addr().unwrap(),
        path: "/v1/traces".to_owned(),
        sample_percent: 100,
        service_name: "edge".to_owned(),
    };
    let world = World::changed(|policy| policy.traces = Some(traces));
    let mut client = world.connect();
    let requests = TRACE_QUEUE_MAX + 600;
    for _ in 0..requests {
        client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_head(&mut client).unwrap();
    }
    drop(client);
    let figures = world.settled();
    assert_eq!(figures.routes[0].h1[1], requests as u64);
    let World { gateway, .. } = world;
    let figures = gateway.finish();
    let dropped = figures.spans_dropped_queue + figures.spans_dropped_export;
    assert_eq!((figures.spans_exported, dropped), (0, 2 * requests as u64));
}

/// A gateway whose access log is a file.
struct Logging {
    gateway: Gateway,
    address: SocketAddr,
    certificate_pem: String,
}

impl Logging {
    fn start(file: File, change: impl FnOnce(&mut GatewayPolicy)) -> Self {
        let upstream = Upstream::start("api.internal");
        let way = upstream_policy(upstream.address, &upstream.certificate_pem, 4);
        let mut policy = gateway_policy(way, Limits::default());
        change(&mut policy);
        let listeners =
            bind_listeners(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], 1, Vec::new()).unwrap();
        let address = listeners[0].shape.address;
        let gateway = serve_handed(
            &policy,
            listeners,
            Handed { access_log: Some(file), ..Handed::default() },
        )
        .unwrap();
        Self { gateway, address, certificate_pem: policy.tls.certificates[0].chain_pem.clone() }
    }

    fn get(&self, target: &str, lines: &str) -> String {
        let mut client = connect(self.address, &self.certificate_pem);
        let head = format!("GET {target} HTTP/1.1\r\nHost: api.example\r\n{lines}");
        client.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap();
        read_to_end(&mut client)
    }
}

/// Keeps what spans it is sent, and answers with one status.
struct Collector {
    address: SocketAddr,
    requests: mpsc::Receiver<(String, String)>,
}

impl Collector {
    fn start(answer: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = take(stream, answer) else { continue };
                if sender.send(request).is_err() {
                    return;
                }
            }
        });
        Self { address, requests }
    }

    fn policy(&self) -> TracePolicy {
        TracePolicy {
            collector: self.address,
            path: "/v1/traces".to_owned(),
            sample_percent: 100,
            service_name: "edge".to_owned(),
        }
    }
}

fn take(mut stream: TcpStream, answer: u16) -> Option<(String, String)> {
    let head = read_head(&mut stream)?;
    let mut body = vec![0; header(&head, "content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {answer} Said\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn attribute<'a>(of: &'a Value, key: &str) -> &'a Value {
    let attributes = of["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    &found.unwrap_or_else(|| panic!("no {key} in {of}"))["value"]
}
