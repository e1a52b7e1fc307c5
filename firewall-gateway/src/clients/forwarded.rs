//! Who a request is from, where a trusted proxy brought it: read from the right, as far as trust goes.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::{limits::FORWARDED_PROXIES_MAX, policy::AddressHeader};

/// The client, and the trusted proxies that its request came through, the nearest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The first address from the right that is no trusted proxy.
    pub client: IpAddr,
    /// Empty where the client itself connected.
    pub proxies: Vec<IpAddr>,
}

impl Origin {
    /// The value of `X-Forwarded-For`: what stood left of the client was the client's own word and
    /// is not passed on.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut chain = self.client.to_string();
        for proxy in &self.proxies {
            chain.push_str(", ");
            chain.push_str(&proxy.to_string());
        }
        chain
    }
}

/// Follows the header's entries from the right. `peer` is a trusted proxy.
///
/// Every entry was appended by the hop to its right; so it is believed as long as that hop is
/// trusted. An entry that is no address ends the walk at the proxy that wrote it.
pub fn origin(
    peer: IpAddr,
    headers: &HeaderMap,
    header: AddressHeader,
    trusts: impl Fn(IpAddr) -> bool,
) -> Origin {
    let mut origin = Origin { client: peer, proxies: Vec::new() };
    let name = match header {
        AddressHeader::XForwardedFor => X_FORWARDED_FOR,
        AddressHeader::Forwarded => header::FORWARDED,
    };
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let entries = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    for entry in entries.take(FORWARDED_PROXIES_MAX) {
        let address = match header {
            AddressHeader::XForwardedFor => address(entry),
            AddressHeader::Forwarded => forwarded_for(entry),
        };
        let Some(address) = address else { break };
        origin.proxies.insert(0, origin.client);
        origin.client = address;
        if !trusts(address) {
            break;
        }
    }
    origin
}

// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_ascii();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse::<std::net::Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical())
}

// RFC 7239, 4: `for=192.0.2.1;proto=https`, names in any case, values plain or quoted. A comma within
// quotes leaves a part with one quote, and a part with an escape could hide that: both end the walk.
fn forwarded_for(entry: &[u8]) -> Option<IpAddr> {
    let quotes = entry.iter().filter(|byte| **byte == b'"').count();
    if quotes % 2 == 1 || entry.contains(&b'\\') {
        return None;
    }
    let mut found = None;
    for pair in entry.split(|byte| *byte == b';') {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at(equals);
        let value = value.get(1..)?.trim_ascii();
        if !name.trim_ascii().eq_ignore_ascii_case(b"for") {
            continue;
        }
        let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        if found.replace(address(quoted.unwrap_or(value))?).is_some() {
            return None;
        }
    }
    found
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests;
