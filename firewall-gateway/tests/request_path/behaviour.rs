//! What clients are up to: each offence counts once and by its name, a score refuses, and shadow refuses nobody.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::mpsc::Receiver,
    time::Duration,
};

use firewall_gateway::{
    behaviour::{
        offence::{Budget, Offence, SignalCount},
        signal::Signal,
    },
    figures::{BehaviourFigures, ScoreFigures},
    policy::{
        ApiKeyPolicy, AuthenticationPolicy, BehaviourPolicy, BudgetLimitPolicy, BudgetPolicy,
        ConsumerPolicy, GatewayPolicy, ProxyProtocol, RateAlgorithm, RoutePolicy, RulePolicy,
        Thresholds,
    },
};
use socket2::{Domain, Socket, Type};

use crate::keys::{give, grant};
use crate::rates;
use crate::world::{
    Client, PATIENCE, World, header, label, over, read_answer, read_to_end, status,
};

/// A proxy that is trusted.
pub const PROXY: [u8; 4] = [127, 0, 0, 9];
pub const CLIENT: [u8; 4] = [127, 0, 0, 1];
pub const OTHER: [u8; 4] = [127, 0, 0, 3];

/// `/keys` asks for a key, `/open` and `/status` are the upstream's, of the latter 401 and 404 are offences; there
/// is nothing else.
pub fn world(change: impl FnOnce(&mut BehaviourPolicy)) -> World {
    World::changed(|policy| scored(policy, change))
}

/// What [`world`] asks of a policy.
pub fn scored(policy: &mut GatewayPolicy, change: impl FnOnce(&mut BehaviourPolicy)) {
    // A day: nothing decays within a test.
    let mut behaviour =
        BehaviourPolicy { shadow: false, half_life_s: 86_400, ..BehaviourPolicy::default() };
    change(&mut behaviour);
    let all = policy.routes.remove(0);
    let header = Some("x-api-key".to_owned());
    let by_key = ApiKeyPolicy { header, bearer: false, basic: false, keep: false };
    let route = |name: &str, path: &str| RoutePolicy {
        name: name.to_owned(),
        path: path.to_owned(),
        ..all.clone()
    };
    let authentication = vec![AuthenticationPolicy::ApiKey(by_key)];
    let keys = RoutePolicy { authentication, ..route("keys", "/keys") };
    let said = RoutePolicy { offences: vec![401, 404], ..route("status", "/status/*") };
    let nobody = vec![RulePolicy { methods: vec!["PUT".to_owned()], ..RulePolicy::default() }];
    let never = RoutePolicy { path: "/keys/never".to_owned(), ..keys.clone() };
    let never = RoutePolicy { name: "never".to_owned(), authorise: nobody, ..never };
    policy.routes = vec![keys, never, said, route("open", "/open/*")];
    policy.clients.trusted_proxies = vec![IpAddr::from(PROXY).into()];
    policy.authentication_failures.address_per_min = 1_000_000;
    policy.authentication_failures.network_per_min = 1_000_000;
    policy.consumers = ["shop", "bank"].map(consumer).to_vec();
    policy.behaviour = Some(behaviour);
}

fn consumer(name: &str) -> ConsumerPolicy {
    ConsumerPolicy { name: name.to_owned(), ..ConsumerPolicy::default() }
}

fn tcp(world: &World, from: [u8; 4]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(from), 0)).into()).unwrap();
    socket.connect(&world.address.into()).unwrap();
    let tcp = TcpStream::from(socket);
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    tcp
}

pub fn client(world: &World, from: [u8; 4]) -> Client {
    over(tcp(world, from), world.tls(b"http/1.1"))
}

/// One request on a connection of its own.
pub fn ask(world: &World, from: [u8; 4], path: &str, lines: &str) -> String {
    send(world, from, "GET", path, lines)
}

pub fn send(world: &World, from: [u8; 4], method: &str, path: &str, lines: &str) -> String {
    let mut client = client(world, from);
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n");
    client.write_all(request.as_bytes()).unwrap();
    read_to_end(&mut client)
}

