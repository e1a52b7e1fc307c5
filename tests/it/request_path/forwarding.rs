//! What the upstream is told, and what the client is not.

use seawall_tests::{client::Answer, requirement};

use crate::site::{CLIENT, GATEWAY_IPV6, Site};

#[test]
fn identity_headers_are_ours_alone() {
    if !requirement::root("identity_headers_are_ours_alone") {
        return;
    }
    let site = Site::start("", "");
    let spoofed = [
        "X-Forwarded-For: 10.0.0.1",
        "X_Forwarded_For: 10.0.0.1",
        "X-Real-IP: 10.0.0.1",
        "Forwarded: for=10.0.0.1",
        "X-Request-Id: mine",
        "X-Forwarded-Proto: gopher",
        "X-Original-URL: /admin",
    ];
    let arguments: Vec<&str> = spoofed.iter().flat_map(|header| ["-H", header]).collect();
    for protocol in ["--http1.1", "--http2"] {
        let request = site.ground.get("/path?query=1").with(&[protocol]).with(&arguments);
        let answer = request.send(site.ground.client()).unwrap();
        let asked = answer.body.to_ascii_lowercase();
        let client = CLIENT.ipv4;
        assert!(answer.body.starts_with("GET /path?query=1 HTTP/1.1\r\n"), "{asked}");
        for line in [
            "host: api.internal",
            &format!("x-forwarded-for: {client}"),
            &format!("x-real-ip: {client}"),
            "x-forwarded-proto: https",
            "x-forwarded-host: api.example",
            &format!("x-request-id: {}", answer.header("x-request-id").unwrap()),
        ] {
            assert_eq!(asked.matches(&format!("\r\n{line}")).count(), 1, "{line} in {asked}");
        }
        assert!(asked.contains(&format!("\r\nforwarded: for={client};")), "{asked}");
        for theirs in ["10.0.0.1", "mine", "gopher", "/admin", "x_forwarded"] {
            assert!(!asked.contains(theirs), "{theirs} in {asked}");
        }
    }
    let mut request = site.ground.get("/");
    request.address = GATEWAY_IPV6;
    let asked = request.send(site.ground.client()).unwrap().body;
    let client = CLIENT.ipv6[0];
    assert!(asked.contains(&format!("forwarded: for=\"[{client}]\"")), "{asked}");
    assert!(asked.contains(&format!("x-forwarded-for: {client}\r\n")), "{asked}");
}

#[test]
fn hops_and_software_end_at_the_gateway() {
    if !requirement::root("hops_and_software_end_at_the_gateway") {
        return;
    }
    let site = Site::start("", "");
    let hops = [
        "Connection: X-Mine",
        "X-Mine: 1",
        "Keep-Alive: 9",
        "TE: gzip, trailers",
        "Proxy-Authorization: x",
    ];
    let arguments: Vec<&str> = hops.iter().flat_map(|header| ["-H", header]).collect();
    let request = site.ground.get("/").with(&["--http1.1"]).with(&arguments);
    let answer = request.send(site.ground.client()).unwrap();
    let asked = answer.body.to_ascii_lowercase();
    for hop in ["x-mine", "keep-alive", "gzip", "proxy-authorization"] {
        assert!(!asked.contains(hop), "{hop} in {asked}");
    }
    // The gateway's own words to its upstream: it takes trailers, as its client does.
    assert!(asked.contains("\r\nte: trailers\r\n"), "{asked}");
    assert!(asked.contains("\r\nconnection: te\r\n"), "{asked}");
    for inside in ["server", "via", "x-powered-by", "x-hop", "connection"] {
        assert_eq!(answer.header(inside), None, "{inside} in {:?}", answer.headers);
    }
    assert_eq!(answer.header("content-type"), Some("text/plain"));
}

#[test]
fn bodies_arrive_whole_and_connections_are_used_again() {
    if !requirement::root("bodies_arrive_whole_and_connections_are_used_again") {
        return;
    }
    let site = Site::start("", "  limits: { body_bytes_max: 400000 }\n");
    let body: String = (0..60_000).map(|number| format!("{number} ")).collect();
    let path = site.ground.world.folder().join("body");
    std::fs::write(&path, &body).unwrap();
    let data = format!("@{}", path.display());
    let came_back =
        |answer: &Answer| answer.body.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    for protocol in ["--http1.1", "--http2"] {
        for framing in ["Expect:", "Transfer-Encoding: chunked"] {
            if protocol == "--http2" && framing.starts_with("Transfer") {
                continue;
            }
            let arguments = [protocol, "-H", framing, "--data-binary", &data];
            let answer = site.ground.get("/").with(&arguments).send(site.ground.client()).unwrap();
            assert_eq!(answer.status, 200, "{protocol} {framing}");
            assert!(
                came_back(&answer).as_ref() == Some(&body),
                "{protocol} {framing}: another body"
            );
        }
    }
    for _ in 0..20 {
        assert_eq!(site.ground.get("/").send(site.ground.client()).unwrap().status, 200);
    }
    // Each of the gateway's two threads keeps its own connections.
    let connections = site.ground.echo.connections();
    assert!(connections <= 6, "{connections} connections for 23 requests one after the other");
}
