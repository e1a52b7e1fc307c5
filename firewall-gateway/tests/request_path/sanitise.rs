//! Texts of requests in one form: what the upstream gets is what was looked at, with every other byte as it came.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use firewall_gateway::{
    countries::Countries,
    explain::{Question, explain},
    figures::{Figures, LabelCount},
    policy::{
        Against, BehaviourPolicy, ControlCharacters, GatewayPolicy, RoutePolicy, SanitisePolicy,
        Unwanted, ValidationMode, ValidationPolicy,
    },
};
use serde_json::{Value, json};

use crate::{
    h2raw::{DATA, END_HEADERS, END_STREAM, HEADERS, frame, request},
    world::{World, header, label, one_request, read_answer, status},
};

const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn routes(change: impl FnOnce(&mut SanitisePolicy)) -> Vec<RoutePolicy> {
    let mut sanitise = SanitisePolicy::default();
    change(&mut sanitise);
    vec![
        RoutePolicy {
            sanitise: Some(sanitise),
            ..RoutePolicy::to_upstream("clean", "/clean/*", 0)
        },
        RoutePolicy::to_upstream("others", "/*", 0),
    ]
}

fn world(change: impl FnOnce(&mut SanitisePolicy)) -> World {
    World::changed(|policy| policy.routes = routes(change))
}

fn exchange(world: &World, line: &str, lines: &str, body: &[u8]) -> String {
    let mut client = world.connect();
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    client.write_all(&[head.as_bytes(), body].concat()).unwrap();
    read_answer(&mut client)
}