pub fn signals(figures: &ScoreFigures) -> Vec<(&str, u64)> {
    figures.signals.iter().map(|row| (row.label.as_str(), row.count)).collect()
}

pub fn verdicts(figures: &ScoreFigures) -> Vec<(&str, u64)> {
    figures.verdicts.iter().map(|row| (row.label.as_str(), row.count)).collect()
}

const WRONG_KEY: &str = "X-Api-Key: sw_0123456789ab_wrong\r\n";

#[test]
fn each_offence_is_counted_once_and_by_its_name() {
    for (name, path, lines, expected_status, expected) in [
        ("nothing", "/open/a", "", 200, vec![]),
        ("no credential", "/keys", "", 401, vec!["credential_missing"]),
        ("a wrong one", "/keys", WRONG_KEY, 401, vec!["credential_refused"]),
        ("nothing there", "/none", "", 404, vec!["not_found"]),
        ("what scanners ask for", "/.env", "", 404, vec!["not_found", "scanner_path"]),
        ("the same below", "/.git/config", "", 404, vec!["not_found", "scanner_path"]),
        ("a bad request", "/open//a", "", 400, vec!["bad_request"]),
    ] {
        let world = world(|_| ());
        let answer = ask(&world, CLIENT, path, lines);
        assert_eq!(status(&answer), expected_status, "{name}: {answer}");
        let figures = world.settled().behaviour.addresses;
        let expected: Vec<(&str, u64)> = expected.into_iter().map(|signal| (signal, 1)).collect();
        assert_eq!(signals(&figures), expected, "{name}");
        assert_eq!(figures.scored, u64::from(!expected.is_empty()), "{name}");
        assert_eq!(verdicts(&figures), [], "{name}");
    }
}

#[test]
fn an_answer_of_the_upstream_counts_where_its_route_says_so() {
    for (answered, expected) in [
        (401, Some("credential_refused")),
        (403, None),
        (404, Some("not_found")),
        (500, None),
        (200, None),
    ] {
        let world = world(|_| ());
        let answer = ask(&world, CLIENT, &format!("/status/{answered}"), "");
        assert_eq!(status(&answer), answered);
        let expected: Vec<(&str, u64)> = expected.map(|signal| (signal, 1)).into_iter().collect();
        assert_eq!(signals(&world.settled().behaviour.addresses), expected, "{answered}");
    }
}

#[test]
fn connections_that_ask_for_nothing_are_offences() {
    let world = world(|_| ());
    let mut quiet = client(&world, CLIENT);
    while quiet.conn.is_handshaking() {
        quiet.conn.complete_io(&mut quiet.sock).unwrap();
    }
    drop(quiet);
    assert_eq!(signals(&world.settled().behaviour.addresses), [("handshake_without_request", 1)]);
    let mut plain = tcp(&world, CLIENT);
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer));
    let expected = [("handshake_failed", 1), ("handshake_without_request", 1)];
    assert_eq!(signals(&world.settled().behaviour.addresses), expected);
}

fn reported(offences: &Receiver<Offence>) -> Offence {
    offences.recv_timeout(PATIENCE).expect("an offence")
}

