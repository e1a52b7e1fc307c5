//! Rates, limits and SYN cookies.

use super::{load, packet, refused};
use crate::config::{
    ByteRate, LimitsConfig, PacketRate, PortLimit, PortProtocol, RateConfig, SynCookiesConfig,
};

fn packets(rate_pps: u32, burst_packets: u32) -> RateConfig {
    RateConfig { packets: Some(PacketRate { rate_pps, burst_packets }), bytes: None }
}

#[test]
fn every_key_acts() {
    let config = load(&packet(
        "limits:
    source: {rate_pps: 1_000, burst_packets: 2000}
    prefix: {rate_pps: 2, burst_packets: 7200}
    country: {rate_bytes_per_s: 1000, burst_bytes: 3600000}
    syn: {rate_pps: 4, burst_packets: 4, rate_bytes_per_s: 5000, burst_bytes: 6000}
    udp: {rate_pps: 5, burst_packets: 5}
    icmp: {rate_pps: 6, burst_packets: 6}
    other: {rate_pps: 10000000, burst_packets: 10000000}
    ports:
      - {port: 443/tcp, rate_pps: 8, burst_packets: 9}
      - {port: 443/udp, rate_bytes_per_s: 2000, burst_bytes: 1600}
  syn_cookies: {ports: [443, 8443], threshold_pps: 10000000}",
    ))
    .expect("limits");
    let bytes = |rate_bytes_per_s, burst_bytes| Some(ByteRate { rate_bytes_per_s, burst_bytes });
    let port = |protocol, rate| PortLimit { protocol, port: 443, rate };
    let expected = LimitsConfig {
        source: Some(packets(1_000, 2_000)),
        prefix: Some(packets(2, 7_200)),
        country: Some(RateConfig { packets: None, bytes: bytes(1_000, 3_600_000) }),
        syn: Some(RateConfig { bytes: bytes(5_000, 6_000), ..packets(4, 4) }),
        udp: Some(packets(5, 5)),
        icmp: Some(packets(6, 6)),
        other: Some(packets(10_000_000, 10_000_000)),
        ports: vec![
            port(PortProtocol::Tcp, packets(8, 9)),
            port(PortProtocol::Udp, RateConfig { packets: None, bytes: bytes(2_000, 1_600) }),
        ],
    };
    assert_eq!(config.packet.limits, expected);
    let cookies = SynCookiesConfig { ports: [443, 8_443].into(), threshold_pps: 10_000_000 };
    assert_eq!(config.packet.syn_cookies, Some(cookies));
}

#[test]
fn what_is_wrong_with_a_rate_is_said_with_its_place() {
    for (rate, expected) in [
        (
            "rate_pps: lots, burst_packets: 1",
            "3:31: expected a whole number from 1 to 10000000, found \"lots\"",
        ),
        (
            "rate_pps: 0, burst_packets: 1",
            "3:31: expected a whole number from 1 to 10000000, found \"0\"",
        ),
        (
            "rate_pps: -1, burst_packets: 1",
            "3:31: expected a whole number from 1 to 10000000, found \"-1\"",
        ),
        (
            "rate_pps: 1.5, burst_packets: 1",
            "3:31: expected a whole number from 1 to 10000000, found \"1.5\"",
        ),
        (
            "rate_pps: 10000001, burst_packets: 1",
            "3:31: expected a whole number from 1 to 10000000, found \"10000001\"",
        ),
        (
            "burst_packets: 0, rate_pps: 1",
            "3:36: expected a whole number from 1 to 10000000, found \"0\"",
        ),
        (
            "burst_packets: 10000001, rate_pps: 1",
            "3:36: expected a whole number from 1 to 10000000, found \"10000001\"",
        ),
        (
            "rate_bytes_per_s: 999, burst_bytes: 1600",
            "3:39: expected a whole number from 1000 to 100000000000, found \"999\"",
        ),
        (
            "rate_bytes_per_s: 100000000001, burst_bytes: 1600",
            "3:39: expected a whole number from 1000 to 100000000000, found \"100000000001\"",
        ),
        (
            "burst_bytes: 1599, rate_bytes_per_s: 1000",
            "3:34: expected a whole number from 1600 to 100000000000, found \"1599\"",
        ),
        (
            "burst_bytes: 100000000001, rate_bytes_per_s: 1000",
            "3:34: expected a whole number from 1600 to 100000000000, found \"100000000001\"",
        ),
        ("rate_pps: 10", "3:20: source: expected burst_packets beside rate_pps, found none"),
        ("burst_packets: 10", "3:20: source: expected rate_pps beside burst_packets, found none"),
        (
            "rate_bytes_per_s: 1000",
            "3:20: source: expected burst_bytes beside rate_bytes_per_s, found none",
        ),
        (
            "burst_bytes: 1600",
            "3:20: source: expected rate_bytes_per_s beside burst_bytes, found none",
        ),
        (
            "rate_pps: 10, burst_packets: 10, burst_bytes: 1600",
            "3:20: source: expected rate_bytes_per_s beside burst_bytes, found none",
        ),
        (
            "",
            "3:20: source: expected rate_pps with burst_packets, rate_bytes_per_s with burst_bytes, or both, found neither",
        ),
        (
            "rate_pps: 2, burst_packets: 7201",
            "3:20: source: expected burst_packets of at most 3600 s of rate_pps (7200), found 7201; lower it or raise rate_pps",
        ),
        (
            "rate_bytes_per_s: 1000, burst_bytes: 3600001",
            "3:20: source: expected burst_bytes of at most 3600 s of rate_bytes_per_s (3600000), found 3600001; lower it or raise rate_bytes_per_s",
        ),
        (
            "rate_pps: 1, burst: 1",
            "3:34: unknown field `burst`, expected one of rate_pps, burst_packets, rate_bytes_per_s, burst_bytes",
        ),
    ] {
        refused(&[(packet(&format!("limits: {{source: {{{rate}}}}}")), expected)]);
    }
}

