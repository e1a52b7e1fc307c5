//! Who takes part: the hosts, the countries of their networks, and the policy of the server.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use ipnetwork::IpNetwork;

use crate::{
    mmdb,
    pki::Identity,
    seawall, upstream,
    world::{HostPlan, SERVER_INTERFACE, World},
};

/// The name that the gateway's certificate carries.
pub const API: &str = "api.example";
/// What one source may send, and at once.
pub const RATE_PPS: u32 = 1000;
/// What it may send at once.
pub const BURST_PACKETS: u32 = 2000;

/// A host in the allowed country.
pub const ALLOWED: HostPlan = HostPlan {
    name: "allowed",
    ipv4: Ipv4Addr::new(198, 51, 100, 7),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, 7)],
};
/// A host in the blocked country.
pub const BLOCKED: HostPlan = HostPlan {
    name: "blocked",
    ipv4: Ipv4Addr::new(198, 51, 100, 200),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 7)],
};
/// A host in the denied network.
pub const DENIED: HostPlan = HostPlan {
    name: "denied",
    ipv4: Ipv4Addr::new(203, 0, 113, 66),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0x66)],
};
/// The one allowed host of the denied network.
pub const EXEMPT: HostPlan = HostPlan {
    name: "exempt",
    ipv4: Ipv4Addr::new(203, 0, 113, 7),
    ipv6: &[Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 7)],
};
/// A host in the allowed country that sends too much; over IPv6 from two addresses of its /64.
pub const FLOODER: HostPlan = HostPlan {
    name: "flooder",
    ipv4: Ipv4Addr::new(198, 18, 0, 9),
    ipv6: &[
        Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 9),
        Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0xffff, 0, 0, 9),
    ],
};
/// All of them.
pub const HOSTS: [HostPlan; 5] = [ALLOWED, BLOCKED, DENIED, EXEMPT, FLOODER];

/// What the demo says of each.
pub fn described(host: &HostPlan) -> &'static str {
    match host.name {
        "allowed" => "in DE, an allowed country",
        "blocked" => "in AQ, a blocked country",
        "denied" => "in a denied network",
        "exempt" => "allowed, inside the denied network",
        "flooder" => "in DE, sends ten times its rate",
        _ => "",
    }
}

/// The networks of the country database.
pub fn countries() -> Result<Vec<(IpNetwork, &'static str)>> {
    let networks = [
        ("198.51.100.0/25", "DE"),
        ("198.51.100.128/25", "AQ"),
        ("198.18.0.0/16", "DE"),
        ("203.0.113.0/24", "DE"),
        ("2001:db8:d::/48", "DE"),
        ("2001:db8:a::/48", "AQ"),
        ("2001:db8:f::/48", "DE"),
        ("2001:db8:bad::/48", "DE"),
    ];
    networks.iter().map(|(network, country)| Ok((network.parse()?, *country))).collect()
}

/// Writes the country database of the cast beside the configuration.
pub fn write_database(world: &World) -> Result<()> {
    mmdb::write(&world.folder().join("country.mmdb"), mmdb::Shape::Nested, &countries()?)
}

/// The server's configuration.
pub fn config(world: &World, gateway: &Identity) -> String {
    format!(
        r#"interfaces:
  - name: {SERVER_INTERFACE}
packet:
  allow: {{ prefixes: [203.0.113.7, "2001:db8:bad::7"] }}
  deny: {{ prefixes: [203.0.113.0/24, "2001:db8:bad::/48"] }}
  geo: {{ database: country.mmdb, block: [AQ] }}
  limits: {{ source: {{ rate_pps: {RATE_PPS}, burst_packets: {BURST_PACKETS} }} }}
  pin_path: {pin_path}
gateway:
  listen: ["0.0.0.0:443", "[::]:443"]
  certificate: {certificate}
  private_key: {key}
  user: nobody
  upstream:
    address: {upstream}
    server_name: {upstream_name}
    ca: authority.pem
log: {{ level: info, format: json }}
{places}"#,
        pin_path = world.pin_path().display(),
        certificate = gateway.certificate.display(),
        key = gateway.key.display(),
        upstream = upstream::ADDRESS,
        upstream_name = upstream::NAME,
        places = seawall::places(world),
    )
}
