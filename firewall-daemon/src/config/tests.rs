//! What a file says, and what is said of a file that is wrong.

use firewall_gateway::{
    limits::Limits,
    policy::{TlsVersion, UnknownName},
};

use super::*;

mod packet;
mod rules;
mod limits;
mod feeds;
mod gateway;
mod routes;
mod clients;
mod answers;
mod jwt;
mod login;
mod behaviour;
mod consumers;
mod events;
mod authorise;
mod browser;
mod sanitise;
mod scrub;
mod introspection;
mod validate;
mod rates;

const LEAST: &str = "interfaces: [{name: eth0}]\npacket: {}\n";

fn load(text: &str) -> Result<Config, String> {
    let path = Path::new("/etc/seawall/seawall.yaml");
    read::parse(path, text.as_bytes().to_vec())
        .and_then(|document| valid::config(path, document))
        .map_err(|error| {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        })
}

/// A configuration with these lines in its packet section; they begin at 3:3.
fn packet(lines: &str) -> String {
    format!("interfaces: [{{name: eth0}}]\npacket:\n  {lines}\n")
}

/// Each text is refused with these words.
fn refused(cases: &[(String, &str)]) {
    for (text, expected) in cases {
        let expected = format!("/etc/seawall/seawall.yaml:{expected}");
        assert_eq!(load(text).map(|_| ()), Err(expected), "{text}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = load(LEAST).expect("the least configuration");
    let eth0 =
        InterfaceConfig { name: "eth0".to_owned(), mode: AttachPolicy::Native, replace: false };
    assert_eq!(config.interfaces, [eth0]);
    assert_eq!(config.gateway, None);
    assert_eq!(config.control.socket, Path::new("/run/seawall/control.sock"));
    assert_eq!(config.metrics.listen.to_string(), "127.0.0.1:9464");
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Json));
}