#[test]
fn every_limit_has_a_rate_that_is_checked() {
    for key in ["source", "prefix", "country", "syn", "udp", "icmp", "other"] {
        let text = packet(&format!("limits:\n    {key}: {{rate_pps: 1}}"));
        let column = 7 + key.len();
        let expected =
            format!("4:{column}: {key}: expected burst_packets beside rate_pps, found none");
        refused(&[(text, &expected)]);
    }
}

#[test]
fn what_is_wrong_with_ports_is_said_with_its_place() {
    let many =
        |count: usize, entry: fn(usize) -> String| -> String { (1..=count).map(entry).collect() };
    let limits = |count| {
        let entry = |port| format!("{{port: {port}/udp, rate_pps: 1, burst_packets: 1}}, ");
        packet(&format!("limits: {{ports: [{}]}}", many(count, entry)))
    };
    let cookies = |count| {
        let ports = many(count, |port| format!("{port}, "));
        packet(&format!("syn_cookies: {{ports: [{ports}], threshold_pps: 1}}"))
    };
    load(&limits(64)).expect("as many as there may be");
    load(&cookies(64)).expect("as many as there may be");
    let port = "expected a port and its protocol, such as 443/tcp, found";
    for text in ["443", "80-90/tcp", "icmp_echo", "0/tcp"] {
        let lines =
            format!("limits: {{ports: [{{port: '{text}', rate_pps: 1, burst_packets: 1}}]}}");
        refused(&[(packet(&lines), &format!("3:27: {port} {text:?}"))]);
    }
    refused(&[
        (limits(65), "3:19: ports: expected 0 to 64 entries, found 65"),
        (
            packet("limits: {ports: [{port: 443/tcp}]}"),
            "3:20: ports: expected rate_pps with burst_packets, rate_bytes_per_s with burst_bytes, or both, found neither",
        ),
        (
            packet("limits: {ports: [{rate_pps: 1, burst_packets: 1}]}"),
            "3:34: missing field `port`",
        ),
        (
            packet(
                "limits:\n    ports:\n      - {port: 53/udp, rate_pps: 1, burst_packets: 1}\n      \
                 - {port: 53/udp, rate_pps: 2, burst_packets: 2}",
            ),
            "6:16: port: expected each port once, found 53/udp again; remove one",
        ),
        (cookies(0), "3:24: ports: expected 1 to 64 entries, found 0"),
        (cookies(65), "3:24: ports: expected 1 to 64 entries, found 65"),
        (
            packet("syn_cookies: {ports: [443, 443], threshold_pps: 1}"),
            "3:30: ports: expected each once, found 443 again; remove one",
        ),
        (
            packet("syn_cookies: {ports: [0], threshold_pps: 1}"),
            "3:25: expected a whole number from 1 to 65535, found \"0\"",
        ),
        (
            packet("syn_cookies: {ports: [65536], threshold_pps: 1}"),
            "3:25: expected a whole number from 1 to 65535, found \"65536\"",
        ),
        (
            packet("syn_cookies: {ports: [443], threshold_pps: 0}"),
            "3:46: expected a whole number from 1 to 10000000, found \"0\"",
        ),
        (
            packet("syn_cookies: {ports: [443], threshold_pps: 10000001}"),
            "3:46: expected a whole number from 1 to 10000000, found \"10000001\"",
        ),
        (packet("syn_cookies: {ports: [443]}"), "3:17: missing field `threshold_pps`"),
        (packet("syn_cookies: {threshold_pps: 1}"), "3:17: missing field `ports`"),
    ]);
}
