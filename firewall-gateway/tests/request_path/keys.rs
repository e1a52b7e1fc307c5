//! Who is it, by a key: every way in which one can be wrong, and one that is taken back while its connection is
//! open.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use firewall_gateway::{
    identity::api_key::{
        error::KeyError,
        store::{GrantPolicy, KeyChange, KeyPolicy},
        text::KeyText,
    },
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, BackendPolicy, BalancePolicy, ConsumerPolicy,
        FailuresPolicy, ForwardPolicy, GatewayPolicy, HashKey, RouteAction, SharePolicy, Sticky,
    },
};

use crate::{
    h2raw::{END_HEADERS, END_STREAM, HEADERS, frame, get},
    upstream::Upstream,
    world::{World, header, label, one_request, read_answer, read_head, status},
};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn key_policy() -> Vec<AuthenticationPolicy> {
    let header = Some("x-api-key".to_owned());
    vec![AuthenticationPolicy::ApiKey(ApiKeyPolicy {
        header,
        bearer: true,
        basic: true,
        keep: false,
    })]
}

fn consumers(policy: &mut GatewayPolicy) {
    let shop = ConsumerPolicy {
        name: "shop".to_owned(),
        scopes: texts(&["orders.read", "orders.write"]),
        roles: texts(&["customer"]),
        networks: vec![],
        certificates: vec![],
    };
    let far = ConsumerPolicy {
        name: "far".to_owned(),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        ..shop.clone()
    };
    policy.consumers = vec![shop, far];
    // Every case comes from one address.
    policy.authentication_failures = FailuresPolicy {
        address_per_min: 1_000_000,
        network_per_min: 1_000_000,
        consumer_per_min: 1_000_000,
    };
}

/// One route, `all`, for keys.
fn world() -> World {
    World::changed(|policy| {
        consumers(policy);
        policy.routes[0].authentication = key_policy();
    })
}

pub fn grant(consumer: &str) -> GrantPolicy {
    GrantPolicy { consumer: consumer.to_owned(), scopes: None, routes: vec![], networks: vec![] }
}

pub fn give(world: &World, grant: GrantPolicy, ends_epoch_s: Option<u64>) -> KeyText {
    let text = KeyText::generate().unwrap();
    let key = KeyPolicy { id: text.id().to_owned(), hash: text.hash(), ends_epoch_s, grant };
    world.gateway.keys().change(&[KeyChange::Add(key)]);
    text
}

fn request(lines: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n")
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for part in text.as_bytes().chunks(3) {
        let byte = |place: usize| u32::from(part.get(place).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            encoded.push(if place <= part.len() { char::from(digit) } else { '=' });
        }
    }
    encoded
}

