//! The page for browsers in the challenge band: who gets it, what a solution is good for, and what it is not.

use aws_lc_rs::digest::{SHA256, digest};
use firewall_gateway::policy::{BehaviourPolicy, ChallengePagePolicy};

use crate::{
    behaviour::{CLIENT, OTHER, PROXY, ask, signals, verdicts, world as scoring},
    world::{World, header, label, status},
};

const PAGE: &str = "User-Agent: Firefox/140\r\nAccept: text/html\r\n";
const CALL: &str = "User-Agent: Firefox/140\r\nAccept: application/json\r\n";

/// A gateway that shows the page, and a client of it whose score is 55.
fn world(change: impl FnOnce(&mut BehaviourPolicy)) -> World {
    let world = scoring(|policy| {
        policy.challenge_page = Some(ChallengePagePolicy { difficulty_bits: 10, pass_s: 600 });
        change(policy);
    });
    for _ in 0..5 {
        assert_eq!(status(&ask(&world, CLIENT, "/.env", "")), 404);
    }
    world
}

/// What a page says of its challenge.
fn data<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("data-{name}=\"")).expect("a page");
    rest.split('"').next().unwrap()
}

/// What the script of a page comes to: the challenge with a number behind it.
fn solved(page: &str) -> String {
    let (task, bits) = (data(page, "task"), data(page, "bits").parse().unwrap());
    let solves = |text: &String| {
        let digest = digest(&SHA256, text.as_bytes());
        let first: [u8; 8] = digest.as_ref()[..8].try_into().unwrap();
        u64::from_be_bytes(first).leading_zeros() >= bits
    };
    (0..).map(|number: u32| format!("{task}.{number}")).find(solves).unwrap()
}

fn show(world: &World, from: [u8; 4], solution: &str, lines: &str) -> String {
    let path = format!("/.seawall/pass?{solution}");
    crate::behaviour::send(world, from, "POST", &path, &format!("{lines}Content-Length: 0\r\n"))
}

