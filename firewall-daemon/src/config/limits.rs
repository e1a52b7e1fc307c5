//! How much of what passes: rates for each source, port and protocol, and SYN cookies.

use std::{collections::BTreeSet, fmt};

/// A rate in packets, in bytes, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateConfig {
    /// In packets.
    pub packets: Option<PacketRate>,
    /// In bytes of frames. At least one of the two is there.
    pub bytes: Option<ByteRate>,
}

/// A rate in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRate {
    /// Packets a second.
    pub rate_pps: u32,
    /// Packets at once, after quiet.
    pub burst_packets: u32,
}

/// A rate in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRate {
    /// Bytes a second.
    pub rate_bytes_per_s: u64,
    /// Bytes at once, after quiet.
    pub burst_bytes: u64,
}

/// The `limits` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Each IPv4 address, IPv6 /64.
    pub source: Option<RateConfig>,
    /// Each IPv4 /24, IPv6 /48.
    pub prefix: Option<RateConfig>,
    /// Each country; unknown is one of its own.
    pub country: Option<RateConfig>,
    /// TCP SYN without ACK, together.
    pub syn: Option<RateConfig>,
    /// UDP together.
    pub udp: Option<RateConfig>,
    /// ICMP and ICMPv6 together.
    pub icmp: Option<RateConfig>,
    /// All else together.
    pub other: Option<RateConfig>,
    /// Single destination ports.
    pub ports: Vec<PortLimit>,
}

/// An entry of `limits.ports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortLimit {
    /// Whose port.
    pub protocol: PortProtocol,
    /// The destination port.
    pub port: u16,
    /// What may go there.
    pub rate: RateConfig,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortProtocol {
    /// Number 6.
    Tcp,
    /// Number 17.
    Udp,
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// The `syn_cookies` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynCookiesConfig {
    /// Destination ports, at least one.
    pub ports: BTreeSet<u16>,
    /// From so many SYN a second on, the program answers.
    pub threshold_pps: u32,
}