#[test]
fn keys_that_hold() {
    let world = world();
    let key = give(&world, grant("shop"), None);
    let narrow = GrantPolicy {
        scopes: Some(texts(&["orders.read", "orders.admin"])),
        routes: texts(&["all"]),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..grant("shop")
    };
    let later = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_600;
    let narrow = give(&world, narrow, Some(later));
    for (lines, scopes) in [
        (format!("X-Api-Key: {}\r\n", key.reveal()), "orders.read orders.write"),
        (format!("x-API-key: {}\r\n", key.reveal()), "orders.read orders.write"),
        (format!("Authorization: Bearer {}\r\n", key.reveal()), "orders.read orders.write"),
        (
            format!("Authorization: Basic {}\r\n", base64(&format!("{}:", key.reveal()))),
            "orders.read orders.write",
        ),
        (
            format!("Authorization: Basic {}\r\n", base64(&format!("shop:{}", key.reveal()))),
            "orders.read orders.write",
        ),
        (format!("X-Api-Key: {}\r\n", narrow.reveal()), "orders.read"),
        // What a client says of itself is never believed.
        (
            format!(
                "X-Api-Key: {}\r\nX-Consumer: bank\r\nX_Consumer: bank\r\nX-Consumer-Scopes: admin\r\n\
                 X.Consumer.Roles: admin\r\nX-Consumer-Anything: a\r\n",
                key.reveal()
            ),
            "orders.read orders.write",
        ),
    ] {
        let before = world.settled();
        let answer = world.exchange(&request(&lines));
        assert_eq!(status(&answer), 200, "{answer}");
        let after = world.settled();
        one_request(&before, &after, 200, "h1", "");
        assert_eq!(
            label(&after.authenticated, "api_key") - label(&before.authenticated, "api_key"),
            1
        );
        let seen = world.upstream.seen();
        assert_eq!(header(&seen[0], "x-consumer"), Some("shop"));
        assert_eq!(header(&seen[0], "x-consumer-scopes"), Some(scopes));
        assert_eq!(header(&seen[0], "x-consumer-roles"), Some("customer"));
        assert!(header(&seen[0], "x-consumer-credential").is_some_and(|id| id.len() == 8));
        let text = seen[0].to_ascii_lowercase();
        for gone in ["sw_", "api-key", "authorization", "bank", "admin", "anything", "x_consumer"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
    }
}

#[test]
fn a_credential_that_is_wrong_in_any_way_is_refused_for_its_reason() {
    let world = world();
    let good = give(&world, grant("shop"), None);
    let good = good.reveal();
    let gone = give(&world, grant("shop"), None);
    world.gateway.keys().change(&[KeyChange::Revoke { hash: gone.hash() }]);
    let expired = give(&world, grant("shop"), Some(1));
    let ended = give(&world, grant("shop"), None);
    world.gateway.keys().change(&[KeyChange::End { hash: ended.hash(), ends_epoch_s: 2 }]);
    let stranger = give(&world, grant("nobody"), None);
    let far = give(&world, grant("far"), None);
    let elsewhere = give(
        &world,
        GrantPolicy { networks: vec!["192.0.2.0/24".parse().unwrap()], ..grant("shop") },
        None,
    );
    let other = give(&world, GrantPolicy { routes: texts(&["other"]), ..grant("shop") }, None);
    let unknown = KeyText::generate().unwrap();
    let key = |text: &str| format!("X-Api-Key: {text}\r\n");
    let basic = |text: &str| format!("Authorization: Basic {}\r\n", base64(text));
    let flipped = {
        let mut text = good.to_owned();
        let last = if text.pop() == Some('a') { 'b' } else { 'a' };
        text + &last.to_string()
    };
    let mut reasons = BTreeSet::new();
    for (name, lines, reason) in [
        ("nothing", String::new(), "credential_missing"),
        ("another header", format!("X-Key: {good}\r\n"), "credential_missing"),
        ("another spelling", format!("X_Api_Key: {good}\r\n"), "credential_missing"),
        ("in a cookie", format!("Cookie: x-api-key={good}\r\n"), "credential_missing"),
        ("empty", key(""), "key_malformed"),
        ("no key", key("secret"), "key_malformed"),
        ("the prefix alone", key("sw_"), "key_malformed"),
        ("cut off", key(&good[..good.len() - 1]), "key_malformed"),
        ("too long", key(&format!("{good}0")), "key_malformed"),
        ("two in one", key(&format!("{good}, {good}")), "key_malformed"),
        ("a space within", key(&good.replacen('_', " ", 1)), "key_malformed"),
        ("in capitals", key(&good.to_ascii_uppercase()), "key_malformed"),
        ("quoted", key(&format!("\"{good}\"")), "key_malformed"),
        ("escaped", key(&good.replace('_', "%5F")), "key_malformed"),
        ("mistyped", key(&flipped), "key_checksum"),
        ("another id", key(&good.replace(&good[3..11], "00000000")), "key_checksum"),
        ("never given out", key(unknown.reveal()), "key_unknown"),
        ("revoked", key(gone.reveal()), "key_revoked"),
        ("expired", key(expired.reveal()), "key_expired"),
        ("rotated, and its grace is over", key(ended.reveal()), "key_expired"),
        ("of a consumer that is gone", key(stranger.reveal()), "key_consumer_unknown"),
        ("of a consumer elsewhere", key(far.reveal()), "key_network"),
        ("for another network", key(elsewhere.reveal()), "key_network"),
        ("for another route", key(other.reveal()), "key_route"),
        ("twice the same", key(good) + &key(good), "credential_repeated"),
        ("two of them", key(good) + &key(unknown.reveal()), "credential_repeated"),
        (
            "in two places",
            key(good) + &format!("Authorization: Bearer {good}\r\n"),
            "credential_repeated",
        ),
        ("beside another scheme", key(good) + "Authorization: Digest x\r\n", "credential_repeated"),
        ("two Authorization", "Authorization: Bearer x\r\n".repeat(2), "credential_repeated"),
        ("another scheme", format!("Authorization: Token {good}\r\n"), "credential_missing"),
        ("no scheme", format!("Authorization: {good}\r\n"), "credential_missing"),
        ("a scheme alone", "Authorization: Bearer\r\n".to_owned(), "key_malformed"),
        ("Bearer without a key", "Authorization: Bearer x\r\n".to_owned(), "key_malformed"),
        ("Basic that is none", "Authorization: Basic %\r\n".to_owned(), "key_encoding"),
        ("Basic without a colon", basic(good), "key_encoding"),
        ("Basic, not padded", basic(&format!("{good}:")).replace('=', ""), "key_encoding"),
        ("Basic with another's name", basic(&format!("far:{good}")), "key_user_other"),
        ("Basic with an empty name", basic(&format!(":{good}")), "key_user_other"),
        ("Basic, the key as a name", basic(&format!("{good}:x")), "key_malformed"),
        ("as long as may be", key(&"k".repeat(9_000)), "key_too_long"),
    ] {
        let before = world.settled();
        let answer = world.exchange(&request(&lines));
        assert_eq!(status(&answer), 401, "{name}: {answer}");
        let after = world.settled();
        one_request(&before, &after, 401, "h1", "unauthenticated");
        let all = |counts: &[firewall_gateway::figures::LabelCount]| {
            counts.iter().map(|row| row.count).sum::<u64>()
        };
        let (was, is) = (&before.denied, &after.denied);
        assert_eq!(
            (all(is) - all(was), label(is, reason) - label(was, reason)),
            (1, 1),
            "{name}: {is:?}"
        );
        assert_eq!(world.upstream.seen(), Vec::<String>::new(), "{name}");
        // One answer for all: but for its date and id, and whether a token was shown.
        let challenges: Vec<&str> =
            answer.lines().filter_map(|line| line.strip_prefix("www-authenticate: ")).collect();
        let bearer = match reason {
            "credential_missing" => "Bearer",
            "credential_repeated" => "Bearer error=\"invalid_request\"",
            _ => "Bearer error=\"invalid_token\"",
        };
        let others = [
            "ApiKey realm=\"api\", header=\"x-api-key\"",
            "Basic realm=\"api\", charset=\"UTF-8\"",
        ];
        assert_eq!(challenges, [bearer, others[0], others[1]], "{name}: {answer}");
        let id = header(&answer, "x-request-id").unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let expected = "{\"detail\":\"The request has no credential that is accepted here.\",\
                        \"request_id\":\"ID\",\"status\":401,\"title\":\"Unauthorized\",\
                        \"type\":\"urn:seawall:problem:unauthenticated\"}";
        let expected: BTreeMap<String, serde_json::Value> = serde_json::from_str(expected).unwrap();
        let found: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&body.replace(id, "ID")).unwrap();
        assert_eq!(found, expected, "{name}");
        reasons.insert(reason);
    }
    let known: BTreeSet<&str> = KeyError::ALL.into_iter().map(KeyError::label).collect();
    assert!(reasons.is_superset(&known), "each reason has a row: {reasons:?}");
}

