//! Which request goes where.

use std::net::SocketAddr;

use seawall_tests::{client::Answer, echo::Echo, requirement, upstream};

use crate::site::{Ground, Site};

const PLAIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8_080);

#[test]
fn a_route_takes_a_request_to_its_upstream() {
    if !requirement::root("a_route_takes_a_request_to_its_upstream") {
        return;
    }
    let ground = Ground::prepare();
    let plain = Echo::plain(&ground.world.server, PLAIN).unwrap();
    let site = Site::start_of(
        ground,
        &format!(
            "  upstreams:
    - name: api
      backends: [{{address: '{api}'}}]
      tls: {{server_name: {name}, ca: authority.pem}}
    - {{name: plain, backends: [{{address: '{PLAIN}'}}], host: shop.internal}}
  routes:
    - {{name: user, hosts: [api.example], path: '/users/{{id}}', upstream: api}}
    - {{name: shop, path: '/shop/*', upstream: plain}}
",
            api = upstream::ADDRESS,
            name = upstream::NAME,
        ),
    );
    let client = site.ground.client();
    for protocol in ["--http1.1", "--http2"] {
        for (path, expected) in [
            ("/users/7?x=1", Ok("api.internal")),
            ("/shop/cart/7", Ok("shop.internal")),
            ("/users/7/keys", Err("route_missing")),
            ("/", Err("route_missing")),
        ] {
            let answer: Answer = site.ground.get(path).with(&[protocol]).send(client).unwrap();
            match expected {
                Ok(host) => {
                    assert_eq!(answer.status, 200, "{path}: {answer:?}");
                    let host = format!("\r\nhost: {host}\r\n");
                    assert!(answer.body.to_ascii_lowercase().contains(&host), "{path}: {answer:?}");
                }
                Err(_) => {
                    assert_eq!(answer.status, 404, "{path}: {answer:?}");
                    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
                    assert!(
                        answer.body.contains("urn:seawall:problem:route-missing"),
                        "{answer:?}"
                    );
                }
            }
        }
    }
    assert_eq!((plain.connections() > 0, site.ground.echo.connections() > 0), (true, true));
    site.wait_for_metric("seawall_gateway_rejections_total", &[("reason", "route_missing")], 4);
}