/// What was counted between, as `verdict`, `change` and `fault` with their numbers.
fn counted(before: &Figures, after: &Figures) -> Vec<(String, u64)> {
    let lists = |figures: &Figures| -> Vec<LabelCount> {
        [&figures.sanitised, &figures.sanitise_changes, &figures.sanitise_faults]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    };
    let known = lists(before);
    let counts = lists(after).into_iter().map(|row| {
        let count = row.count - label(&known, &row.label);
        (row.label, count)
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

fn once(labels: &[&str]) -> Vec<(String, u64)> {
    labels.iter().map(|label| ((*label).to_owned(), 1)).collect()
}

#[test]
fn the_upstream_gets_the_form_that_was_looked_at() {
    let world = world(|policy| {
        policy.control_characters = ControlCharacters::Strip;
        policy.html = vec!["/comments/*/text".into(), "/comment".into()];
    });
    let exact = "{\"n\" : 1.0,\"m\":1e400, \"id\":12345678901234567890,\"s\":\"\\u00e9\\/\" }";
    for (line, lines, body, target, sent, expected) in [
        ("GET /clean/a?b=%7e+c", "", "", "/clean/a?b=%7e+c", "", once(&["unchanged"])),
        ("POST /clean/", JSON, exact, "/clean/", exact, once(&["unchanged"])),
        ("POST /clean/", FORM, "a=b+%63&d", "/clean/", "a=b+%63&d", once(&["unchanged"])),
        ("POST /clean/", JSON, "", "/clean/", "", once(&["unchanged"])),
        (
            "GET /clean/a?b=e%CC%81&c=%1b+d",
            "",
            "",
            "/clean/a?b=%C3%A9&c=%20d",
            "",
            once(&["changed", "unicode", "control_characters"]),
        ),
        (
            "POST /clean/",
            JSON,
            "{\"n\" : 1.0,\"e\\u0301\":\"cafe\u{301}\"}",
            "/clean/",
            "{\"n\" : 1.0,\"\u{e9}\":\"caf\u{e9}\"}",
            once(&["changed", "unicode"]),
        ),
        (
            "POST /clean/?x=%00",
            JSON,
            "{\"comments\":[{\"text\":\"<b onclick=x>a</b><script>b</script> & c\",\"n\":1e400}]}",
            "/clean/?x=",
            "{\"comments\":[{\"text\":\"<b>a</b> &amp; c\",\"n\":1e400}]}",
            once(&["changed", "control_characters", "html"]),
        ),
        (
            "POST /clean/",
            FORM,
            "comment=%3Cscript%3Ex%3C%2Fscript%3Ey&z=+",
            "/clean/",
            "comment=y&z=+",
            once(&["changed", "html"]),
        ),
        // Nobody looks into these.
        ("POST /clean/", "", "e\u{301}", "/clean/", "e\u{301}", once(&["unseen"])),
        (
            "POST /clean/?e%CC%81",
            "Content-Type: text/plain\r\n",
            "\0",
            "/clean/?%C3%A9",
            "\0",
            once(&["changed", "unicode"]),
        ),
        (
            "POST /clean/",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            "{",
            "/clean/",
            "{",
            once(&["unseen"]),
        ),
        // Nor on another route.
        ("POST /b?c=%00", JSON, "\"e\u{301}\"", "/b?c=%00", "\"e\u{301}\"", once(&[])),
    ] {
        let before = world.settled();
        let answer = exchange(&world, line, lines, body.as_bytes());
        assert_eq!(status(&answer), 200, "{line} {body}: {answer}");
        let after = world.settled();
        one_request(&before, &after, 200, "h1", "");
        assert_eq!(counted(&before, &after), expected, "{line} {body}");
        let seen = world.upstream.seen();
        assert_eq!(seen.len(), 1, "{line}");
        let (head, content) = seen[0].split_once("\r\n\r\n").unwrap();
        let method = line.split(' ').next().unwrap();
        assert_eq!(head.lines().next(), Some(format!("{method} {target} HTTP/1.1").as_str()));
        assert_eq!(content, sent, "{line} {body}");
        let length = header(&seen[0], "content-length").map_or(0, |it| it.parse().unwrap());
        assert_eq!(length, sent.len(), "{head}");
    }
}

#[test]
fn what_is_refused_never_reaches_the_upstream() {
    let world = world(|policy| {
        policy.html = vec!["/html".into()];
        policy.other_bodies = Unwanted::Refuse;
        policy.body_bytes_max = 8_000;
    });
    let large = format!("\"{}\"", "a".repeat(8_000));
    let markup = format!("{{\"html\":\"{}\"}}", "<i>".repeat(1_025));
    for (line, lines, body, expected, rejection, fault, place, pointer) in [
        ("GET /clean/%E2%80%AEa", "", "", 422, "input_invalid", "control_character", "path", "#"),
        ("GET /clean/?a=%07", "", "", 422, "input_invalid", "control_character", "query", "#/a"),
        ("GET /clean/?a=%", "", "", 400, "input_malformed", "parameter_malformed", "query", "#"),
        ("GET /clean/?a=%2541", "", "", 400, "input_malformed", "double_encoding", "query", "#/a"),
        (
            "POST /clean/",
            JSON,
            "{\"a\":[0,\"\\u001b\"]}",
            422,
            "input_invalid",
            "control_character",
            "body",
            "#/a/1",
        ),
        (
            "POST /clean/",
            JSON,
            "{\"e\u{301}\":1,\"\u{e9}\":1}",
            400,
            "input_malformed",
            "member_repeated",
            "body",
            "#/%C3%A9",
        ),
        ("POST /clean/", JSON, "[\"\\ud800\"]", 400, "input_malformed", "syntax", "body", "#/0"),
        ("POST /clean/", FORM, "a=%2500", 400, "input_malformed", "double_encoding", "body", "#/a"),
        ("POST /clean/", JSON, &large, 413, "input_too_large", "body_too_large", "body", "#"),
        (
            "POST /clean/",
            JSON,
            &markup,
            413,
            "input_too_large",
            "too_much_markup",
            "body",
            "#/html",
        ),
        (
            "POST /clean/",
            "Content-Type: multipart/form-data; boundary=b\r\n",
            "--b--\r\n",
            415,
            "input_unsupported",
            "content_type",
            "body",
            "#",
        ),
    ] {
        let before = world.settled();
        let answer = exchange(&world, line, lines, body.as_bytes());
        assert_eq!(status(&answer), expected, "{line} {body}: {answer}");
        let after = world.settled();
        one_request(&before, &after, expected, "h1", rejection);
        assert_eq!(counted(&before, &after), once(&["refused", fault]), "{line} {body}");
        assert_eq!(world.upstream.seen(), Vec::<String>::new(), "{line}");
        let problem: Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let error = &problem["errors"][0];
        assert_eq!((&error["in"], &error["pointer"]), (&json!(place), &json!(pointer)), "{line}");
        assert!(error["expected"].as_str().is_some_and(|it| !it.is_empty()), "{problem}");
    }
}

#[test]
fn what_is_only_reported_passes_as_it_came() {
    let world = world(|policy| {
        policy.mode = ValidationMode::Report;
        policy.html = vec!["/html".into()];
        policy.body_bytes_max = 100;
    });
    let large = format!("\"{}\"", "a".repeat(90_000));
    for (line, lines, body, expected) in [
        ("GET /clean/?a=b", "", "", once(&["unchanged"])),
        ("GET /clean/?a=e%CC%81", "", "", once(&["reported", "unicode"])),
        ("GET /clean/%E2%80%AE", "", "", once(&["reported", "control_character"])),
        ("POST /clean/", JSON, "{\"html\":\"<script>\"}", once(&["reported", "html"])),
        ("POST /clean/", JSON, "[\"\\u0000\"]", once(&["reported", "control_character"])),
        ("POST /clean/", JSON, "{", once(&["reported", "syntax"])),
        ("POST /clean/", JSON, &large, once(&["reported", "body_too_large"])),
    ] {
        let before = world.settled();
        let answer = exchange(&world, line, lines, body.as_bytes());
        assert_eq!(status(&answer), 200, "{line} {body:.60}: {answer}");
        let after = world.settled();
        one_request(&before, &after, 200, "h1", "");
        assert_eq!(counted(&before, &after), expected, "{line} {body:.60}");
        let seen = world.upstream.seen();
        assert!(seen.len() == 1 && seen[0].starts_with(line) && seen[0].ends_with(body), "{line}");
    }
}

#[test]
fn bodies_in_pieces_are_cleaned_whole() {
    let world = world(|_| {});
    let (given, sent) = ("{\"a\":\"e\\u0301\",\"n\":1.50}", "{\"a\":\"\u{e9}\",\"n\":1.50}");
    let mut client = world.connect();
    let chunks: String = given
        .as_bytes()
        .chunks(5)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let head =
        format!("POST /clean/ HTTP/1.1\r\nHost: a\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    client.write_all((head + &chunks + "0\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
    drop(client);
    let seen = world.upstream.seen();
    assert!(seen.len() == 1 && seen[0].ends_with(&format!("\r\n\r\n{sent}")), "{seen:?}");
    assert_eq!(header(&seen[0], "content-length"), Some(sent.len().to_string().as_str()));
    let mut client = world.http2(&[]);
    let block = request("POST", "/clean/", &[("content-type", "application/json")]);
    assert!(client.send(&frame(HEADERS, END_HEADERS, 1, &block)));
    let (begin, end) = given.as_bytes().split_at(9);
    assert!(client.send(&frame(DATA, 0, 1, begin)));
    assert!(client.send(&frame(DATA, END_STREAM, 1, end)));
    assert!(client.until(&[HEADERS]).is_some());
    let seen = world.upstream.seen();
    assert!(seen.len() == 1 && seen[0].ends_with(&format!("\r\n\r\n{sent}")), "{seen:?}");
}

#[test]
fn the_schema_is_held_against_what_the_upstream_gets() {
    let world = World::changed(|policy| {
        policy.routes = routes(|sanitise| {
            sanitise.control_characters = ControlCharacters::Strip;
            sanitise.html = vec!["/text".into()];
        });
        let schema = json!({"properties": {"text": {"type": "string", "maxLength": 2}}});
        policy.routes[0].validate = Some(ValidationPolicy::new(Against::Body(schema.to_string())));
    });
    for (body, expected, sent) in [
        ("{\"text\":\"ae\u{301}\"}", 200, "{\"text\":\"a\u{e9}\"}"),
        ("{\"text\":\"<script>long</script>ab\"}", 200, "{\"text\":\"ab\"}"),
        ("{\"text\":\"&\"}", 422, ""),
        ("{\"te\u{200b}xt\":\"abc\"}", 422, ""),
        ("{\"n\":1e400}", 400, ""),
    ] {
        let answer = exchange(&world, "POST /clean/", JSON, body.as_bytes());
        assert_eq!(status(&answer), expected, "{body}: {answer}");
        let seen = world.upstream.seen();
        assert_eq!(seen.len(), usize::from(expected == 200), "{body}");
        assert!(seen.iter().all(|seen| seen.ends_with(&format!("\r\n\r\n{sent}"))), "{seen:?}");
    }
}

#[test]
fn a_client_that_hides_something_offends() {
    let world = World::changed(|policy| {
        policy.behaviour = Some(BehaviourPolicy::default());
        policy.routes = routes(|_| {});
    });
    for (target, offences) in [("a=b", 0), ("a=%00", 1), ("a=%2500", 2)] {
        exchange(&world, &format!("GET /clean/?{target}"), "", b"");
        let signals = world.settled().behaviour.addresses.signals;
        assert_eq!(label(&signals, "invalid_input"), offences, "{target}");
    }
}

#[test]
fn what_becomes_of_a_query_is_explained() {
    let mut policy: Option<GatewayPolicy> = None;
    let _world = World::changed(|changed| {
        changed.routes = routes(|_| {});
        policy = Some(changed.clone());
    });
    let mut policy = policy.unwrap();
    for (mode, query, verdict, said) in [
        (ValidationMode::Enforce, "a=b", "forward", "path and query stay as they are"),
        (ValidationMode::Enforce, "a=e%CC%81", "forward", "goes on as /clean/?a=%C3%A9"),
        (
            ValidationMode::Enforce,
            "a=%00",
            "refuse",
            "refused: 422 input_invalid, invalid:control_character:query#/a",
        ),
        (ValidationMode::Report, "a=e%CC%81", "forward", "the query would be changed"),
        (
            ValidationMode::Report,
            "a=%00",
            "forward",
            "would be refused: invalid:control_character:query#/a",
        ),
    ] {
        policy.routes[0].sanitise = Some(SanitisePolicy { mode, ..SanitisePolicy::default() });
        let question = Question {
            method: "GET".into(),
            url: format!("https://api.example/clean/?{query}"),
            headers: Vec::new(),
            address: IpAddr::from(Ipv4Addr::LOCALHOST),
            assumed: None,
        };
        let countries = Countries::default();
        let told = explain(&policy, &[], &countries, &question, Duration::ZERO).unwrap();
        assert_eq!(told.verdict, verdict, "{query}");
        let stage = told.stages.iter().find(|stage| stage.stage == "sanitise").unwrap();
        assert!(stage.said.starts_with(said), "{query}: {}", stage.said);
    }
}
