//! What the stages know of a packet.

/// An IP address as a number, most significant bits first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// IPv4.
    V4(u32),
    /// IPv6, as its network half and its interface half: BPF has no 128-bit numbers.
    V6 {
        /// The upper 64 bits.
        high: u64,
        /// The lower 64 bits.
        low: u64,
    },
}

impl Address {
    /// The owner of a token bucket: one IPv4 address, or one IPv6 /64, since a /64 is what a single
    /// subscriber is given (RFC 6177) and may draw addresses from at will.
    #[must_use]
    #[inline(always)]
    pub fn source_key(self) -> SourceKey {
        match self {
            Self::V4(address) => SourceKey { network: u64::from(address), family: 4 },
            Self::V6 { high, .. } => SourceKey { network: high, family: 6 },
        }
    }
}

/// Key of a token bucket. No implicit padding: it crosses the kernel boundary.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceKey {
    /// The IPv4 address, or the upper half of the IPv6 address.
    pub network: u64,
    /// 4 or 6.
    pub family: u64,
}

/// What a packet carries, as far as counters tell it apart. Numbers are append-only.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// No IP packet, or none that could be parsed.
    None = 0,
    /// TCP.
    Tcp = 1,
    /// UDP.
    Udp = 2,
    /// ICMP for IPv4.
    Icmp = 3,
    /// ICMP for IPv6.
    Icmpv6 = 4,
    /// Any other IP protocol.
    Other = 5,
}

impl Protocol {
    /// Every protocol, in the order of the numbers.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Tcp, Self::Udp, Self::Icmp, Self::Icmpv6, Self::Other];

    /// The word used in metrics, logs and the command line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Other => "other",
        }
    }
}

/// An IP packet, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who it says it is from.
    pub source: Address,
    /// Where it is going.
    pub destination: Address,
    /// What it carries.
    pub protocol: Protocol,
    /// IPv4 time to live, IPv6 hop limit: 255 proves that a packet was not forwarded.
    pub hop_limit: u8,
    /// ICMP type and code; zero for other protocols and for later fragments.
    pub icmp: [u8; 2],
    /// TCP or UDP source port; zero for other protocols and for later fragments.
    pub source_port: u16,
    /// TCP or UDP destination port; zero for other protocols and for later fragments.
    pub destination_port: u16,
    /// A fragment that is not the first: it has no header of the protocol that it carries.
    pub later_fragment: bool,
}
