//! Upstreams and routes.

use firewall_gateway::policy::{ClientCertificateUse, RouteAction};

use super::*;

const HEAD: &str = "gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n";

#[test]
fn every_key_of_a_way_acts() {
    let config = load(&format!(
        "{LEAST}{HEAD}  upstreams:
    - name: api
      backends: [{{address: '127.0.0.1:1'}}, {{address: '[::1]:2'}}]
      tls: {{server_name: api.internal, ca: ca.pem}}
      connections_max: 7
    - {{name: plain, backends: [{{address: '127.0.0.1:3'}}], host: 'shop:8080'}}
    - {{name: bare, backends: [{{address: '127.0.0.1:4'}}]}}
  routes:
    - {{name: user, hosts: [API.example, '*.api.example', '[::1]'], path: '/users/{{id}}', upstream: api}}
    - {{name: rest, path: '/*', upstream: plain}}
"
    ))
    .unwrap();
    let gateway = config.gateway.expect("a gateway");
    let upstreams: Vec<String> = gateway
        .upstreams
        .iter()
        .map(|upstream| {
            let backends = upstream.backends.iter().map(|backend| backend.address.to_string());
            let backends: Vec<String> = backends.collect();
            let tls = upstream.tls.as_ref().map_or("-", |tls| &tls.server_name);
            let (name, host, most) = (&upstream.name, &upstream.host, upstream.connections_max);
            format!("{name} {} {host} {tls} {most}", backends.join(","))
        })
        .collect();
    assert_eq!(
        upstreams,
        [
            "api 127.0.0.1:1,[::1]:2 api.internal api.internal 7",
            "plain 127.0.0.1:3 shop:8080 - 256",
            "bare 127.0.0.1:4 127.0.0.1:4 - 256",
        ]
    );
    let routes: Vec<String> = gateway
        .routes
        .iter()
        .map(|route| {
            let RouteAction::Forward(forward) = &route.action else { panic!("{route:?}") };
            let upstreams: Vec<usize> = forward.upstreams().collect();
            format!("{} {} {} {upstreams:?}", route.name, route.hosts.join(","), route.path)
        })
        .collect();
    assert_eq!(routes, ["user api.example,*.api.example,[::1] /users/{id} [0]", "rest  /* [1]"]);
}

#[test]
fn what_is_wrong_with_a_way_is_said_with_its_place() {
    let upstreams = "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}]}]\n";
    let routes = |text: &str| format!("{upstreams}  routes: [{{name: r, {text}}}]\n");
    let sole = "  upstream: {address: '127.0.0.1:2', server_name: a, ca: c}\n";
    for (ways, expected) in [
        (String::new(), "4:11: gateway: expected upstream, or upstreams and routes, found neither"),
        (
            format!("{sole}{upstreams}"),
            "8:14: gateway: expected upstream alone, or upstreams and routes, found both",
        ),
        (upstreams.to_owned(), "7:14: gateway: expected routes beside upstreams, found none"),
        (
            "  routes: [{name: r, path: /, upstream: a}]\n".to_owned(),
            "7:11: gateway: expected upstreams beside routes, found none",
        ),
        (
            "  upstreams: [{name: a, backends: []}]\n  routes: []\n".to_owned(),
            "backends: expected 1 to 256 entries, found 0",
        ),
        (
            "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:1'}]}]\n  \
             routes: []\n"
                .to_owned(),
            "backends: expected each once, found 127.0.0.1:1 again",
        ),
        (
            "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}], host: 'a b'}]\n  routes: []\n"
                .to_owned(),
            "host: expected a host name with or without a port, found \"a b\"",
        ),
        (
            "  upstreams: [{name: a, backends: [{address: '127.0.0.1:1'}], \
             tls: {server_name: 'a b', ca: c}}]\n  routes: []\n"
                .to_owned(),
            "server_name: expected the DNS name or address",
        ),
        (
            format!("{upstreams}  routes: []\n"),
            "8:11: routes: expected 1 to 1024 entries, found 0",
        ),
        (routes("path: a, upstream: a"), "path: expected a path that begins with /, found \"a\""),
        (
            routes("path: /, upstream: b"),
            "upstream: expected one of gateway.upstreams (a), found \"b\"",
        ),
        (
            routes("path: /, upstream: a, hosts: ['a:1']"),
            "hosts: expected a host name without a port, such as api.example or *.api.example, found \"a:1\"",
        ),
        (
            routes("path: /, upstream: a, hosts: [a, A]"),
            "hosts: expected each once, found a again",
        ),
        (
            format!(
                "{upstreams}  routes: [{{name: r, path: /, upstream: a}}, {{name: r, path: /b, upstream: a}}]\n"
            ),
            "name: expected each name once, found \"r\" again",
        ),
    ] {
        let error = load(&format!("{LEAST}{HEAD}{ways}")).unwrap_err().to_string();
        assert!(error.contains(expected), "{ways}: {error}");
    }
}

#[test]
fn a_route_asks_for_a_certificate_where_there_are_authorities() {
    let ways = |tls: &str, route: &str| {
        let config = load(&format!(
            "{LEAST}{HEAD}{tls}  upstreams: [{{name: a, backends: [{{address: '127.0.0.1:1'}}]}}]\n  \
             routes: [{{name: r, path: '/*', upstream: a{route}}}]\n"
        ));
        config.map(|config| config.gateway.expect("a gateway").routes[0].client_certificate)
    };
    let ca = "  tls: {client_ca: c.pem}\n";
    for (tls, route, expected) in [
        ("", "", ClientCertificateUse::None),
        ("", ", client_certificate: none", ClientCertificateUse::None),
        (ca, "", ClientCertificateUse::Optional),
        (ca, ", client_certificate: none", ClientCertificateUse::None),
        (ca, ", client_certificate: optional", ClientCertificateUse::Optional),
        (ca, ", client_certificate: required", ClientCertificateUse::Required),
    ] {
        assert_eq!(ways(tls, route), Ok(expected), "{tls}{route}");
    }
    let error = ways("", ", client_certificate: required").unwrap_err();
    let expected = "8:67: client_certificate: expected gateway.tls.client_ca, found none";
    assert!(error.contains(expected), "{error}");
    let sole = "  upstream: {address: '127.0.0.1:2', server_name: a, ca: c}\n";
    let gateway = load(&format!("{LEAST}{HEAD}{ca}{sole}")).unwrap().gateway.expect("a gateway");
    assert_eq!(gateway.routes[0].client_certificate, ClientCertificateUse::Optional);
}