#[test]
fn who_fails_too_often_waits_and_who_does_not_goes_on() {
    let world = World::changed(|policy| {
        consumers(policy);
        policy.routes[0].authentication = key_policy();
        policy.authentication_failures.address_per_min = 3;
    });
    let good = give(&world, grant("shop"), None);
    let wrong = request("X-Api-Key: wrong\r\n");
    // Showing nothing is trying nothing.
    for _ in 0..5 {
        assert_eq!(status(&world.exchange(&request(""))), 401);
    }
    for _ in 0..3 {
        assert_eq!(status(&world.exchange(&wrong)), 401);
    }
    let before = world.settled();
    let answer = world.exchange(&wrong);
    assert_eq!(status(&answer), 429, "{answer}");
    let wait: u64 = header(&answer, "retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    one_request(&before, &world.settled(), 429, "h1", "authentication_failures");
    let answer = world.exchange(&request(&format!("X-Api-Key: {}\r\n", good.reveal())));
    assert_eq!(status(&answer), 429, "not even a key that holds: {answer}");
    assert_eq!(status(&world.exchange(&request(""))), 401);
}

#[test]
fn a_revoked_key_ends_on_open_connections_of_both_protocols() {
    let world = world();
    let key = give(&world, grant("shop"), None);
    let mut http1 = world.connect();
    let mut http2 = world.http2(&[]);
    let mut stream = 1;
    let line = format!("GET /a HTTP/1.1\r\nHost: a\r\nX-Api-Key: {}\r\n\r\n", key.reveal());
    let mut ask = |http1: &mut crate::world::Client| {
        http1.write_all(line.as_bytes()).unwrap();
        let first = status(&read_answer(http1));
        let block = get("/a", &[("x-api-key", key.reveal())]);
        assert!(http2.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)));
        stream += 2;
        // Of the static table: 8 is `:status: 200`; 401 is none of it.
        let head = http2.until(&[HEADERS]).unwrap();
        (first, head.payload.first() == Some(&0x88))
    };
    assert_eq!(ask(&mut http1), (200, true));
    let revoked = Instant::now();
    world.gateway.keys().change(&[KeyChange::Revoke { hash: key.hash() }]);
    assert_eq!(ask(&mut http1), (401, false));
    let took = revoked.elapsed();
    assert!(took < Duration::from_millis(100), "{took:?}");
    eprintln!("from a key's revocation to its refusal on both connections: {took:?}");
}

