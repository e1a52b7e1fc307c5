//! TLS at the front: versions, protocols, and names.

use std::process::Command;

use seawall_tests::{requirement, upstream::Upstream};

use crate::site::{API, GATEWAY, GATEWAY_IPV6, Site};

#[test]
fn tls_1_3_and_1_2_are_served_over_both_protocols_and_families() {
    if !requirement::root("tls_1_3_and_1_2_are_served_over_both_protocols_and_families") {
        return;
    }
    let site = Site::start("", "");
    let cases: [(&[&str], &str, &str); 4] = [
        (&["--http2"], "TLSv1.3", "2"),
        (&["--http1.1"], "TLSv1.3", "1.1"),
        (&["--http2", "--tls-max", "1.2"], "TLSv1.2", "2"),
        (&["--http1.1", "--tls-max", "1.2"], "TLSv1.2", "1.1"),
    ];
    for address in [GATEWAY, GATEWAY_IPV6] {
        for (arguments, tls, http) in cases {
            let mut request = site.ground.get("/hello").with(arguments);
            request.address = address;
            let answer = request.send(site.ground.client()).unwrap();
            assert_eq!(answer.status, 200, "{arguments:?} {answer:?}");
            assert_eq!((answer.tls_version.as_str(), answer.http_version.as_str()), (tls, http));
        }
    }
}

#[test]
fn older_tls_and_other_names_are_refused() {
    if !requirement::root("older_tls_and_other_names_are_refused") {
        return;
    }
    let site = Site::start("", "");
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-connect"]);
    let output = site.ground.client().output(openssl.arg(GATEWAY.to_string())).unwrap();
    let side = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && side.contains("SSL alert number"), "{side}");

    let mut request = site.ground.get("/");
    request.host = format!("other.{API}");
    let answer = request.send(site.ground.client()).unwrap();
    assert_eq!((answer.exit_code, answer.status), (60, 0), "{answer:?}");
    // Whatever was refused, the next is served.
    assert_eq!(site.ground.get("/").send(site.ground.client()).unwrap().status, 200);
}

#[test]
fn the_api_server_answers_its_message_through_the_gateway() {
    if !requirement::root("the_api_server_answers_its_message_through_the_gateway") {
        return;
    }
    let site = Site::start("", "");
    site.ground.echo.stop(&site.ground.world.server).unwrap();
    let upstream = Upstream::start(&site.ground.world, &site.ground.authority).unwrap();
    let direct = upstream.ask(&site.ground.world, "/v1/message").unwrap();
    let through = site.ground.get("/v1/message").send(site.ground.client()).unwrap();
    assert_eq!(through.status, 200);
    assert!(!direct.body.is_empty());
    assert_eq!(through.body, direct.body);
    assert_eq!(site.ground.get("/v1/absent").send(site.ground.client()).unwrap().status, 404);
}
