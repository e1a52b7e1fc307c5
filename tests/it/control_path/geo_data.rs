//! A database is checked whole before it replaces the one that is there, with and without a daemon.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
};

use nix::sys::signal::Signal;
use seawall_tests::{
    data,
    mmdb::{self, Shape},
    pki::Authority,
    publisher::{Publisher, Reply},
    requirement,
    seawall::{self, Seawall},
    wait,
    world::{SERVER_INTERFACE, World},
};
use serde_json::Value;

use crate::{
    control_path::asked::{ask, send},
    site::Site,
};

const PUBLISHER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8444);

fn networks(country: &'static str, count: u8) -> Vec<(ipnetwork::IpNetwork, &'static str)> {
    (0..count).map(|third| (format!("198.18.{third}.0/24").parse().unwrap(), country)).collect()
}

#[test]
fn a_bad_database_leaves_the_old_one_in_force() {
    if !requirement::root("a_bad_database_leaves_the_old_one_in_force") {
        return;
    }
    let world = World::build(&[]).unwrap();
    let authority = Authority::create(world.folder(), "lists").unwrap();
    let identity = authority.issue("127.0.0.1").unwrap();
    let publisher = Publisher::start(&world.server, PUBLISHER, &identity).unwrap();
    let database = world.folder().join("country.mmdb");
    let build = |country, count| mmdb::build(Shape::Nested, &networks(country, count)).unwrap();
    let config = format!(
        "interfaces: [{{ name: {SERVER_INTERFACE} }}]\npacket:\n  pin_path: {}\n  geo:\n    database: country.mmdb\n    block: [KP]\n    update: {{ provider: url, url: 'https://{PUBLISHER}/c', ca: lists.pem, bytes_max: 100000 }}\n{}",
        world.pin_path().display(),
        seawall::places(&world)
    );
    let path = seawall::write_config(&world, &config).unwrap();
    let path = path.to_str().unwrap();
    let socket = seawall::socket(world.folder()).display().to_string();
    let run = |arguments: &[&str]| {
        let output = seawall::run(&world, arguments).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };

    // Before the first start there is none, and no daemon.
    publisher.says("/c", Reply::body(build("DE", 20)));
    let (code, out, error) = run(&["geo", "update", "--config", path]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(out.starts_with("database country: in force: 20 networks in "), "{out}");
    let (code, out, _) = run(&["geo", "lookup", "198.18.7.9", "--config", path, "--json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &found["country"], &found["network"]),
        (Some(0), &"DE".into(), &"198.18.7.0/24".into())
    );
    let (_, out, _) = run(&["geo", "lookup", "2001:db8::1", "--config", path]);
    assert!(out.contains("country       unknown\n"), "{out}");

    let daemon = Seawall::start(&world, &config).unwrap();
    // The schedule asks once by itself, and finds the same.
    wait::until("first look", || {
        let labels = [("database", "country"), ("result", "unchanged")];
        let metrics = daemon.metrics(&world).unwrap();
        (metrics.sum("seawall_geo_updates_total", &labels) == 1).then_some(())
    })
    .unwrap();
    let before = fs::read(&database).unwrap();
    let cut = {
        let whole = build("DE", 20);
        whole[..whole.len() / 2].to_vec()
    };
    for (reply, reason, message) in [
        (Reply::Status(404, "", Vec::new()), "status", "expected status 200, found 404"),
        (Reply::body("<html>"), "html", "expected a data file, found an HTML page"),
        (Reply::body(""), "format", "country database "),
        (Reply::body(cut), "format", "country database "),
        (
            Reply::body(
                mmdb::build_asn(&[("198.18.0.0/24".parse().unwrap(), 64_496, "Example")]).unwrap(),
            ),
            "kind",
            "country database ",
        ),
        (
            Reply::body(vec![b'x'; 100_001]),
            "too_large",
            "expected at most 100000 bytes, found more",
        ),
        (
            Reply::body(build("DE", 13)),
            "shrink",
            "expected to lose at most 30 % of 20 networks, found 13 left",
        ),
        (
            Reply::body(build("DE", 41)),
            "grow",
            "expected to gain at most 100 % on 20 networks, found 41",
        ),
        (
            Reply::body(build("KP", 20)),
            "moved",
            "expected at most 20 % of 20 networks in another country than before, found 20",
        ),
        (
            Reply::body([&[0x1f, 0x8b][..], b"broken"].concat()),
            "unpack",
            "expected whole gzip data, found: ",
        ),
    ] {
        let refusals = || {
            let labels = [("database", "country"), ("reason", reason)];
            daemon.metrics(&world).unwrap().sum("seawall_geo_update_refusals_total", &labels)
        };
        let counted = refusals();
        publisher.says("/c", reply);
        let (code, _, error) = run(&["geo", "update", "--socket", &socket]);
        assert_eq!(code, Some(1), "{error}");
        assert!(error.starts_with(&format!("seawall: database country: {message}")), "{error}");
        assert!(error.ends_with("; the database in force stays\n"), "{error}");
        assert_eq!(refusals(), counted + 1, "{reason}");
        assert_eq!(fs::read(&database).unwrap(), before, "{reason}");
    }
    publisher.says("/c", Reply::body(build("KP", 20)));
    let (code, out, error) = run(&["geo", "update", "--force", "--socket", &socket]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.starts_with("database country: in force: 20 networks, made "), "{out}");
    let (_, explained, _) = run(&["explain", "198.18.7.9", "--socket", &socket]);
    assert!(explained.contains("KP"), "{explained}");
    let (_, status, _) = run(&["status", "--socket", &socket]);
    assert!(status.contains("age_max_days"), "the test database is of 2025: {status}");
    daemon.detach().unwrap();
}

#[test]
fn systems_are_lists_of_their_networks() {
    if !requirement::root("systems_are_lists_of_their_networks") {
        return;
    }
    let world = World::build(&[]).unwrap();
    mmdb::write(&world.folder().join("country.mmdb"), Shape::Flat, &networks("DE", 2)).unwrap();
    let systems = [
        ("198.51.100.0/24".parse().unwrap(), 64_496, "Example"),
        ("2001:db8:5::/48".parse().unwrap(), 64_496, "Example"),
        ("203.0.113.0/24".parse().unwrap(), 64_497, "Other"),
    ];
    fs::write(world.folder().join("asn.mmdb"), mmdb::build_asn(&systems).unwrap()).unwrap();
    let config = |asns: &str| {
        format!(
            "interfaces: [{{ name: {SERVER_INTERFACE} }}]\npacket:\n  pin_path: {}\n  deny: {{ asns: {asns} }}\n  geo: {{ database: country.mmdb, asn_database: asn.mmdb }}\n{}",
            world.pin_path().display(),
            seawall::places(&world)
        )
    };
    let run = |arguments: &[&str]| {
        let output = seawall::run(&world, arguments).unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
    };
    let socket = seawall::socket(world.folder()).display().to_string();
    let daemon = Seawall::start(&world, &config("[64496]")).unwrap();
    for (address, denied) in
        [("198.51.100.9", true), ("2001:db8:5::9", true), ("203.0.113.9", false)]
    {
        let text = run(&["explain", address, "--socket", &socket]);
        assert_eq!(text.contains("as64496"), denied, "{address}: {text}");
        let system = if denied { "AS64496, Example" } else { "AS64497, Other" };
        assert!(text.contains(&format!("\nsystem      {system}\n")), "{address}: {text}");
    }
    let path = daemon.config.display().to_string();
    let text = run(&["geo", "lookup", "198.51.100.9", "--config", &path]);
    assert!(
        text.contains(
            "system        AS64496\norganisation  Example\n              198.51.100.0/24\n"
        ),
        "{text}"
    );
    let text = run(&["explain", "192.0.2.9", "--socket", &socket]);
    assert!(!text.contains("system"), "of nobody known: {text}");
    daemon.detach().unwrap();
    let unknown = seawall::write_config(&world, &config("[64511]")).unwrap();
    let text = run(&["check", unknown.to_str().unwrap()]);
    assert!(
        text.contains(
            "expected a network of AS64511, found none; is it the right number in `asns`?"
        ),
        "{text}"
    );
}

#[test]
fn an_event_names_the_system_of_its_source_once_the_database_is_there() {
    const NAME: &str = "an_event_names_the_system_of_its_source_once_the_database_is_there";
    if !requirement::root(NAME) {
        return;
    }
    let site = Site::start(
        "  deny: { prefixes: [198.51.100.7] }\n  protect: { gateway: false, resolvers: false }\n  \
         geo: { database: country.mmdb, asn_database: asn.mmdb }\n  events: { sample_one_in: 1 }\n",
        "",
    );
    let last = || {
        let before = site.metric("seawall_events_total", &[]);
        send(&site);
        wait::until("event", || (site.metric("seawall_events_total", &[]) > before).then_some(()))
            .unwrap();
        let (code, text) = ask(&site.ground, &["status", "--json"]);
        assert_eq!(code, 0, "{text}");
        let status: Value = serde_json::from_str(&text).unwrap();
        status["events"]["recent"].as_array().unwrap().last().unwrap().clone()
    };
    let event = last();
    assert_eq!((&event["reason"], &event["asn"]), (&"deny".into(), &Value::Null), "{event}");
    assert!(site.seawall.process.log().contains("no autonomous system is told with events"));

    let systems = [("198.51.100.0/24".parse().unwrap(), 64_496, "Example")];
    let database = site.ground.world.folder().join("asn.mmdb");
    fs::write(database, mmdb::build_asn(&systems).unwrap()).unwrap();
    site.seawall.process.signal(Signal::SIGHUP).unwrap();
    site.wait_for_metric("seawall_reloads_total", &[("result", "ok")], 1);
    let event = last();
    assert_eq!(event["asn"], 64_496, "{event}");
    assert_eq!(event["organisation"], "Example", "{event}");
    site.seawall.detach().unwrap();
}

#[test]
fn a_real_database_replaces_itself() {
    let Some(real) = data::file("geo/dbip-country.mmdb") else {
        return requirement::skip("a_real_database_replaces_itself", "geo/dbip-country.mmdb");
    };
    if !requirement::root("a_real_database_replaces_itself") {
        return;
    }
    let world = World::build(&[]).unwrap();
    let config = format!(
        "interfaces: [{{ name: {SERVER_INTERFACE} }}]\npacket: {{ geo: {{ database: country.mmdb }} }}\n"
    );
    let path = seawall::write_config(&world, &config).unwrap();
    let path = path.to_str().unwrap();
    let real = real.to_str().unwrap();
    let output =
        seawall::run(&world, &["geo", "update", "--from", real, "--config", path]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("database country: in force: 1367495 networks in "), "{text}");
    let output = seawall::run(&world, &["geo", "lookup", "8.8.8.8", "--config", path]).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("country       US\n"), "{text}");
}