#[test]
fn every_key_acts() {
    let config = load(
        "
interfaces:
  - {name: eth0, mode: native_or_generic}
  - {name: eth1, mode: generic, replace: true}
packet: {}
gateway:
  listen: ['0.0.0.0:443', '[::]:443']
  certificate: server.pem
  private_key: /keys/server.key
  ocsp: server.ocsp
  certificates:
    - {certificate: shop.pem, private_key: shop.key, ocsp: /ocsp/shop}
    - {certificate: /www.pem, private_key: /www.key}
  acme: {directory: 'https://a/dir', names: [B.example, a.example], contact: ['mailto:a@b'], ca: a.pem}
  tls: {version_min: 1.3, unknown_name: refuse, ticket_lifetime_s: 8, client_ca: c.pem, client_crl: c.crl}
  user: gate
  threads: 3
  upstream: {address: '127.0.0.1:8443', server_name: api.internal, ca: ca.pem, connections_max: 9}
  limits:
    connections_max: 11
    header_bytes_max: 2048
    headers_max: 12
    body_bytes_max: 13
    header_timeout_ms: 14
    body_timeout_ms: 15
    idle_timeout_ms: 16
    tls_handshake_timeout_ms: 17
    upstream_connect_timeout_ms: 18
    upstream_response_timeout_ms: 19
    drain_timeout_ms: 20
    tunnel_idle_timeout_ms: 24
    http2_streams_max: 21
    body_gather_bytes: 23
    bytes_per_s_min: 22
    sessions_max: 25
control: {socket: /run/x.sock}
metrics: {listen: '[::1]:9'}
log: {level: trace, format: text}
",
    )
    .expect("a full configuration");
    let modes: Vec<_> = config.interfaces.iter().map(|interface| interface.mode).collect();
    assert_eq!(modes, [AttachPolicy::NativeOrGeneric, AttachPolicy::Generic]);
    assert!(!config.interfaces[0].replace && config.interfaces[1].replace);
    let gateway = config.gateway.expect("a gateway");
    let listen: Vec<String> = gateway.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["0.0.0.0:443", "[::]:443"]);
    assert_eq!(gateway.certificate, Path::new("/etc/seawall/server.pem"));
    assert_eq!(gateway.private_key, Path::new("/keys/server.key"));
    assert_eq!((gateway.user.as_str(), gateway.threads), ("gate", 3));
    let of = |file: &str| Path::new("/etc/seawall").join(file);
    let more = |file: &str, ocsp: Option<&str>| CertificateConfig {
        certificate: of(&format!("{file}.pem")),
        private_key: of(&format!("{file}.key")),
        ocsp: ocsp.map(of),
    };
    assert_eq!(gateway.ocsp, Some(of("server.ocsp")));
    assert_eq!(gateway.certificates, [more("shop", Some("/ocsp/shop")), more("/www", None)]);
    let acme = AcmeConfig {
        directory: "https://a/dir".to_owned(),
        names: vec!["a.example".to_owned(), "b.example".to_owned()],
        contact: vec!["mailto:a@b".to_owned()],
        ca: Some(of("a.pem")),
        store: "/var/lib/seawall/acme".into(),
    };
    assert_eq!(gateway.acme, Some(acme));
    let tls = TlsConfig {
        version_min: TlsVersion::V1_3,
        unknown_name: UnknownName::Refuse,
        ticket_lifetime_s: 8,
        client_certificates: Some(ClientCertificateConfig {
            ca: of("c.pem"),
            crl: Some(of("c.crl")),
        }),
    };
    assert_eq!(gateway.tls, tls);
    let [upstream] = gateway.upstreams.as_slice() else { panic!("{:?}", gateway.upstreams) };
    assert_eq!(upstream.backends[0].address.to_string(), "127.0.0.1:8443");
    let tls = upstream.tls.as_ref().expect("TLS");
    assert_eq!(
        (tls.server_name.as_str(), upstream.host.as_str()),
        ("api.internal", "api.internal")
    );
    assert_eq!(tls.ca, Path::new("/etc/seawall/ca.pem"));
    assert_eq!(upstream.connections_max, 9);
    assert_eq!(gateway.routes[0].path, "/*");
    assert_eq!(
        gateway.limits,
        Limits {
            connections_max: 11,
            header_bytes_max: 2_048,
            headers_max: 12,
            body_bytes_max: 13,
            header_timeout_ms: 14,
            body_timeout_ms: 15,
            idle_timeout_ms: 16,
            tls_handshake_timeout_ms: 17,
            upstream_connect_timeout_ms: 18,
            upstream_response_timeout_ms: 19,
            drain_timeout_ms: 20,
            tunnel_idle_timeout_ms: 24,
            http2_streams_max: 21,
            body_gather_bytes: 23,
            bytes_per_s_min: 22,
            sessions_max: 25,
        }
    );
    assert_eq!(gateway.limits.validate(), Ok(()));
    assert_eq!(config.control.socket, Path::new("/run/x.sock"));
    assert_eq!(config.metrics.listen.to_string(), "[::1]:9");
    assert_eq!((config.log.level, config.log.format), (LogLevel::Trace, LogFormat::Text));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let gateway = |text: &str| {
        format!(
            "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
             upstream: {{address: '127.0.0.1:2', server_name: a, ca: c}}\n  {text}\n"
        )
    };
    let many = format!("interfaces: [{}]\npacket: {{}}\n", "{name: a}, ".repeat(17));
    refused(&[
        (String::new(), "1:1: expected a configuration, found an empty file"),
        (" \n".to_owned(), "1:1: expected a configuration, found an empty file"),
        (
            format!("{LEAST}color: red\n"),
            "3:1: unknown field `color`, expected one of interfaces, packet, gateway, state, control, metrics, log",
        ),
        ("packet: {}\n".to_owned(), "1:1: missing field `interfaces`"),
        (
            "interfaces: []\npacket: {}\n".to_owned(),
            "1:13: interfaces: expected 1 to 16 entries, found 0",
        ),
        (many, "1:13: interfaces: expected 1 to 16 entries, found 17"),
        (
            "interfaces: [{name: eth0}, {name: eth0}]\npacket: {}\n".to_owned(),
            "1:28: expected each interface once, found \"eth0\" again; remove one",
        ),
        (
            "interfaces: [{name: an-interface-too-long}]\npacket: {}\n".to_owned(),
            "1:21: expected the name of an interface, 1 to 15 characters, found \"an-interface-too-long\"",
        ),
        (
            "interfaces: [{name: eth0, mode: fast}]\npacket: {}\n".to_owned(),
            "1:33: unknown variant `fast`, expected one of native, native_or_generic, generic",
        ),
        (
            "interfaces: [{name: eth0, replace: yes}]\npacket: {}\n".to_owned(),
            "1:36: expected true or false, found \"yes\"",
        ),
        (
            format!("{LEAST}metrics: {{listen: '0.0.0.0:9464'}}\n"),
            "3:19: listen: expected a loopback address such as 127.0.0.1:9464, found 0.0.0.0:9464; metrics tell strangers what is blocked",
        ),
        (
            format!("{LEAST}metrics: {{listen: localhost}}\n"),
            "3:19: expected an address and a port, such as 127.0.0.1:8443 or \"[::1]:8443\", found \"localhost\"",
        ),
        (
            gateway("user: x").replace("['127.0.0.1:1']", "[]"),
            "4:11: listen: expected 1 to 16 entries, found 0",
        ),
        (
            gateway("user: x").replace("['127.0.0.1:1']", "['127.0.0.1:1', '127.0.0.1:1']"),
            "4:27: listen: expected each once, found 127.0.0.1:1 again; remove one",
        ),
        (gateway("threads: 65"), "8:12: expected a whole number from 1 to 64, found \"65\""),
        (
            gateway("user: root"),
            "8:9: user: expected an unprivileged user, found \"root\"; the gateway parses what anyone sends",
        ),
        (
            gateway("limits: {header_bytes_max: 1}"),
            "8:30: expected a whole number from 1024 to 262144, found \"1\"",
        ),
        (
            gateway("limits: {timeout_ms: 1}"),
            "8:12: unknown field `timeout_ms`, expected one of connections_max, header_bytes_max, headers_max, body_bytes_max, header_timeout_ms, body_timeout_ms, idle_timeout_ms, tls_handshake_timeout_ms, upstream_connect_timeout_ms, upstream_response_timeout_ms, drain_timeout_ms, tunnel_idle_timeout_ms, http2_streams_max, body_gather_bytes, bytes_per_s_min, sessions_max",
        ),
        (
            gateway("tls: {version_min: 1.1}"),
            "8:22: unknown variant `1.1`, expected one of 1.2, 1.3",
        ),
        (
            gateway("tls: {client_crl: a}"),
            "8:21: client_crl: expected client_ca beside it, found none; without authorities no client is asked for a certificate",
        ),
        (
            gateway("acme: {directory: 'https://a/', names: ['*.a.example']}"),
            "8:43: names: expected the name of a host such as www.example.com, found \"*.a.example\"; a wildcard cannot be proved by tls-alpn-01",
        ),
        (
            gateway("acme: {directory: 'https://a/', names: [a.example, A.example]}"),
            "8:54: names: expected each once, found a.example again; remove one",
        ),
        (
            gateway("acme: {directory: 'https://a/', names: [a.example], contact: [b]}"),
            "8:65: contact: expected mailto: and an address, found \"b\"",
        ),
        (gateway("certificates: []"), "8:17: certificates: expected 1 to 1000 entries, found 0"),
        (gateway("certificates: [{certificate: a}]"), "8:19: missing field `private_key`"),
        (format!("{LEAST}gateway: {{}}\n"), "3:10: missing field `listen`"),
        (
            format!("{LEAST}---\nother: 1\n"),
            "4:1: expected one document, found a second; remove ---",
        ),
    ]);
}

