//! The oracle against cases by hand.

mod judge;
mod limits;
mod parse;
mod rules;

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    limits::{Bucket, Whose},
    *,
};
use crate::{
    frame::{
        ACK, FIN, GRE, GRE_CHECKSUM, GRE_KEY, GRE_ROUTING, GRE_SEQUENCE, ICMP, ICMPV6, IP6IP, IPIP,
        PSH, RST, SYN, TCP, UDP, ethernet, extension, fragment_v6, gre, icmp, ipv4, ipv4_with,
        ipv6, ipv6_with, mapped, tagged, tcp, tcp_with, udp,
    },
    random::Random,
};

const S: u64 = 1_000_000_000;
/// An address that lists hold below, one that they do not, and such a pair of the other family.
const BAD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const GOOD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const BAD6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, 9);
const GOOD6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);

fn e4(packet: &[u8]) -> Vec<u8> {
    ethernet(0x0800, packet)
}

fn e6(packet: &[u8]) -> Vec<u8> {
    ethernet(0x86dd, packet)
}

/// A TCP segment with flags, to port 443.
fn segment(source: Ipv4Addr, flags: u8) -> Vec<u8> {
    e4(&ipv4(source, TCP, &tcp_with(40_000, 443, flags, &[])))
}

fn syn_to(source: Ipv4Addr, port: u16) -> Vec<u8> {
    e4(&ipv4(source, TCP, &tcp(40_000, port)))
}

fn datagram_to(source: Ipv4Addr, port: u16) -> Vec<u8> {
    e4(&ipv4(source, UDP, &udp(40_000, port, 18)))
}

fn ping(source: Ipv4Addr) -> Vec<u8> {
    e4(&ipv4(source, ICMP, &icmp(8, 0)))
}

fn later(source: Ipv4Addr, protocol: u8) -> Vec<u8> {
    e4(&ipv4_with(source, protocol, &[], 0x0010, &[0; 16]))
}

fn with_byte(mut frame: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    frame[at] = byte;
    frame
}

fn cut(mut frame: Vec<u8>, bytes: usize) -> Vec<u8> {
    frame.truncate(frame.len() - bytes);
    frame
}

fn list(name: &str, networks: &[(&str, u32)]) -> OracleList {
    let networks = networks.iter().map(|(at, length)| (at.parse().unwrap(), *length)).collect();
    OracleList { name: name.to_owned(), shadow: false, networks }
}

fn shadow(list: OracleList) -> OracleList {
    OracleList { shadow: true, ..list }
}

/// Denies `BAD` and `BAD6`.
fn denying() -> OraclePolicy {
    let bad = list("bad", &[("203.0.113.9", 32), ("2001:db8:0:7::", 64)]);
    OraclePolicy { deny: vec![bad], ..OraclePolicy::default() }
}

fn packets(rate: u64, burst: u64) -> Option<OracleRate> {
    Some(OracleRate { packets: Some(OracleTokens { rate, burst }), bytes: None })
}

fn bytes(rate: u64, burst: u64) -> Option<OracleRate> {
    Some(OracleRate { packets: None, bytes: Some(OracleTokens { rate, burst }) })
}

/// Each frame under a policy with full buckets.
fn each(policy: &OraclePolicy, cases: &[(&str, Vec<u8>, &str)]) {
    for (what, frame, expected) in cases {
        let judgement = Oracle::new(policy.clone()).judge(frame, 0);
        assert_eq!(judgement.to_string(), *expected, "{what}");
    }
}

/// Frames one after another, at these times.
fn sequence(policy: OraclePolicy, cases: &[(u64, Vec<u8>, &str)]) {
    let mut oracle = Oracle::new(policy);
    for (index, (now_ns, frame, expected)) in cases.iter().enumerate() {
        assert_eq!(oracle.judge(frame, *now_ns).to_string(), *expected, "frame {index}");
    }
}

fn rule(name: &str, protocol: OracleProtocol, action: OracleAction) -> OracleRule {
    OracleRule { name: name.to_owned(), protocol, action, ..OracleRule::default() }
}
