//! What a frame says, read over a slice that shrinks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What there is to know of a frame.
pub(super) enum Parsed {
    Malformed,
    LinkControl,
    NonIp,
    Ip(Packet),
}

/// What there is to know of an IP packet.
pub(super) struct Packet {
    /// The outer source; a mapped one as the IPv4 address that it is.
    pub source: IpAddr,
    /// The number of what it carries, behind IPv6's extension headers.
    pub number: u8,
    /// Its name, as the counters have it.
    pub protocol: &'static str,
    /// What follows the IP header is malformed.
    pub broken: bool,
    /// A fragment that is not the first.
    pub later: bool,
    /// IPv4 options or IPv6 extension headers are there.
    pub extended: bool,
    pub transport: Transport,
    /// The source of the packet inside a tunnel.
    pub inner: Option<IpAddr>,
    pub essential: bool,
}

/// What the rules and the limits read behind the IP header.
#[derive(Clone, Copy)]
pub(super) enum Transport {
    Tcp { port: u16, flags: u8 },
    Udp { port: u16 },
    Icmp { kind: u8 },
    Unread,
}

/// A mapped address is the IPv4 address that it holds.
pub(super) fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.octets() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => [a, b, c, d].into(),
            _ => address,
        },
        IpAddr::V4(_) => address,
    }
}

pub(super) fn read(frame: &[u8]) -> Parsed {
    let Some((_addresses, mut rest)) = frame.split_at_checked(12) else { return Parsed::Malformed };
    let mut tags = 0;
    loop {
        let [high, low, after @ ..] = rest else { return Parsed::Malformed };
        match word(*high, *low) {
            0x8100 | 0x88a8 | 0x9100 => {
                tags += 1;
                let [_, _, after @ ..] = after else { return Parsed::Malformed };
                if tags == 3 {
                    return Parsed::Malformed;
                }
                rest = after;
            }
            0x0800 => return ipv4(after).map_or(Parsed::Malformed, Parsed::Ip),
            0x86dd => return ipv6(after).map_or(Parsed::Malformed, Parsed::Ip),
            0x0806 | 0x8809 | 0x888e | 0x88cc | 0..=0x05ff => return Parsed::LinkControl,
            _ => return Parsed::NonIp,
        }
    }
}

fn word(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

fn ipv4(packet: &[u8]) -> Option<Packet> {
    let first = *packet.first()?;
    let words = usize::from(first % 16);
    let total = usize::from(*packet.get(2)?) * 256 + usize::from(*packet.get(3)?);
    if first / 16 != 4 || words < 5 || total < words * 4 || packet.len() < 20 {
        return None;
    }
    let body = packet.get(..total)?.get(words * 4..)?;
    let later = packet[6] & 31 != 0 || packet[7] != 0;
    let number = packet[9];
    let protocol = match number {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        _ => "other",
    };
    let payload = if later {
        Some((Transport::Unread, None))
    } else {
        carried(number, protocol, body, packet[6] & 32 != 0)
    };
    let broken = payload.is_none();
    let (transport, inner) = payload.unwrap_or((Transport::Unread, None));
    Some(Packet {
        source: IpAddr::from([packet[12], packet[13], packet[14], packet[15]]),
        number,
        protocol,
        broken,
        later,
        extended: words > 5,
        transport,
        inner,
        essential: protocol == "icmp" && !later && !broken && body.starts_with(&[3, 4]),
    })
}

fn ipv6(packet: &[u8]) -> Option<Packet> {
    let (header, rest) = packet.split_at_checked(40)?;
    if header[0] / 16 != 6 {
        return None;
    }
    let body = rest.get(..usize::from(word(header[4], header[5])))?;
    let source = Ipv6Addr::from(<[u8; 16]>::try_from(&header[8..24]).ok()?);
    let walked = extensions(header[6], body);
    let number = walked.as_ref().map_or(header[6], |walked| walked.number);
    let protocol = match (number, &walked) {
        (6, Some(_)) => "tcp",
        (17, Some(_)) => "udp",
        (58, Some(_)) => "icmpv6",
        _ => "other",
    };
    let later = walked.as_ref().is_some_and(|walked| walked.later);
    let extended = walked.as_ref().is_none_or(|walked| walked.count > 0);
    let payload = walked.and_then(|walked| match walked.later {
        true => Some((Transport::Unread, None)),
        false => carried(number, protocol, walked.body, walked.first),
    });
    let broken = payload.is_none();
    let (transport, inner) = payload.unwrap_or((Transport::Unread, None));
    let on_link = source.segments()[0] / 64 == 0xfe80 / 64 || source == Ipv6Addr::UNSPECIFIED;
    let essential = match transport {
        Transport::Icmp { kind: 2 } => true,
        Transport::Icmp { kind: 133..=137 } => header[7] == 255,
        Transport::Icmp { kind: 130 | 131 | 132 | 143 } => header[7] == 1 && on_link,
        _ => false,
    };
    Some(Packet {
        source: unmapped(source.into()),
        number,
        protocol,
        broken,
        later,
        extended,
        transport,
        inner,
        essential,
    })
}

/// What stands behind IPv6's extension headers.
struct Walked<'a> {
    number: u8,
    later: bool,
    /// More fragments follow.
    first: bool,
    count: usize,
    body: &'a [u8],
}

