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
    /// An IPv6 address, or the IPv4 address that it is another notation of: ::ffff:a.b.c.d (RFC 4291,
    /// 2.5.5.2). No host sends it; it would walk around every IPv4 list.
    #[must_use]
    #[inline(always)]
    pub fn v6(high: u64, low: u64) -> Self {
        if high == 0 && low >> 32 == 0xffff { Self::V4(low as u32) } else { Self::V6 { high, low } }
    }

    /// What one subscriber is: an IPv4 address, or an IPv6 /64, since a /64 is what a single
    /// subscriber is given (RFC 6177) and may draw addresses from at will.
    #[must_use]
    #[inline(always)]
    pub fn source_key(self) -> SourceKey {
        match self {
            Self::V4(address) => SourceKey { network: u64::from(address), family: 4 },
            Self::V6 { high, .. } => SourceKey { network: high, family: 6 },
        }
    }

    /// What one site is: an IPv4 /24, the longest prefix that is routed, or an IPv6 /48 (RFC 6177).
    #[must_use]
    #[inline(always)]
    pub fn prefix_key(self) -> SourceKey {
        match self {
            Self::V4(address) => SourceKey { network: u64::from(address & 0xffff_ff00), family: 4 },
            Self::V6 { high, .. } => SourceKey { network: high & !0xffff, family: 6 },
        }
    }
}

/// Key of a ban, and what buckets are kept for. No implicit padding: it crosses the kernel boundary.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// What an IP protocol number that is no ICMP stands for.
    #[must_use]
    #[inline(always)]
    pub fn of(number: u8) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            _ => Self::Other,
        }
    }

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

/// Bits of [`Packet::tcp_flags`], as they stand in the header (RFC 9293).
pub mod tcp_flag {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// The first segment.
    pub const SYN: u8 = 2;
    /// The connection is refused or lost.
    pub const RST: u8 = 4;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;
}

/// An IP packet, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who it says it is from.
    pub source: Address,
    /// Who the packet inside a tunnel (IPIP, 6in4, GRE) says it is from.
    pub inner: Option<Address>,
    /// What it carries.
    pub protocol: Protocol,
    /// The number of the protocol (IANA, "Assigned Internet Protocol Numbers").
    pub number: u8,
    /// IPv4 time to live, IPv6 hop limit: 255 proves that a packet was not forwarded.
    pub hop_limit: u8,
    /// ICMP type and code; zero for other protocols and for later fragments.
    pub icmp: [u8; 2],
    /// TCP flags; zero for other protocols and for later fragments.
    pub tcp_flags: u8,
    /// TCP or UDP destination port; zero for other protocols and for later fragments.
    pub destination_port: u16,
    /// What follows the IP header ends before its own headers do, or contradicts itself: nothing is
    /// known of it.
    pub broken: bool,
    /// A fragment that is not the first: it has no header of the protocol that it carries.
    pub later_fragment: bool,
    /// Not a fragment at all.
    pub whole: bool,
    /// Neither IPv4 options nor IPv6 extension headers: the transport header follows at once.
    pub plain: bool,
    /// 4 or 6; 0 where the frame holds no IP packet that can be parsed, and nothing else is known then.
    pub version: u8,
    /// Where the IP header begins in the frame, in bytes.
    pub network_offset: u16,
    /// Where the header of what it carries begins in the frame, in bytes.
    pub transport_offset: u16,
    /// Where the packet ends in the frame, in bytes; padding may follow.
    pub end: u32,
}

impl Packet {
    /// No IP packet, or none that could be parsed.
    pub const NONE: Self = Self {
        source: Address::V4(0),
        inner: None,
        protocol: Protocol::None,
        number: 0,
        hop_limit: 0,
        icmp: [0; 2],
        tcp_flags: 0,
        destination_port: 0,
        broken: false,
        later_fragment: false,
        whole: false,
        plain: false,
        version: 0,
        network_offset: 0,
        transport_offset: 0,
        end: 0,
    };

    /// The first segment of a TCP connection.
    #[must_use]
    #[inline(always)]
    pub fn opens_connection(&self) -> bool {
        matches!(self.protocol, Protocol::Tcp)
            && self.tcp_flags & (tcp_flag::SYN | tcp_flag::ACK) == tcp_flag::SYN
    }
}
