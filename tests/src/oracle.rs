//! A second implementation of the verdict, sharing nothing with the engine: its own parser over a
//! shrinking slice, and a linear scan of the lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks as an address and a length.
pub type Networks = Vec<(IpAddr, u32)>;

/// What the oracle judges by.
#[derive(Clone, Debug, Default)]
pub struct OraclePolicy {
    /// Prefixes that outrank every rule.
    pub protected: Networks,
    /// Prefixes that pass.
    pub allow: Networks,
    /// Prefixes that are dropped.
    pub deny: Networks,
    /// Networks of the countries that the policy names, where it names any.
    pub named: Networks,
    /// Whether the named countries alone are let in; where not, they are not.
    pub only_named: bool,
    /// Whether frames that are neither IP, ARP nor link control pass.
    pub non_ip_pass: bool,
}

/// `verdict reason protocol`, as the counters are named.
#[must_use]
pub fn judge(frame: &[u8], policy: &OraclePolicy) -> String {
    match read(frame) {
        Read::Nothing => "drop malformed none".to_owned(),
        Read::Link => "pass essential none".to_owned(),
        Read::Unknown if policy.non_ip_pass => "pass non_ip none".to_owned(),
        Read::Unknown => "drop non_ip none".to_owned(),
        Read::Ip { protocol, vital: true, .. } => format!("pass essential {protocol}"),
        Read::Ip { source, protocol, vital: false } => {
            let holds = |networks: &Networks| {
                networks.iter().any(|(network, length)| within(source, *network, *length))
            };
            let named = holds(&policy.named);
            let (verdict, reason) = if holds(&policy.protected) {
                ("pass", "protected")
            } else if holds(&policy.allow) {
                ("pass", "allow")
            } else if holds(&policy.deny) {
                ("drop", "deny")
            } else if named != policy.only_named {
                ("drop", "geo")
            } else {
                ("pass", "default")
            };
            format!("{verdict} {reason} {protocol}")
        }
    }
}

enum Read {
    Nothing,
    Link,
    Unknown,
    Ip { source: IpAddr, protocol: &'static str, vital: bool },
}

fn within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (0..length).all(|bit| bit_v4(address, bit) == bit_v4(network, bit))
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (0..length).all(|bit| bit_v6(address, bit) == bit_v6(network, bit))
        }
        _ => false,
    }
}

fn bit_v4(address: Ipv4Addr, bit: u32) -> u8 {
    address.octets()[bit as usize / 8] >> (7 - bit % 8) & 1
}

fn bit_v6(address: Ipv6Addr, bit: u32) -> u8 {
    address.octets()[bit as usize / 8] >> (7 - bit % 8) & 1
}

fn read(frame: &[u8]) -> Read {
    let Some((_addresses, mut rest)) = frame.split_at_checked(12) else { return Read::Nothing };
    for tags in 0.. {
        let [high, low, after @ ..] = rest else { return Read::Nothing };
        rest = after;
        match u16::from(*high) << 8 | u16::from(*low) {
            0x8100 | 0x88a8 | 0x9100 if tags == 2 => return Read::Nothing,
            0x8100 | 0x88a8 | 0x9100 => {
                let Some((_tag, after)) = rest.split_at_checked(2) else { return Read::Nothing };
                rest = after;
            }
            0x0800 => return ipv4(rest).unwrap_or(Read::Nothing),
            0x86dd => return ipv6(rest).unwrap_or(Read::Nothing),
            0x0806 | 0x8809 | 0x888e | 0x88cc | 0..=0x05ff => return Read::Link,
            _ => return Read::Unknown,
        }
    }
    Read::Nothing
}

fn ipv4(packet: &[u8]) -> Option<Read> {
    let first = *packet.first()?;
    let words = usize::from(first % 16);
    let total = usize::from(*packet.get(2)?) * 256 + usize::from(*packet.get(3)?);
    if first / 16 != 4 || words < 5 || total < words * 4 || packet.len() < 20 {
        return None;
    }
    let body = packet.get(..total)?.get(words * 4..)?;
    let later = packet[6] & 31 != 0 || packet[7] != 0;
    let source = IpAddr::from([packet[12], packet[13], packet[14], packet[15]]);
    let (protocol, needed) = match packet[9] {
        1 => ("icmp", 8),
        6 => ("tcp", 20),
        17 => ("udp", 8),
        _ => ("other", 0),
    };
    if !later && body.len() < needed {
        return None;
    }
    let vital = protocol == "icmp" && !later && body.starts_with(&[3, 4]);
    Some(Read::Ip { source, protocol, vital })
}

fn ipv6(packet: &[u8]) -> Option<Read> {
    let (header, rest) = packet.split_at_checked(40)?;
    if header[0] / 16 != 6 {
        return None;
    }
    let mut body = rest.get(..usize::from(header[4]) * 256 + usize::from(header[5]))?;
    let source = Ipv6Addr::from(<[u8; 16]>::try_from(&header[8..24]).ok()?);
    let (mut next, mut later, mut extensions) = (header[6], false, 0);
    while matches!(next, 0 | 43 | 44 | 51 | 60 | 135) && !later {
        if extensions == 6 {
            return None;
        }
        extensions += 1;
        let units = usize::from(*body.get(1)?);
        let length = match next {
            44 => 8,
            51 => 8 + units * 4,
            _ => 8 + units * 8,
        };
        later = next == 44 && (*body.get(2)? != 0 || *body.get(3)? > 7);
        next = body[0];
        body = body.get(length..)?;
    }
    let (protocol, needed) = match next {
        6 => ("tcp", 20),
        17 => ("udp", 8),
        58 => ("icmpv6", 8),
        _ => ("other", 0),
    };
    if !later && body.len() < needed {
        return None;
    }
    let on_link = source.segments()[0] / 64 == 0xfe80 / 64 || source == Ipv6Addr::UNSPECIFIED;
    let vital = protocol == "icmpv6"
        && !later
        && match body[0] {
            2 => true,
            133..=137 => header[7] == 255,
            130 | 131 | 132 | 143 => header[7] == 1 && on_link,
            _ => false,
        };
    Some(Read::Ip { source: source.into(), protocol, vital })
}
