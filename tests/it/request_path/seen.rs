//! Answers as a browser or curl sees them, and requests as an administrator sees them.

use std::fs;

use seawall_tests::{requirement, seawall::Seawall, wait};

use crate::site::{Ground, Site};

/// Stands wherever a client can put a secret.
const SECRET: &str = "s3cr3t-v4lue";

#[test]
fn answers_are_strict_errors_are_ours_and_curl_unpacks_what_is_compressed() {
    if !requirement::root("answers_are_strict_errors_are_ours_and_curl_unpacks_what_is_compressed")
    {
        return;
    }
    let site = Site::start("", "  compression: {types: [text/plain], bytes_min: 0}\n");
    let client = site.ground.client();
    for protocol in ["--http1.1", "--http2"] {
        let packed = site.ground.get("/a").with(&[protocol, "--compressed"]).send(client).unwrap();
        assert_eq!(packed.status, 200, "{packed:?}");
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{packed:?}");
        assert!(packed.body.starts_with("GET /a HTTP/1.1"), "{packed:?}");
        let with_cookie = ["--compressed", "--cookie", "a=b", protocol];
        let plain = site.ground.get("/a").with(&with_cookie).send(client).unwrap();
        assert_eq!(plain.header("content-encoding"), None, "{plain:?}");
        for (path, status) in [("/a", 200), ("/status/500", 500)] {
            let answer = site.ground.get(path).with(&[protocol]).send(client).unwrap();
            assert_eq!(answer.status, status);
            for (name, value) in [
                ("strict-transport-security", "max-age=31536000"),
                ("x-content-type-options", "nosniff"),
                ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{answer:?}");
            }
            let own = answer.body.contains("urn:seawall:problem:upstream-error");
            assert_eq!(own, status == 500, "{answer:?}");
        }
    }
    site.wait_for_metric("seawall_gateway_responses_compressed_total", &[], 2);
    site.wait_for_metric("seawall_gateway_upstream_errors_replaced_total", &[], 2);
}

#[test]
fn the_log_is_a_file_that_a_reload_opens_anew_and_figures_outlive_the_worker() {
    if !requirement::root(
        "the_log_is_a_file_that_a_reload_opens_anew_and_figures_outlive_the_worker",
    ) {
        return;
    }
    let ground = Ground::prepare();
    let log = ground.world.folder().join("access.log");
    let old = ground.world.folder().join("access.log.1");
    let fields = "[path, query, status, route, user_agent, referer]";
    let lines = format!("  access_log: {{fields: {fields}, file: {}}}\n", log.display());
    let config = ground.config("", &lines);
    let seawall = Seawall::start(&ground.world, &config).unwrap();
    let site = Site { seawall, ground };
    let client = site.ground.client();
    let secret = [
        "--header".to_owned(),
        format!("Authorization: Bearer {SECRET}"),
        "--cookie".to_owned(),
        format!("session={SECRET}"),
        "--referer".to_owned(),
        format!("https://a.example/?reset={SECRET}"),
    ];
    let secret: Vec<&str> = secret.iter().map(String::as_str).collect();
    let ask = |path: &str| {
        let path = format!("{path}?token={SECRET}");
        assert_eq!(site.ground.get(&path).with(&secret).send(client).unwrap().status, 200);
    };
    ask("/first");
    let count = |path| fs::read_to_string(path).unwrap_or_default().lines().count();
    wait::until("a line", || (count(&log) == 1).then_some(())).unwrap();
    let labels = [("route", "api"), ("protocol", "h2"), ("status", "2xx")];
    site.wait_for_metric("seawall_gateway_route_requests_total", &labels, 1);

    fs::rename(&log, &old).unwrap();
    site.reload_as_is();
    assert_eq!(site.metric("seawall_generation", &[]), 2);
    // Until the old worker has ended it may take a request too, whose line is in the file that it has open.
    let mut asked = 1;
    wait::until("a line in the new file", || {
        ask("/second");
        asked += 1;
        (count(&log) > 0).then_some(())
    })
    .unwrap();
    wait::until("every line", || (count(&old) + count(&log) == asked).then_some(())).unwrap();
    let asked = u64::try_from(asked).unwrap();
    site.wait_for_metric("seawall_gateway_route_requests_total", &labels, asked);
    site.wait_for_metric("seawall_gateway_backend_requests_total", &[("upstream", "api")], asked);

    let text = fs::read_to_string(&log).unwrap() + &fs::read_to_string(&old).unwrap();
    for shown in ["\"path\":\"/second\"", "\"query\":\"token=***\"", "\"status\":200"] {
        assert!(text.contains(shown), "{shown} in {text}");
    }
    for (place, text) in [("the access log", text), ("the log", site.seawall.process.log())] {
        assert!(!text.contains(SECRET), "{place}: {text}");
    }
}