#[test]
fn an_attacker_is_refused_then_reported_and_nobody_else_is() {
    let world = world(|_| ());
    let offences = world.gateway.offences().unwrap();
    let mut statuses = Vec::new();
    let mut last = String::new();
    for _ in 0..17 {
        last = ask(&world, CLIENT, "/keys", WRONG_KEY);
        statuses.push(status(&last));
    }
    // 6 each: 54 with the ninth, and from 50 on it is refused.
    assert_eq!(statuses, [[401; 9].as_slice(), [429; 8].as_slice()].concat());
    assert!(last.contains("Too many requests"), "{last}");
    let wait: u64 = header(&last, "retry-after").unwrap().parse().unwrap();
    assert!(wait > 60, "{wait}: a score of 96 has to fall to 50 in days");
    let offence = reported(&offences);
    let counted = [(Signal::CredentialRefused, 9), (Signal::Challenged, 8)];
    let counted = counted.map(|(signal, count)| SignalCount { signal, count });
    assert_eq!((offence.address, offence.score), (IpAddr::from(CLIENT), 102));
    assert_eq!(offence.signals, counted);
    assert_eq!(offence.request, header(&last, "x-request-id").unwrap(), "the one that decided");
    // A neighbour is served; an open connection of the attacker is not.
    assert_eq!(status(&ask(&world, OTHER, "/open/a", "")), 200);
    assert_eq!(status(&ask(&world, CLIENT, "/open/a", "")), 429);
    let figures = world.settled();
    assert_eq!(
        verdicts(&figures.behaviour.addresses),
        [("watched", 1), ("challenged", 9), ("reported", 1)]
    );
    assert_eq!(label(&figures.rejections, "challenged"), 9);
    assert_eq!(label(&figures.rejections, "unauthenticated"), 9);
    assert_eq!(figures.behaviour.addresses.scored, 1);
}

#[test]
fn behind_a_proxy_one_client_is_refused_and_no_other() {
    let world = world(|policy| policy.refusals.first_s = 500);
    let offences = world.gateway.offences().unwrap();
    let from = |client: &str| format!("{WRONG_KEY}X-Forwarded-For: {client}\r\n");
    for _ in 0..20 {
        ask(&world, PROXY, "/keys", &from("192.0.2.1"));
    }
    let refused = ask(&world, PROXY, "/open/a", "X-Forwarded-For: 192.0.2.1\r\n");
    assert_eq!(status(&refused), 429, "{refused}");
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((490..=500).contains(&wait), "{wait}");
    for other in ["X-Forwarded-For: 192.0.2.2\r\n", ""] {
        assert_eq!(status(&ask(&world, PROXY, "/open/a", other)), 200, "{other}");
    }
    assert_eq!(status(&ask(&world, CLIENT, "/open/a", "")), 200);
    assert!(offences.try_recv().is_err(), "a ban would hit the proxy");
    let figures = world.settled().behaviour.addresses;
    let count = |verdict: &str| label(&figures.verdicts, verdict);
    assert_eq!((count("refused"), count("reported")), (1, 0));
}

