//! Ports, protocols and flags, as rules and limits name them.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::config::{PortProtocol, PortRange, RuleProtocol, Service, scalar::parsed};

/// A port or a range of ports.
#[derive(Clone, Copy, Debug)]
pub struct Ports(pub PortRange);

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a port from 1 to 65535 or a range such as 8000-8010";
        parsed(deserializer, expected, range).map(Self)
    }
}

/// An entry of `public_ports`.
#[derive(Clone, Copy, Debug)]
pub struct PublicService(pub Service);

impl<'de> Deserialize<'de> for PublicService {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a service such as 443/tcp, 8000-8010/udp or icmp_echo";
        parsed(deserializer, expected, |text| {
            if text == "icmp_echo" {
                return Some(Service::IcmpEcho);
            }
            match with_protocol(text)? {
                (ports, PortProtocol::Tcp) => range(ports).map(Service::Tcp),
                (ports, PortProtocol::Udp) => range(ports).map(Service::Udp),
            }
        })
        .map(Self)
    }
}

/// One port and its protocol.
#[derive(Clone, Copy, Debug)]
pub struct PortName {
    pub protocol: PortProtocol,
    pub port: u16,
}

impl<'de> Deserialize<'de> for PortName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a port and its protocol, such as 443/tcp", |text| {
            let (number, protocol) = with_protocol(text)?;
            Some(Self { protocol, port: port(number)? })
        })
    }
}

/// A protocol by name or number.
#[derive(Clone, Copy, Debug)]
pub struct ProtocolName(pub RuleProtocol);

impl<'de> Deserialize<'de> for ProtocolName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "tcp, udp, icmp, icmpv6 or a protocol number from 0 to 255";
        parsed(deserializer, expected, |text| {
            Some(match text {
                "tcp" | "6" => RuleProtocol::Tcp,
                "udp" | "17" => RuleProtocol::Udp,
                "icmp" | "1" => RuleProtocol::Icmp,
                "icmpv6" | "58" => RuleProtocol::Icmpv6,
                number => RuleProtocol::Number(decimal(number)?.try_into().ok()?),
            })
        })
        .map(Self)
    }
}

/// A flag of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlag {
    name: &'static str,
    pub bit: u8,
}

/// From the lowest bit of the header's byte.
const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

impl<'de> Deserialize<'de> for TcpFlag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a flag of TCP: fin, syn, rst, psh, ack, urg, ece or cwr";
        parsed(deserializer, expected, |text| {
            let (index, name) = FLAGS.iter().enumerate().find(|(_, name)| **name == text)?;
            Some(Self { name, bit: 1 << index })
        })
    }
}

impl fmt::Display for TcpFlag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

fn with_protocol(text: &str) -> Option<(&str, PortProtocol)> {
    match text.split_once('/')? {
        (ports, "tcp") => Some((ports, PortProtocol::Tcp)),
        (ports, "udp") => Some((ports, PortProtocol::Udp)),
        _ => None,
    }
}

fn range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = PortRange { first: port(first)?, last: port(last)? };
    (range.first <= range.last).then_some(range)
}

fn port(text: &str) -> Option<u16> {
    decimal(text).filter(|port| *port != 0)
}

/// Digits alone; `parse` would take a sign, and a number written with a leading 0 would read as
/// octal to somebody else.
fn decimal(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok()).flatten()
}
