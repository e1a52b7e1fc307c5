//! Where a client is, by the database of the packet filter: rules and limits that ask for it, and a newer database.

use seawall_tests::{
    mmdb::{self, Shape},
    requirement,
    seawall::{self, Seawall},
    upstream,
};

use crate::site::{Ground, Site};

fn gateway() -> String {
    let (api, name) = (upstream::ADDRESS, upstream::NAME);
    format!(
        "  upstreams: [{{name: api, backends: [{{address: '{api}'}}], tls: {{server_name: {name}, ca: authority.pem}}}}]
  rate_limits: [{{name: country, limit: 2, window_s: 3600, key: [country]}}]
  routes:
    - {{name: home, path: /home, upstream: api, authorise: [{{countries: [AT, DE]}}]}}
    - {{name: away, path: /away, upstream: api, authorise: [{{countries: [FR]}}]}}
    - {{name: counted, path: /counted, upstream: api, rate_limits: [country]}}
"
    )
}

fn status(site: &Site, path: &str) -> u16 {
    site.ground.get(path).send(site.ground.client()).unwrap().status
}

fn run(site: &Site, words: &[&str]) -> String {
    let socket = site.ground.socket();
    let words = [words, &["--socket", socket.to_str().unwrap()]].concat();
    let output = seawall::run(&site.ground.world, &words).unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{words:?}: {text}");
    text
}

#[test]
fn where_a_client_is_decides_and_a_newer_database_acts_at_once() {
    if !requirement::root("where_a_client_is_decides_and_a_newer_database_acts_at_once") {
        return;
    }
    let ground = Ground::prepare();
    let config = ground.config_of("  geo: { database: country.mmdb }\n", &gateway());
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    let site = Site { seawall, ground };
    assert_eq!([status(&site, "/home"), status(&site, "/away")], [200, 403]);
    let refused = [("condition", "countries")];
    site.wait_for_metric("seawall_gateway_forbidden_total", &refused, 1);
    let explain = |path: &str| {
        let request = format!("GET https://api.example{path}");
        run(&site, &["explain", "198.51.100.7", "--request", &request])
    };
    let told = explain("/away");
    assert!(told.contains("because     rule:1:countries:FR\n"), "{told}");
    assert!(told.contains("from 198.51.100.7 in DE"), "{told}");
    // Whoever is in a country shares its limit.
    let counted: Vec<u16> = (0..3).map(|_| status(&site, "/counted")).collect();
    assert_eq!(counted, [200, 200, 429]);
    let newer = site.ground.world.folder().join("newer.mmdb");
    let networks =
        [("198.51.100.0/24".parse().unwrap(), "FR"), ("192.0.2.0/24".parse().unwrap(), "DE")];
    mmdb::write(&newer, Shape::Flat, &networks).unwrap();
    let pid = site.metric("seawall_gateway_worker_restarts_total", &[]);
    run(&site, &["geo", "update", "--from", newer.to_str().unwrap(), "--force"]);
    assert_eq!([status(&site, "/home"), status(&site, "/away")], [403, 200]);
    assert_eq!(status(&site, "/counted"), 200, "another country has a limit of its own");
    assert_eq!(site.metric("seawall_gateway_worker_restarts_total", &[]), pid);
    assert!(explain("/away").contains("from 198.51.100.7 in FR"));
    // A worker that follows has it too.
    site.reload(&config);
    assert_eq!([status(&site, "/home"), status(&site, "/away")], [403, 200]);
}
