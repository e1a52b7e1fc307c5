//! Certificates by ACME: ordered, proved over TLS, served, renewed, kept over a restart.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use seawall_tests::{
    acme::{self, Pebble},
    requirement, seawall, wait,
};

use crate::site::{API, CLIENT, Ground, Site};

const NAME: &str = "www.example";
/// Of a hundred nonces pebble refuses so many where nothing else is said: a client has to ask again.
const USUAL: u32 = 5;

#[test]
fn a_certificate_is_ordered_served_and_renewed() {
    if !requirement::root("a_certificate_is_ordered_served_and_renewed") || !installed() {
        return;
    }
    let ground = Ground::prepare();
    let host = ground.world.host(CLIENT.name);
    // A third of its life is left after 10 s.
    let pebble = Pebble::start(&ground.world, host, &ground.authority, 15, USUAL).unwrap();
    let root = pebble.root(&ground.world, host).unwrap();
    let lines = lines(&pebble, NAME);
    let site = Site::on(ground, "", &lines);
    let get = |name: &str, authority: &Path| {
        let mut request = site.ground.get("/");
        request.host = name.to_owned();
        request.authority = authority.to_path_buf();
        request.send(site.ground.client()).unwrap()
    };
    issued(&site, &pebble, 1);
    wait::until("certificate", || (get(NAME, &root).status == 200).then_some(())).unwrap();
    assert_eq!(get(API, &site.ground.authority.certificate).status, 200, "the default one stays");
    let kept = seawall::state(site.ground.world.folder()).join("acme/certificate.pem");
    let first = fs::read(&kept).unwrap();
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);

    issued(&site, &pebble, 2);
    wait::until("renewed certificate", || (fs::read(&kept).unwrap() != first).then_some(()))
        .unwrap();
    wait::until("renewed certificate", || (get(NAME, &root).status == 200).then_some(())).unwrap();
    assert_eq!(site.metric("seawall_gateway_acme_orders_total", &[("result", "failed")]), 0);
}

#[test]
fn an_authority_that_fails_leaves_what_is_served() {
    if !requirement::root("an_authority_that_fails_leaves_what_is_served") || !installed() {
        return;
    }
    let ground = Ground::prepare();
    let host = ground.world.host(CLIENT.name);
    let mut pebble = Pebble::start(&ground.world, host, &ground.authority, 3_600, USUAL).unwrap();
    let root = pebble.root(&ground.world, host).unwrap();
    let site = Site::on(ground, "", &lines(&pebble, NAME));
    issued(&site, &pebble, 1);
    pebble.process.stop(std::time::Duration::from_secs(10)).unwrap();

    // Another name is wanted, and nobody answers.
    site.reload(&site.ground.config("", &lines(&pebble, "other.example")));
    site.wait_for_metric("seawall_gateway_acme_orders_total", &[("result", "failed")], 1);
    let mut request = site.ground.get("/");
    (request.host, request.authority) = (NAME.to_owned(), root);
    assert_eq!(request.send(site.ground.client()).unwrap().status, 200);
    let socket = site.ground.socket().display().to_string();
    let status = seawall::run(&site.ground.world, &["status", "--socket", &socket]).unwrap();
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("gateway.acme: no certificate for other.example"), "{status}");
}

#[test]
fn an_authority_that_refuses_every_nonce_is_asked_a_bounded_number_of_times() {
    const TEST: &str = "an_authority_that_refuses_every_nonce_is_asked_a_bounded_number_of_times";
    if !requirement::root(TEST) || !installed() {
        return;
    }
    let ground = Ground::prepare();
    let host = ground.world.host(CLIENT.name);
    let pebble = Pebble::start(&ground.world, host, &ground.authority, 3_600, 100).unwrap();
    let site = Site::on(ground, "", &lines(&pebble, NAME));
    site.wait_for_metric("seawall_gateway_acme_orders_total", &[("result", "failed")], 1);
    assert_eq!(site.metric("seawall_gateway_acme_orders_total", &[("result", "ok")]), 0);
    let log = site.seawall.process.log();
    assert_eq!(log.matches("the order is begun anew").count(), 3, "{log}");
    assert!(log.contains("acme:error:badNonce"), "{log}");
    // Three nonces for each of four tries, and none for an order.
    let asked = pebble.process.log();
    assert_eq!(asked.matches("POST /sign-me-up").count(), 12, "{asked}");
    assert!(!asked.contains("POST /order-plz"), "{asked}");
}

/// Waits for so many certificates; where they do not come, both sides say why.
fn issued(site: &Site, pebble: &Pebble, count: u64) {
    let orders = |result| site.metric("seawall_gateway_acme_orders_total", &[("result", result)]);
    let come = wait::until("certificate", || (orders("ok") >= count).then_some(()));
    assert!(
        come.is_ok() && (orders("ok"), orders("failed")) == (count, 0),
        "{} issued, {} failed, not {count} issued\n{}\n{}",
        orders("ok"),
        orders("failed"),
        site.seawall.process.log_end(),
        pebble.process.log_end()
    );
}

fn lines(pebble: &Pebble, name: &str) -> String {
    format!(
        "  acme: {{ directory: \"{}\", names: [{name}], ca: authority.pem }}\n",
        pebble.directory()
    )
}

fn installed() -> bool {
    let installed = acme::is_installed();
    if !installed {
        requirement::skip("acme", "needs pebble and pebble-challtestsrv");
    }
    installed
}
