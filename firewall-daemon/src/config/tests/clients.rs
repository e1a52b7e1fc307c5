//! `gateway.clients`.

use firewall_gateway::policy::{AddressHeader, ClientsPolicy, ProxyProtocol, RequestRate};

use super::{LEAST, load, refused};

/// A configuration with these keys in `gateway.clients`; they begin at 8:13.
fn clients(keys: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
         upstream: {{address: '127.0.0.1:2', server_name: a, ca: c}}\n  clients: {{{keys}}}\n"
    )
}

fn read(keys: &str) -> ClientsPolicy {
    load(&clients(keys)).expect("a configuration").gateway.expect("a gateway").clients
}

#[test]
fn every_key_acts() {
    assert_eq!(read(""), ClientsPolicy::default());
    assert_eq!(
        read(
            "proxy_protocol: required, trusted_proxies: [10.0.0.0/8, '2001:db8::1'], \
             address_header: forwarded, connections_max: 9, requests_active_max: 8, requests_per_s: 10, requests_burst: 11"
        ),
        ClientsPolicy {
            proxy_protocol: ProxyProtocol::Required,
            trusted_proxies: ["10.0.0.0/8", "2001:db8::1/128"]
                .map(|text| text.parse().expect("a prefix"))
                .to_vec(),
            address_header: AddressHeader::Forwarded,
            connections_max: 9,
            requests_active_max: 8,
            requests: Some(RequestRate { per_s: 10, burst: 11 }),
        }
    );
    let burst = read("requests_per_s: 10").requests;
    assert_eq!(burst, Some(RequestRate { per_s: 10, burst: 10 }));
    assert_eq!(read("proxy_protocol: off"), ClientsPolicy::default());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let many = (0..65).map(|number| format!("10.0.0.{number}, ")).collect::<String>();
    refused(&[
        (
            clients("proxy_protocol: required"),
            "8:29: proxy_protocol: expected trusted_proxies beside it, found none; name the proxies whose header is to be read",
        ),
        (
            clients("address_header: forwarded"),
            "8:29: address_header: expected trusted_proxies beside it, found none; name the proxies whose header is to be read",
        ),
        (
            clients("requests_burst: 3"),
            "8:29: requests_burst: expected requests_per_s beside it, found none",
        ),
        (
            clients("trusted_proxies: []"),
            "8:30: trusted_proxies: expected 1 to 64 entries, found 0",
        ),
        (
            clients(&format!("trusted_proxies: [{many}]")),
            "8:30: trusted_proxies: expected 1 to 64 entries, found 65",
        ),
        (
            clients("trusted_proxies: [10.0.0.0/8, 10.1.0.0/16]"),
            "8:43: trusted_proxies: expected each once, found 10.1.0.0/16 beside 10.0.0.0/8; remove one",
        ),
        (
            clients("connections_max: 0"),
            "8:30: expected a whole number from 1 to 65535, found \"0\"",
        ),
    ]);
}