#[test]
fn no_text_makes_it_panic() {
    let bomb = format!(
        "a: &a [x,x,x,x,x,x,x,x,x]\n{}{LEAST}",
        (b'b'..=b'i')
            .map(|name| format!(
                "{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1}]\n",
                name as char,
                (name - 1) as char
            ))
            .collect::<String>()
    );
    for text in
        [bomb.as_str(), "{{{{", "- - - -", "&a *a", "\u{0}", "? :", "!!binary x", "%YAML 9\n---\n"]
    {
        assert!(load(text).is_err(), "{text:?}");
    }
    let path = Path::new("x.yaml");
    let error = read::parse(path, vec![b'a', 0xff]).expect_err("no text");
    assert_eq!(
        error.to_string(),
        "x.yaml:1:1: expected UTF-8, found other bytes at offset 1; is it the right file?"
    );
    let error = read::parse(path, vec![b'#'; (1 << 20) + 1]).expect_err("too large");
    assert!(error.to_string().starts_with("x.yaml:1:1: expected at most 1048576 bytes"));
}

#[test]
fn a_file_that_cannot_be_had_is_no_usage_error() {
    for path in ["/nonexistent.yaml", "/etc"] {
        let error = Config::load(Path::new(path)).expect_err("it cannot be read");
        assert_eq!(error.exit_code(), 1);
        assert!(
            error
                .to_string()
                .starts_with(&format!("{path}: expected a readable configuration file")),
            "{error}"
        );
    }
}