/// Whoever has several keys and addresses is one consumer: a split and a hash keep it where it is.
#[test]
fn a_consumer_stays_where_it_is() {
    type Way = fn(&mut GatewayPolicy);
    let ways: [(&str, Way); 2] = [
        ("hash", |policy| {
            let others = [(); 3].map(|()| Upstream::start("api.internal"));
            // Only one of them has the certificate that is asked for: it is where an answer comes from.
            for other in &others {
                policy.upstreams[0].backends.push(BackendPolicy::new(other.address));
            }
            let delivery = &mut policy.upstreams[0].delivery;
            delivery.balance = BalancePolicy::Hash(HashKey::Consumer);
            delivery.retries.attempts_max = 0;
            delivery.ejection.failures = 0;
        }),
        ("sticky", |policy| {
            let gone = Upstream::start("api.internal");
            let mut second = policy.upstreams[0].clone();
            second.name = "second".to_owned();
            second.backends = vec![BackendPolicy::new(gone.address)];
            policy.upstreams.push(second);
            let shares = [0, 1].map(|upstream| SharePolicy { upstream, weight: 1 });
            let forward = ForwardPolicy {
                shares: shares.to_vec(),
                sticky: Some(Sticky::Consumer),
                ..ForwardPolicy::to(0)
            };
            policy.routes[0].action = RouteAction::Forward(forward);
        }),
    ];
    for (name, way) in ways {
        let world = World::changed(|policy| {
            let consumer = |number: u32| ConsumerPolicy {
                name: format!("shop-{number}"),
                scopes: vec![],
                roles: vec![],
                networks: vec![],
                certificates: vec![],
            };
            policy.consumers = (0..24).map(consumer).collect();
            policy.routes[0].authentication = key_policy();
            way(policy);
        });
        let mut answered = BTreeSet::new();
        for number in 0..24 {
            let statuses: BTreeSet<u16> = (0..4)
                .map(|_| {
                    let key = give(&world, grant(&format!("shop-{number}")), None);
                    let line = format!("X-Api-Key: {}\r\n", key.reveal());
                    status(&world.exchange(&request(&line)))
                })
                .collect();
            assert_eq!(statuses.len(), 1, "{name}: shop-{number} is here and there: {statuses:?}");
            answered.extend(statuses);
        }
        assert_eq!(answered, BTreeSet::from([200, 502]), "{name}: not all of them at one");
    }
}

/// Who waits to be asked for a body is told no without being asked.
#[test]
fn a_body_is_asked_for_when_the_rest_was_judged() {
    let world = world();
    let key = give(&world, grant("shop"), None);
    let head = |path: &str, lines: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\
             Connection: close\r\n{lines}\r\n"
        )
    };
    let known = format!("X-Api-Key: {}\r\n", key.reveal());
    let large = format!("{known}Transfer-Encoding: chunked\r\n");
    for (name, path, lines, expected) in [
        ("no key", "/", "", 401),
        ("a key that does not hold", "/", "X-Api-Key: sw_nothing\r\n", 401),
        ("an ambiguous path", "/a/../b", known.as_str(), 400),
        ("an ambiguous length", "/", large.as_str(), 400),
    ] {
        let answer = world.exchange(&head(path, lines));
        assert_eq!(status(&answer), expected, "{name}: {answer}");
        assert!(!answer.contains("100 Continue"), "{name}: {answer}");
        assert_eq!(world.upstream.seen(), Vec::<String>::new(), "{name}");
    }
    let mut client = world.connect();
    client.write_all(head("/", &known).as_bytes()).unwrap();
    assert_eq!(read_head(&mut client), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(world.upstream.seen(), Vec::<String>::new(), "its body is not here yet");
    client.write_all(b"abcd").unwrap();
    assert_eq!(status(&read_answer(&mut client)), 200);
    assert!(world.upstream.seen()[0].ends_with("\r\n\r\nabcd"));
}
