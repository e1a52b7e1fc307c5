//! What a file says, and what is said of a file that is wrong.

use super::*;

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

#[test]
fn what_is_left_out_has_its_default() {
    let config = load(LEAST).expect("the least configuration");
    assert_eq!(config.interfaces.len(), 1);
    assert_eq!(config.interfaces[0].mode, AttachPolicy::Native);
    let packet = &config.packet;
    assert!(packet.protected.is_empty() && packet.geo.is_none() && packet.rate_limit.is_none());
    assert_eq!((packet.non_ip, packet.kernel_log), (NonIp::Drop, KernelLog::Off));
    assert_eq!(packet.events.sample_one_in, 100);
    assert_eq!(packet.pin_path, Path::new("/sys/fs/bpf/seawall"));
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
  - {name: eth1, mode: generic}
packet:
  protected: [198.51.100.7, 2001:db8::/64]
  allow: {prefixes: [203.0.113.7], files: [allow.txt, /lists/more.txt]}
  deny: {prefixes: [203.0.113.0/24], files: [deny.txt]}
  geo: {database: country.mmdb, block: [KP, NO]}
  rate_limit: {rate_pps: 1_000, burst_packets: 2000}
  non_ip: pass
  events: {sample_one_in: 0}
  kernel_log: debug
  pin_path: /bpf/x
gateway:
  listen: ['0.0.0.0:443', '[::]:443']
  certificate: server.pem
  private_key: /keys/server.key
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
    http2_streams_max: 21
control: {socket: /run/x.sock}
metrics: {listen: '[::1]:9'}
log: {level: trace, format: text}
",
    )
    .expect("a full configuration");
    let modes: Vec<_> = config.interfaces.iter().map(|interface| interface.mode).collect();
    assert_eq!(modes, [AttachPolicy::NativeOrGeneric, AttachPolicy::Generic]);
    let packet = &config.packet;
    let text = |prefixes: &[IpNetwork]| -> Vec<String> {
        prefixes.iter().map(ToString::to_string).collect()
    };
    assert_eq!(text(&packet.protected), ["198.51.100.7/32", "2001:db8::/64"]);
    assert_eq!(text(&packet.allow.prefixes), ["203.0.113.7/32"]);
    assert_eq!(
        packet.allow.files,
        [Path::new("/etc/seawall/allow.txt"), Path::new("/lists/more.txt")]
    );
    assert_eq!(text(&packet.deny.prefixes), ["203.0.113.0/24"]);
    assert_eq!(packet.deny.files, [Path::new("/etc/seawall/deny.txt")]);
    let geo = packet.geo.as_ref().expect("geo");
    assert_eq!(geo.database, Path::new("/etc/seawall/country.mmdb"));
    assert_eq!(geo.mode, GeoMode::Block);
    let countries: Vec<String> = geo.countries.iter().map(ToString::to_string).collect();
    assert_eq!(countries, ["KP", "NO"]);
    assert_eq!(packet.rate_limit, Some(RateLimitConfig { rate_pps: 1_000, burst_packets: 2_000 }));
    assert_eq!((packet.non_ip, packet.kernel_log), (NonIp::Pass, KernelLog::Debug));
    assert_eq!(packet.events.sample_one_in, 0);
    assert_eq!(packet.pin_path, Path::new("/bpf/x"));
    let gateway = config.gateway.expect("a gateway");
    let listen: Vec<String> = gateway.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["0.0.0.0:443", "[::]:443"]);
    assert_eq!(gateway.certificate, Path::new("/etc/seawall/server.pem"));
    assert_eq!(gateway.private_key, Path::new("/keys/server.key"));
    assert_eq!((gateway.user.as_str(), gateway.threads), ("gate", 3));
    assert_eq!(gateway.upstream.address.to_string(), "127.0.0.1:8443");
    assert_eq!(gateway.upstream.server_name, "api.internal");
    assert_eq!(gateway.upstream.ca, Path::new("/etc/seawall/ca.pem"));
    assert_eq!(gateway.upstream.connections_max, 9);
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
            http2_streams_max: 21,
        }
    );
    assert_eq!(gateway.limits.validate(), Ok(()));
    assert_eq!(config.control.socket, Path::new("/run/x.sock"));
    assert_eq!(config.metrics.listen.to_string(), "[::1]:9");
    assert_eq!((config.log.level, config.log.format), (LogLevel::Trace, LogFormat::Text));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let packet = |text: &str| format!("interfaces: [{{name: eth0}}]\npacket:\n  {text}\n");
    let gateway = |text: &str| {
        format!(
            "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  \
             upstream: {{address: '127.0.0.1:2', server_name: a, ca: c}}\n  {text}\n"
        )
    };
    let many = format!("interfaces: [{}]\npacket: {{}}\n", "{name: a}, ".repeat(17));
    for (text, expected) in [
        (String::new(), "1:1: expected a configuration, found an empty file"),
        (" \n".to_owned(), "1:1: expected a configuration, found an empty file"),
        (
            format!("{LEAST}color: red\n"),
            "3:1: unknown field `color`, expected one of interfaces, packet, gateway, control, metrics, log",
        ),
        (
            packet("rate: 5"),
            "3:3: unknown field `rate`, expected one of protected, allow, deny, geo, rate_limit, non_ip, events, kernel_log, pin_path",
        ),
        (
            packet("rate_limit: {rate_pps: lots, burst_packets: 1}"),
            "3:26: expected a whole number from 1 to 10000000, found \"lots\"",
        ),
        (
            packet("rate_limit: {rate_pps: 0, burst_packets: 1}"),
            "3:26: expected a whole number from 1 to 10000000, found \"0\"",
        ),
        (
            packet("rate_limit: {rate_pps: -1, burst_packets: 1}"),
            "3:26: expected a whole number from 1 to 10000000, found \"-1\"",
        ),
        (
            packet("rate_limit: {rate_pps: 1.5, burst_packets: 1}"),
            "3:26: expected a whole number from 1 to 10000000, found \"1.5\"",
        ),
        (packet("rate_limit: {rate_pps: 10}"), "3:16: missing field `burst_packets`"),
        (
            packet("deny: {prefixes: [203.0.113.0/24, 203.0.113.7/24]}"),
            "3:37: expected a prefix without host bits, found 203.0.113.7/24; write 203.0.113.0/24 for the network or 203.0.113.7 for the one address",
        ),
        (packet("deny: {prefixes: 203.0.113.0/24}"), "3:20: expected a list, such as [a, b]"),
        (packet("deny: [203.0.113.0/24]"), "3:9: expected a section with keys of its own"),
        (
            packet("allow: {prefixes: [example.com]}"),
            "3:22: expected an address or a prefix such as 203.0.113.0/24 or 2001:db8::/32, found \"example.com\"",
        ),
        (
            packet("protected: ['::ffff:1.2.3.4']"),
            "3:15: expected IPv4 in its own notation, found the IPv4-mapped \"::ffff:1.2.3.4\"; write 1.2.3.4",
        ),
        (
            packet("geo: {database: a.mmdb, only: [UK]}"),
            "3:34: expected a country as ISO 3166-1 alpha-2, such as DE, found \"UK\"; the United Kingdom is GB",
        ),
        (
            packet("geo: {database: a.mmdb}"),
            "3:8: geo: expected either `only` or `block`, found both or neither",
        ),
        (
            packet("geo: {database: a.mmdb, only: [DE], block: [KP]}"),
            "3:8: geo: expected either `only` or `block`, found both or neither",
        ),
        (
            packet("geo: {database: a.mmdb, only: []}"),
            "3:8: geo: expected at least one country, found an empty list; without the geo section no country is asked for",
        ),
        (packet("non_ip: maybe"), "3:11: unknown variant `maybe`, expected one of drop, pass"),
        (packet("pin_path: bpf"), "3:13: pin_path: expected a path from /, found \"bpf\""),
        (packet("deny: {files: ['']}"), "3:18: expected a path, found \"\""),
        (
            packet("non_ip: drop\n  non_ip: pass"),
            "4:3: expected each key once, found a second \"non_ip\"; remove one of the two",
        ),
        ("packet: {}\n".to_owned(), "1:1: missing field `interfaces`"),
        ("interfaces: []\npacket: {}\n".to_owned(), "1:13: expected 1 to 16 interfaces, found 0"),
        (many, "1:13: expected 1 to 16 interfaces, found 17"),
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
            format!("{LEAST}metrics: {{listen: '0.0.0.0:9464'}}\n"),
            "3:19: listen: expected a loopback address such as 127.0.0.1:9464, found 0.0.0.0:9464; metrics tell strangers what is blocked",
        ),
        (
            format!("{LEAST}metrics: {{listen: localhost}}\n"),
            "3:19: expected an address and a port, such as 127.0.0.1:8443 or \"[::1]:8443\", found \"localhost\"",
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
            "8:12: unknown field `timeout_ms`, expected one of connections_max, header_bytes_max, headers_max, body_bytes_max, header_timeout_ms, body_timeout_ms, idle_timeout_ms, tls_handshake_timeout_ms, upstream_connect_timeout_ms, upstream_response_timeout_ms, drain_timeout_ms, http2_streams_max",
        ),
        (format!("{LEAST}gateway: {{}}\n"), "3:10: missing field `listen`"),
        (
            format!("{LEAST}---\nother: 1\n"),
            "4:1: expected one document, found a second; remove ---",
        ),
    ] {
        let expected = format!("/etc/seawall/seawall.yaml:{expected}");
        assert_eq!(load(&text).map(|_| ()), Err(expected), "{text}");
    }
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