#[test]
fn with_a_proxy_header_too() {
    let world = World::changed(|policy| {
        policy.clients.trusted_proxies = vec![IpAddr::from(PROXY).into()];
        policy.clients.proxy_protocol = ProxyProtocol::Required;
        policy.routes[0].path = "/open".to_owned();
        let thresholds = Thresholds { ban: 50, ..Thresholds::default() };
        let behaviour = BehaviourPolicy { shadow: false, thresholds, ..BehaviourPolicy::default() };
        policy.behaviour = Some(behaviour);
    });
    let offences = world.gateway.offences().unwrap();
    let ask = |client: &str, path: &str| {
        let mut tcp = tcp(&world, PROXY);
        tcp.write_all(format!("PROXY TCP4 {client} 192.0.2.2 4660 443\r\n").as_bytes()).unwrap();
        let mut client = over(tcp, world.tls(b"http/1.1"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        status(&read_to_end(&mut client))
    };
    for _ in 0..6 {
        ask("198.51.100.7", "/.env");
    }
    assert_eq!((ask("198.51.100.7", "/open"), ask("198.51.100.8", "/open")), (429, 200));
    assert!(offences.try_recv().is_err());
}

#[test]
fn who_goes_on_over_a_limit_is_reported_and_a_proxy_is_not() {
    let world = World::changed(|policy| {
        let day = RateAlgorithm::TokenBucket { limit: 1, window_s: 86_400, burst: 1 };
        policy.rates = vec![rates::limit("daily", day)];
        policy.clients.trusted_proxies = vec![IpAddr::from(PROXY).into()];
        let limits = vec![BudgetLimitPolicy { name: "daily".to_owned(), known: false }];
        let budgets = Some(BudgetPolicy { limits, refusals: 3 });
        policy.behaviour = Some(BehaviourPolicy { budgets, ..BehaviourPolicy::default() });
    });
    let offences = world.gateway.offences().unwrap();
    for lines in ["", "X-Forwarded-For: 192.0.2.1\r\n"] {
        let asked: Vec<u16> = (0..5).map(|_| status(&ask(&world, PROXY, "/", lines))).collect();
        assert_eq!(asked, [200, 429, 429, 429, 429], "{lines}");
    }
    assert!(offences.try_recv().is_err(), "a ban would hit the proxy");
    assert_eq!(status(&ask(&world, CLIENT, "/", "")), 200);
    let mut last = String::new();
    for _ in 0..3 {
        last = ask(&world, CLIENT, "/", "");
        assert_eq!(status(&last), 429);
    }
    let Offence { address, score, signals, request, budget } = reported(&offences);
    assert_eq!((address, score, signals), (IpAddr::from(CLIENT), 0, Vec::new()));
    assert_eq!(request, header(&last, "x-request-id").unwrap(), "the one that decided");
    let for_s = header(&last, "retry-after").unwrap().parse().unwrap();
    assert_eq!(budget, Some(Budget { limit: "daily".to_owned(), refusals: 3, for_s }));
    let figures = world.settled();
    assert_eq!(verdicts(&figures.behaviour.addresses), [("reported", 1), ("exhausted", 1)]);
}

#[test]
fn shadow_refuses_nobody_and_counts_all_the_same() {
    let world = world(|policy| policy.shadow = true);
    let offences = world.gateway.offences().unwrap();
    let mut client = client(&world, CLIENT);
    for _ in 0..17 {
        client
            .write_all(format!("GET /keys HTTP/1.1\r\nHost: a\r\n{WRONG_KEY}\r\n").as_bytes())
            .unwrap();
        assert_eq!(status(&read_answer(&mut client)), 401);
    }
    let offence = reported(&offences);
    assert_eq!(offence.signals, [SignalCount { signal: Signal::CredentialRefused, count: 17 }]);
    drop(client);
    let figures = world.settled();
    assert_eq!(label(&figures.rejections, "challenged"), 0);
    // The tenth to the seventeenth request would have been refused.
    let expected = [("watched", 1), ("would_challenge", 8), ("reported", 1)];
    assert_eq!(verdicts(&figures.behaviour.addresses), expected);
}

#[test]
fn a_score_falls_and_its_address_is_served_again() {
    let world = world(|policy| {
        policy.half_life_s = 1;
        policy.thresholds.ban = 1_000;
    });
    let mut client = client(&world, CLIENT);
    let mut ask = |path: &str| {
        client.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        read_answer(&mut client)
    };
    // 11 each, at once.
    for _ in 0..7 {
        ask("/.env");
    }
    let refused = ask("/open/a");
    assert_eq!(status(&refused), 429);
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(status(&ask("/open/a")), 200, "who waits as long as it was told is served");
}

#[test]
fn behind_a_proxy_a_consumer_is_refused_and_no_other_client() {
    let world = world(|policy| {
        policy.consumers.thresholds = Thresholds { watch: 1, challenge: 3, ban: 9 };
        policy.refusals.first_s = 500;
    });
    let offences = world.gateway.offences().unwrap();
    let [shop, bank] = ["shop", "bank"].map(|name| give(&world, grant(name), None));
    let from =
        |key: &str, client: &str| format!("X-Api-Key: {key}\r\nX-Forwarded-For: {client}\r\n");
    // Three clients of one consumer do what nobody may, 2 each.
    let statuses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        .map(|client| status(&ask(&world, PROXY, "/keys/never", &from(shop.reveal(), client))));
    assert_eq!(statuses, [403, 403, 429]);
    let refused = ask(&world, PROXY, "/keys", &from(shop.reveal(), "192.0.2.4"));
    assert_eq!(status(&refused), 429, "{refused}");
    assert!(refused.contains("urn:seawall:problem:consumer-refused"), "{refused}");
    let wait: u64 = header(&refused, "retry-after").unwrap().parse().unwrap();
    assert!((490..=500).contains(&wait), "{wait}: for a time, whatever the score");
    for (name, path, lines) in [
        ("another consumer from there", "/keys", from(bank.reveal(), "192.0.2.1")),
        ("the same address without a key", "/open/a", from("", "192.0.2.1")),
        ("the proxy", "/open/a", String::new()),
    ] {
        assert_eq!(status(&ask(&world, PROXY, path, &lines)), 200, "{name}");
    }
    assert!(offences.try_recv().is_err(), "the kernel knows no consumers");
    let figures = world.settled();
    let (addresses, consumers) = (&figures.behaviour.addresses, &figures.behaviour.consumers);
    assert_eq!(signals(consumers), [("forbidden", 2), ("challenged", 2)]);
    // What comes while it is refused counts anew.
    let expected = [("watched", 2), ("challenged", 2), ("refused", 1)];
    assert_eq!(verdicts(consumers), expected);
    assert_eq!((consumers.scored, addresses.scored), (1, 0), "the addresses did nothing");
    assert_eq!(label(&figures.rejections, "consumer_refused"), 2);
    assert_eq!(label(&figures.rejections, "challenged"), 0);
}

#[test]
fn nobody_locks_a_consumer_out_by_naming_it() {
    let world =
        world(|policy| policy.consumers.thresholds = Thresholds { watch: 1, challenge: 2, ban: 3 });
    let key = give(&world, grant("shop"), None);
    // The right id of a key that is shop's, and a secret that is not.
    let mut wrong = key.reveal().to_owned();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    for lines in [
        format!("X-Api-Key: {wrong}\r\n"),
        "X-Consumer: shop\r\n".to_owned(),
        "X-Api-Key: shop\r\nAuthorization: Basic c2hvcDpzaG9w\r\n".to_owned(),
    ] {
        for _ in 0..4 {
            let answer =
                ask(&world, PROXY, "/keys", &format!("{lines}X-Forwarded-For: 192.0.2.7\r\n"));
            assert!(matches!(status(&answer), 401 | 429), "{answer}");
        }
    }
    let figures = world.settled().behaviour;
    assert_eq!(figures.consumers, ScoreFigures::default());
    assert_eq!(figures.addresses.scored, 1, "who tried is scored");
    let lines = format!("X-Api-Key: {}\r\nX-Forwarded-For: 192.0.2.8\r\n", key.reveal());
    assert_eq!(status(&ask(&world, PROXY, "/keys", &lines)), 200);
}

const CHROME: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n";
const FIREFOX: &str =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n";

#[test]
fn a_user_agent_that_its_tls_stack_contradicts_is_an_offence_once_a_connection() {
    // The client of this test is rustls: TLS 1.3 and ALPN, and none of the values without meaning that Chromium sends.
    for (name, from, lines, expected) in [
        ("it says what it is", CLIENT, "User-Agent: test/1\r\n", 0),
        ("it says nothing", CLIENT, "", 0),
        ("it could be", CLIENT, FIREFOX, 0),
        ("it cannot be", CLIENT, CHROME, 1),
        ("the stack is the proxy's", PROXY, &format!("{CHROME}X-Forwarded-For: 192.0.2.1\r\n"), 0),
    ] {
        let world = world(|_| ());
        let mut client = client(&world, from);
        for _ in 0..3 {
            let request = format!("GET /open/a HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
            client.write_all(request.as_bytes()).unwrap();
            assert_eq!(status(&read_answer(&mut client)), 200, "{name}");
        }
        drop(client);
        let figures = world.settled().behaviour.addresses;
        let all = [("user_agent_contradicted", 1)];
        assert_eq!(signals(&figures), all[..expected], "{name}");
    }
}

#[test]
fn without_the_section_nothing_is_scored() {
    let world = World::changed(|policy| policy.routes[0].path = "/open".to_owned());
    assert!(world.gateway.offences().is_none());
    for _ in 0..30 {
        assert_eq!(status(&ask(&world, CLIENT, "/.env", "")), 404);
    }
    assert_eq!(world.settled().behaviour, BehaviourFigures::default());
}
