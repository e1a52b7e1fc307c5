//! The PROXY header, versions 1 and 2: what a trusted proxy says of the connection it passes on.
//!
//! <https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::limits::PROXY_HEADER_BYTES_MAX;

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header, shorter than the bound.
    Incomplete,
    /// No header, or one that is not as it has to be.
    Invalid,
    /// A header.
    Header {
        /// Its bytes; TLS begins behind them.
        bytes: usize,
        /// The client, unless the proxy speaks for itself (a health check) or of a family without
        /// addresses.
        source: Option<SocketAddr>,
    },
}

/// Reads the header at the beginning of a connection.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let compared = bytes.len().min(SIGNATURE_V2.len());
    if bytes.get(..compared) == SIGNATURE_V2.get(..compared) {
        return version_2(bytes);
    }
    let compared = bytes.len().min(SIGNATURE_V1.len());
    if bytes.get(..compared) == SIGNATURE_V1.get(..compared) {
        return version_1(bytes);
    }
    Parsed::Invalid
}

fn version_1(bytes: &[u8]) -> Parsed {
    let line = bytes.get(..bytes.len().min(V1_BYTES_MAX)).unwrap_or(bytes);
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        let more = line.len() < V1_BYTES_MAX;
        return if more { Parsed::Incomplete } else { Parsed::Invalid };
    };
    let text = line.get(SIGNATURE_V1.len()..end).and_then(|text| std::str::from_utf8(text).ok());
    match text.and_then(source_v1) {
        Some(source) => Parsed::Header { bytes: end + 2, source },
        None => Parsed::Invalid,
    }
}

// `TCP4 192.0.2.1 192.0.2.2 56324 443`, one space between words; behind UNKNOWN anything may stand.
fn source_v1(text: &str) -> Option<Option<SocketAddr>> {
    let mut words = text.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let addresses = [words.next()?, words.next()?];
    let ports = [words.next()?, words.next()?];
    if words.next().is_some() {
        return None;
    }
    let [source, _] = match family {
        "TCP4" => parsed(addresses, |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4))?,
        "TCP6" => parsed(addresses, |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?,
        _ => return None,
    };
    let [port, _] = parsed(ports, |text| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain && (text == "0" || !text.starts_with('0')))
    })?;
    Some(Some(SocketAddr::new(source.to_canonical(), port)))
}

fn parsed<T>(words: [&str; 2], parse: impl Fn(&str) -> Option<T>) -> Option<[T; 2]> {
    let [first, second] = words;
    Some([parse(first)?, parse(second)?])
}

fn version_2(bytes: &[u8]) -> Parsed {
    let Some(head) = bytes.first_chunk::<V2_HEAD_BYTES>() else {
        return Parsed::Incomplete;
    };
    let [.., version_command, family, length_high, length_low] = *head;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let total = V2_HEAD_BYTES + length;
    let addresses = match family {
        0x11 => V4_BYTES,
        0x21 => V6_BYTES,
        // Unspecified, and Unix sockets: nothing in it is an address of a client.
        0x00 | 0x31 | 0x32 => 0,
        // Datagrams do not come over TCP.
        _ => return Parsed::Invalid,
    };
    // What stands behind the addresses (TLVs) is skipped.
    if !matches!(version_command, LOCAL | PROXY) || total > PROXY_HEADER_BYTES_MAX {
        return Parsed::Invalid;
    }
    if version_command == PROXY && length < addresses {
        return Parsed::Invalid;
    }
    let Some(rest) = bytes.get(V2_HEAD_BYTES..total) else { return Parsed::Incomplete };
    let source = match (version_command, family) {
        (PROXY, 0x11) => source_v2::<4>(rest, 8),
        (PROXY, 0x21) => source_v2::<16>(rest, 32),
        _ => None,
    };
    Parsed::Header { bytes: total, source }
}

fn source_v2<const BYTES: usize>(rest: &[u8], port_at: usize) -> Option<SocketAddr>
where
    IpAddr: From<[u8; BYTES]>,
{
    let address = IpAddr::from(*rest.first_chunk::<BYTES>()?).to_canonical();
    let port = u16::from_be_bytes(*rest.get(port_at..)?.first_chunk()?);
    Some(SocketAddr::new(address, port))
}

const SIGNATURE_V1: &[u8] = b"PROXY ";
const SIGNATURE_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The specification's own bound, CR LF included.
const V1_BYTES_MAX: usize = 107;
const V2_HEAD_BYTES: usize = 16;
const V4_BYTES: usize = 12;
const V6_BYTES: usize = 36;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

#[cfg(test)]
mod tests;
