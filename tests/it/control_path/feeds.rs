//! A feed's server may do anything: what is no good list is refused with its reason, and the last good copy
//! stays in force.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};

use seawall_tests::{
    data,
    pki::Authority,
    publisher::{Publisher, Reply},
    requirement,
    seawall::{self, Seawall},
    wait,
    world::{SERVER_INTERFACE, World},
};
use serde_json::Value;

const PUBLISHER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);
const STRANGER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8445);

struct Place {
    publisher: Publisher,
    _stranger: Publisher,
    world: World,
}

impl Place {
    fn prepare() -> Self {
        let world = World::build(&[]).unwrap();
        let authority = Authority::create(world.folder(), "lists").unwrap();
        let identity = authority.issue("127.0.0.1").unwrap();
        let publisher = Publisher::start(&world.server, PUBLISHER, &identity).unwrap();
        let other = authority.issue("other.example").unwrap();
        let stranger = Publisher::start(&world.server, STRANGER, &other).unwrap();
        Self { publisher, _stranger: stranger, world }
    }

    fn config(&self, packet: &str) -> String {
        format!(
            "interfaces: [{{ name: {SERVER_INTERFACE} }}]\npacket:\n  pin_path: {}\n{packet}{}",
            self.world.pin_path().display(),
            seawall::places(&self.world)
        )
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let socket = seawall::socket(self.world.folder()).display().to_string();
        let arguments = [arguments, &["--socket", &socket]].concat();
        let output = seawall::run(&self.world, &arguments).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn update(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.run(&[&["feeds", "update"], arguments].concat())
    }

    fn feed(&self, name: &str) -> Value {
        let (code, json, _) = self.run(&["feeds", "status", "--json"]);
        assert_eq!(code, Some(0));
        let feeds: Vec<Value> = serde_json::from_str(&json).unwrap();
        feeds.into_iter().find(|feed| feed["name"] == name).unwrap()
    }

    fn copy(&self, name: &str) -> PathBuf {
        seawall::state(self.world.folder()).join(format!("feeds/{name}.list"))
    }
}

fn feed(name: &str, more: &str) -> String {
    format!("    - {{ name: {name}, url: 'https://{PUBLISHER}/{name}', ca: lists.pem{more} }}\n")
}

fn list(count: u8) -> String {
    (0..count).map(|last| format!("203.0.113.{last}\n")).collect()
}

#[test]
fn a_bad_answer_leaves_the_last_good_copy_in_force() {
    if !requirement::root("a_bad_answer_leaves_the_last_good_copy_in_force") {
        return;
    }
    let place = Place::prepare();
    let list_of = |count| Reply::body(list(count));
    place.publisher.says("/a", list_of(100));
    let config = format!(
        "  protected: [192.0.2.77]\n  feeds:\n{}    - {{ name: away, url: 'https://{STRANGER}/a', ca: lists.pem }}\n    - {{ name: dead, url: 'https://127.0.0.1:9/x', ca: lists.pem }}\n",
        feed("a", ", bytes_max: 100000, prefixes_max: 300")
    );
    let daemon = Seawall::start(&place.world, &place.config(&config)).unwrap();
    wait::until("first copy", || (place.feed("a")["updates"]["new"] == 1).then_some(())).unwrap();
    let generation = || daemon.metrics(&place.world).unwrap().sum("seawall_generation", &[]);
    let first = generation();
    assert_eq!(first, 2, "the first copy came into force by itself");

    let moved = |to: &'static str| Reply::Status(302, to, Vec::new());
    place.publisher.says("/loop", moved("Location: /loop\r\n"));
    let look = "look at the list, then take it with `seawall feeds update NAME --force`";
    let cases: Vec<(Reply, &str, String)> = vec![
        (Reply::Status(404, "", b"no".to_vec()), "status", "expected status 200, found 404; is it the right URL? The list may have moved or ended".into()),
        (Reply::Status(500, "", Vec::new()), "status", "expected status 200, found 500; the server is not well: try again later".into()),
        (Reply::Status(304, "", Vec::new()), "status", "expected status 200, found 304; is it the right URL?".into()),
        (Reply::body("<!DOCTYPE html><p>log in"), "html", "expected a data file, found an HTML page; is it the right URL, and is no login in the way?".into()),
        (Reply::Status(200, "Content-Type: text/html\r\n", list(100).into_bytes()), "html", "expected a data file, found an HTML page; is it the right URL, and is no login in the way?".into()),
        (Reply::body(""), "empty", "expected at least one address or prefix, found none; is it the right URL and format?".into()),
        (Reply::body("192.0.2.1\nrubbish\n"), "entry", "line 2: expected an address or a prefix such as 203.0.113.0/24 or 2001:db8::/32, found \\\"rubbish\\\"".into()),
        (Reply::body(vec![0xff; 100]), "entry", "line 1: expected UTF-8, found other bytes".into()),
        (Reply::body(vec![b'#'; 100_001]), "too_large", "expected at most 100000 bytes, found more; is it the right URL? Else raise bytes_max".into()),
        (Reply::Endless, "too_large", "expected at most 100000 bytes, found more; is it the right URL? Else raise bytes_max".into()),
        (Reply::Cut, "protocol", "expected a whole answer in HTTP, found ".into()),
        (Reply::Nonsense, "protocol", "expected a whole answer in HTTP, found ".into()),
        (moved("Location: /loop\r\n"), "redirect", "expected at most 3 redirects, all to https, found more; use the URL that it ends at".into()),
        (moved("Location: http://127.0.0.1:8444/a\r\n"), "redirect", "expected at most 3 redirects, all to https, found one to another scheme; use the URL that it ends at".into()),
        (Reply::body((0..301).map(|n| format!("10.0.{}.{}\n", n / 256, n % 256)).collect::<String>()), "too_many", "line 301: expected at most 300 prefixes, found more; is it the right URL? Else raise prefixes_max".into()),
        (list_of(49), "shrink", format!("expected to lose at most 50 % of 100 prefixes, found 49 left; {look}")),
        (list_of(201), "grow", format!("expected to gain at most 100 % on 100 prefixes, found 201; {look}")),
        (Reply::body(format!("{}192.0.2.64/26\n", list(100))), "protected", format!("expected no protected address, found 192.0.2.64/26, which covers 192.0.2.77/32 of packet.protected; {look}")),
        (Reply::body(format!("{}0.0.0.0/0\n", list(100))), "too_wide", format!("expected no prefix as wide as the internet, found 0.0.0.0/0; {look}")),
    ];
    let before = fs::read(place.copy("a")).unwrap();
    for (reply, reason, message) in cases {
        let count = |reason: &str| {
            let labels = [("feed", "a"), ("reason", reason)];
            daemon.metrics(&place.world).unwrap().sum("seawall_feed_refusals_total", &labels)
        };
        let counted = count(reason);
        place.publisher.says("/a", reply.clone());
        let (code, out, error) = place.update(&["a"]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{reply:?}: {error}");
        let expected = format!("seawall: feed a: https://{PUBLISHER}/a: {message}");
        assert!(error.starts_with(&expected), "{reply:?}:\n{error}\n{expected}");
        assert!(error.ends_with("; the copy in force stays\n"), "{error}");
        assert_eq!(count(reason), counted + 1, "{reason}");
        assert_eq!(place.feed("a")["updates"]["last"]["reason"], reason);
        assert_eq!(fs::read(place.copy("a")).unwrap(), before, "{reason}");
        assert_eq!(generation(), first, "{reason}");
    }
    for (name, reason) in [("away", "tls"), ("dead", "connect")] {
        let (code, _, error) = place.update(&[name]);
        assert_eq!(code, Some(1), "{error}");
        assert_eq!(place.feed(name)["updates"]["last"]["reason"], reason, "{error}");
    }
    let (code, _, error) = place.update(&["other"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        error,
        "seawall: the daemon refused: expected a feed of packet.feeds (a, away, dead), found \"other\"\n"
    );

    // Whoever has looked takes it all the same; what was looked at once is not doubted again.
    place.publisher.says("/a", Reply::body(format!("{}192.0.2.64/26\n", list(20))));
    assert_eq!(place.update(&["a", "--force"]).1, "feed a: in force: 21 prefixes, 100 before\n");
    place.publisher.says("/a", Reply::body(format!("{}192.0.2.64/26\n", list(21))));
    assert_eq!(place.update(&["a"]).1, "feed a: in force: 22 prefixes, 21 before\n");
    assert_eq!(generation(), first + 2);
    let warnings = place.run(&["status"]).1;
    assert!(
        warnings.contains("expected a copy of dead, found none yet: nothing of it is denied"),
        "{warnings}"
    );
    daemon.detach().unwrap();
}

#[test]
fn a_copy_is_asked_for_with_its_tag_and_outlives_the_daemon() {
    if !requirement::root("a_copy_is_asked_for_with_its_tag_and_outlives_the_daemon") {
        return;
    }
    let place = Place::prepare();
    let tagged = Reply::Good { body: list(9).into_bytes(), etag: Some("\"v1\"".to_owned()) };
    place.publisher.says("/a", tagged);
    let config = place.config(&format!("  feeds:\n{}", feed("a", "")));
    let daemon = Seawall::start(&place.world, &config).unwrap();
    wait::until("first copy", || (place.feed("a")["updates"]["new"] == 1).then_some(())).unwrap();
    assert_eq!(place.update(&["a"]).1, "feed a: unchanged: the copy in force is the newest\n");
    assert!(
        place.publisher.asked().last().unwrap().contains("\r\nif-none-match: \"v1\"\r\n"),
        "{:?}",
        place.publisher.asked()
    );
    // The same list from a server without tags makes no new generation either.
    place.publisher.says("/a", Reply::body(list(9)));
    assert_eq!(place.update(&[]).1, "feed a: unchanged: the copy in force is the newest\n");
    assert_eq!(daemon.metrics(&place.world).unwrap().sum("seawall_generation", &[]), 2);
    daemon.detach().unwrap();

    // Offline: the copy is in force from the first packet on.
    place.publisher.says("/a", Reply::Status(503, "", Vec::new()));
    let daemon = Seawall::start(&place.world, &config).unwrap();
    let denied =
        daemon.metrics(&place.world).unwrap().sum("seawall_policy_prefixes", &[("list", "deny")]);
    assert_eq!(denied, 9);
    let explained = place.run(&["explain", "203.0.113.8"]).1;
    assert!(explained.contains("list a"), "{explained}");

    // A daemon that stops does not wait for a slow server.
    place.publisher.says("/a", Reply::Drip);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| place.update(&["a"]));
        wait::until("request", || (place.publisher.asked().len() > 3).then_some(())).unwrap();
        let begun = Instant::now();
        daemon.detach().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(asking.join().unwrap().0, Some(1));
    });