/// `None` where the headers do not end, or there are too many.
fn extensions(number: u8, body: &[u8]) -> Option<Walked<'_>> {
    let mut walked = Walked { number, later: false, first: false, count: 0, body };
    while matches!(walked.number, 0 | 43 | 44 | 51 | 60 | 135) && !walked.later {
        walked.count += 1;
        if walked.count == 7 {
            return None;
        }
        let units = usize::from(*walked.body.get(1)?);
        let length = match walked.number {
            44 => 8,
            51 => 8 + units * 4,
            _ => 8 + units * 8,
        };
        let (extension, behind) = walked.body.split_at_checked(length)?;
        if walked.number == 44 {
            walked.later = extension[2] != 0 || extension[3] >= 8;
            walked.first |= extension[3] % 2 == 1;
        }
        walked.number = extension[0];
        walked.body = behind;
    }
    Some(walked)
}

/// What a packet carries: its transport header and the source inside a tunnel.
fn carried(
    number: u8,
    protocol: &str,
    body: &[u8],
    first: bool,
) -> Option<(Transport, Option<IpAddr>)> {
    Some((read_transport(protocol, body, first)?, tunnel(number, body)?))
}

/// The transport header; `None` where it is malformed. `first`: more fragments follow.
fn read_transport(protocol: &str, body: &[u8], first: bool) -> Option<Transport> {
    match protocol {
        "tcp" => {
            let header = body.get(..20)?;
            let length = usize::from(header[12] / 16) * 4;
            let whole = (20..=body.len()).contains(&length);
            whole.then(|| Transport::Tcp { port: word(header[2], header[3]), flags: header[13] })
        }
        "udp" => {
            let header = body.get(..8)?;
            let length = usize::from(word(header[4], header[5]));
            let whole = length >= 8 && (first || length <= body.len());
            whole.then(|| Transport::Udp { port: word(header[2], header[3]) })
        }
        "icmp" | "icmpv6" => body.get(..8).map(|header| Transport::Icmp { kind: header[0] }),
        _ => Some(Transport::Unread),
    }
}

/// The inner source, where there is one; `None` outside is malformed.
fn tunnel(number: u8, body: &[u8]) -> Option<Option<IpAddr>> {
    match number {
        4 => inner_v4(body).map(Some),
        41 => inner_v6(body).map(Some),
        47 => generic(body),
        _ => Some(None),
    }
}

fn generic(body: &[u8]) -> Option<Option<IpAddr>> {
    let [high, low, carried_high, carried_low, ..] = body else { return None };
    if low % 8 != 0 {
        return Some(None);
    }
    if high & 0x40 != 0 {
        return None;
    }
    let fields = [0x80, 0x20, 0x10].into_iter().filter(|bit| high & bit != 0).count();
    let payload = body.get(4 + 4 * fields..);
    match word(*carried_high, *carried_low) {
        0x0800 => inner_v4(payload?).map(Some),
        0x86dd => inner_v6(payload?).map(Some),
        0x6558 => {
            let (ethernet, packet) = payload?.split_at_checked(14)?;
            match word(ethernet[12], ethernet[13]) {
                0x0800 => inner_v4(packet).map(Some),
                0x86dd => inner_v6(packet).map(Some),
                _ => Some(None),
            }
        }
        _ => Some(None),
    }
}

fn inner_v4(packet: &[u8]) -> Option<IpAddr> {
    let header = packet.get(..20)?;
    let sound = header[0] / 16 == 4 && !matches!(header[9], 4 | 41 | 47);
    sound.then(|| Ipv4Addr::new(header[12], header[13], header[14], header[15]).into())
}

fn inner_v6(packet: &[u8]) -> Option<IpAddr> {
    let header = packet.get(..40)?;
    let source = <[u8; 16]>::try_from(&header[8..24]).ok()?;
    let sound = header[0] / 16 == 6 && !matches!(header[6], 4 | 41 | 47);
    sound.then(|| unmapped(source.into()))
}