#[test]
fn a_browser_solves_the_challenge_and_is_served_where_nobody_else_is() {
    let world = world(|_| ());
    let page = ask(&world, CLIENT, "/open/a", PAGE);
    assert_eq!(status(&page), 429, "{page}");
    assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(header(&page, "cache-control"), Some("no-store"));
    assert_eq!(header(&page, "retry-after"), Some(data(&page, "wait")));
    let policy = header(&page, "content-security-policy").unwrap();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(page.matches(&format!("nonce=\"{nonce}\"")).count(), 2, "{page}");
    assert!(policy.starts_with("default-src 'none'; script-src 'nonce-"), "{policy}");
    let other = ask(&world, CLIENT, "/open/a", PAGE);
    assert!(!other.contains(nonce), "each page has its own");
    // What is no navigation of a browser gets the words for programs.
    for (name, method, lines) in [
        ("a call", "GET", CALL),
        ("a form", "POST", "Accept: text/html\r\nContent-Length: 0\r\n"),
        ("a picture", "GET", "Accept: text/html\r\nSec-Fetch-Mode: no-cors\r\n"),
    ] {
        let answer = crate::behaviour::send(&world, CLIENT, method, "/open/a", lines);
        assert_eq!((status(&answer), answer.contains("<!doctype")), (429, false), "{name}");
        assert_eq!(header(&answer, "content-type"), Some("application/problem+json"), "{name}");
    }
    let answer = show(&world, CLIENT, &solved(&page), PAGE);
    assert_eq!(status(&answer), 204, "{answer}");
    let given = header(&answer, "set-cookie").unwrap();
    assert!(given.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{given}");
    let cookie = format!("Cookie: theme=dark; {}\r\n", given.split(';').next().unwrap());
    let before = world.upstream.seen().len();
    for lines in [PAGE, CALL] {
        assert_eq!(status(&ask(&world, CLIENT, "/open/a", &format!("{lines}{cookie}"))), 200);
    }
    let reached = &world.upstream.seen()[before..];
    assert_eq!(reached.len(), 2);
    let pass_went_on = reached.iter().any(|request| request.contains("seawall-pass"));
    assert!(!pass_went_on, "a pass is ours alone: {reached:?}");
    let other_browser = CALL.replace("Firefox", "Chrome");
    let refused = ask(&world, CLIENT, "/open/a", &format!("{other_browser}{cookie}"));
    assert_eq!(status(&refused), 429, "it is this browser's");
    let figures = world.settled();
    let addresses = &figures.behaviour.addresses;
    assert_eq!(signals(addresses), [("not_found", 5), ("challenged", 6), ("scanner_path", 5)]);
    // The solution and what came with the pass.
    assert_eq!(verdicts(addresses), [("watched", 1), ("challenged", 6), ("passed", 3)]);
    let challenges: Vec<(&str, u64)> =
        figures.behaviour.challenges.iter().map(|row| (row.label.as_str(), row.count)).collect();
    assert_eq!(challenges, [("shown", 2), ("solved", 1)]);
    assert_eq!(label(&figures.rejections, "challenged"), 6);
}

#[test]
fn a_pass_is_its_addresss_and_gets_nobody_past_a_ban() {
    let world = world(|policy| policy.refusals.first_s = 500);
    let from = |client: &str, lines: &str| format!("X-Forwarded-For: {client}\r\n{lines}");
    for client in ["192.0.2.1", "192.0.2.2"] {
        for _ in 0..5 {
            ask(&world, PROXY, "/.env", &from(client, ""));
        }
    }
    let one = |lines: &str| from("192.0.2.1", lines);
    let page = ask(&world, PROXY, "/open/a", &one(PAGE));
    let answer = show(&world, PROXY, &solved(&page), &one(PAGE));
    let given = header(&answer, "set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let with = |lines: String| format!("{lines}Cookie: {given}\r\n");
    assert_eq!(status(&ask(&world, PROXY, "/open/a", &with(one(PAGE)))), 200);
    let two = ask(&world, PROXY, "/open/a", &with(from("192.0.2.2", CALL)));
    assert_eq!(status(&two), 429, "handed on");
    // Served does not mean forgiven: what it does goes on to count, up to the ban.
    for _ in 0..5 {
        ask(&world, PROXY, "/.env", &with(one(PAGE)));
    }
    let refused = ask(&world, PROXY, "/open/a", &with(one(PAGE)));
    assert_eq!((status(&refused), refused.contains("<!doctype")), (429, false), "{refused}");
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((490..=500).contains(&wait), "{wait}");
    let answer = show(&world, PROXY, &solved(&page), &one(PAGE));
    assert_eq!(status(&answer), 429, "nor does a solution: {answer}");
}

#[test]
fn what_is_no_solution_is_an_offence() {
    let world = world(|_| ());
    let page = ask(&world, CLIENT, "/open/a", PAGE);
    let good = solved(&page);
    for (name, from, solution, lines, expected) in [
        ("another address", OTHER, good.as_str(), PAGE, 429),
        ("another browser", CLIENT, &good, "User-Agent: curl/8\r\n", 429),
        ("no number", CLIENT, data(&page, "task"), PAGE, 429),
        ("nothing", CLIENT, "", PAGE, 429),
        ("it holds", CLIENT, &good, PAGE, 204),
    ] {
        let answer = show(&world, from, solution, lines);
        assert_eq!(status(&answer), expected, "{name}: {answer}");
    }
    let read = ask(&world, CLIENT, &format!("/.seawall/pass?{good}"), PAGE);
    assert_eq!((status(&read), header(&read, "allow")), (405, Some("POST")));
    let figures = world.settled().behaviour;
    let label = |name| label(&figures.challenges, name);
    assert_eq!([label("solved"), label("foreign"), label("wrong"), label("expired")], [1, 4, 0, 0]);
    let signals = signals(&figures.addresses);
    assert!(signals.contains(&("challenged", 5)), "{signals:?}");
}

#[test]
fn nobody_sees_the_page_who_would_be_served_or_where_it_is_not_configured() {
    let shadow = world(|policy| policy.shadow = true);
    assert_eq!(status(&ask(&shadow, CLIENT, "/open/a", PAGE)), 200, "in shadow");
    assert_eq!(shadow.settled().behaviour.challenges, []);
    let without = world(|policy| policy.challenge_page = None);
    let refused = ask(&without, CLIENT, "/open/a", PAGE);
    assert_eq!((status(&refused), refused.contains("<!doctype")), (429, false));
    let answer = show(&without, OTHER, "1.2.3", PAGE);
    assert_eq!(status(&answer), 404, "there is no such page: {answer}");
    assert_eq!(without.settled().behaviour.challenges, []);
}
