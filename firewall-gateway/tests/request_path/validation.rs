//! Requests against the document of their API: what is wrong is refused before the upstream hears of it, and told.

use std::io::Write;

use firewall_gateway::{
    figures::{Figures, RouteFigures},
    policy::{
        Against, BehaviourPolicy, DocumentPolicy, RoutePolicy, Undocumented, ValidationMode,
        ValidationPolicy,
    },
    validate::Verdict,
};
use serde_json::{Value, json};

use crate::{
    h2raw::{DATA, END_HEADERS, END_STREAM, HEADERS, frame, request},
    mutants::{Bodies, Mutant},
    world::{Client, World, header, label, one_request, read_answer, read_to_end, status},
};

const SHOP: &str = include_str!("../../../rules/examples/shop.openapi.json");
const ORDER: &str = "/components/schemas/Order";
const MUTANTS: usize = 10_000;

fn world(change: impl FnOnce(&mut ValidationPolicy)) -> World {
    World::changed(|policy| {
        policy.openapi =
            vec![DocumentPolicy { name: "shop".into(), text: SHOP.into(), base_path: None }];
        let mut validate = ValidationPolicy::new(Against::Document("shop".into()));
        change(&mut validate);
        policy.routes = vec![
            RoutePolicy {
                validate: Some(validate),
                ..RoutePolicy::to_upstream("shop", "/v1/*", 0)
            },
            RoutePolicy::to_upstream("others", "/*", 0),
        ];
    })
}

/// What was counted of the route: passed, refused, reported, undocumented.
fn verdicts(figures: &Figures) -> [u64; Verdict::ALL.len()] {
    let shop = figures.routes.iter().find(|row| row.route == "shop");
    shop.map(|row: &RouteFigures| row.validations).unwrap_or_default()
}

