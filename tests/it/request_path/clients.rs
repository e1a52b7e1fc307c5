//! Clients through the real daemon: proxies that are trusted, limits of one address, fingerprints.

use std::process::Command;

use seawall_tests::{requirement, wait};
use serde_json::Value;

use crate::site::{API, CLIENT, GATEWAY, Site};

fn last_line(site: &Site, count: usize) -> Value {
    let lines = wait::until("the line", || {
        let log = site.seawall.process.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["target"] == "access").collect();
        (lines.len() >= count).then_some(lines)
    });
    let line = lines.unwrap().pop().unwrap();
    if line["fields"].is_object() { line["fields"].clone() } else { line }
}

#[test]
fn a_trusted_proxy_names_the_client_by_header_and_by_proxy_protocol() {
    if !requirement::root("a_trusted_proxy_names_the_client_by_header_and_by_proxy_protocol") {
        return;
    }
    let own = CLIENT.ipv4.to_string();
    for (clients, arguments, client, chain) in [
        (String::new(), vec!["-H", "X-Forwarded-For: 192.0.2.77"], own.as_str(), own.clone()),
        (
            format!("  clients: {{ trusted_proxies: [{own}] }}\n"),
            vec!["-H", "X-Forwarded-For: 192.0.2.66, 192.0.2.77"],
            "192.0.2.77",
            format!("192.0.2.77, {own}"),
        ),
        (
            format!("  clients: {{ trusted_proxies: [{own}], address_header: forwarded }}\n"),
            vec!["-H", "Forwarded: for=192.0.2.77", "-H", "X-Forwarded-For: 192.0.2.66"],
            "192.0.2.77",
            format!("192.0.2.77, {own}"),
        ),
        (
            format!("  clients: {{ trusted_proxies: [{own}], proxy_protocol: required }}\n"),
            vec!["--haproxy-protocol"],
            own.as_str(),
            own.clone(),
        ),
    ] {
        let site = Site::start("", &clients);
        let answer = site.ground.get("/").with(&arguments).send(site.ground.client()).unwrap();
        assert_eq!(answer.status, 200, "{clients}: {answer:?}");
        let told = format!("x-forwarded-for: {chain}\r\n");
        assert!(answer.body.contains(&told), "{clients}: {}", answer.body);
        assert_eq!(last_line(&site, 1)["client"], client, "{clients}");
        if clients.contains("required") {
            let without = site.ground.get("/").send(site.ground.client()).unwrap();
            assert_eq!(without.status, 0, "{without:?}");
            let refused = [("result", "refused_proxy")];
            site.wait_for_metric("seawall_gateway_connections_total", &refused, 1);
        }
    }
}

#[test]
fn an_address_that_asks_too_much_is_told_when_to_come_again() {
    if !requirement::root("an_address_that_asks_too_much_is_told_when_to_come_again") {
        return;
    }
    let clients = "  clients: { requests_per_s: 1, requests_burst: 2, connections_max: 50, \
                   requests_active_max: 50 }\n";
    let site = Site::start("", clients);
    let statuses: Vec<u16> = (0..3)
        .map(|_| site.ground.get("/").send(site.ground.client()).unwrap())
        .inspect(|answer| {
            let wait = answer.header("retry-after");
            assert_eq!(wait.is_some(), answer.status == 429, "{answer:?}");
        })
        .map(|answer| answer.status)
        .collect();
    // The third may come a second after the first on a machine that is busy.
    assert_eq!(statuses[..2], [200, 200]);
    assert!(matches!(statuses[2], 429 | 200), "{statuses:?}");
    let many = "for n in 1 2 3 4 5 6 7 8; do curl --silent --output /dev/null --cacert \"$0\" \
                --resolve \"$1:443:$2\" \"https://$1/\" & done; wait";
    let mut command = Command::new("sh");
    command.arg("-c").arg(many).arg(&site.ground.authority.certificate).arg(API);
    site.ground.client().output(command.arg(GATEWAY.ip().to_string())).unwrap();
    wait::until("a refusal", || {
        let refused = [("reason", "address_rate")];
        (site.metric("seawall_gateway_rejections_total", &refused) > 0).then_some(())
    })
    .unwrap();
}

#[test]
fn the_log_names_the_tls_stack_of_a_client() {
    if !requirement::root("the_log_names_the_tls_stack_of_a_client") {
        return;
    }
    let site = Site::start("", "");
    let request = "printf 'GET / HTTP/1.1\\r\\nHost: api.example\\r\\nConnection: close\\r\\n\\r\\n' | \
                   timeout 5 openssl s_client -quiet -connect";
    let mut seen = Vec::new();
    // Version, name, number of suites and protocol are what the arguments make them.
    for (arguments, begins, protocol) in [
        (
            "-tls1_3 -servername api.example -ciphersuites TLS_AES_128_GCM_SHA256 -alpn http/1.1",
            "t13d02",
            "h1",
        ),
        ("-tls1_3 -servername api.example -ciphersuites TLS_AES_128_GCM_SHA256", "t13d02", "00"),
        ("-tls1_3 -noservername -ciphersuites TLS_AES_128_GCM_SHA256", "t13i02", "00"),
        (
            "-tls1_2 -servername api.example -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -alpn http/1.1",
            "t12d02",
            "h1",
        ),
    ] {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{request} {GATEWAY} {arguments}"));
        site.ground.client().output(&mut command).unwrap();
        let line = last_line(&site, seen.len() + 1);
        let found = line["ja4"].as_str().unwrap().to_owned();
        let first = found.split('_').next().unwrap();
        assert!(first.starts_with(begins) && first.ends_with(protocol), "{arguments}: {found}");
        seen.push(found);
    }
    // The parts that do not depend on where it goes: the same suites, the same extensions.
    let suites: Vec<&str> = seen.iter().map(|one| one.split('_').nth(1).unwrap()).collect();
    assert!(suites[0] == suites[1] && suites[1] == suites[2] && suites[2] != suites[3], "{seen:?}");
    let extensions: Vec<&str> = seen.iter().map(|one| one.split('_').nth(2).unwrap()).collect();
    assert!(extensions[0] == extensions[1] && extensions[1] == extensions[2], "{seen:?}");
    // Other software, another fingerprint; the same software, the same.
    let mut curl = Vec::new();
    for _ in 0..2 {
        site.ground.get("/").send(site.ground.client()).unwrap();
        curl.push(last_line(&site, seen.len() + curl.len() + 1)["ja4"].clone());
    }
    assert_eq!(curl[0], curl[1]);
    assert!(!seen.contains(&curl[0].as_str().unwrap().to_owned()), "{curl:?} {seen:?}");
}