    // A copy that is cut off is named, not taken for a short list.
    let copy = fs::read(place.copy("a")).unwrap();
    fs::write(place.copy("a"), &copy[..copy.len() - 5]).unwrap();
    let path = place.world.folder().join("seawall.yaml");
    let output = seawall::run(&place.world, &["check", path.to_str().unwrap()]).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("remove the file, and the feed is fetched anew"), "{error}");
}

#[test]
fn a_real_list_comes_into_force() {
    let Some(ipsum) = data::file("lists/ipsum.txt") else {
        return requirement::skip("a_real_list_comes_into_force", "lists/ipsum.txt");
    };
    if !requirement::root("a_real_list_comes_into_force") {
        return;
    }
    let place = Place::prepare();
    let text = fs::read(ipsum).unwrap();
    let counts = String::from_utf8_lossy(&text).into_owned();
    let counts = counts.lines().filter_map(|line| line.split_once('\t')?.1.parse::<u64>().ok());
    let expected = counts.filter(|count| *count >= 3).count();
    place.publisher.says("/ipsum", Reply::body(text));
    let config = format!("  feeds:\n{}", feed("ipsum", ", format: tab, count_min: 3"));
    let daemon = Seawall::start(&place.world, &place.config(&config)).unwrap();
    wait::until("copy", || (place.feed("ipsum")["prefixes"] == expected).then_some(())).unwrap();
    let labels = [("feed", "ipsum"), ("result", "new")];
    wait::until("count", || {
        let metrics = daemon.metrics(&place.world).unwrap();
        (metrics.sum("seawall_feed_updates_total", &labels) == 1).then_some(())
    })
    .unwrap();
    daemon.detach().unwrap();
}