fn message(line: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("{line} HTTP/1.1\r\nHost: api.example\r\n{lines}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Sends it on a connection of its own; answers what came back.
fn exchange(world: &World, line: &str, lines: &str, body: &[u8]) -> String {
    let mut client = world.connect();
    let lines = format!("{lines}Connection: close\r\n");
    client.write_all(&message(line, &lines, body)).unwrap();
    read_answer(&mut client)
}

fn problem(answer: &str) -> Value {
    assert_eq!(header(answer, "content-type"), Some("application/problem+json"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

const JSON: &str = "Content-Type: application/json\r\n";
const GOOD: &str =
    r#"{"customer":{"name":"A","email":"a@b.example"},"items":[{"sku":"ABC-1234","quantity":1}]}"#;

#[test]
fn what_does_not_fit_never_reaches_the_upstream() {
    let world = world(|policy| policy.body_bytes_max = 1_000);
    for (line, lines, body, expected, rejection, fault) in [
        ("GET /v1/orders/7", "", "", 200, "", ""),
        ("POST /v1/orders", JSON, GOOD, 200, "", ""),
        ("GET /elsewhere?limit=%zz", "", "", 200, "", ""),
        ("GET /v1/orders/x", "", "", 422, "input_invalid", "schema"),
        (
            "GET /v1/orders?x=%zz",
            "X-Tenant: acme\r\n",
            "",
            400,
            "input_malformed",
            "parameter_malformed",
        ),
        ("GET /v1/nothing", "", "", 404, "operation_unknown", "operation_unknown"),
        ("POST /v1/orders", JSON, "{", 400, "input_malformed", "syntax"),
        ("POST /v1/orders", JSON, "{}x", 400, "input_malformed", "trailing_bytes"),
        ("POST /v1/orders", JSON, "{\"a\":1,\"a\":1}", 400, "input_malformed", "member_repeated"),
        ("POST /v1/orders", JSON, "{}", 422, "input_invalid", "schema"),
        ("POST /v1/orders", JSON, "", 422, "input_invalid", "body_missing"),
        ("POST /v1/orders", "", GOOD, 415, "input_unsupported", "content_type"),
        (
            "POST /v1/orders",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            GOOD,
            415,
            "input_unsupported",
            "content_encoding",
        ),
        ("POST /v1/orders", JSON, &" ".repeat(1_001), 413, "input_too_large", "body_too_large"),
        ("POST /v1/orders", JSON, &"[".repeat(40), 413, "input_too_large", "too_deep"),
        ("DELETE /v1/orders/7", JSON, "{}", 415, "input_unsupported", "content_type"),
    ] {
        let before = world.settled();
        let answer = exchange(&world, line, lines, body.as_bytes());
        assert_eq!(status(&answer), expected, "{line} {body}: {answer}");
        let after = world.settled();
        one_request(&before, &after, expected, "h1", rejection);
        let refused = u64::from(!rejection.is_empty());
        let passed = u64::from(refused == 0 && line.contains("/v1/"));
        let counted: Vec<u64> = verdicts(&after)
            .iter()
            .zip(verdicts(&before))
            .map(|(after, before)| after - before)
            .collect();
        assert_eq!(counted, [passed, refused, 0, 0], "{line} {body}");
        let faults =
            |figures: &Figures| figures.validation_faults.iter().map(|it| it.count).sum::<u64>();
        assert_eq!(faults(&after) - faults(&before), refused, "{line} {body}");
        let seen = world.upstream.seen();
        if rejection.is_empty() {
            assert!(seen.len() == 1 && seen[0].ends_with(body), "{seen:?}");
            continue;
        }
        assert_eq!(seen, Vec::<String>::new(), "{line} {body}");
        let counted =
            label(&after.validation_faults, fault) - label(&before.validation_faults, fault);
        assert_eq!(counted, 1, "{line} {body} {fault}: {:?}", after.validation_faults);
        let problem = problem(&answer);
        let kind = format!("urn:seawall:problem:{}", rejection.replace('_', "-"));
        assert_eq!((&problem["status"], &problem["type"]), (&json!(expected), &json!(kind)));
        let errors = problem["errors"].as_array().unwrap();
        assert!((1..=8).contains(&errors.len()), "{problem}");
        for error in errors {
            assert!(error["pointer"].as_str().is_some_and(|it| it.starts_with('#')), "{problem}");
            assert!(error["expected"].as_str().is_some_and(|it| !it.is_empty()), "{problem}");
        }
    }
}

#[test]
fn the_upstream_gets_the_bytes_that_were_judged_whatever_their_pieces() {
    let world = world(|_| {});
    let spaced = GOOD.replace(':', " : ").replace(',', " ,\t");
    let mut client = world.connect();
    let chunks: String = spaced
        .as_bytes()
        .chunks(7)
        .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let head =
        format!("POST /v1/orders HTTP/1.1\r\nHost: a\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    for piece in (head + &chunks + "0\r\n\r\n").as_bytes().chunks(40) {
        client.write_all(piece).unwrap();
        client.flush().unwrap();
    }
    assert_eq!(status(&read_answer(&mut client)), 200);
    let seen = world.upstream.seen();
    assert!(seen.len() == 1 && seen[0].ends_with(&spaced), "{seen:?}");
    // One that turns out too large while it comes goes nowhere.
    let many = format!("{:x}\r\n{}\r\n", 40_000, " ".repeat(40_000)).repeat(2);
    let head =
        format!("POST /v1/orders HTTP/1.1\r\nHost: a\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
    client.write_all((head + &many + "0\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(status(&read_answer(&mut client)), 413);
    assert_eq!(world.upstream.seen(), Vec::<String>::new());
}

#[test]
fn bodies_over_http2_are_judged_whole_too() {
    let world = world(|_| {});
    let (begin, end) = GOOD.as_bytes().split_at(20);
    for (kind, pieces, expected, rejection) in [
        ("application/json", vec![begin, end], 200, ""),
        ("application/json", vec![begin, end, b""], 200, ""),
        ("application/json", vec![begin], 400, "input_malformed"),
        ("application/json", vec![b"{}"], 422, "input_invalid"),
        ("application/json", vec![b""], 422, "input_invalid"),
        ("text/html", vec![begin, end], 415, "input_unsupported"),
    ] {
        let before = world.settled();
        let mut client = world.http2(&[]);
        let block = request("POST", "/v1/orders", &[("content-type", kind)]);
        assert!(client.send(&frame(HEADERS, END_HEADERS, 1, &block)));
        for (number, piece) in pieces.iter().enumerate() {
            let flags = if number + 1 == pieces.len() { END_STREAM } else { 0 };
            assert!(client.send(&frame(DATA, flags, 1, piece)));
        }
        assert!(client.until(&[HEADERS]).is_some());
        drop(client);
        one_request(&before, &world.settled(), expected, "h2", rejection);
        let seen = world.upstream.seen();
        assert_eq!(seen.len(), usize::from(expected == 200), "{kind} {pieces:?}");
        assert!(seen.iter().all(|seen| seen.ends_with(GOOD)), "{seen:?}");
    }
}

#[test]
fn what_is_only_reported_passes_as_it_came() {
    let world = world(|policy| {
        policy.mode = ValidationMode::Report;
        policy.undocumented = Undocumented::Pass;
        policy.body_bytes_max = 100;
    });
    let large = format!("[{}1]", "1,".repeat(30_000));
    for (line, lines, body, expected) in [
        ("POST /v1/orders", JSON, GOOD, [1, 0, 0, 0]),
        ("POST /v1/orders", JSON, "{}", [0, 0, 1, 0]),
        ("POST /v1/orders", "", "x", [0, 0, 1, 0]),
        ("POST /v1/orders", JSON, &large, [0, 0, 1, 0]),
        ("GET /v1/orders?limit=x", "", "", [0, 0, 1, 0]),
        ("POST /v1/other", JSON, "{}", [0, 0, 0, 1]),
    ] {
        let before = world.settled();
        let answer = exchange(&world, line, lines, body.as_bytes());
        assert_eq!(status(&answer), 200, "{line}: {answer}");
        let after = world.settled();
        let counted: Vec<u64> = verdicts(&after)
            .iter()
            .zip(verdicts(&before))
            .map(|(after, before)| after - before)
            .collect();
        assert_eq!(counted, expected, "{line} {body}");
        one_request(&before, &after, 200, "h1", "");
        let seen = world.upstream.seen();
        assert!(seen.len() == 1 && seen[0].ends_with(body), "{line}");
    }
}

#[test]
fn a_client_that_sends_what_does_not_fit_offends() {
    let world = World::changed(|policy| {
        policy.behaviour = Some(BehaviourPolicy::default());
        let validate = ValidationPolicy::new(Against::Body(json!({"type": "object"}).to_string()));
        policy.routes[0].validate = Some(validate);
    });
    for (body, offences) in [("{}", 0), ("[]", 1), ("{", 2)] {
        exchange(&world, "POST /", JSON, body.as_bytes());
        let signals = world.settled().behaviour.addresses.signals;
        assert_eq!(label(&signals, "invalid_input"), offences, "{body}");
    }
}

#[test]
fn ten_thousand_mutants_are_refused_and_told_why() {
    let world = world(|_| {});
    let document: Value = serde_json::from_str(SHOP).unwrap();
    let mut bodies = Bodies::new(&document, ORDER, 7).unwrap();
    let mut client = world.connect();
    for _ in 0..100 {
        let good = bodies.good().to_string();
        client.write_all(&message("POST /v1/orders", JSON, good.as_bytes())).unwrap();
        let answer = read_answer(&mut client);
        assert_eq!(status(&answer), 200, "{good}: {answer}");
    }
    assert_eq!(world.upstream.seen().len(), 100);
    let mut by_status = [0; 4];
    for number in 0..MUTANTS {
        let mutant = bodies.mutant();
        let answer = send(&world, &mut client, &mutant);
        let Mutant { what, .. } = &mutant;
        let shown = String::from_utf8_lossy(&mutant.body);
        let place = [400, 413, 415, 422].iter().position(|one| *one == status(&answer));
        by_status[place.unwrap_or_else(|| panic!("{number} {what}: {answer} {shown}"))] += 1;
        assert_eq!(status(&answer), mutant.status, "{number} {what}: {answer} {shown}");
        let problem = problem(&answer);
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert!(pointer.starts_with('#'), "{number} {what}: {answer}");
    }
    assert_eq!(world.upstream.seen(), Vec::<String>::new());
    assert!(by_status.iter().all(|count| *count > 100), "{by_status:?}");
    drop(client);
    let figures = world.settled();
    assert_eq!(verdicts(&figures), [100, MUTANTS as u64, 0, 0]);
}

#[test]
fn answers_are_held_against_the_document_too() {
    let operation = json!({"responses": {
        "200": {"content": {"application/json": {"schema": {"type": "integer", "maximum": 99}}}},
        "4XX": {"description": "no"},
    }});
    for mode in [ValidationMode::Enforce, ValidationMode::Report] {
        let world = World::changed(|policy| {
            let mut validate = ValidationPolicy::new(Against::Operation(operation.to_string()));
            validate.responses = Some(mode);
            validate.body_bytes_max = 8;
            policy.routes[0].validate = Some(validate);
        });
        for (line, status_of_answer, body, place, fault) in [
            ("GET /answer/json/7", 200, "7", 0, ""),
            ("GET /answer/chunked/7", 200, "7", 0, ""),
            ("GET /answer/json/100", 200, "100", 1, "schema"),
            ("GET /answer/chunked/true", 200, "true", 1, "schema"),
            ("GET /answer/json/x", 200, "x", 1, "syntax"),
            ("GET /answer/xml/7", 200, "7", 1, "content_type"),
            ("GET /status/201", 201, "", 1, "answer_unknown"),
            ("GET /status/404", 404, "", 3, ""),
            // What cannot be looked into passes.
            ("GET /answer/gzip/x", 200, "x", 3, ""),
            ("GET /answer/json/123456789", 200, "123456789", 3, ""),
            ("GET /answer/chunked/123456789", 200, "123456789", 3, ""),
        ] {
            let before = world.settled();
            let mut client = world.connect();
            let request = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            client.write_all(request.as_bytes()).unwrap();
            let answer = read_to_end(&mut client);
            let after = world.settled();
            let refused = place == 1 && mode == ValidationMode::Enforce;
            let expected = if refused { 502 } else { status_of_answer };
            let rejection = if refused { "answer_invalid" } else { "" };
            one_request(&before, &after, expected, "h1", rejection);
            assert_eq!(status(&answer), expected, "{line}: {answer}");
            if refused {
                assert_eq!(problem(&answer).get("errors"), None, "{answer}");
                assert!(!answer.contains(fault), "{answer}");
            } else {
                assert!(answer.contains(body), "{line}: {answer}");
            }
            let count =
                |figures: &Figures| figures.routes.first().map_or([0; 4], |row| row.answers);
            let counted: Vec<u64> = count(&after)
                .iter()
                .zip(count(&before))
                .map(|(after, before)| after - before)
                .collect();
            let mut expected = [0; 4];
            expected[if place == 1 && !refused { 2 } else { place }] = 1;
            assert_eq!(counted, expected, "{line}");
            if !fault.is_empty() {
                let counted =
                    label(&after.answer_faults, fault) - label(&before.answer_faults, fault);
                assert_eq!(counted, 1, "{line}: {:?}", after.answer_faults);
            }
        }
    }
}

fn send(world: &World, client: &mut Client, mutant: &Mutant) -> String {
    let named = |name: &str, value: Option<&str>| {
        value.map(|value| format!("{name}: {value}\r\n")).unwrap_or_default()
    };
    let lines = named("Content-Type", mutant.content_type)
        + &named("Content-Encoding", mutant.content_encoding);
    client.write_all(&message("POST /v1/orders", &lines, &mutant.body)).unwrap();
    let answer = read_answer(client);
    if header(&answer, "connection") == Some("close") {
        *client = world.connect();
    }
    answer
}
