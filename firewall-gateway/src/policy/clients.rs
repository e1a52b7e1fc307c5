//! What the policy says of clients: whose word about them is taken, and what one address may have.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// Whom to believe about a client's address, and what one address may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsPolicy {
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// Proxies in front of the gateway; nobody else's word about an address is taken.
    pub trusted_proxies: Vec<IpNetwork>,
    /// The header in which they name the client.
    pub address_header: AddressHeader,
    /// Connections at once of one address; an IPv6 client is its /64.
    pub connections_max: u16,
    /// Requests in flight at once of one address, over all its connections.
    pub requests_active_max: u16,
    /// Requests of one address; without it there is no such limit.
    pub requests: Option<RequestRate>,
}

impl Default for ClientsPolicy {
    fn default() -> Self {
        Self {
            proxy_protocol: ProxyProtocol::Off,
            trusted_proxies: Vec::new(),
            address_header: AddressHeader::XForwardedFor,
            connections_max: 1_000,
            requests_active_max: 200,
            requests: None,
        }
    }
}

/// How many requests one address may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestRate {
    /// In the long run.
    pub per_s: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// Whether a connection begins with a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// Never; one that comes all the same is no TLS and ends the connection.
    Off,
    /// Always, version 1 or 2, and from a trusted proxy.
    Required,
}

/// The header in which trusted proxies name the client. One alone: a proxy that writes the one
/// passes the other on as the client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}
